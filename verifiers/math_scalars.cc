// Values: units, percentages, decimals, exact numbers, functions.
#include <algorithm>

#include "verifiers/math_compare.h"

namespace cogent {
namespace {

// The decimal literal that a node is, signs aside.
const MathNode* DecimalOf(const MathNode& node, bool& negative) {
  const MathNode* inner = &node;
  negative = false;
  while (inner->Is(Kind::kNegative)) {
    inner = inner->children[0];
    negative = !negative;
  }
  return inner->Is(Kind::kNumber) && inner->decimal ? inner : nullptr;
}

// "square unit", "units": says only that something is measured.
bool SaysNothing(const Unit& unit) {
  return unit.IsLabel() && unit.label.find("unit") != std::string_view::npos;
}

bool LabelsFit(std::string_view a, std::string_view b) {
  return a == b || a.find(b) != std::string_view::npos || b.find(a) != std::string_view::npos;
}

// A number that the primes of the residues could divide.
bool HasLongNumber(const MathNode& node) {
  constexpr std::size_t kBits = 60;
  if (node.Is(Kind::kNumber)) return node.value->Bits() > kBits;
  return std::any_of(node.children.begin(), node.children.end(),
                     [](const MathNode* child) { return HasLongNumber(*child); });
}

bool HasConstant(const MathNode& node, std::string_view name) {
  if (node.Is(Kind::kConstant) && node.name == name) return true;
  for (const MathNode* child : node.children) {
    if (HasConstant(*child, name)) return true;
  }
  return false;
}

// An inverse trigonometric function gives an angle.
bool HasInverse(const MathNode& node) {
  if (node.Is(Kind::kFunction) && node.function >= Function::kArcsin && node.function <= Function::kArccsc) return true;
  return std::any_of(node.children.begin(), node.children.end(), [](const MathNode* child) { return HasInverse(*child); });
}

}  // namespace

int InfiniteSign(const MathNode& node) {
  if (node.Is(Kind::kConstant)) return node.name == "inf" ? 1 : 0;
  return node.Is(Kind::kNegative) ? -InfiniteSign(node[0]) : 0;
}

bool Comparer::SameScalar(const MathNode& gold, const MathNode& prediction) {
  if (gold.Is(Kind::kQuantity) || prediction.Is(Kind::kQuantity))
    return SameQuantity(gold, prediction);
  if (gold.Is(Kind::kNegative) && gold[0].Is(Kind::kQuantity)) {
    MathNode* inside = tree_.Make(Kind::kQuantity, {tree_.Make(Kind::kNegative, {&gold[0][0]})});
    inside->unit = gold[0].unit;
    return SameScalar(*inside, prediction);
  }
  if (prediction.Is(Kind::kNegative) && prediction[0].Is(Kind::kQuantity)) {
    MathNode* inside =
        tree_.Make(Kind::kQuantity, {tree_.Make(Kind::kNegative, {&prediction[0][0]})});
    inside->unit = prediction[0].unit;
    return SameScalar(gold, *inside);
  }
  if (gold.percent || prediction.percent) return SamePercent(gold, prediction);
  return SameNumber(gold, prediction);
}

// The quantity's number in the base units of its dimension.
const MathNode* Comparer::Scaled(const MathNode& quantity) {
  const Unit& unit = *quantity.unit;
  if (unit.above == 1 && unit.below == 1) return &quantity[0];
  return tree_.Make(Kind::kProduct,
                    {&quantity[0], tree_.Number(Rational(unit.above) / Rational(unit.below))});
}

bool Comparer::SameQuantity(const MathNode& gold, const MathNode& prediction) {
  const MathNode& gold_number = gold.Is(Kind::kQuantity) ? gold[0] : gold;
  const MathNode& number = prediction.Is(Kind::kQuantity) ? prediction[0] : prediction;
  const bool gold_unit = gold.Is(Kind::kQuantity) && !SaysNothing(*gold.unit);
  const bool unit = prediction.Is(Kind::kQuantity) && !SaysNothing(*prediction.unit);
  if (gold_unit && unit) {
    const Unit& a = *gold.unit;
    const Unit& b = *prediction.unit;
    if (a.IsLabel() || b.IsLabel()) {
      return a.IsLabel() && b.IsLabel() && LabelsFit(a.label, b.label) &&
             SameScalar(gold_number, number);
    }
    return a.SameDimension(b) && SameNumber(*Scaled(gold), *Scaled(prediction));
  }
  if (!gold_unit && !unit) return SameScalar(gold_number, number);
  // An angle in degrees is the same as one in radians.
  const MathNode& quantity = gold_unit ? gold : prediction;
  const MathNode& bare = gold_unit ? number : gold_number;
  if (quantity.unit->IsAngle() && (HasConstant(bare, "pi") || HasInverse(bare))) return SameValue(quantity, bare);
  return options_.units_optional && SameScalar(gold_number, number);
}

// 50% is 0.5; a sign on one side only may have been dropped.
bool Comparer::SamePercent(const MathNode& gold, const MathNode& prediction) {
  if (gold.Is(Kind::kPercent) && prediction.Is(Kind::kPercent))
    return SameNumber(gold[0], prediction[0]);
  if (SameNumber(gold, prediction)) return true;
  if (!options_.percent_optional) return false;
  if (gold.Is(Kind::kPercent) && !prediction.percent) return SameNumber(gold[0], prediction);
  if (prediction.Is(Kind::kPercent) && !gold.percent) return SameNumber(gold, prediction[0]);
  return false;
}

bool Comparer::Rounded(const MathNode& exact, const MathNode& decimal) {
  bool negative = false;
  const MathNode* literal = DecimalOf(decimal, negative);
  if (!literal || options_.decimal_digits == 0 || literal->significant < options_.decimal_digits)
    return false;
  if (exact.symbolic || exact.unknown) return false;
  return RoundsTo(exact, negative ? -*literal->value : *literal->value, literal->decimals, work_);
}

bool Comparer::SameNumber(const MathNode& gold, const MathNode& prediction) {
  if (gold.Is(Kind::kNumber) && prediction.Is(Kind::kNumber) && *gold.value == *prediction.value)
    return true;
  if (InfiniteSign(gold) != 0 || InfiniteSign(prediction) != 0)
    return InfiniteSign(gold) == InfiniteSign(prediction);
  bool sign = false;
  const bool gold_decimal = DecimalOf(gold, sign) != nullptr;
  const bool decimal = DecimalOf(prediction, sign) != nullptr;
  if (gold_decimal && decimal) {
    const auto a = ExactValue(gold, work_);
    const auto b = ExactValue(prediction, work_);
    return a && b && *a == *b;
  }
  if (gold_decimal && Rounded(prediction, gold)) return true;
  if (decimal && Rounded(gold, prediction)) return true;
  if (gold_decimal || decimal) {
    // A decimal is rational: exact values decide, and irrational ones differ.
    const auto a = ExactValue(gold, work_);
    const auto b = a ? ExactValue(prediction, work_) : std::nullopt;
    if (b) return *a == *b;
  }
  return SameValue(gold, prediction);
}

bool Comparer::SameValue(const MathNode& gold, const MathNode& prediction) {
  const auto a = ExactValue(gold, work_);
  const auto b = ExactValue(prediction, work_);
  if (a && b) return *a == *b;
  bool rational = true;
  bool equal = true;
  bool known = true;
  for (const int point : {0, 2, 1}) {
    if (!equal) break;
    const auto x = ResidueOf(gold, point, work_);
    const auto y = x ? ResidueOf(prediction, point, work_) : std::nullopt;
    if (!y) {
      known = false;
      break;
    }
    rational = rational && x->rational && y->rational;
    equal = x->value == y->value;
  }
  if (known && equal && !work_.Exhausted()) {
    // Numbers beyond the primes could agree by design: their size must agree, too.
    if (gold.unknown) return true;
    if (gold.symbolic || prediction.symbolic) {
      return !(HasLongNumber(gold) || HasLongNumber(prediction)) ||
             SameFunction(gold, prediction, work_) != Equality::kDifferent;
    }
    return SameConstant(gold, prediction, work_) != Equality::kDifferent;
  }
  if (known && rational) return false;
  if (gold.unknown || prediction.unknown) return false;
  const bool constant = !gold.symbolic && !prediction.symbolic;
  if (constant) return SameConstant(gold, prediction, work_) == Equality::kEqual;
  return SameFunction(gold, prediction, work_) == Equality::kEqual;
}

}  // namespace cogent
