// Text to a tree.
#include <algorithm>
#include <cctype>

#include "core/error.h"
#include "policies/chat_template_impl.h"
#include "policies/tokenizer_bytes.h"

namespace cogent::chat {
namespace {

constexpr int kDeepest = 60;

struct Token {
  enum Kind { kText, kOutputBegin, kOutputEnd, kBlockBegin, kBlockEnd, kName, kNumber, kString, kSign, kEnd };
  Kind kind = kEnd;
  std::string text;
  int line = 0;
};

class Lexer {
 public:
  Lexer(std::string_view text, const std::string& name) : text_(text), name_(name) {
    if (text_.ends_with('\n')) text_.remove_suffix(1);  // as Jinja does with the last line break
  }

  std::vector<Token> Run() {
    bool trim = false;  // the tag before took the white space behind it
    while (at_ < text_.size()) {
      std::size_t tag = at_;
      while ((tag = text_.find('{', tag)) != std::string_view::npos && !(tag + 1 < text_.size() && (text_[tag + 1] == '{' || text_[tag + 1] == '%' || text_[tag + 1] == '#'))) ++tag;
      std::string_view plain = text_.substr(at_, tag == std::string_view::npos ? tag : tag - at_);
      const int line = line_;
      line_ += static_cast<int>(std::count(plain.begin(), plain.end(), '\n'));
      if (trim) plain.remove_prefix(std::min(plain.find_first_not_of(" \t\r\n"), plain.size()));
      if (tag == std::string_view::npos) {
        Add(Token::kText, plain, line);
        break;
      }
      const char kind = text_[tag + 1], control = tag + 2 < text_.size() ? text_[tag + 2] : ' ';
      if (control == '-') plain = plain.substr(0, plain.find_last_not_of(" \t\r\n") + 1);
      else if (kind != '{' && control != '+') plain = StripLine(plain, tag);
      Add(Token::kText, plain, line);
      at_ = tag + 2 + (control == '-' || control == '+' ? 1 : 0);
      if (kind == '#') trim = Comment();
      else trim = Tag(kind == '{');
    }
    tokens_.push_back({Token::kEnd, "", line_});
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const { throw DataError(name_ + ": chat template, line " + std::to_string(line_) + ": " + what); }
  void Add(Token::Kind kind, std::string_view text, int line) {
    if (kind != Token::kText || !text.empty()) tokens_.push_back({kind, std::string(text), line});
  }
  // lstrip_blocks: blanks before a tag that is the first thing in its line.
  std::string_view StripLine(std::string_view plain, std::size_t tag) const {
    const std::size_t last = plain.find_last_not_of(" \t");
    const bool line_begins = last == std::string_view::npos ? tag == plain.size() || text_[tag - plain.size() - 1] == '\n' : plain[last] == '\n';
    return line_begins ? plain.substr(0, last == std::string_view::npos ? 0 : last + 1) : plain;
  }
  // Behind a tag: trim_blocks takes one line break. Returns whether all white space goes.
  bool EndTag(bool block, bool minus) {
    if (!minus && block && at_ < text_.size() && text_[at_] == '\n') ++at_, ++line_;
    return minus;
  }
  bool Comment() {
    const std::size_t end = text_.find("#}", at_);
    if (end == std::string_view::npos) Fail("a comment does not end");
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_), text_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    const bool minus = end > at_ && text_[end - 1] == '-';
    at_ = end + 2;
    return EndTag(true, minus);
  }

  bool Tag(bool output) {
    Add(output ? Token::kOutputBegin : Token::kBlockBegin, "", line_);
    int open = 0;  // brackets: }} may close an object
    while (true) {
      while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) line_ += text_[at_++] == '\n';
      if (at_ >= text_.size()) Fail("a tag does not end");
      const std::string_view rest = text_.substr(at_), close = output ? "}}" : "%}";
      const bool minus = rest[0] == '-' && rest.substr(1).starts_with(close);
      if ((open == 0 && rest.starts_with(close)) || minus) {
        at_ += minus ? 3 : 2;
        Add(output ? Token::kOutputEnd : Token::kBlockEnd, "", line_);
        return EndTag(!output, minus);
      }
      open += rest[0] == '{' ? 1 : rest[0] == '}' ? -1 : 0;
      One(rest);
    }
  }

