// Which curves a run is shown by: from its records to plots.
//
//   for (const Plot& plot : RunPlots(ReadRun("runs/first"))) page += PlotSvg(plot);
//
// Thread rule: free functions on values.
#pragma once

#include <vector>

#include "experiments/run_reader.h"
#include "experiments/svg.h"

namespace cogent {

// Accuracy on held-out tasks with its 95% interval; training accuracy where nothing was evaluated.
Plot AccuracyPlot(const RunRecords& run);
// Mean completion length in training, and in the evaluations where they say it.
Plot LengthPlot(const RunRecords& run);
// Both, then every other plot that the run has numbers for.
std::vector<Plot> RunPlots(const RunRecords& run);

// Mean over a window around each point; points that are not finite are left out.
std::vector<PlotPoint> Smoothed(const std::vector<PlotPoint>& points, int window);

}  // namespace cogent
