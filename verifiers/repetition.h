// `repetition`, in [max_penalty, 0]: a punishment for saying the same again.
//
//   RepeatedShare("to be or not to be or", 3);      // 0.2: 4 of the 5 triples are different
//   rewards: [{name: accuracy}, {name: repetition, ngram: 3, max_penalty: -1.0}]
//
// "Demystifying long chain-of-thought reasoning" (arXiv 2502.03373), appendix C.2:
//     (1 - different n-grams / n-grams) * max_penalty, 0 for a text of fewer than n units
// with n `ngram` 3 and `max_penalty` -1.0, as in TRL. A unit here is what stands between white
// space, ASCII letters in lower case, and each Chinese character, kana or other letter of a script
// without spaces; TRL takes token ids, which verifiers do not see. Time n log n in the text. Thread
// rule: pure functions.
#pragma once

#include <string_view>

#include "verifiers/reward.h"

namespace cogent {

// 1 - different n-grams / n-grams, in [0, 1). REQUIRES n >= 1.
double RepeatedShare(std::string_view text, int n);

void RegisterRepetitionReward(RewardRegistry& rewards);

}  // namespace cogent
