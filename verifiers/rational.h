// Exact rational numbers, and reading them from what a model wrote.
//
//   *Rational::Parse("28/2") == Rational(14);          // also 14.0, 1.4e1, -28/-2
//   (Rational(1) / Rational(3)).ToString();            // "1/3"
//   Rational::Parse("1e999999999");                    // nothing: too large to be meant
//
// Nothing is rounded, so 0.333 is not 1/3. What can be read is bounded in size (kMaxDigits,
// kMaxExponent), so no text costs more than a few microseconds. Computing with values of one's own
// is not bounded.
// Thread rule: a value. Built on GMP, which stays in the .cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cogent {

class Rational {
 public:
  static constexpr std::size_t kMaxDigits = 1000;  // of one written number, point left out
  static constexpr int kMaxExponent = 1000;        // of its power of ten, either way

  Rational(std::int64_t value = 0);  // NOLINT: whole numbers are rationals
  Rational(const Rational& other);
  Rational(Rational&& other) noexcept;
  Rational& operator=(const Rational& other);
  Rational& operator=(Rational&& other) noexcept;
  ~Rational();

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

  bool IsWhole() const;
  bool IsZero() const;
  // Lowest terms: `14`, `-3/2`. Parse reads it back, within its bounds.
  std::string ToString() const;

 private:
  struct Value;
  explicit Rational(std::unique_ptr<Value> value);
  std::unique_ptr<Value> value_;  // never null, save in what was moved from
};

}  // namespace cogent
