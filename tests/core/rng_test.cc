// Streams depend on labels alone, are uniform, and never change from one version to the next.
#include "core/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "core/error.h"

namespace cogent {
namespace {

TEST(Rng, ForkingDependsOnTheLabelsAndNotOnWhatWasDrawn) {
  Rng fresh(7);
  Rng used(7);
  for (int i = 0; i < 10; ++i) used.Next();
  EXPECT_EQ(fresh.Fork("rollout").Fork(3).key(), used.Fork("rollout").Fork(3).key());
  EXPECT_EQ(fresh.Next(), Rng(7).At(0));
}

TEST(Rng, DifferentPathsGiveDifferentStreams) {
  std::set<std::uint64_t> keys;
  std::size_t count = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Rng root(seed);
    keys.insert(root.key());
    ++count;
    for (const char* label : {"", "a", "b", "ab", "ba", "rollout"}) {
      keys.insert(root.Fork(label).key());
      ++count;
      for (std::uint64_t i = 0; i < 100; ++i) {
        keys.insert(root.Fork(label).Fork(i).key());
        ++count;
      }
    }
  }
  EXPECT_EQ(keys.size(), count);
  EXPECT_NE(Rng(1).Fork(2).Fork(3).key(), Rng(1).Fork(3).Fork(2).key());
}

TEST(Rng, ForksOfNeighbouringLabelsAreUncorrelated) {
  constexpr int kDraws = 20'000;
  double sum = 0;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    sum += (Rng(1).Fork(i).Uniform() - 0.5) * (Rng(1).Fork(i + 1).Uniform() - 0.5);
  }
  // The product has mean 0 and standard deviation 1/12; five deviations of the mean.
  EXPECT_LT(std::abs(sum / kDraws), 5.0 / 12 / std::sqrt(kDraws));
}

TEST(Rng, RangeIsUniformAndReachesBothEnds) {
  constexpr int kValues = 7;
  constexpr int kDraws = 70'000;
  std::vector<int> counts(kValues);
  Rng rng(11);
  for (int i = 0; i < kDraws; ++i) ++counts.at(static_cast<std::size_t>(rng.Range(-3, 3) + 3));
  double chi_square = 0;
  const double expected = static_cast<double>(kDraws) / kValues;
  for (const int count : counts) chi_square += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi_square, 22.46);  // 6 degrees of freedom, p = 0.001
}

TEST(Rng, RangeWorksAtTheEndsOfTheIntegers) {
  constexpr auto kLow = std::numeric_limits<std::int64_t>::min();
  constexpr auto kHigh = std::numeric_limits<std::int64_t>::max();
  Rng rng(5);
  EXPECT_EQ(rng.Range(kHigh, kHigh), kHigh);
  EXPECT_EQ(rng.Range(kLow, kLow), kLow);
  bool negative = false;
  bool positive = false;
  for (int i = 0; i < 100; ++i) {
    const std::int64_t draw = rng.Range(kLow, kHigh);
    negative |= draw < 0;
    positive |= draw > 0;
    EXPECT_GE(rng.Range(kLow + 1, kHigh), kLow + 1);
  }
  EXPECT_TRUE(negative && positive);
  EXPECT_THROW(rng.Range(1, 0), InternalError);
}

TEST(Rng, UniformStaysBelowOneAndNormalHasItsMoments) {
  Rng rng(3);
  constexpr int kDraws = 100'000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = rng.Uniform();
    ASSERT_TRUE(u >= 0 && u < 1);
    const double n = rng.Normal();
    ASSERT_TRUE(std::isfinite(n));
    sum += n;
    squares += n * n;
  }
  EXPECT_NEAR(sum / kDraws, 0, 5 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1, 5 * std::sqrt(2.0 / kDraws));
}

// Tasks, splits and samples of published runs hang on these numbers: a change breaks every one.
TEST(Rng, KnownValuesNeverChange) {
  EXPECT_EQ(Rng(0).Next(), 16294208416658607535u);
  EXPECT_EQ(Rng(42).At(1'000'000), 14860486610404675411u);
  EXPECT_EQ(Rng(42).Fork("rollout").Fork(3).Fork(5).Next(), 2360784504622071381u);
  Rng rng(42);
  EXPECT_EQ(rng.Range(1, 1000), 974);
  EXPECT_EQ(rng.Letters(8), "gewrmiua");
  EXPECT_DOUBLE_EQ(rng.Uniform(), 0.82980176123147331);
  EXPECT_NEAR(rng.Normal(), -0.52076096615704426, 1e-12);  // the last digits are the C library's
}

}  // namespace
}  // namespace cogent
