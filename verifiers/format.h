// Rewards about the text of a completion alone.
//
//   rewards: [{name: accuracy}, {name: format, weight: 0.1}]
#pragma once

#include "verifiers/reward.h"

namespace cogent {

// `format`: 1 for the layout of DeepSeek-R1-Zero's template, by FormatOk in verifiers/extract.h.
// `exact`: 1 when the answer, cut of white space, is the task's answer letter by letter.
void RegisterTextRewards(RewardRegistry& rewards);

}  // namespace cogent
