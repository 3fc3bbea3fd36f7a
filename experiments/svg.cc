#include "experiments/svg.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include <fmt/format.h>

#include "core/error.h"
#include "experiments/text.h"

namespace cogent {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kColours = 6;
constexpr double kLetter = 6.3;  // width of a letter at 11 px, about
constexpr int kLegendRow = 17;
constexpr int kMostPoints = 400;  // more than a line of this width can show

struct Extent {
  double low = kInfinity;
  double high = -kInfinity;
  void Add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

struct AxisRange {
  double low = 0.0;
  double high = 1.0;
  std::vector<double> ticks;
  std::vector<std::string> labels;
};

// 1, 2 or 5 times a power of ten: the smallest with at most `count` steps, about, in the range.
double RoundStep(double low, double high, int count) {
  const double rough = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * (1.0 - 1e-9)) return factor * power;
  }
  return 10.0 * power;
}

std::vector<double> TicksBy(double low, double high, double step) {
  std::vector<double> ticks;
  const double last = std::floor(high / step + 1e-9);
  for (double n = std::ceil(low / step - 1e-9); n <= last; n += 1.0) ticks.push_back(n * step);
  return ticks;
}

// Where things stand, in pixels, and how numbers become pixels.
struct Frame {
  double left = 0.0, right = 0.0, top = 0.0, bottom = 0.0;
  AxisRange x, y;
  double X(double value) const {
    return left + (value - x.low) / (x.high - x.low) * (right - left);
  }
  double Y(double value) const {
    const double inside = std::clamp(value, y.low, y.high);
    return bottom - (inside - y.low) / (y.high - y.low) * (bottom - top);
  }
};

std::string TickLabel(double value, double step, TickFormat format) {
  if (format == TickFormat::kPercent) {
    value *= 100.0;
    step *= 100.0;
  }
  const char* unit = format == TickFormat::kPercent ? "%" : "";
  if (std::abs(value) < step * 1e-6) return fmt::format("0{}", unit);
  if (step < 1e-3) {
    std::string text = fmt::format("{:.3g}", value);
    for (const std::string_view zero : {"e-0", "e+0"}) {  // 5e-06 -> 5e-6
      if (const std::size_t at = text.find(zero); at != std::string::npos) text.erase(at + 2, 1);
    }
    return text + unit;
  }
  for (const auto& [size, letter] : {std::pair{1e9, "G"}, {1e6, "M"}, {1e4, "k"}}) {
    if (std::abs(value) < size) continue;
    const double scale = size == 1e4 ? 1e3 : size;
    return fmt::format("{:.4g}{}{}", value / scale, letter, unit);
  }
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  return fmt::format("{:.{}f}{}", value, decimals, unit);
}

std::string ValueLabel(double value, TickFormat format) {
  if (format == TickFormat::kPercent) return fmt::format("{:.1f}%", 100.0 * value);
  return std::abs(value) >= 100.0 && std::abs(value) < 1e6 ? fmt::format("{:.0f}", value)
                                                           : fmt::format("{:.3g}", value);
}

AxisRange MakeAxis(double low, double high, double step, TickFormat format) {
  AxisRange axis{.low = low, .high = high, .ticks = TicksBy(low, high, step), .labels = {}};
  for (const double tick : axis.ticks) axis.labels.push_back(TickLabel(tick, step, format));
  return axis;
}

AxisRange MakeX(const Plot& plot) {
  Extent extent;
  for (const Series& series : plot.series) {
    for (const PlotPoint& point : series.points) extent.Add(point.x);
  }
  if (extent.empty()) extent = {0.0, 1.0};
  if (extent.low == extent.high) extent.high += 1.0;
  const int count = static_cast<int>(std::min(6.0, std::max(1.0, extent.high - extent.low)));
  return MakeAxis(extent.low, extent.high, RoundStep(extent.low, extent.high, count),
                  TickFormat::kNumber);
}

// Room around data that are all one value: down, or up, to 0.
Extent Around(double value, const Plot& plot) {
  if (value == 0.0) return {plot.y_min.value_or(0.0), std::max(1.0, plot.y_max.value_or(1.0))};
  return value > 0.0 ? Extent{std::min(0.0, plot.y_min.value_or(0.0)), value} : Extent{value, 0.0};
}

