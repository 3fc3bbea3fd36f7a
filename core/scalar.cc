#include "core/scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "core/ascii.h"

namespace cogent {
namespace {

// Removes `_` where it stands between two digits (of any base); elsewhere it stays, and spoils the
// number.
std::string WithoutGroups(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool grouped = text[i] == '_' && i > 0 && i + 1 < text.size() &&
                         std::isxdigit(static_cast<unsigned char>(text[i - 1])) &&
                         std::isxdigit(static_cast<unsigned char>(text[i + 1]));
    if (!grouped) plain += text[i];
  }
  return plain;
}

// Has the form [digits][.digits][e[sign]digits] with a digit before the exponent; no sign in front.
bool HasDecimalForm(std::string_view text) {
  std::size_t i = 0;
  std::size_t digits = 0;
  for (; i < text.size() && IsDigit(text[i]); ++i) ++digits;
  if (i < text.size() && text[i] == '.') {
    for (++i; i < text.size() && IsDigit(text[i]); ++i) ++digits;
  }
  if (digits == 0) return false;
  if (i == text.size()) return true;
  if (text[i] != 'e' && text[i] != 'E') return false;
  ++i;
  if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
  return i < text.size() && std::all_of(text.begin() + i, text.end(), IsDigit);
}

// A number taken apart: its sign and the rest, without groups.
struct Parts {
  bool negative = false;
  std::string rest;
};

Parts Split(std::string_view text) {
  Parts parts;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    parts.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  parts.rest = WithoutGroups(text);
  return parts;
}

using Magnitude = Parsed<std::uint64_t>;

// The size of a whole number: digits, 0x, 0o, or a decimal form whose value is whole.
Magnitude ParseMagnitude(const std::string& text) {
  using State = Magnitude::State;
  int base = 10;
  std::string_view digits = text;
  if (digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'o')) {
    base = digits[1] == 'x' ? 16 : 8;
    digits.remove_prefix(2);
  }
  Magnitude result;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, result.value, base);
  if (stop == end && !digits.empty() && error != std::errc::invalid_argument) {
    result.state = error == std::errc() ? State::kOk : State::kTooLarge;
    return result;
  }
  if (base != 10 || !HasDecimalForm(text)) return {};
  double real = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), real);
  if (parsed.ec != std::errc()) return {State::kTooLarge, 0};
  if (real != std::trunc(real)) return {State::kNotWhole, 0};
  if (real >= 0x1p64) return {State::kTooLarge, 0};
  return {State::kOk, static_cast<std::uint64_t>(real)};
}

}  // namespace

std::optional<bool> ParseBool(std::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  return std::nullopt;
}

Parsed<std::int64_t> ParseInteger(std::string_view text) {
  using Result = Parsed<std::int64_t>;
  const Parts parts = Split(text);
  const Magnitude size = ParseMagnitude(parts.rest);
  if (!size.ok()) return {static_cast<Result::State>(size.state), 0};
  const std::uint64_t limit = std::uint64_t{1} << 63;
  if (size.value > limit || (size.value == limit && !parts.negative)) {
    return {Result::State::kTooLarge, 0};
  }
  const std::uint64_t bits = parts.negative ? 0 - size.value : size.value;
  return {Result::State::kOk, static_cast<std::int64_t>(bits)};
}

Parsed<std::uint64_t> ParseUnsigned(std::string_view text) {
  const Parts parts = Split(text);
  Magnitude size = ParseMagnitude(parts.rest);
  if (size.ok() && parts.negative && size.value != 0) return {Magnitude::State::kTooLarge, 0};
  return size;
}

Parsed<double> ParseReal(std::string_view text) {
  using Result = Parsed<double>;
  using State = Result::State;
  if (text == ".nan" || text == ".NaN" || text == ".NAN") {
    return {State::kOk, std::numeric_limits<double>::quiet_NaN()};
  }
  const Parts parts = Split(text);
  const double sign = parts.negative ? -1.0 : 1.0;
  if (parts.rest == ".inf" || parts.rest == ".Inf" || parts.rest == ".INF") {
    return {State::kOk, sign * std::numeric_limits<double>::infinity()};
  }
  if (!HasDecimalForm(parts.rest)) {
    const Magnitude size = ParseMagnitude(parts.rest);
    return {static_cast<State>(size.state), sign * static_cast<double>(size.value)};
  }
  double value = 0;
  const char* begin = parts.rest.data();
  const auto parsed = std::from_chars(begin, begin + parts.rest.size(), value);
  if (parsed.ec != std::errc()) return {State::kTooLarge, 0};
  return {State::kOk, sign * value};
}

std::string FormatReal(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value > 0 ? ".inf" : "-.inf";
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return {buffer.data(), end};
}

bool IsNullText(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

bool NeedsQuotes(std::string_view text) {
  if (IsNullText(text) || ParseBool(text)) return true;
  if (ParseReal(text).state != Parsed<double>::State::kNotANumber) return true;
  std::string lower(text.substr(0, 4));
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  static constexpr std::string_view kOldBools[] = {"y", "n", "yes", "no", "on", "off"};
  return text.size() < 4 && std::find(std::begin(kOldBools), std::end(kOldBools), lower) !=
                                std::end(kOldBools);
}

std::string Shortened(std::string_view text, std::size_t most_bytes) {
  if (text.size() <= most_bytes) return std::string(text);
  return std::string(Beginning(text, most_bytes > 3 ? most_bytes - 3 : 0)) + "...";
}

std::string_view Beginning(std::string_view text, std::size_t most_bytes) {
  if (text.size() <= most_bytes) return text;
  std::size_t end = most_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

std::string Quoted(std::string_view text) {
  std::string shown = "'";
  for (const char c : Shortened(text, 60)) {
    const auto byte = static_cast<unsigned char>(c);
    char code[8];
    std::snprintf(code, sizeof code, "\\x%02x", byte);
    shown += c == '\n' ? "\\n" : c == '\t' ? "\\t" : byte < 0x20 || byte == 0x7F ? code : std::string(1, c);
  }
  return shown + "'";
}

}  // namespace cogent
