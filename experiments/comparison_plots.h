// Learning curves of arms: the interquartile mean over seeds with a pointwise 95% bootstrap band.
//
//   for (const Plot& plot : ComparisonPlots(c)) page += PlotSvg(plot);
//
// An arm's line ends where the first of its finished runs ends. Below three runs there is no band. Runs that do
// not count are thin lines of their own. Thread rule: free functions on values.
#pragma once

#include <vector>

#include "experiments/comparison.h"
#include "experiments/svg.h"

namespace cogent {

// The metric by steps, by tokens and by seconds; then completion length, reward and entropy by steps, as far
// as the runs have them.
std::vector<Plot> ComparisonPlots(const Comparison& c);

}  // namespace cogent
