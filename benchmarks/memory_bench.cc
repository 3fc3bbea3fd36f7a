// What packing, chunked log-probabilities and shared prompts save: peak memory and tokens per second of a training pass
// (forward, loss, backward; one thread, one micro-batch), each on and off, at growing numbers of completion tokens.
//
//   build/release/memory_bench            # the table of benchmarks/README.md, in markdown
//   build/release/memory_bench 4096       # one size
//   build/release/memory_bench MODEL 1024 # the shape of a checkpoint or GGUF: gradient checkpointing and adapters, on and off
//
// Each measurement is a process of its own, so that its peak memory is its own; from it the memory before the pass is taken
// off. Tokens per second count completion tokens, whatever else had to be computed for them.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <string>
#include <vector>

#include "core/error.h"
#include "algorithms/optimizer.h"
#include "core/rng.h"
#include "policies/transformer.h"
#include "policies/ops.h"
#include "policies/parameters.h"

namespace cogent {
namespace {

constexpr int kPromptTokens = 96, kGroup = 8, kVocabulary = 32000;

struct Way {
  const char* name;
  bool packed = true, chunked = true, shared = true;
  bool checkpointing = false, adapters = false;
};
constexpr Way kWays[] = {{"all on"}, {"no shared prompts", true, true, false}, {"no packing", false, true, true}, {"no chunks", true, false, true}};

constexpr Way kModelWays[] = {{"all weights"}, {"all weights, gradient checkpointing", true, true, true, true}, {"adapters", true, true, true, false, true},
                              {"adapters, gradient checkpointing", true, true, true, true, true}};

struct Cost {
  double megabytes = 0, seconds = 0;
  double whole = 0;  // megabytes of the process, an optimizer step included
  int rows = 0;  // tokens that the model computed
};

double PeakMegabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024 / 1e6;
}

double CpuSeconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Groups of eight completions of 16 to 128 tokens until there are `wanted` in all; without packing each is as long as the
// longest, as a padded batch computes it.
struct Input {
  PackedTokens tokens;
  std::vector<std::int64_t> rows, targets;

  Input(int wanted, const Way& way, int vocabulary) {
    Rng rng(5);
    const auto id = [&] { return static_cast<std::int32_t>(rng.Range(0, vocabulary - 1)); };
    int parent = -1, last = -1;
    for (int member = 0; static_cast<int>(rows.size()) < wanted; ++member) {
      if (member % kGroup == 0 || !way.shared) {
        parent = static_cast<int>(tokens.segments.size());
        const int begin = static_cast<int>(tokens.ids.size());
        for (int i = 0; i < kPromptTokens; ++i) tokens.ids.push_back(id());
        last = static_cast<int>(tokens.ids.size()) - 1;
        tokens.segments.push_back({begin, last + 1, -1});
      }
      const int length = std::min(static_cast<int>(rng.Range(16, 128)), wanted - static_cast<int>(rows.size()));
      const int begin = static_cast<int>(tokens.ids.size());
      for (int i = 0; i < length; ++i) {
        rows.push_back(i == 0 ? last : static_cast<int>(tokens.ids.size()) - 1);
        targets.push_back(id());
        tokens.ids.push_back(static_cast<std::int32_t>(targets.back()));
      }
      for (int i = length; i < 128 && !way.packed; ++i) tokens.ids.push_back(0);
      tokens.segments.push_back({begin, static_cast<int>(tokens.ids.size()), parent});
    }
  }
};

Cost Pass(const ModelConfig& config, const Input& input, const Way& way) {
  ParameterSet parameters(config);
  parameters.Initialize(Rng(1));
  if (way.adapters) parameters.Attach({}, "", Rng(1));
  AdamW optimizer(parameters, {});
  at::Tensor gradient = at::zeros_like(parameters.trained());
  const auto run = [&](const Input& in) {
    const Transformer model(parameters.config(), parameters.Leaves(gradient), parameters.biases());
    const at::Tensor hidden = model.Forward(in.tokens, {.gradient_checkpointing = way.checkpointing}).hidden;
    const auto unchunked = [&] {
      const at::Tensor head = parameters.Named().at("lm_head.weight").detach().requires_grad_();
      return reference::TokenLogprobs(hidden, head, in.rows, in.targets, 1.0);
    };
    const TokenStats stats = way.chunked ? model.Logprobs(hidden, in.rows, in.targets, 1.0) : unchunked();
    (-stats.logprobs.mean() - 0.01 * stats.entropy.mean()).backward();
  };
  run(Input(64, way, config.vocab_size));  // what is allocated once
  const double before = PeakMegabytes(), start = CpuSeconds();
  run(input);
  Cost cost{PeakMegabytes() - before, CpuSeconds() - start, 0.0, static_cast<int>(input.tokens.ids.size())};
  optimizer.Step(gradient, 1e-4);
  cost.whole = PeakMegabytes();
  return cost;
}

Cost InAProcess(const ModelConfig& config, int wanted, const Way& way) {
  int ends[2];
  Check(pipe(ends) == 0, "no pipe");
  const pid_t child = fork();
  Check(child >= 0, "no process");
  if (child == 0) {
    const Cost cost = Pass(config, Input(wanted, way, config.vocab_size), way);
    _exit(write(ends[1], &cost, sizeof cost) == sizeof cost ? 0 : 1);
  }
  close(ends[1]);
  Cost cost;
  const bool whole = read(ends[0], &cost, sizeof cost) == sizeof cost;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!whole) throw InternalError(fmt::format("'{}' at {} tokens ended without a result (status {}); too little memory?", way.name, wanted, status));
  return cost;
}