  void One(std::string_view rest) {
    const auto c = static_cast<unsigned char>(rest[0]);
    if (std::isalpha(c) || c == '_') {
      std::size_t size = 1;
      while (size < rest.size() && (std::isalnum(static_cast<unsigned char>(rest[size])) || rest[size] == '_')) ++size;
      Add(Token::kName, rest.substr(0, size), line_);
      at_ += size;
    } else if (std::isdigit(c)) {
      std::size_t size = 1;
      while (size < rest.size() && std::isdigit(static_cast<unsigned char>(rest[size]))) ++size;
      if (size + 1 < rest.size() && rest[size] == '.' && std::isdigit(static_cast<unsigned char>(rest[size + 1]))) {
        ++size;
        while (size < rest.size() && std::isdigit(static_cast<unsigned char>(rest[size]))) ++size;
      }
      Add(Token::kNumber, rest.substr(0, size), line_);
      at_ += size;
    } else if (c == '\'' || c == '"') {
      String(static_cast<char>(c));
    } else {
      for (const std::string_view sign : {"==", "!=", "<=", ">=", "//", "**", "<", ">", "=", "+", "-", "*", "/", "%", "~", "|", ".", ",", ":", "(", ")", "[", "]", "{", "}"}) {
        if (!rest.starts_with(sign)) continue;
        Add(Token::kSign, sign, line_);
        at_ += sign.size();
        return;
      }
      Fail("the character " + QuoteText(rest.substr(0, ReadUtf8(rest).length)) + " cannot be read in a tag");
    }
  }

  void String(char quote) {
    std::string out;
    const int line = line_;
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] != '\\' || at_ + 1 == text_.size()) {
        out += text_[at_];
        continue;
      }
      const char c = text_[++at_];
      out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
      if (c != 'n' && c != 't' && c != 'r' && c != '\\' && c != '\'' && c != '"') Fail(std::string("the escape \\") + c + " cannot be read");
    }
    if (at_ >= text_.size()) Fail("a text does not end");
    ++at_;
    tokens_.push_back({Token::kString, std::move(out), line});
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

class Parser {
 public:
  Parser(std::vector<Token> tokens, const std::string& name) : tokens_(std::move(tokens)), name_(name) {}

  std::vector<Statement> Run() {
    std::vector<Statement> all = Body({});
    if (Now().kind != Token::kEnd) Fail("'" + Peek(1).text + "' ends nothing");
    return all;
  }

 private:
  const Token& Now() const { return tokens_[at_]; }
  const Token& Peek(std::size_t ahead) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  [[noreturn]] void Fail(const std::string& what) const { throw DataError(name_ + ": chat template, line " + std::to_string(Now().line) + ": " + what); }
  bool Is(Token::Kind kind, std::string_view text) const { return Now().kind == kind && Now().text == text; }
  bool Take(Token::Kind kind, std::string_view text) {
    if (!Is(kind, text)) return false;
    ++at_;
    return true;
  }
  bool TakeSign(std::string_view text) { return Take(Token::kSign, text); }
  bool TakeWord(std::string_view text) { return Take(Token::kName, text); }
  void Need(Token::Kind kind, std::string_view text) {
    if (!Take(kind, text)) Fail("'" + std::string(text.empty() ? "the end of the tag" : text) + "' is wanted, found " + Found());
  }
  void NeedEnd() {
    if (Now().kind != Token::kBlockEnd) Fail("the end of the tag is wanted, found " + Found());
    ++at_;
  }
  std::string Found() const { return Now().kind == Token::kEnd ? "the end" : Now().text.empty() ? "the end of a tag" : QuoteText(Now().text); }
  std::string NeedName() {
    if (Now().kind != Token::kName) Fail("a name is wanted, found " + Found());
    return tokens_[at_++].text;
  }

