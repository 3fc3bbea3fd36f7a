#include "verifiers/math_units.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

namespace cogent {
namespace {

using Powers = std::array<std::int8_t, Unit::kDimensions>;

// The signs and words of one unit, separated by spaces. Words are in lower case and take a plural
// s.
struct UnitRow {
  const char* signs;
  const char* words;
  std::int64_t above, below;
  Powers powers;
  const char* currency = "";
};

//                          length mass time current temperature angle money data
constexpr Powers kLength = {1};
constexpr Powers kMass = {0, 1};
constexpr Powers kTime = {0, 0, 1};
constexpr Powers kCurrent = {0, 0, 0, 1};
constexpr Powers kAngle = {0, 0, 0, 0, 0, 1};
constexpr Powers kMoney = {0, 0, 0, 0, 0, 0, 1};
constexpr Powers kData = {0, 0, 0, 0, 0, 0, 0, 1};
constexpr Powers kVolume = {3};
constexpr Powers kForce = {1, 1, -2};
constexpr Powers kEnergy = {2, 1, -2};
constexpr Powers kPower = {2, 1, -3};

constexpr UnitRow kRows[] = {
    {"m", "meter metre", 1, 1, kLength},
    {"km", "kilometer kilometre", 1000, 1, kLength},
    {"dm", "decimeter decimetre", 1, 10, kLength},
    {"cm", "centimeter centimetre", 1, 100, kLength},
    {"mm", "millimeter millimetre", 1, 1000, kLength},
    {"\u03bcm", "micrometer micrometre micron", 1, 1000000, kLength},
    {"nm", "nanometer nanometre", 1, 1000000000, kLength},
    {"in", "inch inche", 254, 10000, kLength},
    {"ft", "foot feet", 3048, 10000, kLength},
    {"yd", "yard", 9144, 10000, kLength},
    {"mi", "mile", 1609344, 1000, kLength},
    {"g", "gram gramme", 1, 1, kMass},
    {"kg", "kilogram kilogramme kilo", 1000, 1, kMass},
    {"mg", "milligram", 1, 1000, kMass},
    {"", "tonne", 1000000, 1, kMass},
    {"lb lbs", "pound", 45359237, 100000, kMass},
    {"oz", "ounce", 45359237, 1600000, kMass},
    {"s sec secs", "second", 1, 1, kTime},
    {"ms", "millisecond", 1, 1000, kTime},
    {"min mins", "minute", 60, 1, kTime},
    {"h hr hrs", "hour", 3600, 1, kTime},
    {"", "day", 86400, 1, kTime},
    {"", "week", 604800, 1, kTime},
    {"A", "ampere amp", 1, 1, kCurrent},
    {"mA", "milliampere", 1, 1000, kCurrent},
    {"L l", "liter litre", 1, 1000, kVolume},
    {"mL ml cc", "milliliter millilitre", 1, 1000000, kVolume},
    {"cl cL", "centiliter centilitre", 1, 100000, kVolume},
    {"ha", "hectare", 10000, 1, {2}},
    {"", "acre", 40468564224, 10000000, {2}},
    {"", "gallon", 3785411784, 1000000000000, kVolume},
    {"", "quart", 946352946, 1000000000000, kVolume},
    {"sqft", "", 9290304, 100000000, {2}},
    {"mph", "", 1609344, 3600000, {1, 0, -1}},
    {"kph kmh", "", 1000, 3600, {1, 0, -1}},
    {"Hz", "hertz", 1, 1, {0, 0, -1}},
    {"N", "newton", 1000, 1, kForce},
    {"kN", "kilonewton", 1000000, 1, kForce},
    {"J", "joule", 1000, 1, kEnergy},
    {"kJ", "kilojoule", 1000000, 1, kEnergy},
    {"kWh", "", 3600000000, 1, kEnergy},
    {"W", "watt", 1000, 1, kPower},
    {"kW", "kilowatt", 1000000, 1, kPower},
    {"Pa", "pascal", 1000, 1, {-1, 1, -2}},
    {"kPa", "kilopascal", 1000000, 1, {-1, 1, -2}},
    {"V", "volt", 1000, 1, {2, 1, -3, -1}},
    {"\u03a9", "ohm", 1000, 1, {2, 1, -3, -2}},
    {"C", "coulomb", 1, 1, {0, 0, 1, 1}},
    {"K", "kelvin", 1, 1, {0, 0, 0, 0, 1}},
    {"\u00b0", "degree deg", 1, 1, kAngle},
    {"", "arcminute", 1, 60, kAngle},
    {"\u2103", "celsius", 1, 1, {0, 0, 0, 0, 1}, "celsius"},
    {"\u2109", "fahrenheit", 1, 1, {0, 0, 0, 0, 1}, "fahrenheit"},
    {"$ USD US$", "dollar buck", 100, 1, kMoney, "dollar"},
    {"\u00a2", "cent", 1, 1, kMoney, "dollar"},
    {"\u20ac EUR", "euro", 100, 1, kMoney, "euro"},
    {"\u00a3 GBP", "", 100, 1, kMoney, "pound"},
    {"", "penny pence pennie", 1, 1, kMoney, "dollar"},
    {"\u00a5 CNY RMB", "yuan", 100, 1, kMoney, "yuan"},
    {"JPY", "yen", 100, 1, kMoney, "yen"},
    {"\u20b9 INR Rs", "rupee", 100, 1, kMoney, "rupee"},
    {"\u20bd RUB", "ruble rouble", 100, 1, kMoney, "ruble"},
    {"CHF", "franc", 100, 1, kMoney, "franc"},
    {"bit", "bit", 1, 1, kData},
    {"B", "byte", 8, 1, kData},
    {"kB KB", "kilobyte", 8000, 1, kData},
    {"MB", "megabyte", 8000000, 1, kData},
    {"GB", "gigabyte", 8000000000, 1, kData},
};

struct UnitTable {
  std::unordered_map<std::string, Unit> signs, words;

