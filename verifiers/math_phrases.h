// Sentences about an answer: phrases that announce it, denials, words that say nothing. Internal to
// the mathematics verifier.
//
//   SentenceFrom(text, *BehindPhrase(text, LowerAscii(text)))          // "Answer: 5 cm. So" -> "5
//   cm"
//
// Linear time. Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace cogent {

// "is not 12": whether the words right before `at` say that this is not the answer.
bool IsDenied(std::string_view text, std::size_t at);
// Where an answer phrase's answer begins: behind "answer is", "Answer:", "####". `lower` is the
// text in lower case.
std::optional<std::size_t> BehindPhrase(std::string_view text, const std::string& lower);
// From `begin` up to the end of the sentence or line.
std::string_view SentenceFrom(std::string_view text, std::size_t begin);
// Without words between "is" and the answer that say nothing: therefore, simply, the ..
std::string_view WithoutFiller(std::string_view text);
// Without white space and punctuation at both ends.
std::string_view WithoutStops(std::string_view text);

}  // namespace cogent
