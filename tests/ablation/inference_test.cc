// Intervals, tests and power against scipy, numpy and rliable (tests/oracles/make_inference.py), and what has to hold for
// any scores.
#include "experiments/inference.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "experiments/statistics.h"
#include "tests/support/same_draws.h"
#include "tests/support/sanitized.h"

namespace cogent {
namespace {

using nlohmann::json;

const json& Cases() {
  static const json cases = json::parse(ReadFile(std::string(COGENT_SOURCE_DIR) + "/tests/data/inference/cases.json"));
  return cases;
}

void ExpectNear(const json& expected, const Interval& interval, double tolerance) {
  EXPECT_NEAR(interval.low, expected[0].get<double>(), tolerance);
  EXPECT_NEAR(interval.high, expected[1].get<double>(), tolerance);
}

// ---- one arm ----

TEST(Iqm, EqualsScipysTrimmedMean) {
  for (const json& c : Cases()["one_sample"]) {
    const auto values = c["values"].get<std::vector<double>>();
    EXPECT_NEAR(Iqm(values), c["iqm"].get<double>(), 1e-12 * std::max(1.0, std::abs(Iqm(values)))) << c["values"];
  }
}

TEST(Iqm, IsTheMeanOfTheMiddleHalf) {
  EXPECT_DOUBLE_EQ(Iqm(std::vector<double>{100, 1, 2, 3, 0, 4, 5, -50}), 2.5);
  EXPECT_DOUBLE_EQ(Iqm(std::vector<double>{1, 2, 6}), 3.0);  // three values are too few to drop any
  EXPECT_TRUE(std::isnan(Iqm({})));
}

TEST(Student, IntervalAndChanceEqualScipys) {
  for (const json& c : Cases()["one_sample"]) {
    const auto values = c["values"].get<std::vector<double>>();
    const double scale = std::max(1.0, std::abs(c["student"][1].get<double>()));
    ExpectNear(c["student"], StudentInterval(values), 1e-9 * scale);
    EXPECT_NEAR(StudentP(values), c["p"].get<double>(), 1e-10) << c["values"];
    if (c.contains("effect")) {
      EXPECT_NEAR(EffectSize(values), c["effect"].get<double>(), 1e-10 * scale);
    }
  }
}

TEST(Student, SaysNothingOfOneValueOrOfNoSpread) {
  EXPECT_TRUE(std::isnan(StudentInterval(std::vector<double>{0.5}).low));
  EXPECT_EQ(StudentP(std::vector<double>{0.5}), 1.0);
  const std::vector<double> equal = {0.3 - 0.2, 0.5 - 0.4, 0.9 - 0.8};  // equal but for rounding
  EXPECT_EQ(StudentP(equal), 1.0);
  EXPECT_TRUE(std::isnan(EffectSize(equal)));
}

TEST(Bootstrap, ComesNearToCountingEveryResample) {
  for (const json& c : Cases()["one_sample"]) {
    if (!c.contains("exact_iqm")) continue;
    const auto values = c["values"].get<std::vector<double>>();
    const double range = *std::max_element(values.begin(), values.end()) - *std::min_element(values.begin(), values.end());
    ExpectNear(c["exact_iqm"], BootstrapIqm({values}, Rng(1), 40000), 0.05 * range);
    const Estimate mean = BootstrapMean(values, Rng(1), 40000);
    ExpectNear(c["exact_mean"], {mean.low, mean.high}, 0.05 * range);
  }
}

TEST(Bootstrap, ComesNearToRliablesOverStrata) {
  for (const json& c : Cases()["stratified"]) {
    const auto strata = c["strata"].get<std::vector<std::vector<double>>>();
    ExpectNear(c["interval"], BootstrapIqm(strata, Rng(1), 40000), 0.003);
  }
}

TEST(Bootstrap, GivesTheSameIntervalForTheSameSeed) {
  const std::vector<double> values = {0.1, 0.4, 0.2, 0.9, 0.3};
  const Interval once = BootstrapIqm({values}, Rng(3), 500), again = BootstrapIqm({values}, Rng(3), 500);
  EXPECT_EQ(once.low, again.low);
  EXPECT_EQ(once.high, again.high);
  EXPECT_TRUE(std::isnan(BootstrapIqm({{}}, Rng(3), 500).low));
}

// ---- many comparisons, power ----

TEST(Holm, EqualsItsDefinition) {
  for (const json& c : Cases()["holm"]) {
    const auto adjusted = Holm(c["p"].get<std::vector<double>>());
    for (std::size_t i = 0; i < adjusted.size(); ++i) EXPECT_NEAR(adjusted[i], c["adjusted"][i].get<double>(), 1e-12) << c["p"];
  }
  EXPECT_TRUE(Holm({}).empty());
}

TEST(PowerOfTheTest, EqualsAnIntegrationOverTheSpread) {
  for (const json& c : Cases()["power"]) {
    const double power = Power(c["effect"].get<double>(), c["n"].get<int>(), c["alpha"].get<double>());
    EXPECT_NEAR(power, c["power"].get<double>(), 1e-7) << c;
  }
}

TEST(PowerOfTheTest, TellsTheNumberOfSeeds) {
  for (const json& c : Cases()["seeds_needed"]) {
    EXPECT_EQ(SeedsNeeded(c["effect"].get<double>(), c["alpha"].get<double>(), 0.8), c["n"].get<std::int64_t>()) << c;
  }
  EXPECT_EQ(SeedsNeeded(0.0, 0.05, 0.8), std::nullopt);
  EXPECT_EQ(SeedsNeeded(NAN, 0.05, 0.8), std::nullopt);
  EXPECT_EQ(SeedsNeeded(0.001, 0.05, 0.8), std::nullopt);  // more than 10,000
  EXPECT_EQ(SeedsNeeded(1e6, 0.05, 0.8), 2);
}

RC_GTEST_PROP(PowerOfTheTest, NeverFallsWithMoreSeedsAndDoesNotKnowTheSign, ()) {
  const double effect = *rc::gen::inRange(1, 400) / 100.0;
  const std::int64_t n = *rc::gen::inRange(2, 60);
  RC_ASSERT(Power(effect, n + 1, 0.05) >= Power(effect, n, 0.05) - 1e-9);
  RC_ASSERT(std::abs(Power(effect, n, 0.05) - Power(-effect, n, 0.05)) < 1e-12);
}

// ---- arms ----

// Scores of `arms` arms that truly are equal: a seed moves all arms together, chance each alone.
std::vector<ArmScores> EqualArms(int arms, int seeds, const Rng& rng, bool accuracies) {
  std::vector<ArmScores> out;
  for (int a = 0; a < arms; ++a) {
    ArmScores scores{"arm" + std::to_string(a), {}};
    for (int s = 0; s < seeds; ++s) {
      Rng shared = rng.Fork("seed").Fork(static_cast<std::uint64_t>(s)), own = rng.Fork(static_cast<std::uint64_t>(a)).Fork(static_cast<std::uint64_t>(s));
      double score = 0.9 + 0.02 * shared.Normal() + 0.02 * own.Normal();
      if (accuracies) score = std::round(100 * std::clamp(score, 0.0, 1.0)) / 100;  // of 100 tasks: ties happen
      scores.by_seed[static_cast<std::uint64_t>(s)] = score;
    }
    out.push_back(std::move(scores));
  }
  return out;
}

// In how many ablations without any true difference one is called real.
int FalseAlarms(int arms, int seeds, bool accuracies, int experiments) {
  int alarms = 0;
  for (int e = 0; e < experiments; ++e) {
    const Rng rng = Rng(99).Fork(static_cast<std::uint64_t>(e));
    const auto differences = CompareArms(EqualArms(arms, seeds, rng, accuracies), "", rng, 200);
    alarms += std::any_of(differences.begin(), differences.end(), [](const Difference& d) { return d.verdict == DifferenceVerdict::kReal; });
  }
  return alarms;
}

TEST(FalseAlarm, IsRaisedInAtMostFivePercentOfAblationsWithoutADifference) {
  const auto most = [](int experiments) { return 0.05 * experiments + 3 * std::sqrt(0.0475 * experiments); };  // three deviations of the count
  constexpr int kMany = kSanitized ? 100 : 1000;
  EXPECT_LE(FalseAlarms(2, 5, false, kMany), most(kMany));
  EXPECT_LE(FalseAlarms(2, 3, true, kMany), most(kMany));
  EXPECT_LE(FalseAlarms(4, 5, true, kMany / 2), most(kMany / 2));
  EXPECT_LE(FalseAlarms(6, 5, false, kMany / 5), most(kMany / 5));
}

TEST(FalseAlarm, IsNotAvoidedByNeverFindingAnything) {
  int found = 0;
  for (int e = 0; e < 100; ++e) {
    auto arms = EqualArms(2, 5, Rng(7).Fork(static_cast<std::uint64_t>(e)), false);
    for (auto& [seed, score] : arms[0].by_seed) score += 0.1;  // about 3.5 standard deviations of a difference
    found += CompareArms(arms, "", Rng(1), 200)[0].verdict == DifferenceVerdict::kReal;
  }
  EXPECT_GE(found, 95);
}

std::vector<ArmScores> AnyArms() {
  const int seeds = *rc::gen::inRange(0, 8);
  std::vector<ArmScores> arms = {{"a", {}}, {"b", {}}, {"c", {}}};
  for (ArmScores& arm : arms) {
    for (int s = 0; s < seeds; ++s) arm.by_seed[static_cast<std::uint64_t>(s)] = *rc::gen::inRange(0, 1000) / 1000.0;
  }
  return arms;
}

RC_GTEST_PROP(CompareArms, SwappedArmsHaveTheOppositeDifference, ()) {
  std::vector<ArmScores> arms = AnyArms();
  const auto forward = CompareArms({arms[0], arms[1]}, "", Rng(5), 300), backward = CompareArms({arms[1], arms[0]}, "", Rng(5), 300);
  RC_ASSERT(forward[0].verdict == backward[0].verdict);
  RC_ASSERT(forward[0].p_holm == backward[0].p_holm);
  RC_ASSERT(forward[0].seeds_needed == backward[0].seeds_needed);
  if (arms[0].by_seed.empty()) return;
  RC_ASSERT(std::abs(forward[0].mean + backward[0].mean) < 1e-12);
  RC_ASSERT(std::abs(forward[0].bootstrap.low + backward[0].bootstrap.high) < 1e-12);
  if (arms[0].by_seed.size() > 1) RC_ASSERT(std::abs(forward[0].student.low + backward[0].student.high) < 1e-12);
}

RC_GTEST_PROP(CompareArms, TheOrderOfArmsChangesNoVerdict, ()) {
  std::vector<ArmScores> arms = AnyArms();
  const auto straight = CompareArms(arms, "", Rng(5), 300);
  std::reverse(arms.begin(), arms.end());
  for (const Difference& d : CompareArms(arms, "", Rng(5), 300)) {
    const auto same = std::find_if(straight.begin(), straight.end(), [&](const Difference& o) { return o.arm == d.other && o.other == d.arm; });
    RC_ASSERT(same != straight.end());
    RC_ASSERT(same->verdict == d.verdict);
    RC_ASSERT(same->p_holm == d.p_holm);
  }
}

RC_GTEST_PROP(CompareArms, AnArmIsNeverCalledDifferentFromItself, ()) {
  std::vector<ArmScores> arms = AnyArms();
  arms[1].by_seed = arms[0].by_seed;
  RC_ASSERT(CompareArms({arms[0], arms[1]}, "", Rng(5), 300)[0].verdict != DifferenceVerdict::kReal);
}

RC_GTEST_PROP(CompareArms, WhatIsRealHasNoIntervalThatHoldsZero, ()) {
  for (const Difference& d : CompareArms(AnyArms(), "", Rng(5), 300)) {
    if (d.verdict != DifferenceVerdict::kReal) continue;
    RC_ASSERT(d.student.low * d.student.high > 0);
    RC_ASSERT(d.bootstrap.low * d.bootstrap.high > 0);
    RC_ASSERT(d.p_holm < 0.05);
    RC_ASSERT(d.seeds.size() >= kFewestSeeds);
  }
}

TEST(CompareArms, TwoSeedsAreTooFewHoweverLargeTheDifference) {
  const auto d = CompareArms({{"a", {{1, 0.9}, {2, 0.91}}}, {"b", {{1, 0.1}, {2, 0.12}}}}, "", Rng(1), 100);
  EXPECT_EQ(d[0].verdict, DifferenceVerdict::kTooFewSeeds);
}

TEST(CompareArms, SeedsThatOnlyOneArmHasTakeNoPart) {
  const auto d = CompareArms({{"a", {{1, 0.9}, {2, 0.8}, {3, 0.7}, {9, 0.0}}}, {"b", {{1, 0.5}, {2, 0.5}, {3, 0.4}, {8, 1.0}}}}, "", Rng(1), 100);
  EXPECT_EQ(d[0].seeds, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_NEAR(d[0].mean, (0.4 + 0.3 + 0.3) / 3, 1e-12);
}

TEST(CompareArms, TheSameDifferenceInEverySeedIsNotJudged) {
  const auto d = CompareArms({{"a", {{1, 0.9}, {2, 0.8}, {3, 0.7}}}, {"b", {{1, 0.8}, {2, 0.7}, {3, 0.6}}}}, "", Rng(1), 100);
  EXPECT_EQ(d[0].verdict, DifferenceVerdict::kNoSpread);
}

TEST(CompareArms, AgainstOneArmComparesAllOthersToIt) {
  const std::vector<ArmScores> arms = {{"a", {{1, 1.0}}}, {"b", {{1, 0.5}}}, {"c", {{1, 0.0}}}};
  const auto d = CompareArms(arms, "b", Rng(1), 10);
  ASSERT_EQ(d.size(), 2u);
  EXPECT_EQ(d[0].arm + d[0].other, "ab");
  EXPECT_EQ(d[1].arm + d[1].other, "cb");
  EXPECT_EQ(d[1].mean, -0.5);
}

TEST(CompareArms, MoreComparisonsAskForMore) {
  // Alone, a - b is real; among fifteen differences with the same p it is not.
  std::vector<ArmScores> arms = {{"a", {{1, 0.90}, {2, 0.93}, {3, 0.90}, {4, 0.92}, {5, 0.91}}}, {"b", {{1, 0.80}, {2, 0.90}, {3, 0.85}, {4, 0.91}, {5, 0.84}}}};
  const auto alone = CompareArms(arms, "", Rng(1), 1000)[0];
  EXPECT_EQ(alone.verdict, DifferenceVerdict::kReal) << alone.p_holm;
  for (int extra = 0; extra < 4; ++extra) {
    Rng draw = Rng(4).Fork(static_cast<std::uint64_t>(extra));
    ArmScores more{"x" + std::to_string(extra), {}};
    for (std::uint64_t seed = 1; seed <= 5; ++seed) more.by_seed[seed] = 0.88 + 0.05 * draw.Normal();
    arms.push_back(more);
  }
  const auto among = CompareArms(arms, "", Rng(1), 1000)[0];
  EXPECT_EQ(among.p, alone.p);
  EXPECT_EQ(among.verdict, DifferenceVerdict::kNotShown);
  EXPECT_GT(among.seeds_needed, alone.seeds_needed);
}

}  // namespace
}  // namespace cogent
