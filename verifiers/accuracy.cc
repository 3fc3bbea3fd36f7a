#include "verifiers/accuracy.h"

#include <optional>
#include <string>

#include "verifiers/extract.h"

namespace cogent {
namespace {

std::optional<Rational> NumberOutside(std::string_view completion, const Extraction& found) {
  if (found.place == AnswerPlace::kBox) return Rational::Parse(*found.text);
  const auto rest = AfterReasoning(completion);
  if (!rest || HasAnswerTag(*rest)) return std::nullopt;
  return Rational::ParseLast(*rest);
}

}  // namespace

Verdict NumberAccuracy(std::string_view completion, const Rational& gold, AccuracyOptions options) {
  const Extraction found = Extract(completion);
  std::optional<Rational> value;
  if (found.place == AnswerPlace::kAnswerPart) {
    value = Rational::Parse(*found.text);
    if (!value) return {0.0, "the answer is no number: " + OneShortLine(*found.text)};
  } else if (options.outside) {
    value = NumberOutside(completion, found);
    if (!value) return {0.0, "no number behind the reasoning"};
  } else {
    return {0.0, "no answer in <answer> tags"};
  }
  if (*value == gold) return {.score = 1.0, .reason = "equal", .answer = value->ToString()};
  return {.score = 0.0, .reason = "the answer is " + OneShortLine(value->ToString()) + ", not " + OneShortLine(gold.ToString()), .answer = value->ToString()};
}

}  // namespace cogent
