#include "verifiers/math_words.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "core/ascii.h"

namespace cogent {
namespace {

template <std::size_t N>
bool In(const std::array<std::string_view, N>& words, std::string_view word) {
  const std::string lower = LowerAscii(word);
  return std::find(words.begin(), words.end(), lower) != words.end();
}

struct Synonym {
  std::string_view words, meaning;
};
constexpr Synonym kSynonyms[] = {
    {"no solutions", "no solution"},
    {"no real solution", "no solution"},
    {"no real solutions", "no solution"},
    {"none", "no solution"},
    {"empty set", "no solution"},
    {"there is no solution", "no solution"},
    {"no such solution", "no solution"},
    {"does not exist", "undefined"},
    {"dne", "undefined"},
    {"not defined", "undefined"},
    {"all reals", "all real numbers"},
    {"real numbers", "all real numbers"},
    {"reals", "all real numbers"},
    {"all real number", "all real numbers"},
    {"infinitely many solutions", "infinitely many"},
    {"infinite", "infinity"},
    {"t", "true"},
    {"f", "false"},
};

bool IsWordByte(char c) { return IsDigit(c) || IsLetter(c); }

}  // namespace

std::string LowerAscii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return lower;
}

bool IsAnd(std::string_view word) {
  constexpr std::array<std::string_view, 6> kWords = {"and",    "und",    "et",
                                                      "\u0438", "\u548c", "\u4e0e"};
  return word.size() <= 8 && In(kWords, word);
}
bool IsOr(std::string_view word) {
  constexpr std::array<std::string_view, 7> kWords = {
      "or", "oder", "ou", "\u0438\u043b\u0438", "\u6216", "\u6216\u8005", "nor"};
  return word.size() <= 8 && In(kWords, word);
}
bool IsCondition(std::string_view word) {
  constexpr std::array<std::string_view, 7> kWords = {"where", "for",      "if",      "when",
                                                      "with",  "whenever", "provided"};
  return word.size() <= 10 && In(kWords, word);
}
bool IsProse(std::string_view word) {
  constexpr std::array<std::string_view, 62> kWords = {
      "is",     "are",    "was",     "were",      "be",     "been",  "the",     "a",     "an",
      "of",     "so",     "we",      "it",        "its",    "to",    "that",    "this",  "these",
      "which",  "since",  "because", "get",       "gets",   "have",  "has",     "had",   "there",
      "then",   "thus",   "hence",   "therefore", "answer", "let",   "by",      "as",    "not",
      "but",    "rather", "you",     "i",         "my",     "our",   "from",    "on",    "at",
      "can",    "must",   "should",  "will",      "give",   "gives", "find",    "value", "result",
      "equals", "equal",  "es",      "est",       "ist",    "la",    "correct", "please"};
  return word.size() <= 10 && In(kWords, word);
}

std::optional<int> PowerOfTen(std::string_view word) {
  const std::string lower = LowerAscii(word.substr(0, 10));
  if (lower == "hundred") return 2;
  if (lower == "thousand") return 3;
  if (lower == "million") return 6;
  if (lower == "billion") return 9;
  if (lower == "trillion") return 12;
  return std::nullopt;
}

std::optional<int> NumberWord(std::string_view word) {
  constexpr std::string_view kWords[] = {
      "zero",     "one",     "two",     "three",     "four",     "five",     "six",
      "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",   "thirteen",
      "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"};
  const auto* found = std::find(std::begin(kWords), std::end(kWords), word);
  if (found == std::end(kWords)) return std::nullopt;
  return static_cast<int>(found - std::begin(kWords));
}

std::string CanonicalWords(std::string_view text) {
  std::string words;
  std::size_t at = 0;
  while (at < text.size()) {
    if (!IsWordByte(text[at])) {
      ++at;
      continue;
    }
    const std::size_t begin = at;
    while (at < text.size() && IsWordByte(text[at])) ++at;
    const std::string word = LowerAscii(text.substr(begin, at - begin));
    if (word == "the" || word == "a" || word == "an") continue;
    if (!words.empty()) words += ' ';
    words += word;
  }
  for (const Synonym& synonym : kSynonyms) {
    if (words == synonym.words) return std::string(synonym.meaning);
  }
  return words;
}

}  // namespace cogent
