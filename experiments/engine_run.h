// What the stages of one run share: the configuration, where its files are, the policy, and the wish to stop.
//
// Thread rule: one thread; StopRequested may be called from any.
#pragma once

#include <string>

#include "algorithms/trainer.h"
#include "experiments/engine_checkpoint.h"
#include "experiments/run_config.h"
#include "experiments/run_log.h"
#include "policies/generate.h"
#include "policies/tokenizer.h"

namespace cogent {

struct Run {
  const Parts& parts;
  RunConfig config;
  std::string resolved;  // YAML of `config`
  bool quiet = false;
  Rng rng;  // of the run's seed; every draw forks from it by labels
  Checkpoints checkpoints;
  Tokenizer tokenizer;
  ParameterSet parameters;  // of the policy

  // Says how to go on after a stop; returns the exit code for it. `where`: "at step 3 of 60".
  int Stopped(const std::string& where) const;
};

// From here on the first SIGINT or SIGTERM is a request; a second one ends the process at once.
void CatchStopSignals();
bool StopRequested();

int Threads(const RunConfig& config);
// "float32" or "bfloat16", as a configuration or an option called `name` says it. ConfigError for anything else.
Products ReadProducts(const std::string& name, const std::string& text);
// What the sampler holds its numbers in.
Generator::Options SamplerOptions(const RolloutSettings& rollout, int threads);
RunEnvironment Environment(const RunConfig& config);
TrainerConfig MakeTrainerConfig(const RunConfig& config, const MixtureSettings& mixture);

}  // namespace cogent
