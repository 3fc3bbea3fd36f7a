// Equality of values and functions, from their bounds.
#if __has_include(<flint/acb.h>)
#include <flint/acb.h>
#else
#include <acb.h>
#endif

#include <algorithm>
#include <cmath>
#include <vector>

#include "verifiers/math_balls.h"
#include "verifiers/math_values.h"

namespace cogent {
namespace {

constexpr int kFunctionPrecision = 128;
constexpr int kPositivePoints = 5;
constexpr int kPoints = 12;
constexpr int kEnoughPoints = 3;

acb_srcptr Raw(const Ball& ball) { return static_cast<acb_srcptr>(ball.raw()); }

// Whether the two may be one number; `tight` when the bounds also leave no room for another one.
struct Closeness {
  bool possible = false;
  bool tight = false;
};
Closeness Compare(const Ball& a, const Ball& b, int precision) {
  acb_t difference;
  acb_init(difference);
  acb_sub(difference, Raw(a), Raw(b), precision);
  Closeness closeness{acb_contains_zero(difference) != 0, false};
  if (closeness.possible) {
    mag_t radius, size;
    mag_init(radius);
    mag_init(size);
    acb_get_mag(radius, difference);
    acb_get_mag_lower(size, Raw(a));
    mag_mul_2exp_si(size, size, -precision / 2);
    closeness.tight = mag_cmp(radius, size) < 0 || mag_cmp_2exp_si(radius, -precision * 3 / 4) < 0;
    mag_clear(radius);
    mag_clear(size);
  }
  acb_clear(difference);
  return closeness;
}

// How many binary digits the numbers in the tree have.
std::int64_t DigitsIn(const MathNode& node, int& budget) {
  if (--budget < 0) return kMaxPrecision;
  if (node.Is(Kind::kNumber)) return static_cast<std::int64_t>(node.value->Bits());
  std::int64_t digits = 0;
  for (const MathNode* child : node.children) digits += DigitsIn(*child, budget);
  return digits;
}

// The precision at which a difference between two values can no longer hide: a small term beside a
// large one, or far behind the point, is as far away as the parts of the trees reach.
std::int64_t PrecisionFor(const BallResult& a, const BallResult& b, std::int64_t digits) {
  const std::int64_t extent = std::min<std::int64_t>(std::max(a.extent, b.extent), kMaxPrecision);
  return 128 + 2 * extent + 2 * std::min<std::int64_t>(digits, kMaxPrecision);
}

// Variables that only whole numbers make sense for: below a factorial or a binomial, in the
// exponent of a negative number, as the end of a sum.
void FindIntegers(const MathNode& node, bool inside, std::vector<std::string_view>& found,
                  int& budget) {
  if (--budget < 0) return;
  if (node.Is(Kind::kSymbol) && inside) {
    if (std::find(found.begin(), found.end(), node.name) == found.end()) found.push_back(node.name);
    return;
  }
  const bool counting = node.Is(Function::kFactorial) || node.Is(Function::kBinomial) ||
                        node.Is(Function::kSumOver) || node.Is(Function::kProductOver) ||
                        node.Is(Function::kGcd) || node.Is(Function::kModulo);
  for (std::size_t i = 0; i < node.size(); ++i) {
    bool whole = inside || counting;
    if (counting && (node.Is(Function::kSumOver) || node.Is(Function::kProductOver)))
      whole = inside || i < 3;
    if (node.Is(Kind::kPower) && i == 1 && node[0].Is(Kind::kNegative)) whole = true;
    FindIntegers(node[i], whole, found, budget);
  }
}

// The two functions at one point.
struct Sample {
  bool finite = false;
  bool real = false;
  Closeness closeness;
};

class Functions {
 public:
  Functions(const MathNode& a, const MathNode& b, Work& work) : a_(a), b_(b), work_(work) {
    int budget = 2000;
    FindIntegers(a, false, integers_, budget);
    FindIntegers(b, false, integers_, budget);
  }

