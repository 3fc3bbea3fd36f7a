// Accuracy of an answer that is a number: the content of <answer>, compared as exact rationals.
//
//   NumberAccuracy("<think>a</think><answer>28/2</answer>", Rational(14), {}).score;      // 1
//   NumberAccuracy("14", Rational(14), {}).score;                                         // 0
//   NumberAccuracy("14", Rational(14), {.outside = true}).score;                          // 1
//
// Thread rule: a free function; never throws because of the completion.
#pragma once

#include <string_view>

#include "verifiers/rational.h"
#include "verifiers/reward.h"

namespace cogent {

struct AccuracyOptions {
  // Where no answer tag stands behind the reasoning, take the last box there, else the last number.
  bool outside = false;
};

Verdict NumberAccuracy(std::string_view completion, const Rational& gold, AccuracyOptions options);

}  // namespace cogent
