#include "verifiers/rational.h"

#include <flint/flint.h>
#include <flint/fmpq.h>
#include <flint/fmpz.h>
#include <flint/ulong_extras.h>

#include <algorithm>

#include "core/ascii.h"
#include "core/error.h"
#include "verifiers/extract.h"

namespace cogent {

namespace {

static_assert(sizeof(fmpq) == 2 * sizeof(std::int64_t) && sizeof(slong) == sizeof(std::int64_t));

fmpq* Raw(Rational& value) { return reinterpret_cast<fmpq*>(value.words()); }
const fmpq* Raw(const Rational& value) { return reinterpret_cast<const fmpq*>(value.words()); }

// FLINT keeps freed numbers for the thread that made them; they go when the thread does.
struct Cleanup {
  ~Cleanup() { flint_cleanup(); }
};
thread_local Cleanup cleanup;

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
std::optional<Rational> ReadNumber(std::string_view text, std::size_t& at) {
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

  Rational value = *Rational::FromDigits(digits);
  const int power = *exponent - decimals;
  if (power != 0) value = value * Rational::Power(10, power);
  at = end;
  return negative ? -value : value;
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
std::optional<Rational> ReadFraction(std::string_view text, std::size_t& at) {
  auto value = ReadNumber(text, at);
  if (!value) return std::nullopt;
  std::size_t next = SkipSpaces(text, at);
  if (next == text.size() || text[next] != '/') return value;
  next = SkipSpaces(text, next + 1);
  const auto below = ReadNumber(text, next);
  if (!below) return value;
  if (below->IsZero()) return std::nullopt;
  at = next;
  return *value / *below;
}

}  // namespace

Rational::Rational(std::int64_t value) : words_{0, 1} {
  if (IsSmall(value)) {
    words_[0] = value;
  } else {
    fmpz_set_si(fmpq_numref(Raw(*this)), value);
  }
}
Rational::Rational(const Rational& other) : words_{other.words_[0], other.words_[1]} {
  if (other.IsSmall()) return;
  words_[0] = 0;
  words_[1] = 1;
  fmpq_set(Raw(*this), Raw(other));
}
Rational& Rational::operator=(const Rational& other) {
  if (this != &other) fmpq_set(Raw(*this), Raw(other));
  return *this;
}
void Rational::Clear() {
  static_cast<void>(cleanup);
  fmpq_clear(Raw(*this));
}

std::optional<Rational> Rational::FromDigits(std::string_view digits, int base) {
  if (digits.empty()) return std::nullopt;
  for (const char c : digits) {
    const int digit = IsDigit(c) ? c - '0' : IsAsciiLetter(c) ? (c | 0x20) - 'a' + 10 : 99;
    if (digit >= base) return std::nullopt;
  }
  Rational value;
  if (base == 10 && digits.size() <= 18) {
    std::int64_t sum = 0;
    for (const char c : digits) sum = sum * 10 + (c - '0');
    value.words_[0] = sum;
    return value;
  }
  const std::string terminated(digits);
  if (fmpz_set_str(fmpq_numref(Raw(value)), terminated.c_str(), base) != 0) return std::nullopt;
  return value;
}
Rational Rational::Power(const Rational& base, std::int64_t exponent) {
  Check(exponent >= 0 || !base.IsZero(), "zero to a negative power");
  Rational value;
  fmpq_pow_si(Raw(value), Raw(base), exponent);
  return value;
}

std::optional<Rational> Rational::Parse(std::string_view text) {
  text = TrimAscii(text);
  std::size_t at = 0;
  auto value = ReadFraction(text, at);
  if (!value || at != text.size()) return std::nullopt;
  return value;
}

std::optional<Rational> Rational::ParseLast(std::string_view text) {
  // Every number is read from its first digit on, left to right; the last one read stays. A number
  // that is too large is skipped whole, so the work is linear in the text.
  std::optional<Rational> last;
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
      if (!IsDigit(left) && !IsAsciiLetter(left) && left != ')') begin = before;
    }
    std::size_t end = begin;
    last = ReadFraction(text, end);
    if (last) {
      at = end;
    } else {
      at = SkipNumber(text, at);
    }
  }
  return last;
}

