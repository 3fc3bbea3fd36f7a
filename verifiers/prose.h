// The words of a text's running prose: what is left when formulas, code, tags, addresses and file
// names are taken out.
//
//   for (const ProseWord& word : ProseWords("So $x = 2$, as `f` says.")) ...     // So, as, says
//
// Taken out: LaTeX between dollars, \( \), \[ \] and in environments, commands with their
// arguments; code between backticks and in fences (an open fence goes on to the end); <tags>,
// <|tokens|>, |special_token|; addresses, paths, file names and names_with_underscores; anything
// with a digit in it; function names before their argument and one or two letters beside an
// operator. A dollar that no second one can close before the next blank line is money.
//
// A word is a run of letters of one script with its combining marks; an apostrophe between letters
// belongs to it. Chinese and Japanese runs come as one item each: cutting them into words is for
// verifiers/language.h. Thread rule: a pure function, linear in the text, never throws because of
// it; bytes that are no UTF-8 part words. The views point into the text.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace cogent {

enum class Script : std::uint8_t { kLatin, kCyrillic, kArabic, kDevanagari, kHangul, kHan, kOther };

// The strongest thing that stands between two words.
enum class Break : std::uint8_t { kNone, kClause, kSentence };

struct ProseWord {
  std::string_view text;
  Script script = Script::kOther;  // kHan: Chinese characters and kana
  Break before = Break::kNone;     // kSentence for the first word
  bool lone_letter = false;        // one letter: a word or a variable, as its language has it
};

std::vector<ProseWord> ProseWords(std::string_view text);

}  // namespace cogent