  Equality Same() {
    const Equality on_reals = Over(true);
    return on_reals == Equality::kUnknown ? Over(false) : on_reals;
  }

  // a / b at the first point against a / b at the others.
  Equality Proportional(bool positive) {
    Ball a0, b0, a, b;
    int points = 0;
    bool first = true;
    for (int i = 0; i < kPoints && !work_.Exhausted(); ++i) {
      const BallPoint point = At(i);
      Ball& at_a = first ? a0 : a;
      Ball& at_b = first ? b0 : b;
      if (!EvaluateBall(a_, kFunctionPrecision, point, work_, at_a) ||
          !EvaluateBall(b_, kFunctionPrecision, point, work_, at_b))
        continue;
      if (acb_contains_zero(Raw(at_a)) != acb_contains_zero(Raw(at_b))) return Equality::kDifferent;
      if (acb_contains_zero(Raw(at_a))) continue;
      if (first) {
        first = false;
        if (positive && !SameSign(a0, b0)) return Equality::kDifferent;
        continue;
      }
      if (!CrossEqual(a0, b, a, b0)) return Equality::kDifferent;
      ++points;
    }
    return points >= kEnoughPoints ? Equality::kEqual : Equality::kUnknown;
  }

 private:
  BallPoint At(int i) const {
    return {i, i == kPositivePoints, i < kPositivePoints, integers_.empty() ? nullptr : &integers_};
  }

  Sample Take(int i) {
    Sample sample;
    const BallPoint point = At(i);
    std::int64_t precision = kFunctionPrecision;
    for (int round = 0; round < 2; ++round) {
      Ball a, b;
      const auto at_a = EvaluateBall(a_, static_cast<int>(precision), point, work_, a);
      const auto at_b =
          at_a ? EvaluateBall(b_, static_cast<int>(precision), point, work_, b) : std::nullopt;
      if (!at_b) return {};
      sample = {true, at_a->real && at_b->real, Compare(a, b, static_cast<int>(precision))};
      const std::int64_t wanted = PrecisionFor(*at_a, *at_b, 0);
      if (!sample.closeness.possible || wanted <= precision + 100) return sample;
      // Terms of very different size: look again, closer.
      sample.closeness.tight = false;
      if (wanted > kMaxPrecision) return sample;
      precision = wanted;
    }
    return sample;
  }
  Equality Over(bool reals) {
    int points = 0;
    for (int i = 0; i < kPoints && !work_.Exhausted(); ++i) {
      const Sample sample = Take(i);
      if (!sample.finite || (reals && !sample.real)) continue;
      if (!sample.closeness.possible) return Equality::kDifferent;
      if (sample.closeness.tight) ++points;
    }
    return !work_.Exhausted() && points >= kEnoughPoints ? Equality::kEqual : Equality::kUnknown;
  }
  static bool SameSign(const Ball& a, const Ball& b) {
    acb_t quotient;
    acb_init(quotient);
    acb_div(quotient, Raw(a), Raw(b), 64);
    const bool same = acb_is_real(quotient) && arb_is_positive(acb_realref(quotient));
    acb_clear(quotient);
    return same;
  }
  static bool CrossEqual(const Ball& a, const Ball& b, const Ball& c, const Ball& d) {
    Ball left, right;
    acb_mul(static_cast<acb_ptr>(left.raw()), Raw(a), Raw(b), kFunctionPrecision);
    acb_mul(static_cast<acb_ptr>(right.raw()), Raw(c), Raw(d), kFunctionPrecision);
    const Closeness closeness = Compare(left, right, kFunctionPrecision);
    return closeness.possible && closeness.tight;
  }