  // Up to a block that begins with one of `ends`, which is not taken.
  std::vector<Statement> Body(const std::vector<std::string>& ends) {
    if (++depth_ > kDeepest) Fail("blocks are nested too deep");
    std::vector<Statement> body;
    while (Now().kind != Token::kEnd) {
      if (Now().kind == Token::kText) {
        body.push_back({.kind = Statement::kText, .text = Now().text, .line = Now().line});
        ++at_;
      } else if (Now().kind == Token::kOutputBegin) {
        const int line = Now().line;
        ++at_;
        body.push_back({.kind = Statement::kOutput, .exprs = {Expression()}, .line = line});
        if (Now().kind != Token::kOutputEnd) Fail("}} is wanted, found " + Found());
        ++at_;
      } else {
        const std::string word = Peek(1).text;
        if (std::find(ends.begin(), ends.end(), word) != ends.end()) break;
        if (ends.empty() && (word.starts_with("end") || word.starts_with("el"))) break;
        ++at_;
        if (word == "generation" || word == "endgeneration") {  // marks what is trained on; nothing to see
          ++at_;
          NeedEnd();
          continue;
        }
        body.push_back(Block());
      }
    }
    --depth_;
    return body;
  }
  void EndBlock(const std::string& word) {
    if (Now().kind != Token::kBlockBegin || Peek(1).text != word) Fail("{% " + word + " %} is missing");
    at_ += 2;
    NeedEnd();
  }

  Statement Block() {
    Statement s{.line = Now().line};
    const std::string word = NeedName();
    if (word == "if") return If(std::move(s));
    if (word == "for") return For(std::move(s));
    if (word == "set") return Set(std::move(s));
    if (word == "macro") return Macro(std::move(s));
    if (word == "break" || word == "continue") {
      s.kind = word == "break" ? Statement::kBreak : Statement::kContinue;
      NeedEnd();
      return s;
    }
    --at_;
    Fail("the tag '" + word + "' cannot be read. Known: if, for, set, macro, break, continue");
  }

  Statement If(Statement s) {
    s.kind = Statement::kIf;
    s.exprs.push_back(Expression());
    NeedEnd();
    s.bodies.push_back(Body({"elif", "else", "endif"}));
    while (Peek(1).text == "elif" && Now().kind == Token::kBlockBegin) {
      at_ += 2;
      s.exprs.push_back(Expression());
      NeedEnd();
      s.bodies.push_back(Body({"elif", "else", "endif"}));
    }
    if (Peek(1).text == "else" && Now().kind == Token::kBlockBegin) {
      at_ += 2;
      NeedEnd();
      s.bodies.push_back(Body({"endif"}));
    }
    EndBlock("endif");
    return s;
  }

  std::vector<std::string> Targets() {
    std::vector<std::string> names;
    const bool brackets = TakeSign("(");
    do {
      std::string name = NeedName();
      if (TakeSign(".")) name += "." + NeedName();
      names.push_back(std::move(name));
    } while (TakeSign(","));
    if (brackets) Need(Token::kSign, ")");
    return names;
  }

  Statement For(Statement s) {
    s.kind = Statement::kFor;
    s.names = Targets();
    Need(Token::kName, "in");
    s.exprs.push_back(Or());  // an `if` behind it is the loop's
    if (TakeWord("if")) s.exprs.push_back(Expression());
    NeedEnd();
    s.bodies.push_back(Body({"else", "endfor"}));
    if (Peek(1).text == "else" && Now().kind == Token::kBlockBegin) {
      at_ += 2;
      NeedEnd();
      s.bodies.push_back(Body({"endfor"}));
    }
    EndBlock("endfor");
    return s;
  }

  Statement Set(Statement s) {
    s.names = Targets();
    if (!TakeSign("=")) {
      s.kind = Statement::kSetBlock;
      NeedEnd();
      s.bodies.push_back(Body({"endset"}));
      EndBlock("endset");
      return s;
    }
    s.kind = Statement::kSet;
    s.exprs.push_back(Expression());
    if (Is(Token::kSign, ",")) {
      Expr list{.kind = Expr::kList, .kids = {std::move(s.exprs[0])}, .line = s.line};
      while (TakeSign(",")) list.kids.push_back(Expression());
      s.exprs[0] = std::move(list);
    }
    NeedEnd();
    return s;
  }

  Statement Macro(Statement s) {
    s.kind = Statement::kMacro;
    s.text = NeedName();
    Need(Token::kSign, "(");
    while (!TakeSign(")")) {
      if (!s.names.empty()) Need(Token::kSign, ",");
      s.names.push_back(NeedName());
      if (TakeSign("=")) s.defaults.push_back(Expression());
      else if (!s.defaults.empty()) Fail("a parameter without a default stands behind one with");
    }
    NeedEnd();
    s.bodies.push_back(Body({"endmacro"}));
    EndBlock("endmacro");
    return s;
  }

