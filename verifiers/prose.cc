#include "verifiers/prose.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "core/ascii.h"
#include "verifiers/prose_parts.h"

namespace cogent {
namespace {

bool IsAsciiByte(char c) { return static_cast<unsigned char>(c) < 0x80; }

// ---- the walk -----------------------------------------------------------------------------------

class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) {}

  std::vector<ProseWord> Run() {
    while (at_ < text_.size()) Step();
    return std::move(words_);
  }

 private:
  void Step() {
    const char c = text_[at_];
    if (IsSpace(c)) {
      if (c == '\n') {
        Note(Break::kSentence);
        line_start_ = true;
      }
      ++at_;
      return;
    }
    std::size_t end = at_;
    switch (c) {
      case '`':
      case '~':
        end = CodeEnd();
        break;
      case '$':
        end = DollarsEnd();
        break;
      case '\\':
        end = CommandEnd();
        break;
      case '<':
        end = TagEnd();
        break;
      case '|':
        end = TokenEnd();
        break;
      default:
        break;
    }
    if (end == at_) end = ChunkEnd();
    if (end != at_) return SkipTo(end, Break::kClause);
    if (IsDigit(c)) return Number();
    WordOrMark();
  }

  void Note(Break kind) { break_ = std::max(break_, kind); }
  void SkipTo(std::size_t end, Break kind) {
    at_ = end;
    Note(kind);
    before_ = Operator::kNone;
    line_start_ = false;
  }

  // The end of the paragraph that `at_` is in: a blank line.
  std::size_t ParagraphEnd() {
    if (at_ < paragraph_end_) return paragraph_end_;
    for (std::size_t i = at_; i < text_.size(); ++i) {
      if (text_[i] != '\n') continue;
      std::size_t j = i + 1;
      while (j < text_.size() && (text_[j] == ' ' || text_[j] == '\t' || text_[j] == '\r')) ++j;
      if (j < text_.size() && text_[j] == '\n') return paragraph_end_ = i + 1;
      i = j - 1;
    }
    return paragraph_end_ = text_.size();
  }

  std::size_t RunLength(std::size_t from, char c) const {
    std::size_t i = from;
    while (i < text_.size() && text_[i] == c) ++i;
    return i - from;
  }

  // Code: a fence of three or more, or as many backticks on both sides within a paragraph.
  std::size_t CodeEnd() {
    const char c = text_[at_];
    const std::size_t length = RunLength(at_, c);
    if (length >= 3) {
      const std::size_t close = text_.find(std::string(3, c), at_ + length);
      if (close == std::string_view::npos) return text_.size();
      return close + RunLength(close, c);
    }
    if (c == '~') return at_;
    const std::size_t end = ParagraphEnd();
    return EndOr(at_ + length, ticks_[length - 1](at_ + length, end, [&](std::size_t from) {
                   for (std::size_t i = from; i < end; ++i) {
                     if (text_[i] != '`') continue;
                     const std::size_t run = RunLength(i, '`');
                     if (run == length) return i + run;
                     i += run;
                   }
                   return kNever;
                 }));
  }

  // LaTeX between dollars. `$5 and $10` has none: no dollar there can close.
  std::size_t DollarsEnd() {
    if (text_.substr(at_).starts_with("$$")) {
      return EndOr(at_ + 2, double_dollar_(at_ + 2, text_.size(), [&](std::size_t from) {
                     const std::size_t close = text_.find("$$", from);
                     return close == std::string_view::npos ? kNever : close + 2;
                   }));
    }
    if (at_ + 1 >= text_.size() || IsSpace(text_[at_ + 1])) return at_ + 1;
    const std::size_t end = ParagraphEnd();
    return EndOr(at_ + 1, dollar_(at_ + 1, end, [&](std::size_t from) {
                   for (std::size_t i = from; i < end; ++i) {
                     if (text_[i] == '\\') {
                       ++i;
                     } else if (text_[i] == '$' && i > from && !IsSpace(text_[i - 1]) &&
                                (i + 1 >= text_.size() || !IsDigit(text_[i + 1]))) {
                       return i + 1;
                     }
                   }
                   return kNever;
                 }));
  }

  static std::size_t EndOr(std::size_t otherwise, std::size_t found) {
    return found == kNever ? otherwise : found;
  }