  const MathNode& a_;
  const MathNode& b_;
  Work& work_;
  std::vector<std::string_view> integers_;
};

}  // namespace

Equality SameConstant(const MathNode& a, const MathNode& b, Work& work) {
  const BallPoint nowhere;
  int budget = 2000;
  const std::int64_t digits = DigitsIn(a, budget) + DigitsIn(b, budget);
  std::int64_t last = 0;
  for (std::int64_t precision = 64;; precision = std::min(precision * 4, last)) {
    Ball at_a, at_b;
    const auto result_a = EvaluateBall(a, static_cast<int>(precision), nowhere, work, at_a);
    const auto result_b =
        result_a ? EvaluateBall(b, static_cast<int>(precision), nowhere, work, at_b) : std::nullopt;
    if (!result_b) return Equality::kUnknown;
    const Closeness closeness = Compare(at_a, at_b, static_cast<int>(precision));
    if (!closeness.possible) return Equality::kDifferent;
    if (last == 0) {
      last = std::max<std::int64_t>(PrecisionFor(*result_a, *result_b, digits), 256);
      if (last > kMaxPrecision) return Equality::kUnknown;
    } else if (precision == last) {
      return closeness.tight ? Equality::kEqual : Equality::kUnknown;
    }
  }
}

Equality SameFunction(const MathNode& a, const MathNode& b, Work& work) {
  return Functions(a, b, work).Same();
}

Equality Proportional(const MathNode& a, const MathNode& b, bool positive, Work& work) {
  return Functions(a, b, work).Proportional(positive);
}

std::optional<int> Order(const MathNode& a, const MathNode& b, Work& work) {
  const auto exact_a = ExactValue(a, work);
  const auto exact_b = exact_a ? ExactValue(b, work) : std::nullopt;
  if (exact_b) return *exact_a < *exact_b ? -1 : *exact_b < *exact_a ? 1 : 0;
  const BallPoint nowhere;
  for (const int precision : {64, 256}) {
    Ball at_a, at_b;
    if (!EvaluateBall(a, precision, nowhere, work, at_a) ||
        !EvaluateBall(b, precision, nowhere, work, at_b))
      return std::nullopt;
    if (!acb_is_real(Raw(at_a)) || !acb_is_real(Raw(at_b))) return std::nullopt;
    if (arb_lt(acb_realref(Raw(at_a)), acb_realref(Raw(at_b)))) return -1;
    if (arb_gt(acb_realref(Raw(at_a)), acb_realref(Raw(at_b)))) return 1;
  }
  if (SameConstant(a, b, work) == Equality::kEqual) return 0;
  return std::nullopt;
}

bool RoundsTo(const MathNode& exact, const Rational& decimal, int decimals, Work& work) {
  if (decimals > 1000 || decimals < -1000) return false;
  // In units of the last digit: the distance, and its direction away from zero.
  const Rational unit = Rational::Power(10, decimals);
  const Rational written = decimal * unit;
  if (const auto value = ExactValue(exact, work)) {
    const Rational excess = *value * unit - written;
    const Rational outward = decimal.Sign() < 0 ? -excess : excess;
    const Rational half = Rational(1) / Rational(2);
    return (!(outward < -half) && !(half < outward)) ||
           (!(outward < Rational(0)) && outward < Rational(1));
  }
  const BallPoint nowhere;
  const int precision =
      64 + static_cast<int>(std::min<std::size_t>(written.Bits() * 2, kMaxPrecision));
  Ball value;
  if (!EvaluateBall(exact, precision, nowhere, work, value) || !acb_is_real(Raw(value)))
    return false;
  arb_t excess;
  arb_init(excess);
  arb_mul_fmpz(excess, acb_realref(Raw(value)),
               fmpq_numref(reinterpret_cast<const fmpq*>(unit.words())), precision);
  arb_div_fmpz(excess, excess, fmpq_denref(reinterpret_cast<const fmpq*>(unit.words())), precision);
  arb_t number;
  arb_init(number);
  arb_set_fmpq(number, reinterpret_cast<const fmpq*>(written.words()), precision);
  arb_sub(excess, excess, number, precision);
  if (decimal.Sign() < 0) arb_neg(excess, excess);
  const double outward = arf_get_d(arb_midref(excess), ARF_RND_NEAR);
  arb_clear(number);
  arb_clear(excess);
  return (outward >= -0.5 && outward <= 0.5) || (outward >= 0 && outward < 1);
}

}  // namespace cogent
