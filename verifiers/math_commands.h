// The LaTeX commands and plain words that the lexer knows. To add a notation, begin here.
//
//   FindCommand("sqrt")->token == Token::kRootSign
//
// Thread rule: pure functions over a constant table.
#pragma once

#include <string_view>

#include "verifiers/math_lexer.h"

namespace cogent {

struct MathCommand {
  enum Effect {
    kToken,         // stands for the token below
    kNothing,       // changes only the look
    kDelimiter,     // \left, \right
    kSkipArgument,  // it and its argument change only the look: \hspace{1em}
    kText,          // \text{..}
    kRoman,         // \mathrm{..}
    kBlackboard,    // \mathbb{..}
    kOperatorName,  // \operatorname{..}
    kBegin,
    kEnd,  // \begin{..}, \end{..}
  };
  Effect effect = kNothing;
  Token token = Token::kBad;
  Function function = Function::kNone;
  Relation relation = Relation::kOther;
  char symbol = 0;
  std::string_view text;
};

// Null for a name that is unknown.
const MathCommand* FindCommand(std::string_view name);
// Functions and constants that are written without a backslash: sin, sqrt, pi, inf.
const MathCommand* FindPlainWord(std::string_view name);

// The function that a run of letters begins with when one or two letters follow it: sinx, ln2.
// Empty for others.
std::string_view GluedFunction(std::string_view run);

}  // namespace cogent