  std::size_t FindClose(Search& search, std::string_view close) {
    return EndOr(at_ + 2, search(at_ + 2, text_.size(), [&](std::size_t from) {
                   const std::size_t found = text_.find(close, from);
                   return found == std::string_view::npos ? kNever : found + close.size();
                 }));
  }

  // A command with its arguments, an environment, \( \) or \[ \].
  std::size_t CommandEnd() {
    const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
    if (next == '(') return FindClose(round_, "\\)");
    if (next == '[') return FindClose(square_, "\\]");
    if (!IsAsciiLetter(next))
      return std::min(at_ + (IsAsciiByte(next) && !IsSpace(next) ? 2 : 1), text_.size());
    if (!pairs_) pairs_ = std::make_unique<Pairs>(text_);
    std::size_t end = at_ + 1;
    while (end < text_.size() && IsAsciiLetter(text_[end])) ++end;
    const std::string_view name = text_.substr(at_ + 1, end - at_ - 1);
    if (name == "begin" && end < text_.size() && text_[end] == '{') {
      std::string_view environment = text_.substr(end + 1, Pairs::kLongestName);
      environment = environment.substr(0, environment.find('}'));
      if (environment.ends_with('*')) environment.remove_suffix(1);
      const std::size_t whole = pairs_->End(at_);
      if (whole != kNever && !IsTextEnvironment(environment)) return whole;
    }
    while (end < text_.size() && text_[end] == '{') {
      const std::size_t close = pairs_->End(end);
      if (close == kNever) break;
      end = close;
    }
    return end;
  }

  // <think>, </answer>, <a href="..">, <|im_end|>; not x<y and z>w.
  std::size_t TagEnd() const {
    constexpr std::size_t kLongest = 200;
    const std::string_view rest = text_.substr(at_, kLongest);
    if (rest.starts_with("<|")) {
      const std::size_t close = rest.find("|>");
      return close == std::string_view::npos ? at_ : at_ + close + 2;
    }
    if (rest.starts_with("<\uFF5C")) {  // tokens of DeepSeek's tokenizer
      const std::size_t close = rest.find("\uFF5C>");
      return close == std::string_view::npos ? at_ : at_ + close + 4;
    }
    std::size_t i = rest.starts_with("</") ? 2 : 1;
    while (i < rest.size() && (rest[i] == ' ' || rest[i] == '\t')) ++i;
    const bool inner_space = i > 2 || (i == 2 && rest[1] == ' ');
    const std::size_t name = i;
    while (i < rest.size() &&
           (IsAsciiLetter(rest[i]) || IsDigit(rest[i]) || rest[i] == '_' || rest[i] == '-'))
      ++i;
    if (i == name) return at_;
    const std::size_t close = rest.find('>', i);
    if (close == std::string_view::npos) return at_;
    const std::string_view attributes = rest.substr(i, close - i);
    const bool blank = attributes.find_first_not_of(" \t/") == std::string_view::npos;
    if (!blank &&
        (inner_space || attributes.find('=') == std::string_view::npos || !IsSpace(attributes[0])))
      return at_;
    if (blank && i - name == 1 && text_[at_ + 1] != '/') return at_;  // a<b>c
    return at_ + close + 1;
  }

  // |special_token|
  std::size_t TokenEnd() const {
    std::size_t i = at_ + 1;
    bool underscore = false;
    while (i < text_.size() && (IsAsciiLetter(text_[i]) || text_[i] == '_'))
      underscore |= text_[i++] == '_';
    return underscore && i < text_.size() && text_[i] == '|' ? i + 1 : at_;
  }

  // Behind an address, a path or a name with underscores that begins here; `at_` when there is
  // none.
  std::size_t ChunkEnd() {
    if (at_ < chunk_end_ || !IsAsciiByte(text_[at_])) return at_;
    std::size_t end = at_;
    while (end < text_.size() && IsAsciiByte(text_[end]) && !IsSpace(text_[end]) &&
           std::string_view("<`$|\\\"(){}").find(text_[end]) == std::string_view::npos)
      ++end;
    if (end == at_) return at_;
    chunk_end_ = end;
    return IsAddress(text_.substr(at_, end - at_)) ? end : at_;
  }

