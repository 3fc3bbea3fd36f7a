// A batch as JSON, and what an algorithm makes of it: to check any number by hand or against another library.
//
//   LossOfBatch(*algorithm, R"({"logprobs": [[-1, -2]], "rewards": [1], "group": [0]})", "batch.json")
//     == R"({"advantages": [[...]], "loss": x, "parts": {...}, "grad_logprobs": [[...]]})"
//
// In, one list a completion, ragged; only `logprobs` and `rewards` are always needed:
//   logprobs, old_logprobs, ref_logprobs, sampler_logprobs, entropies, values, old_values   [[number]], nats
//   mask        [[0|1]], 0 = not chosen by the policy (tools); left out: all 1. There the other lists may hold null
//   rewards     [number] or [[number]] a token; in the second case a completion's reward is the sum of its row, and
//               PPO and REINFORCE++ see what stands at chosen tokens
//   accuracy    [number], truncated [true|false], group [whole number or text]
// Left out, old_logprobs are the logprobs (a ratio of 1) and values and old_values are each other.
// Out: numbers are 0 where the mask is 0. An algorithm with a critic adds returns and grad_values, and its value loss
// in parts (`loss` is the policy's). Everything is computed in float64, as one optimizer step.
// Thread rule: a function of its arguments. Throws DataError that names `file`, field and index.
#pragma once

#include <string>

#include "algorithms/algorithm.h"

namespace cogent {

std::string LossOfBatch(const Algorithm& algorithm, const std::string& json, const std::string& file);

}  // namespace cogent
