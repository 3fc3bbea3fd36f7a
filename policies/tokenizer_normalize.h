// What a tokenizer.json does to a text before it is cut: `normalizer`.
//
//   Normalize({UnicodeForm{"NFC"}}, "e\u0301");                       // "\u00e9"
//   Normalize({Prepend{"\u2581"}, Replace{" ", "\u2581"}}, "a b");    // "\u2581a\u2581b"
//
// Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cogent {

struct UnicodeForm {
  std::string form;  // NFC, NFD, NFKC, NFKD (Unicode Standard Annex 15)
};
struct Prepend {
  std::string text;  // before a piece that is not empty
};
struct Replace {
  std::string pattern, content;  // every occurrence of a text
};
struct Lowercase {};
struct StripSpaces {
  bool left = true, right = true;
};
using Normalizer = std::variant<UnicodeForm, Prepend, Replace, Lowercase, StripSpaces>;

// REQUIRES valid UTF-8, and forms that are known.
std::string Normalize(const std::vector<Normalizer>& normalizers, std::string_view text);
bool IsUnicodeForm(std::string_view name);

// Every occurrence of `pattern` (not empty) in `text`, from the left.
std::string ReplaceAll(std::string_view text, std::string_view pattern, std::string_view content);

}  // namespace cogent
