// Where boxes and formulas stand in a text. Internal to the mathematics verifier.
//
//   FindBoxSpans("so \\boxed{7}")[0].Content(..)  == "7"
//
// Linear time, whatever is open or nested. Thread rule: free functions.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace cogent {

// [begin, end) with its delimiters, [inner_begin, inner_end) without.
struct Span {
  std::size_t begin = 0, end = 0, inner_begin = 0, inner_end = 0;
  std::string_view Content(std::string_view text) const {
    return text.substr(inner_begin, inner_end - inner_begin);
  }
};

// Complete \boxed{..}, \fbox{..}, \framebox{..} and `\boxed 5` that stand in no other one, in
// order.
std::vector<Span> FindBoxSpans(std::string_view text);
// $..$, $$..$$, \(..\), \[..\], in order; dollar signs that mean money are none.
std::vector<Span> FindFormulas(std::string_view text);
// Whether what stands between two boxes or formulas makes them one list: white space, delimiters, a
// comma, "and", "or", a name with its equals sign; or, within a sentence, a word of doubt.
bool IsJoint(std::string_view gap);

}  // namespace cogent
