// Values modulo a prime, at points that a fixed seed and the variables' names give.
#include <array>

#include "verifiers/math_hash.h"
#include "verifiers/math_values.h"

namespace cogent {
namespace {

// Points 0 and 1 belong to the first prime, 2 and 3 to the second.
constexpr std::array<std::uint64_t, 2> kPrimes = {(1ull << 61) - 1, (1ull << 61) - 31};
constexpr std::uint64_t kSeed = 0x5bd1e9955bd1e995ull;

std::uint64_t Label(std::string_view text) { return Mix(HashOf(text)); }

using MaybeResidue = std::optional<Residue>;

class Residues {
 public:
  Residues(int point, Work& work)
      : prime_(kPrimes[static_cast<std::size_t>(point / 2 % 2)]),
        seed_(Mix(kSeed + static_cast<std::uint64_t>(point))),
        work_(work) {}

  MaybeResidue Of(const MathNode& node, const Binding* bound) {
    if (!work_.Spend(1)) return std::nullopt;
    switch (node.kind) {
      case Kind::kNumber: {
        const auto value = node.value->Modulo(prime_);
        return value ? MaybeResidue(Residue{*value}) : std::nullopt;
      }
      case Kind::kSymbol:
        return Symbol(node.name, bound);
      case Kind::kText:
        return Symbol(node.name, nullptr);
      case Kind::kConstant:
        if (node.name == "inf") return std::nullopt;
        // pi and e are transcendental, so they may count as variables; i may not.
        return Residue{Draw(Label(node.name) + 1), node.name != "i"};
      case Kind::kSum:
      case Kind::kProduct:
        return Fold(node, bound);
      case Kind::kNegative: {
        const MaybeResidue value = Of(node[0], bound);
        return value
                   ? MaybeResidue(Residue{value->value == 0 ? 0 : prime_ - value->value, value->rational})
                   : std::nullopt;
      }
      case Kind::kQuotient: {
        const MaybeResidue above = Of(node[0], bound);
        const MaybeResidue below = above ? Of(node[1], bound) : std::nullopt;
        if (!below || below->value == 0) return std::nullopt;
        return Residue{Times(above->value, Inverse(below->value)),
                       above->rational && below->rational};
      }
      case Kind::kPercent: {
        const MaybeResidue value = Of(node[0], bound);
        return value ? MaybeResidue(Residue{Times(value->value, Inverse(100)), value->rational})
                     : std::nullopt;
      }
      case Kind::kQuantity:
        return Quantity(node, bound);
      case Kind::kPower:
        return Power(node, bound);
      case Kind::kFunction:
        return Call(node, bound);
      case Kind::kApply:
      case Kind::kUnknown:
        return Opaque(node, Label(node.name) + static_cast<std::uint64_t>(node.kind), bound);
      case Kind::kRelation:
        return Opaque(node, Label(node.relations), bound);
      case Kind::kGroup:
      case Kind::kList:
        return Opaque(node, static_cast<std::uint64_t>(node.kind), bound);
      default:
        return std::nullopt;
    }
  }

 private:
  std::uint64_t Times(std::uint64_t a, std::uint64_t b) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(static_cast<Wide>(a) * b % prime_);
  }
  std::uint64_t Raise(std::uint64_t base, std::uint64_t exponent) const {
    std::uint64_t result = 1;
    for (; exponent > 0; exponent >>= 1) {
      if (exponent & 1) result = Times(result, base);
      base = Times(base, base);
    }
    return result;
  }
  std::uint64_t Inverse(std::uint64_t value) const { return Raise(value, prime_ - 2); }
  std::uint64_t Draw(std::uint64_t label) const { return Mix(seed_ ^ Mix(label)) % prime_; }

