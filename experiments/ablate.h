// `cogent ablate`: runs an ablation (experiments/ablation.h) as child processes of `cogent train`.
//
//   runs/algorithms/
//     ablation.yaml       what is run; can be given to `cogent ablate` again
//     arms/grpo/seed-1/   a run directory each
//     base-1/seed-1/      base models that arms share
//     logs/               what each run printed
//     outcomes.jsonl      how each run ended: exit code, seconds, last line of its error
//     report.html, runs.csv, arms.csv, differences.csv   written again whenever it ends
//
// The directories are the state: a run with a summary is finished and kept, one with a config.yaml is resumed,
// any other is begun. A failed run does not stop the others; the next `cogent ablate` tries it again.
// Thread rule: main thread.
#pragma once

#include <string>
#include <vector>

#include "experiments/engine.h"
#include "experiments/run_config.h"

namespace cogent {

// kExitDone when every run is finished, kExitFailed when some failed, kExitStopped.
int AblateCommand(const Parts& parts, const CheckAlgorithm& check_algorithm, const Command& command);

struct RunOutcome {
  std::string run;  // "grpo/seed-1"
  int exit_code = 0;
  double seconds = 0.0;
  std::string error;  // empty when it was done or stopped
};
// In the order in which runs ended; nothing when the directory has no outcomes.jsonl.
std::vector<RunOutcome> ReadOutcomes(const std::string& ablation_dir);

}  // namespace cogent
