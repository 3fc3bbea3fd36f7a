// One rule for each kind of node.
#include "verifiers/math_balls.h"

#if __has_include(<flint/acb.h>)
#include <flint/acb.h>
#else
#include <acb.h>
#endif
#include <flint/fmpq.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "verifiers/math_hash.h"

namespace cogent {
namespace {

// Guards: what lies beyond has no value here. Arb would take long or use much memory.
constexpr slong kMaxLogBits = 40;    // of y log x in x^y, and of x in exp x
constexpr slong kMaxGammaBits = 40;  // of n in n!

acb_ptr Raw(Ball& ball) { return static_cast<acb_ptr>(ball.raw()); }

// Numbers kept by the thread for Arb go when the thread does.
struct ArbCleanup {
  bool used = false;
  ~ArbCleanup() { flint_cleanup(); }
};
thread_local ArbCleanup ball_cleanup;

class Balls {
 public:
  Balls(slong precision, const BallPoint& point, Work& work)
      : precision_(precision), point_(point), work_(work) {
    ball_cleanup.used = true;
  }
  BallResult result() const { return {real_, extent_}; }

  bool Of(const MathNode& node, acb_ptr out, const Binding* bound) {
    if (!work_.Spend(static_cast<std::uint64_t>(2 + precision_ / 64))) return false;
    if (!Compute(node, out, bound) || !acb_is_finite(out)) return false;
    real_ = real_ && acb_is_real(out);
    for (const arf_srcptr part : {arb_midref(acb_realref(out)), arb_midref(acb_imagref(out))}) {
      if (!arf_is_zero(part))
        extent_ = std::max(extent_, std::abs(std::int64_t{arf_abs_bound_lt_2exp_si(part)}));
    }
    return true;
  }

 private:
  using RealFunction = void (*)(arb_t, const arb_t, slong);
  using ComplexFunction = void (*)(acb_t, const acb_t, slong);

  bool Compute(const MathNode& node, acb_ptr out, const Binding* bound) {
    switch (node.kind) {
      case Kind::kNumber:
        acb_set_fmpq(out, reinterpret_cast<const fmpq*>(node.value->words()), precision_);
        return true;
      case Kind::kSymbol:
      case Kind::kText:
        return Symbol(node.name, out, bound);
      case Kind::kConstant:
        return Constant(node.name, out);
      case Kind::kSum:
      case Kind::kProduct:
        return Fold(node, out, bound);
      case Kind::kNegative:
        if (!Of(node[0], out, bound)) return false;
        acb_neg(out, out);
        return true;
      case Kind::kQuotient: {
        Ball below;
        if (!Of(node[0], out, bound) || !Of(node[1], Raw(below), bound)) return false;
        acb_div(out, out, Raw(below), precision_);
        return true;
      }
      case Kind::kPercent:
        if (!Of(node[0], out, bound)) return false;
        acb_div_ui(out, out, 100, precision_);
        return true;
      case Kind::kQuantity:
        return Quantity(node, out, bound);
      case Kind::kPower:
        return Power(node, out, bound);
      case Kind::kFunction:
        return Call(node, out, bound);
      default:
        return false;
    }
  }

  bool Symbol(std::string_view name, acb_ptr out, const Binding* bound) {
    for (; bound; bound = bound->outer) {
      if (bound->name != name) continue;
      acb_set_si(out, bound->value);
      return true;
    }
    const std::uint64_t hash = Mix(HashOf(name) ^ Mix(static_cast<std::uint64_t>(point_.index) + 99));
    const bool integer =
        point_.integers &&
        std::find(point_.integers->begin(), point_.integers->end(), name) != point_.integers->end();
    if (integer) {
      acb_set_ui(out, 1 + hash % 13);
      return true;
    }
    // Fractions of three sizes, so that functions with a bounded domain are met within it.
    const ulong numerator = 1 + (hash >> 8) % 1999;
    const ulong denominator = point_.index % 3 == 0 ? 2003 : point_.index % 3 == 1 ? 499 : 97;
    acb_set_ui(out, numerator);
    acb_div_ui(out, out, denominator, precision_);
    // One point has every variable below zero; at the others chance decides.
    if (!point_.positive && (point_.all_negative || (hash & 1) != 0)) acb_neg(out, out);
    return true;
  }

  bool Constant(std::string_view name, acb_ptr out) {
    if (name == "pi") {
      acb_const_pi(out, precision_);
    } else if (name == "e") {
      arb_const_e(acb_realref(out), precision_);
      arb_zero(acb_imagref(out));
    } else if (name == "i") {
      acb_onei(out);
    } else {
      return false;
    }
    return true;
  }

