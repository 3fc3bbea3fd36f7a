// How near generation with a real model comes to what this machine can do: reading the weights at the memory's rate, and
// multiplying at the rate of matrix products.
//
//   build/release/model_bench --model=SmolLM2-135M-Instruct.Q4_1.gguf
//   build/release/model_bench --model=... --benchmark_filter=decode/bfloat16 --benchmark_repetitions=5
//   build/release/model_bench --model=... --benchmark_filter=decode --prompt-tokens=1024 --cache=bfloat16
//
// First the machine's own rates are measured, on one thread and on two: reading 1 GB, the best of several ways to read it;
// products of [1024, 1024] matrices, the best of LibTorch's and of ours. Then
//
//   decode/TYPE/batch:B/threads:T   tokens a second from the moment when all B sequences are under way; `with_prompts` of the whole
//                                   call, prompts of 32 tokens (--prompt-tokens); `tokens_per_cpu_second` the same by the processor time of all threads
//   prompt/TYPE/tokens:N/threads:T  tokens a second of reading one prompt, its first token drawn
//   refill/TYPE/slots:S/threads:T   many completions of very unequal length; `slots_busy` is the share of places in use
//   refresh/TYPE                    the generator takes over changed weights, as after every step of a run
//
// `of_floor` is the floor's time over the time measured. A floor is the larger of two: the bytes of all matrices over the
// rate of reading, once a step; their multiplications and additions over the rate of products. Attention, sampling, the cache
// and everything else count nothing in it.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "benchmarks/engine_main.h"
#include "core/error.h"
#include "policies/generate.h"
#include "policies/parameters.h"

namespace cogent {
namespace {

constexpr int kNewTokens = 128;
int g_prompt_tokens = 32;
Cached g_cache = Cached::kFloat32;

using Clock = std::chrono::steady_clock;
double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Of all threads.
double CpuSeconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double Fastest(int repeats, const std::function<void()>& work) {
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < repeats; ++i) {
    const auto start = Clock::now();
    work();
    best = std::min(best, Since(start));
  }
  return best;
}

// Sums `count` floats that lie in kStreams parts, all of them read side by side.
template <int kStreams>
float SumStreams(const float* p, std::size_t count) {
  constexpr std::size_t kStep = 2 * kLanes;
  const std::size_t each = count / kStreams / kStep * kStep;
  Vec sums[2 * kStreams] = {};
  for (std::size_t i = 0; i < each; i += kStep) {
    for (int s = 0; s < kStreams; ++s) sums[2 * s] += Load(p + s * each + i), sums[2 * s + 1] += Load(p + s * each + i + kLanes);
  }
  Vec all{};
  for (const Vec& sum : sums) all += sum;
  return Sum(all);
}

// What this machine reaches with so many threads.
struct Rates {
  double bytes = 0, float32 = 0, bfloat16 = 0;  // a second; operations, a multiplication with its addition is two
  double Of(Products products) const { return products == Products::kFloat32 ? float32 : bfloat16; }
};

double ReadRate(int threads) {
  const std::vector<float> memory(std::size_t{1} << 28, 1.0f);
  const std::size_t part = memory.size() / static_cast<std::size_t>(threads);
  double best = 0;
  for (float (*sum)(const float*, std::size_t) : {SumStreams<1>, SumStreams<4>, SumStreams<8>}) {
    const double seconds = Fastest(5, [&] {
      std::vector<std::jthread> others;
      for (int t = 1; t < threads; ++t) others.emplace_back([&, t] { benchmark::DoNotOptimize(sum(memory.data() + t * part, part)); });
      benchmark::DoNotOptimize(sum(memory.data(), part));
    });
    best = std::max(best, static_cast<double>(part) * threads * sizeof(float) / seconds);
  }
  return best;
}

double ProductRate(Products products, int threads) {
  constexpr int kSize = 1024;
  constexpr double kOperations = 2.0 * kSize * kSize * kSize;
  const at::Tensor left = at::rand({kSize, kSize}), right = at::rand({kSize, kSize});
  const auto type = products == Products::kFloat32 ? at::kFloat : at::kBFloat16;
  const at::Tensor a = left.to(type), b = right.to(type);
  at::set_num_threads(threads);
  const double theirs = Fastest(20, [&] { benchmark::DoNotOptimize(at::mm(a, b)); });
  at::set_num_threads(1);
  PackedMatrix packed;
  packed.Pack(right.const_data_ptr<float>(), kSize, kSize, kSize, products);
  std::vector<float> out(static_cast<std::size_t>(kSize) * kSize);
  Team team(threads);
  const double ours = Fastest(20, [&] {
    team.Share(kSize, 1, [&](int first, int last) {
      packed.Multiply(left.const_data_ptr<float>() + first * kSize, kSize, last - first, out.data() + static_cast<std::size_t>(first) * kSize, kSize);
    });
  });
  return kOperations / std::min(theirs, ours);
}

const Rates& RatesOf(int threads) {
  static std::map<int, Rates> known;
  const auto [at, fresh] = known.try_emplace(threads);
  if (fresh) {
    at->second = {ReadRate(threads), ProductRate(Products::kFloat32, threads), ProductRate(Products::kBfloat16, threads)};
    fmt::print(stderr, "{} thread{}: reads {:.1f} GB/s; products {:.0f} GFLOP/s in float32, {:.0f} of bfloat16\n", threads, threads == 1 ? "" : "s", at->second.bytes / 1e9,
               at->second.float32 / 1e9, at->second.bfloat16 / 1e9);
  }
  return at->second;
}

// The model and, of each type and number of threads, the generator made last: two hold more than is needed.
struct Subject {
  explicit Subject(const std::string& path) : parameters(LoadModelConfig(path)), tokenizer(Tokenizer::Load(path)) { parameters.Load(path, Rng(0)); }
  ParameterSet parameters;
  Tokenizer tokenizer;

