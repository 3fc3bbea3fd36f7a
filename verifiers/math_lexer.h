// From the text of an answer, LaTeX or plain, to tokens. Internal to the mathematics verifier.
//
// What only changes the look (\left, \large, \quad, dollar signs round a formula, markdown's stars,
// invisible characters) is gone afterwards; digits, minus signs, fractions, superscripts and
// letters of other alphabets have become the plain ones. Linear time. Thread rule: free functions;
// a Lexed keeps views into itself and must not be copied.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <string>
#include <string_view>
#include <vector>

#include "verifiers/math_tree.h"

namespace cogent {

enum class Token : std::uint8_t {
  kEnd,
  kNumber,    // text: digits with at most one point, separators gone; suffix: repeating part
  kLetters,   // a run of letters that were written as letters: x, cm, apples, sin
  kWord,      // a run of letters in \text{} or \mathrm{}
  kSymbol,    // \theta, \ell, ..: text is the name
  kConstant,  // \pi, \infty
  kFunction,  // \sin: function
  kFraction,
  kOver,
  kRootSign,
  kBinomialSign,
  kChoose,
  kSumSign,
  kProductSign,
  kUnknownSign,  // \sum, \prod; \int, \lim, \partial
  kBegin,
  kEnvironmentEnd,  // text: the environment's name
  kNextCell,
  kNextRow,
  kPlus,
  kMinus,
  kPlusMinus,
  kMinusPlus,
  kTimes,
  kDivide,
  kPower,
  kSubscript,
  kFactorialSign,
  kPrime,
  kPercentSign,
  kDegreeSign,
  kCurrencySign,  // text: the sign
  kComma,
  kSemicolon,
  kColon,
  kSoftComma,  // soft: only a \quad or an ampersand
  kRelation,   // relation
  kPmod,
  kUnion,
  kIntersection,
  kDifference,
  kNamedSet,
  kEmptySet,
  kOpen,
  kClose,     // symbol: ( [ { (TeX's own) S (a written brace) < (an angle) f, c (floor, ceiling) |
  kBar,       // a bar that may open or close
  kOverline,  // \overline, \bar, \vec, \hat: a name or repeating digits
  kNameSign,  // \angle, \triangle: part of a name
  kEllipsis,
  kDot,  // a full stop that belongs to no number
  kBad,  // what no answer is written with
};

struct Lexeme {
  Token token = Token::kEnd;
  Function function = Function::kNone;
  Relation relation = Relation::kOther;
  char symbol = 0;
  bool space_before = false;
  bool decimal = false;  // a number with a point
  bool split = false;    // what a longer run of letters left behind
  std::string_view text;
  std::string_view repeating;  // digits behind it that repeat for ever
  std::int64_t exponent = 0;   // of ten: 1.5e3
};

struct LexOptions {
  // Reads 1,234 and 3,14 as one number; otherwise a comma always separates.
  bool commas_in_numbers = true;
};

struct Lexed {
  std::pmr::vector<Lexeme> tokens;  // ends with kEnd
  bool ambiguous_comma = false;     // another value of commas_in_numbers would give other tokens
  bool bad_encoding = false;        // invalid UTF-8
  bool too_long = false;            // more than kMaxTokens; only the beginning was read
};

inline constexpr std::size_t kMaxTokens = 20'000;

// `tree` owns the letters of the tokens.
Lexed Lex(std::string_view text, const LexOptions& options, MathTree& tree);

}  // namespace cogent
