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
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "policies/tokenizer_regex.h"

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
// A pattern's matches, and the gaps between them, are pieces (isolated) or matches go (removed).
struct SplitStage {
  std::string pattern;          // as in the file
  bool literal = false;         // the pattern is a text, no regular expression
  bool removed = false;
  bool invert = false;          // matches are the gaps
  std::shared_ptr<const WordPattern> compiled = {};
};
// Spaces become `replacement`; one is put in front of a piece that does not start with it: always, of the piece at the
// start of the text (first), or never; `split` cuts before each.
struct MetaspaceStage {
  std::string replacement = "\u2581", prepend_scheme = "always";
  bool split = true;
  bool prefix_before_space = false;  // in front of a piece that starts with a space, too: SentencePiece's own way, and a key of ours
};
using PreTokenizerStage = std::variant<DigitsStage, ByteLevelStage, SplitStage, MetaspaceStage>;
using WordSink = std::function<void(std::string_view)>;

class PreTokenizer {
 public:
  explicit PreTokenizer(std::vector<PreTokenizerStage> stages) : stages_(std::move(stages)) {}

  // Calls `sink` with each word in order; a word lives only during its call. `at_start`: the piece begins the text.
  // REQUIRES: valid UTF-8.
  void Split(std::string_view piece, const WordSink& sink, bool at_start = true) const { Run(0, piece, at_start, sink); }
  const std::vector<PreTokenizerStage>& stages() const { return stages_; }

 private:
  void Run(std::size_t stage, std::string_view piece, bool at_start, const WordSink& sink) const;

  std::vector<PreTokenizerStage> stages_;
};

// The words of GPT-2's pattern
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// in time linear in the piece, with \s the Unicode property White_Space.
void SplitGpt2(std::string_view piece, const WordSink& sink);

}  // namespace cogent
