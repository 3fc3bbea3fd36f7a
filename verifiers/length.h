// Rewards of length, as other trainers offer them. Each is a name in YAML; lengths are in tokens.
//
//   rewards: [{name: accuracy}, {name: overlong, max_tokens: 2048, cache_tokens: 512}]
//
// `overlong`, in [-1, 0]: soft overlong punishment. DAPO (arXiv 2503.14476), equation 13:
//     0                              |y| <= L_max - L_cache
//     ((L_max - L_cache) - |y|) / L_cache    up to |y| = L_max
//     -1                             beyond
//   L_max `max_tokens` 20480, L_cache `cache_tokens` 4096, as in the paper.
//
// `cosine_length`, in [-1, 1] by default: what an answer is worth by its length. "Demystifying long
//   chain-of-thought reasoning" (arXiv 2502.03373), appendix C.1:
//     v_min + (v_max - v_min) / 2 * (1 + cos(pi * min(|y| / L_max, 1)))
//   A right answer goes from `right_short` 1.0 down to `right_long` 0.5, a wrong one from
//   `wrong_short` -1.0 up to `wrong_long` -0.5. It contains the accuracy, so give `accuracy` weight
//   0 beside it. Needs the environment's verdict; right is a score of `right_from` 1.0 or more.
//   Defaults as TRL; L_max 16384.
//
// `length`, in [-0.5, 0.5]: shorter than the others of the group. Kimi k1.5 (arXiv 2501.12599),
// section 2.3.3:
//     lambda = 0.5 - (|y| - min) / (max - min), min and max over the group; 0 when they are equal
//     right answers get lambda, wrong ones min(0, lambda)
//   Needs the group and the environment's verdict, as cosine_length.
//
// Thread rule: the functions are pure.
#pragma once

#include "verifiers/reward.h"

namespace cogent {

double OverlongPunishment(int tokens, int max_tokens, int cache_tokens);

struct CosineValues {
  double right_short = 1.0, right_long = 0.5, wrong_short = -1.0, wrong_long = -0.5;
};
double CosineLength(int tokens, int max_tokens, bool right, const CosineValues& values);

// `shortest` and `longest` of the group.
double GroupLength(int tokens, int shortest, int longest, bool right);

void RegisterLengthRewards(RewardRegistry& rewards);

}  // namespace cogent
