#include "verifiers/math_sets.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "verifiers/math_compare.h"
#include "verifiers/math_words.h"

namespace cogent {
namespace {

constexpr std::size_t kMaxIntervals = 200;

// An end of an interval; null is infinite.
struct Interval {
  const MathNode* low = nullptr;
  const MathNode* high = nullptr;
  bool low_closed = false, high_closed = false;
};
using Intervals = std::vector<Interval>;

bool IsOrder(char relation) {
  return relation == static_cast<char>(Relation::kLess) ||
         relation == static_cast<char>(Relation::kGreater) ||
         relation == static_cast<char>(Relation::kAtMost) ||
         relation == static_cast<char>(Relation::kAtLeast);
}
bool IsUpward(char relation) {
  return relation == static_cast<char>(Relation::kLess) ||
         relation == static_cast<char>(Relation::kAtMost);
}
bool IsClosed(char relation) {
  return relation == static_cast<char>(Relation::kAtMost) ||
         relation == static_cast<char>(Relation::kAtLeast);
}

class SetReader {
 public:
  // `gold`: |x| < 3 counts as solved, too.
  SetReader(MathTree& tree, Work& work, bool gold) : tree_(tree), work_(work), gold_(gold) {}

  std::optional<Intervals> Read(const MathNode& node) {
    if (!work_.Spend(4)) return std::nullopt;
    switch (node.kind) {
      case Kind::kGroup:
        return Group(node);
      case Kind::kSet:
        return Points(node);
      case Kind::kNamedSet:
        return Named(node.name);
      case Kind::kText:
        return Words(node);
      case Kind::kRelation:
        return Statement(node);
      case Kind::kSuchThat:
        return node[0].Is(Kind::kSymbol) || node[0].Is(Kind::kRelation) ? Read(node[1])
                                                                        : std::nullopt;
      case Kind::kUnion:
        return Joined(node, true);
      case Kind::kIntersection:
        return Joined(node, false);
      case Kind::kDifference: {
        auto left = Read(node[0]);
        auto right = left ? Read(node[1]) : std::nullopt;
        auto rest = right ? Complement(*right) : std::nullopt;
        return rest ? Intersect(*left, *rest) : std::nullopt;
      }
      case Kind::kList:
        return List(node);
      default:
        return std::nullopt;
    }
  }

  // -1, 0, 1
  std::optional<int> Compare(const MathNode& a, const MathNode& b) {
    const auto order = Order(a, b, work_);
    if (!order) unordered_ = true;
    return order;
  }

  // Sorted, without overlaps and touching pieces.
  std::optional<Intervals> Merge(Intervals pieces) {
    if (pieces.size() > kMaxIntervals) return std::nullopt;
    std::stable_sort(pieces.begin(), pieces.end(),
                     [this](const Interval& a, const Interval& b) { return Before(a, b); });
    Intervals merged;
    for (const Interval& piece : pieces) {
      if (Empty(piece)) continue;
      if (!merged.empty() && Touches(merged.back(), piece)) {
        Extend(merged.back(), piece);
      } else {
        merged.push_back(piece);
      }
    }
    if (unordered_) return std::nullopt;
    return merged;
  }

  std::optional<bool> Equal(const Intervals& a, const Intervals& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const auto same = [this](const MathNode* x, const MathNode* y) {
        return (!x && !y) || (x && y && Compare(*x, *y) == 0);
      };
      if (!same(a[i].low, b[i].low) || !same(a[i].high, b[i].high)) return false;
      if (a[i].low_closed != b[i].low_closed || a[i].high_closed != b[i].high_closed) return false;
    }
    return true;
  }
  // The name that inequalities are about; two different ones are no answer to each other.
  const MathNode* name() const { return name_; }