  MaybeResidue Symbol(std::string_view name, const Binding* bound) {
    for (; bound; bound = bound->outer) {
      if (bound->name != name) continue;
      return Residue{*Rational(bound->value).Modulo(prime_)};
    }
    return Residue{Draw(Label(name))};
  }
  MaybeResidue Fold(const MathNode& node, const Binding* bound) {
    MaybeResidue total = Of(node[0], bound);
    for (std::size_t i = 1; total && i < node.size(); ++i) {
      const MaybeResidue next = Of(node[i], bound);
      if (!next) return std::nullopt;
      total->value = node.Is(Kind::kSum) ? (total->value + next->value) % prime_
                                         : Times(total->value, next->value);
      total->rational = total->rational && next->rational;
    }
    return total;
  }
  // A unit is a factor and an unknown for each of its dimensions.
  MaybeResidue Quantity(const MathNode& node, const Binding* bound) {
    const MaybeResidue value = Of(node[0], bound);
    if (!value) return std::nullopt;
    const Unit& unit = *node.unit;
    Residue result = *value;
    result.value = Times(result.value, static_cast<std::uint64_t>(unit.above) % prime_);
    result.value = Times(result.value, Inverse(static_cast<std::uint64_t>(unit.below) % prime_));
    if (unit.IsAngle()) {
      result.value = Times(Times(result.value, Draw(Label("pi") + 1)), Inverse(180));
      return result;
    }
    for (std::size_t i = 0; i < unit.powers.size(); ++i) {
      const std::uint64_t base = Draw(Label("unit") + i);
      const int power = unit.powers[i];
      result.value =
          Times(result.value, Raise(power < 0 ? Inverse(base) : base,
                                    static_cast<std::uint64_t>(power < 0 ? -power : power)));
    }
    if (unit.IsLabel()) result.value = Times(result.value, Draw(Label(unit.label)));
    return result;
  }
  MaybeResidue Power(const MathNode& node, const Binding* bound) {
    const MaybeResidue base = Of(node[0], bound);
    if (!base) return std::nullopt;
    const auto exponent =
        node[1].symbolic && !bound ? std::nullopt : ExactValue(node[1], work_, bound);
    if (!exponent || !exponent->IsWhole()) {
      const MaybeResidue raised = Of(node[1], bound);
      if (!raised) return std::nullopt;
      return Residue{Draw(Mix(base->value + 7) ^ Mix(raised->value + 11)), false};
    }
    if (!work_.Spend(4)) return std::nullopt;
    if (base->value == 0) return exponent->Sign() > 0 ? base : std::nullopt;
    // Fermat: exponents count modulo the prime less one.
    return Residue{Raise(base->value, *exponent->Modulo(prime_ - 1)), base->rational};
  }
  MaybeResidue Opaque(const MathNode& node, std::uint64_t label, const Binding* bound) {
    std::uint64_t hash = Mix(label + node.size());
    for (const MathNode* child : node.children) {
      const MaybeResidue value = Of(*child, bound);
      if (!value) return std::nullopt;
      hash = Mix(hash * 3 + value->value);
    }
    return Residue{Draw(hash), false};
  }

  MaybeResidue Call(const MathNode& node, const Binding* bound) {
    if (!node.symbolic || bound) {
      if (const auto exact = ExactValue(node, work_, bound)) {
        const auto value = exact->Modulo(prime_);
        return value ? MaybeResidue(Residue{*value}) : std::nullopt;
      }
    }
    if (node.Is(Function::kBinomial)) {
      if (const auto value = Binomial(node, bound)) return value;
    }
    if (node.Is(Function::kSumOver) || node.Is(Function::kProductOver)) {
      if (const auto value = Over(node, bound)) return value;
    }
    return Opaque(node, 1000 + static_cast<std::uint64_t>(node.function), bound);
  }
  // n (n-1) .. (n-k+1) / k!
  MaybeResidue Binomial(const MathNode& node, const Binding* bound) {
    const auto below = ExactValue(node[1], work_, bound);
    const auto k = below ? below->ToInt() : std::nullopt;
    if (!k || *k < 0 || *k > 50) return std::nullopt;
    const MaybeResidue n = Of(node[0], bound);
    if (!n || !work_.Spend(static_cast<std::uint64_t>(*k) * 4)) return std::nullopt;
    std::uint64_t product = 1;
    std::uint64_t factorial = 1;
    for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(*k); ++i) {
      product = Times(product, (n->value + prime_ - i) % prime_);
      factorial = Times(factorial, i + 1);
    }
    return Residue{Times(product, Inverse(factorial)), n->rational};
  }
  MaybeResidue Over(const MathNode& node, const Binding* bound) {
    const auto from = ExactValue(node[1], work_, bound);
    const auto to = from ? ExactValue(node[2], work_, bound) : std::nullopt;
    const auto first = to ? from->ToInt() : std::nullopt;
    const auto last = to ? to->ToInt() : std::nullopt;
    if (!first || !last || *first < -1'000'000 || *last > 1'000'000 || *last - *first > kMaxTerms)
      return std::nullopt;
    const bool sum = node.Is(Function::kSumOver);
    Residue total{sum ? 0u : 1u};
    for (std::int64_t i = *first; i <= *last; ++i) {
      const Binding here{node[0].name, i, bound};
      const MaybeResidue term = Of(node[3], &here);
      if (!term) return std::nullopt;
      total.value = sum ? (total.value + term->value) % prime_ : Times(total.value, term->value);
      total.rational = total.rational && term->rational;
    }
    return total;
  }

  std::uint64_t prime_, seed_;
  Work& work_;
};

}  // namespace

std::optional<Residue> ResidueOf(const MathNode& node, int point, Work& work,
                                 const Binding* bound) {
  return Residues(point, work).Of(node, bound);
}

}  // namespace cogent
