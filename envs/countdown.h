// The environment "countdown": reach a number from given ones.
//
//   env: {name: countdown, numbers: [3, 4], values: [1, 99], target: [10, 100]}
//   prompt   Using the numbers 3, 7, 25 and 4, make 89. Use each of them once, with + - * / and parentheses. ...
//   answer   <answer>25 * 4 - (7 + 4)</answer>   any expression that is worth the target
//
// Every task can be solved: its numbers and target come from a drawn expression. The answer is read by a parser of numbers,
// + - * /, signs of multiplication and division as models write them, and parentheses; values are exact. With
// `use_all: false` numbers may be left out.
// Thread rule: as every Env.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "envs/env.h"
#include "verifiers/rational.h"

namespace cogent {

struct CountdownAnswer {
  Rational value;
  std::vector<std::int64_t> numbers;  // as they stand in it
};
// Nothing where the text is no such expression, divides by zero, or is longer than 1,000 characters or 50 parentheses deep.
std::optional<CountdownAnswer> ReadCountdown(std::string_view text);

void RegisterCountdown(EnvRegistry& envs);

}  // namespace cogent
