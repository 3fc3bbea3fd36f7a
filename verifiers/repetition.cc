#include "verifiers/repetition.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "core/error.h"

namespace cogent {
namespace {

constexpr std::uint64_t kUnitSeed = 0x9E3779B97F4A7C15ull;

std::uint64_t Mixed(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0xFF51AFD7ED558CCDull;
  return hash ^ (hash >> 32);
}

// One hash for each unit of the text.
std::vector<std::uint64_t> Units(std::string_view text) {
  std::vector<std::uint64_t> units;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  std::uint64_t unit = kUnitSeed;
  const auto end = [&] {
    if (unit != kUnitSeed) units.push_back(unit);
    unit = kUnitSeed;
  };
  for (std::size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U8_NEXT(bytes, i, text.size(), c);
    if (c >= 0 && u_isUWhiteSpace(c)) {
      end();
      continue;
    }
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    const bool alone =
        c >= 0x0E00 && u_getIntPropertyValue(c, UCHAR_LINE_BREAK) == U_LB_IDEOGRAPHIC;
    if (alone) end();
    unit = Mixed(unit, static_cast<std::uint64_t>(c) + 1);
    if (alone) end();
  }
  end();
  return units;
}

class RepetitionReward final : public Reward {
 public:
  struct Config {
    int ngram = 3;
    double max_penalty = -1.0;
    void VisitFields(FieldVisitor& visit) {
      visit("ngram", ngram, "n: how many units make one piece", {1, 1000});
      visit("max_penalty", max_penalty, "the score of a text that says one thing for ever",
            {-1000.0, 0.0});
    }
  };
  explicit RepetitionReward(const Config& config) : config_(config) {}
  Verdict Score(const Task&, const Completion& completion) const override {
    const double share = RepeatedShare(completion.text, config_.ngram);
    char reason[64];
    std::snprintf(reason, sizeof reason, "%.0f%% of the %d-grams are repeated", 100 * share,
                  config_.ngram);
    return {share > 0 ? share * config_.max_penalty : 0.0, reason};
  }

 private:
  Config config_;
};

}  // namespace

double RepeatedShare(std::string_view text, int n) {
  Check(n >= 1, "an n-gram has at least one unit");
  const std::vector<std::uint64_t> units = Units(text);
  const std::size_t size = static_cast<std::size_t>(n);
  if (units.size() < size) return 0.0;
  // A rolling sum: each unit times a power of an odd number, modulo 2^64.
  constexpr std::uint64_t kBase = 0xD6E8FEB86659FD93ull;
  std::uint64_t power = 1, hash = 0;
  for (std::size_t i = 1; i < size; ++i) power *= kBase;
  std::vector<std::uint64_t> grams;
  grams.reserve(units.size() - size + 1);
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (i >= size) hash -= units[i - size] * power;
    hash = hash * kBase + units[i];
    if (i + 1 >= size) grams.push_back(hash);
  }
  std::sort(grams.begin(), grams.end());
  const auto different = std::unique(grams.begin(), grams.end()) - grams.begin();
  return 1.0 - static_cast<double>(different) / static_cast<double>(grams.size());
}

void RegisterRepetitionReward(RewardRegistry& rewards) {
  rewards.Add<RepetitionReward>("repetition", "punishes pieces that a completion says again");
}

}  // namespace cogent