// From the data, out to the next tick; down to 0 when that costs little room.
AxisRange MakeY(const Plot& plot) {
  Extent extent;
  for (const Series& series : plot.series) {
    for (const auto* points : {&series.points, &series.low, &series.high}) {
      for (const PlotPoint& point : *points) extent.Add(point.y);
    }
  }
  if (extent.empty()) extent = {0.0, 1.0};
  if (extent.low > 0.0 && extent.low < 0.5 * extent.high) extent.low = 0.0;
  if (plot.y_min) extent.low = *plot.y_min;
  if (plot.y_max) extent.high = *plot.y_max;
  const double size = std::max(std::abs(extent.low), std::abs(extent.high));
  if (!(extent.high - extent.low > 1e-9 * size)) extent = Around(extent.low, plot);
  const double step = RoundStep(extent.low, extent.high, 5);
  if (!plot.y_min) extent.low = step * std::floor(extent.low / step + 1e-9);
  if (!plot.y_max) {
    const double top = step * std::ceil(extent.high / step - 1e-9);
    const bool labelled = std::any_of(plot.series.begin(), plot.series.end(),
                                      [](const Series& series) { return series.label_ends; });
    // A value written above the last point needs room.
    extent.high = labelled && top - extent.high < 0.12 * (top - extent.low) ? top + step : top;
  }
  return MakeAxis(extent.low, extent.high, step, plot.format);
}

int ColourOf(const Plot& plot, std::size_t index) {
  return plot.series[index].colour.value_or(static_cast<int>(index)) % kColours;
}

// Entries of the legend in rows that fit the width; returns how many rows it took.
int Legend(const Plot& plot, double left, double top, std::string& out) {
  double x = left;
  int row = 0;
  bool any = false;
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    const Series& series = plot.series[i];
    if (series.name.empty()) continue;
    const double width = 34.0 + kLetter * static_cast<double>(series.name.size());
    if (any && x + width > plot.width - 8) {
      x = left;
      ++row;
    }
    const double y = top + row * kLegendRow;
    fmt::format_to(std::back_inserter(out),
                   "<line class=\"cg-line cg-s{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" "
                   "y2=\"{:.1f}\"/><text class=\"cg-text\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
                   ColourOf(plot, i), x, y, x + 16, y, x + 21, y + 4, EscapeMarkup(series.name));
    x += width;
    any = true;
  }
  return any ? row + 1 : 0;
}

void DrawAxes(const Plot& plot, const Frame& frame, std::string& out) {
  auto put = std::back_inserter(out);
  for (std::size_t i = 0; i < frame.y.ticks.size(); ++i) {
    const double y = frame.Y(frame.y.ticks[i]);
    fmt::format_to(
        put, "<line class=\"cg-grid\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>",
        frame.left, y, frame.right, y);
    fmt::format_to(
        put, "<text class=\"cg-text\" text-anchor=\"end\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
        frame.left - 7, y + 4, frame.y.labels[i]);
  }
  for (std::size_t i = 0; i < frame.x.ticks.size(); ++i) {
    const double x = frame.X(frame.x.ticks[i]);
    fmt::format_to(
        put, "<line class=\"cg-axis\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>", x,
        frame.bottom, x, frame.bottom + 4);
    fmt::format_to(
        put, "<text class=\"cg-text\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
        x, frame.bottom + 17, frame.x.labels[i]);
  }
  fmt::format_to(
      put, "<line class=\"cg-axis\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n",
      frame.left, frame.bottom, frame.right, frame.bottom);
  fmt::format_to(
      put, "<text class=\"cg-text\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
      (frame.left + frame.right) / 2, frame.bottom + 33, EscapeMarkup(plot.x_label));
}

// Keeps the lowest and the highest point of each stretch, so that no peak is lost.
std::vector<PlotPoint> Thinned(const std::vector<PlotPoint>& points) {
  if (points.size() <= kMostPoints) return points;
  const std::size_t stretches = kMostPoints / 2;
  std::vector<PlotPoint> kept;
  for (std::size_t s = 0; s < stretches; ++s) {
    const auto begin = points.begin() + static_cast<std::ptrdiff_t>(s * points.size() / stretches);
    const auto end =
        points.begin() + static_cast<std::ptrdiff_t>((s + 1) * points.size() / stretches);
    const auto lower = [](const PlotPoint& a, const PlotPoint& b) { return a.y < b.y; };
    auto [low, high] = std::minmax_element(begin, end, lower);
    if (high < low) std::swap(low, high);
    kept.push_back(*low);
    if (high != low) kept.push_back(*high);
  }
  return kept;
}

