#include "verifiers/math_extract.h"

#include <algorithm>
#include <array>
#include <optional>

#include "core/ascii.h"
#include "verifiers/extract.h"
#include "verifiers/math_phrases.h"
#include "verifiers/math_spans.h"
#include "verifiers/math_unicode.h"
#include "verifiers/math_words.h"

namespace cogent {
namespace {

MathAnswer Found(MathAnswer::Place place, std::string_view text, bool joined = false) {
  return {place, std::string(TrimAscii(text)), joined, {}};
}
MathAnswer Missing(std::string problem) {
  return {MathAnswer::kNone, {}, false, std::move(problem)};
}

// What templates put behind the last word of a turn.
std::string_view WithoutTurnEnd(std::string_view text) {
  constexpr std::array<std::string_view, 8> kEnds = {
      "<|im_end|>", "<|endoftext|>", "</s>",          "<|eot_id|>",
      "<|end|>",    "<eos>",         "<end_of_turn>", "<\uff5cend\u2581of\u2581sentence\uff5c>"};
  for (bool again = true; again;) {
    again = false;
    text = TrimAscii(text);
    for (const std::string_view end : kEnds) {
      if (text.size() <= end.size() || !text.ends_with(end)) continue;
      text.remove_suffix(end.size());
      again = true;
    }
  }
  return text;
}

// The last spans that belong together, joined by commas.
MathAnswer JoinLast(std::string_view text, const std::vector<Span>& spans,
                    MathAnswer::Place place) {
  std::size_t first = spans.size() - 1;
  while (first > 0 &&
         IsJoint(text.substr(spans[first - 1].end, spans[first].begin - spans[first - 1].end)))
    --first;
  std::string joined(TrimAscii(spans[first].Content(text)));
  bool empty = joined.empty();
  for (std::size_t i = first + 1; i < spans.size(); ++i) {
    const std::string_view content = TrimAscii(spans[i].Content(text));
    empty = empty || content.empty();
    (joined += " , ") += content;
  }
  if (empty) return Missing("the box is empty");
  const std::string_view behind = TrimAscii(text.substr(spans.back().end));
  if (behind.starts_with("\\%") || behind.starts_with("%")) joined += "\\%";
  return Found(place, joined, first + 1 < spans.size());
}

// --- Formulas and numbers
// --------------------------------------------------------------------------

bool IsMathWord(std::string_view word) {
  if (word.empty()) return false;
  bool digit = false;
  for (const char c : word) {
    if (IsDigit(c)) digit = true;
  }
  if (digit) return true;
  return std::none_of(word.begin(), word.end(), [](char c) { return IsLetter(c); }) &&
         word.size() <= 3;
}

std::vector<Span> WordsOf(std::string_view text, std::size_t base) {
  std::vector<Span> words;
  for (std::size_t at = 0; at < text.size();) {
    while (at < text.size() && IsSpace(text[at])) ++at;
    const std::size_t begin = at;
    while (at < text.size() && !IsSpace(text[at])) ++at;
    if (at > begin) words.push_back({base + begin, base + at, base + begin, base + at});
  }
  return words;
}

// The number that stands last, with the signs and numbers before it and the words behind it.
void AddLastNumber(std::string_view text, std::size_t last_digit,
                   std::vector<MathAnswer>& answers) {
  constexpr std::size_t kWindow = 400;
  const std::size_t line_begin = text.find_last_of('\n', last_digit) == std::string_view::npos
                                     ? 0
                                     : text.find_last_of('\n', last_digit) + 1;
  const std::size_t begin = std::max(line_begin, last_digit > kWindow ? last_digit - kWindow : 0);
  const std::size_t end =
      std::min({text.find('\n', last_digit), text.size(), last_digit + kWindow});
  const std::vector<Span> words = WordsOf(text.substr(begin, end - begin), begin);
  std::size_t here = 0;
  while (here + 1 < words.size() && words[here].end <= last_digit) ++here;
  std::size_t first = here;
  const auto word = [&](std::size_t i) { return words[i].Content(text); };
  while (first > 0) {
    const std::string_view before = word(first - 1);
    const bool math = IsMathWord(before) && !before.ends_with(".") && !before.ends_with(":");
    const bool joint = first >= 2 && (IsAnd(before) || IsOr(before)) && IsMathWord(word(first - 2));
    const bool name = before.size() == 1 && word(first).starts_with("=");
    if (!math && !joint && !name) break;
    --first;
  }
  if (IsDenied(text, words[first].begin)) {
    answers.push_back(Missing("the answer is denied"));
    return;
  }
  std::size_t last = here;
  while (last + 1 < words.size() && last < here + 3 && !word(last).ends_with(".") &&
         !word(last).ends_with(","))
    ++last;
  const auto between = [&](std::size_t a, std::size_t b) {
    return WithoutStops(text.substr(words[a].begin, words[b].end - words[a].begin));
  };
  answers.push_back(Found(MathAnswer::kNumber, between(first, last)));
  if (last != here) answers.push_back(Found(MathAnswer::kNumber, between(first, here)));
  if (first != here) answers.push_back(Found(MathAnswer::kNumber, between(here, here)));
}

void AddLastFormulaOrNumber(std::string_view text, std::vector<MathAnswer>& answers) {
  const std::vector<Span> formulas = FindFormulas(text);
  const std::size_t last_digit = text.find_last_of("0123456789");
  const std::size_t formula_end = formulas.empty() ? 0 : formulas.back().end;
  if (last_digit != std::string_view::npos && (formulas.empty() || last_digit >= formula_end)) {
    AddLastNumber(text, last_digit, answers);
    return;
  }
  if (formulas.empty()) return;
  if (IsDenied(text, formulas.back().begin)) {
    answers.push_back(Missing("the answer is denied"));
    return;
  }
  const MathAnswer formula = JoinLast(text, formulas, MathAnswer::kFormula);
  std::string_view behind = SentenceFrom(text, formula_end);
  behind = behind.substr(0, std::min(behind.find_first_of(",;:("), behind.size()));
  if (!formula.joined && behind.size() <= 40 &&
      std::any_of(behind.begin(), behind.end(), IsLetter)) {
    answers.push_back(Found(MathAnswer::kFormula, formula.text + " " + std::string(behind)));
  }
  answers.push_back(formula);
}

// --- By priority
// -----------------------------------------------------------------------------------

void AddPhrase(std::string_view text, std::vector<MathAnswer>& answers) {
  constexpr std::size_t kWindow = 16 * 1024;  // an answer phrase stands near the end
  const std::string_view ending = text.substr(text.size() > kWindow ? text.size() - kWindow : 0);
  const auto begin = BehindPhrase(ending, LowerAscii(ending));
  if (!begin) return;
  std::string_view sentence = WithoutFiller(SentenceFrom(ending, *begin));
  for (const std::string_view denied : {", not ", ", rather than ", " instead of ", " and not "}) {
    sentence = sentence.substr(0, std::min(sentence.find(denied), sentence.size()));
  }
  std::size_t word = 0;
  while (word < sentence.size() && IsLetter(sentence[word])) ++word;
  if (LowerAscii(sentence.substr(0, word)) == "not") {
    const std::size_t but = sentence.find("but");
    if (but == std::string_view::npos) {
      answers.push_back(Missing("the answer is denied"));
      return;
    }
    answers.push_back(Found(MathAnswer::kPhrase, WithoutFiller(sentence.substr(but + 3))));
    return;
  }
  if (sentence.empty()) return;
  answers.push_back(Found(MathAnswer::kPhrase, WithoutStops(sentence)));
  AddLastFormulaOrNumber(sentence, answers);
}

std::vector<MathAnswer> InPart(std::string_view text, bool tagged) {
  std::vector<MathAnswer> answers;
  const std::vector<Span> boxes = FindBoxSpans(text);
  if (!boxes.empty()) {
    if (IsDenied(text, boxes.back().begin)) return {Missing("the answer is denied")};
    answers.push_back(JoinLast(text, boxes, MathAnswer::kBox));
    return answers;
  }
  if (tagged) answers.push_back(Found(MathAnswer::kAnswerPart, text));
  AddPhrase(text, answers);
  constexpr std::size_t kLongestWhole = 20'000;
  if (!tagged && text.size() <= kLongestWhole) answers.push_back(Found(MathAnswer::kWhole, text));
  AddLastFormulaOrNumber(text, answers);
  // "Therefore the number is even."
  const std::string_view sentence =
      WithoutStops(text.substr(text.size() > 200 ? text.size() - 200 : 0));
  const std::size_t verb = sentence.rfind(" is ");
  if (verb != std::string_view::npos)
    answers.push_back(Found(MathAnswer::kPhrase, WithoutFiller(sentence.substr(verb + 4))));
  return answers;
}

std::size_t CountOf(std::string_view text, std::string_view word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1))
    ++count;
  return count;
}