  Expr Make(Expr::Kind kind, std::string text, std::vector<Expr> kids) const {
    return {.kind = kind, .text = std::move(text), .value = {}, .kids = std::move(kids), .names = {}, .named = {}, .line = Now().line};
  }
  static Expr Undefined() { return {.kind = Expr::kLiteral}; }

  Expr Expression() {
    if (++depth_ > kDeepest) Fail("the expression is nested too deep");
    Expr value = Or();
    while (TakeWord("if")) {
      Expr condition = Or();
      Expr otherwise = TakeWord("else") ? Expression() : Undefined();
      value = Make(Expr::kInlineIf, "", {std::move(value), std::move(condition), std::move(otherwise)});
    }
    --depth_;
    return value;
  }
  Expr Or() {
    Expr left = And();
    while (TakeWord("or")) left = Make(Expr::kBinary, "or", {std::move(left), And()});
    return left;
  }
  Expr And() {
    Expr left = Not();
    while (TakeWord("and")) left = Make(Expr::kBinary, "and", {std::move(left), Not()});
    return left;
  }
  Expr Not() {
    if (++depth_ > kDeepest) Fail("the expression is nested too deep");
    Expr value = TakeWord("not") ? Make(Expr::kUnary, "not", {Not()}) : Compare();
    --depth_;
    return value;
  }
  Expr Compare() {
    Expr left = Sum();
    while (true) {
      std::string sign;
      for (const char* one : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (sign.empty() && TakeSign(one)) sign = one;
      }
      if (sign.empty() && TakeWord("in")) sign = "in";
      if (sign.empty() && Is(Token::kName, "not") && Peek(1).text == "in") at_ += 2, sign = "not in";
      if (sign.empty()) return left;
      left = Make(Expr::kBinary, sign, {std::move(left), Sum()});
    }
  }
  Expr Sum() {
    Expr left = Concat();
    while (Is(Token::kSign, "+") || Is(Token::kSign, "-")) {
      const std::string sign = tokens_[at_++].text;
      left = Make(Expr::kBinary, sign, {std::move(left), Concat()});
    }
    return left;
  }
  Expr Concat() {
    Expr left = Product();
    while (TakeSign("~")) left = Make(Expr::kBinary, "~", {std::move(left), Product()});
    return left;
  }
  Expr Product() {
    Expr left = Unary();
    while (Is(Token::kSign, "*") || Is(Token::kSign, "/") || Is(Token::kSign, "//") || Is(Token::kSign, "%")) {
      const std::string sign = tokens_[at_++].text;
      left = Make(Expr::kBinary, sign, {std::move(left), Unary()});
    }
    return left;
  }
  Expr Unary() {
    if (++depth_ > kDeepest) Fail("the expression is nested too deep");
    Expr value;
    if (TakeSign("-")) value = Make(Expr::kUnary, "-", {Unary()});
    else if (TakeSign("+")) value = Unary();
    else value = Power();
    --depth_;
    return value;
  }
  Expr Power() {
    Expr left = Postfix(Primary());
    if (TakeSign("**")) left = Make(Expr::kBinary, "**", {std::move(left), Unary()});
    return left;
  }

  Expr Postfix(Expr value) {
    while (true) {
      if (TakeSign(".")) {
        value = Make(Expr::kAttribute, NeedName(), {std::move(value)});
      } else if (TakeSign("[")) {
        value = Subscript(std::move(value));
      } else if (TakeSign("(")) {
        value = Make(Expr::kCall, "", {std::move(value)});
        Arguments(value);
      } else if (TakeSign("|")) {
        const std::string name = NeedName();
        if (!IsKnownFilter(name)) Fail("the filter '" + name + "' cannot be read");
        value = Make(Expr::kFilter, name, {std::move(value)});
        if (TakeSign("(")) Arguments(value);
      } else if (TakeWord("is")) {
        const bool negated = TakeWord("not");
        const std::string name = NeedName();
        if (!IsKnownTest(name)) Fail("the test '" + name + "' cannot be read");
        value = Make(Expr::kTest, name, {std::move(value)});
        if (TakeSign("(")) Arguments(value);
        else if (Now().kind == Token::kString || Now().kind == Token::kNumber) value.kids.push_back(Primary());
        if (negated) value = Make(Expr::kUnary, "not", {std::move(value)});
      } else {
        return value;
      }
    }
  }

