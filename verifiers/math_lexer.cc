#include "verifiers/math_lexer.h"

#include <algorithm>
#include <optional>

#include "core/ascii.h"
#include "verifiers/math_lexer_impl.h"
#include "verifiers/math_numerals.h"
#include "verifiers/math_unicode.h"

namespace cogent {
void Lexer::Step() {
  const char c = text_[at_];
  if (IsSpace(c)) {
    space_ = true;
    ++at_;
  } else if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) {
    Number();
  } else if (IsLetter(c)) {
    Letters();
  } else if (c == '\\') {
    Backslash();
  } else {
    Sign(c);
  }
}

void Lexer::Letters() {
  const std::size_t begin = at_;
  while (at_ < text_.size() && IsLetter(text_[at_])) ++at_;
  const std::string_view run = text_.substr(begin, at_ - begin);
  if (static_cast<unsigned char>(run[0]) >= 0x80 && FindCurrency(run)) {
    Add(Token::kCurrencySign, run);
    return;
  }
  const Lexeme* before = Touching();
  const bool hexadecimal = before && before->text == "0" && IsDigit(Peek());  // 0x10
  if ((run == "x" || run == "X") && !hexadecimal && !lexed_.tokens.empty() &&
      lexed_.tokens.back().token == Token::kNumber &&
      (IsDigit(Peek()) || (Peek() == ' ' && IsDigit(Peek(1))))) {
    Add(Token::kTimes);  // 1.5 x 10^3
    return;
  }
  if (run == "mod") {
    Add(Token::kPmod, run);
    return;
  }
  if (before && before->token == Token::kNumber && !before->decimal &&
      (run == "st" || run == "nd" || run == "rd" || run == "th")) {
    return;  // an ordinal number is a number
  }
  Add(InText() ? Token::kWord : Token::kLetters, run);
}

void Lexer::Sign(char c) {
  ++at_;
  switch (c) {
    case '+':
      if (Starts("/-") || Starts("-")) {
        at_ += Peek() == '/' ? 2 : 1;
        Add(Token::kPlusMinus);
      } else {
        Add(Token::kPlus);
      }
      return;
    case '-':
      if (Peek() == '>') {
        ++at_;
        Relate(Relation::kOther);
      } else {
        Add(Token::kMinus);
      }
      return;
    case '*':
      Star();
      return;
    case '/':
      Add(Token::kDivide);
      return;
    case '^':
      Caret();
      return;
    case '_':
      Add(Peek() == '_' ? Token::kBad : Token::kSubscript);
      return;
    case '!':
      if (Peek() == '=') {
        ++at_;
        Relate(Relation::kNotEqual);
      } else {
        Add(Token::kFactorialSign);
      }
      return;
    case '%':
      Add(Token::kPercentSign);
      return;
    case '\'':
      Prime();
      return;
    case ',':
      Add(Token::kComma);
      return;
    case ';':
      Add(Token::kSemicolon);
      return;
    case ':':
      if (Peek() == '=') {
        ++at_;
        Relate(Relation::kEqual);
      } else {
        Add(Token::kColon);
      }
      return;
    case '=':
      if (Peek() == '>') {
        ++at_;
        Relate(Relation::kOther);
      } else {
        if (Peek() == '=') ++at_;
        Relate(Relation::kEqual);
      }
      return;
    case '<':
    case '>': {
      const bool equal = Peek() == '=';
      if (equal) ++at_;
      Relate(c == '<' ? (equal ? Relation::kAtMost : Relation::kLess)
                      : (equal ? Relation::kAtLeast : Relation::kGreater));
      return;
    }
    case '(':
    case '[':
      ++brackets_;
      Add(Token::kOpen).symbol = c;
      return;
    case ')':
    case ']':
      --brackets_;
      Add(Token::kClose).symbol = c;
      return;
    case '{':
      ++depth_;
      Add(Token::kOpen).symbol = c;
      return;
    case '}':
      CloseBrace();
      return;
    case '|':
      if (Peek() == '|') ++at_;
      Add(Token::kBar);
      return;
    case '&':
      Add(Token::kNextCell);
      return;
    case '$':
      Dollar();
      return;
    case '.':
      if (Starts("..")) {
        while (Peek() == '.') ++at_;
        Add(Token::kEllipsis);
      } else {
        Add(Token::kDot);
      }
      return;
    case '~':
    case '`':
    case '#':
    case '"':
      space_ = true;
      return;
    default:
      Add(Token::kBad);
      return;
  }
}