std::string LinePath(const std::vector<PlotPoint>& points, const Frame& frame) {
  std::string path;
  bool pen_down = false;
  for (const PlotPoint& point : Thinned(points)) {
    const bool finite = std::isfinite(point.x) && std::isfinite(point.y);
    if (finite) {
      fmt::format_to(std::back_inserter(path), "{}{:.1f} {:.1f}", pen_down ? 'L' : 'M',
                     frame.X(point.x), frame.Y(point.y));
    }
    pen_down = finite;
  }
  return path;
}

std::string BandPath(const Series& series, const Frame& frame) {
  std::string path;
  const auto add = [&](const PlotPoint& point) {
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) return;
    fmt::format_to(std::back_inserter(path), "{}{:.1f} {:.1f}", path.empty() ? 'M' : 'L',
                   frame.X(point.x), frame.Y(point.y));
  };
  for (const PlotPoint& point : series.high) add(point);
  for (auto point = series.low.rbegin(); point != series.low.rend(); ++point) add(*point);
  return path.empty() ? path : path + "Z";
}

void DrawMarkers(const Plot& plot, const Series& series, int colour, const Frame& frame,
                 std::string& out) {
  for (const PlotPoint& point : series.points) {
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) continue;
    fmt::format_to(
        std::back_inserter(out),
        "<circle class=\"cg-dot cg-f{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.2\"><title>{} "
        "{:.6g}: {}</title></circle>\n",
        colour, frame.X(point.x), frame.Y(point.y), EscapeMarkup(plot.x_label), point.x,
        ValueLabel(point.y, plot.format));
  }
}

void LabelEnds(const Plot& plot, const Series& series, const Frame& frame, std::string& out) {
  std::vector<PlotPoint> finite;
  std::copy_if(series.points.begin(), series.points.end(), std::back_inserter(finite),
               [](const PlotPoint& p) { return std::isfinite(p.x) && std::isfinite(p.y); });
  if (finite.empty()) return;
  const auto put = [&](const PlotPoint& point, const char* anchor, double dx, double dy) {
    fmt::format_to(
        std::back_inserter(out),
        "<text class=\"cg-value\" text-anchor=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", anchor,
        frame.X(point.x) + dx, frame.Y(point.y) + dy, ValueLabel(point.y, plot.format));
  };
  const auto has_room_above = [&](const PlotPoint& point) {
    return frame.Y(point.y) - frame.top > 22;
  };
  const auto has_room_below = [&](const PlotPoint& point) {
    return frame.bottom - frame.Y(point.y) > 22;
  };
  // Beside the first point, on the side that a rising (or falling) line leaves free.
  if (finite.size() > 1) {
    const bool rises = finite[1].y > finite[0].y;
    const bool below = rises ? has_room_below(finite[0]) : !has_room_above(finite[0]);
    put(finite[0], "start", 7, below ? 17 : -9);
  }
  const bool rose = finite.size() < 2 || finite.back().y >= finite[finite.size() - 2].y;
  const bool above = rose ? has_room_above(finite.back()) : !has_room_below(finite.back());
  put(finite.back(), "end", 4, above ? -10 : 20);
}

void DrawSeries(const Plot& plot, std::size_t index, const Frame& frame, std::string& out) {
  const Series& series = plot.series[index];
  const int colour = ColourOf(plot, index);
  auto put = std::back_inserter(out);
  Check(series.low.size() == series.high.size(), "a band needs as many low as high points");
  if (!series.low.empty()) {
    fmt::format_to(put, "<path class=\"cg-band cg-f{}\" d=\"{}\"/>\n", colour,
                   BandPath(series, frame));
  }
  fmt::format_to(put, "<path class=\"cg-line{} cg-s{}\" d=\"{}\"/>\n",
                 series.faint ? " cg-faint" : "", colour, LinePath(series.points, frame));
  if (series.markers) DrawMarkers(plot, series, colour, frame, out);
  if (series.label_ends) LabelEnds(plot, series, frame, out);
}

bool HasPoints(const Plot& plot) {
  return std::any_of(plot.series.begin(), plot.series.end(), [](const Series& series) {
    return std::any_of(series.points.begin(), series.points.end(),
                       [](const PlotPoint& p) { return std::isfinite(p.x) && std::isfinite(p.y); });
  });
}