  bool Fold(const MathNode& node, acb_ptr out, const Binding* bound) {
    if (!Of(node[0], out, bound)) return false;
    Ball next;
    for (std::size_t i = 1; i < node.size(); ++i) {
      if (!Of(node[i], Raw(next), bound)) return false;
      if (node.Is(Kind::kSum)) {
        acb_add(out, out, Raw(next), precision_);
      } else {
        acb_mul(out, out, Raw(next), precision_);
      }
    }
    return true;
  }

  // Only angles have a value without their unit; other units count by their factor, since both
  // sides were found to have the same dimension.
  bool Quantity(const MathNode& node, acb_ptr out, const Binding* bound) {
    if (!Of(node[0], out, bound)) return false;
    acb_mul_si(out, out, node.unit->above, precision_);
    acb_div_si(out, out, node.unit->below, precision_);
    if (node.unit->IsAngle()) {
      Ball pi;
      acb_const_pi(Raw(pi), precision_);
      acb_mul(out, out, Raw(pi), precision_);
      acb_div_ui(out, out, 180, precision_);
    }
    return true;
  }

  // Whether |x| < 2^bits for sure.
  static bool Below(const acb_t x, slong bits) {
    mag_t magnitude;
    mag_init(magnitude);
    acb_get_mag(magnitude, x);
    const bool below = mag_cmp_2exp_si(magnitude, bits) < 0;
    mag_clear(magnitude);
    return below;
  }

  bool Power(const MathNode& node, acb_ptr out, const Binding* bound) {
    if (!work_.Spend(20)) return false;
    const auto exponent = ExactValue(node[1], work_, bound);
    if (node[0].Is(Kind::kConstant) && node[0].name == "e") {
      if (!Of(node[1], out, bound) || !Below(out, kMaxLogBits)) return false;
      return Apply(arb_exp, acb_exp, out);
    }
    Ball base;
    if (!Of(node[0], Raw(base), bound)) return false;
    if (exponent && exponent->IsWhole() && exponent->Bits() <= 62) {
      if (exponent->Sign() <= 0 && acb_contains_zero(Raw(base))) return false;
      work_.Spend(exponent->Bits() * static_cast<std::uint64_t>(1 + precision_ / 64));
      acb_pow_fmpz(out, Raw(base), fmpq_numref(reinterpret_cast<const fmpq*>(exponent->words())),
                   precision_);
      return true;
    }
    Ball raised;
    if (!Of(node[1], Raw(raised), bound)) return false;
    if (acb_is_zero(Raw(base))) {
      acb_zero(out);
      return arb_is_positive(acb_realref(Raw(raised)));
    }
    if (acb_contains_zero(Raw(base))) return false;
    Ball logarithm;
    acb_log(Raw(logarithm), Raw(base), 30);
    acb_mul(Raw(logarithm), Raw(logarithm), Raw(raised), 30);
    if (!Below(Raw(logarithm), kMaxLogBits) || !Transcendental()) return false;
    const bool both_real = acb_is_real(Raw(base)) && acb_is_real(Raw(raised));
    if (both_real && arb_is_positive(acb_realref(Raw(base)))) {
      arb_pow(acb_realref(out), acb_realref(Raw(base)), acb_realref(Raw(raised)), precision_);
      arb_zero(acb_imagref(out));
    } else {
      acb_pow(out, Raw(base), Raw(raised), precision_);
    }
    return true;
  }

  bool Transcendental() {
    return work_.Spend(static_cast<std::uint64_t>(20 * (1 + precision_ / 128)));
  }

  // The real function where it has a value, else the complex one.
  bool Apply(RealFunction real, ComplexFunction complex, acb_ptr value) {
    if (!Transcendental()) return false;
    if (acb_is_real(value)) {
      arb_t result;
      arb_init(result);
      real(result, acb_realref(value), precision_);
      const bool finite = arb_is_finite(result);
      if (finite) arb_swap(acb_realref(value), result);
      arb_clear(result);
      if (finite) return true;
    }
    complex(value, value, precision_);
    return true;
  }
  bool Inverted(RealFunction real, ComplexFunction complex, acb_ptr value) {
    if (acb_contains_zero(value)) return false;
    acb_inv(value, value, precision_);
    return Apply(real, complex, value);
  }

