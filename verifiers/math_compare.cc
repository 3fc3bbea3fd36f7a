#include "verifiers/math_compare.h"

#include <algorithm>

#include "verifiers/math_hash.h"
#include "verifiers/math_sets.h"
#include "verifiers/math_words.h"

namespace cogent {
namespace {

constexpr int kMaxListDepth = 12;  // of lists in lists
constexpr std::size_t kMaxItems = 2000;

// Trees that are the same but for the order of sums and products.
std::uint64_t Fingerprint(const MathNode& node, Work& work) {
  if (!work.Spend(1)) return 0;
  std::uint64_t hash = static_cast<std::uint64_t>(node.kind) * 0x9e3779b97f4a7c15ull +
                       static_cast<std::uint64_t>(node.function) * 31 +
                       static_cast<std::uint64_t>(node.open) * 7 +
                       static_cast<std::uint64_t>(node.close) * 3 +
                       static_cast<std::uint64_t>(node.columns) * 131 + (node.minus_first ? 5 : 0);
  for (const std::string_view text : {node.name, node.relations}) {
    hash = Mix(HashOn(hash, text) + 1);
  }
  if (node.value)
    hash += Mix(node.value->Modulo((1ull << 61) - 1).value_or(1) * 2 + node.value->Bits());
  if (node.unit) {
    for (const std::int8_t power : node.unit->powers)
      hash = Mix(hash + static_cast<std::uint64_t>(power + 128));
    hash += static_cast<std::uint64_t>(node.unit->above) * 11 +
            static_cast<std::uint64_t>(node.unit->below) * 13;
    hash = HashOn(hash, node.unit->label);
  }
  const bool commutes = node.Is(Kind::kSum) || node.Is(Kind::kProduct);
  std::uint64_t sum = 0;
  for (const MathNode* child : node.children) {
    const std::uint64_t one = Mix(Fingerprint(*child, work) + 17);
    sum = commutes ? sum + one : Mix(sum * 3 + one);
  }
  return Mix(hash ^ Mix(sum + node.size()));
}

bool HasSigns(const MathNode& node) {
  if (node.Is(Kind::kPlusMinus)) return true;
  return std::any_of(node.children.begin(), node.children.end(),
                     [](const MathNode* child) { return HasSigns(*child); });
}

}  // namespace

bool IsScalar(const MathNode& node) {
  switch (node.kind) {
    case Kind::kNumber:
    case Kind::kSymbol:
    case Kind::kConstant:
    case Kind::kSum:
    case Kind::kProduct:
    case Kind::kQuotient:
    case Kind::kNegative:
    case Kind::kPower:
    case Kind::kFunction:
    case Kind::kApply:
    case Kind::kPercent:
    case Kind::kQuantity:
    case Kind::kUnknown:
      return true;
    default:
      return false;
  }
}

bool Comparer::Same(const MathNode& gold, const MathNode& prediction) {
  if (depth_ > kMaxListDepth || work_.Exhausted()) return false;
  ++depth_;
  const bool same = SameMeaning(gold, prediction);
  --depth_;
  return same;
}

bool Comparer::SameMeaning(const MathNode& gold, const MathNode& prediction) {
  if (gold.Is(Kind::kNumber) && prediction.Is(Kind::kNumber)) return SameNumber(gold, prediction);
  if (gold.Is(Kind::kText) || prediction.Is(Kind::kText)) {
    if (SameWords(gold, prediction)) return true;
  }
  if (gold.Is(Kind::kRelation) || prediction.Is(Kind::kRelation)) {
    bool decided = false;
    const bool same = SameAssigned(gold, prediction, decided);
    if (decided) return same;
  }
  if (gold.Is(Kind::kCongruence) || prediction.Is(Kind::kCongruence))
    return SameCongruence(gold, prediction);
  if (IsNumberSet(gold) || IsNumberSet(prediction)) {
    const auto same = SameNumberSets(gold, prediction, tree_, work_);
    if (same) return *same;
    if (!gold.Is(Kind::kRelation) || !prediction.Is(Kind::kRelation))
      return SameStructure(gold, prediction);
  }
  if (gold.Is(Kind::kRelation) && prediction.Is(Kind::kRelation))
    return SameStatement(gold, prediction);
  const MathNode* gold_matrix = AsMatrix(gold);
  const MathNode* matrix = AsMatrix(prediction);
  if (gold_matrix && matrix) return SameMatrix(*gold_matrix, *matrix);
  if (gold.Is(Kind::kRatio) || prediction.Is(Kind::kRatio)) return SameRatio(gold, prediction);
  const auto gold_items = AsItems(gold);
  const auto items = AsItems(prediction);
  if (gold_items && items) {
    if (gold.Is(Kind::kGroup) && prediction.Is(Kind::kGroup) && gold.size() == 2 &&
        (gold.open != prediction.open || gold.close != prediction.close) && gold.open != '<' &&
        prediction.open != '<') {
      return false;  // other ends of an interval
    }
    return SameItems(*gold_items, *items);
  }
  // A list of one thing is that thing.
  if (gold_items && gold_items->nodes.size() == 1 && IsScalar(prediction))
    return Same(*gold_items->nodes[0], prediction);
  if (items && items->nodes.size() == 1 && IsScalar(gold)) return Same(gold, *items->nodes[0]);
  // A vector as a column or row.
  if (gold_matrix && items && items->ordered)
    return SameItems(
               {{gold_matrix->children.begin(), gold_matrix->children.end()}, true, false, {}},
               *items) &&
           (gold_matrix->columns == 1 ||
            gold_matrix->size() == static_cast<std::size_t>(gold_matrix->columns));
  if (matrix && gold_items && gold_items->ordered)
    return SameItems(*gold_items,
                     {{matrix->children.begin(), matrix->children.end()}, true, false, {}}) &&
           (matrix->columns == 1 || matrix->size() == static_cast<std::size_t>(matrix->columns));
  if (IsScalar(gold) && IsScalar(prediction)) return SameScalar(gold, prediction);
  return SameStructure(gold, prediction);
}

bool Comparer::SameStructure(const MathNode& gold, const MathNode& prediction) {
  return Fingerprint(gold, work_) == Fingerprint(prediction, work_) && !work_.Exhausted();
}

// --- Words
// -----------------------------------------------------------------------------------------

bool Comparer::SameWords(const MathNode& gold, const MathNode& prediction) {
  const auto words_of = [](const MathNode& node) -> std::optional<std::string> {
    if (node.Is(Kind::kText)) return CanonicalWords(node.name);
    if (node.Is(Kind::kNamedSet) && node.name == "empty") return "no solution";
    if (node.Is(Kind::kNamedSet) && node.name == "R") return "all real numbers";
    if (node.Is(Kind::kSymbol)) return CanonicalWords(node.name);
    if (node.Is(Kind::kConstant) && node.name == "inf") return "infinity";
    return std::nullopt;
  };
  const auto gold_words = words_of(gold);
  const auto words = words_of(prediction);
  if (gold_words && words) return !gold_words->empty() && *gold_words == *words;
  const MathNode& text = gold.Is(Kind::kText) ? gold : prediction;
  const MathNode& other = gold.Is(Kind::kText) ? prediction : gold;
  const auto number = NumberWord(CanonicalWords(text.name));
  if (!number || !other.Is(Kind::kNumber)) return false;
  return *other.value == Rational(*number);
}

// --- Lists
// -----------------------------------------------------------------------------------------

// The tree with every +- read as + (or, `second`, as -).
const MathNode* Comparer::WithoutSigns(const MathNode& node, bool second) {
  if (!work_.Spend(1)) return &node;
  if (!HasSigns(node)) return &node;
  std::vector<const MathNode*> children;
  for (const MathNode* child : node.children) children.push_back(WithoutSigns(*child, second));
  if (!node.Is(Kind::kPlusMinus)) {
    MathNode* copy = tree_.Make(node.kind, children);
    const auto kept = copy->children;
    const bool symbolic = copy->symbolic, percent = copy->percent, unknown = copy->unknown;
    *copy = node;
    copy->children = kept;
    copy->symbolic = symbolic;
    copy->percent = percent;
    copy->unknown = unknown;
    return copy;
  }
  const bool minus = node.minus_first != second;
  const MathNode* last = minus ? tree_.Make(Kind::kNegative, {children.back()}) : children.back();
  return children.size() == 1 ? last : tree_.Make(Kind::kSum, {children[0], last});
}

std::optional<Comparer::Items> Comparer::AsItems(const MathNode& node) {
  Items items;
  if (IsScalar(node) || node.Is(Kind::kPlusMinus)) {
    if (!HasSigns(node)) return std::nullopt;
    items.nodes = {WithoutSigns(node, false), WithoutSigns(node, true)};
    items.bare = true;
    return items;
  }
  if (!node.Is(Kind::kList) && !node.Is(Kind::kSet) && !node.Is(Kind::kGroup)) return std::nullopt;
  if (node.size() > kMaxItems) return std::nullopt;
  items.ordered = node.Is(Kind::kGroup);
  items.bare = node.Is(Kind::kList);
  bool all_named = items.bare;
  for (const MathNode* child : node.children) {
    // k \in Z and the like only say what a letter is
    if (child->Is(Kind::kRelation) && child->relations == "e" && (*child)[1].Is(Kind::kNamedSet) &&
        node.size() > 1)
      continue;
    if (child->Is(Kind::kRelation)) {
      const auto assigned = AsAssignment(*child, false);
      if (assigned && assigned->name) {
        items.names.push_back(NameOf(*assigned->name));
        child = assigned->value;
      } else {
        all_named = false;
      }
    } else {
      all_named = false;
    }
    if (IsScalar(*child) || child->Is(Kind::kPlusMinus)) {
      if (HasSigns(*child)) {
        items.nodes.push_back(WithoutSigns(*child, false));
        items.nodes.push_back(WithoutSigns(*child, true));
        all_named = false;
        continue;
      }
    }
    items.nodes.push_back(child);
  }
  // Several values of one name are solutions; values of several names are a tuple.
  std::vector<std::string> distinct = items.names;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  const bool tuple = all_named && distinct.size() == items.nodes.size() && distinct.size() > 1;
  if (!tuple) items.names.clear();
  return items;
}

bool Comparer::SameItems(const Items& gold, const Items& prediction) {
  if (gold.nodes.size() != prediction.nodes.size()) return false;
  if (!gold.names.empty() && !prediction.names.empty()) {
    // By name; when the names are others, x_1 and x_2 for instance, the values are a list.
    std::vector<std::string> gold_names = gold.names;
    std::vector<std::string> names = prediction.names;
    std::sort(gold_names.begin(), gold_names.end());
    std::sort(names.begin(), names.end());
    if (gold_names == names) {
      for (std::size_t i = 0; i < gold.nodes.size(); ++i) {
        const auto at = std::find(prediction.names.begin(), prediction.names.end(), gold.names[i]) -
                        prediction.names.begin();
        if (!Same(*gold.nodes[i], *prediction.nodes[static_cast<std::size_t>(at)])) return false;
      }
      return true;
    }
    return false;
  }
  const auto sorted = [](const Items& items) {
    // Values of x_1, x_2 are solutions in any order; those of x, y are in the order of their names.
    Nodes nodes = items.nodes;
    if (items.names.empty()) return nodes;
    std::vector<std::size_t> order(nodes.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return items.names[a] < items.names[b]; });
    for (std::size_t i = 0; i < order.size(); ++i) nodes[i] = items.nodes[order[i]];
    return nodes;
  };
  const auto by_name = [](const Items& items) {
    if (items.names.empty()) return false;
    return std::none_of(items.names.begin(), items.names.end(), [&](const std::string& name) {
      return name.find('_') != std::string::npos && name[0] == items.names[0][0];
    });
  };
  const bool ordered = gold.ordered || prediction.ordered || by_name(gold) || by_name(prediction);
  if (!ordered) return MatchUnordered(gold.nodes, prediction.nodes);
  const Nodes left = sorted(gold);
  const Nodes right = sorted(prediction);
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (!Same(*left[i], *right[i])) return false;
  }
  return true;
}

