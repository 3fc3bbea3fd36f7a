// Text to a tree.
#include <unicode/unistr.h>

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <utility>

#include "core/error.h"
#include "policies/chat_template_impl.h"
#include "policies/chat_template_value.h"
#include "policies/tokenizer_bytes.h"

namespace cogent::chat {
namespace {

constexpr int kDeepest = 60;
constexpr int kDeepestTree = 400;  // also along a + b + c

// Every line break as \n, as Jinja does first.
std::string OneKindOfBreak(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    out += text[at] == '\r' ? '\n' : text[at];
    if (text[at] == '\r' && text.substr(at + 1).starts_with('\n')) ++at;
  }
  return out;
}

// Text without the white space at one end.
std::string_view TrimLeft(std::string_view text) {
  while (!text.empty() && IsPythonSpace(ReadUtf8(text).code_point)) text.remove_prefix(ReadUtf8(text).length);
  return text;
}
std::string_view TrimRight(std::string_view text) {
  while (!text.empty() && IsPythonSpace(LastUtf8(text).code_point)) text.remove_suffix(LastUtf8(text).length);
  return text;
}

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
      if (trim) plain = TrimLeft(plain);
      if (tag == std::string_view::npos) {
        Add(Token::kText, plain, line);
        break;
      }
      const char kind = text_[tag + 1], control = tag + 2 < text_.size() ? text_[tag + 2] : ' ';
      if (control == '-') plain = TrimRight(plain);
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
    const std::size_t line = plain.rfind('\n') + 1;  // 0: the line begins before it
    const bool line_begins = line > 0 || tag == plain.size() || text_[tag - plain.size() - 1] == '\n';
    return line_begins && TrimLeft(plain.substr(line)).empty() ? plain.substr(0, line) : plain;
  }
  // Behind a tag: trim_blocks takes one line break. Returns whether all white space goes.
  bool EndTag(bool block, bool minus, bool plus = false) {
    if (!minus && !plus && block && at_ < text_.size() && text_[at_] == '\n') ++at_, ++line_;
    return minus;
  }
  bool Comment() {
    const std::size_t end = text_.find("#}", at_);
    if (end == std::string_view::npos) Fail("a comment does not end");
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_), text_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    const bool minus = end > at_ && text_[end - 1] == '-', plus = end > at_ && text_[end - 1] == '+';
    at_ = end + 2;
    return EndTag(true, minus, plus);
  }

  bool Tag(bool output) {
    Add(output ? Token::kOutputBegin : Token::kBlockBegin, "", line_);
    int open = 0;  // brackets: }} may close an object
    while (true) {
      while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) line_ += text_[at_++] == '\n';
      if (at_ >= text_.size()) Fail("a tag does not end");
      const std::string_view rest = text_.substr(at_), close = output ? "}}" : "%}";
      const bool minus = rest[0] == '-' && rest.substr(1).starts_with(close);
      const bool plus = !output && rest[0] == '+' && rest.substr(1).starts_with(close);
      if ((open == 0 && rest.starts_with(close)) || minus || plus) {
        at_ += minus || plus ? 3 : 2;
        Add(output ? Token::kOutputEnd : Token::kBlockEnd, "", line_);
        return EndTag(!output, minus, plus);
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
      const auto digits = [&](std::size_t from) {
        while (from < rest.size() && (std::isdigit(static_cast<unsigned char>(rest[from])) || (rest[from] == '_' && from > 0 && rest[from - 1] != '_'))) ++from;
        return from;
      };
      const auto digit = [&](std::size_t place) { return place < rest.size() && std::isdigit(static_cast<unsigned char>(rest[place])); };
      std::size_t size = digits(1);
      const bool place = !tokens_.empty() && tokens_.back().kind == Token::kSign && tokens_.back().text == ".";  // a.0.1
      if (!place && size < rest.size() && rest[size] == '.' && digit(size + 1)) size = digits(size + 1);
      if (!place && size < rest.size() && (rest[size] == 'e' || rest[size] == 'E')) {
        const std::size_t sign = size + 1 < rest.size() && (rest[size + 1] == '+' || rest[size + 1] == '-') ? 1 : 0;
        if (digit(size + 1 + sign)) size = digits(size + 1 + sign);
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
      ++at_;
      Escape(out);
    }
    if (at_ >= text_.size()) Fail("a text does not end");
    ++at_;
    tokens_.push_back({Token::kString, std::move(out), line});
  }

  // At the character behind a backslash, as Python reads it; what is no escape stays as it stands.
  void Escape(std::string& out) {
    const char c = text_[at_];
    static constexpr std::string_view kSimple = "ntrabfv\\'\"", kMeant = "\n\t\r\a\b\f\v\\'\"";
    if (const std::size_t simple = kSimple.find(c); simple != std::string_view::npos) return (void)(out += kMeant[simple]);
    if (c == '\n') return (void)++line_;  // the line goes on
    if (c == 'x' || c == 'u' || c == 'U') return Numbered(c == 'x' ? 2 : c == 'u' ? 4 : 8, 16, out);
    if (c >= '0' && c <= '7') return --at_, Numbered(3, 8, out);
    if (c == 'N') Fail("the escape \\N cannot be read");
    (out += '\\') += c;
  }
  void Numbered(int most, int base, std::string& out) {
    char32_t code = 0;
    int count = 0;
    for (; count < most && at_ + 1 < text_.size(); ++count) {
      const char c = text_[at_ + 1];
      const int digit = std::isdigit(static_cast<unsigned char>(c)) ? c - '0' : std::isxdigit(static_cast<unsigned char>(c)) ? std::tolower(c) - 'a' + 10 : 99;
      if (digit >= base) break;
      code = code * static_cast<char32_t>(base) + static_cast<char32_t>(digit);
      ++at_;
    }
    if ((base == 16 && count < most) || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) Fail("an escape of a text is no character");
    icu::UnicodeString(static_cast<UChar32>(code)).toUTF8String(out);
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
        body.push_back({.kind = Statement::kOutput, .exprs = {Tuple(&Parser::Expression)}, .line = line});
        if (Now().kind != Token::kOutputEnd) Fail("}} is wanted, found " + Found());
        ++at_;
      } else {
        const std::string word = Peek(1).text;
        if (std::find(ends.begin(), ends.end(), word) != ends.end()) break;
        if (ends.empty() && (word.starts_with("end") || word.starts_with("el"))) break;
        ++at_;
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
    if (word == "generation") {  // marks what is trained on; nothing to see
      s.kind = Statement::kScope;
      NeedEnd();
      s.bodies.push_back(Body({"endgeneration"}));
      EndBlock("endgeneration");
      return s;
    }
    if (word == "break" || word == "continue") {
      s.kind = word == "break" ? Statement::kBreak : Statement::kContinue;
      NeedEnd();
      return s;
    }
    --at_;
    Fail("the tag '" + word + "' cannot be read. Known: if, for, set, macro, generation, break, continue");
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
    s.exprs.push_back(Tuple(&Parser::Or));  // an `if` behind it is the loop's
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
    s.exprs.push_back(Tuple(&Parser::Expression));
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

  Expr Make(Expr::Kind kind, std::string text, std::initializer_list<Expr> kids) const {
    Expr e{.kind = kind, .text = std::move(text), .line = Now().line};
    for (const Expr& kid : kids) Push(e, kid);
    return e;
  }
  void Push(Expr& to, Expr kid) const {
    to.depth = std::max(to.depth, kid.depth + 1);
    if (to.depth > kDeepestTree) Fail("the expression is nested too deep");
    to.kids.push_back(std::move(kid));
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
    Expr chain = Make(Expr::kCompare, "", {Sum()});
    while (true) {
      std::string sign;
      for (const char* one : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (sign.empty() && TakeSign(one)) sign = one;
      }
      if (sign.empty() && TakeWord("in")) sign = "in";
      if (sign.empty() && Is(Token::kName, "not") && Peek(1).text == "in") at_ += 2, sign = "not in";
      if (sign.empty()) break;
      chain.names.push_back(sign);
      Push(chain, Sum());
    }
    return chain.kids.size() > 1 ? chain : Expr(std::move(chain.kids[0]));
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
    Expr left = Power();
    while (Is(Token::kSign, "*") || Is(Token::kSign, "/") || Is(Token::kSign, "//") || Is(Token::kSign, "%")) {
      const std::string sign = tokens_[at_++].text;
      left = Make(Expr::kBinary, sign, {std::move(left), Power()});
    }
    return left;
  }
  Expr Power() {
    Expr left = Unary(true);
    while (TakeSign("**")) left = Make(Expr::kBinary, "**", {std::move(left), Unary(true)});
    return left;
  }
  // Filters and tests are of the whole, with its sign: -1 | abs.
  Expr Unary(bool filters) {
    if (++depth_ > kDeepest) Fail("the expression is nested too deep");
    Expr value;
    if (TakeSign("-")) value = Make(Expr::kUnary, "-", {Unary(false)});
    else if (TakeSign("+")) value = Make(Expr::kUnary, "+", {Unary(false)});
    else value = Primary();
    value = Postfix(std::move(value));
    if (filters) value = Filters(std::move(value));
    --depth_;
    return value;
  }

  Expr Postfix(Expr value) {
    while (true) {
      if (TakeSign(".")) {
        if (Now().kind == Token::kNumber) value = Make(Expr::kIndex, "", {std::move(value), Primary()});
        else value = Make(Expr::kAttribute, NeedName(), {std::move(value)});
      } else if (TakeSign("[")) {
        value = Subscript(std::move(value));
      } else if (TakeSign("(")) {
        value = Make(Expr::kCall, "", {std::move(value)});
        Arguments(value);
        const Expr& callee = value.kids[0];
        if (const Signature* method = callee.kind == Expr::kAttribute ? FindMethod(callee.text) : nullptr) Bind(value, "." + callee.text + "()", *method);
      } else {
        return value;
      }
    }
  }

  Expr Filters(Expr value) {
    while (true) {
      if (TakeSign("|")) {
        value = Make(Expr::kFilter, NeedName(), {std::move(value)});
        if (TakeSign("(")) Arguments(value);
        BindFilter(value);
      } else if (TakeWord("is")) {
        const bool negated = TakeWord("not");
        const std::string name = NeedName();
        const Signature* test = FindTest(name);
        if (test == nullptr) Fail("the test '" + name + "' cannot be read");
        value = Make(Expr::kTest, name, {std::move(value)});
        if (TakeSign("(")) Arguments(value);
        else if (BeginsArgument()) Push(value, Postfix(Primary()));
        Bind(value, "the test '" + name + "'", *test);
        if (negated) value = Make(Expr::kUnary, "not", {std::move(value)});
      } else {
        return value;
      }
    }
  }
  // Behind the name of a test: a value without brackets.
  bool BeginsArgument() const {
    const Token& now = Now();
    if (now.kind == Token::kString || now.kind == Token::kNumber || Is(Token::kSign, "[") || Is(Token::kSign, "{")) return true;
    if (now.kind != Token::kName) return false;
    const std::vector<std::string> goes_on = {"else", "or", "and", "is", "if", "in", "not"};
    return std::find(goes_on.begin(), goes_on.end(), now.text) == goes_on.end();
  }

  // Each argument to the place of its parameter.
  void Bind(Expr& e, const std::string& what, const Signature& signature) const {
    std::string known;
    for (const char* one : signature.parameters) known += (known.empty() ? "" : ", ") + std::string(one);
    const std::size_t most = signature.parameters.size();
    if (e.kids.size() - 1 > most) Fail(what + " takes " + (most == 0 ? "no arguments" : "at most " + std::to_string(most) + " (" + known + ")"));
    std::vector<bool> given(most);
    std::fill(given.begin(), given.begin() + static_cast<std::ptrdiff_t>(e.kids.size() - 1), true);
    for (std::size_t i = 0; i < e.named.size(); ++i) {
      const auto found = std::find(signature.parameters.begin(), signature.parameters.end(), e.names[i]);
      const auto place = static_cast<std::size_t>(found - signature.parameters.begin());
      if (place == most) Fail(what + " takes no argument '" + e.names[i] + "'" + (most == 0 ? "" : "; known: " + known));
      if (given[place]) Fail(what + " is given '" + e.names[i] + "' twice");
      given[place] = true;
      while (e.kids.size() < place + 2) e.kids.push_back(Undefined());
      Expr value = std::move(e.named[i]);
      e.depth = std::max(e.depth, value.depth + 1);
      e.kids[place + 1] = std::move(value);
    }
    e.names.clear(), e.named.clear();
    for (std::size_t i = 0; i < signature.wanted; ++i) {
      if (!given[i]) Fail(what + " wants a value for '" + signature.parameters[i] + "'");
    }
  }

  void BindFilter(Expr& e) {
    const std::string& name = e.text;
    const bool attributes = name == "selectattr" || name == "rejectattr", tests = attributes || name == "select" || name == "reject";
    if (!tests && name != "map") {
      const Signature* filter = FindFilter(name);
      if (filter == nullptr) Fail("the filter '" + name + "' cannot be read");
      return Bind(e, "the filter '" + name + "'", *filter);
    }
    static const Signature kMapAttribute{"map", {"filter", "attribute", "default"}, 0};
    if (name == "map" && e.kids.size() == 1) {
      Bind(e, "the filter 'map'", kMapAttribute);
      if (e.kids.size() < 3) Fail("the filter 'map' wants attribute='...' or the name of a filter");
      return;
    }
    if (attributes && e.kids.size() < 2) Fail("the filter '" + name + "' wants the name of an attribute");
    // What is applied to each value is known now, so that its arguments are, too.
    const std::size_t at = attributes ? 2 : 1;
    if (e.kids.size() <= at) {
      if (!e.named.empty()) Fail("the filter '" + name + "' takes no argument '" + e.names[0] + "'");
      return;
    }
    const std::string* inner = std::get_if<std::string>(&e.kids[at].value);
    if (inner == nullptr) Fail("the filter '" + name + "' wants the name of a " + (tests ? "test" : "filter") + " as a text that stands there");
    const std::string what = std::string(tests ? "the test '" : "the filter '") + *inner + "'";
    const Signature* signature = tests ? FindTest(*inner) : FindFilter(*inner);
    if (signature == nullptr) Fail(what + " cannot be read");
    Expr call{.kids = {e.kids.begin() + static_cast<std::ptrdiff_t>(at), e.kids.end()}, .names = std::move(e.names), .named = std::move(e.named)};
    Bind(call, what, *signature);
    e.names.clear(), e.named.clear();
    e.depth = std::max(e.depth, call.depth + 1);
    e.kids.resize(at);
    e.kids.insert(e.kids.end(), std::make_move_iterator(call.kids.begin()), std::make_move_iterator(call.kids.end()));
  }

  // One value, or several with commas between as a tuple.
  Expr Tuple(Expr (Parser::*one)()) {
    Expr value = (this->*one)();
    if (!Is(Token::kSign, ",")) return value;
    Expr list = Make(Expr::kList, "tuple", {std::move(value)});
    while (TakeSign(",")) {
      if (Now().kind == Token::kBlockEnd || Now().kind == Token::kOutputEnd || Is(Token::kSign, ")")) break;
      Push(list, (this->*one)());
    }
    return list;
  }

  Expr Subscript(Expr value) {
    Expr parts = Make(Expr::kIndex, "", {std::move(value)});
    Push(parts, Is(Token::kSign, ":") ? Undefined() : Expression());
    while (TakeSign(":")) {
      parts.kind = Expr::kSlice;
      Push(parts, Is(Token::kSign, ":") || Is(Token::kSign, "]") ? Undefined() : Expression());
    }
    Need(Token::kSign, "]");
    if (parts.kind == Expr::kIndex) return parts;
    if (parts.kids.size() > 4) Fail("a slice has three parts at most");
    while (parts.kids.size() < 4) Push(parts, Undefined());
    return parts;
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
        call.depth = std::max(call.depth, call.named.back().depth + 1);
        if (call.depth > kDeepestTree) Fail("the expression is nested too deep");
      } else {
        if (!call.named.empty()) Fail("an argument without a name stands behind one with");
        Push(call, Expression());
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
      std::string digits = token.text;
      std::erase(digits, '_');
      const bool whole = digits.find_first_of(".eE") == std::string::npos;
      if (whole && digits.size() > 18) Fail("a number is too long");
      return {.kind = Expr::kLiteral, .value = whole ? Literal(static_cast<std::int64_t>(std::stoll(digits))) : Literal(std::strtod(digits.c_str(), nullptr)), .line = token.line};
    }
    if (token.kind == Token::kName) {
      ++at_;
      if (token.text == "true" || token.text == "True") return {.kind = Expr::kLiteral, .value = true, .line = token.line};
      if (token.text == "false" || token.text == "False") return {.kind = Expr::kLiteral, .value = false, .line = token.line};
      if (token.text == "none" || token.text == "None") return {.kind = Expr::kLiteral, .value = nullptr, .line = token.line};
      return {.kind = Expr::kName, .text = token.text, .line = token.line};
    }
    if (TakeSign("(")) {
      if (TakeSign(")")) return Make(Expr::kList, "tuple", {});
      Expr value = Tuple(&Parser::Expression);
      Need(Token::kSign, ")");
      return value;
    }
    if (TakeSign("[")) {
      Expr list = Make(Expr::kList, "", {});
      while (!TakeSign("]")) {
        if (!list.kids.empty()) Need(Token::kSign, ",");
        if (TakeSign("]")) break;
        Push(list, Expression());
      }
      return list;
    }
    if (TakeSign("{")) {
      Expr object = Make(Expr::kObject, "", {});
      while (!TakeSign("}")) {
        if (!object.kids.empty()) Need(Token::kSign, ",");
        if (TakeSign("}")) break;
        Push(object, Expression());
        Need(Token::kSign, ":");
        Push(object, Expression());
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

const Signature* FindIn(const std::vector<Signature>& all, std::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Signature& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

std::vector<Statement> ParseTemplate(std::string_view text, const std::string& name) { return Parser(Lexer(OneKindOfBreak(text), name).Run(), name).Run(); }

const Signature* FindFilter(std::string_view name) {
  static const std::vector<Signature> all = {
      {"default", {"default_value", "boolean"}}, {"d", {"default_value", "boolean"}}, {"tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}},
      {"safe", {}}, {"string", {}}, {"trim", {"chars"}}, {"upper", {}}, {"lower", {}}, {"capitalize", {}}, {"title", {}}, {"replace", {"old", "new", "count"}, 2},
      {"int", {"default"}}, {"float", {"default"}}, {"abs", {}}, {"round", {"precision"}}, {"length", {}}, {"count", {}}, {"items", {}}, {"list", {}}, {"first", {}},
      {"last", {}}, {"join", {"d", "attribute"}}, {"reverse", {}}, {"sort", {"reverse", "case_sensitive", "attribute"}}, {"unique", {"case_sensitive", "attribute"}},
      {"dictsort", {"case_sensitive", "by", "reverse"}}, {"indent", {"width", "first", "blank"}}, {"min", {"case_sensitive", "attribute"}},
      {"max", {"case_sensitive", "attribute"}}, {"sum", {"attribute", "start"}}};
  return FindIn(all, name);
}

const Signature* FindTest(std::string_view name) {
  static const std::vector<Signature> all = {
      {"defined", {}}, {"undefined", {}}, {"none", {}}, {"string", {}}, {"mapping", {}}, {"sequence", {}}, {"iterable", {}}, {"number", {}}, {"integer", {}}, {"float", {}},
      {"boolean", {}}, {"true", {}}, {"false", {}}, {"odd", {}}, {"even", {}}, {"callable", {}}, {"lower", {}}, {"upper", {}}, {"divisibleby", {"num"}, 1}, {"in", {"seq"}, 1},
      {"sameas", {"other"}, 1}, {"equalto", {"other"}, 1}, {"eq", {"other"}, 1}, {"==", {"other"}, 1}, {"ne", {"other"}, 1}, {"!=", {"other"}, 1}, {"lt", {"other"}, 1},
      {"lessthan", {"other"}, 1}, {"<", {"other"}, 1}, {"gt", {"other"}, 1}, {"greaterthan", {"other"}, 1}, {">", {"other"}, 1}, {"le", {"other"}, 1}, {"<=", {"other"}, 1},
      {"ge", {"other"}, 1}, {">=", {"other"}, 1}};
  return FindIn(all, name);
}

const Signature* FindMethod(std::string_view name) {
  static const std::vector<Signature> all = {
      {"strip", {"chars"}}, {"lstrip", {"chars"}}, {"rstrip", {"chars"}}, {"startswith", {"prefix", "start", "end"}, 1}, {"endswith", {"suffix", "start", "end"}, 1}, {"upper", {}},
      {"lower", {}}, {"title", {}}, {"capitalize", {}}, {"replace", {"old", "new", "count"}, 2}, {"split", {"sep", "maxsplit"}}, {"rsplit", {"sep", "maxsplit"}},
      {"splitlines", {"keepends"}}, {"join", {"iterable"}, 1}, {"find", {"sub", "start", "end"}, 1}, {"rfind", {"sub", "start", "end"}, 1}, {"count", {"value"}, 1},
      {"index", {"value"}, 1}, {"isdigit", {}}, {"removeprefix", {"prefix"}, 1}, {"removesuffix", {"suffix"}, 1}, {"get", {"key", "default"}, 1}, {"items", {}}, {"keys", {}},
      {"values", {}}};
  return FindIn(all, name);
}

}  // namespace cogent::chat
