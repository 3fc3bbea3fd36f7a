// Training by rewards: the loop whose step reads as the data path does,
// prompt -> rollout -> reward -> advantage -> loss -> step.
#pragma once

#include "algorithms/algorithm.h"
#include "experiments/engine_run.h"

namespace cogent {

// From the base model, or from the checkpoint of step `from` when that is not negative, to report.html.
// Returns the exit code: done, or stopped by a signal after saving.
int Reinforce(Run& run, const Algorithm& algorithm, const Rubric& rubric, RunLog& log, std::int64_t from);

}  // namespace cogent
