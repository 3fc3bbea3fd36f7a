#include "experiments/inference.h"

#include <algorithm>
#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "experiments/statistics.h"

namespace cogent {
namespace {

constexpr std::int64_t kMostSeeds = 10000;

// Nothing to judge by: the values are equal but for rounding.
bool HasSpread(std::span<const double> values) {
  const double spread = Std(values);
  return std::isfinite(spread) && spread > 1e-12 * std::max(1.0, std::abs(Mean(values)));
}

Difference DifferenceOf(const ArmScores& arm, const ArmScores& other, const Rng& rng, int resamples) {
  Difference out{.arm = arm.arm, .other = other.arm};
  std::vector<double> differences;
  for (const auto& [seed, score] : arm.by_seed) {
    const auto same = other.by_seed.find(seed);
    if (same == other.by_seed.end()) continue;
    out.seeds.push_back(seed);
    differences.push_back(score - same->second);
  }
  out.mean = Mean(differences);
  out.student = StudentInterval(differences);
  const Estimate resampled = BootstrapMean(differences, rng, resamples);
  out.bootstrap = {resampled.low, resampled.high};
  out.effect = EffectSize(differences);
  out.p = StudentP(differences);
  if (differences.size() >= kFewestSeeds) out.verdict = HasSpread(differences) ? DifferenceVerdict::kNotShown : DifferenceVerdict::kNoSpread;
  return out;
}

bool HoldsZero(const Interval& interval) { return !(interval.low > 0.0 || interval.high < 0.0); }

}  // namespace

double Iqm(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const std::size_t cut = sorted.size() / 4;
  return Mean(std::span<const double>(sorted).subspan(cut, sorted.size() - 2 * cut));
}

Interval BootstrapIqm(const std::vector<std::vector<double>>& strata, const Rng& rng, int resamples) {
  Check(resamples >= 1, "a bootstrap needs at least one resample");
  std::size_t count = 0;
  for (const std::vector<double>& stratum : strata) {
    if (stratum.empty()) return {kNaN, kNaN};
    count += stratum.size();
  }
  if (count == 0) return {kNaN, kNaN};
  std::vector<double> drawn(count), means(static_cast<std::size_t>(resamples));
  for (std::size_t r = 0; r < means.size(); ++r) {
    Rng draws = rng.Fork("bootstrap").Fork(r);
    std::size_t i = 0;
    for (const std::vector<double>& stratum : strata) {
      const std::int64_t last = static_cast<std::int64_t>(stratum.size()) - 1;
      for (std::size_t k = 0; k < stratum.size(); ++k) drawn[i++] = stratum[static_cast<std::size_t>(draws.Range(0, last))];
    }
    means[r] = Iqm(drawn);
  }
  std::sort(means.begin(), means.end());
  return {Quantile(means, 0.025), Quantile(means, 0.975)};
}

Interval StudentInterval(std::span<const double> values) {
  if (values.size() < 2) return {kNaN, kNaN};
  const double n = static_cast<double>(values.size());
  const double t = boost::math::quantile(boost::math::students_t(n - 1), 0.975);
  const double half = t * Std(values) / std::sqrt(n);
  return {Mean(values) - half, Mean(values) + half};
}

double StudentP(std::span<const double> values) {
  if (values.size() < 2 || !HasSpread(values)) return 1.0;
  const double n = static_cast<double>(values.size());
  const double t = std::abs(Mean(values)) / (Std(values) / std::sqrt(n));
  return std::min(1.0, 2.0 * boost::math::cdf(boost::math::complement(boost::math::students_t(n - 1), t)));
}

std::vector<double> Holm(const std::vector<double>& p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double largest = 0.0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    largest = std::max(largest, std::min(1.0, p[order[rank]] * static_cast<double>(p.size() - rank)));
    adjusted[order[rank]] = largest;
  }
  return adjusted;
}

double EffectSize(std::span<const double> differences) {
  if (differences.size() < kFewestSeeds || !HasSpread(differences)) return kNaN;
  const double v = static_cast<double>(differences.size() - 1);
  const double correction = std::exp(std::lgamma(v / 2) - std::lgamma((v - 1) / 2)) / std::sqrt(v / 2);
  return correction * Mean(differences) / Std(differences);
}

double Power(double effect, std::int64_t n, double alpha) {
  Check(n >= 2 && alpha > 0 && alpha < 1, "power needs two values and a level between 0 and 1");
  const double v = static_cast<double>(n - 1), shift = std::abs(effect) * std::sqrt(static_cast<double>(n));
  const double border = boost::math::quantile(boost::math::complement(boost::math::students_t(v), alpha / 2));
  if (shift == 0.0) return alpha;
  if (shift > border + 40.0) return 1.0;  // beyond where the series below are accurate, and certain
  const boost::math::non_central_t shifted(v, shift);
  return boost::math::cdf(boost::math::complement(shifted, border)) + boost::math::cdf(shifted, -border);
}

std::optional<std::int64_t> SeedsNeeded(double effect, double alpha, double power) {
  if (!std::isfinite(effect) || effect == 0.0) return std::nullopt;
  std::int64_t low = 1, high = 2;  // too few, enough
  while (Power(effect, high, alpha) < power) {
    if (high == kMostSeeds) return std::nullopt;
    low = high;
    high = std::min(2 * high, kMostSeeds);
  }
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (Power(effect, middle, alpha) < power ? low : high) = middle;
  }
  return high;
}

std::vector<Difference> CompareArms(const std::vector<ArmScores>& arms, const std::string& against, const Rng& rng, int resamples) {
  std::vector<Difference> all;
  for (std::size_t i = 0; i < arms.size(); ++i) {
    for (std::size_t j = i + 1; j < arms.size(); ++j) {
      if (against.empty() || arms[j].arm == against) {
        all.push_back(DifferenceOf(arms[i], arms[j], rng, resamples));
      } else if (arms[i].arm == against) {
        all.push_back(DifferenceOf(arms[j], arms[i], rng, resamples));
      }
    }
  }
  std::vector<double> tested;
  for (const Difference& d : all) {
    if (d.verdict == DifferenceVerdict::kNotShown) tested.push_back(d.p);
  }
  const std::vector<double> adjusted = Holm(tested);
  std::size_t next = 0;
  for (Difference& d : all) {
    if (d.verdict != DifferenceVerdict::kNotShown) continue;
    d.p_holm = adjusted[next++];
    d.seeds_needed = SeedsNeeded(d.effect, kSignificance / static_cast<double>(tested.size()), kPower);
    if (d.p_holm < kSignificance && !HoldsZero(d.student) && !HoldsZero(d.bootstrap)) d.verdict = DifferenceVerdict::kReal;
  }
  return all;
}

}  // namespace cogent
