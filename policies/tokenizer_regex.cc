#include "policies/tokenizer_regex.h"

#include <re2/re2.h>

#include <vector>

#include "core/error.h"
#include "policies/tokenizer_bytes.h"

namespace cogent {
namespace {

constexpr std::string_view kSpaces = R"(\t-\r\x{85}\pZ)";  // White_Space, inside of brackets
constexpr std::string_view kGivesBack = R"(|\s+(?!\S)|\s+)";

class Translator {
 public:
  Translator(std::string_view pattern, const std::string& where) : rest_(pattern), where_(where) {}

  std::string Run() {
    while (at_ < rest_.size()) {
      const char c = rest_[at_];
      if (c == '\\') {
        Escape();
      } else if (in_class_) {
        if (rest_.substr(at_).starts_with("&&")) Fail("&&");
        if (c == ']') in_class_ = false;
        // An inner [ is a literal for RE2 and a set of its own for others.
        if (c == '[') Fail("[ inside of brackets");
        Copy(1);
      } else if (c == '[') {
        in_class_ = true;
        Copy(rest_.substr(at_).starts_with("[^") ? 2 : 1);
      } else if (c == '^' || c == '$') {
        Fail(std::string(1, c));
      } else if (rest_.substr(at_).starts_with("(?") && !rest_.substr(at_).starts_with("(?i:") && !rest_.substr(at_).starts_with("(?:")) {
        Fail(std::string(rest_.substr(at_, 4)));
      } else if (c == '+' && quantified_ == at_) {
        Fail("a possessive quantifier");
      } else {
        if (rest_.substr(at_).starts_with("{,")) Fail("{,n}; write {0,n}");  // of RE2, a literal
        const bool counts = c == '{' && rest_.find('}', at_) != std::string_view::npos;
        const bool quantifies = counts || c == '+' || c == '*' || c == '?';
        Copy(counts ? rest_.find('}', at_) - at_ + 1 : 1);
        if (quantifies) quantified_ = at_;
        if (c == '(') folds_.push_back(Folds() || rest_.substr(at_).starts_with("?i:"));
        if (c == ')' && !folds_.empty()) folds_.pop_back();
        if (Folds()) CheckFold();
        if (c == '(' && !rest_.substr(at_).starts_with('?')) out_ += "?:";  // the one group that is asked for is our own
      }
    }
    return out_;
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const { throw DataError(where_ + ": the pattern holds " + what + ", which cannot be read"); }
  void Copy(std::size_t count) {
    out_ += rest_.substr(at_, count);
    at_ += count;
  }
  bool Folds() const { return !folds_.empty() && folds_.back(); }
  // Others fold several letters to one, such as ss to U+00DF; RE2 does not.
  void CheckFold() const {
    if (at_ >= rest_.size()) return;
    if (static_cast<unsigned char>(rest_[at_]) >= 0x80) Fail("a letter beyond ASCII in (?i:)");
    std::string two(rest_.substr(at_, 2));
    for (char& c : two) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    for (const char* one : {"ss", "ff", "fi", "fl", "st"}) {
      if (two == one) Fail(two + " in (?i:), which also means one letter");
    }
  }
  void Escape() {
    if (at_ + 1 == rest_.size()) Fail("a backslash at its end");
    const char c = rest_[at_ + 1];
    if (c == 's') {
      out_ += in_class_ ? std::string(kSpaces) : "[" + std::string(kSpaces) + "]";
    } else if (c == 'S' && !in_class_) {
      out_ += "[^" + std::string(kSpaces) + "]";
    } else if (c == 'd') {
      out_ += R"(\p{Nd})";
    } else if (c == 'p' || c == 'P') {
      if (!rest_.substr(at_ + 2).starts_with('{')) Fail("a property without braces; write \\" + std::string(1, c) + "{L}");  // elsewhere it is the letter p
      const std::size_t end = rest_.find('}', at_);
      if (end >= rest_.size()) Fail("a property that is cut short");
      const std::string_view property = rest_.substr(at_ + 3, 2);
      if (Folds() && (property == "Lu" || property == "Ll" || property == "Lt")) Fail("a property of large or small letters in (?i:)");
      return Copy(end - at_ + 1);
    } else if (std::string_view("SwWbBAzZGhHkKXRQEC0123456789").find(c) != std::string_view::npos) {
      Fail(std::string("\\") + c + (c == 'S' ? " inside of brackets" : ""));
    } else {
      out_ += rest_.substr(at_, 2);
    }
    at_ += 2;
  }

  std::string_view rest_;
  const std::string& where_;
  std::string out_;
  std::size_t at_ = 0;
  std::size_t quantified_ = std::string_view::npos;  // a quantifier ends here
  bool in_class_ = false;
  std::vector<bool> folds_;  // of each open bracket: case does not count in it
};

}  // namespace

struct WordPattern::Impl {
  Impl(const std::string& pattern, bool gives, const RE2::Options& options) : gives_back(gives), re(pattern, options) {}
  bool gives_back;
  RE2 re;
};

WordPattern::WordPattern(std::string_view pattern, const std::string& where) {
  const std::string whole(pattern);
  const bool gives_back = pattern.ends_with(kGivesBack);
  if (gives_back) pattern.remove_suffix(kGivesBack.size());
  std::string text = Translator(pattern, where).Run();
  if (gives_back) text += "|([" + std::string(kSpaces) + "]+)";
  RE2::Options options;
  options.set_max_mem(64 << 20);  // room for the automaton of the Unicode classes
  options.set_log_errors(false);
  auto impl = std::make_unique<Impl>(text, gives_back, options);
  if (!impl->re.ok()) throw DataError(where + ": the pattern " + QuoteText(whole) + " cannot be read: " + impl->re.error());
  if (RE2::FullMatch("", impl->re)) throw DataError(where + ": the pattern " + QuoteText(whole) + " matches the empty text");
  impl_ = std::move(impl);
}

WordPattern::~WordPattern() = default;
WordPattern::WordPattern(WordPattern&&) noexcept = default;
WordPattern& WordPattern::operator=(WordPattern&&) noexcept = default;

WordPattern::Match WordPattern::Find(std::string_view text, std::size_t at) const {
  const RE2& re = impl_->re;
  const re2::StringPiece whole(text.data(), text.size());
  re2::StringPiece found[2];
  // Most patterns match wherever they are asked.
  if (!re.Match(whole, at, text.size(), RE2::ANCHOR_START, found, 1) && !re.Match(whole, at, text.size(), RE2::UNANCHORED, found, 1)) {
    return {text.size(), text.size()};
  }
  Match match{static_cast<std::size_t>(found[0].data() - text.data()), 0};
  match.end = match.begin + found[0].size();
  if (!impl_->gives_back || match.end == text.size() || match.end == match.begin) return match;
  const Utf8Char last = LastUtf8(text.substr(match.begin, match.end - match.begin));
  if (!IsSpace(last.code_point) || match.end - match.begin == last.length) return match;
  // A line break may also end another branch.
  re.Match(whole, match.begin, text.size(), RE2::ANCHOR_START, found, 2);
  if (found[1].data() != nullptr) match.end -= last.length;
  return match;
}

}  // namespace cogent
