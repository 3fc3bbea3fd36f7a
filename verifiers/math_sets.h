// Sets of real numbers, written as intervals, unions, inequalities or in words. Internal to the
// mathematics verifier.
//
//   IsNumberSet(*tree_of("1 \\le x < 2"));
//   SameNumberSets(*tree_of("x > 2"), *tree_of("(2, \\infty)"), tree, work);         // true
//
// Thread rule: free functions.
#pragma once

#include <optional>

#include "verifiers/math_tree.h"
#include "verifiers/math_values.h"

namespace cogent {

// Whether the notation cannot mean anything but a set of numbers: (1, 2) can, [1, 2) cannot.
bool IsNumberSet(const MathNode& node);
// Nothing when one of them is no set of numbers, or has ends that cannot be put in order.
std::optional<bool> SameNumberSets(const MathNode& gold, const MathNode& prediction, MathTree& tree,
                                   Work& work);

}  // namespace cogent
