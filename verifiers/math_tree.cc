#include "verifiers/math_tree.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace cogent {

MathTree::MathTree() : memory_(block_.data(), block_.size()), numbers_(&memory_) {}
MathTree::~MathTree() {
  for (Rational* number : numbers_) number->~Rational();
}

MathNode* MathTree::Make(Kind kind, std::initializer_list<const MathNode*> children) {
  return Make(kind, std::span<const MathNode* const>(children.begin(), children.size()));
}

MathNode* MathTree::Make(Kind kind, std::span<const MathNode* const> children) {
  MathNode* node = new (Allocate<MathNode>()) MathNode();
  node->kind = kind;
  if (!children.empty()) {
    auto* copy = static_cast<const MathNode**>(
        memory_.allocate(children.size() * sizeof(const MathNode*), alignof(const MathNode*)));
    std::copy(children.begin(), children.end(), copy);
    node->children = {copy, children.size()};
    for (const MathNode* child : children) {
      node->depth = std::max(node->depth, child->depth + 1);
      node->symbolic |= child->symbolic;
      node->percent |= child->percent;
      node->unknown |= child->unknown;
    }
  }
  node->symbolic |= kind == Kind::kSymbol || kind == Kind::kApply;
  node->percent |= kind == Kind::kPercent;
  node->unknown |= kind == Kind::kUnknown;
  return node;
}

MathNode* MathTree::Number(Rational value) {
  MathNode* node = Make(Kind::kNumber);
  auto* kept = new (Allocate<Rational>()) Rational(std::move(value));
  numbers_.push_back(kept);
  node->value = kept;
  return node;
}

MathNode* MathTree::Named(Kind kind, std::string_view name) {
  MathNode* node = Make(kind);
  node->name = name;
  return node;
}

MathNode* MathTree::Call(Function function, std::initializer_list<const MathNode*> children) {
  MathNode* node = Make(Kind::kFunction, children);
  node->function = function;
  return node;
}

std::string_view MathTree::Keep(std::string_view text) {
  if (text.empty()) return {};
  auto* copy = static_cast<char*>(memory_.allocate(text.size(), 1));
  std::memcpy(copy, text.data(), text.size());
  return {copy, text.size()};
}

}  // namespace cogent
