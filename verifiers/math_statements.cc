// Names and their values, equations, congruences.
#include <algorithm>

#include "verifiers/math_compare.h"
#include "verifiers/math_words.h"

namespace cogent {
namespace {

bool IsTrigonometric(Function function) {
  return (function >= Function::kSin && function <= Function::kArtanh) ||
         (function >= Function::kGcd && function <= Function::kDeterminant);
}

void CollectUnknowns(const MathNode& node, std::vector<std::string_view>& names, int& budget) {
  if (--budget < 0) return;
  if ((node.Is(Kind::kSymbol) || node.Is(Kind::kApply)) &&
      std::find(names.begin(), names.end(), node.name) == names.end()) {
    names.push_back(node.name);
  }
  for (const MathNode* child : node.children) CollectUnknowns(*child, names, budget);
}

// 3x + 2y has coefficients and is a part of a problem; a + b and a^2 + b^2 have none.
bool HasCoefficients(const MathNode& node) {
  if (node.Is(Kind::kNumber)) return true;
  if (node.Is(Kind::kPower)) return HasCoefficients(node[0]);
  return std::any_of(node.children.begin(), node.children.end(),
                     [](const MathNode* child) { return HasCoefficients(*child); });
}

bool IsUpper(const MathNode& node) {
  return node.Is(Kind::kSymbol) && !node.name.empty() && node.name[0] >= 'A' && node.name[0] <= 'Z';
}

}  // namespace

// x, x_1, f(x), AB, |AB|, \text{area}, (p, q), \sin A, dy/dx
bool IsName(const MathNode& node) {
  const auto all_names = [](const MathNode& n) {
    return std::all_of(n.children.begin(), n.children.end(),
                       [](const MathNode* child) { return IsName(*child); });
  };
  switch (node.kind) {
    case Kind::kSymbol:
    case Kind::kApply:
    case Kind::kText:
      return true;
    case Kind::kGroup:
    case Kind::kRatio:
      return all_names(node);
    case Kind::kProduct:
      return std::all_of(node.children.begin(), node.children.end(),
                         [](const MathNode* child) { return IsUpper(*child); }) ||
             (node.size() == 2 && node[0].Is(Kind::kText) && IsName(node[1]));
    case Kind::kFunction:
      if (node.Is(Function::kAbs)) return node[0].Is(Kind::kProduct) && IsName(node[0]);
      return node.symbolic && IsTrigonometric(node.function);
    case Kind::kUnknown:
      return node.name == "derivative";
    case Kind::kConstant:
      return false;
    default:
      return false;
  }
}

std::string NameOf(const MathNode& node) {
  std::string name(node.name);
  if (node.Is(Kind::kText)) return CanonicalWords(name);
  if (node.Is(Kind::kNumber)) return node.value->ToString();
  if (node.Is(Kind::kFunction)) name = "#" + std::to_string(static_cast<int>(node.function));
  if (node.Is(Kind::kApply) || node.Is(Kind::kGroup) || node.Is(Kind::kFunction)) name += '(';
  for (std::size_t i = 0; i < node.size() && name.size() < 200; ++i) {
    if (i > 0 && !node.Is(Kind::kProduct)) name += ',';
    name += NameOf(node[i]);
  }
  if (node.Is(Kind::kApply) || node.Is(Kind::kGroup) || node.Is(Kind::kFunction)) name += ')';
  return name;
}

bool SameNames(const MathNode& a, const MathNode& b) {
  if (a.Is(Kind::kText) != b.Is(Kind::kText)) return true;  // the area is A
  if (a.Is(Kind::kText)) {
    // "total area", "area"
    const std::string left = NameOf(a);
    const std::string right = NameOf(b);
    return left.find(right) != std::string::npos || right.find(left) != std::string::npos;
  }
  // y = 2x and f(x) = 2x
  if (a.kind != b.kind && (a.Is(Kind::kApply) || b.Is(Kind::kApply))) {
    const MathNode& call = a.Is(Kind::kApply) ? a : b;
    return std::all_of(call.children.begin(), call.children.end(),
                       [](const MathNode* child) { return child->Is(Kind::kSymbol); });
  }
  const std::string left = NameOf(a);
  const std::string right = NameOf(b);
  if (left == right) return true;
  std::string sorted_left = left;
  std::string sorted_right = right;
  std::sort(sorted_left.begin(), sorted_left.end());
  std::sort(sorted_right.begin(), sorted_right.end());
  return a.Is(Kind::kProduct) && b.Is(Kind::kProduct) && sorted_left == sorted_right;  // AB, BA
}

int Comparer::Unknowns(const MathNode& node) const {
  std::vector<std::string_view> names;
  int budget = 2000;
  CollectUnknowns(node, names, budget);
  return static_cast<int>(names.size());
}

// A chain counts by its last value; what stands behind a sign of approximation, too. `lenient`
// takes `a + b = 10` for the value 10 of what was asked for.
std::optional<Assignment> Comparer::AsAssignment(const MathNode& node, bool lenient) {
  if (!node.Is(Kind::kRelation)) return std::nullopt;
  std::size_t exact = 1;  // sides before the first approximation
  for (const char relation : node.relations) {
    if (relation != static_cast<char>(Relation::kEqual) &&
        relation != static_cast<char>(Relation::kApprox))
      return std::nullopt;
  }
  while (exact < node.size() && node.relations[exact - 1] == static_cast<char>(Relation::kEqual))
    ++exact;
  // What is rounded stands last; 5 ~ 6 = 7 is a chain like any other.
  const bool rounded_last =
      node.relations.find(static_cast<char>(Relation::kEqual), exact - 1) == std::string_view::npos;
  if (!rounded_last) exact = node.size();
  Assignment assignment;
  const MathNode& first = node[0];
  const MathNode* last = &node[exact - 1];
  const MathNode* rounded = exact < node.size() ? node.children.back() : nullptr;
  if (exact == 1) {
    if (IsName(first)) return Assignment{&first, rounded, nullptr};
    return Assignment{nullptr, last, rounded};
  }
  assignment.also = rounded;
  if (IsName(first)) {
    assignment.name = &first;
    assignment.value = last;
    return assignment;
  }
  if (IsName(*last) && exact == 2) return Assignment{last, &first, rounded};
  assignment.value = last;
  if (!first.symbolic && !last->symbolic) return assignment;
  if (IsScalar(first) && IsScalar(*last)) {
    if (lenient && !last->symbolic && Unknowns(first) >= 2 && !HasCoefficients(first)) {
      const auto value = ExactValue(*last, work_);
      if (!value || !value->IsZero()) return assignment;
      return std::nullopt;
    }
    if (last->symbolic && SameValue(first, *last)) return assignment;
  }
  return std::nullopt;
}

// Both sides without their names, when one is named. Not decided: no names are in play.
bool Comparer::SameAssigned(const MathNode& gold, const MathNode& prediction, bool& decided) {
  const auto asked = AsAssignment(gold, false);
  const auto given = AsAssignment(prediction, !gold.Is(Kind::kRelation));
  if (!asked && !given) return false;
  if (gold.Is(Kind::kRelation) && prediction.Is(Kind::kRelation)) {
    if (!asked || !given) return false;
    if (asked->name && given->name && !SameNames(*asked->name, *given->name)) return false;
  } else if (!options_.names_optional && ((asked && asked->name) || (given && given->name))) {
    decided = true;
    return false;
  }
  if (!asked && gold.Is(Kind::kRelation)) return false;
  if (!given && prediction.Is(Kind::kRelation)) return false;
  // A gold equation in several unknowns that starts with a name may still be met by a
  // rearrangement.
  const MathNode& gold_value = asked ? *asked->value : gold;
  const MathNode& value = given ? *given->value : prediction;
  bool same = Same(gold_value, value);
  if (!same && given && given->also && !gold.Is(Kind::kRelation)) {
    // x = 1/3 ~ 0.33: the rounded value may be the one asked for, when it is near.
    const auto ratio = ExactValue(*given->also, work_);
    const auto exact = ratio ? ExactValue(value, work_) : std::nullopt;
    const bool far = exact && !ratio->IsZero() &&
                     (*exact / *ratio < Rational(9) / Rational(10) ||
                      Rational(11) / Rational(10) < *exact / *ratio);
    same = !far && Same(gold_value, *given->also);
  }
  decided = same || !(gold.Is(Kind::kRelation) && prediction.Is(Kind::kRelation));
  return same;
}

const MathNode* Comparer::Difference(const MathNode& relation, std::size_t first) {
  return tree_.Make(Kind::kSum,
                    {&relation[first], tree_.Make(Kind::kNegative, {&relation[first + 1]})});
}

// Equations and inequalities that are not solved: the same up to a factor.
bool Comparer::SameStatement(const MathNode& gold, const MathNode& prediction) {
  if (SameStructure(gold, prediction)) return true;
  if (gold.size() != 2 || prediction.size() != 2) return false;
  if (!IsScalar(gold[0]) || !IsScalar(gold[1]) || !IsScalar(prediction[0]) ||
      !IsScalar(prediction[1])) {
    return gold.relations == prediction.relations && Same(gold[0], prediction[0]) &&
           Same(gold[1], prediction[1]);
  }
  const auto directed = [&](const MathNode& node, char& relation) -> const MathNode* {
    relation = node.relations[0];
    const bool greater = relation == static_cast<char>(Relation::kGreater) ||
                         relation == static_cast<char>(Relation::kAtLeast);
    const MathNode* difference = Difference(node, 0);
    if (!greater) return difference;
    relation = static_cast<char>(
        relation == static_cast<char>(Relation::kGreater) ? Relation::kLess : Relation::kAtMost);
    return tree_.Make(Kind::kNegative, {difference});
  };
  char gold_relation = 0;
  char relation = 0;
  const MathNode* left = directed(gold, gold_relation);
  const MathNode* right = directed(prediction, relation);
  if (gold_relation != relation) return false;
  const bool equation = relation == static_cast<char>(Relation::kEqual) ||
                        relation == static_cast<char>(Relation::kNotEqual);
  if (!equation && relation != static_cast<char>(Relation::kLess) &&
      relation != static_cast<char>(Relation::kAtMost)) {
    return Same(gold[0], prediction[0]) && Same(gold[1], prediction[1]);
  }
  // What is solved must be met by something solved.
  const auto solved = [&](const MathNode& node) {
    return (IsName(node[0]) && !node[1].symbolic) || (IsName(node[1]) && !node[0].symbolic);
  };
  if (Unknowns(gold) < 2 && solved(gold) && !solved(prediction)) return false;
  return Proportional(*left, *right, !equation, work_) == Equality::kEqual;
}

// x = 3 (mod 7)
bool Comparer::SameCongruence(const MathNode& gold, const MathNode& prediction) {
  if (!gold.Is(Kind::kCongruence) || !prediction.Is(Kind::kCongruence)) {
    const MathNode& congruence = gold.Is(Kind::kCongruence) ? gold : prediction;
    const MathNode& other = gold.Is(Kind::kCongruence) ? prediction : gold;
    // 3 for "3 (mod 7)"; never for a statement about x
    return congruence.size() == 2 && IsScalar(other) && SameScalar(congruence[0], other);
  }
  if (!Same(*gold.children.back(), *prediction.children.back())) return false;
  const bool both_named = gold.size() == 3 && prediction.size() == 3;
  if (both_named && !Same(gold[0], prediction[0])) return false;
  const MathNode& modulus = *gold.children.back();
  const MathNode* left = tree_.Call(Function::kModulo, {&gold[gold.size() - 2], &modulus});
  const MathNode* right =
      tree_.Call(Function::kModulo, {&prediction[prediction.size() - 2], &modulus});
  const auto a = ExactValue(*left, work_);
  const auto b = ExactValue(*right, work_);
  if (a && b) return *a == *b;
  return Same((*left)[0], (*right)[0]);
}

}  // namespace cogent