bool Comparer::MatchUnordered(const Nodes& gold, const Nodes& prediction) {
  Nodes left = prediction;
  for (std::size_t i = 0; i < gold.size(); ++i) {
    // Where the order is the same, the first is it.
    const auto found = std::find_if(left.begin(), left.end(),
                                    [&](const MathNode* node) { return Same(*gold[i], *node); });
    if (found == left.end()) return false;
    left.erase(found);
  }
  return true;
}

const MathNode* Comparer::Distinct(const MathNode& list) {
  if (!list.Is(Kind::kList)) return &list;
  Nodes kept;
  for (const MathNode* item : list.children) {
    const bool seen = std::any_of(kept.begin(), kept.end(),
                                  [&](const MathNode* other) { return Same(*other, *item); });
    if (!seen) kept.push_back(item);
  }
  return kept.size() == 1 ? kept[0] : tree_.Make(Kind::kList, kept);
}

// --- Matrices and ratios
// ---------------------------------------------------------------------------

const MathNode* Comparer::AsMatrix(const MathNode& node) {
  if (node.Is(Kind::kMatrix)) return &node;
  if (node.Is(Kind::kGroup) && node.size() == 1 && node[0].Is(Kind::kMatrix)) return &node[0];
  const bool rows =
      (node.Is(Kind::kGroup) || node.Is(Kind::kList)) && !node.children.empty() &&
      node.size() <= kMaxItems && node.open != '(' &&
      std::all_of(node.children.begin(), node.children.end(), [&](const MathNode* child) {
        return child->Is(Kind::kGroup) && child->open == '[' && child->close == ']' &&
               child->size() == node[0].size();
      });
  if (rows && node.Is(Kind::kGroup)) {
    std::vector<const MathNode*> cells;
    for (const MathNode* row : node.children)
      cells.insert(cells.end(), row->children.begin(), row->children.end());
    MathNode* matrix = tree_.Make(Kind::kMatrix, cells);
    matrix->columns = static_cast<std::int32_t>(node[0].size());
    return matrix;
  }
  // A factor before a matrix.
  if (node.Is(Kind::kProduct) || node.Is(Kind::kNegative)) {
    const MathNode* inner = AsMatrix(*node.children.back());
    if (!inner || inner->size() > 400) return nullptr;
    std::vector<const MathNode*> factors(node.children.begin(), node.children.end() - 1);
    std::vector<const MathNode*> cells;
    for (const MathNode* cell : inner->children) {
      if (node.Is(Kind::kNegative)) {
        cells.push_back(tree_.Make(Kind::kNegative, {cell}));
      } else {
        factors.push_back(cell);
        cells.push_back(tree_.Make(Kind::kProduct, factors));
        factors.pop_back();
      }
    }
    MathNode* matrix = tree_.Make(Kind::kMatrix, cells);
    matrix->columns = inner->columns;
    return matrix;
  }
  return nullptr;
}

