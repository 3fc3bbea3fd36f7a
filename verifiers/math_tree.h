// The typed tree that an answer is read into. Internal to the mathematics verifier.
//
//   MathTree tree;
//   const MathNode* half = tree.Make(Kind::kQuotient, {tree.Number(1), tree.Number(2)});
//   half->Is(Kind::kQuotient);                                        // true
//
// Nodes never change once made and live as long as their MathTree, which takes memory from a block
// of its own first and frees everything at once. Thread rule: a MathTree belongs to one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory_resource>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "verifiers/math_units.h"
#include "verifiers/rational.h"

namespace cogent {

enum class Kind : std::uint8_t {
  // Values.
  kNumber,     // value; decimal literals keep how they were written
  kSymbol,     // a variable by name, subscript included: x, a_{n+1}, \theta
  kConstant,   // pi, e, i, infinity: by name
  kSum,        // of its children
  kProduct,    // of its children
  kQuotient,   // first / second
  kNegative,   // - first
  kPower,      // first ^ second
  kFunction,   // function(children)
  kApply,      // name(children), a function that nobody defined: f(x)
  kPlusMinus,  // first +- second; minus_first: -+. One child: +-first
  kPercent,    // first %
  kQuantity,   // first, in a unit; or a label that counts things
  kUnknown,    // an integral, limit or derivative that was not worked out
  // Several values.
  kList,      // separated by commas, "and", "or", without brackets
  kGroup,     // a list in brackets: tuple, interval, list, vector; open, close
  kSet,       // in \{ \}
  kSuchThat,  // { first | second }
  kMatrix,    // rows of equal length; columns
  kRatio,     // a : b : c
  // Statements.
  kRelation,    // children between operators, relations[i] between child i and i + 1
  kCongruence,  // first = second modulo third
  kUnion,
  kIntersection,
  kDifference,
  kNamedSet,  // R, Q, Z, N, C; empty
  kText,      // words
};

enum class Function : std::uint8_t {
  kNone,
  kRoot,  // the second child's root of the first; square without a second
  kAbs,
  kSign,
  kFloor,
  kCeiling,
  kFactorial,
  kDoubleFactorial,
  kBinomial,
  kExp,
  kLn,
  kLog,  // log: of the first to the base of the second
  kSin,
  kCos,
  kTan,
  kCot,
  kSec,
  kCsc,
  kArcsin,
  kArccos,
  kArctan,
  kArccot,
  kArcsec,
  kArccsc,
  kSinh,
  kCosh,
  kTanh,
  kCoth,
  kArsinh,
  kArcosh,
  kArtanh,
  kGcd,
  kLcm,
  kMax,
  kMin,
  kReal,
  kImaginary,
  kArgument,
  kDeterminant,
  kSumOver,
  kProductOver,  // children: variable, from, to, body
  kModulo,       // first mod second, as a value
};

enum class Relation : char {
  kEqual = '=',
  kApprox = '~',
  kNotEqual = '!',
  kLess = '<',
  kGreater = '>',
  kAtMost = 'l',
  kAtLeast = 'g',
  kIn = 'e',
  kOther = '?',  // an arrow, a similarity, ..: compared by its structure
};

// How the items of a kList stand beside each other.
enum class Joint : std::uint8_t { kComma, kSemicolon, kAnd, kOr };

struct MathNode {
  Kind kind = Kind::kText;
  Function function = Function::kNone;
  Joint joint = Joint::kComma;
  char open = 0, close = 0;
  bool minus_first = false;
  bool decimal = false;                   // a number with a point: 0.50, 1.2e3
  bool symbolic = false;                  // holds a variable
  bool percent = false, unknown = false;  // holds a kPercent, a kUnknown
  std::int32_t decimals = 0;              // its last digit counts 10^-decimals
  std::int32_t significant = 0;           // digits from the first that is not 0
  std::int32_t columns = 0;
  std::int32_t depth = 1;
  std::span<const MathNode* const> children;
  std::string_view name;       // symbol, constant, text, named set, apply
  std::string_view relations;  // one Relation a character
  const Rational* value = nullptr;
  const Unit* unit = nullptr;

  bool Is(Kind k) const { return kind == k; }
  bool Is(Function f) const { return kind == Kind::kFunction && function == f; }
  const MathNode& operator[](std::size_t i) const { return *children[i]; }
  std::size_t size() const { return children.size(); }
};

class MathTree {
 public:
  MathTree();
  ~MathTree();
  MathTree(const MathTree&) = delete;
  MathTree& operator=(const MathTree&) = delete;

  // A node to fill in; its children are copied into the tree.
  MathNode* Make(Kind kind, std::initializer_list<const MathNode*> children = {});
  MathNode* Make(Kind kind, std::span<const MathNode* const> children);
  MathNode* Number(Rational value);
  MathNode* Named(Kind kind, std::string_view name);
  MathNode* Call(Function function, std::initializer_list<const MathNode*> children);
  MathNode* Copy(const MathNode& node) { return new (Allocate<MathNode>()) MathNode(node); }
  const Unit* Keep(const Unit& unit) { return new (Allocate<Unit>()) Unit(unit); }
  std::string_view Keep(std::string_view text);
  std::pmr::memory_resource* memory() { return &memory_; }

 private:
  template <typename T>
  void* Allocate() {
    return memory_.allocate(sizeof(T), alignof(T));
  }
  static constexpr std::size_t kFirstBlock = 12 * 1024;
  alignas(16) std::array<std::byte, kFirstBlock> block_;
  std::pmr::monotonic_buffer_resource memory_;
  std::pmr::vector<Rational*> numbers_;  // to be destroyed
};

}  // namespace cogent