Rational Rational::operator+(const Rational& other) const {
  Rational value;
  fmpq_add(Raw(value), Raw(*this), Raw(other));
  return value;
}
Rational Rational::operator-(const Rational& other) const {
  Rational value;
  fmpq_sub(Raw(value), Raw(*this), Raw(other));
  return value;
}
Rational Rational::operator*(const Rational& other) const {
  Rational value;
  fmpq_mul(Raw(value), Raw(*this), Raw(other));
  return value;
}
Rational Rational::operator/(const Rational& other) const {
  Check(!other.IsZero(), "a rational number divided by zero");
  Rational value;
  fmpq_div(Raw(value), Raw(*this), Raw(other));
  return value;
}
Rational Rational::operator-() const {
  Rational value;
  fmpq_neg(Raw(value), Raw(*this));
  return value;
}
bool Rational::operator==(const Rational& other) const {
  return fmpq_equal(Raw(*this), Raw(other));
}
bool Rational::operator<(const Rational& other) const {
  return fmpq_cmp(Raw(*this), Raw(other)) < 0;
}
bool Rational::IsWhole() const { return fmpz_is_one(fmpq_denref(Raw(*this))); }
int Rational::Sign() const { return fmpq_sgn(Raw(*this)); }
Rational Rational::Floor() const {
  Rational value;
  fmpz_fdiv_q(fmpq_numref(Raw(value)), fmpq_numref(Raw(*this)), fmpq_denref(Raw(*this)));
  return value;
}
std::size_t Rational::Bits() const {
  return std::max(fmpz_bits(fmpq_numref(Raw(*this))), fmpz_bits(fmpq_denref(Raw(*this))));
}
std::optional<std::int64_t> Rational::ToInt() const {
  if (!IsWhole() || !fmpz_fits_si(fmpq_numref(Raw(*this)))) return std::nullopt;
  return fmpz_get_si(fmpq_numref(Raw(*this)));
}
std::optional<std::uint64_t> Rational::Modulo(std::uint64_t prime) const {
  if (words_[1] == 1 && IsSmall(words_[0])) {
    const auto magnitude =
        static_cast<std::uint64_t>(words_[0] < 0 ? -words_[0] : words_[0]) % prime;
    return words_[0] < 0 && magnitude > 0 ? prime - magnitude : magnitude;
  }
  const std::uint64_t below = fmpz_fdiv_ui(fmpq_denref(Raw(*this)), prime);
  if (below == 0) return std::nullopt;
  const std::uint64_t above = fmpz_fdiv_ui(fmpq_numref(Raw(*this)), prime);
  return n_mulmod2(above, n_invmod(below, prime), prime);
}
std::optional<Rational> Rational::ExactRoot(int index) const {
  const bool negative = Sign() < 0;
  if (index < 1 || (negative && index % 2 == 0)) return std::nullopt;
  Rational root;
  const Rational magnitude = negative ? -*this : *this;
  if (!fmpz_root(fmpq_numref(Raw(root)), fmpq_numref(Raw(magnitude)), index) ||
      !fmpz_root(fmpq_denref(Raw(root)), fmpq_denref(Raw(magnitude)), index)) {
    return std::nullopt;
  }
  return negative ? -root : root;
}
std::string Rational::ToString() const {
  if (IsSmall()) return std::to_string(words_[0]) + (words_[1] == 1 ? "" : "/" + std::to_string(words_[1]));
  char* text = fmpq_get_str(nullptr, 10, Raw(*this));
  std::string copy = text;
  flint_free(text);
  return copy;
}

}  // namespace cogent
