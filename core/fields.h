// How ranges and values are written on one line, shared by messages and help. Internal to core.
//
//   RangeOfIntegers({1, 8}, RangeForm::kSentence) == "from 1 to 8"
//   RangeOfReals({0, 1.0 / 0.0}, RangeForm::kTable) == ">= 0"
//
// An end that is infinite, or beyond 64 bits for integers, is not mentioned; without both ends the
// text is empty for reals. Thread rule: pure functions.
#pragma once

#include <string>

#include "core/config.h"

namespace cogent {

enum class RangeForm { kSentence, kTable };

std::string RangeOfIntegers(Between range, RangeForm form);
std::string RangeOfReals(Between range, RangeForm form);

}  // namespace cogent
