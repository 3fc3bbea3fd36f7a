#include "verifiers/math_commands.h"

#include <initializer_list>
#include <unordered_map>

namespace cogent {
namespace {

using Table = std::unordered_map<std::string_view, MathCommand>;

void AddAll(Table& table, std::initializer_list<const char*> names, const MathCommand& command) {
  for (const char* name : names) table.emplace(name, command);
}

MathCommand Call(Function function) { return {MathCommand::kToken, Token::kFunction, function}; }
MathCommand PlainCommand(Token token, std::string_view text = {}) {
  return {MathCommand::kToken, token, Function::kNone, Relation::kOther, 0, text};
}
MathCommand Related(Relation relation) {
  return {MathCommand::kToken, Token::kRelation, Function::kNone, relation};
}
MathCommand Bracket(Token token, char symbol) {
  return {MathCommand::kToken, token, Function::kNone, Relation::kOther, symbol};
}

void AddFunctions(Table& table) {
  AddAll(table, {"sin"}, Call(Function::kSin));
  AddAll(table, {"cos"}, Call(Function::kCos));
  AddAll(table, {"tan", "tg"}, Call(Function::kTan));
  AddAll(table, {"cot", "ctg"}, Call(Function::kCot));
  AddAll(table, {"sec"}, Call(Function::kSec));
  AddAll(table, {"csc", "cosec"}, Call(Function::kCsc));
  AddAll(table, {"arcsin", "asin"}, Call(Function::kArcsin));
  AddAll(table, {"arccos", "acos"}, Call(Function::kArccos));
  AddAll(table, {"arctan", "atan", "arctg"}, Call(Function::kArctan));
  AddAll(table, {"arccot", "acot", "arcctg"}, Call(Function::kArccot));
  AddAll(table, {"arcsec", "asec"}, Call(Function::kArcsec));
  AddAll(table, {"arccsc", "acsc"}, Call(Function::kArccsc));
  AddAll(table, {"sinh"}, Call(Function::kSinh));
  AddAll(table, {"cosh"}, Call(Function::kCosh));
  AddAll(table, {"tanh"}, Call(Function::kTanh));
  AddAll(table, {"coth"}, Call(Function::kCoth));
  AddAll(table, {"arsinh", "arcsinh", "asinh"}, Call(Function::kArsinh));
  AddAll(table, {"arcosh", "arccosh", "acosh"}, Call(Function::kArcosh));
  AddAll(table, {"artanh", "arctanh", "atanh"}, Call(Function::kArtanh));
  AddAll(table, {"ln"}, Call(Function::kLn));
  AddAll(table, {"log", "lg"}, Call(Function::kLog));
  AddAll(table, {"exp"}, Call(Function::kExp));
  AddAll(table, {"gcd", "GCD"}, Call(Function::kGcd));
  AddAll(table, {"lcm", "LCM"}, Call(Function::kLcm));
  AddAll(table, {"max"}, Call(Function::kMax));
  AddAll(table, {"min"}, Call(Function::kMin));
  AddAll(table, {"Re"}, Call(Function::kReal));
  AddAll(table, {"Im"}, Call(Function::kImaginary));
  AddAll(table, {"arg", "Arg"}, Call(Function::kArgument));
  AddAll(table, {"det"}, Call(Function::kDeterminant));
  AddAll(table, {"sgn", "sign"}, Call(Function::kSign));
}

void AddSymbols(Table& table) {
  for (const char* name :
       {"alpha",  "beta",    "gamma",  "delta",   "epsilon",  "zeta",      "eta",       "theta",
        "iota",   "kappa",   "lambda", "mu",      "nu",       "xi",        "rho",       "sigma",
        "tau",    "upsilon", "phi",    "chi",     "psi",      "omega",     "Gamma",     "Delta",
        "Theta",  "Lambda",  "Xi",     "Pi",      "Sigma",    "Upsilon",   "Phi",       "Psi",
        "Omega",  "ell",     "hbar",   "nabla",   "aleph",    "top",       "star",      "bot",
        "perp",   "prime",   "Box",    "Diamond", "clubsuit", "heartsuit", "spadesuit", "neg",
        "forall", "exists",  "imath",  "jmath",   "bullet",   "checkmark"}) {
    table.emplace(name, PlainCommand(Token::kSymbol));
  }
  AddAll(table, {"varepsilon"}, PlainCommand(Token::kSymbol, "epsilon"));
  AddAll(table, {"varphi"}, PlainCommand(Token::kSymbol, "phi"));
  AddAll(table, {"vartheta"}, PlainCommand(Token::kSymbol, "theta"));
  AddAll(table, {"varrho"}, PlainCommand(Token::kSymbol, "rho"));
  AddAll(table, {"ast"}, PlainCommand(Token::kSymbol, "*"));
  AddAll(table, {"pi"}, PlainCommand(Token::kConstant, "pi"));
  AddAll(table, {"infty"}, PlainCommand(Token::kConstant, "inf"));
  AddAll(table, {"angle", "triangle", "measuredangle", "odot", "parallelogram", "square"},
         PlainCommand(Token::kNameSign));
}

void AddOperators(Table& table) {
  AddAll(table, {"frac", "dfrac", "tfrac", "cfrac", "nicefrac", "sfrac"}, PlainCommand(Token::kFraction));
  AddAll(table, {"over"}, PlainCommand(Token::kOver));
  AddAll(table, {"sqrt", "surd"}, PlainCommand(Token::kRootSign));
  AddAll(table, {"binom", "dbinom", "tbinom"}, PlainCommand(Token::kBinomialSign));
  AddAll(table, {"choose"}, PlainCommand(Token::kChoose));
  AddAll(table, {"sum"}, PlainCommand(Token::kSumSign));
  AddAll(table, {"prod"}, PlainCommand(Token::kProductSign));
  AddAll(table, {"int", "iint", "iiint", "oint"}, PlainCommand(Token::kUnknownSign, "int"));
  AddAll(table, {"lim", "limsup", "liminf", "sup", "inf", "partial"}, PlainCommand(Token::kUnknownSign));
  AddAll(table, {"cdot", "times", "ast", "cdotp"}, PlainCommand(Token::kTimes));
  AddAll(table, {"div"}, PlainCommand(Token::kDivide));
  AddAll(table, {"pm"}, PlainCommand(Token::kPlusMinus));
  AddAll(table, {"mp"}, PlainCommand(Token::kMinusPlus));
  AddAll(table, {"colon"}, PlainCommand(Token::kColon));
  AddAll(table, {"degree", "degrees"}, PlainCommand(Token::kDegreeSign));
  AddAll(table, {"pmod", "pod"}, PlainCommand(Token::kPmod));
  AddAll(table, {"bmod", "mod"}, PlainCommand(Token::kPmod, "mod"));
  AddAll(table, {"cup", "bigcup"}, PlainCommand(Token::kUnion));
  AddAll(table, {"cap", "bigcap"}, PlainCommand(Token::kIntersection));
  AddAll(table, {"setminus", "backslash", "smallsetminus"}, PlainCommand(Token::kDifference));
  AddAll(table, {"emptyset", "varnothing"}, PlainCommand(Token::kEmptySet));
  AddAll(table,
         {"overline", "bar", "vec", "hat", "overrightarrow", "widehat", "tilde", "dot", "underline",
          "overarc", "overset", "overleftrightarrow"},
         PlainCommand(Token::kOverline));
  AddAll(table, {"ldots", "dots", "cdots", "dotsc", "dotsb", "vdots", "ddots"},
         PlainCommand(Token::kEllipsis));
  AddAll(table, {"land", "wedge"}, PlainCommand(Token::kWord, "and"));
  AddAll(table, {"lor", "vee"}, PlainCommand(Token::kWord, "or"));
  AddAll(table, {"quad", "qquad"}, PlainCommand(Token::kSoftComma));
  AddAll(table, {"euro"}, PlainCommand(Token::kCurrencySign, "\u20ac"));
  AddAll(table, {"pounds"}, PlainCommand(Token::kCurrencySign, "\u00a3"));
  AddAll(table, {"dollar", "textdollar"}, PlainCommand(Token::kCurrencySign, "$"));
  AddAll(table, {"percent"}, PlainCommand(Token::kPercentSign));
}

void AddRelations(Table& table) {
  AddAll(table, {"eq"}, Related(Relation::kEqual));
  AddAll(table, {"approx", "thickapprox", "approxeq", "simeq", "doteq"},
         Related(Relation::kApprox));
  AddAll(table, {"ne", "neq"}, Related(Relation::kNotEqual));
  AddAll(table, {"lt"}, Related(Relation::kLess));
  AddAll(table, {"gt"}, Related(Relation::kGreater));
  AddAll(table, {"le", "leq", "leqslant", "leqq"}, Related(Relation::kAtMost));
  AddAll(table, {"ge", "geq", "geqslant", "geqq"}, Related(Relation::kAtLeast));
  AddAll(table, {"in"}, Related(Relation::kIn));
  AddAll(table, {"equiv"},
         {MathCommand::kToken, Token::kRelation, Function::kNone, Relation::kOther, 0, "equiv"});
  AddAll(table, {"implies", "Rightarrow", "Longrightarrow"},
         {MathCommand::kToken, Token::kRelation, Function::kNone, Relation::kOther, 0, "implies"});
  AddAll(
      table,
      {"to", "rightarrow", "leftarrow", "mapsto", "iff", "Leftrightarrow", "sim", "cong", "propto",
       "parallel", "notin", "subset", "subseteq", "supset", "supseteq", "longrightarrow"},
      Related(Relation::kOther));
  AddAll(table, {"mid", "vert"}, PlainCommand(Token::kBar));
  AddAll(table, {"Vert"}, PlainCommand(Token::kBar));
}

void AddBrackets(Table& table) {
  AddAll(table, {"lbrace"}, Bracket(Token::kOpen, 'S'));
  AddAll(table, {"rbrace"}, Bracket(Token::kClose, 'S'));
  AddAll(table, {"langle"}, Bracket(Token::kOpen, '<'));
  AddAll(table, {"rangle"}, Bracket(Token::kClose, '<'));
  AddAll(table, {"lfloor"}, Bracket(Token::kOpen, 'f'));
  AddAll(table, {"rfloor"}, Bracket(Token::kClose, 'f'));
  AddAll(table, {"lceil"}, Bracket(Token::kOpen, 'c'));
  AddAll(table, {"rceil"}, Bracket(Token::kClose, 'c'));
  AddAll(table, {"lvert", "lVert"}, Bracket(Token::kOpen, '|'));
  AddAll(table, {"rvert", "rVert"}, Bracket(Token::kClose, '|'));
  AddAll(table, {"lbrack"}, Bracket(Token::kOpen, '['));
  AddAll(table, {"rbrack"}, Bracket(Token::kClose, ']'));
  AddAll(table, {"lparen"}, Bracket(Token::kOpen, '('));
  AddAll(table, {"rparen"}, Bracket(Token::kClose, ')'));
}

void AddLook(Table& table) {
  AddAll(table, {"left", "right", "middle"}, {MathCommand::kDelimiter});
  AddAll(table,
         {"big",          "Big",        "bigg",        "Bigg",       "bigl",      "bigr",
          "Bigl",         "Bigr",       "biggl",       "biggr",      "Biggl",     "Biggr",
          "displaystyle", "textstyle",  "scriptstyle", "large",      "Large",     "LARGE",
          "huge",         "Huge",       "small",       "normalsize", "tiny",      "limits",
          "nolimits",     "hfill",      "nobreak",     "boldsymbol", "mathbf",    "bm",
          "mathcal",      "mathit",     "mathsf",      "mathscr",    "mathfrak",  "rm",
          "bf",           "it",         "boxed",       "fbox",       "framebox",  "underbrace",
          "overbrace",    "mathop",     "hline",       "newline",    "smallskip", "medskip",
          "bigskip",      "noindent",   "centering",   "n",          "bold",      "pmb",
          "mathstrut",    "ensuremath", "cancel",      "textstyle",  "therefore", "because",
          "thinspace",    "enspace",    "space",       "par"},
         {MathCommand::kNothing});
  AddAll(table,
         {"color", "textcolor", "hspace", "vspace", "phantom", "hphantom", "vphantom", "label",
          "tag", "kern", "hskip", "mkern", "mspace", "rule"},
         {MathCommand::kSkipArgument});
  AddAll(table,
         {"text", "textbf", "textit", "textrm", "textsf", "texttt", "textnormal", "mbox", "hbox",
          "emph", "textsc", "textup"},
         {MathCommand::kText});
  AddAll(table, {"mathrm", "mathtt", "mathnormal", "rm"}, {MathCommand::kRoman});
  AddAll(table, {"mathbb", "Bbb"}, {MathCommand::kBlackboard});
  AddAll(table, {"operatorname"}, {MathCommand::kOperatorName});
  AddAll(table, {"begin"}, {MathCommand::kBegin});
  AddAll(table, {"end"}, {MathCommand::kEnd});
}

const Table& Commands() {
  static const Table table = [] {
    Table made;
    AddFunctions(made);
    AddSymbols(made);
    AddOperators(made);
    AddRelations(made);
    AddBrackets(made);
    AddLook(made);
    return made;
  }();
  return table;
}

const Table& PlainWords() {
  static const Table table = [] {
    Table made;
    AddFunctions(made);
    for (const char* letters : {"Re", "Im", "sign"}) made.erase(letters);
    AddAll(made, {"sqrt"}, PlainCommand(Token::kRootSign));
    AddAll(made, {"cbrt"}, PlainCommand(Token::kRootSign, "cbrt"));
    AddAll(made, {"abs"}, Call(Function::kAbs));
    AddAll(made, {"floor"}, Call(Function::kFloor));
    AddAll(made, {"ceil"}, Call(Function::kCeiling));
    AddAll(made, {"factorial"}, Call(Function::kFactorial));
    AddAll(made, {"binomial", "binom", "comb"}, Call(Function::kBinomial));
    AddAll(made, {"choose"}, PlainCommand(Token::kChoose));
    AddAll(made, {"pi", "Pi", "PI"}, PlainCommand(Token::kConstant, "pi"));
    AddAll(made, {"inf", "oo", "infinity", "Infinity", "infty"}, PlainCommand(Token::kConstant, "inf"));
    AddAll(made, {"mod"}, PlainCommand(Token::kPmod, "mod"));
    AddAll(made, {"percent", "percentage", "pct"}, PlainCommand(Token::kPercentSign));
    AddAll(made, {"emptyset"}, PlainCommand(Token::kEmptySet));
    AddAll(made, {"union", "cup"}, PlainCommand(Token::kUnion));
    AddAll(made, {"cap"}, PlainCommand(Token::kIntersection));
    AddAll(made, {"in"}, Related(Relation::kIn));
    for (const char* greek : {"alpha", "beta", "gamma", "delta", "epsilon", "theta", "lambda", "mu",
                              "phi", "psi", "omega", "sigma", "tau", "rho"}) {
      made.emplace(greek, PlainCommand(Token::kSymbol, greek));
    }
    return made;
  }();
  return table;
}

const MathCommand* Find(const Table& table, std::string_view name) {
  const auto it = table.find(name);
  return it == table.end() ? nullptr : &it->second;
}

}  // namespace

const MathCommand* FindCommand(std::string_view name) { return Find(Commands(), name); }
const MathCommand* FindPlainWord(std::string_view name) { return Find(PlainWords(), name); }

std::string_view GluedFunction(std::string_view run) {
  for (const std::string_view function : {"sin", "cos", "tan", "cot", "ln", "log", "sqrt"}) {
    if (run.size() > function.size() && run.size() <= function.size() + 2 &&
        run.starts_with(function))
      return function;
  }
  return {};
}

}  // namespace cogent
