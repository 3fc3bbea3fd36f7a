// Reward models for the reward `reward_model`: loaded once, asked with many texts at a time.
//
// Thread rule: AskLoadedModel may be called from several threads; it works on the calling thread.
#pragma once

#include <vector>

#include "verifiers/model_reward.h"

namespace cogent {

// Loads the checkpoint at its first question and again when its files are others. Throws DataError when it is no reward model, and
// for a text that is longer than its context.
std::vector<double> AskLoadedModel(const RewardModelQuestion& question);

}  // namespace cogent
