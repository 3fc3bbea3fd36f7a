// Kinds of characters, byte by byte, whatever the locale. Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <string_view>

namespace cogent {

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr bool IsAsciiLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// A letter of ASCII, or a byte of any character beyond it.
constexpr bool IsLetter(char c) { return IsAsciiLetter(c) || static_cast<unsigned char>(c) >= 0x80; }

// Where the spaces that begin at `at` end.
constexpr std::size_t SkipSpaces(std::string_view text, std::size_t at) {
  while (at < text.size() && IsSpace(text[at])) ++at;
  return at;
}

}  // namespace cogent
