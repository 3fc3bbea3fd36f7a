// Added tokens: texts that are one id wherever they stand, found before anything else is cut.
//
// Leftmost match, longest at an equal start. Two passes, as the `tokenizers` package has them: those with `normalized:
// false` in the raw text, the others in what lies between, both normalized.
//
//   AddedTokens added({{.text = "<think>", .id = 0}});
//   added.Split("<think>2+3", ...);    // id 0, then the text "2+3"
//
// Thread rule: const, may be used from several threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cogent {

struct AddedTokenSpec {
  std::string text;
  std::int32_t id = 0;
  bool special = false;      // may be dropped when decoding
  bool single_word = false;  // no match where a word character touches either side
  bool lstrip = false;       // a match swallows the white space before it
  bool rstrip = false;       // ... and behind it
  bool normalized = false;   // looked for in the normalized text
};

// Part of a text: an added token (id >= 0) or what lies between two, normalized.
struct AddedPiece {
  std::int32_t id = -1;
  std::string_view text;
  bool at_start = false;  // nothing stands before it
};
using NormalizeText = std::function<std::string(std::string_view)>;

class AddedTokens {
 public:
  AddedTokens() = default;
  // Without `normalize`, texts stay as they are.
  explicit AddedTokens(std::vector<AddedTokenSpec> tokens, NormalizeText normalize = {});

  // Calls `sink` with the pieces of `text` in order; a piece lives only during its call. REQUIRES: valid UTF-8.
  void Split(std::string_view text, const std::function<void(const AddedPiece&)>& sink) const;
  const std::vector<AddedTokenSpec>& tokens() const { return tokens_; }

 private:
  // A trie over bytes.
  struct Trie {
    struct Node {
      std::vector<std::pair<unsigned char, std::uint32_t>> children;  // sorted by byte
      std::int32_t token = -1;                                        // place in tokens_
    };
    std::vector<Node> nodes{1};
    std::array<bool, 256> starts{};  // bytes that some token starts with
    void Insert(std::string_view text, std::int32_t token);
    // The longest token at the start of `text`; -1 when none.
    std::int32_t Longest(std::string_view text) const;
  };
  void Pass(const Trie& trie, std::string_view text, bool at_start,
            const std::function<void(const AddedPiece&)>& sink) const;

  std::vector<AddedTokenSpec> tokens_;
  std::vector<std::size_t> sizes_;  // bytes of each as it is looked for
  NormalizeText normalize_;
  Trie raw_;
  Trie normalized_;
};

}  // namespace cogent