 private:
  std::optional<Intervals> Group(const MathNode& node) {
    if (node.size() != 2 || node.open == '<') return std::nullopt;
    Interval interval{&node[0], &node[1], node.open == '[', node.close == ']'};
    if (InfiniteSign(node[0]) > 0 || InfiniteSign(node[1]) < 0) return std::nullopt;
    if (InfiniteSign(node[0]) < 0) interval.low = nullptr;
    if (InfiniteSign(node[1]) > 0) interval.high = nullptr;
    if ((interval.low && !IsEnd(*interval.low)) || (interval.high && !IsEnd(*interval.high)))
      return std::nullopt;
    if (!interval.low) interval.low_closed = false;
    if (!interval.high) interval.high_closed = false;
    return Intervals{interval};
  }
  static bool IsEnd(const MathNode& node) {
    return IsScalar(node) && !node.symbolic && !node.unknown;
  }

  std::optional<Intervals> Points(const MathNode& node) {
    Intervals points;
    for (const MathNode* child : node.children) {
      if (!IsEnd(*child) || node.size() > kMaxIntervals) return std::nullopt;
      points.push_back({child, child, true, true});
    }
    return Merge(std::move(points));
  }
  std::optional<Intervals> Named(std::string_view name) {
    const MathNode* zero = tree_.Number(0);
    if (name == "empty") return Intervals{};
    if (name == "R") return Intervals{Interval{}};
    if (name == "R^+" || name == "R_>0" || name == "R_+" || name == "R^*_+")
      return Intervals{{zero, nullptr, false, false}};
    if (name == "R_g0") return Intervals{{zero, nullptr, true, false}};
    if (name == "R^-" || name == "R_<0") return Intervals{{nullptr, zero, false, false}};
    return std::nullopt;
  }
  std::optional<Intervals> Words(const MathNode& node) {
    const std::string words = CanonicalWords(node.name);
    if (words == "no solution") return Intervals{};
    if (words == "all real numbers") return Intervals{Interval{}};
    return std::nullopt;
  }

  bool Remember(const MathNode& name) {
    if (name_ && !SameNames(*name_, name)) return false;
    name_ = &name;
    return true;
  }
  // x < 3, 1 <= x < 2, -x > 1, x != 5, x = 2, x \in A
  std::optional<Intervals> Statement(const MathNode& node) {
    if (node.relations == "e" && IsName(node[0]) && Remember(node[0])) return Read(node[1]);
    if (node.relations == "!" || node.relations == "=") {
      const bool left = IsName(node[0]);
      const MathNode& name = left ? node[0] : node[1];
      const MathNode& value = left ? node[1] : node[0];
      if (!IsName(name) || !IsEnd(value) || !Remember(name)) return std::nullopt;
      const Intervals point = {{&value, &value, true, true}};
      return node.relations == "=" ? std::optional(point) : Complement(point);
    }
    const bool orders = std::all_of(node.relations.begin(), node.relations.end(), IsOrder);
    if (!orders || node.size() > 3) return std::nullopt;
    const auto magnitude = std::find_if(
        node.children.begin(), node.children.end(),
        [](const MathNode* side) { return side->Is(Function::kAbs) && side->symbolic; });
    if (magnitude == node.children.end()) return node.size() == 2 ? Half(node) : Between(node);
    if (!gold_ || !IsName((**magnitude)[0])) return std::nullopt;
    // The same statement about x >= 0, and its mirror image.
    std::vector<const MathNode*> sides(node.children.begin(), node.children.end());
    sides[static_cast<std::size_t>(magnitude - node.children.begin())] = (*magnitude)->children[0];
    MathNode* bare = tree_.Make(Kind::kRelation, sides);
    bare->relations = node.relations;
    const auto raw = bare->size() == 2 ? Half(*bare) : Between(*bare);
    const auto right =
        raw ? Intersect(*raw, {{tree_.Number(0), nullptr, true, false}}) : std::nullopt;
    if (!right) return std::nullopt;
    Intervals both = *right;
    const auto mirrored = [this](const MathNode* end) {
      return end ? tree_.Make(Kind::kNegative, {end}) : nullptr;
    };
    for (const Interval& piece : *right) {
      both.push_back(
          {mirrored(piece.high), mirrored(piece.low), piece.high_closed, piece.low_closed});
    }
    return Merge(std::move(both));
  }
  std::optional<Intervals> Half(const MathNode& node) {
    const bool name_left = !IsEnd(node[0]) && InfiniteSign(node[0]) == 0;
    const MathNode* name = name_left ? &node[0] : &node[1];
    const MathNode* value = name_left ? &node[1] : &node[0];
    bool upward = IsUpward(node.relations[0]) != name_left;  // the value is the lower end
    if (name->Is(Kind::kNegative)) {                         // -x > 1
      name = name->children[0];
      value = tree_.Make(Kind::kNegative, {value});
      upward = !upward;
    }
    if (!IsName(*name) || !Remember(*name)) return std::nullopt;
    if (InfiniteSign(*value) != 0) return Intervals{Interval{}};
    if (!IsEnd(*value)) return std::nullopt;
    const bool closed = IsClosed(node.relations[0]);
    if (upward) return Intervals{{value, nullptr, closed, false}};
    return Intervals{{nullptr, value, false, closed}};
  }
  std::optional<Intervals> Between(const MathNode& node) {
    const bool upward = IsUpward(node.relations[0]);
    if (IsUpward(node.relations[1]) != upward) return std::nullopt;
    const MathNode* low = upward ? &node[0] : &node[2];
    const MathNode* high = upward ? &node[2] : &node[0];
    const bool low_closed = IsClosed(node.relations[upward ? 0 : 1]);
    const bool high_closed = IsClosed(node.relations[upward ? 1 : 0]);
    const MathNode* name = &node[1];
    if (!IsName(*name) || !Remember(*name)) return std::nullopt;
    Interval interval{low, high, low_closed, high_closed};
    if (InfiniteSign(*low) < 0) interval.low = nullptr, interval.low_closed = false;
    if (InfiniteSign(*high) > 0) interval.high = nullptr, interval.high_closed = false;
    if ((interval.low && !IsEnd(*low)) || (interval.high && !IsEnd(*high))) return std::nullopt;
    return Merge({interval});
  }

