// Speed of the engine: generation, training, and whole GRPO steps, with the time by phase.
//
//   build/release/engine_bench --benchmark_filter=Generate/batch:128 --benchmark_repetitions=5
//   build/release/engine_bench --model=SmolLM2-135M-Instruct.Q4_1.gguf --prompts=4 --benchmark_filter=grpo     # a real model, smaller steps
//   build/release/engine_bench --cache=bfloat16 --benchmark_filter=generate                                    # not of the GRPO steps
//
// The shapes are those of benchmarks/peers/*.py: prompts of 32 tokens, 64 new ones, sequences of 96, 16 prompts
// times 8 completions. Every figure has both clocks: real time, and the processor time of all threads
// (what a busy machine hardly moves). benchmarks/table.py has the operations of the same shapes.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "algorithms/algorithm.h"
#include "algorithms/trainer.h"
#include "benchmarks/engine_main.h"
#include "policies/generate.h"

namespace cogent {
namespace {

constexpr int kPromptTokens = 32, kNewTokens = 64, kPrompts = 16, kGroup = 8, kSequences = kPrompts * kGroup;
int g_prompts = kPrompts;  // of a GRPO step
std::string g_model;       // a checkpoint in the place of the model of the comparison
Cached g_cache = Cached::kFloat32;
constexpr int kFirstWord = 2;  // below: padding and the end

// Byte-level BPE of noise: as many ids as the model has, so that every id may be sampled.
Tokenizer NoiseTokenizer(int vocabulary) {
  Rng draws = Rng(0).Fork("corpus");
  std::vector<std::string> corpus(64);
  for (std::string& text : corpus) {
    for (int i = 0; i < 400; ++i) text += static_cast<char>('a' + draws.Range(0, 25));
  }
  Tokenizer tokenizer = Tokenizer::Train(corpus, {.vocab_size = vocabulary, .added_tokens = {{"<|pad|>", true}, {"<|end|>", true}}});
  Check(tokenizer.vocab_size() == vocabulary, "the corpus has too few pairs for the vocabulary");
  return tokenizer;
}

// The model of the comparison: random weights, the same for every benchmark.
struct Subject {
  ModelConfig config = LoadModelConfig(g_model.empty() ? COGENT_SOURCE_DIR "/tests/data/small_moe_config.json" : g_model);
  Tokenizer tokenizer = g_model.empty() ? NoiseTokenizer(config.vocab_size) : Tokenizer::Load(g_model);
  ParameterSet parameters{config};
  OptimizerConfig optimizer_config;
  AdamW optimizer{parameters, optimizer_config};

  Subject() { parameters.Initialize(Rng(1)); }
  std::vector<std::int32_t> Ids(Rng& draws, int count) const {
    std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
    for (auto& id : ids) id = static_cast<std::int32_t>(draws.Range(kFirstWord, config.vocab_size - 1));
    return ids;
  }
  Sampling sampling(int new_tokens = kNewTokens) const { return {.temperature = 1.0, .max_new_tokens = new_tokens, .ignore_eos = true}; }
};

// Both clocks, summed over the spans between Start and Stop.
class PhaseClock {
 public:
  void Start() { wall_ -= Now(), cpu_ -= Cpu(); }
  void Stop() { wall_ += Now(), cpu_ += Cpu(); }
  void Report(benchmark::State& state, const std::string& phase) const {
    const double iterations = static_cast<double>(state.iterations());
    state.counters[phase + "_wall_s"] = wall_ / iterations;
    state.counters[phase + "_cpu_s"] = cpu_ / iterations;
  }

