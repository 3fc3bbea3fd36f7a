// A word pattern of a tokenizer.json, matched as its backtracking matcher would, in time linear in the text.
//
//   WordPattern pattern(R"(\p{N}{1,3}|\s+(?!\S)|\s+)", "tokenizer.json: pre_tokenizer.pattern");
//   WordPattern::Match match = pattern.Find("in 42 days", 3);   // begin 3, end 5
//
// RE2 underneath, which has no look-ahead and whose \s is ASCII: an end `|\s+(?!\S)|\s+` is matched as `\s+` that gives
// its last character back where more text follows, and \s is written out as the Unicode property White_Space. What else
// RE2 lacks or means otherwise (other look-around, \w, \b, anchors, possessive quantifiers) is refused by name.
// Thread rule: const, may be used from several threads.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace cogent {

class WordPattern {
 public:
  // `where` starts the message of the DataError for a pattern that cannot be read.
  WordPattern(std::string_view pattern, const std::string& where);
  ~WordPattern();
  WordPattern(WordPattern&&) noexcept;
  WordPattern& operator=(WordPattern&&) noexcept;

  struct Match {
    std::size_t begin = 0, end = 0;  // both the text's size when there is none
  };
  // The first match that begins at `at` or later. REQUIRES valid UTF-8.
  Match Find(std::string_view text, std::size_t at) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace cogent
