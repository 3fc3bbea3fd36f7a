#include "verifiers/math_parser.h"

#include <algorithm>
#include <optional>
#include <string>

#include "verifiers/math_commands.h"
#include "verifiers/math_parser_impl.h"
#include "verifiers/math_words.h"

namespace cogent {
namespace {

bool IsMatrix(std::string_view environment) {
  return environment == "matrix" || environment == "pmatrix" || environment == "bmatrix" ||
         environment == "vmatrix" || environment == "Bmatrix" || environment == "Vmatrix" ||
         environment == "smallmatrix" || environment == "array" || environment == "cases";
}

// Environments that only align lines: their lines become a list.
void ForgetAlignment(std::pmr::vector<Lexeme>& tokens) {
  int matrices = 0;
  std::size_t kept = 0;
  for (Lexeme& token : tokens) {
    if (token.token == Token::kBegin || token.token == Token::kEnvironmentEnd) {
      if (!IsMatrix(token.text)) continue;
      matrices += token.token == Token::kBegin ? 1 : -1;
    } else if (matrices <= 0 && token.token == Token::kNextCell) {
      continue;
    } else if (matrices <= 0 && token.token == Token::kNextRow) {
      token.token = Token::kSoftComma;
    }
    tokens[kept++] = token;
  }
  tokens.resize(kept);
}

bool IsSoft(Token token) {
  return token == Token::kDot || token == Token::kSoftComma || token == Token::kComma ||
         token == Token::kSemicolon;
}

// A sentence's full stop, commas and line ends at the end of an answer.
void ForgetTrailingStops(std::pmr::vector<Lexeme>& tokens) {
  while (tokens.size() >= 2 && IsSoft(tokens[tokens.size() - 2].token)) {
    tokens.erase(tokens.end() - 2);
  }
}

// The tokens as text: what words and unreadable answers are compared by.
std::string Spelled(const std::pmr::vector<Lexeme>& tokens) {
  std::string text;
  bool after_word = false;
  for (const Lexeme& token : tokens) {
    const bool word = token.token == Token::kWord || token.token == Token::kLetters;
    if (word && after_word) text += ' ';
    after_word = word;
    AppendSpelling(token, text);
  }
  return text;
}

// Nothing but words, of which one at least is longer than a product of letters.
bool OnlyWords(const std::pmr::vector<Lexeme>& tokens, const LetterSet* variables) {
  bool word = false;
  std::size_t runs = 0;
  for (const Lexeme& token : tokens) {
    switch (token.token) {
      case Token::kWord:
        word = true;
        ++runs;
        break;
      case Token::kLetters:
        ++runs;
        if (token.text.size() >= 2 && !FindPlainWord(token.text) &&
            GluedFunction(token.text).empty() && !(variables && variables->HasAll(token.text))) {
          word = true;
        }
        break;
      case Token::kDot:
      case Token::kComma:
      case Token::kEnd:
      case Token::kPrime:
      case Token::kMinus:
        break;
      default:
        return false;
    }
  }
  if (!word) return false;
  if (runs > 1) {
    // Words joined by "and" or "or" are a list of words, which reads the same; "x or y" is no
    // words.
    return std::any_of(tokens.begin(), tokens.end(), [](const Lexeme& t) {
      return (t.token == Token::kWord || t.token == Token::kLetters) && t.text.size() > 1 &&
             !IsOr(t.text) && !IsAnd(t.text);
    });
  }
  const Lexeme& only =
      *std::find_if(tokens.begin(), tokens.end(), [](const Lexeme& t) { return !t.text.empty(); });
  if (only.token == Token::kWord) return only.text.size() > 1 && !FindPlainWord(only.text);
  const std::string canonical = CanonicalWords(only.text);
  return only.text.size() > 3 || canonical == "yes" || canonical == "no" || canonical == "odd" ||
         canonical == "one" || canonical == "two" || canonical == "six" || canonical == "ten" ||
         canonical == "undefined";
}

void Collect(const MathNode& node, LetterSet& letters, int& budget) {
  if (--budget < 0) return;
  if (node.Is(Kind::kSymbol) && !node.name.empty()) letters.Insert(node.name[0]);
  if (node.Is(Kind::kApply)) letters.Insert(node.name[0]);
  for (const MathNode* child : node.children) Collect(*child, letters, budget);
}

}  // namespace

void AppendSpelling(const Lexeme& lexeme, std::string& text) {
  switch (lexeme.token) {
    case Token::kEnd:
      return;
    case Token::kRelation:
      text += static_cast<char>(lexeme.relation);
      return;
    case Token::kPlus:
      text += '+';
      return;
    case Token::kMinus:
      text += '-';
      return;
    case Token::kComma:
      text += ',';
      return;
    default:
      break;
  }
  if (!lexeme.text.empty()) {
    text += lexeme.text;
  } else if (lexeme.symbol != 0) {
    text += lexeme.symbol;
  } else {
    // A sign without a spelling of its own: any that no other token has.
    text += '\x02';
    text += static_cast<char>('A' + static_cast<int>(lexeme.token));
  }
}

bool LetterSet::HasAll(std::string_view letters) const {
  return std::all_of(letters.begin(), letters.end(), [this](char c) { return Has(c); });
}

LetterSet VariablesOf(const MathNode& node) {
  LetterSet letters;
  int budget = 2000;
  Collect(node, letters, budget);
  return letters;
}

ParsedMath ParseMath(std::string_view text, const ParseOptions& options, MathTree& tree) {
  ParsedMath parsed;
  Lexed lexed = Lex(text, {options.commas_in_numbers}, tree);
  parsed.ambiguous_comma = lexed.ambiguous_comma;
  if (!lexed.bad_encoding && !lexed.too_long) {
    ForgetAlignment(lexed.tokens);
    ForgetTrailingStops(lexed.tokens);
    parsed.words = OnlyWords(lexed.tokens, options.variables);
    if (!parsed.words) {
      parsed.node = MathParser(lexed.tokens, options, tree).Run();
      parsed.math = parsed.node != nullptr;
    }
  }
  if (!parsed.node) {
    const bool whole = !lexed.bad_encoding && !lexed.too_long;
    parsed.node = tree.Named(Kind::kText, whole ? tree.Keep(Spelled(lexed.tokens)) : text);
  }
  return parsed;
}

}  // namespace cogent
