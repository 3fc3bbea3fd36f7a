// Reads the text of one answer, LaTeX or plain, into a tree. Internal to the mathematics verifier.
//
//   MathTree tree;
//   const ParsedMath parsed = ParseMath("3\\frac{1}{4}", {}, tree);
//   parsed.node->Is(Kind::kSum) && parsed.math;                       // 3 + 1/4
//
// A recursive-descent parser with limits on tokens (kMaxTokens), depth (kMaxDepth) and digits of
// one number (kMaxNumberDigits). What is no mathematics, or beyond a limit, becomes a kText node:
// nothing throws. Linear time. Thread rule: a free function.
#pragma once

#include <cstdint>
#include <string_view>

#include "verifiers/math_lexer.h"
#include "verifiers/math_tree.h"

namespace cogent {

inline constexpr int kMaxDepth = 160;      // of brackets, exponents, signs..
inline constexpr int kMaxTreeDepth = 400;  // of the tree: chains such as 1/2/3 grow it, too
inline constexpr std::size_t kMaxNumberDigits = 20'000;

// Letters as a set of bits.
class LetterSet {
 public:
  void Insert(char letter) { bits_ |= Bit(letter); }
  bool Has(char letter) const { return (bits_ & Bit(letter)) != 0; }
  bool HasAll(std::string_view letters) const;
  bool empty() const { return bits_ == 0; }

 private:
  static std::uint64_t Bit(char letter) {
    if (letter >= 'a' && letter <= 'z') return 1ull << (letter - 'a');
    if (letter >= 'A' && letter <= 'Z') return 1ull << (letter - 'A' + 26);
    return 0;
  }
  std::uint64_t bits_ = 0;
};

struct ParseOptions {
  // Letters behind a number are a unit unless they are among these (5m, in an answer to a question
  // whose gold answer has no variable m). Null: letters are variables, as in a gold answer.
  const LetterSet* variables = nullptr;
  bool commas_in_numbers = true;  // see LexOptions
};

struct ParsedMath {
  const MathNode* node = nullptr;  // never null
  bool math = false;               // false: node is kText because the text is no mathematics
  bool words = false;              // the text is nothing but words
  bool ambiguous_comma = false;    // see Lexed
};

ParsedMath ParseMath(std::string_view text, const ParseOptions& options, MathTree& tree);

// The variables of a tree, as far as they are single letters.
LetterSet VariablesOf(const MathNode& node);

}  // namespace cogent
