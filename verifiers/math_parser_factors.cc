// Factors: fractions, roots, functions, and what is left unevaluated.
#include <algorithm>

#include "verifiers/math_commands.h"
#include "verifiers/math_parser_impl.h"
#include "verifiers/math_words.h"

namespace cogent {
namespace {

bool TakesSeveral(Function function) {
  return function == Function::kGcd || function == Function::kLcm || function == Function::kMax ||
         function == Function::kMin || function == Function::kBinomial;
}

Function Inverse(Function function) {
  switch (function) {
    case Function::kSin:
      return Function::kArcsin;
    case Function::kCos:
      return Function::kArccos;
    case Function::kTan:
      return Function::kArctan;
    case Function::kCot:
      return Function::kArccot;
    case Function::kSec:
      return Function::kArcsec;
    case Function::kCsc:
      return Function::kArccsc;
    case Function::kSinh:
      return Function::kArsinh;
    case Function::kCosh:
      return Function::kArcosh;
    case Function::kTanh:
      return Function::kArtanh;
    default:
      return Function::kNone;
  }
}

}  // namespace

const MathNode* MathParser::Primary() {
  const Deeper deeper(*this);
  if (deeper.TooDeep()) return nullptr;
  switch (Now().token) {
    case Token::kNumber:
      return MakeNumber();
    case Token::kLetters:
      return Letters();
    case Token::kWord:
      return Words();
    case Token::kSymbol: {
      std::string name(Now().text);
      ++at_;
      return Name(std::move(name));
    }
    case Token::kConstant: {
      const std::string_view name = Now().text;
      ++at_;
      return tree_.Named(Kind::kConstant, name);
    }
    case Token::kFunction:
      return Call();
    case Token::kFraction:
      return Fraction();
    case Token::kRootSign: {
      const bool cube = Now().text == "cbrt";
      ++at_;
      return Root(cube);
    }
    case Token::kBinomialSign: {
      ++at_;
      const MathNode* above = Argument();
      const MathNode* below = above ? Argument() : nullptr;
      return below ? tree_.Call(Function::kBinomial, {above, below}) : nullptr;
    }
    case Token::kSumSign:
      return Over(Function::kSumOver);
    case Token::kProductSign:
      return Over(Function::kProductOver);
    case Token::kUnknownSign:
      return Unknown();
    case Token::kBegin:
      return Environment();
    case Token::kOverline:
    case Token::kNameSign:
      return Marked();
    case Token::kCurrencySign:
      return CurrencyBefore();
    case Token::kNamedSet: {
      std::string name(Now().text);
      ++at_;
      if (Sees(Token::kPower) || Sees(Token::kSubscript)) {  // R^+, Z_{>0}
        const bool raised = Sees(Token::kPower);
        name += raised ? "^" : "_";
        name += Subscript();
      }
      return tree_.Named(Kind::kNamedSet, tree_.Keep(name));
    }
    case Token::kEmptySet:
      ++at_;
      return tree_.Named(Kind::kNamedSet, "empty");
    case Token::kOpen:
      return Group();
    case Token::kClose:
      return Now().symbol == ']' && intervals_ == 0 ? Group() : nullptr;
    case Token::kBar:
      return bars_ == 0 ? Bars() : nullptr;
    default:
      return nullptr;
  }
}

// One argument of \frac or \binom: a group, or a single digit, letter or command.
const MathNode* MathParser::Argument() {
  Lexeme& lexeme = tokens_[at_];
  if (lexeme.token == Token::kNumber && lexeme.text.size() > 1 && !lexeme.decimal &&
      lexeme.repeating.empty()) {
    Lexeme digit = lexeme;
    digit.text = lexeme.text.substr(0, 1);
    lexeme.text.remove_prefix(1);
    lexeme.space_before = false;
    return NumberOf(digit);
  }
  if (lexeme.token == Token::kNumber) {
    ++at_;
    return NumberOf(lexeme);
  }
  const MathNode* argument = Primary();
  return argument && !argument->Is(Kind::kList) ? argument : nullptr;
}

const MathNode* MathParser::Fraction() {
  ++at_;
  const auto is_d = [this](std::size_t ahead) {
    const Lexeme& token = Now(ahead);
    return (token.token == Token::kLetters && !token.text.empty() && token.text[0] == 'd') ||
           (token.token == Token::kUnknownSign && token.text == "partial");
  };
  std::size_t below = 0;  // where the denominator begins
  if (SeesOpen('{') && is_d(1)) {
    for (std::size_t i = 1; i < 12 && below == 0; ++i) {
      if (Now(i).token == Token::kClose && Now(i).symbol == '}' && Now(i + 1).token == Token::kOpen)
        below = i + 2;
      if (Now(i).token == Token::kPower && Now(i + 1).token == Token::kOpen) ++i, i += 2;
    }
  }
  const bool derivative = below != 0 && is_d(below) &&
                          (Now(below).text.size() > 1 || Now(below + 1).token != Token::kClose);
  const MathNode* above = Argument();
  const MathNode* under = above ? Argument() : nullptr;
  if (!under) return nullptr;
  if (!derivative) return tree_.Make(Kind::kQuotient, {above, under});
  MathNode* unknown = tree_.Make(Kind::kUnknown, {above, under});
  unknown->name = "derivative";
  return unknown;
}

const MathNode* MathParser::Root(bool cube) {
  const MathNode* index = cube ? tree_.Number(3) : nullptr;
  if (SeesOpen('[')) {
    ++at_;
    ++intervals_;
    index = Sum();
    --intervals_;
    if (!index || !SeesClose(']')) return nullptr;
    ++at_;
  }
  const MathNode* inner = nullptr;
  if (Sees(Token::kNumber)) {
    inner = NumberOf(Now());
    ++at_;
  } else {
    inner = Primary();
  }
  if (!inner || inner->Is(Kind::kList)) return nullptr;
  return index ? tree_.Call(Function::kRoot, {inner, index}) : tree_.Call(Function::kRoot, {inner});
}

// sin 2x, sin^2 x, \log_2 8, gcd(4, 6)
const MathNode* MathParser::Call() {
  Function function = Now().function;
  ++at_;
  const MathNode* power = nullptr;
  const MathNode* base = nullptr;
  for (int scripts = 0; scripts < 2; ++scripts) {
    if (Sees(Token::kPower) && !power) {
      ++at_;
      power = Exponent();
      if (!power) return nullptr;
    } else if (Sees(Token::kSubscript) && !base) {
      ++at_;
      base = Argument();
      if (!base) return nullptr;
    }
  }
  if (power && power->Is(Kind::kNegative) && (*power)[0].Is(Kind::kNumber) &&
      Inverse(function) != Function::kNone) {
    function = Inverse(function);
    power = nullptr;
  }
  const MathNode* argument = CallArgument();
  if (!argument) return nullptr;
  const MathNode* value = nullptr;
  const bool several =
      argument->Is(Kind::kGroup) || argument->Is(Kind::kList) || argument->Is(Kind::kSet);
  if (several && !TakesSeveral(function)) return nullptr;
  if (function == Function::kDeterminant && argument->Is(Kind::kMatrix)) {
    value = Determinant(argument);
  } else if (function == Function::kLog) {
    value = tree_.Call(function, {argument, base ? base : tree_.Number(10)});
  } else if (base) {
    return nullptr;
  } else if (several) {
    MathNode* call = tree_.Make(Kind::kFunction, argument->children);
    call->function = function;
    if (function == Function::kBinomial && call->size() != 2) return nullptr;
    value = call;
  } else if (function == Function::kBinomial) {
    return nullptr;  // of one number
  } else {
    value = tree_.Call(function, {argument});
  }
  return power ? tree_.Make(Kind::kPower, {value, power}) : value;
}

// In brackets, or the factors that follow up to the next function or sign.
const MathNode* MathParser::CallArgument() {
  const Deeper deeper(*this);
  if (deeper.TooDeep()) return nullptr;
  if (Sees(Token::kOpen) && Now().symbol != 'f' && Now().symbol != 'c' && Now().symbol != '|') {
    const bool brace = SeesOpen('{');
    const MathNode* argument = Primary();
    // \sin {x} y
    return argument && brace && Sees(Token::kDegreeSign) ? Powers(argument) : argument;
  }
  if (Take(Token::kMinus)) {
    const MathNode* argument = CallArgument();
    return argument ? tree_.Make(Kind::kNegative, {argument}) : nullptr;
  }
  if (Sees(Token::kFunction)) return Factor();
  Nodes factors(tree_.memory());
  do {
    factors.push_back(Factor());
    if (!factors.back()) return nullptr;
  } while (StartsFactor() && !Sees(Token::kFunction) && !SeesOpen('(') &&
           !(Sees(Token::kLetters) && !Now().split && Now().text.size() > 1));
  return factors.size() == 1 ? factors[0] : tree_.Make(Kind::kProduct, factors);
}

// \sum_{k=1}^{n} and \prod: up to the next sign of a sum.
const MathNode* MathParser::Over(Function function) {
  ++at_;
  const MathNode* range = nullptr;
  const MathNode* last = nullptr;
  const bool index_i = index_i_;
  for (int scripts = 0; scripts < 2; ++scripts) {
    if (Sees(Token::kSubscript)) {
      ++at_;
      if (SeesOpen('{') && Now(1).text == "i") index_i_ = true;
      range = Argument();
      if (!range) return nullptr;
    } else if (Sees(Token::kPower)) {
      ++at_;
      last = Argument();
      if (!last) return nullptr;
    }
  }
  const MathNode* body = Term();
  index_i_ = index_i;
  if (!body) return nullptr;
  const bool counted = range && last && range->Is(Kind::kRelation) && range->relations == "=" &&
                       (*range)[0].Is(Kind::kSymbol);
  if (counted) return tree_.Call(function, {&(*range)[0], &(*range)[1], last, body});
  MathNode* unknown =
      range ? tree_.Make(Kind::kUnknown, {range, body}) : tree_.Make(Kind::kUnknown, {body});
  unknown->name = function == Function::kSumOver ? "sum" : "product";
  return unknown;
}

// \int, \lim: kept as they are, to be compared by structure.
const MathNode* MathParser::Unknown() {
  const std::string_view name = Now().text;
  ++at_;
  Nodes parts(tree_.memory());
  for (int scripts = 0; scripts < 2 && (Sees(Token::kSubscript) || Sees(Token::kPower));
       ++scripts) {
    ++at_;
    const MathNode* script = Argument();
    if (!script) return nullptr;
    parts.push_back(script);
  }
  if (StartsFactor() || Sees(Token::kMinus)) {
    const MathNode* body = Term();
    if (!body) return nullptr;
    parts.push_back(body);
  }
  MathNode* unknown = tree_.Make(Kind::kUnknown, parts);
  unknown->name = name;
  return unknown;
}

}  // namespace cogent
