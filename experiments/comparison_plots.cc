#include "experiments/comparison_plots.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "experiments/page.h"
#include "experiments/report_plots.h"

namespace cogent {
namespace {

constexpr int kPlaces = 25;       // of a line by tokens or seconds
constexpr int kResamples = 2000;  // as Agarwal et al. take for curves
constexpr int kWindow = 9;        // steps that a training curve is smoothed over

using Curve = std::vector<CurvePoint>;
using Axis = double CurvePoint::*;

std::vector<PlotPoint> PointsOf(const Curve& curve, Axis axis) {
  std::vector<PlotPoint> points;
  for (const CurvePoint& point : curve) points.push_back({point.*axis, point.value});
  return points;
}

// Where an arm's line has its points: at the steps themselves, or evenly over tokens and seconds.
std::vector<double> PlacesOf(const std::vector<Curve>& curves, Axis axis) {
  double begin = curves[0].front().*axis, end = curves[0].back().*axis;
  for (const Curve& curve : curves) {
    begin = std::max(begin, curve.front().*axis);
    end = std::min(end, curve.back().*axis);
  }
  std::vector<double> places;
  if (axis == &CurvePoint::step) {
    for (const CurvePoint& point : curves[0]) {
      if (point.step >= begin && point.step <= end) places.push_back(point.step);
    }
    return places;
  }
  if (!(end > begin)) return places;
  for (int i = 0; i <= kPlaces; ++i) places.push_back(i == kPlaces ? end : begin + (end - begin) * i / kPlaces);
  return places;
}

Series ArmSeries(const std::string& arm, int colour, const std::vector<Curve>& curves, Axis axis) {
  Series series{.name = arm, .colour = colour};
  for (const double x : PlacesOf(curves, axis)) {
    std::vector<double> values;
    for (const Curve& curve : curves) {
      const double value = ValueAt(curve, axis, x);
      if (std::isfinite(value)) values.push_back(value);
    }
    series.points.push_back({x, Iqm(values)});
    if (values.size() < kFewestSeeds) continue;
    const Interval band = BootstrapIqm({values}, Rng(0).Fork("curves"), kResamples);
    series.low.push_back({x, band.low});
    series.high.push_back({x, band.high});
  }
  if (series.low.size() != series.points.size()) series.low.clear(), series.high.clear();
  return series;
}

Plot CurvesOf(const Comparison& c, const std::string& title, const std::string& x_label, Axis axis,
              const std::function<Curve(const ComparedRun&)>& curve_of) {
  Plot plot{.title = title, .x_label = x_label, .series = {}};
  for (std::size_t a = 0; a < c.arms.size(); ++a) {
    std::vector<Curve> curves;
    for (const ComparedRun& run : c.runs) {
      if (run.arm != c.arms[a]) continue;
      const Curve curve = curve_of(run);
      if (curve.empty() || !std::isfinite(curve.back().*axis)) continue;
      if (run.counts) {
        curves.push_back(curve);
      } else {
        plot.series.push_back({.points = PointsOf(curve, axis), .faint = true, .colour = static_cast<int>(a)});
      }
    }
    if (!curves.empty()) plot.series.push_back(ArmSeries(c.arms[a], static_cast<int>(a), curves, axis));
  }
  return plot;
}

// A metric of metrics.jsonl by steps, smoothed.
Curve TrainingCurve(const RunRecords& records, const std::string& metric) {
  std::vector<PlotPoint> points;
  for (const StepMetrics& line : records.metrics) {
    const auto value = line.values.find(metric);
    if (value != line.values.end()) points.push_back({static_cast<double>(line.step), value->second});
  }
  Curve curve;
  for (const PlotPoint& point : Smoothed(points, kWindow)) curve.push_back({.step = point.x, .value = point.y});
  return curve;
}

}  // namespace

std::vector<Plot> ComparisonPlots(const Comparison& c) {
  const std::string& metric = c.metric;
  const auto scored = [](const ComparedRun& run) { return run.curve; };
  std::vector<Plot> plots = {CurvesOf(c, metric + " by steps", "step", &CurvePoint::step, scored),
                             CurvesOf(c, metric + " by training tokens", "tokens", &CurvePoint::tokens, scored),
                             CurvesOf(c, metric + " by seconds of training", "seconds", &CurvePoint::seconds, scored)};
  for (Plot& plot : plots) {
    if (IsShare(metric)) plot.format = TickFormat::kPercent;
  }
  if (metric != "mean_length") {
    plots.push_back(CurvesOf(c, "Completion length on held-out tasks (tokens)", "step", &CurvePoint::step,
                             [](const ComparedRun& run) { return CurveOf(run.records, "mean_length"); }));
  }
  plots.push_back(CurvesOf(c, "Reward in training", "step", &CurvePoint::step, [](const ComparedRun& run) { return TrainingCurve(run.records, "reward"); }));
  plots.push_back(CurvesOf(c, "Entropy (nats a token)", "step", &CurvePoint::step, [](const ComparedRun& run) { return TrainingCurve(run.records, "entropy"); }));
  std::erase_if(plots, [](const Plot& plot) { return plot.series.empty(); });
  return plots;
}

}  // namespace cogent
