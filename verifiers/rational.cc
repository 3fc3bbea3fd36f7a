#include "verifiers/rational.h"

#include <gmpxx.h>

#include <utility>

#include "core/error.h"
#include "verifiers/extract.h"

namespace cogent {

struct Rational::Value {
  mpq_class q;
};

namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

constexpr std::string_view kUnicodeMinus = "\u2212";

// Reads a sign; true for minus.
bool ReadSign(std::string_view text, std::size_t& at) {
  if (text.substr(at).starts_with(kUnicodeMinus)) {
    at += kUnicodeMinus.size();
    return true;
  }
  if (at == text.size() || (text[at] != '-' && text[at] != '+')) return false;
  return text[at++] == '-';
}

// Reads the `e-3` of a number; 0 when there is none. Nothing when it is out of bounds.
std::optional<int> ReadExponent(std::string_view text, std::size_t& at) {
  if (at == text.size() || (text[at] != 'e' && text[at] != 'E')) return 0;
  std::size_t end = at + 1;
  const bool negative = ReadSign(text, end);
  if (end == text.size() || !IsDigit(text[end])) return 0;  // the letter belongs to something else
  int exponent = 0;
  for (; end < text.size() && IsDigit(text[end]); ++end) {
    exponent = exponent * 10 + (text[end] - '0');
    if (exponent > Rational::kMaxExponent) return std::nullopt;
  }
  at = end;
  return negative ? -exponent : exponent;
}

// Reads one number without a slash. Moves `at` behind it only on success.
std::optional<mpq_class> ReadNumber(std::string_view text, std::size_t& at) {
  std::size_t end = at;
  const bool negative = ReadSign(text, end);
  std::string digits;
  int decimals = 0;
  bool point = false;
  for (; end < text.size() && (IsDigit(text[end]) || (text[end] == '.' && !point)); ++end) {
    if (text[end] == '.') {
      point = true;
      continue;
    }
    if (digits.size() == Rational::kMaxDigits) return std::nullopt;
    digits += text[end];
    if (point) ++decimals;
  }
  if (digits.empty()) return std::nullopt;
  const auto exponent = ReadExponent(text, end);
  if (!exponent) return std::nullopt;

  mpq_class value(mpz_class(digits, 10));
  const int power = *exponent - decimals;
  mpz_class scale;
  mpz_ui_pow_ui(scale.get_mpz_t(), 10, static_cast<unsigned long>(power < 0 ? -power : power));
  if (power < 0) {
    value /= mpq_class(scale);
  } else {
    value *= mpq_class(scale);
  }
  at = end;
  return negative ? mpq_class(-value) : value;
}

std::size_t SkipSpaces(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || (text[at] >= '\t' && text[at] <= '\r'))) ++at;
  return at;
}

// Skips what looks like a number, however large.
std::size_t SkipNumber(std::string_view text, std::size_t at) {
  for (bool exponent = false; at < text.size(); ++at) {
    const char c = text[at];
    if (exponent && (c == '-' || c == '+')) continue;
    exponent = c == 'e' || c == 'E';
    if (!exponent && !IsDigit(c) && c != '.') break;
  }
  return at;
}

// Reads a number or a fraction; a slash with no number behind it is left alone.
std::optional<mpq_class> ReadFraction(std::string_view text, std::size_t& at) {
  auto value = ReadNumber(text, at);
  if (!value) return std::nullopt;
  std::size_t next = SkipSpaces(text, at);
  if (next == text.size() || text[next] != '/') return value;
  next = SkipSpaces(text, next + 1);
  const auto below = ReadNumber(text, next);
  if (!below) return value;
  if (*below == 0) return std::nullopt;
  at = next;
  return mpq_class(*value / *below);
}

}  // namespace

Rational::Rational(std::int64_t value) : value_(std::make_unique<Value>()) {
  static_assert(sizeof(long) == sizeof(std::int64_t));
  value_->q = static_cast<long>(value);
}
Rational::Rational(std::unique_ptr<Value> value) : value_(std::move(value)) {}
Rational::Rational(const Rational& other) : value_(std::make_unique<Value>(*other.value_)) {}
Rational::Rational(Rational&& other) noexcept = default;
Rational& Rational::operator=(const Rational& other) {
  if (this != &other) value_ = std::make_unique<Value>(*other.value_);
  return *this;
}
Rational& Rational::operator=(Rational&& other) noexcept = default;
Rational::~Rational() = default;

std::optional<Rational> Rational::Parse(std::string_view text) {
  text = TrimAscii(text);
  std::size_t at = 0;
  auto value = ReadFraction(text, at);
  if (!value || at != text.size()) return std::nullopt;
  return Rational(std::make_unique<Value>(Value{std::move(*value)}));
}

std::optional<Rational> Rational::ParseLast(std::string_view text) {
  // Every number is read from its first digit on, left to right; the last one read stays. A number
  // that is too large is skipped whole, so the work is linear in the text.
  std::optional<mpq_class> last;
  std::size_t at = 0;
  while (at < text.size()) {
    const bool point = text[at] == '.' && at + 1 < text.size() && IsDigit(text[at + 1]);
    if (!IsDigit(text[at]) && !point) {
      ++at;
      continue;
    }
    std::size_t begin = at;
    const std::size_t sign = text.substr(0, at).ends_with(kUnicodeMinus) ? kUnicodeMinus.size()
                             : at > 0 && text[at - 1] == '-'             ? 1
                                                                         : 0;
    if (sign > 0) {
      const std::size_t before = at - sign;
      const char left = before > 0 ? text[before - 1] : ' ';
      if (!IsDigit(left) && !IsLetter(left) && left != ')') begin = before;
    }
    std::size_t end = begin;
    last = ReadFraction(text, end);
    if (last) {
      at = end;
    } else {
      at = SkipNumber(text, at);
    }
  }
  if (!last) return std::nullopt;
  return Rational(std::make_unique<Value>(Value{std::move(*last)}));
}

Rational Rational::operator+(const Rational& other) const {
  return Rational(std::make_unique<Value>(Value{value_->q + other.value_->q}));
}
Rational Rational::operator-(const Rational& other) const {
  return Rational(std::make_unique<Value>(Value{value_->q - other.value_->q}));
}
Rational Rational::operator*(const Rational& other) const {
  return Rational(std::make_unique<Value>(Value{value_->q * other.value_->q}));
}
Rational Rational::operator/(const Rational& other) const {
  Check(!other.IsZero(), "a rational number divided by zero");
  return Rational(std::make_unique<Value>(Value{value_->q / other.value_->q}));
}
bool Rational::operator==(const Rational& other) const { return value_->q == other.value_->q; }
bool Rational::operator<(const Rational& other) const { return value_->q < other.value_->q; }
bool Rational::IsWhole() const { return value_->q.get_den() == 1; }
bool Rational::IsZero() const { return value_->q == 0; }
std::string Rational::ToString() const { return value_->q.get_str(); }

}  // namespace cogent
