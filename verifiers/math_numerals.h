// Reading one number as people write it: 1,234.5, 1 234 567, 3,14, 0.1\\overline{6}, 1.5e3.
// Internal to the mathematics verifier.
//
//   ReadNumeral("1,234.50 m", 0, {}, tree).digits == "1234.50"
//
// Linear in what is read, and a little beyond. Thread rule: a free function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "verifiers/math_tree.h"

namespace cogent {

struct Commas {
  bool separate = false;  // a comma never belongs to a number
  bool in_list = false;   // (1,2): no decimal comma, though thousands may be
};

struct Numeral {
  std::size_t end = 0;         // where the text goes on
  std::string_view digits;     // with at most one point, separators gone
  std::string_view repeating;  // digits behind them that repeat for ever
  std::int64_t exponent = 0;   // of ten
  bool decimal = false;        // with a point
  bool ambiguous_comma = false;
};

// REQUIRES a digit, or a point and a digit, at `at`. `tree` owns what is not a piece of the text.
Numeral ReadNumeral(std::string_view text, std::size_t at, Commas commas, MathTree& tree);

}  // namespace cogent