  static void Fill(std::unordered_map<std::string, Unit>& map, std::string_view names,
                   const Unit& unit) {
    while (!names.empty()) {
      const std::size_t end = std::min(names.find(' '), names.size());
      if (end > 0) map.emplace(std::string(names.substr(0, end)), unit);
      names.remove_prefix(std::min(end + 1, names.size()));
    }
  }
  UnitTable() {
    for (const UnitRow& row : kRows) {
      const std::int64_t common = std::gcd(row.above, row.below);
      const Unit unit{row.powers, row.above / common, row.below / common, {}, row.currency};
      Fill(signs, row.signs, unit);
      Fill(words, row.words, unit);
    }
  }
};

const UnitTable& Units() {
  static const UnitTable table;
  return table;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return lower;
}

}  // namespace

bool Unit::IsAngle() const { return SameDimension(Unit{{0, 0, 0, 0, 0, 1}}); }

std::optional<Unit> Unit::Times(const Unit& other) const {
  Unit unit = *this;
  if (unit.label.empty()) unit.label = other.label;
  if (unit.currency.empty()) unit.currency = other.currency;
  for (std::size_t i = 0; i < powers.size(); ++i) {
    unit.powers[i] = static_cast<std::int8_t>(powers[i] + other.powers[i]);
  }
  if (__builtin_mul_overflow(above, other.above, &unit.above) ||
      __builtin_mul_overflow(below, other.below, &unit.below)) {
    return std::nullopt;
  }
  const std::int64_t common = std::gcd(unit.above, unit.below);
  unit.above /= common;
  unit.below /= common;
  return unit;
}

std::optional<Unit> Unit::Raised(int power) const {
  if (power < -6 || power > 6) return std::nullopt;
  Unit base = *this;
  if (power < 0) {
    std::swap(base.above, base.below);
    for (std::int8_t& p : base.powers) p = static_cast<std::int8_t>(-p);
  }
  Unit unit;
  unit.label = label;
  for (int i = 0; i < std::abs(power); ++i) {
    const auto next = unit.Times(base);
    if (!next) return std::nullopt;
    unit = *next;
  }
  return unit;
}

std::optional<Unit> FindUnit(std::string_view name) {
  if (name.empty() || name.size() > 24) return std::nullopt;
  const UnitTable& units = Units();
  if (const auto it = units.signs.find(std::string(name)); it != units.signs.end())
    return it->second;
  if (name.size() < 3) return std::nullopt;
  std::string lower = Lower(name);
  if (const auto it = units.words.find(lower); it != units.words.end()) return it->second;
  if (lower.back() != 's') return std::nullopt;
  lower.pop_back();
  if (const auto it = units.words.find(lower); it != units.words.end()) return it->second;
  return std::nullopt;
}

std::optional<Unit> FindCurrency(std::string_view name) {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  const auto unit = FindUnit(name);
  if (!unit || unit->powers != kMoney) return std::nullopt;
  return unit;
}

}  // namespace cogent