  std::optional<Intervals> Joined(const MathNode& node, bool unite) {
    auto left = Read(node[0]);
    auto right = left ? Read(node[1]) : std::nullopt;
    if (!right) return std::nullopt;
    if (!unite) return Intersect(*left, *right);
    left->insert(left->end(), right->begin(), right->end());
    return Merge(std::move(*left));
  }
  // "x < 1 or x > 3" is a union; with "and" or a comma it is what both allow, if that is anything.
  std::optional<Intervals> List(const MathNode& node) {
    const bool points = std::all_of(node.children.begin(), node.children.end(),
                                    [](const MathNode* child) { return IsEnd(*child); });
    if (points) return Points(node);
    Intervals all;
    std::optional<Intervals> common = Intervals{Interval{}};
    bool sets = false;
    for (const MathNode* child : node.children) {
      sets = sets || child->Is(Kind::kGroup) || child->Is(Kind::kUnion);
      const auto one = Read(*child);
      if (!one) return std::nullopt;
      all.insert(all.end(), one->begin(), one->end());
      if (common) common = Intersect(*common, *one);
    }
    if (node.joint != Joint::kOr && !sets && common && !common->empty()) return common;
    return Merge(std::move(all));
  }

  std::optional<Intervals> Complement(const Intervals& raw) {
    const auto pieces = Merge(raw);
    if (!pieces) return std::nullopt;
    Intervals rest;
    Interval next;  // from minus infinity
    for (const Interval& piece : *pieces) {
      if (piece.low) {
        next.high = piece.low;
        next.high_closed = !piece.low_closed;
        rest.push_back(next);
      }
      if (!piece.high) return rest;
      next = {piece.high, nullptr, !piece.high_closed, false};
    }
    rest.push_back(next);
    return rest;
  }
  std::optional<Intervals> Intersect(const Intervals& a, const Intervals& b) {
    Intervals common;
    if (a.size() * b.size() > kMaxIntervals * 4) return std::nullopt;
    for (const Interval& x : a) {
      for (const Interval& y : b) {
        Interval both = x;
        if (y.low) {
          const auto order = both.low ? Compare(*y.low, *both.low) : std::optional(1);
          if (order > 0) both.low = y.low, both.low_closed = y.low_closed;
          if (order == 0) both.low_closed = both.low_closed && y.low_closed;
        }
        if (y.high) {
          const auto order = both.high ? Compare(*y.high, *both.high) : std::optional(-1);
          if (order && *order < 0) both.high = y.high, both.high_closed = y.high_closed;
          if (order == 0) both.high_closed = both.high_closed && y.high_closed;
        }
        common.push_back(both);
      }
    }
    return Merge(std::move(common));
  }

