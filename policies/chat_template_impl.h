// A chat template as a tree. Internal to policies/chat_template*.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cogent::chat {

using Literal = std::variant<std::monostate, std::nullptr_t, bool, std::int64_t, double, std::string>;  // the first: undefined

struct Expr {
  enum Kind {
    kLiteral,    // value
    kName,       // text
    kAttribute,  // kids[0].text
    kIndex,      // kids[0][kids[1]]
    kSlice,      // kids[0][kids[1]:kids[2]:kids[3]]; a missing one is a literal that is undefined
    kCall,       // kids[0](kids[1..], named)
    kFilter,     // kids[0] | text(kids[1..], named)
    kTest,       // kids[0] is text(kids[1..])
    kCompare,    // kids[0] names[0] kids[1] names[1] kids[2]: a chain, as Python's
    kUnary,      // text: not, -, +
    kBinary,     // text: the operator
    kInlineIf,   // kids[0] if kids[1] else kids[2]
    kList,       // kids
    kObject,     // kids: key, value, key, value
  };
  Kind kind = kLiteral;
  std::string text;
  Literal value;
  std::vector<Expr> kids;
  std::vector<std::string> names;  // of the arguments given by name; kCompare: the operators
  std::vector<Expr> named;         // and their values
  int line = 0;
  int depth = 0;  // expressions below it
};

struct Statement {
  enum Kind { kText, kOutput, kIf, kFor, kSet, kSetBlock, kMacro, kScope, kBreak, kContinue };
  Kind kind = kText;
  std::string text;                 // kText; kMacro: its name
  std::vector<Expr> exprs;          // kOutput, kSet: the value; kIf: conditions; kFor: what is walked over, and the condition if there is one
  std::vector<std::string> names;   // kFor, kSet: targets, "a" or "a.b"; kMacro: parameters
  std::vector<Expr> defaults;       // kMacro: of the last parameters
  std::vector<std::vector<Statement>> bodies;  // kIf: one a condition, and that of else; kFor: the body, else; kSetBlock, kMacro, kScope: one
  int line = 0;
};

// Throws DataError with `name` and the line.
std::vector<Statement> ParseTemplate(std::string_view text, const std::string& name);

// What a filter, test or method takes. The parser puts every argument at the place of its parameter, with an undefined literal for
// what is left out, and refuses the rest.
struct Signature {
  const char* name;
  std::vector<const char*> parameters;
  std::size_t wanted = 0;  // so many must be given
};
// Null: not known. map, select, reject, selectattr and rejectattr are not among the filters.
const Signature* FindFilter(std::string_view name);
const Signature* FindTest(std::string_view name);
const Signature* FindMethod(std::string_view name);

}  // namespace cogent::chat
