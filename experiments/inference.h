// Is a difference between two arms real? Intervals, tests and the number of seeds that would be needed.
//
//   std::vector<ArmScores> arms = {{"grpo", {{1, 0.98}, {2, 0.97}, ...}}, {"ppo", {{1, 0.95}, ...}}};
//   for (const Difference& d : CompareArms(arms, "", Rng(0))) d.verdict == DifferenceVerdict::kReal;
//
// A score is one number a run; a run is one seed. Seeds are the sample: two arms are compared by the differences
// of the seeds that both have, since runs of one seed meet the same tasks and start from the same base.
// With few seeds the bootstrap is too narrow (its five values cannot show tails that they do not hold), so the
// decision rests on Student's t, which is exact for normal differences at any number; the bootstrap stands
// beside it and can only veto.
// Sources: Agarwal et al. 2021, arXiv 2108.13264 (interquartile mean, stratified bootstrap); Holm 1979; Student
// 1908; Hedges 1981 (correction of the effect size); Cohen 1988, chapter 2 (power by the noncentral t).
// Thread rule: free functions; the same Rng gives the same intervals.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/rng.h"

namespace cogent {

// Borders of a 95% interval; NaN where there is none.
struct Interval {
  double low = 0.0;
  double high = 0.0;
};

// Mean of the middle half: floor(n/4) values are dropped at either end (scipy's trim_mean of 0.25). NaN when empty.
double Iqm(std::span<const double> values);

// Percentile bootstrap of the interquartile mean over all strata together: each resample draws every stratum's
// runs from that stratum. A stratum is an environment; within one report there is one.
Interval BootstrapIqm(const std::vector<std::vector<double>>& strata, const Rng& rng, int resamples);

// mean ± t(0.975, n-1) s / sqrt(n); NaN for fewer than two values.
Interval StudentInterval(std::span<const double> values);
// Two-sided p of Student's test that the mean is zero. 1 where the values have no spread to judge by.
double StudentP(std::span<const double> values);

// Holm's step-down: p adjusted for all of them being looked at, in the order given.
std::vector<double> Holm(const std::vector<double>& p);

// Hedges' g of paired differences: mean / s, times Gamma(v/2) / (sqrt(v/2) Gamma((v-1)/2)) with v = n - 1, which
// takes out the bias of small n. NaN for fewer than three values or no spread.
double EffectSize(std::span<const double> differences);

// Power of the two-sided paired t-test: P(|T| > t(1 - alpha/2, n-1)) for T noncentral with n-1 degrees and
// noncentrality |effect| sqrt(n).
double Power(double effect, std::int64_t n, double alpha);
// The smallest n with that power; nothing when it is more than 10,000 or the effect is zero or NaN.
std::optional<std::int64_t> SeedsNeeded(double effect, double alpha, double power);

struct ArmScores {
  std::string arm;
  std::map<std::uint64_t, double> by_seed;
};

enum class DifferenceVerdict {
  kTooFewSeeds,  // fewer than three in common
  kNoSpread,     // every pair differs by the same amount: nothing to judge chance by
  kNotShown,     // it may be chance
  kReal,         // Holm's p < 0.05, and neither interval holds zero
};

struct Difference {
  std::string arm, other;
  std::vector<std::uint64_t> seeds;  // that both have
  double mean = 0.0;                 // of arm less other
  Interval student;
  Interval bootstrap;  // of the mean
  double effect = 0.0;
  double p = 1.0, p_holm = 1.0;
  std::optional<std::int64_t> seeds_needed;  // power 80% at 5% shared by all comparisons made here
  DifferenceVerdict verdict = DifferenceVerdict::kTooFewSeeds;
};

// Every pair, in the order of `arms`; or, when `against` names one, all others less that one.
std::vector<Difference> CompareArms(const std::vector<ArmScores>& arms, const std::string& against, const Rng& rng,
                                    int resamples = 10000);

inline constexpr std::size_t kFewestSeeds = 3;
inline constexpr double kSignificance = 0.05, kPower = 0.8;

}  // namespace cogent
