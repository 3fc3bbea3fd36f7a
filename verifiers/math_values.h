// What a tree is worth: exactly, modulo a prime, and between bounds. Internal to the mathematics
// verifier.
//
//   Work work;
//   ExactValue(*tree_of("2^{10}"), work)->ToString();                  // "1024"
//   SameConstant(*tree_of("\\sqrt{12}"), *tree_of("2\\sqrt{3}"), work);  // kEqual
//
// Sizes are estimated before anything is computed, and every step is counted: when the work is used
// up, the answer is "unknown". Nothing depends on a clock or on an order of evaluation, so a
// verdict is the same everywhere. Random points come from a fixed seed and the variables' names.
//   exact      rationals of at most kMaxExactBits bits
//   residues   rational functions modulo two primes near 2^61; other functions count as unknown
//              functions of their arguments, so equal residues prove equality and different ones
//              prove difference only where there are none (Gonnet, "Determining equivalence of
//              expressions in random polynomial time", 1984)
//   balls      real and complex numbers with bounds (Arb), at a precision that rises to what the
//              numbers in the tree need, at most kMaxPrecision bits
// Thread rule: free functions; a Work belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>

#include "verifiers/math_tree.h"

namespace cogent {

inline constexpr std::size_t kMaxExactBits = 20'000;
inline constexpr int kMaxPrecision = 4096;
inline constexpr std::int64_t kMaxTerms = 2000;  // of a sum or product over an index, where its value is not exact

// Steps that may still be taken; a step is about as long as adding two small fractions.
class Work {
 public:
  static constexpr std::uint64_t kLimit = 150'000;
  explicit Work(std::uint64_t limit = kLimit) : left_(limit), limit_(limit) {}
  // False when the work is used up.
  bool Spend(std::uint64_t steps) {
    if (left_ < steps) {
      left_ = 0;
      return false;
    }
    left_ -= steps;
    return true;
  }
  bool Exhausted() const { return left_ == 0; }
  std::uint64_t done() const { return limit_ - left_; }

 private:
  std::uint64_t left_, limit_;
};

// A variable that a sum counts with.
struct Binding {
  std::string_view name;
  std::int64_t value = 0;
  const Binding* outer = nullptr;
};

enum class Equality { kEqual, kDifferent, kUnknown };

// Nothing when the value is not rational, not constant, or too large.
std::optional<Rational> ExactValue(const MathNode& node, Work& work,
                                   const Binding* bound = nullptr);

struct Residue {
  std::uint64_t value = 0;
  bool rational = true;  // no unknown function was met
};
// The value at the random point of that number (0, 1, ..); nothing where it has none.
std::optional<Residue> ResidueOf(const MathNode& node, int point, Work& work,
                                 const Binding* bound = nullptr);

// Two values without variables.
Equality SameConstant(const MathNode& a, const MathNode& b, Work& work);
// Two functions of their variables, on the reals where both are real, else on complex values.
Equality SameFunction(const MathNode& a, const MathNode& b, Work& work);
// a = c * b for a constant c other than 0; kUnknown also where signs differ and `positive` asks for
// c > 0.
Equality Proportional(const MathNode& a, const MathNode& b, bool positive, Work& work);
// -1, 0, 1 for two real constants; nothing when they are none or cannot be told apart.
std::optional<int> Order(const MathNode& a, const MathNode& b, Work& work);
// Whether the decimal number, written with `decimals` digits behind the point, is the exact value
// rounded or cut there.
bool RoundsTo(const MathNode& exact, const Rational& decimal, int decimals, Work& work);

}  // namespace cogent