  UChar32 At(std::size_t place, std::size_t* next) const {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text_.data());
    UChar32 c = 0;
    U8_NEXT(bytes, place, text_.size(), c);
    *next = place;
    return c;
  }

  // A number with the letters that cling to it: 3.5, 5cm, 2nd.
  void Number() {
    while (at_ < text_.size()) {
      std::size_t next = 0;
      const UChar32 c = At(at_, &next);
      const bool inside = (c == '.' || c == ',') && next < text_.size() && IsDigit(text_[next]);
      const Letter letter = IsDigit(text_[at_]) || inside ? Letter{} : Classify(c);
      const bool clings = letter.letter && letter.script == Script::kLatin;
      if (!IsDigit(text_[at_]) && !inside && !clings && !letter.continues) break;
      at_ = next;
    }
    before_ = Operator::kNone;
    line_start_ = false;
  }

  void WordOrMark() {
    std::size_t next = 0;
    const UChar32 c = At(at_, &next);
    const Letter letter =
        IsAsciiByte(text_[at_]) && !IsAsciiLetter(text_[at_]) ? Letter{} : Classify(c);
    if (letter.letter) return Word(letter.script, next);
    Note(BreakOf(c));
    before_ = line_start_ ? Operator::kNone : OperatorOf(c);  // lists begin their lines with - * +
    at_ = next;
  }

  void Word(Script script, std::size_t next) {
    const std::size_t begin = at_;
    std::size_t end = next;
    int letters = 1;
    bool digits = false;
    while (end < text_.size()) {
      const UChar32 c = At(end, &next);
      Letter letter;
      if (IsDigit(text_[end]) && script == Script::kLatin) {
        digits = true;
      } else if ((c == '\'' || c == 0x2019) && script == Script::kLatin) {
        std::size_t behind = next;
        const UChar32 following = next < text_.size() ? At(next, &behind) : -1;
        letter = Classify(following);
        if (!letter.letter || letter.script != Script::kLatin) break;
      } else {
        letter = Classify(c);
        if (letter.letter ? letter.script != script : !letter.continues) break;
        if (letter.letter) ++letters;
      }
      end = next;
    }
    at_ = end;
    const std::string_view text = text_.substr(begin, end - begin);
    const Operator beside = std::max(before_, OperatorBehind());
    before_ = Operator::kNone;
    line_start_ = false;
    if (digits || (script == Script::kLatin && IsFormula(text, letters, beside))) return;
    if (letters == 1 && beside != Operator::kNone && script != Script::kHan) return;
    if (letters == 1 && script == Script::kOther) return;  // Greek letters and the like
    words_.push_back({text, script, words_.empty() ? Break::kSentence : break_, letters == 1});
    break_ = Break::kNone;
  }

  Operator OperatorBehind() const {
    std::size_t i = at_;
    while (i < text_.size() && text_[i] == ' ') ++i;
    if (i >= text_.size() || text_[i] == '<') return Operator::kNone;
    std::size_t next = 0;
    return OperatorOf(At(i, &next));
  }

  bool IsFormula(std::string_view word, int letters, Operator beside) const {
    std::size_t i = at_;
    const bool call = i < text_.size() && text_[i] == '(' && !IsEndingInBrackets(i);
    if (call) return true;
    while (i < text_.size() && text_[i] == ' ') ++i;
    const bool letter = i + 1 < text_.size() && IsAsciiLetter(text_[i]) && IsAsciiByte(text_[i + 1]) &&
                        !IsAsciiLetter(text_[i + 1]);
    const bool argument =
        letter ||
        (i < text_.size() &&
         (IsDigit(text_[i]) || std::string_view("(\\$").find(text_[i]) != std::string_view::npos));
    if ((beside != Operator::kNone || argument) && IsFunctionName(word)) return true;
    return beside == Operator::kStrong && letters == 2;
  }

  // "number(s)", "Schüler(innen)"
  bool IsEndingInBrackets(std::size_t open) const {
    std::size_t i = open + 1;
    while (i < text_.size() && i - open <= 6 && IsAsciiLetter(text_[i])) ++i;
    const std::size_t letters = i - open - 1;
    return letters >= 1 && i < text_.size() && text_[i] == ')' &&
           (letters > 1 || text_[open + 1] == 's' || text_[open + 1] == 'e');
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  std::vector<ProseWord> words_;
  Break break_ = Break::kNone;
  Operator before_ = Operator::kNone;
  bool line_start_ = true;
  std::size_t paragraph_end_ = 0, chunk_end_ = 0;
  Search ticks_[2], dollar_, double_dollar_, round_, square_;
  std::unique_ptr<Pairs> pairs_;
};

}  // namespace

std::vector<ProseWord> ProseWords(std::string_view text) { return Walk(text).Run(); }

}  // namespace cogent
