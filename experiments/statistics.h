// Numbers about numbers: mean, spread, pass@k and their uncertainty.
//
//   PassAtK({.samples = 8, .correct = 2}, 1)                     // 0.25
//   Estimate e = MeanPassAtK(counts, 1, Rng(seed).Fork("eval"));  // e.mean, e.low, e.high
//
// Thread rule: free functions; the same Rng gives the same interval.
// Source: Chen et al. 2021, arXiv 2107.03374, section 2.1 (pass@k); Efron 1979 (bootstrap).
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "core/rng.h"

namespace cogent {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();  // what cannot be told

double Mean(std::span<const double> values);  // NaN when empty
// Standard deviation with Bessel's correction; NaN for fewer than two values.
double Std(std::span<const double> values);

// The value below which the share `q` of `sorted` lies, interpolated between neighbours. REQUIRES one value.
double Quantile(const std::vector<double>& sorted, double q);

// A mean with the borders of its 95% interval.
struct Estimate {
  double mean = 0.0;
  double low = 0.0;
  double high = 0.0;
};

// Percentile bootstrap: `resamples` means over as many draws with replacement. All NaN when empty.
Estimate BootstrapMean(std::span<const double> values, const Rng& rng, int resamples = 1000);

// How many of a task's completions were right.
struct TaskCount {
  std::int64_t samples = 0;  // n
  std::int64_t correct = 0;  // c
};

// Whether the answer that most completions of a task give is right: 1 or 0, between where several are given equally often.
// Right answers are one, however they are written. An empty answer that is wrong is none and has no vote; without any vote 0.
struct Vote {
  std::string answer;
  bool correct = false;
};
double MajorityScore(const std::vector<Vote>& votes);

// Unbiased chance that at least one of k completions is right: 1 - C(n-c, k) / C(n, k).
// Throws InternalError unless 0 <= c <= n and 1 <= k <= n.
double PassAtK(const TaskCount& count, std::int64_t k);

// The mean over tasks, resampled over tasks.
Estimate MeanPassAtK(std::span<const TaskCount> counts, std::int64_t k, const Rng& rng,
                     int resamples = 1000);

}  // namespace cogent
