// Exact rational numbers, and reading them from what a model wrote.
//
//   *Rational::Parse("28/2") == Rational(14);          // also 14.0, 1.4e1, -28/-2
//   (Rational(1) / Rational(3)).ToString();            // "1/3"
//   Rational::Parse("1e999999999");                    // nothing: too large to be meant
//
// Nothing is rounded, so 0.333 is not 1/3. What can be read is bounded in size (kMaxDigits,
// kMaxExponent), so no text costs more than a few microseconds. Computing with values of one's own
// is not bounded.
// Thread rule: a value. Built on FLINT, whose rationals are two machine words until they outgrow
// them; the library stays in the .cc files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cogent {

class Rational {
 public:
  static constexpr std::size_t kMaxDigits = 1000;  // of one written number, point left out
  static constexpr int kMaxExponent = 1000;        // of its power of ten, either way

  Rational(std::int64_t value = 0);  // NOLINT: whole numbers are rationals
  Rational(const Rational& other);
  Rational(Rational&& other) noexcept : words_{other.words_[0], other.words_[1]} {
    other.words_[0] = 0;
    other.words_[1] = 1;
  }
  Rational& operator=(const Rational& other);
  Rational& operator=(Rational&& other) noexcept {
    std::swap(words_[0], other.words_[0]);
    std::swap(words_[1], other.words_[1]);
    return *this;
  }
  ~Rational() {
    if (!IsSmall()) Clear();
  }
  // The whole number of these digits (0-9 and, for a base up to 36, letters), however many there
  // are; nothing when one is no digit of the base or there is none.
  static std::optional<Rational> FromDigits(std::string_view digits, int base = 10);
  // REQUIRES a base other than 0 where the exponent is negative. Not bounded: see Bits().
  static Rational Power(const Rational& base, std::int64_t exponent);

  // Reads `NUMBER` or `NUMBER/NUMBER`, where a number is an optional sign (`-`, `+`, U+2212),
  // digits with at most one point, and an optional exponent: 14, -3/4, .5, 5., 1.4e1, 2E-3. White
  // space may stand at the ends and beside the slash. Nothing when it is something else, too large,
  // or divides by zero.
  static std::optional<Rational> Parse(std::string_view text);
  // The last number in the text (`1/2` counts as one); nothing without one. A minus belongs to the
  // number unless a digit, a letter or `)` stands before it.
  static std::optional<Rational> ParseLast(std::string_view text);

  Rational operator+(const Rational& other) const;
  Rational operator-(const Rational& other) const;
  Rational operator*(const Rational& other) const;
  // REQUIRES other != 0 (throws InternalError).
  Rational operator/(const Rational& other) const;
  bool operator==(const Rational& other) const;
  bool operator<(const Rational& other) const;

  Rational operator-() const;
  bool IsWhole() const;
  bool IsZero() const { return words_[0] == 0; }
  int Sign() const;
  Rational Floor() const;
  // Binary digits of the larger of numerator and denominator: what computing with it costs.
  std::size_t Bits() const;
  // The value when it is whole and fits.
  std::optional<std::int64_t> ToInt() const;
  // The value in the field of a prime below 2^63; nothing when the prime divides the denominator.
  std::optional<std::uint64_t> Modulo(std::uint64_t prime) const;
  // The square root (index 2), cube root.. when it is rational too; an odd index takes negatives.
  std::optional<Rational> ExactRoot(int index) const;
  // Lowest terms: `14`, `-3/2`. Parse reads it back, within its bounds.
  std::string ToString() const;

  // The two words of FLINT's fmpq, for the .cc files that compute with it.
  const std::int64_t* words() const { return words_; }
  std::int64_t* words() { return words_; }

 private:
  // FLINT keeps a pointer in a word whose second highest bit alone of the two is set.
  static bool IsSmall(std::int64_t word) { return (word >> 62) != 1; }
  bool IsSmall() const { return IsSmall(words_[0]) && IsSmall(words_[1]); }
  void Clear();

  std::int64_t words_[2];  // numerator, denominator > 0, in lowest terms
};

}  // namespace cogent
