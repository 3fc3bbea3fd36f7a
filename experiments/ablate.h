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

#include "experiments/engine.h"
#include "experiments/run_config.h"

namespace cogent {

// kExitDone when every run is finished, kExitFailed when some failed, kExitStopped.
int AblateCommand(const Parts& parts, const CheckAlgorithm& check_algorithm, const Command& command);

}  // namespace cogent