  bool Empty(const Interval& piece) {
    if (!piece.low || !piece.high) return false;
    const auto order = Compare(*piece.low, *piece.high);
    return !order || *order > 0 || (*order == 0 && !(piece.low_closed && piece.high_closed));
  }
  bool Before(const Interval& a, const Interval& b) {
    if (!a.low || !b.low) return !a.low && b.low;
    const auto order = Compare(*a.low, *b.low);
    return order && (*order < 0 || (*order == 0 && a.low_closed && !b.low_closed));
  }
  bool Touches(const Interval& a, const Interval& b) {
    if (!a.high || !b.low) return true;
    const auto order = Compare(*b.low, *a.high);
    return !order || *order < 0 || (*order == 0 && (a.high_closed || b.low_closed));
  }
  void Extend(Interval& a, const Interval& b) {
    if (!a.high) return;
    const auto order = b.high ? Compare(*b.high, *a.high) : std::optional(1);
    if (order > 0) a.high = b.high, a.high_closed = b.high_closed;
    if (order == 0) a.high_closed = a.high_closed || b.high_closed;
  }

  MathTree& tree_;
  Work& work_;
  bool gold_;
  const MathNode* name_ = nullptr;
  bool unordered_ = false;
};

}  // namespace

bool IsNumberSet(const MathNode& node) {
  switch (node.kind) {
    case Kind::kUnion:
    case Kind::kIntersection:
    case Kind::kDifference:
    case Kind::kSuchThat:
    case Kind::kNamedSet:
      return true;
    case Kind::kGroup:
      if (node.size() != 2 || node.open == '<') return false;
      return (node.open == '(') != (node.close == ')') || InfiniteSign(node[0]) != 0 ||
             InfiniteSign(node[1]) != 0;
    case Kind::kRelation:
      return std::any_of(node.relations.begin(), node.relations.end(), [](char relation) {
        return IsOrder(relation) || relation == static_cast<char>(Relation::kNotEqual) ||
               relation == static_cast<char>(Relation::kIn);
      });
    case Kind::kList:
      return node.size() > 0 &&
             std::all_of(node.children.begin(), node.children.end(),
                         [](const MathNode* child) {
                           return IsNumberSet(*child) ||
                                  (child->Is(Kind::kRelation) && child->relations == "=");
                         }) &&
             std::any_of(node.children.begin(), node.children.end(),
                         [](const MathNode* child) { return IsNumberSet(*child); });
    default:
      return false;
  }
}

std::optional<bool> SameNumberSets(const MathNode& gold, const MathNode& prediction, MathTree& tree,
                                   Work& work) {
  SetReader left(tree, work, true);
  SetReader right(tree, work, false);
  const auto a = left.Read(gold);
  const auto b = a ? right.Read(prediction) : std::nullopt;
  const auto merged_a = b ? left.Merge(*a) : std::nullopt;
  const auto merged_b = merged_a ? right.Merge(*b) : std::nullopt;
  if (!merged_b) return std::nullopt;
  if (left.name() && right.name() && !SameNames(*left.name(), *right.name())) return false;
  return left.Equal(*merged_a, *merged_b);
}

}  // namespace cogent
