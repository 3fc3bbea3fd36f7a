// cogent bench [json] [model=PATH] [threads=N] [weights=TYPE]
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "algorithms/trainer.h"
#include "core/error.h"
#include "experiments/engine_commands.h"
#include "experiments/engine_run.h"
#include "policies/generate.h"

namespace cogent {
namespace {

using Clock = std::chrono::steady_clock;
double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr int kPrompt = 32, kNew = 64, kDocuments = 16, kRepeats = 5;
constexpr double kBudget = 1.0;  // seconds after which a measurement starts no further repeat

struct Settings {
  ModelConfig model;
  std::string name = "built in";
  int threads = 1;
  std::string weights = "float32";  // of generation
  bool json = false;
};

// The 1.07M-parameter mixture: the defaults of ModelConfig are its values.
Settings ReadWords(const Command& command) {
  Settings s;
  for (const std::string& word : command.arguments) {
    if (word == "json") {
      s.json = true;
    } else if (word.starts_with("model=")) {
      s.name = word.substr(6);
      s.model = LoadPolicyConfig(s.name);
    } else if (word.starts_with("threads=")) {
      s.threads = WholeNumber("threads", word.substr(8), 1, 1024);
    } else if (word.starts_with("weights=")) {
      s.weights = word.substr(8);
      ReadProducts("weights", s.weights);
    } else {
      throw ConfigError("bench: unknown word '" + word + "'; known are json, model=PATH (a config.json or a directory), threads=N and weights=float32|bfloat16");
    }
  }
  if (s.model.max_position_embeddings < kPrompt + kNew) {
    throw ConfigError(fmt::format("bench: {} has a context (max_position_embeddings) of {}; {} are needed", s.name, s.model.max_position_embeddings,
                                  kPrompt + kNew));
  }
  return s;
}

// Phases by name, in order, each with its seconds.
using Phases = std::vector<std::pair<std::string, double>>;

struct Measurement {
  std::string name;
  double tokens = 0, seconds = 0;  // of the median repeat
  int repeats = 0;
  Phases phases;  // medians, of one thread
};

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// One repeat to warm up, then up to kRepeats, fewer where they take long. `work` returns its phases.
Measurement Repeat(const std::string& name, double tokens, const std::function<Phases()>& work) {
  work();
  std::vector<double> seconds;
  std::vector<Phases> phases;
  const auto begin = Clock::now();
  while (seconds.empty() || (static_cast<int>(seconds.size()) < kRepeats && Since(begin) < kBudget)) {
    const auto start = Clock::now();
    phases.push_back(work());
    seconds.push_back(Since(start));
  }
  Measurement m{name, tokens, Median(seconds), static_cast<int>(seconds.size()), phases.front()};
  for (std::size_t p = 0; p < m.phases.size(); ++p) {
    std::vector<double> values;
    for (const Phases& repeat : phases) values.push_back(repeat[p].second);
    m.phases[p].second = Median(values);
  }
  return m;
}

std::vector<std::int32_t> RandomIds(Rng rng, int count, int vocabulary) {
  std::vector<std::int32_t> ids;
  for (int i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>(rng.Range(0, vocabulary - 1)));
  return ids;
}

// As many ids as the model has, so that every logit takes part in the draw.
Tokenizer TokenizerOf(int vocabulary) {
  Tokenizer::TrainOptions options;
  options.alphabet = "a";
  options.added_tokens = {{"<|pad|>", true}, {"<|end|>", true}};
  for (int i = 3; i < vocabulary; ++i) options.added_tokens.push_back({fmt::format("<{}>", i), false});
  return Tokenizer::Train({}, options);
}

Measurement Generation(const Settings& s, const Generator& generator, int batch) {
  std::vector<std::vector<std::int32_t>> prompts;
  std::vector<Rng> draws;
  for (int i = 0; i < batch; ++i) {
    prompts.push_back(RandomIds(Rng(1).Fork(static_cast<std::uint64_t>(i)), kPrompt, s.model.vocab_size));
    draws.push_back(Rng(2).Fork(static_cast<std::uint64_t>(i)));
  }
  const Sampling sampling{.max_new_tokens = kNew, .ignore_eos = true};
  return Repeat(fmt::format("generate, batch {}", batch), static_cast<double>(batch) * kNew, [&] {
    generator.Generate(prompts, draws, sampling);
    return Phases{};
  });
}

// The same work on one thread, with a clock between its parts.
Phases GenerationPhases(const Settings& s, const DecoderWeights& weights, int batch) {
  const auto run = [&] {
    Phases phases{{"prompt", 0}, {"decode", 0}, {"sample", 0}};
    const int slots = std::min(batch, Generator::Options{}.slots);
    Decoder decoder(weights, slots, kPrompt + kNew);
    std::vector<std::int32_t> last(static_cast<std::size_t>(slots));
    std::vector<int> wanted;
    for (int i = 0; i < slots; ++i) wanted.push_back(i);
    for (int done = 0; done < batch; done += slots) {
      auto start = Clock::now();
      for (int i = 0; i < slots; ++i) {
        std::vector<DecodeRow> rows;
        for (const auto id : RandomIds(Rng(1).Fork(static_cast<std::uint64_t>(done + i)), kPrompt, s.model.vocab_size)) {
          rows.push_back({i, static_cast<int>(rows.size()), id});
        }
        decoder.Run(rows, {kPrompt - 1});
        last[static_cast<std::size_t>(i)] = SampleToken(decoder.Logits(0), s.model.vocab_size, {}, 0.5).id;
      }
      phases[0].second += Since(start);
      for (int token = 1; token < kNew; ++token) {
        std::vector<DecodeRow> rows;
        for (int i = 0; i < slots; ++i) rows.push_back({i, kPrompt + token - 1, last[static_cast<std::size_t>(i)]});
        start = Clock::now();
        decoder.Run(rows, wanted);
        phases[1].second += Since(start);
        start = Clock::now();
        for (int i = 0; i < slots; ++i) {
          const double uniform = Rng(2).Fork(static_cast<std::uint64_t>(done + i)).UniformAt(static_cast<std::uint64_t>(token));
          last[static_cast<std::size_t>(i)] = SampleToken(decoder.Logits(i), s.model.vocab_size, {}, uniform).id;
        }
        phases[2].second += Since(start);
      }
    }
    return phases;
  };
  return Repeat("", 0, run).phases;
}

std::vector<Document> Documents(const Settings& s) {
  std::vector<Document> documents;
  for (std::uint64_t i = 0; i < kDocuments; ++i) documents.push_back({RandomIds(Rng(3).Fork(i), kPrompt + kNew, s.model.vocab_size), 1});
  return documents;
}

Measurement Training(const Settings& s, ParameterSet& parameters) {
  AdamW optimizer(parameters, {});
  Trainer trainer(parameters, nullptr, optimizer, {.lanes = s.threads});
  const auto documents = Documents(s);
  return Repeat("train", static_cast<double>(kDocuments) * (kPrompt + kNew), [&] {
    trainer.Pretrain(documents, 1e-4, 0.0);
    return Phases{};
  });
}

Phases TrainingPhases(const Settings& s, ParameterSet& parameters) {
  AdamW optimizer(parameters, {});
  at::Tensor gradient = at::zeros_like(parameters.flat());
  PackedTokens tokens;
  std::vector<std::int64_t> rows, targets;
  for (const Document& d : Documents(s)) {
    const int begin = static_cast<int>(tokens.ids.size());
    for (std::size_t i = 0; i + 1 < d.ids.size(); ++i) rows.push_back(begin + static_cast<int>(i)), targets.push_back(d.ids[i + 1]);
    tokens.ids.insert(tokens.ids.end(), d.ids.begin(), d.ids.end());
    tokens.segments.push_back({begin, static_cast<int>(tokens.ids.size()), -1});
  }
  return Repeat("", 0, [&] {
    auto start = Clock::now();
    const Transformer model(parameters.config(), parameters.Leaves(gradient), parameters.biases());
    const at::Tensor loss = -model.Logprobs(model.Forward(tokens, {}).hidden, rows, targets, 1.0).logprobs.mean();
    const double forward = Since(start);
    start = Clock::now();
    loss.backward();
    const double backward = Since(start);
    start = Clock::now();
    optimizer.Step(gradient, 1e-4);
    gradient.zero_();
    return Phases{{"forward", forward}, {"backward", backward}, {"step", Since(start)}};
  }).phases;
}

std::string Shares(const Phases& phases) {
  double all = 0;
  for (const auto& [name, seconds] : phases) all += seconds;
  std::string text;
  for (const auto& [name, seconds] : phases) text += fmt::format("{}{} {:.1f}%", text.empty() ? "" : ", ", name, 100 * seconds / all);
  return text;
}

void PrintTable(const Settings& s, double parameters, const std::vector<Measurement>& measurements) {
  std::cout << fmt::format("model {}: {} parameters, float32{}, {} thread{}\n", s.name, ShortNumber(parameters), s.weights == "float32" ? "" : ", bfloat16 in generation", s.threads, s.threads == 1 ? "" : "s")
            << fmt::format("generation: prompts of {}, {} new tokens, ends ignored; training: {} documents of {} tokens, forward, backward, step\n", kPrompt,
                           kNew, kDocuments, kPrompt + kNew)
            << fmt::format("\n{:<22}{:>12}{:>12}{:>9}   {}\n", "", "tokens/s", "ms", "repeats", "where the time goes (one thread)");
  for (const Measurement& m : measurements) {
    std::cout << fmt::format("{:<22}{:>12.0f}{:>12.2f}{:>9}   {}\n", m.name, m.tokens / m.seconds, 1e3 * m.seconds, m.repeats, Shares(m.phases));
  }
  std::cout << "\nmedians of the wall clock; tokens are the new ones in generation, all of them in training\n";
}

void PrintJson(const Settings& s, double parameters, const std::vector<Measurement>& measurements) {
  nlohmann::ordered_json root{{"model", s.name}, {"parameters", parameters}, {"threads", s.threads}, {"dtype", "float32"}, {"generation_weights", s.weights},
                              {"prompt_tokens", kPrompt}, {"new_tokens", kNew}, {"train_documents", kDocuments},
                              {"train_document_tokens", kPrompt + kNew}, {"measurements", nlohmann::ordered_json::array()}};
  for (const Measurement& m : measurements) {
    nlohmann::ordered_json one{{"name", m.name}, {"tokens_per_second", m.tokens / m.seconds}, {"tokens", m.tokens}, {"seconds_median", m.seconds},
                               {"repeats", m.repeats}, {"phase_seconds_one_thread", nlohmann::ordered_json::object()}};
    for (const auto& [name, seconds] : m.phases) one["phase_seconds_one_thread"][name] = seconds;
    root["measurements"].push_back(std::move(one));
  }
  std::cout << root.dump(2) << "\n";
}

}  // namespace

int BenchCommand(const Command& command) {
  const Settings settings = ReadWords(command);
  at::set_num_threads(1);
  ParameterSet parameters(settings.model);
  parameters.Initialize(Rng(0).Fork("init"));
  const Tokenizer tokenizer = TokenizerOf(settings.model.vocab_size);
  const Products products = ReadProducts("weights", settings.weights);
  const Generator generator(parameters, tokenizer, {.threads = settings.threads, .weights = products});
  const DecoderWeights weights(parameters, products);
  std::vector<Measurement> measurements;
  for (const int batch : {1, 16, 128}) {
    measurements.push_back(Generation(settings, generator, batch));
    measurements.back().phases = GenerationPhases(settings, weights, batch);
  }
  measurements.push_back(Training(settings, parameters));
  measurements.back().phases = TrainingPhases(settings, parameters);
  const double size = CountParameters(settings.model).total;
  if (settings.json) PrintJson(settings, size, measurements);
  else PrintTable(settings, size, measurements);
  return kExitDone;
}

}  // namespace cogent