void Lexer::Relate(Relation relation) { Add(Token::kRelation).relation = relation; }

void Lexer::CloseBrace() {
  if (InText() && text_depths_.back() == depth_) {
    text_depths_.pop_back();
    --depth_;
    space_ = true;
    return;
  }
  --depth_;
  Add(Token::kClose).symbol = '}';
}

// A prime behind a name, minutes behind degrees; a quotation mark elsewhere.
void Lexer::Prime() {
  const Lexeme* before = Touching();
  if (before && (before->token == Token::kLetters || before->token == Token::kSymbol ||
                 before->token == Token::kPrime || before->token == Token::kClose)) {
    Add(Token::kPrime);
  } else {
    space_ = true;
  }
}

// Once a product; twice a power between operands, markdown's bold elsewhere.
void Lexer::Star() {
  const bool twice = Peek() == '*';
  if (twice) ++at_;
  const Lexeme* before = lexed_.tokens.empty() ? nullptr : &lexed_.tokens.back();
  const bool operand =
      before && (before->token == Token::kNumber || before->token == Token::kLetters ||
                 before->token == Token::kClose || before->token == Token::kSymbol ||
                 before->token == Token::kConstant || before->token == Token::kFactorialSign);
  const char next = Peek();
  const bool more =
      IsDigit(next) || IsLetter(next) || next == '(' || next == '\\' || next == '-' || next == '{';
  if (before && before->token == Token::kPower && !twice) {
    Add(Token::kSymbol, "*");  // x^*
  } else if (twice) {
    if (operand && more) {
      Add(Token::kPower);
    } else {
      space_ = true;
    }
  } else if (operand && (more || IsSpace(next))) {
    Add(Token::kTimes);
  } else {
    space_ = true;
  }
}

void Lexer::Caret() {
  SkipSpaces();
  for (const std::string_view degree :
       {"\\circ", "{\\circ}", "{\\circ }", "\\degree", "o ", "{o}"}) {
    if (!Starts(degree)) continue;
    if (degree == "o " && !(Touching() && Touching()->token == Token::kNumber)) continue;
    at_ += degree.size();
    Add(Token::kDegreeSign);
    return;
  }
  Add(Token::kPower);
}

// A dollar before a number and without a partner is money; others only mark formulas.
void Lexer::Dollar() {
  std::size_t next = at_;
  while (next < text_.size() && text_[next] == ' ') ++next;
  const bool number = next < text_.size() && (IsDigit(text_[next]) || text_[next] == '.');
  if (number && !last_dollar_) {
    last_dollar_ = text_.rfind('$');
    while (*last_dollar_ != std::string_view::npos && *last_dollar_ > 0 &&
           text_[*last_dollar_ - 1] == '\\') {
      last_dollar_ = text_.rfind('$', *last_dollar_ - 1);
    }
  }
  const bool closed = !number || *last_dollar_ >= at_;
  dollar_open_ = !dollar_open_;
  if (number && dollar_open_ && !closed) {
    Add(Token::kCurrencySign, "$");
  } else {
    space_ = true;
  }
}

void Lexer::Number() {
  const bool after_comma = !lexed_.tokens.empty() && lexed_.tokens.back().token == Token::kComma;
  const bool separates = !options_.commas_in_numbers;
  const Numeral numeral = ReadNumeral(text_, at_, {separates, brackets_ > 0 || after_comma}, tree_);
  at_ = numeral.end;
  lexed_.ambiguous_comma = lexed_.ambiguous_comma || numeral.ambiguous_comma;
  Lexeme& lexeme = Add(Token::kNumber, numeral.digits);
  lexeme.decimal = numeral.decimal;
  lexeme.repeating = numeral.repeating;
  lexeme.exponent = numeral.exponent;
}

Lexed Lex(std::string_view text, const LexOptions& options, MathTree& tree) {
  if (IsAscii(text)) return Lexer(text, options, tree).Run();
  const Plain plain = PlainMath(text);
  Lexed lexed = Lexer(tree.Keep(plain.text), options, tree).Run();
  lexed.bad_encoding = !plain.valid;
  return lexed;
}

}  // namespace cogent
