// Evaluation on held-out tasks: pass@k by the unbiased estimator with a 95% interval, and lengths.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agents/rollout.h"
#include "experiments/engine_run.h"
#include "experiments/metrics.h"
#include "experiments/run_config.h"
#include "policies/generate.h"

namespace cogent {

struct Evaluation {
  Metrics metrics;            // pass@k, pass@k_low, pass@k_high, mean_length, ...
  std::vector<Group> groups;  // one a task
};

struct EvaluationPlan {
  int tasks = 100;
  int samples = 1;
  std::vector<double> k = {1.0};
  Sampling sampling;
  std::function<void(int)> progress = {};  // called with the number of tasks done since the last call
};

// Held-out task i has the same number in every evaluation of a seed. `rng` seeds the draws.
Evaluation Evaluate(const RunConfig& config, const Parts& parts, const Generator& generator, const EvaluationPlan& plan, const Rng& rng);

// As a run evaluates: its sampling, its samples a task.
EvaluationPlan SampledPlan(const RunConfig& config, int tasks);
// The numbers of summary.json: sampled and greedy on all held-out tasks. Writes them, and a few samples.
Metrics FullEvaluation(const Run& run, RunLog& log, const Generator& generator, std::int64_t step);

// The training tasks of a step, and the held-out ones.
std::vector<TaskId> TrainTasks(const RunConfig& config, std::uint64_t first);
std::vector<TaskId> TestTasks(const RunConfig& config, int count);
// Throws ConfigError where the environment is a benchmark and has no training tasks.
void RefuseBenchmark(const RunConfig& config, const Parts& parts);
MakeEnv EnvFactory(const RunConfig& config, const Parts& parts);

}  // namespace cogent
