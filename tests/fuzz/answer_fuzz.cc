// Whatever a model writes: extraction, layout, rationals and scratchpads neither throw nor hang.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "envs/signs.h"
#include "verifiers/accuracy.h"
#include "verifiers/extract.h"
#include "verifiers/rational.h"

namespace {

void Demand(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cogent;
  const std::string text(reinterpret_cast<const char*>(data), size);

  const Extraction found = Extract(text);
  Demand(found.text.has_value() == (found.place != AnswerPlace::kNone));
  if (found.text) Demand(!found.text->empty() && TrimAscii(*found.text) == *found.text);
  if (FormatOk(text)) Demand(AfterReasoning(text).has_value() && Reasoning(text)->closed);

  if (const auto value = Rational::Parse(text)) {
    // A number that was read stands alone in the text, so it is also the last one.
    const auto last = Rational::ParseLast(text);
    Demand(last && *last == *value);
  }
  NumberAccuracy(text, Rational(14), {.outside = true});
  NumberAccuracy("<think>a</think><answer>" + text + "</answer>", Rational(14), {});

  const ScratchpadQuality quality = CheckScratchpad("7 5 9 3=14", "<think>" + text);
  Demand(quality.sums_right <= quality.sums && quality.verdicts_right <= quality.verdicts);
  const auto problem = ReadSignsPrompt(text);
  if (problem) Demand(!SignsPrompt(*problem).empty());
  SignsFault(text, *ReadSignsPrompt("7 5 9 3=14"));
  return 0;
}
