// Names: letters with their subscripts, words, marked names.
#include "verifiers/math_commands.h"
#include "verifiers/math_parser_impl.h"
#include "verifiers/math_words.h"

namespace cogent {
namespace {

// Letters that name a function when a bracket follows.
constexpr std::string_view kFunctionLetters = "fgh";

}  // namespace

// The text of what follows _ or ^, as a part of a name. Takes the sign, too.
std::string MathParser::Subscript() {
  ++at_;
  std::string text;
  if (!SeesOpen('{')) {
    Lexeme& token = tokens_[at_];
    if (token.token == Token::kLetters && token.text.size() > 1) {
      text += token.text[0];
      token.text.remove_prefix(1);
      token.space_before = false;
      token.split = true;
      return text;
    }
    if (token.token != Token::kEnd) {
      AppendSpelling(token, text);
      ++at_;
    }
    return text;
  }
  ++at_;
  for (int depth = 1; !Sees(Token::kEnd); ++at_) {
    if (SeesOpen('{')) ++depth;
    if (SeesClose('}') && --depth == 0) break;
    AppendSpelling(Now(), text);
  }
  if (!Sees(Token::kEnd)) ++at_;
  return text;
}

// A symbol with its subscript and primes; f(x) where the name is one of a function.
const MathNode* MathParser::Name(std::string name) {
  if (Sees(Token::kSubscript)) {
    name += '_';
    name += Subscript();
  }
  while (Take(Token::kPrime)) name += '\'';
  const bool function = !name.empty() && kFunctionLetters.find(name[0]) != std::string_view::npos;
  // P(A); a(n) where it is given a value
  const bool upper = !name.empty() && name[0] >= 'A' && name[0] <= 'Z';
  const bool short_call =
      Now(2).token == Token::kClose && (upper || Now(3).token == Token::kRelation);
  if (SeesOpen('(') && !Now().space_before && (function || short_call) &&
      Now(1).token != Token::kPmod) {
    const MathNode* arguments = Group();
    if (!arguments) return nullptr;
    MathNode* call = arguments->Is(Kind::kGroup) ? tree_.Make(Kind::kApply, arguments->children)
                                                 : tree_.Make(Kind::kApply, {arguments});
    call->name = tree_.Keep(name);
    return call;
  }
  return tree_.Named(Kind::kSymbol, tree_.Keep(name));
}

const MathNode* MathParser::Letters() {
  Lexeme& lexeme = tokens_[at_];
  const std::string_view run = lexeme.text;
  if (!lexeme.split && run.size() > 1) {
    if (const MathNode* based = InBase()) return based;
  }
  const bool variables =
      options_.variables && !options_.variables->empty() && options_.variables->HasAll(run);
  if (run.size() > 1 && !lexeme.split && !variables) {
    if (const MathCommand* command = FindPlainWord(run)) {
      if (command->token == Token::kPercentSign || command->token == Token::kPmod) return nullptr;
      lexeme.token = command->token;
      lexeme.function = command->function;
      lexeme.text = command->text.empty() ? run : command->text;
      return Primary();
    }
    if (IsAnd(run) || IsOr(run) || IsCondition(run) || IsProse(run)) return nullptr;
    if (const MathNode* amount = CurrencyBefore()) return amount;
    if (const std::string_view function = GluedFunction(run); !function.empty()) {
      const MathCommand* command = FindPlainWord(function);
      lexeme.text.remove_prefix(function.size());
      lexeme.split = true;
      if (command->token == Token::kRootSign) return Root(false);
      const MathNode* argument = CallArgument();
      if (!argument) return nullptr;
      return command->function == Function::kLog
                 ? tree_.Call(Function::kLog, {argument, tree_.Number(10)})
                 : tree_.Call(command->function, {argument});
    }
    if (run.size() > 3) return Words();
  }
  const unsigned char first = static_cast<unsigned char>(run[0]);
  if (first >= 0x80) return Words();
  if (run.size() > 1) {
    lexeme.text.remove_prefix(1);
    lexeme.space_before = false;
    lexeme.split = true;
    // A subscript or bracket behind the run belongs to its last letter.
    if (run[0] == 'e') return tree_.Named(Kind::kConstant, "e");
    if (run[0] == 'i' && !index_i_) return tree_.Named(Kind::kConstant, "i");
    return tree_.Named(Kind::kSymbol, run.substr(0, 1));
  }
  ++at_;
  if (!Sees(Token::kSubscript)) {
    if (run[0] == 'e') return tree_.Named(Kind::kConstant, "e");
    if (run[0] == 'i' && !index_i_) return tree_.Named(Kind::kConstant, "i");
  }
  return Name(std::string(run));
}

// Words where a value could stand: the name of a quantity, or words for a set.
const MathNode* MathParser::Words() {
  if (const MathCommand* command = FindPlainWord(Now().text);
      command && Now().token == Token::kWord) {
    tokens_[at_].token = Token::kLetters;
    return Letters();
  }
  if (const MathNode* amount = CurrencyBefore()) return amount;
  std::string words;
  while ((SeesRun() && !Now().split && (Now().token == Token::kWord || Now().text.size() > 1)) ||
         Sees(Token::kPrime)) {
    if (IsAnd(Now().text) || IsOr(Now().text) || IsCondition(Now().text)) break;
    if (!words.empty()) words += ' ';
    words += Now().text;
    ++at_;
  }
  if (words.empty()) return nullptr;
  const std::string canonical = CanonicalWords(words);
  if (words == "e" || words == "i") return tree_.Named(Kind::kConstant, words == "e" ? "e" : "i");
  if (canonical.find(' ') == std::string::npos && words.size() <= 2) return Name(words);
  MathNode* text = tree_.Named(Kind::kText, tree_.Keep(canonical));
  text->symbolic = true;
  if (Sees(Token::kSubscript)) {
    text->name = tree_.Keep(canonical + "_" + Subscript());
  }
  if (SeesOpen('(')) {
    const MathNode* argument = Group();
    if (!argument) return nullptr;
    MathNode* call = tree_.Make(Kind::kApply, {argument});
    call->name = text->name;
    return call;
  }
  return text;
}

// \overline{AB}, \angle ABC: names.
const MathNode* MathParser::Marked() {
  std::string name;
  const bool line = Sees(Token::kOverline);
  ++at_;
  if (line) {
    --at_;
    name = Subscript();
  } else {
    while ((Sees(Token::kLetters) || Sees(Token::kSymbol) || Sees(Token::kNumber)) &&
           name.size() < 12) {
      name += Now().text;
      ++at_;
    }
  }
  if (name.empty()) return nullptr;
  return Name(std::move(name));
}

}  // namespace cogent
