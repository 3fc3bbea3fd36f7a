// The scalars of YAML's core schema, read from and written to text without a locale.
//
//   ParseInteger("1_000").value == 1000;  ParseInteger("1e3").value == 1000
//   ParseInteger("1.5").state == Parsed<std::int64_t>::State::kNotWhole
//   ParseReal(FormatReal(x)).value == x   // for every finite x and both infinities
//
// Thread rule: pure functions. Source: YAML 1.2.2, section 10.3; `_` between digits is our addition.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cogent {

template <typename T>
struct Parsed {
  enum class State { kOk, kNotANumber, kNotWhole, kTooLarge };
  State state = State::kNotANumber;
  T value = 0;
  bool ok() const { return state == State::kOk; }
};

std::optional<bool> ParseBool(std::string_view text);  // true, True, TRUE, false, False, FALSE
// Digits, 0x and 0o; also 1e3 and 2.0, whose values are whole.
Parsed<std::int64_t> ParseInteger(std::string_view text);
Parsed<std::uint64_t> ParseUnsigned(std::string_view text);
// 1, -0.5, .5, 1e-3, 1_000.5, .inf, -.inf, .nan; 0x and 0o as whole numbers.
Parsed<double> ParseReal(std::string_view text);

// The shortest text that reads back to the same number.
std::string FormatReal(double value);

// `null`, `~` and the empty text.
bool IsNullText(std::string_view text);
// True where plain text would be taken for something else here or by a YAML 1.1 reader (`no`, `on`).
bool NeedsQuotes(std::string_view text);

// For messages: in single quotes, cut at a whole character, control characters written out.
std::string Quoted(std::string_view text);
std::string Shortened(std::string_view text, std::size_t most_bytes);
// The beginning, cut between two characters of UTF-8.
std::string_view Beginning(std::string_view text, std::size_t most_bytes);

}  // namespace cogent
