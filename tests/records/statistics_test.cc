// Estimates against numbers worked by hand and against counting every choice.
#include "experiments/statistics.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "core/error.h"

namespace cogent {
namespace {

// Of all sets of k out of n completions, of which the first c are right: the share with a right
// one.
double ByCounting(int n, int c, int k) {
  int sets = 0, with_right = 0;
  for (unsigned chosen = 0; chosen < (1u << n); ++chosen) {
    if (std::popcount(chosen) != k) continue;
    ++sets;
    with_right += (chosen & ((1u << c) - 1)) != 0;
  }
  return static_cast<double>(with_right) / sets;
}

TEST(MajorityScore, IsThatOfTheAnswerGivenMostOften) {
  EXPECT_EQ(MajorityScore({{"14", true}, {"20", false}, {"14", true}}), 1.0);
  EXPECT_EQ(MajorityScore({{"14", true}, {"20", false}, {"20", false}}), 0.0);
  EXPECT_EQ(MajorityScore({{"14", true}, {"20", false}}), 0.5);  // a tie
  EXPECT_EQ(MajorityScore({{"", false}, {"", false}, {"14", true}}), 1.0);  // no answer has no vote
  EXPECT_EQ(MajorityScore({{"", false}, {"", false}}), 0.0);
  EXPECT_EQ(MajorityScore({}), 0.0);
  EXPECT_EQ(MajorityScore({{"1/2", true}, {"0.5", true}, {"2", false}}), 1.0);  // right ones are one answer
  EXPECT_EQ(MajorityScore({{"", true}, {"", true}, {"2", false}}), 1.0);        // also where nobody says what it was
}

TEST(PassAtK, IsTheShareOfAllChoicesThatHoldARightOne) {
  for (int n = 1; n <= 10; ++n) {
    for (int c = 0; c <= n; ++c) {
      for (int k = 1; k <= n; ++k) {
        EXPECT_NEAR(PassAtK({n, c}, k), ByCounting(n, c, k), 1e-12) << n << " " << c << " " << k;
      }
    }
  }
}

TEST(PassAtK, EqualsNumbersWorkedByHand) {
  EXPECT_DOUBLE_EQ(PassAtK({8, 2}, 1), 0.25);
  EXPECT_NEAR(PassAtK({4, 2}, 2), 5.0 / 6.0, 1e-15);     // 1 of 6 pairs is wrong twice
  EXPECT_NEAR(PassAtK({10, 3}, 5), 11.0 / 12.0, 1e-15);  // 1 - C(7,5)/C(10,5) = 1 - 21/252
}

TEST(PassAtK, StaysExactWhereBinomialsOverflow) {
  EXPECT_NEAR(PassAtK({100000, 1}, 1000), 0.01, 1e-12);
  EXPECT_DOUBLE_EQ(PassAtK({100000, 0}, 1000), 0.0);
  EXPECT_DOUBLE_EQ(PassAtK({100000, 100000}, 1), 1.0);
}

TEST(PassAtK, RefusesCountsThatCannotBe) {
  EXPECT_THROW(PassAtK({4, 5}, 1), InternalError);
  EXPECT_THROW(PassAtK({4, -1}, 1), InternalError);
  EXPECT_THROW(PassAtK({4, 2}, 5), InternalError);
  EXPECT_THROW(PassAtK({4, 2}, 0), InternalError);
}

TEST(MeanPassAtK, IsTheMeanOverTasks) {
  const std::vector<TaskCount> counts = {{4, 0}, {4, 2}, {4, 4}};
  const Estimate one = MeanPassAtK(counts, 1, Rng(1));
  EXPECT_DOUBLE_EQ(one.mean, 0.5);
  EXPECT_NEAR(MeanPassAtK(counts, 2, Rng(1)).mean, (0.0 + 5.0 / 6.0 + 1.0) / 3.0, 1e-15);
  EXPECT_LE(one.low, one.mean);
  EXPECT_GE(one.high, one.mean);
}

TEST(Bootstrap, RepeatsWithTheSameGeneratorAndMovesWithAnother) {
  const std::vector<double> values = {0.1, 0.9, 0.4, 0.7, 0.2, 0.35};
  const Estimate a = BootstrapMean(values, Rng(5)), b = BootstrapMean(values, Rng(5));
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
  const Estimate c = BootstrapMean(values, Rng(6));
  EXPECT_TRUE(c.low != a.low || c.high != a.high);
}

TEST(Bootstrap, IntervalOfManyCoinTossesIsTheNormalOne) {
  std::vector<double> tosses(1000);
  for (std::size_t i = 0; i < tosses.size(); ++i) tosses[i] = i < 300 ? 1.0 : 0.0;
  const Estimate e = BootstrapMean(tosses, Rng(2), 4000);
  const double reach = 1.96 * std::sqrt(0.3 * 0.7 / 1000);  // 0.0284
  EXPECT_NEAR(e.low, 0.3 - reach, 0.003);
  EXPECT_NEAR(e.high, 0.3 + reach, 0.003);
}

TEST(Bootstrap, CoversTheTruthInAboutNineteenOfTwentyExperiments) {
  Rng draws(9);
  int covered = 0;
  for (int experiment = 0; experiment < 400; ++experiment) {
    std::vector<double> values(80);
    for (double& value : values) value = draws.Uniform();
    const Estimate e = BootstrapMean(values, Rng(static_cast<std::uint64_t>(experiment)), 400);
    covered += e.low <= 0.5 && 0.5 <= e.high;
  }
  EXPECT_GE(covered, 364);  // 91%
  EXPECT_LE(covered, 396);  // 99%
}

TEST(Bootstrap, EqualValuesLeaveNoDoubtAndNoValuesLeaveNothing) {
  const std::vector<double> same(5, 0.25);
  const Estimate e = BootstrapMean(same, Rng(1));
  EXPECT_EQ(e.low, 0.25);
  EXPECT_EQ(e.high, 0.25);
  EXPECT_TRUE(std::isnan(BootstrapMean({}, Rng(1)).mean));
}

TEST(MeanAndStd, UseBesselsCorrection) {
  const std::vector<double> rewards = {0.1, 1.1, 1.0, 0.1};  // mean 0.575, sum of squares 0.9075
  EXPECT_NEAR(Mean(rewards), 0.575, 1e-15);
  EXPECT_NEAR(Std(rewards), std::sqrt(0.9075 / 3.0), 1e-15);
  EXPECT_TRUE(std::isnan(Std(std::vector<double>{1.0})));
  EXPECT_TRUE(std::isnan(Mean({})));
}

}  // namespace
}  // namespace cogent
