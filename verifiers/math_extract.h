// Finding the answer to a mathematical question in a model's text. Internal to the mathematics
// verifier.
//
//   FindMathAnswer("So \\boxed{3} and \\boxed{4}.", MathExtraction::kLenient).text;      // "3 , 4"
//
// By priority: the text behind the reasoning; there an <answer> part; the last box, with those that
// stand beside it or are joined to it by a comma, "and", "or"; what follows an answer phrase; the
// last formula or number. Strict extraction stops after the boxes, and refuses what could be
// several answers. Linear time. Thread rule: a free function.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cogent {

enum class MathExtraction { kStrict, kLenient, kWhole };

struct MathAnswer {
  enum Place { kNone, kWhole, kAnswerPart, kBox, kPhrase, kFormula, kNumber };
  Place place = kNone;
  std::string text;     // the answer, cut of white space
  bool joined = false;  // several boxes or formulas: equal ones count once
  std::string problem;  // why there is no answer
};

// In the order in which they should be tried: later ones only where an earlier one is no
// mathematics.
std::vector<MathAnswer> FindMathAnswers(std::string_view completion, MathExtraction extraction);
// The answer of a data set: its last box, without dollar signs.
std::string GoldAnswer(std::string_view gold);

}  // namespace cogent
