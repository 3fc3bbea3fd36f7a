// The commands that use a trained policy, beside `train`: each takes a parsed line and returns the exit code.
//
//   EvalCommand(parts, methods, {"eval", {"runs/r1_zero"}, {{"tasks", "200"}, {"k", "1,8"}, {"rollouts", "8"}}});
//
// Mistakes in the line or in a file are ConfigError or DataError with one message. Results go to standard
// output, progress and notes to standard error. Thread rule: one command at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/engine.h"
#include "experiments/engine_methods.h"
#include "experiments/run_config.h"
#include "policies/generate.h"
#include "policies/kernels.h"
#include "policies/parameters.h"
#include "policies/sampling.h"
#include "policies/tokenizer.h"

namespace cogent {

// pass@k with a 95% interval on held-out tasks, of a run's newest checkpoint or of the one given.
int EvalCommand(const Parts& parts, const Methods& methods, const Command& command);
// Rejection sampling: completions of training tasks that a run's rules keep, as JSONL that `algorithm: sft` reads.
int SampleCommand(const Parts& parts, const Methods& methods, const Command& command);
// A file's completions judged by an agent, or written again by one in the cold-start form (agents/judge.h).
int JudgeCommand(const Parts& parts, const Methods& methods, const Command& command);
int RewriteCommand(const Parts& parts, const Methods& methods, const Command& command);
// Completions of a prompt, or of held-out tasks with their verdicts; characters appear as they are drawn.
int GenerateCommand(const Parts& parts, const Methods& methods, const Command& command);
// A policy behind an OpenAI-compatible server (serve.h), until Ctrl-C.
int ServeCommand(const Command& command);
// Logits, log-probabilities, chosen experts and greedy continuations of given ids, as safetensors.
int ModelForwardCommand(const Command& command);
int ModelConvertCommand(const Command& command);
// Advantages, loss and gradient of a batch given as JSON, by any registered algorithm.
int AlgorithmLossCommand(const AlgorithmRegistry& algorithms, const Command& command);
// Tokens per second of generation and training, and where the time goes.
int BenchCommand(const Command& command);

// A run's file and one of its checkpoints. The checkpoint stands for the weights that the file starts from, which may be
// gone by now. The line's first word is the file or the run's directory; without --checkpoint it is the newest one. Where
// `section` of the file names a server (`remote`), there is no checkpoint, and nothing need be said of a policy. A link is followed, so
// that what is begun with one checkpoint does not go on with another.
struct NamedPolicy {
  LoadedConfig loaded;
  std::string checkpoint;
};
NamedPolicy FindPolicy(const Parts& parts, const Methods& methods, const Command& command, std::vector<std::string> overrides, const std::string& section = {});

// A policy as it lies in a checkpoint directory.
struct StoredPolicy {
  ParameterSet parameters;
  Tokenizer tokenizer;
};
// DataError when a part is missing or the tokenizer has ids that the model lacks; for `device` see policies/device.h.
StoredPolicy LoadPolicy(const std::string& dir, const std::string& device = "cpu");
// Ids that mean other texts in the two, or are in one alone.
int DifferingIds(const Tokenizer& a, const Tokenizer& b);
// Only the weights, for directories without a tokenizer.
ParameterSet LoadWeights(const std::string& dir);

// The options of the line for drawing tokens (temperature, top-k ...) over `base`, checked as a file's values are.
Sampling ReadSampling(const Command& command, const Sampling& base);

// What the sampler holds its numbers in: --weights and --cache of the line over `base`.
Generator::Options ReadSampler(const Command& command, const RolloutSettings& base, int threads);

// Shows completions on standard output as their tokens come, without the token that ends one.
class Screen {
 public:
  explicit Screen(const StoredPolicy& policy);  // which must outlive it
  void Add(std::int32_t id);
  void Finish();  // what is held back, and the end of the line
 private:
  const Tokenizer* tokenizer_;
  std::vector<std::int32_t> ends_;
  StreamDecoder stream_;
};

// A whole number of an option or word: ConfigError unless it lies in low..high.
int WholeNumber(const std::string& name, const std::string& text, int low, int high);
// Of the draws, by --seed: 0 where it is not given.
std::uint64_t Seed(const Command& command);
// `wanted`, or all cores when it is 0.
int ThreadsOr(int wanted);
// `key="value"` as an override, whatever characters the value has.
std::string QuotedOverride(const std::string& key, const std::string& value);

}  // namespace cogent
