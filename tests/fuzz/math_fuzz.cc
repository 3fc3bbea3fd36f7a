// Whatever stands as gold answer and prediction: a verdict within the work that is allowed, nothing
// thrown, and every text the answer to itself. The first line is the gold answer.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "verifiers/extract.h"
#include "verifiers/math.h"
#include "verifiers/math_extract.h"
#include "verifiers/math_parser.h"
#include "verifiers/math_spans.h"
#include "verifiers/math_values.h"

namespace {

void Demand(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cogent;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(text.find('\n'), text.size());
  const std::string gold = text.substr(0, line);
  const std::string prediction = line < text.size() ? text.substr(line + 1) : gold;

  for (const char* extraction : {"strict", "lenient", "whole"}) {
    MathOptions options;
    options.extraction = extraction;
    const MathVerdict verdict = VerifyMath(gold, prediction, options);
    Demand(verdict.work <= Work::kLimit && !verdict.reason.empty());
    Demand(VerifyMath(gold, prediction, options).correct == verdict.correct);
    if (extraction == std::string("strict") && verdict.correct) Demand(!verdict.extracted.empty());
  }
  MathOptions whole;
  whole.extraction = "whole";
  const std::string answer = GoldAnswer(gold);
  if (!answer.empty()) Demand(VerifyMath(gold, answer, whole).correct);

  for (const Span& box : FindBoxSpans(text))
    Demand(box.begin < box.inner_begin && box.inner_begin <= box.inner_end &&
           box.inner_end <= box.end && box.end <= text.size());
  for (const Span& formula : FindFormulas(text))
    Demand(formula.begin < formula.inner_begin && formula.inner_end <= formula.end &&
           formula.end <= text.size());
  MathTree tree;
  const ParsedMath parsed = ParseMath(text, {}, tree);
  Demand(parsed.node != nullptr && parsed.node->depth <= kMaxTreeDepth);
  return 0;
}
