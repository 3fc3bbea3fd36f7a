// Exact rational values.
#include <algorithm>
#include <numeric>

#include "verifiers/math_values.h"

namespace cogent {
namespace {

constexpr std::int64_t kMaxFactorial = 2000;
constexpr std::int64_t kMaxBinomialSteps = 1000;
constexpr std::int64_t kMaxExactTerms = 20'000;

using Value = std::optional<Rational>;

class Exact {
 public:
  explicit Exact(Work& work) : work_(work) {}

  Value Of(const MathNode& node, const Binding* bound) {
    if (!work_.Spend(1)) return std::nullopt;
    switch (node.kind) {
      case Kind::kNumber:
        return *node.value;
      case Kind::kSymbol:
        return Bound(node.name, bound);
      case Kind::kSum:
      case Kind::kProduct:
        return Fold(node, bound);
      case Kind::kNegative: {
        const Value value = Of(node[0], bound);
        return value ? Value(-*value) : std::nullopt;
      }
      case Kind::kQuotient: {
        const Value above = Of(node[0], bound);
        const Value below = above ? Of(node[1], bound) : std::nullopt;
        if (!below || below->IsZero()) return std::nullopt;
        return Sized(*above / *below);
      }
      case Kind::kPercent: {
        const Value value = Of(node[0], bound);
        return value ? Value(*value / Rational(100)) : std::nullopt;
      }
      case Kind::kPower:
        return Power(node, bound);
      case Kind::kFunction:
        return Call(node, bound);
      default:
        return std::nullopt;
    }
  }

 private:
  static Value Bound(std::string_view name, const Binding* bound) {
    for (; bound; bound = bound->outer) {
      if (bound->name == name) return Rational(bound->value);
    }
    return std::nullopt;
  }
  Value Sized(Rational value) {
    const std::size_t bits = value.Bits();
    if (bits > kMaxExactBits || !work_.Spend(bits / 256)) return std::nullopt;
    return value;
  }

  Value Fold(const MathNode& node, const Binding* bound) {
    Value total = Of(node[0], bound);
    for (std::size_t i = 1; total && i < node.size(); ++i) {
      const Value next = Of(node[i], bound);
      if (!next) return std::nullopt;
      total = Sized(node.Is(Kind::kSum) ? *total + *next : *total * *next);
    }
    return total;
  }

  Value Power(const MathNode& node, const Binding* bound) {
    const Value exponent = Of(node[1], bound);
    if (!exponent) return std::nullopt;
    Value base = Of(node[0], bound);
    if (!base) return std::nullopt;
    const Rational one(1);
    if (*base == one) return base;
    const auto whole = exponent->ToInt();
    if (!whole) return FractionalPower(*base, *exponent);
    if (*whole == 0 && base->IsZero()) return std::nullopt;
    if (base->IsZero()) return *whole > 0 ? base : std::nullopt;
    if (*base == Rational(-1)) return *whole % 2 == 0 ? Value(one) : base;
    const std::uint64_t size =
        *whole < 0 ? 0 - static_cast<std::uint64_t>(*whole) : static_cast<std::uint64_t>(*whole);
    if (size > kMaxExactBits || base->Bits() * size > kMaxExactBits) return std::nullopt;
    return Sized(Rational::Power(*base, *whole));
  }
  // 8^(2/3)
  Value FractionalPower(const Rational& base, const Rational& exponent) {
    for (std::int64_t index = 2; index <= 6; ++index) {
      const auto whole = (exponent * Rational(index)).ToInt();
      if (!whole) continue;
      if (base.Sign() < 0 || *whole > 1000 || *whole < -1000) return std::nullopt;
      const auto root = base.ExactRoot(static_cast<int>(index));
      if (!root || (root->IsZero() && *whole <= 0) || root->Bits() * 1000 > kMaxExactBits * 4)
        return std::nullopt;
      return Sized(Rational::Power(*root, *whole));
    }
    return std::nullopt;
  }

