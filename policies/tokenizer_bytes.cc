#include "policies/tokenizer_bytes.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>

namespace cogent {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr int kStandInEnd = 0x144;                         // one behind the last stand-in

bool StandsForItself(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

struct StandIns {
  std::array<int, 256> code_points{};
  std::array<std::string, 256> texts;
  std::array<int, kStandInEnd> bytes{};  // by code point; -1 = no stand-in
  std::array<unsigned char, 256> by_code_point{};

  StandIns() {
    bytes.fill(-1);
    int next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const int c = StandsForItself(byte) ? byte : next++;
      code_points[byte] = c;
      bytes[c] = byte;
      texts[byte] = c < 0x80 ? std::string(1, static_cast<char>(c))
                             : std::string{static_cast<char>(0xC0 | c >> 6),
                                           static_cast<char>(0x80 | (c & 0x3F))};
    }
    std::iota(by_code_point.begin(), by_code_point.end(), 0);
    std::sort(by_code_point.begin(), by_code_point.end(),
              [this](int a, int b) { return code_points[a] < code_points[b]; });
  }
};

const StandIns& Table() {
  static const StandIns table;
  return table;
}

// What a lead byte asks for: how many bytes follow it and the range of the first of them.
struct Lead {
  int following = -1;  // -1: no character starts with this byte
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  unsigned char bits = 0;
};

Lead LeadOf(unsigned char byte) {
  if (byte < 0x80) return {0, 0, 0, byte};
  if (byte >= 0xC2 && byte <= 0xDF) return {1, 0x80, 0xBF, static_cast<unsigned char>(byte & 0x1F)};
  if (byte >= 0xE0 && byte <= 0xEF) {
    return {2, static_cast<unsigned char>(byte == 0xE0 ? 0xA0 : 0x80),
            static_cast<unsigned char>(byte == 0xED ? 0x9F : 0xBF),
            static_cast<unsigned char>(byte & 0x0F)};
  }
  if (byte >= 0xF0 && byte <= 0xF4) {
    return {3, static_cast<unsigned char>(byte == 0xF0 ? 0x90 : 0x80),
            static_cast<unsigned char>(byte == 0xF4 ? 0x8F : 0xBF),
            static_cast<unsigned char>(byte & 0x07)};
  }
  return {};
}

}  // namespace

Utf8Char ReadUtf8(std::string_view bytes) {
  const Lead lead = LeadOf(static_cast<unsigned char>(bytes[0]));
  if (lead.following < 0) return {0xFFFD, 1, false, false};
  char32_t code_point = lead.bits;
  for (int i = 1; i <= lead.following; ++i) {
    const std::size_t at = static_cast<std::size_t>(i);
    if (at >= bytes.size()) return {0xFFFD, at, false, true};
    const unsigned char byte = static_cast<unsigned char>(bytes[at]);
    const unsigned char low = i == 1 ? lead.low : 0x80;
    const unsigned char high = i == 1 ? lead.high : 0xBF;
    if (byte < low || byte > high) return {0xFFFD, at, false, false};
    code_point = code_point << 6 | (byte & 0x3F);
  }
  return {code_point, static_cast<std::size_t>(lead.following) + 1, true, false};
}

Utf8Char LastUtf8(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return ReadUtf8(text.substr(at));
}

bool IsUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Utf8Char c = ReadUtf8(bytes);
    if (!c.valid) return false;
    bytes.remove_prefix(c.length);
  }
  return true;
}

std::string RepairUtf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const Utf8Char c = ReadUtf8(bytes);
    text += c.valid ? bytes.substr(0, c.length) : kReplacement;
    bytes.remove_prefix(c.length);
  }
  return text;
}

std::string QuoteText(std::string_view text) {
  constexpr std::size_t kShown = 100;
  std::string shown = RepairUtf8(text.substr(0, kShown));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return "'" + shown + (text.size() > kShown ? "...'" : "'");
}

std::size_t DecidedBytes(std::string_view bytes) {
  // A character has at most 4 bytes, so an undecided rest has at most 3 and starts with a lead
  // byte.
  for (std::size_t rest = 1; rest <= std::min<std::size_t>(3, bytes.size()); ++rest) {
    const std::size_t at = bytes.size() - rest;
    if ((static_cast<unsigned char>(bytes[at]) & 0xC0) == 0x80) continue;
    const Utf8Char c = ReadUtf8(bytes.substr(at));
    return c.cut && c.length == rest ? at : bytes.size();
  }
  return bytes.size();
}

bool IsSpace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return u_isUWhiteSpace(static_cast<UChar32>(c));
}

bool IsNumeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return (U_MASK(u_charType(static_cast<UChar32>(c))) & U_GC_N_MASK) != 0;
}

bool IsWordChar(char32_t c) {
  const UChar32 u = static_cast<UChar32>(c);
  constexpr std::uint32_t kMarksDigitsConnectors = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  return u_hasBinaryProperty(u, UCHAR_ALPHABETIC) ||
         (U_MASK(u_charType(u)) & kMarksDigitsConnectors) != 0 ||
         u_hasBinaryProperty(u, UCHAR_JOIN_CONTROL);
}

std::string_view StandIn(unsigned char byte) { return Table().texts[byte]; }

std::string ToStandIns(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes) text += StandIn(static_cast<unsigned char>(byte));
  return text;
}

std::string FromStandIns(std::string_view token) {
  std::string bytes;
  for (std::string_view rest = token; !rest.empty();) {
    const Utf8Char c = ReadUtf8(rest);
    const int byte = c.code_point < kStandInEnd ? Table().bytes[c.code_point] : -1;
    if (!c.valid || byte < 0) return std::string(token);
    bytes.push_back(static_cast<char>(byte));
    rest.remove_prefix(c.length);
  }
  return bytes;
}

const unsigned char* BytesByStandIn() { return Table().by_code_point.data(); }

}  // namespace cogent