  Generator& With(Products products, int threads, int slots) {
    if (!generator || products != products_ || threads != threads_ || slots != slots_) {
      generator.reset();
      generator = std::make_unique<Generator>(parameters, tokenizer,
                                              Generator::Options{.threads = threads, .slots = (slots + threads - 1) / threads,
                                                                 .on_token = [this](std::size_t i, std::int32_t) { if (on_token) on_token(i); }, .weights = products, .cache = g_cache});
      products_ = products, threads_ = threads, slots_ = slots;
    }
    return *generator;
  }
  std::function<void(std::size_t)> on_token;

  std::vector<std::vector<std::int32_t>> Prompts(int count, int tokens) const {
    std::vector<std::vector<std::int32_t>> prompts(static_cast<std::size_t>(count));
    Rng draws = Rng(1).Fork("prompts");
    for (auto& prompt : prompts) {
      for (int i = 0; i < tokens; ++i) prompt.push_back(static_cast<std::int32_t>(draws.Range(100, parameters.config().vocab_size - 1)));
    }
    return prompts;
  }
  static std::vector<Rng> Seeds(int count) {
    std::vector<Rng> seeds;
    for (int i = 0; i < count; ++i) seeds.push_back(Rng(2).Fork(static_cast<std::uint64_t>(i)));
    return seeds;
  }
  // The least seconds that `steps` steps of `rows` tokens can take. A row's head counts where its logits are wanted.
  double Floor(Products products, int threads, double steps, double rows, double heads) const {
    const ModelConfig& c = parameters.config();
    const Rates& rates = RatesOf(threads);
    const double head = static_cast<double>(c.vocab_size) * c.hidden_size;
    const double layers = CountParameters(c).active - head;
    const double bytes = (layers + head) * (products == Products::kFloat32 ? 4 : 2);
    return steps * std::max(bytes / rates.bytes, 2 * (layers * rows + head * heads) / rates.Of(products));
  }

