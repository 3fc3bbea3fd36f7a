#include "verifiers/math_lexer.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "verifiers/math_commands.h"
#include "verifiers/math_unicode.h"

namespace cogent {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAsciiLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsLetter(char c) { return IsAsciiLetter(c) || static_cast<unsigned char>(c) >= 0x80; }
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Digits behind the first separator; more are no number, so that a long list costs its length.
constexpr std::size_t kMaxGrouped = 300;

// Reads one text; `at_` moves from its beginning to its end and never back.
class Lexer {
 public:
  Lexer(std::string_view text, const LexOptions& options, MathTree& tree)
      : text_(text), options_(options), tree_(tree), lexed_{std::pmr::vector<Lexeme>(tree.memory())} {
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
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  bool InText() const { return !text_depths_.empty(); }

  void Step() {
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

  void Letters() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && IsLetter(text_[at_])) ++at_;
    const std::string_view run = text_.substr(begin, at_ - begin);
    if (static_cast<unsigned char>(run[0]) >= 0x80 && FindCurrency(run)) {
      Add(Token::kCurrencySign, run);
      return;
    }
    const Lexeme* before = Touching();
    if ((run == "x" || run == "X") && !lexed_.tokens.empty() && lexed_.tokens.back().token == Token::kNumber &&
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

  void Sign(char c) {
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
      case '*': Star(); return;
      case '/': Add(Token::kDivide); return;
      case '^': Caret(); return;
      case '_': Add(Peek() == '_' ? Token::kBad : Token::kSubscript); return;
      case '!':
        if (Peek() == '=') {
          ++at_;
          Relate(Relation::kNotEqual);
        } else {
          Add(Token::kFactorialSign);
        }
        return;
      case '%': Add(Token::kPercentSign); return;
      case '\'': Prime(); return;
      case ',': Add(Token::kComma); return;
      case ';': Add(Token::kSemicolon); return;
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
      case '}': CloseBrace(); return;
      case '|':
        if (Peek() == '|') ++at_;
        Add(Token::kBar);
        return;
      case '&': Add(Token::kNextCell); return;
      case '$': Dollar(); return;
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
      case '"': space_ = true; return;
      default: Add(Token::kBad); return;
    }
  }

  void Relate(Relation relation) { Add(Token::kRelation).relation = relation; }

  void CloseBrace() {
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
  void Prime() {
    const Lexeme* before = Touching();
    if (before && (before->token == Token::kLetters || before->token == Token::kSymbol ||
                   before->token == Token::kPrime || before->token == Token::kClose)) {
      Add(Token::kPrime);
    } else {
      space_ = true;
    }
  }

  // Once a product; twice a power between operands, markdown's bold elsewhere.
  void Star() {
    const bool twice = Peek() == '*';
    if (twice) ++at_;
    const Lexeme* before = lexed_.tokens.empty() ? nullptr : &lexed_.tokens.back();
    const bool operand = before && (before->token == Token::kNumber || before->token == Token::kLetters ||
                                    before->token == Token::kClose || before->token == Token::kSymbol ||
                                    before->token == Token::kConstant ||
                                    before->token == Token::kFactorialSign);
    const char next = Peek();
    const bool more = IsDigit(next) || IsLetter(next) || next == '(' || next == '\\' || next == '-' || next == '{';
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

  void Caret() {
    SkipSpaces();
    for (const std::string_view degree : {"\\circ", "{\\circ}", "{\\circ }", "\\degree", "o ", "{o}"}) {
      if (!Starts(degree)) continue;
      if (degree == "o " && !(Touching() && Touching()->token == Token::kNumber)) continue;
      at_ += degree.size();
      Add(Token::kDegreeSign);
      return;
    }
    Add(Token::kPower);
  }

  // A dollar before a number and without a partner is money; others only mark formulas.
  void Dollar() {
    std::size_t next = at_;
    while (next < text_.size() && text_[next] == ' ') ++next;
    const bool number = next < text_.size() && (IsDigit(text_[next]) || text_[next] == '.');
    if (number && !last_dollar_) {
      last_dollar_ = text_.rfind('$');
      while (*last_dollar_ != std::string_view::npos && *last_dollar_ > 0 && text_[*last_dollar_ - 1] == '\\') {
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

  void Backslash() {
    ++at_;
    const char c = Peek();
    if (IsAsciiLetter(c)) {
      Command();
      return;
    }
    if (at_ < text_.size()) ++at_;
    switch (c) {
      case '\0': space_ = true; return;  // a lone one at the end
      case '\\':
        if (environments_ == 0 && IsAsciiLetter(Peek()) && KnownAhead()) {
          Command();  // a backslash that was escaped
        } else if (environments_ == 0 && (Peek() == '(' || Peek() == ')' || Peek() == '[' || Peek() == ']')) {
          ++at_;
          space_ = true;
        } else {
          Add(Token::kNextRow);
        }
        return;
      case '$': Add(Token::kCurrencySign, "$"); return;
      case '%': Add(Token::kPercentSign); return;
      case '{':
        ++brackets_;
        Add(Token::kOpen).symbol = 'S';
        return;
      case '}':
        --brackets_;
        Add(Token::kClose).symbol = 'S';
        return;
      case '|': Add(Token::kBar); return;
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
      case '\t': space_ = true; return;
      default: Add(Token::kBad); return;
    }
  }

  std::string_view CommandAhead() const {
    std::size_t end = at_;
    while (end < text_.size() && IsAsciiLetter(text_[end])) ++end;
    return text_.substr(at_, end - at_);
  }
  bool KnownAhead() const { return FindCommand(CommandAhead()) != nullptr; }

  void Command() {
    std::string_view name = CommandAhead();
    const MathCommand* command = FindCommand(name);
    // \quadx: the longest beginning that is known.
    for (std::size_t length = std::min<std::size_t>(name.size(), 16); !command && length >= 2; --length) {
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

  void Obey(const MathCommand& command, std::string_view name) {
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
      case MathCommand::kText: OpenText(); return;
      case MathCommand::kRoman: Roman(); return;
      case MathCommand::kBlackboard: Blackboard(); return;
      case MathCommand::kOperatorName: OperatorName(); return;
      case MathCommand::kBegin: Environment(true); return;
      case MathCommand::kEnd: Environment(false); return;
    }
  }

  std::string_view Argument() {
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
  void SkipArgument() {
    SkipSpaces();
    if (Peek() == '[') {
      while (at_ < text_.size() && text_[at_] != ']') ++at_;
      if (at_ < text_.size()) ++at_;
    }
    if (Peek() == '{') Argument();
  }
  void OpenText() {
    SkipSpaces();
    if (Peek() != '{') return;
    ++at_;
    text_depths_.push_back(++depth_);
    space_ = true;
  }
  // \mathrm{cm} is a word, \mathrm{e} and \mathrm{d} are the letters.
  void Roman() {
    SkipSpaces();
    if (Peek() != '{') return;
    if (IsAsciiLetter(Peek(1)) && Peek(2) == '}' && (Peek(1) == 'e' || Peek(1) == 'i' || Peek(1) == 'd')) {
      Add(Token::kLetters, text_.substr(at_ + 1, 1));
      at_ += 3;
      return;
    }
    OpenText();
  }
  void Blackboard() {
    const std::string_view letter = Argument();
    if (letter.size() == 1 && std::string_view("RQZNC").find(letter[0]) != std::string_view::npos) {
      Add(Token::kNamedSet, letter);
    } else {
      Add(Token::kLetters, letter);
    }
  }
  void OperatorName() {
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
  void Environment(bool begin) {
    std::string_view name = Argument();
    if (!name.empty() && name.back() == '*') name.remove_suffix(1);
    environments_ += begin ? 1 : -1;
    if (begin && name == "array") SkipArgument();
    Add(begin ? Token::kBegin : Token::kEnvironmentEnd, name);
  }

  // --- Numbers ---------------------------------------------------------------------------------

  std::size_t DigitsFrom(std::size_t at) const {
    std::size_t end = at;
    while (end < text_.size() && IsDigit(text_[end])) ++end;
    return end - at;
  }
  // The length of a thousands separator at `at`; 0 when there is none.
  std::size_t SeparatorAt(std::size_t at) const {
    const std::string_view rest = text_.substr(at);
    for (const std::string_view separator :
         {"{,}", ",\\! ", ",\\!", ",\\, ", ",\\,", "\\, ", "\\,", "\\ ", "\\;", "\\:", "\\!", ",", " ", "~", "_", "'"}) {
      if (rest.starts_with(separator)) return separator.size();
    }
    return 0;
  }

  // Digits in groups of three: appends the digits and moves on. False when these are no thousands.
  bool Thousands(std::string& digits) {
    if (digits.size() > 3) return false;
    const std::size_t length = SeparatorAt(at_);
    if (length == 0 || DigitsFrom(at_ + length) != 3) return false;
    const std::string_view separator = text_.substr(at_, length);
    std::size_t end = at_;
    std::string more;
    while (more.size() < kMaxGrouped && text_.substr(end).starts_with(separator) && DigitsFrom(end + length) == 3) {
      more += text_.substr(end + length, 3);
      end += length + 3;
    }
    const bool comma = separator[0] == ',';
    // 1,234,5 is a list of three.
    if (comma && end + 1 < text_.size() && text_[end] == ',' && IsDigit(text_[end + 1])) return false;
    // 101 110/7 is a mixed number, 2 345x no number.
    if (separator == " " && end < text_.size() && (text_[end] == '/' || IsLetter(text_[end]))) return false;
    if (comma) {
      lexed_.ambiguous_comma = true;
      if (!options_.commas_in_numbers) return false;
    }
    digits += more;
    at_ = end;
    return true;
  }

  void Number() {
    const std::size_t begin = at_;
    std::string digits;
    const std::size_t whole = DigitsFrom(at_);
    digits = text_.substr(at_, whole);
    at_ += whole;
    bool clean = true;  // the token's text is a piece of the input
    if (whole > 0 && Thousands(digits)) clean = false;
    bool decimal = false;
    if (Peek() == '.' && (IsDigit(Peek(1)) || RepeatsAt(at_ + 1))) {
      const std::size_t length = DigitsFrom(at_ + 1);
      (digits += '.') += text_.substr(at_ + 1, length);
      at_ += 1 + length;
      decimal = true;
    } else if (const std::size_t comma = DecimalComma(clean)) {
      const std::size_t length = DigitsFrom(at_ + comma);
      (digits += '.') += text_.substr(at_ + comma, length);
      at_ += comma + length;
      decimal = true;
      clean = false;
    }
    const std::string_view written = clean ? text_.substr(begin, at_ - begin) : tree_.Keep(digits);
    Lexeme lexeme;
    lexeme.text = written;
    lexeme.decimal = decimal;
    if (decimal) lexeme.repeating = Repeating(written);
    if (lexeme.repeating.empty()) lexeme.exponent = Exponent();
    Lexeme& added = Add(Token::kNumber, written);
    added.decimal = decimal;
    added.repeating = lexeme.repeating;
    added.exponent = lexeme.exponent;
    if (decimal && added.repeating.empty()) Continue(added);
  }

  // The length of a decimal comma here; 0 for a comma that separates.
  std::size_t DecimalComma(bool plain) {
    if (Starts("{,}") && IsDigit(Peek(3))) return 3;
    if (!plain || Peek() != ',' || !IsDigit(Peek(1)) || brackets_ > 0) return 0;
    const std::size_t end = at_ + 1 + DigitsFrom(at_ + 1);
    if (end + 1 < text_.size() && text_[end] == ',' && (IsDigit(text_[end + 1]) || text_[end + 1] == ' ')) return 0;
    if (!lexed_.tokens.empty() && lexed_.tokens.back().token == Token::kComma) return 0;
    lexed_.ambiguous_comma = true;
    return options_.commas_in_numbers ? 1 : 0;
  }

  // 0.(3), 0.\overline{3}, 0.\dot{3}: what repeats begins here.
  bool RepeatsAt(std::size_t at) const {
    const std::string_view rest = text_.substr(at);
    if (rest.starts_with("\\overline") || rest.starts_with("\\bar") || rest.starts_with("\\dot")) return true;
    return rest.starts_with("(") && DigitsFrom(at + 1) > 0 && text_.substr(at + 1 + DigitsFrom(at + 1)).starts_with(")");
  }

  std::string_view Repeating(std::string_view) {
    if (!RepeatsAt(at_)) return {};
    if (Peek() == '(') {
      const std::size_t length = DigitsFrom(at_ + 1);
      const std::string_view block = text_.substr(at_ + 1, length);
      at_ += length + 2;
      return block;
    }
    // Marks over single digits lie side by side or, as dots, over the first and the last.
    std::string block;
    while (RepeatsAt(at_) && Peek() == '\\') {
      const bool dot = Starts("\\dot");
      at_ += dot ? 4 : Starts("\\bar") ? 4 : 9;
      const std::string_view marked = Argument();
      if (marked.empty() || !std::all_of(marked.begin(), marked.end(), IsDigit)) return "x";
      block += marked;
      const std::size_t between = DigitsFrom(at_);
      if (dot && between > 0 && text_.substr(at_ + between).starts_with("\\dot")) {
        block += text_.substr(at_, between);
        at_ += between;
      }
    }
    return tree_.Keep(block);
  }

  // 0.333... goes on as it began, when it shows its block three times.
  void Continue(Lexeme& number) {
    std::size_t length = 0;
    for (const std::string_view dots : {"...", "\\ldots", "\\dots", "\\cdots"}) {
      if (Starts(dots)) length = dots.size();
    }
    if (length == 0) return;
    const std::string_view decimals = number.text.substr(number.text.find('.') + 1);
    for (std::size_t block = 1; block <= decimals.size() / 2 && block <= 12; ++block) {
      const std::size_t times = block == 1 ? 3 : 2;
      if (decimals.size() < block * times) break;
      const std::string_view last = decimals.substr(decimals.size() - block);
      bool repeats = true;
      for (std::size_t i = 1; i < times; ++i) {
        repeats = repeats && decimals.substr(decimals.size() - block * (i + 1), block) == last;
      }
      if (!repeats) continue;
      number.repeating = last;
      at_ += length;
      return;
    }
  }

  std::int64_t Exponent() {
    if (Peek() != 'e' && Peek() != 'E') return 0;
    std::size_t at = at_ + 1;
    const bool negative = at < text_.size() && text_[at] == '-';
    if (at < text_.size() && (text_[at] == '-' || text_[at] == '+')) ++at;
    const std::size_t length = DigitsFrom(at);
    if (length == 0 || length > 12) return 0;
    if (at + length < text_.size() && IsLetter(text_[at + length])) return 0;
    std::int64_t exponent = 0;
    for (std::size_t i = 0; i < length; ++i) exponent = exponent * 10 + (text_[at + i] - '0');
    at_ = at + length;
    return negative ? -exponent : exponent;
  }

  std::string_view text_;
  LexOptions options_;
  MathTree& tree_;
  Lexed lexed_;
  std::size_t at_ = 0;
  bool space_ = false;
  int depth_ = 0;         // of braces
  int brackets_ = 0;      // of ( [ \{
  int environments_ = 0;  // \begin without its \end
  std::vector<int> text_depths_;  // braces that belong to a \text
  std::optional<std::size_t> last_dollar_;
  bool dollar_open_ = false;
};

}  // namespace

Lexed Lex(std::string_view text, const LexOptions& options, MathTree& tree) {
  if (IsAscii(text)) return Lexer(text, options, tree).Run();
  const Plain plain = PlainMath(text);
  Lexed lexed = Lexer(tree.Keep(plain.text), options, tree).Run();
  lexed.bad_encoding = !plain.valid;
  return lexed;
}

}  // namespace cogent