  bool Call(const MathNode& node, acb_ptr out, const Binding* bound) {
    switch (node.function) {
      case Function::kSumOver:
      case Function::kProductOver:
        return Over(node, out, bound);
      case Function::kRoot:
        return Root(node, out, bound);
      case Function::kGcd:
      case Function::kLcm:
      case Function::kModulo: {
        const auto exact = ExactValue(node, work_, bound);
        if (exact) acb_set_fmpq(out, reinterpret_cast<const fmpq*>(exact->words()), precision_);
        return exact.has_value();
      }
      case Function::kMax:
      case Function::kMin:
        return Extreme(node, out, bound);
      case Function::kLog: {
        Ball base;
        if (!Of(node[0], out, bound) || !Of(node[1], Raw(base), bound)) return false;
        if (acb_contains_zero(out) || acb_contains_zero(Raw(base))) return false;
        if (!Apply(arb_log, acb_log, out) || !Apply(arb_log, acb_log, Raw(base))) return false;
        acb_div(out, out, Raw(base), precision_);
        return true;
      }
      case Function::kBinomial:
        return Binomial(node, out, bound);
      default:
        return Of(node[0], out, bound) && One(node.function, out);
    }
  }

  bool Root(const MathNode& node, acb_ptr out, const Binding* bound) {
    if (!Of(node[0], out, bound)) return false;
    if (node.size() == 1) return Apply(arb_sqrt, acb_sqrt, out);
    const auto exact = ExactValue(node[1], work_, bound);
    const std::int64_t index = exact ? exact->ToInt().value_or(0) : 0;
    if (acb_is_zero(out)) return index > 0;
    if (index > 0 && index < 1000 && acb_is_real(out) && Transcendental()) {
      const bool negative = arb_is_negative(acb_realref(out));
      if (negative && index % 2 == 1) arb_neg(acb_realref(out), acb_realref(out));
      if (!negative || index % 2 == 1) {
        arb_root_ui(acb_realref(out), acb_realref(out), static_cast<ulong>(index), precision_);
        if (negative) arb_neg(acb_realref(out), acb_realref(out));
        return true;
      }
    }
    Ball inverse;
    if (acb_contains_zero(out) || !Of(node[1], Raw(inverse), bound) ||
        acb_contains_zero(Raw(inverse)))
      return false;
    acb_inv(Raw(inverse), Raw(inverse), precision_);
    Ball logarithm;
    acb_log(Raw(logarithm), out, 30);
    acb_mul(Raw(logarithm), Raw(logarithm), Raw(inverse), 30);
    if (!Below(Raw(logarithm), kMaxLogBits) || !Transcendental()) return false;
    acb_pow(out, out, Raw(inverse), precision_);
    return true;
  }

  bool Extreme(const MathNode& node, acb_ptr out, const Binding* bound) {
    if (!Of(node[0], out, bound) || !acb_is_real(out)) return false;
    Ball next;
    for (std::size_t i = 1; i < node.size(); ++i) {
      if (!Of(node[i], Raw(next), bound) || !acb_is_real(Raw(next))) return false;
      if (node.Is(Function::kMax)) {
        arb_max(acb_realref(out), acb_realref(out), acb_realref(Raw(next)), precision_);
      } else {
        arb_min(acb_realref(out), acb_realref(out), acb_realref(Raw(next)), precision_);
      }
    }
    return true;
  }

  // n! by the gamma function.
  bool Factorial(acb_ptr value) {
    if (!acb_is_real(value) || !Below(value, kMaxGammaBits) || !Transcendental() ||
        !work_.Spend(200))
      return false;
    arb_add_ui(acb_realref(value), acb_realref(value), 1, precision_);
    arb_gamma(acb_realref(value), acb_realref(value), precision_);
    return true;
  }
  bool Binomial(const MathNode& node, acb_ptr out, const Binding* bound) {
    Ball n, k;
    if (!Of(node[0], Raw(n), bound) || !Of(node[1], Raw(k), bound)) return false;
    Ball rest;
    acb_sub(Raw(rest), Raw(n), Raw(k), precision_);
    if (!Factorial(Raw(n)) || !Factorial(Raw(rest))) return false;
    acb_div(out, Raw(n), Raw(rest), precision_);
    if (!Factorial(Raw(k))) return false;
    acb_div(out, out, Raw(k), precision_);
    return true;
  }

