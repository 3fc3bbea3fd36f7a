// Words that mean something beside mathematics. Internal to the mathematics verifier.
//
//   PlainWords("The  \\text{Empty} set.") ...
//
// Thread rule: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cogent {

std::string LowerAscii(std::string_view text);
bool IsAnd(std::string_view word);        // and, und, et, ..
bool IsOr(std::string_view word);         // or, oder, ou, ..
bool IsCondition(std::string_view word);  // where, for, if, ..: what follows is beside the answer
bool IsProse(std::string_view word);      // is, the, we, ..: no part of an answer
// What a word multiplies by as a power of ten: million is 6.
std::optional<int> PowerOfTen(std::string_view word);
// zero .. twenty.
std::optional<int> NumberWord(std::string_view word);
// The same text for answers in words that mean the same: case, articles, punctuation and known
// synonyms are gone.
std::string CanonicalWords(std::string_view text);

}  // namespace cogent
