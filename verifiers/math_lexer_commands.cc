// What begins with a backslash.
#include <algorithm>

#include "core/ascii.h"
#include "verifiers/math_lexer_impl.h"

namespace cogent {
void Lexer::Backslash() {
  ++at_;
  const char c = Peek();
  if (IsAsciiLetter(c)) {
    Command();
    return;
  }
  if (at_ < text_.size()) ++at_;
  switch (c) {
    case '\0':
      space_ = true;
      return;  // a lone one at the end
    case '\\':
      if (environments_ == 0 && IsAsciiLetter(Peek()) && KnownAhead()) {
        Command();  // a backslash that was escaped
      } else if (environments_ == 0 &&
                 (Peek() == '(' || Peek() == ')' || Peek() == '[' || Peek() == ']')) {
        ++at_;
        space_ = true;
      } else {
        Add(Token::kNextRow);
      }
      return;
    case '$':
      Add(Token::kCurrencySign, "$");
      return;
    case '%':
      Add(Token::kPercentSign);
      return;
    case '{':
      ++brackets_;
      Add(Token::kOpen).symbol = 'S';
      return;
    case '}':
      --brackets_;
      Add(Token::kClose).symbol = 'S';
      return;
    case '|':
      Add(Token::kBar);
      return;
    case '_':
    case '&':
    case '#':
    case '(':
    case ')':
    case '[':
    case ']':
    case ',':
    case ';':
    case ':':
    case '!':
    case '>':
    case ' ':
    case '\n':
    case '\t':
      space_ = true;
      return;
    default:
      Add(Token::kBad);
      return;
  }
}

std::string_view Lexer::CommandAhead() const {
  std::size_t end = at_;
  while (end < text_.size() && IsAsciiLetter(text_[end])) ++end;
  return text_.substr(at_, end - at_);
}

bool Lexer::KnownAhead() const { return FindCommand(CommandAhead()) != nullptr; }

void Lexer::Command() {
  std::string_view name = CommandAhead();
  const MathCommand* command = FindCommand(name);
  // \quadx: the longest beginning that is known.
  for (std::size_t length = std::min<std::size_t>(name.size(), 16); !command && length >= 2;
       --length) {
    command = FindCommand(name.substr(0, length));
    if (command) name = name.substr(0, length);
  }
  at_ += name.size();
  if (!command) {
    Add(Token::kSymbol, name);
    return;
  }
  Obey(*command, name);
}

void Lexer::Obey(const MathCommand& command, std::string_view name) {
  switch (command.effect) {
    case MathCommand::kToken: {
      if (command.token == Token::kOpen) ++brackets_;
      if (command.token == Token::kClose) --brackets_;
      Lexeme& lexeme = Add(command.token, command.text.empty() ? name : command.text);
      lexeme.function = command.function;
      lexeme.relation = command.relation;
      lexeme.symbol = command.symbol;
      return;
    }
    case MathCommand::kNothing:
      space_ = space_ || name != "left";
      return;
    case MathCommand::kDelimiter:  // \left. has nothing to show
      SkipSpaces();
      if (Peek() == '.') ++at_;
      return;
    case MathCommand::kSkipArgument:
      SkipArgument();
      space_ = true;
      return;
    case MathCommand::kText:
      OpenText();
      return;
    case MathCommand::kRoman:
      Roman();
      return;
    case MathCommand::kBlackboard:
      Blackboard();
      return;
    case MathCommand::kOperatorName:
      OperatorName();
      return;
    case MathCommand::kBegin:
      Environment(true);
      return;
    case MathCommand::kEnd:
      Environment(false);
      return;
  }
}

std::string_view Lexer::Argument() {
  SkipSpaces();
  if (Peek() == '*') ++at_;
  SkipSpaces();
  if (Peek() != '{') {
    const std::size_t begin = at_;
    if (at_ < text_.size()) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  const std::size_t begin = ++at_;
  while (at_ < text_.size() && text_[at_] != '}') ++at_;
  const std::string_view argument = text_.substr(begin, at_ - begin);
  if (at_ < text_.size()) ++at_;
  return argument;
}

void Lexer::SkipArgument() {
  SkipSpaces();
  if (Peek() == '[') {
    while (at_ < text_.size() && text_[at_] != ']') ++at_;
    if (at_ < text_.size()) ++at_;
  }
  if (Peek() == '{') Argument();
}

void Lexer::OpenText() {
  SkipSpaces();
  if (Peek() != '{') return;
  ++at_;
  text_depths_.push_back(++depth_);
  space_ = true;
}

// \mathrm{cm} is a word, \mathrm{e} and \mathrm{d} are the letters.
void Lexer::Roman() {
  SkipSpaces();
  if (Peek() != '{') return;
  if (IsAsciiLetter(Peek(1)) && Peek(2) == '}' &&
      (Peek(1) == 'e' || Peek(1) == 'i' || Peek(1) == 'd')) {
    Add(Token::kLetters, text_.substr(at_ + 1, 1));
    at_ += 3;
    return;
  }
  OpenText();
}

void Lexer::Blackboard() {
  const std::string_view letter = Argument();
  if (letter.size() == 1 && std::string_view("RQZNC").find(letter[0]) != std::string_view::npos) {
    Add(Token::kNamedSet, letter);
  } else {
    Add(Token::kLetters, letter);
  }
}

void Lexer::OperatorName() {
  const std::string_view name = Argument();
  const MathCommand* command = FindCommand(name);
  if (command && command->effect == MathCommand::kToken) {
    Obey(*command, name);
  } else if (!name.empty() && std::all_of(name.begin(), name.end(), IsLetter)) {
    Add(Token::kWord, name);
  } else {
    Add(Token::kBad);
  }
}

void Lexer::Environment(bool begin) {
  std::string_view name = Argument();
  if (!name.empty() && name.back() == '*') name.remove_suffix(1);
  environments_ += begin ? 1 : -1;
  if (begin && name == "array") SkipArgument();
  Add(begin ? Token::kBegin : Token::kEnvironmentEnd, name);
}

}  // namespace cogent
