// Line charts as SVG text: axes with round ticks, grid, legend, bands. No library, no script.
//
//   Plot plot{.title = "Held-out accuracy", .x_label = "step", .format = TickFormat::kPercent};
//   plot.series.push_back({.name = "pass@1", .points = {{0, 0.22}, {20, 0.61}, {40, 0.93}}});
//   std::string svg = PlotSvg(plot);               // inside a page that holds ChartCss()
//   std::string file = PanelsSvg({plot, lengths}); // a picture of its own
//
// Colours come from classes: ChartCss() gives them for light and dark mode. Points that are not
// finite break the line. Thread rule: free functions on values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cogent {

struct PlotPoint {
  double x = 0.0;
  double y = 0.0;
};

struct Series {
  std::string name = {};               // in the legend; empty: not in it
  std::vector<PlotPoint> points = {};  // by rising x
  std::vector<PlotPoint> low = {};     // lower edge of a band, at the same x; may be empty
  std::vector<PlotPoint> high = {};    // upper edge, as many points as `low`
  bool markers = false;                // a dot with its value at each point: for few, far points
  bool label_ends = false;             // writes the first and the last value beside the line
  bool faint = false;                  // thin and pale: raw values behind a smoothed line
  std::optional<int> colour = {};      // 0 to 5; otherwise by order
};

enum class TickFormat { kNumber, kPercent };
struct Plot {
  std::string title = {};
  std::string x_label = {};
  std::vector<Series> series = {};
  TickFormat format = TickFormat::kNumber;
  std::optional<double> y_min = {}, y_max = {};  // otherwise from the data
  int width = 460;                               // pixels
  int height = 270;
};

// An <svg> element for a page. A plot without points says "no data yet" inside its axes.
std::string PlotSvg(const Plot& plot);
// Plots side by side in one <svg> file that carries its colours with it.
std::string PanelsSvg(const std::vector<Plot>& plots);

// The CSS rules that both need.
std::string ChartCss();

// Round tick positions that cover [low, high] with about `count` steps of 1, 2 or 5 times 10^n.
// REQUIRES low < high, both finite, count >= 1.
std::vector<double> RoundTicks(double low, double high, int count);

}  // namespace cogent