std::vector<MathAnswer> Strict(std::string_view completion) {
  const Extraction found = Extract(completion);
  if (!found.text) return {Missing("no single answer part and no box behind the reasoning")};
  const std::string behind = LowerAscii(*AfterReasoning(completion));
  const bool part = found.place == AnswerPlace::kAnswerPart;
  if (part && (CountOf(behind, "<answer") != 1 || CountOf(behind, "</answer") != 1))
    return {Missing("tags in tags")};
  const std::vector<Span> stated = FindBoxSpans(behind);
  if (!stated.empty() && IsDenied(behind, stated.back().begin))
    return {Missing("the answer is denied")};
  const std::string_view text = found.place == AnswerPlace::kBox ? std::string_view(completion)
                                                                 : std::string_view(*found.text);
  const auto after = AfterReasoning(text);
  const std::vector<Span> boxes = FindBoxSpans(found.place == AnswerPlace::kBox ? *after : text);
  const std::string_view searched =
      found.place == AnswerPlace::kBox ? std::string_view(*after) : text;
  for (const Span& box : boxes) {
    if (TrimAscii(box.Content(searched)) != TrimAscii(boxes.back().Content(searched)))
      return {Missing("several boxes")};
  }
  if (!IsAscii(*found.text)) {
    const Plain plain = PlainMath(*found.text);
    if (plain.foreign || !plain.valid) return {Missing("unusual digits or invisible characters")};
  }
  const auto place = found.place == AnswerPlace::kBox ? MathAnswer::kBox : MathAnswer::kAnswerPart;
  if (!boxes.empty() && found.place == AnswerPlace::kAnswerPart)
    return {Found(place, boxes.back().Content(searched))};
  return {Found(place, *found.text)};
}

}  // namespace

std::vector<MathAnswer> FindMathAnswers(std::string_view completion, MathExtraction extraction) {
  if (extraction == MathExtraction::kWhole) return {Found(MathAnswer::kWhole, completion)};
  if (extraction == MathExtraction::kStrict) return Strict(completion);
  const auto after = AfterReasoning(completion);
  if (!after) return {Missing("the reasoning is not closed")};
  const std::string_view text = WithoutTurnEnd(*after);
  if (text.empty()) return {Missing("there is no answer")};
  if (HasAnswerTag(text)) {
    const Extraction found = Extract(text);
    if (found.place == AnswerPlace::kAnswerPart) return InPart(*found.text, true);
    if (!found.text && LowerAscii(text).find("</answer") != std::string::npos) {
      return {Missing("the answer part is empty, or there are several")};
    }
  }
  return InPart(text, false);
}

std::string GoldAnswer(std::string_view gold) {
  const std::vector<Span> boxes = FindBoxSpans(gold);
  if (!boxes.empty()) return JoinLast(gold, boxes, MathAnswer::kBox).text;
  const std::size_t marks = gold.rfind("####");
  if (marks != std::string_view::npos) gold.remove_prefix(marks + 4);
  return std::string(TrimAscii(gold));
}

}  // namespace cogent
