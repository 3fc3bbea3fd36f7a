// Sums, products and powers.
#include <algorithm>

#include "verifiers/math_parser_impl.h"
#include "verifiers/math_words.h"

namespace cogent {
namespace {

// Numbers with a larger power of ten are kept as a product with that power.
constexpr std::int64_t kMaxWrittenExponent = 5000;

}  // namespace

const MathNode* MathParser::Sum() {
  const Deeper deeper(*this);
  if (deeper.TooDeep()) return nullptr;
  Nodes terms(tree_.memory());
  const MathNode* first = Term();
  if (!first) return nullptr;
  terms.push_back(first);
  const auto finish = [&]() -> const MathNode* {
    if (terms.size() == 1) return terms[0];
    // 2 + 3 cm: a unit behind the last term belongs to all.
    const MathNode* last = terms.back();
    bool alone = last->Is(Kind::kQuantity);
    for (std::size_t i = 0; i + 1 < terms.size(); ++i)
      alone = alone && !terms[i]->Is(Kind::kQuantity);
    if (!alone || last->unit->IsAngle()) return tree_.Make(Kind::kSum, terms);
    terms.back() = &(*last)[0];
    MathNode* quantity = tree_.Make(Kind::kQuantity, {tree_.Make(Kind::kSum, terms)});
    quantity->unit = last->unit;
    return quantity;
  };
  while (true) {
    const Token sign = Now().token;
    if (sign != Token::kPlus && sign != Token::kMinus && sign != Token::kPlusMinus &&
        sign != Token::kMinusPlus) {
      return finish();
    }
    ++at_;
    const MathNode* term = Term();
    if (!term) return nullptr;
    if (sign == Token::kPlus) {
      terms.push_back(term);
    } else if (sign == Token::kMinus) {
      terms.push_back(tree_.Make(Kind::kNegative, {term}));
    } else {
      MathNode* either = tree_.Make(Kind::kPlusMinus, {finish(), term});
      either->minus_first = sign == Token::kMinusPlus;
      terms.assign(1, either);
    }
  }
}

const MathNode* MathParser::Term() {
  const MathNode* left = Signed();
  return left ? MoreOfTerm(left) : nullptr;
}

// The factors are gathered first, so that a long product costs its length.
const MathNode* MathParser::MoreOfTerm(const MathNode* left) {
  Nodes factors(tree_.memory());
  factors.push_back(left);
  const auto whole = [&] {
    return factors.size() == 1 ? factors[0] : tree_.Make(Kind::kProduct, factors);
  };
  const auto multiply = [&](const MathNode* right) {
    const MathNode* number =
        right && factors.size() == 1 ? TimesPowerOfTen(factors[0], right) : nullptr;
    if (number) {
      factors[0] = number;
    } else {
      factors.push_back(right);
    }
    return right != nullptr;
  };
  const auto replace = [&](const MathNode* value) {
    factors.assign(1, value);
    return value != nullptr;
  };
  while (true) {
    bool read = true;
    if (Take(Token::kTimes)) {
      read = multiply(Signed());
    } else if (Take(Token::kDivide)) {
      const MathNode* right = Signed();
      read = right && replace(tree_.Make(Kind::kQuotient, {whole(), right}));
    } else if (Sees(Token::kPmod) && Now().text == "mod") {
      ++at_;
      const MathNode* right = Signed();
      read = right && replace(tree_.Call(Function::kModulo, {whole(), right}));
    } else if (SeesRun() || Sees(Token::kCurrencySign)) {
      const std::size_t before = at_;
      if (SeesUnit()) read = replace(UnitBehind(whole()));
      if (read && at_ == before) {
        if (!StartsFactor()) return whole();
        read = multiply(Factor());
      }
    } else if (const MathNode* both = factors.size() == 1 ? Continued(factors[0]) : nullptr) {
      factors[0] = both;
    } else if (StartsFactor()) {
      read = multiply(Factor());
    } else {
      return whole();
    }
    if (!read) return nullptr;
  }
}

// a x 10^n is one decimal number; null for other factors.
const MathNode* MathParser::TimesPowerOfTen(const MathNode* left, const MathNode* right) {
  const bool power = left->Is(Kind::kNumber) && right->Is(Kind::kPower) &&
                     (*right)[0].Is(Kind::kNumber) && *(*right)[0].value == Rational(10);
  if (!power) return nullptr;
  const MathNode& exponent = (*right)[1];
  const MathNode& magnitude = exponent.Is(Kind::kNegative) ? exponent[0] : exponent;
  const auto n = magnitude.Is(Kind::kNumber) ? magnitude.value->ToInt() : std::nullopt;
  if (!n || *n < 0 || *n > kMaxWrittenExponent) return nullptr;
  const std::int64_t shift = exponent.Is(Kind::kNegative) ? -*n : *n;
  MathNode* number = tree_.Number(*left->value * Rational::Power(10, shift));
  number->decimal = left->decimal;
  number->decimals = left->decimals - static_cast<std::int32_t>(shift);
  number->significant = left->significant;
  return number;
}

const MathNode* MathParser::Multiply(const MathNode* left, const MathNode* right) {
  const MathNode* number = TimesPowerOfTen(left, right);
  return number ? number : tree_.Make(Kind::kProduct, {left, right});
}

// Signs before a factor: -2^2 is -(2^2).
const MathNode* MathParser::Signed() {
  const Deeper deeper(*this);
  if (deeper.TooDeep()) return nullptr;
  if (Take(Token::kPlus)) return Signed();
  if (Take(Token::kMinus)) {
    const MathNode* value = Signed();
    return value ? tree_.Make(Kind::kNegative, {value}) : nullptr;
  }
  if (Sees(Token::kPlusMinus) || Sees(Token::kMinusPlus)) {
    const bool minus_first = Sees(Token::kMinusPlus);
    ++at_;
    const MathNode* value = Term();
    if (!value) return nullptr;
    MathNode* either = tree_.Make(Kind::kPlusMinus, {value});
    either->minus_first = minus_first;
    return either;
  }
  return Factor();
}

const MathNode* MathParser::Factor() {
  const MathNode* base = Primary();
  return base ? Powers(base) : nullptr;
}

const MathNode* MathParser::Powers(const MathNode* base) {
  while (base) {
    if (Sees(Token::kPower)) {
      // 5^{th}, x^{\prime}
      if (Now(1).token == Token::kOpen && SeesRun(2) &&
          (Now(2).text == "th" || Now(2).text == "st" || Now(2).text == "nd" ||
           Now(2).text == "rd")) {
        at_ += 4;
        continue;
      }
      ++at_;
      const MathNode* exponent = Exponent();
      base = exponent ? tree_.Make(Kind::kPower, {base, exponent}) : nullptr;
    } else if (Take(Token::kFactorialSign)) {
      const bool twice = Take(Token::kFactorialSign);
      base = tree_.Call(twice ? Function::kDoubleFactorial : Function::kFactorial, {base});
    } else if (Take(Token::kPercentSign)) {
      base = tree_.Make(Kind::kPercent, {base});
    } else if (Sees(Token::kDegreeSign)) {
      ++at_;
      MathNode* quantity = tree_.Make(Kind::kQuantity, {base});
      const bool celsius = SeesRun() && (Now().text == "C" || Now().text == "F");
      quantity->unit = tree_.Keep(*FindUnit(!celsius            ? "degree"
                                            : Now().text == "C" ? "celsius"
                                                                : "fahrenheit"));
      if (celsius) ++at_;
      base = quantity;
    } else {
      return base;
    }
  }
  return nullptr;
}

const MathNode* MathParser::Exponent() {
  const Deeper deeper(*this);
  if (deeper.TooDeep()) return nullptr;
  if (Take(Token::kMinus)) {
    const MathNode* exponent = Exponent();
    return exponent ? tree_.Make(Kind::kNegative, {exponent}) : nullptr;
  }
  if (Take(Token::kPlus)) return Exponent();
  const MathNode* base = Primary();
  if (!base || base->Is(Kind::kList)) return nullptr;
  if (Take(Token::kFactorialSign)) base = tree_.Call(Function::kFactorial, {base});
  if (!Take(Token::kPower)) return base;
  const MathNode* exponent = Exponent();
  return exponent ? tree_.Make(Kind::kPower, {base, exponent}) : nullptr;
}

// Whether a factor can begin here without a sign of multiplication before it.
bool MathParser::StartsFactor() const {
  switch (Now().token) {
    case Token::kNumber:
      return at_ > 0 && tokens_[at_ - 1].token != Token::kNumber;
    case Token::kLetters:
      return !IsAnd(Now().text) && !IsOr(Now().text) && !IsCondition(Now().text) &&
             Now().text != "to" && Now().text != "in" && Now().text != "mod" &&
             Now().text != "choose" &&
             !(Now().text == "U" && at_ > 0 && tokens_[at_ - 1].token == Token::kClose &&
               Now(1).token == Token::kOpen);
    case Token::kSymbol:
    case Token::kConstant:
    case Token::kFunction:
    case Token::kFraction:
    case Token::kRootSign:
    case Token::kBinomialSign:
    case Token::kSumSign:
    case Token::kProductSign:
    case Token::kUnknownSign:
    case Token::kBegin:
    case Token::kOverline:
    case Token::kNameSign:
      return true;
    case Token::kOpen:
      if (Now().symbol == '[' && intervals_ > 0) return false;
      return Now(1).token != Token::kPmod;
    case Token::kBar:
      return bars_ == 0;
    default:
      return false;
  }
}

// --- Numbers -------------------------------------------------------------------------------------

const MathNode* MathParser::NumberOf(const Lexeme& lexeme) {
  const std::string_view text = lexeme.text;
  if (text.size() > kMaxNumberDigits || lexeme.repeating.size() > 200) return nullptr;
  const std::size_t point = std::min(text.find('.'), text.size());
  std::string digits(text.substr(0, point));
  if (point < text.size()) digits += text.substr(point + 1);
  const auto decimals =
      static_cast<std::int64_t>(point < text.size() ? text.size() - point - 1 : 0);
  const std::int64_t shift = lexeme.exponent - decimals;
  const bool huge =
      shift > kMaxWrittenExponent || (shift < -kMaxWrittenExponent && lexeme.exponent != 0);
  auto value = Rational::FromDigits(digits.empty() ? "0" : digits);
  if (!value) return nullptr;
  const auto block = lexeme.repeating.empty() ? std::optional<Rational>(0)
                                              : Rational::FromDigits(lexeme.repeating);
  if (!block) return nullptr;
  if (!lexeme.repeating.empty()) {
    const Rational nines =
        Rational::Power(10, static_cast<std::int64_t>(lexeme.repeating.size())) - Rational(1);
    *value = *value + *block / nines;
  }
  if (huge) {
    return tree_.Make(
        Kind::kProduct,
        {tree_.Number(*value), tree_.Make(Kind::kPower, {tree_.Number(10), tree_.Number(shift)})});
  }
  if (shift != 0) *value = *value * Rational::Power(10, shift);
  MathNode* number = tree_.Number(std::move(*value));
  number->decimal = lexeme.decimal && lexeme.repeating.empty();
  number->decimals = static_cast<std::int32_t>(-shift);
  const std::size_t first = digits.find_first_not_of('0');
  number->significant =
      first == std::string::npos ? 0 : static_cast<std::int32_t>(digits.size() - first);
  return number;
}

// Numbers and letters that stand here without a space between; their count goes into `count`.
std::string MathParser::Glued(std::size_t& count) const {
  std::string text;
  for (count = 0; count < 16; ++count) {
    const Lexeme& next = Now(count);
    const bool number = next.token == Token::kNumber && !next.decimal && next.exponent == 0;
    if ((!number && next.token != Token::kLetters) || (count > 0 && next.space_before)) break;
    text += next.text;
  }
  return text;
}

// 1011_2, 1A_{16}, FF_{16}, 0xFF, 0b11; null when this is none.
const MathNode* MathParser::InBase() {
  const Token next = Now(1).token;
  if (next != Token::kSubscript && (Now(1).space_before || (next != Token::kLetters && next != Token::kNumber))) return nullptr;
  std::size_t sign = 0;
  const std::string digits = Glued(sign);
  if (sign > 1 && digits.size() > 2 && digits[0] == '0' && Now().token == Token::kNumber && Now().text == "0") {
    const int base = digits[1] == 'x' || digits[1] == 'X' ? 16 : digits[1] == 'b' ? 2 : digits[1] == 'o' ? 8 : 0;
    if (auto number = base == 0 ? std::nullopt : Rational::FromDigits(digits.substr(2), base)) {
      at_ += sign;
      return tree_.Number(std::move(*number));
    }
  }
  if (sign == 0 || Now(sign).token != Token::kSubscript) return nullptr;
  // Letters at the front are a number only where nothing else makes sense of them.
  const bool letters = Now().token == Token::kLetters;
  if (letters && (digits.size() < 2 || std::any_of(digits.begin(), digits.end(), [](char c) { return c >= 'a' && c <= 'z'; }))) return nullptr;
  const bool brace = Now(sign + 1).token == Token::kOpen;
  if (brace && Now(sign + 3).token != Token::kClose) return nullptr;  // 11_{4: it does not end
  const Lexeme& base = Now(sign + (brace ? 2 : 1));
  std::optional<int> value;
  if (base.token == Token::kNumber && base.text.size() <= 2) {
    value = 0;
    for (const char c : base.text) value = c == '.' ? 99 : *value * 10 + (c - '0');
  } else if (base.token == Token::kWord || base.token == Token::kLetters) {
    value = NumberWord(LowerAscii(base.text));
  }
  if (!value || *value < 2 || *value > 36 || (letters && *value <= 10)) return nullptr;
  auto number = Rational::FromDigits(digits, *value);
  if (!number) return nullptr;
  at_ += sign + (brace ? 4 : 2);
  return tree_.Number(std::move(*number));
}

// The fraction of a mixed number behind its whole part; the whole alone when there is none.
const MathNode* MathParser::Mixed(const MathNode* whole) {
  if (whole->decimal || !whole->value->IsWhole()) return whole;
  const std::size_t begin = at_;
  const MathNode* fraction = nullptr;
  if (Sees(Token::kFraction)) {
    fraction = Fraction();
  } else if (Sees(Token::kNumber) && Now().space_before && Now(1).token == Token::kDivide &&
             Now(2).token == Token::kNumber && !Now().decimal && !Now(2).decimal) {
    const MathNode* above = NumberOf(Now());
    const MathNode* below = NumberOf(Now(2));
    if (!above || !below) return nullptr;
    at_ += 3;
    fraction = tree_.Make(Kind::kQuotient, {above, below});
  } else {
    return whole;
  }
  if (!fraction) return nullptr;
  const bool proper = fraction->Is(Kind::kQuotient) && (*fraction)[0].Is(Kind::kNumber) &&
                      (*fraction)[1].Is(Kind::kNumber) && (*fraction)[0].value->IsWhole() &&
                      (*fraction)[1].value->IsWhole() &&
                      *(*fraction)[0].value < *(*fraction)[1].value && !whole->value->IsZero();
  if (proper) return tree_.Make(Kind::kSum, {whole, fraction});
  if (tokens_[begin].token == Token::kNumber) return nullptr;  // 2 3/2 is nothing
  return Multiply(whole, fraction);
}

const MathNode* MathParser::MakeNumber() {
  const Lexeme& lexeme = Now();
  if (const MathNode* based = InBase()) return based;
  const MathNode* number = NumberOf(lexeme);
  ++at_;
  if (!number || number->Is(Kind::kProduct)) return number;
  return Mixed(number);
}

}  // namespace cogent
