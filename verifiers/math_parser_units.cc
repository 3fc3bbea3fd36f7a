// Units, labels and currencies round a value.
#include "verifiers/math_commands.h"
#include "verifiers/math_parser_impl.h"
#include "verifiers/math_words.h"

namespace cogent {
namespace {

// Single letters that stand for a unit behind a number in a prediction, unless the gold answer has
// variables.
constexpr std::string_view kUnitLetters = "msghLNJWV";

bool IsSquare(std::string_view word) {
  return word == "square" || word == "sq" || word == "squared";
}
bool IsCubic(std::string_view word) { return word == "cubic" || word == "cu" || word == "cubed"; }

}  // namespace

bool MathParser::IsUnitRun(const Lexeme& lexeme) const {
  if (lexeme.split || lexeme.text.empty()) return false;
  if (lexeme.token == Token::kWord) return true;
  if (options_.variables && !options_.variables->empty() && options_.variables->HasAll(lexeme.text))
    return false;
  if (lexeme.text.size() == 1) {
    return options_.variables && options_.variables->empty() &&
           kUnitLetters.find(lexeme.text[0]) != std::string_view::npos;
  }
  return true;
}

// Whether a unit, a label or a currency may stand here.
bool MathParser::SeesUnit() const {
  return Sees(Token::kCurrencySign) || (SeesRun() && IsUnitRun(Now()));
}

// The value with the unit that follows it, or with its words; the value alone when nothing follows.
// Null when prose follows.
const MathNode* MathParser::UnitBehind(const MathNode* value) {
  if (Sees(Token::kCurrencySign)) {
    const auto unit = FindCurrency(Now().text);
    if (!unit) return nullptr;
    ++at_;
    MathNode* quantity = tree_.Make(Kind::kQuantity, {value});
    quantity->unit = tree_.Keep(*unit);
    return quantity;
  }
  if (!SeesRun() || !IsUnitRun(Now())) return value;
  const std::string_view word = Now().text;
  if (Now().token == Token::kLetters && value->symbolic &&
      !(options_.variables && word.size() > 1 && Now().space_before && FindUnit(word))) {
    return value;
  }
  if (IsAnd(word) || IsOr(word) || IsCondition(word) || word == "to") return value;
  if (const MathCommand* command = FindPlainWord(word)) {
    if (command->token == Token::kPercentSign) {
      ++at_;
      return tree_.Make(Kind::kPercent, {value});
    }
    // min and sec are units, too
    const bool inch =
        word == "in" && (Now(1).token == Token::kEnd || Now(1).token == Token::kPower ||
                         Now(1).token == Token::kClose);
    const bool unit = FindUnit(word) && Now(1).token != Token::kOpen &&
                      (word != "in" || (inch && !value->symbolic));
    if (!unit) return value;
  }
  if (const auto power = PowerOfTen(word)) {
    ++at_;
    const MathNode* scaled = Multiply(value, tree_.Number(Rational::Power(10, *power)));
    return UnitBehind(scaled);
  }
  const std::size_t begin = at_;
  if (const auto unit = UnitAhead()) {
    // Words that only say more: 5 cm long, 20 degrees Celsius.
    while (SeesRun() && !IsAnd(Now().text) && !IsOr(Now().text) && !IsCondition(Now().text) &&
           IsUnitRun(Now()) && !FindPlainWord(Now().text)) {
      if (Now().token == Token::kLetters && IsProse(Now().text) && Now().text != "of")
        return nullptr;
      ++at_;
    }
    if (value->Is(Kind::kQuantity)) return value->unit->SameDimension(*unit) ? value : nullptr;
    MathNode* quantity = tree_.Make(Kind::kQuantity, {value});
    quantity->unit = tree_.Keep(*unit);
    return quantity;
  }
  at_ = begin;
  const MathNode* labelled = Label(value);
  return labelled && value->Is(Kind::kQuantity) ? value : labelled;
}

// 2 hours 30 minutes: the quantity with the one that continues it; null when none does.
const MathNode* MathParser::Continued(const MathNode* quantity) {
  if (!quantity->Is(Kind::kQuantity) || quantity->unit->IsLabel() || !Sees(Token::kNumber) ||
      !SeesRun(1) || !FindUnit(Now(1).text)) {
    return nullptr;
  }
  const Unit& first = *quantity->unit;
  if (!FindUnit(Now(1).text)->SameDimension(first)) return nullptr;
  const std::size_t begin = at_;
  const MathNode* number = MakeNumber();
  const MathNode* more = number ? UnitBehind(number) : nullptr;
  if (!more || !more->Is(Kind::kQuantity) || !more->unit->SameDimension(first)) {
    at_ = begin;
    return nullptr;
  }
  const Unit& last = *more->unit;
  const Rational factor =
      Rational(first.above) / Rational(first.below) * Rational(last.below) / Rational(last.above);
  const MathNode* scaled = tree_.Make(Kind::kProduct, {&(*quantity)[0], tree_.Number(factor)});
  MathNode* both = tree_.Make(Kind::kQuantity, {tree_.Make(Kind::kSum, {scaled, &(*more)[0]})});
  both->unit = more->unit;
  return both;
}

std::optional<Unit> MathParser::PowerOfUnit(std::optional<Unit> unit) {
  if (!unit || !Sees(Token::kPower)) return unit;
  const bool brace = Now(1).token == Token::kOpen && Now(1).symbol == '{';
  const std::size_t sign = brace ? 2 : 1;
  const bool negative = Now(sign).token == Token::kMinus;
  const Lexeme& digits = Now(sign + (negative ? 1 : 0));
  if (digits.token != Token::kNumber || digits.text.size() != 1) return std::nullopt;
  at_ += sign + (negative ? 2 : 1);
  if (brace) {
    if (!SeesClose('}')) return std::nullopt;
    ++at_;
  }
  const int power = digits.text[0] - '0';
  return unit->Raised(negative ? -power : power);
}

// cm, square feet, m^2
std::optional<Unit> MathParser::OneUnit() {
  if (Take(Token::kDegreeSign)) return FindUnit("degree");
  if (!SeesRun()) return std::nullopt;
  const bool square = IsSquare(Now().text);
  const bool cubic = IsCubic(Now().text);
  if ((square || cubic) && SeesRun(1)) {
    ++at_;
    while (Take(Token::kDot)) {
    }
    const auto base = FindUnit(Now().text);
    if (!base) return std::nullopt;
    ++at_;
    return base->Raised(square ? 2 : 3);
  }
  const auto unit = FindUnit(Now().text);
  if (!unit) return std::nullopt;
  ++at_;
  if (SeesRun() && IsSquare(Now().text)) {
    ++at_;
    return unit->Raised(2);
  }
  if (SeesRun() && IsCubic(Now().text)) {
    ++at_;
    return unit->Raised(3);
  }
  return PowerOfUnit(unit);
}

// A product or quotient of units.
std::optional<Unit> MathParser::UnitAhead() {
  auto unit = OneUnit();
  while (unit) {
    const bool per = Sees(Token::kDivide) || (SeesRun() && Now().text == "per");
    if (per && SeesRun(1)) {
      ++at_;
      if (!FindUnit(Now().text)) {  // dollars per box: what it is counted by says nothing more
        ++at_;
        continue;
      }
      const auto below = OneUnit();
      const auto inverse = below ? below->Raised(-1) : std::nullopt;
      unit = inverse ? unit->Times(*inverse) : std::nullopt;
    } else if (Sees(Token::kWord) && Now().text != "in" && FindUnit(Now().text)) {
      const auto other = OneUnit();  // N m
      unit = other ? unit->Times(*other) : std::nullopt;
    } else if (Sees(Token::kTimes) && SeesRun(1)) {
      ++at_;
      const auto other = OneUnit();
      unit = other ? unit->Times(*other) : std::nullopt;
    } else {
      break;
    }
  }
  return unit;
}

// Words that count: 12 red apples. In \text{} any words will do; elsewhere they must look like
// words.
const MathNode* MathParser::Label(const MathNode* value) {
  const Lexeme& first = Now();
  if (first.token == Token::kLetters) {
    if (IsProse(first.text)) return nullptr;
    if (!first.space_before || first.text.size() < 3) return value;
  }
  std::string label;
  for (int words = 0; SeesRun() && words < 8; ++words) {
    const std::string_view word = Now().text;
    if (IsAnd(word) || IsOr(word)) break;
    if (Now().token == Token::kLetters && IsProse(word) && word != "of") return nullptr;
    if (!label.empty()) label += ' ';
    label += LowerAscii(word);
    if (label.size() > 2 && label.back() == 's') label.pop_back();  // the plural
    ++at_;
    if (Sees(Token::kDivide) && SeesRun(1)) ++at_;
  }
  if (SeesRun() && !IsAnd(Now().text) && !IsOr(Now().text)) return nullptr;
  MathNode* quantity = tree_.Make(Kind::kQuantity, {value});
  Unit unit;
  unit.label = tree_.Keep(label);
  quantity->unit = tree_.Keep(unit);
  return quantity;
}

// $5, Rs. 500, USD 1250. Null, with nothing taken, when no currency stands here.
const MathNode* MathParser::CurrencyBefore() {
  const auto unit = FindCurrency(Now().text);
  if (!unit) return nullptr;
  std::size_t next = 1;
  while (Now(next).token == Token::kDot || Now(next).token == Token::kMinus ||
         Now(next).token == Token::kCurrencySign)
    ++next;
  if (Now(next).token != Token::kNumber && Now(next).token != Token::kFraction) return nullptr;
  ++at_;
  while (Take(Token::kDot) || Take(Token::kCurrencySign)) {
  }
  const bool negative = Take(Token::kMinus);
  const MathNode* amount = Factor();
  if (!amount) return nullptr;
  if (amount->Is(Kind::kQuantity)) return amount;  // $5 dollars
  if (SeesRun()) {
    if (const auto power = PowerOfTen(Now().text)) {
      ++at_;
      amount = Multiply(amount, tree_.Number(Rational::Power(10, *power)));
    }
  }
  if (negative) amount = tree_.Make(Kind::kNegative, {amount});
  MathNode* quantity = tree_.Make(Kind::kQuantity, {amount});
  quantity->unit = tree_.Keep(*unit);
  return quantity;
}

}  // namespace cogent
