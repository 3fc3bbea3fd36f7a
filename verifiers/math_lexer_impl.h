// The lexer, a method for each kind of sign. Included by math_lexer*.cc only.
//
//   Lexer(text, options, tree).Run()
//
// Thread rule: one lexer, one thread.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "verifiers/math_commands.h"
#include "verifiers/math_lexer.h"

namespace cogent {

// Reads one text; `at_` moves from its beginning to its end and never back.
class Lexer {
 public:
  Lexer(std::string_view text, const LexOptions& options, MathTree& tree)
      : text_(text),
        options_(options),
        tree_(tree),
        lexed_{std::pmr::vector<Lexeme>(tree.memory())} {
    lexed_.tokens.reserve(std::min<std::size_t>(text.size() / 2 + 8, 256));
  }

  Lexed Run() {
    while (at_ < text_.size() && !lexed_.too_long) {
      Step();
      lexed_.too_long = lexed_.tokens.size() > kMaxTokens;
    }
    Add(Token::kEnd);
    return std::move(lexed_);
  }

 private:
  char Peek(std::size_t offset = 0) const {
    return at_ + offset < text_.size() ? text_[at_ + offset] : '\0';
  }
  bool Starts(std::string_view word) const { return text_.substr(at_).starts_with(word); }

  Lexeme& Add(Token token, std::string_view text = {}) {
    Lexeme lexeme;
    lexeme.token = token;
    lexeme.text = text;
    lexeme.space_before = space_;
    space_ = false;
    lexed_.tokens.push_back(lexeme);
    return lexed_.tokens.back();
  }
  // The last token, unless white space stands between.
  const Lexeme* Touching() const {
    return space_ || lexed_.tokens.empty() ? nullptr : &lexed_.tokens.back();
  }
  void SkipSpaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || (text_[at_] >= '\t' && text_[at_] <= '\r')))
      ++at_;
  }
  bool InText() const { return !text_depths_.empty(); }

  // math_lexer.cc: signs, letters, numbers.
  void Step();
  void Letters();
  void Sign(char c);
  void Relate(Relation relation);
  void CloseBrace();
  void Prime();
  void Star();
  void Caret();
  void Dollar();
  void Number();

  // math_lexer_commands.cc: what begins with a backslash.
  void Backslash();
  std::string_view CommandAhead() const;
  bool KnownAhead() const;
  void Command();
  void Obey(const MathCommand& command, std::string_view name);
  std::string_view Argument();
  void SkipArgument();
  void OpenText();
  void Roman();
  void Blackboard();
  void OperatorName();
  void Environment(bool begin);

  std::string_view text_;
  LexOptions options_;
  MathTree& tree_;
  Lexed lexed_;
  std::size_t at_ = 0;
  bool space_ = false;
  int depth_ = 0;                 // of braces
  int brackets_ = 0;              // of ( [ \{
  int environments_ = 0;          // \begin without its \end
  std::vector<int> text_depths_;  // braces that belong to a \text
  std::optional<std::size_t> last_dollar_;
  bool dollar_open_ = false;
};

}  // namespace cogent
