// Units of measure, currencies and words that count things. Internal to the mathematics verifier.
//
//   FindUnit("km")->factor / FindUnit("m")->factor;       // 1000
//   (*FindUnit("km") / *FindUnit("h")).SameDimension(*FindUnit("m/s"));
//
// Thread rule: values and pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cogent {

// A factor to the base units of its dimension. Factors stay small whole numbers above and below.
struct Unit {
  enum Dimension {
    kLength,
    kMass,
    kTime,
    kCurrent,
    kTemperature,
    kAngle,
    kMoney,
    kData,
    kDimensions
  };
  std::array<std::int8_t, kDimensions> powers{};
  std::int64_t above = 1, below = 1;  // the factor
  std::string_view label;             // what is counted, where the word is no unit: "apples"
  std::string_view currency;          // dollar and euro cannot be exchanged

  bool IsLabel() const { return !label.empty(); }
  bool IsAngle() const;  // degrees and the like, alone
  bool SameDimension(const Unit& other) const {
    return powers == other.powers && currency == other.currency;
  }
  // Nothing when the factor outgrows 64 bits.
  std::optional<Unit> Times(const Unit& other) const;
  std::optional<Unit> Raised(int power) const;
};

// By name or sign, plural or not: "cm", "metres", "°", "$". Case counts for signs, not for words.
std::optional<Unit> FindUnit(std::string_view name);
// The same for what stands before the number: "$", "USD", "Rs".
std::optional<Unit> FindCurrency(std::string_view name);

}  // namespace cogent
