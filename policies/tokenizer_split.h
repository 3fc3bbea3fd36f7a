// Pre-tokenizer: cuts a piece of text into the words that byte-pair encoding never joins.
//
// Stages run one behind the other, each on the pieces of the one before, as `pre_tokenizer` of a
// tokenizer.json lists them. A new kind is a struct here, a branch in Split and one in
// tokenizer_json.cc.
//
//   PreTokenizer words({DigitsStage{}, ByteLevelStage{}});
//   words.Split("in 42 days", [](std::string_view word) { ... });   // "in", " ", "4", "2", " days"
//
// Thread rule: const, may be used from several threads.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cogent {

// Numeric characters (category N) apart from the rest: each alone, or runs of them.
struct DigitsStage {
  bool individual_digits = true;
};
// GPT-2's words. What the library calls turning bytes into stand-ins happens in Bpe.
struct ByteLevelStage {
  bool add_prefix_space = false;  // a space before a piece that does not start with one
  bool trim_offsets = true;       // of no effect on ids; kept to write back what was read
  bool use_regex = true;          // cut with the pattern below
};
using PreTokenizerStage = std::variant<DigitsStage, ByteLevelStage>;
using WordSink = std::function<void(std::string_view)>;

class PreTokenizer {
 public:
  explicit PreTokenizer(std::vector<PreTokenizerStage> stages) : stages_(std::move(stages)) {}

  // Calls `sink` with each word in order; a word lives only during its call. REQUIRES: valid UTF-8.
  void Split(std::string_view piece, const WordSink& sink) const { Run(0, piece, sink); }
  const std::vector<PreTokenizerStage>& stages() const { return stages_; }

 private:
  void Run(std::size_t stage, std::string_view piece, const WordSink& sink) const;

  std::vector<PreTokenizerStage> stages_;
};

// The words of GPT-2's pattern
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// in time linear in the piece, with \s the Unicode property White_Space.
void SplitGpt2(std::string_view piece, const WordSink& sink);

}  // namespace cogent