void Table(const std::vector<int>& sizes) {
  ModelConfig config = LoadModelConfig(COGENT_SOURCE_DIR "/tests/data/small_moe_config.json");
  config.vocab_size = kVocabulary;
  fmt::print("| completion tokens | way | rows computed | peak memory, MB | KB a token | tokens/s |\n| --: | :-- | --: | --: | --: | --: |\n");
  for (const int size : sizes) {
    for (const Way& way : kWays) {
      const Cost cost = InAProcess(config, size, way);
      fmt::print("| {} | {} | {} | {:.0f} | {:.1f} | {:.0f} |\n", size, way.name, cost.rows, cost.megabytes, cost.megabytes * 1e3 / size, size / cost.seconds);
    }
  }
}

void ModelTable(const ModelConfig& config, const std::vector<int>& sizes) {
  fmt::print("| rows computed | way | peak of the pass, MB | of the process, MB | tokens/s |\n| --: | :-- | --: | --: | --: |\n");
  for (const int size : sizes) {
    for (const Way& way : kModelWays) {
      const Cost cost = InAProcess(config, size, way);
      fmt::print("| {} | {} | {:.0f} | {:.0f} | {:.0f} |\n", cost.rows, way.name, cost.megabytes, cost.whole, size / cost.seconds);
    }
  }
}

}  // namespace
}  // namespace cogent

int main(int argc, char** argv) try {
  at::set_num_threads(1);
  std::vector<int> sizes;
  const bool model = argc > 1 && std::isdigit(static_cast<unsigned char>(argv[1][0])) == 0;
  for (int i = model ? 2 : 1; i < argc; ++i) sizes.push_back(std::stoi(argv[i]));
  if (model) {
    cogent::ModelTable(cogent::LoadModelConfig(argv[1]), sizes.empty() ? std::vector<int>{1024} : sizes);
    return 0;
  }
  if (sizes.empty()) sizes = {1024, 2048, 4096, 8192};
  cogent::Table(sizes);
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "memory_bench: {}\nUsage: memory_bench [MODEL] [COMPLETION_TOKENS...]\n", error.what());
  return 2;
}
