// Whether a model's text answers a mathematical question as the gold answer does.
//
//   VerifyMath("\\frac{1}{2}", "So we get $x = 0.5$.", {}).correct;                        // true
//   VerifyMath("(1, 2)", "<think>..</think> \\boxed{(2, 1)}", {}).reason;                   // why
//   not
//
// Gold answer and prediction may be LaTeX or plain. The answer is found in the text
// (math_extract.h), read into a tree (math_parser.h) and compared by what it means
// (math_compare.h): exactly where exactness is possible, else by value. Rules, options and
// measurements: docs/verifiers.md.
//
// No text makes it throw, hang or run anything: sizes are estimated before anything is computed,
// and the work is counted and bounded (MathVerdict::work). The verdict depends on texts and options
// alone. Time is linear in the texts' length. Thread rule: free functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "verifiers/reward.h"

namespace cogent {

struct MathOptions {
  // strict: for training. The answer is in the one <answer> part or the one box behind the
  // reasoning, in ordinary digits; nothing else is looked at. lenient: also an answer phrase, the
  // last formula or number. whole: the text is the answer.
  std::string extraction = "lenient";
  // A decimal number with at least so many significant digits stands for the exact value that it is
  // the rounded or cut form of. 0: never.
  int decimal_digits = 6;
  // 5 cm for 5, 5 for 5 cm. Units on both sides must fit in any case.
  bool units_optional = true;
  // 50% for 50, 50 for 50%. 0.5 is 50% in any case.
  bool percent_optional = true;
  // 5 for x = 5, x = 5 for 5. Different names on both sides never fit.
  bool names_optional = true;

  void VisitFields(FieldVisitor& visit);
};

struct MathVerdict {
  bool correct = false;
  std::string extracted;   // the answer that was found in the prediction; may be empty
  std::string reason;      // one line, for people
  std::uint64_t work = 0;  // steps of comparing; the same on every machine
};

MathVerdict VerifyMath(std::string_view gold, std::string_view prediction,
                       const MathOptions& options);

// `math`: 1 when the completion's answer is right, by default under strict extraction.
void RegisterMathRewards(RewardRegistry& rewards);

}  // namespace cogent