  Expr Subscript(Expr value) {
    std::vector<Expr> parts = {std::move(value)};
    bool slice = false;
    parts.push_back(Is(Token::kSign, ":") ? Undefined() : Expression());
    while (TakeSign(":")) {
      slice = true;
      parts.push_back(Is(Token::kSign, ":") || Is(Token::kSign, "]") ? Undefined() : Expression());
    }
    Need(Token::kSign, "]");
    if (!slice) return Make(Expr::kIndex, "", std::move(parts));
    if (parts.size() > 4) Fail("a slice has three parts at most");
    while (parts.size() < 4) parts.push_back(Undefined());
    return Make(Expr::kSlice, "", std::move(parts));
  }

  // Behind the open bracket, to the closed one.
  void Arguments(Expr& call) {
    bool first = true;
    while (!TakeSign(")")) {
      if (!first) Need(Token::kSign, ",");
      first = false;
      if (TakeSign(")")) return;
      if (Now().kind == Token::kName && Peek(1).kind == Token::kSign && Peek(1).text == "=") {
        const std::string name = NeedName();
        ++at_;
        call.names.push_back(name);
        call.named.push_back(Expression());
      } else {
        call.kids.push_back(Expression());
      }
    }
  }

  Expr Primary() {
    const Token token = Now();
    if (token.kind == Token::kString) {
      std::string text;
      while (Now().kind == Token::kString) text += tokens_[at_++].text;  // neighbours are one
      return {.kind = Expr::kLiteral, .value = text, .line = token.line};
    }
    if (token.kind == Token::kNumber) {
      ++at_;
      const bool whole = token.text.find('.') == std::string::npos;
      if (token.text.size() > 18) Fail("a number is too long");
      return {.kind = Expr::kLiteral, .value = whole ? Literal(static_cast<std::int64_t>(std::stoll(token.text))) : Literal(std::stod(token.text)), .line = token.line};
    }
    if (token.kind == Token::kName) {
      ++at_;
      if (token.text == "true" || token.text == "True") return {.kind = Expr::kLiteral, .value = true, .line = token.line};
      if (token.text == "false" || token.text == "False") return {.kind = Expr::kLiteral, .value = false, .line = token.line};
      if (token.text == "none" || token.text == "None") return {.kind = Expr::kLiteral, .value = nullptr, .line = token.line};
      return {.kind = Expr::kName, .text = token.text, .line = token.line};
    }
    if (TakeSign("(")) {
      if (TakeSign(")")) return Make(Expr::kList, "", {});
      Expr value = Expression();
      if (!Is(Token::kSign, ",")) {
        Need(Token::kSign, ")");
        return value;
      }
      Expr list = Make(Expr::kList, "", {});
      list.kids.push_back(std::move(value));
      while (TakeSign(",")) {
        if (Is(Token::kSign, ")")) break;
        list.kids.push_back(Expression());
      }
      Need(Token::kSign, ")");
      return list;
    }
    if (TakeSign("[")) {
      Expr list = Make(Expr::kList, "", {});
      while (!TakeSign("]")) {
        if (!list.kids.empty()) Need(Token::kSign, ",");
        if (TakeSign("]")) break;
        list.kids.push_back(Expression());
      }
      return list;
    }
    if (TakeSign("{")) {
      Expr object = Make(Expr::kObject, "", {});
      while (!TakeSign("}")) {
        if (!object.kids.empty()) Need(Token::kSign, ",");
        if (TakeSign("}")) break;
        object.kids.push_back(Expression());
        Need(Token::kSign, ":");
        object.kids.push_back(Expression());
      }
      return object;
    }
    Fail("a value is wanted, found " + Found());
  }

  std::vector<Token> tokens_;
  const std::string& name_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::vector<Statement> ParseTemplate(std::string_view text, const std::string& name) { return Parser(Lexer(text, name).Run(), name).Run(); }

}  // namespace cogent::chat
