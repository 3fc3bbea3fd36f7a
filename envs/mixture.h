// The environment "mixture": tasks of several environments.
//
//   env:
//     name: mixture
//     parts: [{name: arithmetic, weight: 2}, {name: countdown, weight: 1, until: 0.1, over: 5000}]
//
// A task is of a part with the probability of its weight. With `until`, a part's weight goes from `weight` to `until` over the
// first `over` tasks, so easy tasks may come first and hard ones later. Which part a task is of depends on its id alone, so a
// mixture can be resumed anywhere. Parts keep their own splits, verdicts and measures; the task's fact `environment` names the
// part, so that a reward may be paid on its tasks alone (`only: countdown`, verifiers/reward.h). Beside the mean over all,
// `accuracy_PART` and `tokens_PART` (of the last turn) are logged.
// Thread rule: as every Env.
#pragma once

#include "envs/env.h"

namespace cogent {

void RegisterMixture(EnvRegistry& envs);

}  // namespace cogent
