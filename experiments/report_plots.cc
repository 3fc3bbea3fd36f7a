#include "experiments/report_plots.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <string_view>

#include "core/error.h"

namespace cogent {
namespace {

constexpr std::size_t kSmoothFrom = 40;  // points; fewer are shown as they are

using Lines = std::vector<StepMetrics>;

std::vector<PlotPoint> PointsOf(const Lines& lines, const std::string& name) {
  std::vector<PlotPoint> points;
  for (const StepMetrics& line : lines) {
    const auto value = line.values.find(name);
    if (value != line.values.end())
      points.push_back({static_cast<double>(line.step), value->second});
  }
  return points;
}

std::set<std::string> NamesOf(const Lines& lines) {
  std::set<std::string> names;
  for (const StepMetrics& line : lines) {
    for (const auto& [name, value] : line.values) names.insert(name);
  }
  return names;
}

// A curve of training: many noisy points become a pale line and a smooth one over it.
void AddCurve(Plot& plot, const Lines& lines, const std::string& metric, const std::string& label,
              int colour) {
  const std::vector<PlotPoint> points = PointsOf(lines, metric);
  if (points.empty()) return;
  if (points.size() < kSmoothFrom) {
    plot.series.push_back({.name = label, .points = points, .colour = colour});
    return;
  }
  const int window = std::max(3, static_cast<int>(points.size() / 30));
  plot.series.push_back({.name = "", .points = points, .faint = true, .colour = colour});
  plot.series.push_back({.name = label, .points = Smoothed(points, window), .colour = colour});
}

// By name, but "sampled" first: it is what a claim about the policy rests on.
std::vector<const std::pair<const std::string, Lines>*> EvalsInOrder(const RunRecords& run) {
  std::vector<const std::pair<const std::string, Lines>*> evals;
  for (const auto& eval : run.evals) evals.push_back(&eval);
  std::stable_partition(evals.begin(), evals.end(),
                        [](const auto* eval) { return eval->first == "sampled"; });
  return evals;
}

bool IsAccuracy(std::string_view name) {
  if (name.ends_with("_low") || name.ends_with("_high")) return false;
  return name.starts_with("pass@") || name.ends_with("accuracy");
}

std::string EvalLabel(const RunRecords& run, const std::string& metric, const std::string& eval) {
  return run.evals.size() == 1 || eval.empty() ? metric : metric + ", " + eval;
}

void AddEvalSeries(Plot& plot, const RunRecords& run, const std::string& eval, const Lines& lines,
                   const std::string& metric) {
  Series series{
      .name = EvalLabel(run, metric, eval), .points = PointsOf(lines, metric), .markers = true};
  series.low = PointsOf(lines, metric + "_low");
  series.high = PointsOf(lines, metric + "_high");
  if (series.low.size() != series.points.size() || series.high.size() != series.points.size()) {
    series.low.clear();
    series.high.clear();
  }
  series.label_ends = plot.series.empty();
  series.colour = static_cast<int>(plot.series.size());
  plot.series.push_back(std::move(series));
}

// A plot of training metrics. A name with `*` draws every metric that fits, labelled by that part.
struct CurvePlot {
  const char* title;
  TickFormat format;
  std::vector<std::pair<const char*, const char*>> curves;  // metric, label
};

const std::vector<CurvePlot>& CurvePlots() {
  constexpr TickFormat kNumber = TickFormat::kNumber, kPercent = TickFormat::kPercent;
  static const std::vector<CurvePlot> plots = {
      {"Reward", kNumber, {{"reward", "mean"}, {"reward_std", "std within a group"}}},
      {"Reward by component", kNumber, {{"rewards/*/mean", "*"}}},
      {"Entropy (nats a token)", kNumber, {{"entropy", ""}}},
      {"KL to the reference (nats a token)", kNumber, {{"kl", ""}}},
      {"Gradient norm", kNumber, {{"grad_norm", ""}}},
      {"Tokens clipped by the ratio",
       kPercent,
       {{"clip_ratio/region_mean", "either border"},
        {"clip_ratio/low_mean", "lower"},
        {"clip_ratio/high_mean", "upper"}}},
      {"Groups without signal", kPercent, {{"frac_reward_zero_std", ""}}},
      {"Completions cut by the length limit", kPercent, {{"completions/clipped_ratio", ""}}},
      {"Tokens per second",
       kNumber,
       {{"perf/gen_throughput", "generation"},
        {"perf/train_throughput", "training"},
        {"perf/throughput", "whole step"}}},
      {"Loss", kNumber, {{"loss", ""}}},
      {"Multi-token prediction loss (nats)", kNumber, {{"mtp_loss", ""}}},
      {"Learning rate", kNumber, {{"learning_rate", ""}}},
      {"Trainer against generator (nats)",
       kNumber,
       {{"sampling/sampling_logp_difference/max", "largest"},
        {"sampling/sampling_logp_difference/mean", "mean"}}},
      {"Expert balance",
       kNumber,
       {{"moe/max_violation", "largest overload"}, {"moe/bias_max", "largest bias"}}},
  };
  return plots;
}

Plot MakeCurves(const CurvePlot& chosen, const Lines& lines, const std::set<std::string>& names) {
  Plot plot{.title = chosen.title, .x_label = "step", .series = {}, .format = chosen.format};
  int colour = 0;
  for (const auto& [metric, label] : chosen.curves) {
    const std::string_view pattern = metric;
    const std::size_t star = pattern.find('*');
    if (star == std::string_view::npos) {
      if (names.count(metric)) AddCurve(plot, lines, metric, label, colour++);
      continue;
    }
    const std::string_view head = pattern.substr(0, star), tail = pattern.substr(star + 1);
    for (const std::string& name : names) {
      if (name.size() <= head.size() + tail.size() || !name.starts_with(head) ||
          !name.ends_with(tail))
        continue;
      AddCurve(plot, lines, name, name.substr(head.size(), name.size() - head.size() - tail.size()),
               colour++);
    }
  }
  return plot;
}

}  // namespace

std::vector<PlotPoint> Smoothed(const std::vector<PlotPoint>& points, int window) {
  Check(window >= 1, "a window needs at least one point");
  const std::ptrdiff_t half = window / 2;
  const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(points.size());
  std::vector<PlotPoint> smooth;
  for (std::ptrdiff_t i = 0; i < size; ++i) {
    const std::ptrdiff_t reach =
        std::min({half, i, size - 1 - i});  // even on both sides: no lag at the ends
    double sum = 0.0;
    int count = 0;
    for (std::ptrdiff_t j = i - reach; j <= i + reach; ++j) {
      const double y = points[static_cast<std::size_t>(j)].y;
      if (!std::isfinite(y)) continue;
      sum += y;
      ++count;
    }
    const double x = points[static_cast<std::size_t>(i)].x;
    smooth.push_back({x, count ? sum / count : std::numeric_limits<double>::quiet_NaN()});
  }
  return smooth;
}

Plot AccuracyPlot(const RunRecords& run) {
  Plot plot{.title = "Accuracy on held-out problems",
            .x_label = "step",
            .series = {},
            .format = TickFormat::kPercent,
            .y_min = 0.0,
            .y_max = 1.0};
  for (const auto* named : EvalsInOrder(run)) {
    const auto& [eval, lines] = *named;
    for (const std::string& metric : NamesOf(lines)) {
      if (IsAccuracy(metric)) AddEvalSeries(plot, run, eval, lines, metric);
    }
  }
  if (plot.series.empty()) {
    plot.title = "Accuracy in training";
    AddCurve(plot, run.metrics, "rewards/accuracy/mean", "", 0);
  }
  return plot;
}

Plot LengthPlot(const RunRecords& run) {
  Plot plot{.title = "Completion length (tokens)", .x_label = "step", .series = {}, .y_min = 0.0};
  const bool evaluated = std::any_of(run.evals.begin(), run.evals.end(), [](const auto& eval) {
    return NamesOf(eval.second).count("mean_length") > 0;
  });
  AddCurve(plot, run.metrics, "completions/mean_length", evaluated ? "training" : "mean",
           evaluated ? 4 : 0);
  if (!evaluated && !plot.series.empty()) plot.series.back().label_ends = true;
  int colour = 0;
  for (const auto* named : EvalsInOrder(run)) {
    const auto& [eval, lines] = *named;
    const std::vector<PlotPoint> points = PointsOf(lines, "mean_length");
    if (points.empty()) continue;
    plot.series.push_back({.name = run.evals.size() == 1 ? "held-out" : "held-out, " + eval,
                           .points = points,
                           .markers = true,
                           .label_ends = colour == 0,
                           .colour = colour});
    ++colour;
  }
  return plot;
}

std::vector<Plot> RunPlots(const RunRecords& run) {
  std::vector<Plot> plots = {AccuracyPlot(run), LengthPlot(run)};
  const std::set<std::string> names = NamesOf(run.metrics);
  for (const CurvePlot& chosen : CurvePlots()) {
    Plot plot = MakeCurves(chosen, run.metrics, names);
    if (!plot.series.empty()) plots.push_back(std::move(plot));
  }
  return plots;
}

}  // namespace cogent
