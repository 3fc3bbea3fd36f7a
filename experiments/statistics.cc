#include "experiments/statistics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "core/error.h"

namespace cogent {
double Mean(std::span<const double> values) {
  if (values.empty()) return kNaN;
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double Std(std::span<const double> values) {
  if (values.size() < 2) return kNaN;
  const double mean = Mean(values);
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double Quantile(const std::vector<double>& sorted, double q) {
  const double place = q * static_cast<double>(sorted.size() - 1);
  const std::size_t below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double share = place - static_cast<double>(below);
  return sorted[below] + share * (sorted[above] - sorted[below]);
}

Estimate BootstrapMean(std::span<const double> values, const Rng& rng, int resamples) {
  Check(resamples >= 1, "BootstrapMean needs at least one resample");
  if (values.empty()) return {kNaN, kNaN, kNaN};
  const std::int64_t n = static_cast<std::int64_t>(values.size());
  std::vector<double> means(static_cast<std::size_t>(resamples));
  for (std::size_t r = 0; r < means.size(); ++r) {
    Rng draws = rng.Fork("bootstrap").Fork(r);
    double sum = 0.0;
    for (std::int64_t i = 0; i < n; ++i)
      sum += values[static_cast<std::size_t>(draws.Range(0, n - 1))];
    means[r] = sum / static_cast<double>(n);
  }
  std::sort(means.begin(), means.end());
  return {Mean(values), Quantile(means, 0.025), Quantile(means, 0.975)};
}

double MajorityScore(const std::vector<Vote>& votes) {
  struct Tally {
    int count = 0, correct = 0;
  };
  std::map<std::string, Tally> tallies;
  int most = 0;
  for (const Vote& vote : votes) {
    if (vote.answer.empty() && !vote.correct) continue;
    Tally& tally = tallies[vote.correct ? std::string() : vote.answer];
    most = std::max(most, ++tally.count);
    tally.correct += vote.correct;
  }
  double sum = 0, winners = 0;
  for (const auto& [answer, tally] : tallies) {
    if (tally.count < most) continue;
    sum += static_cast<double>(tally.correct) / tally.count;
    ++winners;
  }
  return winners > 0 ? sum / winners : 0.0;
}

double PassAtK(const TaskCount& count, std::int64_t k) {
  const auto [n, c] = count;
  Check(0 <= c && c <= n && 1 <= k && k <= n,
        "pass@k needs 0 <= correct <= samples, 1 <= k <= samples");
  if (n - c < k) return 1.0;  // every choice of k holds a right one
  // C(n-c, k) / C(n, k) = prod_{i = n-c+1}^{n} (i - k) / i, each factor at most 1: nothing
  // overflows.
  double all_wrong = 1.0;
  for (std::int64_t i = n - c + 1; i <= n; ++i) {
    all_wrong *= static_cast<double>(i - k) / static_cast<double>(i);
  }
  return 1.0 - all_wrong;
}

Estimate MeanPassAtK(std::span<const TaskCount> counts, std::int64_t k, const Rng& rng,
                     int resamples) {
  std::vector<double> chances;
  chances.reserve(counts.size());
  for (const TaskCount& count : counts) chances.push_back(PassAtK(count, k));
  return BootstrapMean(chances, rng, resamples);
}

}  // namespace cogent