 private:
  std::unique_ptr<Generator> generator;
  Products products_ = Products::kFloat32;
  int threads_ = 0, slots_ = 0;
};

std::unique_ptr<Subject> g_subject;

void Decode(benchmark::State& state, Products products) {
  const int batch = static_cast<int>(state.range(0)), threads = static_cast<int>(state.range(1));
  const Generator& generator = g_subject->With(products, threads, batch);
  const auto prompts = g_subject->Prompts(batch, g_prompt_tokens);
  const auto seeds = Subject::Seeds(batch);
  const double floor = g_subject->Floor(products, threads, kNewTokens - 1, batch, batch);
  double decoding = 0, whole = 0, cpu = 0;
  for (auto _ : state) {
    Clock::time_point under_way;
    g_subject->on_token = [&, begun = 0](std::size_t i) mutable {
      if (static_cast<int>(i) == begun && ++begun == batch) under_way = Clock::now();
    };
    const auto start = Clock::now();
    cpu -= CpuSeconds();
    const auto out = generator.Generate(prompts, seeds, {.temperature = 1.0, .max_new_tokens = kNewTokens, .ignore_eos = true});
    cpu += CpuSeconds();
    Check(out.back().ids.size() == kNewTokens, "every completion is whole");
    whole += Since(start);
    state.SetIterationTime(Since(under_way));
    decoding += Since(under_way);
  }
  g_subject->on_token = nullptr;
  const double runs = static_cast<double>(state.iterations());
  state.counters["tokens_per_second"] = runs * batch * (kNewTokens - 1) / decoding;
  state.counters["with_prompts"] = runs * batch * kNewTokens / whole;
  state.counters["tokens_per_cpu_second"] = runs * batch * kNewTokens / cpu;
  state.counters["of_floor"] = runs * floor / decoding;
}

void Prompt(benchmark::State& state, Products products) {
  const int tokens = static_cast<int>(state.range(0)), threads = static_cast<int>(state.range(1));
  const Generator& generator = g_subject->With(products, threads, 1);
  const auto prompts = g_subject->Prompts(1, tokens);
  const auto seeds = Subject::Seeds(1);
  double seconds = 0;
  for (auto _ : state) {
    const auto start = Clock::now();
    benchmark::DoNotOptimize(generator.Generate(prompts, seeds, {.temperature = 1.0, .max_new_tokens = 1, .ignore_eos = true}));
    state.SetIterationTime(Since(start));
    seconds += Since(start);
  }
  const double runs = static_cast<double>(state.iterations());
  state.counters["tokens_per_second"] = runs * tokens / seconds;
  state.counters["of_floor"] = runs * g_subject->Floor(products, threads, 1, tokens, 1) / seconds;
}

// 24 completions a place, drawn until they end by themselves or at 256 tokens. While some are waiting, every place is in use; how long
// the last ones go on with empty places beside them is what the share says.
void Refill(benchmark::State& state, Products products) {
  const int slots = static_cast<int>(state.range(0)), threads = static_cast<int>(state.range(1)), count = 24 * slots;
  const Generator& generator = g_subject->With(products, threads, slots);
  std::vector<std::vector<std::int32_t>> prompts(static_cast<std::size_t>(count), g_subject->tokenizer.EncodePrompt("Question: What is 17 + 25?\nAnswer:"));
  const auto seeds = Subject::Seeds(count);
  Generator::Usage usage;
  double shortest = 0, longest = 0, tokens = 0;
  for (auto _ : state) {
    const auto start = Clock::now();
    const auto out = generator.Generate(prompts, seeds, {.temperature = 1.0, .max_new_tokens = 256}, &usage);
    state.SetIterationTime(Since(start));
    tokens = 0, shortest = std::numeric_limits<double>::max(), longest = 0;
    for (const Generated& one : out) {
      const auto size = static_cast<double>(one.ids.size());
      tokens += size, shortest = std::min(shortest, size), longest = std::max(longest, size);
    }
  }
  state.counters["slots_busy"] = static_cast<double>(usage.rows) / static_cast<double>(usage.slots);
  state.counters["mean_tokens"] = tokens / count;
  state.counters["shortest"] = shortest;
  state.counters["longest"] = longest;
  state.counters["tokens_per_second"] = benchmark::Counter(tokens, benchmark::Counter::kIsIterationInvariantRate);
}

void Refresh(benchmark::State& state, Products products) {
  Generator& generator = g_subject->With(products, 1, 1);
  for (auto _ : state) generator.Refresh(g_subject->parameters);
}

void Register() {
  const auto add = [](const std::string& name, void (*run)(benchmark::State&, Products), Products products, const char* what, const std::vector<int>& sizes, const std::vector<int>& thread_counts = {1, 2}) {
    auto* all = benchmark::RegisterBenchmark(fmt::format("{}/{}", name, products == Products::kFloat32 ? "float32" : "bfloat16").c_str(), run, products);
    all->ArgNames({what, "threads"})->UseManualTime()->Unit(benchmark::kMillisecond);
    for (const int threads : thread_counts) {
      for (const int size : sizes) all->Args({size, threads});
    }
  };
  for (const Products products : {Products::kFloat32, Products::kBfloat16}) {
    add("decode", Decode, products, "batch", {1, 8, 32});
    add("prompt", Prompt, products, "tokens", {128, 512});
    add("refill", Refill, products, "slots", {32}, {2});
    benchmark::RegisterBenchmark(products == Products::kFloat32 ? "refresh/float32" : "refresh/bfloat16", Refresh, products)->UseRealTime()->Unit(benchmark::kMillisecond);
  }
}

}  // namespace
}  // namespace cogent

int main(int argc, char** argv) {
  const int code = cogent::RunBenchmarks("model_bench", argc, argv, [](std::vector<char*>& words) {
    const std::string model = cogent::TakeOption(words, "model");
    if (model.empty()) throw cogent::ConfigError("name a model by --model=PATH: a checkpoint in Hugging Face layout or a GGUF file");
    cogent::g_cache = cogent::TakeCached(words);
    cogent::g_prompt_tokens = cogent::TakeNumber(words, "prompt-tokens", cogent::g_prompt_tokens);
    cogent::g_subject = std::make_unique<cogent::Subject>(model);
    cogent::Register();
  });
  cogent::g_subject.reset();
  return code;
}