// What stands inside the <svg> of a plot, its corner at 0, 0.
std::string Body(const Plot& plot) {
  std::string out;
  Frame frame{.x = MakeX(plot), .y = MakeY(plot)};
  std::size_t widest = 0;
  for (const std::string& label : frame.y.labels) widest = std::max(widest, label.size());
  frame.left = 18.0 + kLetter * static_cast<double>(widest);
  frame.right = plot.width - 22.0;
  fmt::format_to(std::back_inserter(out), "<text class=\"cg-title\" x=\"12\" y=\"22\">{}</text>\n",
                 EscapeMarkup(plot.title));
  const int rows = Legend(plot, 12.0, 40.0, out);
  frame.top = 38.0 + rows * kLegendRow;
  frame.bottom = std::max(plot.height - 42.0, frame.top + 40.0);
  DrawAxes(plot, frame, out);
  if (HasPoints(plot)) {
    for (std::size_t i = 0; i < plot.series.size(); ++i) DrawSeries(plot, i, frame, out);
  } else {
    fmt::format_to(std::back_inserter(out),
                   "<text class=\"cg-text\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{:.1f}\">no "
                   "data yet</text>\n",
                   (frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2);
  }
  return out;
}

}  // namespace

std::vector<double> RoundTicks(double low, double high, int count) {
  Check(std::isfinite(low) && std::isfinite(high) && low < high && count >= 1,
        "ticks need a finite, non-empty range");
  return TicksBy(low, high, RoundStep(low, high, count));
}

std::string PlotSvg(const Plot& plot) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"cg\" viewBox=\"0 0 {0} {1}\" "
      "width=\"{0}\" height=\"{1}\" role=\"img\" aria-label=\"{2}\">\n{3}</svg>\n",
      plot.width, plot.height, EscapeMarkup(plot.title), Body(plot));
}

std::string PanelsSvg(const std::vector<Plot>& plots) {
  int width = 0, height = 0;
  std::string panels, label;
  for (const Plot& plot : plots) {
    panels += fmt::format("<g transform=\"translate({} 0)\">\n{}</g>\n", width, Body(plot));
    label += (label.empty() ? "" : "; ") + plot.title;
    width += plot.width;
    height = std::max(height, plot.height);
  }
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" role=\"img\" aria-label=\"{2}\">\n<style>{3}</style>\n"
      "<rect class=\"cg-back\" x=\"0.5\" y=\"0.5\" width=\"{4}\" height=\"{5}\" "
      "rx=\"8\"/>\n{6}</svg>\n",
      width, height, EscapeMarkup(label), ChartCss(), width - 1, height - 1, panels);
}

std::string ChartCss() {
  constexpr const char* kLight[kColours] = {"#2563eb", "#d9480f", "#0f8a5f",
                                            "#8b3fd1", "#b7791f", "#c2255c"};
  constexpr const char* kDark[kColours] = {"#7aa7ff", "#ff9d66", "#4fd1a1",
                                           "#c79bff", "#e6c15c", "#ff8fb3"};
  std::string css =
      ".cg-text,.cg-title,.cg-value{font-family:system-ui,-apple-system,'Segoe UI',Roboto,"
      "'Helvetica Neue',Arial,sans-serif}.cg-text{font-size:11px;fill:#57606a}"
      ".cg-title{font-size:14px;font-weight:600;fill:#1f2328}.cg-value{font-size:12px;font-weight:"
      "600;"
      "fill:#1f2328;stroke:#ffffff;stroke-width:3px;stroke-linejoin:round;paint-order:stroke}"
      ".cg-grid{stroke:#e4e8ec}.cg-axis{stroke:#8c959f}"
      ".cg-back{fill:#ffffff;stroke:#d8dee4}.cg-line{fill:none;stroke-width:2;stroke-linejoin:"
      "round;"
      "stroke-linecap:round}.cg-faint{stroke-width:1;stroke-opacity:.3}.cg-band{fill-opacity:.15}"
      ".cg-dot{stroke:#ffffff;stroke-width:1}";
  std::string dark =
      ".cg-text{fill:#9aa4af}.cg-title,.cg-value{fill:#e6edf3}.cg-value{stroke:#12161c}.cg-grid{"
      "stroke:#2a3038}"
      ".cg-axis{stroke:#6e7681}.cg-back{fill:#12161c;stroke:#2a3038}.cg-dot{stroke:#12161c}";
  for (int i = 0; i < kColours; ++i) {
    css += fmt::format(".cg-s{0}{{stroke:{1}}}.cg-f{0}{{fill:{1}}}", i, kLight[i]);
    dark += fmt::format(".cg-s{0}{{stroke:{1}}}.cg-f{0}{{fill:{1}}}", i, kDark[i]);
  }
  return css + "@media (prefers-color-scheme:dark){" + dark + "}";
}

}  // namespace cogent