  Value Call(const MathNode& node, const Binding* bound) {
    switch (node.function) {
      case Function::kSumOver:
      case Function::kProductOver:
        return Over(node, bound);
      case Function::kRoot: {
        const Value inner = Of(node[0], bound);
        const Value index = node.size() > 1 ? Of(node[1], bound) : Value(Rational(2));
        const auto whole = index ? index->ToInt() : std::nullopt;
        if (!inner || !whole || *whole < 2 || *whole > 64) return std::nullopt;
        return inner->ExactRoot(static_cast<int>(*whole));
      }
      case Function::kAbs: {
        const Value inner = Of(node[0], bound);
        return inner && inner->Sign() < 0 ? Value(-*inner) : inner;
      }
      case Function::kSign: {
        const Value inner = Of(node[0], bound);
        return inner ? Value(Rational(inner->Sign())) : std::nullopt;
      }
      case Function::kFloor:
        return Floor(Of(node[0], bound));
      case Function::kCeiling: {
        const Value inner = Of(node[0], bound);
        const Value floor = inner ? Floor(-*inner) : std::nullopt;
        return floor ? Value(-*floor) : std::nullopt;
      }
      case Function::kFactorial:
        return Factorial(Of(node[0], bound), 1);
      case Function::kDoubleFactorial:
        return Factorial(Of(node[0], bound), 2);
      case Function::kBinomial:
        return Binomial(Of(node[0], bound), Of(node[1], bound));
      case Function::kGcd:
      case Function::kLcm:
      case Function::kMax:
      case Function::kMin:
      case Function::kModulo:
        return Pairwise(node, bound);
      default:
        return std::nullopt;
    }
  }

  static Value Floor(const Value& value) {
    if (!value) return std::nullopt;
    return value->Floor();
  }
  Value Factorial(const Value& value, std::int64_t step) {
    const std::int64_t n = value ? value->ToInt().value_or(-1) : -1;
    if (n < 0 || n > kMaxFactorial || !work_.Spend(static_cast<std::uint64_t>(n)))
      return std::nullopt;
    Rational product(1);
    for (std::int64_t i = n; i > 1; i -= step) product = product * Rational(i);
    return Sized(std::move(product));
  }
  Value Binomial(const Value& above, const Value& below) {
    if (!above || !below || !below->IsWhole()) return std::nullopt;
    const std::int64_t n = above->ToInt().value_or(-1);
    std::int64_t k = below->ToInt().value_or(-1);
    if (n < 0) return std::nullopt;
    if (k < 0 || k > n) return Rational(0);
    k = std::min(k, n - k);
    if (k > kMaxBinomialSteps || !work_.Spend(static_cast<std::uint64_t>(k) * 2))
      return std::nullopt;
    Rational product(1);
    for (std::int64_t i = 1; i <= k; ++i) product = product * Rational(n - k + i) / Rational(i);
    return Sized(std::move(product));
  }
  Value Pairwise(const MathNode& node, const Binding* bound) {
    Value total = Of(node[0], bound);
    for (std::size_t i = 1; total && i < node.size(); ++i) {
      const Value next = Of(node[i], bound);
      if (!next) return std::nullopt;
      if (node.Is(Function::kMax) || node.Is(Function::kMin)) {
        if ((*total < *next) == node.Is(Function::kMax)) total = next;
        continue;
      }
      const auto a = total->ToInt();
      const auto b = next->ToInt();
      constexpr std::int64_t kLargest = std::int64_t{1} << 60;
      if (!a || !b || *a > kLargest || *a < -kLargest || *b > kLargest || *b < -kLargest)
        return std::nullopt;
      if (node.Is(Function::kModulo)) {
        if (*b <= 0) return std::nullopt;
        total = Rational((*a % *b + *b) % *b);
      } else if (node.Is(Function::kGcd)) {
        total = Rational(std::gcd(*a, *b));
      } else {
        if (*a == 0 || *b == 0) return Rational(0);
        total = *total / Rational(std::gcd(*a, *b)) * *next;
        if (total->Sign() < 0) total = -*total;
      }
    }
    return total;
  }
  Value Over(const MathNode& node, const Binding* bound) {
    const Value from = Of(node[1], bound);
    const Value to = Of(node[2], bound);
    constexpr std::int64_t kFarthest = kMaxExactTerms * 50;
    const std::int64_t first = from ? from->ToInt().value_or(-kFarthest - 1) : -kFarthest - 1;
    const std::int64_t last = to ? to->ToInt().value_or(kFarthest + 1) : kFarthest + 1;
    if (first < -kFarthest || last > kFarthest || last - first > kMaxExactTerms) return std::nullopt;
    const bool sum = node.Is(Function::kSumOver);
    Rational total(sum ? 0 : 1);
    for (std::int64_t i = first; i <= last; ++i) {
      const Binding here{node[0].name, i, bound};
      const Value term = Of(node[3], &here);
      if (!term) return std::nullopt;
      const Value next = Sized(sum ? total + *term : total * *term);
      if (!next) return std::nullopt;
      total = *next;
    }
    return total;
  }

  Work& work_;
};

}  // namespace

std::optional<Rational> ExactValue(const MathNode& node, Work& work, const Binding* bound) {
  return Exact(work).Of(node, bound);
}

}  // namespace cogent
