// Line charts as SVG text: axes with round ticks, grid, legend, bands. No library, no script.
//
//   Plot plot{.title = "Held-out accuracy", .x_label = "step", .format = TickFormat::kPercent};
//   plot.series.push_back({"pass@1", {{0, 0.22}, {20, 0.61}, {40, 0.93}}});
//   std::string svg = PlotSvg(plot, Theme::kPage);
//
// A standalone picture carries its own colours for light and dark mode (kStandalone); one inside a
// page takes them from the page's CSS variables (kPage, see PageColours()). Points that are not
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
  std::string name;  // in the legend; left out when the plot has one series and it is empty
  std::vector<PlotPoint> points;                 // by rising x
  std::vector<PlotPoint> low = {}, high = {};    // edges of a band, at the same x; may be empty
  bool markers = false;                          // a dot at each point: for few, far points
};

enum class TickFormat { kNumber, kPercent };
enum class Theme { kPage, kStandalone };

struct Plot {
  std::string title;
  std::string x_label;
  std::vector<Series> series;
  TickFormat format = TickFormat::kNumber;
  std::optional<double> y_min = {}, y_max = {};  // otherwise from the data
  int width = 460;                               // pixels
  int height = 270;
};

// An <svg> element. An empty plot says "no data yet" inside its axes.
std::string PlotSvg(const Plot& plot, Theme theme);
// Plots side by side in one standalone <svg>.
std::string PanelsSvg(const std::vector<Plot>& plots);

// The CSS that defines the colours of kPage, light and dark.
std::string PageColours();
// Text for HTML and SVG: & < > " ' are escaped, control characters and broken UTF-8 become U+FFFD.
std::string EscapeMarkup(std::string_view text);

// Round tick positions that cover [low, high] with about `count` steps of 1, 2 or 5 times 10^n.
// REQUIRES low < high, both finite, count >= 1.
std::vector<double> RoundTicks(double low, double high, int count);

}  // namespace cogent