bool Comparer::SameMatrix(const MathNode& gold, const MathNode& prediction) {
  if (gold.columns != prediction.columns || gold.size() != prediction.size()) return false;
  for (std::size_t i = 0; i < gold.size(); ++i) {
    if (!Same(gold[i], prediction[i])) return false;
  }
  return true;
}

// a : b is the same for any multiple, and a fraction.
bool Comparer::SameRatio(const MathNode& gold, const MathNode& prediction) {
  const auto quotient = [&](const MathNode& node) -> const MathNode* {
    if (!node.Is(Kind::kRatio)) return IsScalar(node) ? &node : nullptr;
    return node.size() == 2 ? tree_.Make(Kind::kQuotient, {&node[0], &node[1]}) : nullptr;
  };
  if (gold.Is(Kind::kRatio) && prediction.Is(Kind::kRatio)) {
    if (gold.size() != prediction.size()) return false;
    for (std::size_t i = 1; i < gold.size(); ++i) {
      const MathNode* left = tree_.Make(Kind::kProduct, {&gold[i - 1], &prediction[i]});
      const MathNode* right = tree_.Make(Kind::kProduct, {&gold[i], &prediction[i - 1]});
      if (!SameScalar(*left, *right)) return false;
      const auto zero = ExactValue(prediction[i - 1], work_);
      const auto gold_zero = ExactValue(gold[i - 1], work_);
      if ((zero && zero->IsZero()) != (gold_zero && gold_zero->IsZero())) return false;
    }
    return true;
  }
  const MathNode* left = quotient(gold);
  const MathNode* right = quotient(prediction);
  return left && right && SameScalar(*left, *right);
}

}  // namespace cogent
