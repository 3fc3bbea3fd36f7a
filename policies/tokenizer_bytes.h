// UTF-8 as the tokenizer needs it, and GPT-2's stand-ins: one printable character for every byte.
//
// Bytes 33-126, 161-172 and 174-255 stand for themselves (the code point of that number); the other
// 68, in rising order, are U+0100, U+0101, ... So a space is U+0120 and a newline U+010A.
//
//   ToStandIns(" a\n")  == "\u0120a\u010A"
//   RepairUtf8("a\xE2\x82") == "a\uFFFD"      // one U+FFFD for each maximal ill-formed part
//
// Source: GPT-2's encoder.py (bytes_to_unicode); The Unicode Standard, section 3.9, table 3-7.
// Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cogent {

// What stands at the start of some bytes (REQUIRES: at least one).
struct Utf8Char {
  char32_t code_point = 0;  // U+FFFD for an ill-formed part
  std::size_t length = 0;   // bytes, of the character or of the ill-formed part
  bool valid = false;
  bool cut = false;  // ill-formed only because the bytes end here
};
Utf8Char ReadUtf8(std::string_view bytes);
// The last character of a text that is valid UTF-8 (REQUIRES: not empty).
Utf8Char LastUtf8(std::string_view text);

bool IsUtf8(std::string_view bytes);
std::string RepairUtf8(std::string_view bytes);
// A text from a file, fit for a message: in quotes, repaired, cut when long, no control characters.
std::string QuoteText(std::string_view text);
// How many leading bytes are decided: the rest is the start of a character that more bytes may
// complete.
std::size_t DecidedBytes(std::string_view bytes);

bool IsSpace(char32_t c);     // the Unicode property White_Space
bool IsNumeric(char32_t c);   // categories Nd, Nl, No
bool IsWordChar(char32_t c);  // \w of Unicode regular expressions (UTS 18, annex C)

// The stand-in of one byte, as UTF-8.
std::string_view StandIn(unsigned char byte);
std::string ToStandIns(std::string_view bytes);
// The bytes that the characters of `token` stand for; `token` itself when one of them is no
// stand-in.
std::string FromStandIns(std::string_view token);
// The bytes in the order of their stand-ins' code points; trained vocabularies list them so.
const unsigned char* BytesByStandIn();

}  // namespace cogent
