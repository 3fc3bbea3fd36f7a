// Whether a prediction's tree means what the gold answer's tree means. Internal to the mathematics
// verifier; the rules are in docs/verifiers.md.
//
//   Comparer comparer(tree, {}, work);
//   comparer.Same(*gold, *prediction);
//
// Thread rule: a Comparer belongs to one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "verifiers/math.h"
#include "verifiers/math_tree.h"
#include "verifiers/math_values.h"

namespace cogent {

// `x = 5` taken apart: what is named, and its value. `also` is a rounded value behind a sign of
// approximation.
struct Assignment {
  const MathNode* name = nullptr;  // null: a chain of values only
  const MathNode* value = nullptr;
  const MathNode* also = nullptr;
};

class Comparer {
 public:
  Comparer(MathTree& tree, const MathOptions& options, Work& work)
      : tree_(tree), options_(options), work_(work) {}

  // Not symmetric: the gold answer says what is asked for, so an equation in several unknowns may
  // be the answer, and an unsolved one in the prediction is none.
  bool Same(const MathNode& gold, const MathNode& prediction);
  // Equal items of a list count once.
  const MathNode* Distinct(const MathNode& list);

 private:
  using Nodes = std::vector<const MathNode*>;
  struct Items {
    Nodes nodes;
    bool ordered = false;
    bool bare = false;               // without brackets
    std::vector<std::string> names;  // one each, when every item was named differently
  };

  // math_compare.cc
  bool SameMeaning(const MathNode& gold, const MathNode& prediction);
  bool SameWords(const MathNode& gold, const MathNode& prediction);
  std::optional<Items> AsItems(const MathNode& node);
  bool SameItems(const Items& gold, const Items& prediction);
  bool MatchUnordered(const Nodes& gold, const Nodes& prediction);
  bool SameMatrix(const MathNode& gold, const MathNode& prediction);
  const MathNode* AsMatrix(const MathNode& node);
  bool SameRatio(const MathNode& gold, const MathNode& prediction);
  bool SameStructure(const MathNode& gold, const MathNode& prediction);
  const MathNode* WithoutSigns(const MathNode& node, bool second);

  // math_statements.cc
  std::optional<Assignment> AsAssignment(const MathNode& node, bool lenient);
  bool SameAssigned(const MathNode& gold, const MathNode& prediction, bool& decided);
  bool SameStatement(const MathNode& gold, const MathNode& prediction);
  bool SameCongruence(const MathNode& gold, const MathNode& prediction);
  const MathNode* Difference(const MathNode& relation, std::size_t first);
  int Unknowns(const MathNode& node) const;

  // math_scalars.cc
  bool SameScalar(const MathNode& gold, const MathNode& prediction);
  bool SameQuantity(const MathNode& gold, const MathNode& prediction);
  bool SamePercent(const MathNode& gold, const MathNode& prediction);
  bool SameNumber(const MathNode& gold, const MathNode& prediction);
  bool SameValue(const MathNode& gold, const MathNode& prediction);
  bool Rounded(const MathNode& exact, const MathNode& decimal);
  const MathNode* Scaled(const MathNode& quantity);

  MathTree& tree_;
  const MathOptions& options_;
  Work& work_;
  int depth_ = 0;
};

bool IsName(const MathNode& node);
bool SameNames(const MathNode& a, const MathNode& b);
// The symbol of a name as text: "x_1", "AB", "f(x)".
std::string NameOf(const MathNode& node);
// -1, 1 for the infinite values; 0 for others.
int InfiniteSign(const MathNode& node);
bool IsScalar(const MathNode& node);

}  // namespace cogent