 private:
  static double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
  static double Cpu() {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }
  double wall_ = 0, cpu_ = 0;
};

void SetTokens(benchmark::State& state, int tokens) { state.counters["tokens"] = tokens; }

// Distinct prompts: nothing is shared between rows.
void Generate(benchmark::State& state, int new_tokens, Latents latents = Latents::kAbsorbed) {
  const Subject subject;
  const int batch = static_cast<int>(state.range(0)), threads = static_cast<int>(state.range(1));
  const Generator generator(subject.parameters, subject.tokenizer, {.threads = threads, .latents = latents, .cache = g_cache});
  Rng draws(2);
  std::vector<std::vector<std::int32_t>> prompts;
  std::vector<Rng> seeds;
  for (int i = 0; i < batch; ++i) prompts.push_back(subject.Ids(draws, kPromptTokens)), seeds.push_back(draws.Fork(i));
  for (auto _ : state) {
    const auto out = generator.Generate(prompts, seeds, subject.sampling(new_tokens));
    Check(out.back().ids.size() == static_cast<std::size_t>(new_tokens), "every completion is whole");
  }
  SetTokens(state, batch * new_tokens);
}
void GenerateAll(benchmark::State& state) { Generate(state, kNewTokens); }
// As a run does with `deterministic: true`.
void GenerateExpanded(benchmark::State& state) { Generate(state, kNewTokens, Latents::kExpanded); }
// The prompt and one token: what of the above is reading the prompts.
void ReadPrompts(benchmark::State& state) { Generate(state, 1); }

std::vector<Document> Documents(const Subject& subject, int count) {
  Rng draws(3);
  std::vector<Document> documents;
  for (int i = 0; i < count; ++i) documents.push_back({subject.Ids(draws, kPromptTokens + kNewTokens), 1});
  return documents;
}

// Forward, backward, clipping and AdamW on 128 sequences of 96 tokens.
template <Products kProducts>
void Train(benchmark::State& state) {
  Subject subject;
  Trainer trainer(subject.parameters, nullptr, subject.optimizer, {.lanes = static_cast<int>(state.range(0)), .products = kProducts});
  const auto documents = Documents(subject, kSequences);
  for (auto _ : state) trainer.Pretrain(documents, 1e-4, 0.0);
  SetTokens(state, kSequences * (kPromptTokens + kNewTokens));
}

// The same by phase, in the trainer's micro-batches, on one thread.
void TrainPhases(benchmark::State& state) {
  constexpr int kLength = kPromptTokens + kNewTokens, kPieces = 12;
  Subject subject;
  const auto documents = Documents(subject, kSequences);
  at::Tensor gradient = at::zeros_like(subject.parameters.flat());
  PhaseClock forward, backward, step;
  for (auto _ : state) {
    for (int piece = 0; piece < kPieces; ++piece) {
      forward.Start();
      PackedTokens tokens;
      std::vector<std::int64_t> rows, targets;
      for (int d = kSequences * piece / kPieces; d < kSequences * (piece + 1) / kPieces; ++d) {
        const int begin = static_cast<int>(tokens.ids.size());
        tokens.ids.insert(tokens.ids.end(), documents[d].ids.begin(), documents[d].ids.end());
        tokens.segments.push_back({begin, begin + kLength, -1});
        for (int i = 1; i < kLength; ++i) rows.push_back(begin + i - 1), targets.push_back(documents[d].ids[i]);
      }
      const Transformer model(subject.config, subject.parameters.Leaves(gradient), subject.parameters.biases());
      const at::Tensor hidden = model.Forward(tokens, {}).hidden;
      at::Tensor loss = model.Logprobs(hidden, rows, targets, 1.0).logprobs.sum() * (-1.0 / (kSequences * (kLength - 1)));
      forward.Stop();
      backward.Start();
      loss.backward();
      backward.Stop();
    }
    step.Start();
    subject.optimizer.Step(gradient, 1e-4);
    gradient.zero_();
    step.Stop();
  }
  forward.Report(state, "forward"), backward.Report(state, "backward"), step.Report(state, "step");
  SetTokens(state, kSequences * kLength);
}

// A group a prompt, from the generator's answer; the reward is the share of even ids, as in grpo_trl.py.
std::vector<Group> Rollout(const Subject& subject, const Generator& generator, Rng& draws) {
  std::vector<std::vector<std::int32_t>> prompts;
  std::vector<Rng> seeds;
  for (int p = 0; p < g_prompts; ++p) {
    const auto prompt = subject.Ids(draws, kPromptTokens);
    for (int g = 0; g < kGroup; ++g) prompts.push_back(prompt), seeds.push_back(draws.Fork(p * kGroup + g));
  }
  auto out = generator.Generate(prompts, seeds, subject.sampling());
  std::vector<Group> groups(static_cast<std::size_t>(g_prompts));
  for (std::size_t i = 0; i < out.size(); ++i) {
    Trajectory t;
    for (const auto id : out[i].ids) t.reward += id % 2 == 0 ? 1.0 / kNewTokens : 0.0;
    t.turns.push_back({.prompt_ids = prompts[i], .completion_ids = std::move(out[i].ids), .logprobs = std::move(out[i].logprobs), .sampled_logprobs = std::move(out[i].sampled_logprobs), .truncated = true});
    t.status = TrajectoryStatus::kTruncated;
    groups[i / kGroup].members.push_back(std::move(t));
  }
  return groups;
}

std::unique_ptr<Algorithm> GrpoWithoutReference() {
  Problems problems;
  Choice choice;
  choice.name = "grpo";
  choice.settings = ParseYaml("kl_coef: 0", "benchmark");
  auto algorithm = BuiltinAlgorithms().Make(choice, problems);
  problems.ThrowIfAny();
  return algorithm;
}

// A whole step: fresh prompts, rollout, rewards, update, the generator's new weights.
template <Products kProducts>
void Grpo(benchmark::State& state) {
  const int threads = static_cast<int>(state.range(0));
  Subject subject;
  const auto algorithm = GrpoWithoutReference();
  Generator generator(subject.parameters, subject.tokenizer, {.threads = threads});
  Trainer trainer(subject.parameters, nullptr, subject.optimizer, {.lanes = threads, .products = kProducts});
  Rng draws(4);
  PhaseClock rollout, train, refresh;
  for (auto _ : state) {
    rollout.Start();
    const auto groups = Rollout(subject, generator, draws);
    rollout.Stop();
    train.Start();
    trainer.Step(groups, *algorithm, 1e-4);
    train.Stop();
    refresh.Start();
    generator.Refresh(subject.parameters);
    refresh.Stop();
  }
  rollout.Report(state, "rollout"), train.Report(state, "train"), refresh.Report(state, "refresh");
  SetTokens(state, g_prompts * kGroup * kNewTokens);
}

benchmark::internal::Benchmark* Add(const char* name, void (*run)(benchmark::State&)) {
  return benchmark::RegisterBenchmark(name, run)->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMillisecond);
}

struct Entry {
  const char* name;
  void (*run)(benchmark::State&);
};

void Register() {
  for (auto [name, run] : {Entry{"generate", GenerateAll}, Entry{"generate_deterministic", GenerateExpanded}, Entry{"read_prompts", ReadPrompts}}) {
    for (const int threads : {1, 2}) {
      for (const int batch : {1, 16, 128}) {
        if (threads > batch) continue;
        Add(name, run)->ArgNames({"batch", "threads"})->Args({batch, threads});
      }
    }
  }
  for (auto [name, run] : {Entry{"train", Train<Products::kFloat32>}, Entry{"train_bfloat16", Train<Products::kBfloat16>},
                          Entry{"grpo", Grpo<Products::kFloat32>}, Entry{"grpo_bfloat16", Grpo<Products::kBfloat16>}}) {
    Add(name, run)->ArgNames({"threads"})->Arg(1)->Arg(2);
  }
  Add("train_phases", TrainPhases);
}

}  // namespace
}  // namespace cogent

int main(int argc, char** argv) {
  return cogent::RunBenchmarks("engine_bench", argc, argv, [](std::vector<char*>& words) {
    cogent::g_model = cogent::TakeOption(words, "model");
    cogent::g_cache = cogent::TakeCached(words);
    cogent::g_prompts = cogent::TakeNumber(words, "prompts", cogent::g_prompts);
    cogent::Register();
  });
}