  bool One(Function function, acb_ptr x) {
    switch (function) {
      case Function::kExp:
        return Below(x, kMaxLogBits) && Apply(arb_exp, acb_exp, x);
      case Function::kLn:
        return !acb_contains_zero(x) && Apply(arb_log, acb_log, x);
      case Function::kSin:
        return Apply(arb_sin, acb_sin, x);
      case Function::kCos:
        return Apply(arb_cos, acb_cos, x);
      case Function::kTan:
        return Apply(arb_tan, acb_tan, x);
      case Function::kCot:
        return Apply(arb_cot, acb_cot, x);
      case Function::kSec:
        return Apply(arb_sec, acb_sec, x);
      case Function::kCsc:
        return Apply(arb_csc, acb_csc, x);
      case Function::kArcsin:
        return Apply(arb_asin, acb_asin, x);
      case Function::kArccos:
        return Apply(arb_acos, acb_acos, x);
      case Function::kArctan:
        return Apply(arb_atan, acb_atan, x);
      case Function::kArccot:
        return Inverted(arb_atan, acb_atan, x);
      case Function::kArcsec:
        return Inverted(arb_acos, acb_acos, x);
      case Function::kArccsc:
        return Inverted(arb_asin, acb_asin, x);
      case Function::kSinh:
        return Below(x, kMaxLogBits) && Apply(arb_sinh, acb_sinh, x);
      case Function::kCosh:
        return Below(x, kMaxLogBits) && Apply(arb_cosh, acb_cosh, x);
      case Function::kTanh:
        return Below(x, kMaxLogBits) && Apply(arb_tanh, acb_tanh, x);
      case Function::kCoth:
        return Below(x, kMaxLogBits) && Apply(arb_coth, acb_coth, x);
      case Function::kArsinh:
        return Apply(arb_asinh, acb_asinh, x);
      case Function::kArcosh:
        return Apply(arb_acosh, acb_acosh, x);
      case Function::kArtanh:
        return Apply(arb_atanh, acb_atanh, x);
      case Function::kFactorial:
        return Factorial(x);
      case Function::kAbs: {
        if (acb_is_real(x)) {
          arb_abs(acb_realref(x), acb_realref(x));
        } else {
          acb_abs(acb_realref(x), x, precision_);
          arb_zero(acb_imagref(x));
        }
        return true;
      }
      case Function::kSign:
        return acb_is_real(x) && (arb_sgn(acb_realref(x), acb_realref(x)), true);
      case Function::kFloor:
        return acb_is_real(x) && Below(x, 2000) &&
               (arb_floor(acb_realref(x), acb_realref(x), precision_), true);
      case Function::kCeiling:
        return acb_is_real(x) && Below(x, 2000) &&
               (arb_ceil(acb_realref(x), acb_realref(x), precision_), true);
      case Function::kReal:
        arb_zero(acb_imagref(x));
        return true;
      case Function::kImaginary:
        arb_set(acb_realref(x), acb_imagref(x));
        arb_zero(acb_imagref(x));
        return true;
      case Function::kArgument:
        acb_arg(acb_realref(x), x, precision_);
        arb_zero(acb_imagref(x));
        return true;
      default:
        return false;
    }
  }

  bool Bound(const MathNode& node, const Binding* bound, std::int64_t& value) {
    Ball ball;
    if (!Of(node, Raw(ball), bound) || !acb_is_real(Raw(ball))) return false;
    fmpz_t whole;
    fmpz_init(whole);
    const bool found = arb_get_unique_fmpz(whole, acb_realref(Raw(ball))) && fmpz_fits_si(whole) &&
                       arb_is_int(acb_realref(Raw(ball)));
    if (found) value = fmpz_get_si(whole);
    fmpz_clear(whole);
    return found;
  }
  bool Over(const MathNode& node, acb_ptr out, const Binding* bound) {
    std::int64_t first = 0;
    std::int64_t last = 0;
    if (!Bound(node[1], bound, first) || !Bound(node[2], bound, last)) return false;
    if (first < -1'000'000 || last > 1'000'000 || last - first > kMaxTerms) return false;
    const bool sum = node.Is(Function::kSumOver);
    Ball total, term;
    if (!sum) acb_one(Raw(total));
    for (std::int64_t i = first; i <= last; ++i) {
      const Binding here{node[0].name, i, bound};
      if (!Of(node[3], Raw(term), &here)) return false;
      if (sum) {
        acb_add(Raw(total), Raw(total), Raw(term), precision_);
      } else {
        acb_mul(Raw(total), Raw(total), Raw(term), precision_);
      }
    }
    acb_swap(out, Raw(total));
    return true;
  }

  slong precision_;
  const BallPoint& point_;
  Work& work_;
  bool real_ = true;
  std::int64_t extent_ = 0;
};

}  // namespace

static_assert(sizeof(acb_struct) <= 96);
Ball::Ball() { acb_init(Raw(*this)); }
Ball::~Ball() { acb_clear(Raw(*this)); }

std::optional<BallResult> EvaluateBall(const MathNode& node, int precision, const BallPoint& point,
                                       Work& work, Ball& out) {
  Balls balls(precision, point, work);
  if (!balls.Of(node, Raw(out), nullptr)) return std::nullopt;
  return balls.result();
}

}  // namespace cogent
