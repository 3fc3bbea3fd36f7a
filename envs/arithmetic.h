// The environment "arithmetic": expressions with operator precedence, worked exactly.
//
//   prompt       What is 2 + 3 * 4?
//   completion   <think>3 * 4 = 12, 2 + 12 = 14</think> <answer>14</answer>
//
// Difficulty is given as ranges: operands, their size, operators, depth of parentheses. The value
// is an exact rational number, and so is the answer: 14, 14.0, 28/2 and 1.4e1 are the same. Thread
// rule: free functions; call them from anywhere.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "envs/env.h"
#include "verifiers/rational.h"

namespace cogent {

// A number, or one of + - * / ( ).
using ArithmeticToken = std::variant<Rational, char>;

struct ArithmeticWorking {
  Rational value;
  std::vector<std::string> steps;  // `3 * 4 = 12`: innermost parentheses first, then precedence
};

// Works an expression out, one operation a step; nothing when it divides by zero. REQUIRES a
// well-formed expression (throws InternalError).
std::optional<ArithmeticWorking> WorkOut(std::vector<ArithmeticToken> tokens);

// `2 + 3 * (4 - 1)`
std::string ExpressionText(const std::vector<ArithmeticToken>& tokens);

void RegisterArithmetic(EnvRegistry& envs);

}  // namespace cogent
