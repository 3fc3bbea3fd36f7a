#include "verifiers/math_numerals.h"

#include <algorithm>
#include <string>

#include "core/ascii.h"

namespace cogent {
namespace {

// Digits behind the first separator; more are no number, so that a long list costs its length.
constexpr std::size_t kMaxGrouped = 300;

class Reader {
 public:
  Reader(std::string_view text, std::size_t at, Commas commas, MathTree& tree)
      : text_(text), at_(at), commas_(commas), tree_(tree) {}

  Numeral Read() {
    const std::size_t begin = at_;
    const std::size_t whole = DigitsFrom(at_);
    std::string digits(text_.substr(at_, whole));
    at_ += whole;
    bool clean = true;  // the digits are a piece of the text
    if (whole > 0 && Thousands(digits)) clean = false;
    std::size_t point = 0;
    if (Peek() == '.' && (IsDigit(Peek(1)) || RepeatsAt(at_ + 1))) {
      point = 1;
    } else {
      point = DecimalComma(clean);
      clean = clean && point == 0;
    }
    if (point > 0) {
      const std::size_t length = DigitsFrom(at_ + point);
      (digits += '.') += text_.substr(at_ + point, length);
      at_ += point + length;
    }
    numeral_.decimal = point > 0;
    numeral_.digits = clean ? text_.substr(begin, at_ - begin) : tree_.Keep(digits);
    if (numeral_.decimal) numeral_.repeating = Repeating();
    if (numeral_.repeating.empty()) numeral_.exponent = Exponent();
    if (numeral_.decimal && numeral_.repeating.empty()) Continue();
    numeral_.end = at_;
    return numeral_;
  }

 private:
  char Peek(std::size_t offset = 0) const {
    return at_ + offset < text_.size() ? text_[at_ + offset] : '\0';
  }
  bool Starts(std::string_view word) const { return text_.substr(at_).starts_with(word); }
  // Of \overline and the like: in braces, or a single character.
  std::string_view Argument() {
    while (Peek() == ' ') ++at_;
    const bool brace = Peek() == '{';
    if (brace) ++at_;
    const std::size_t begin = at_;
    if (!brace && at_ < text_.size()) ++at_;
    while (brace && IsDigit(Peek())) ++at_;
    const std::string_view argument = text_.substr(begin, at_ - begin);
    if (brace && Peek() != '}') return {};
    if (brace) ++at_;
    return argument;
  }

  std::size_t DigitsFrom(std::size_t at) const {
    std::size_t end = at;
    while (end < text_.size() && IsDigit(text_[end])) ++end;
    return end - at;
  }
  // The length of a thousands separator at `at`; 0 when there is none.
  std::size_t SeparatorAt(std::size_t at) const {
    const std::string_view rest = text_.substr(at);
    for (const std::string_view separator : {"{,}", ",\\! ", ",\\!", ",\\, ", ",\\,", "\\, ", "\\,",
                                             "\\ ", "\\;", "\\:", "\\!", ",", " ", "~", "_", "'"}) {
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
    while (more.size() < kMaxGrouped && text_.substr(end).starts_with(separator) &&
           DigitsFrom(end + length) == 3) {
      more += text_.substr(end + length, 3);
      end += length + 3;
    }
    const bool comma = separator[0] == ',';
    // 1,234,5 is a list of three.
    if (comma && end + 1 < text_.size() && text_[end] == ',' && IsDigit(text_[end + 1]))
      return false;
    // 101 110/7 is a mixed number, 2 345x no number.
    if (separator == " " && end < text_.size() && (text_[end] == '/' || IsLetter(text_[end])))
      return false;
    if (comma) {
      numeral_.ambiguous_comma = true;
      if (commas_.separate) return false;
    }
    digits += more;
    at_ = end;
    return true;
  }

  // The length of a decimal comma here; 0 for a comma that separates.
  std::size_t DecimalComma(bool plain) {
    if (Starts("{,}") && IsDigit(Peek(3))) return 3;
    if (!plain || Peek() != ',' || !IsDigit(Peek(1)) || commas_.in_list) return 0;
    const std::size_t end = at_ + 1 + DigitsFrom(at_ + 1);
    if (end + 1 < text_.size() && text_[end] == ',' &&
        (IsDigit(text_[end + 1]) || text_[end + 1] == ' '))
      return 0;
    numeral_.ambiguous_comma = true;
    return commas_.separate ? 0 : 1;
  }

  // 0.(3), 0.\overline{3}, 0.\dot{3}: what repeats begins here.
  bool RepeatsAt(std::size_t at) const {
    const std::string_view rest = text_.substr(at);
    for (const std::string_view mark : {"\\overline", "\\bar", "\\dot"}) {
      if (rest.starts_with(mark) && (rest.size() == mark.size() || !IsLetter(rest[mark.size()])))
        return true;
    }
    return rest.starts_with("(") && DigitsFrom(at + 1) > 0 &&
           text_.substr(at + 1 + DigitsFrom(at + 1)).starts_with(")");
  }

  std::string_view Repeating() {
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
  void Continue() {
    std::size_t length = 0;
    for (const std::string_view dots : {"...", "\\ldots", "\\dots", "\\cdots"}) {
      if (Starts(dots)) length = dots.size();
    }
    if (length == 0) return;
    const std::string_view decimals = numeral_.digits.substr(numeral_.digits.find('.') + 1);
    for (std::size_t block = 1; block <= decimals.size() / 2 && block <= 12; ++block) {
      const std::size_t times = block == 1 ? 3 : 2;
      if (decimals.size() < block * times) break;
      const std::string_view last = decimals.substr(decimals.size() - block);
      bool repeats = true;
      for (std::size_t i = 1; i < times; ++i) {
        repeats = repeats && decimals.substr(decimals.size() - block * (i + 1), block) == last;
      }
      if (!repeats) continue;
      numeral_.repeating = last;
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
  std::size_t at_;
  Commas commas_;
  MathTree& tree_;
  Numeral numeral_;
};

}  // namespace

Numeral ReadNumeral(std::string_view text, std::size_t at, Commas commas, MathTree& tree) {
  return Reader(text, at, commas, tree).Read();
}

}  // namespace cogent
