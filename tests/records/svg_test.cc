#include "experiments/svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/rng.h"

namespace cogent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

// Every tag closed in order: what an XML reader asks first.
bool IsBalanced(const std::string& svg) {
  std::vector<std::string> open;
  for (std::size_t at = svg.find('<'); at != std::string::npos; at = svg.find('<', at + 1)) {
    const std::size_t end = svg.find('>', at);
    if (end == std::string::npos) return false;
    const std::string tag = svg.substr(at + 1, end - at - 1);
    if (tag.front() == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  return open.empty();
}

TEST(RoundTicks, AreStepsOfOneTwoOrFive) {
  EXPECT_THAT(RoundTicks(0, 1, 5), ElementsAre(0, 0.2, 0.4, ::testing::DoubleEq(0.6), 0.8, 1));
  EXPECT_THAT(RoundTicks(0, 200, 6), ElementsAre(0, 50, 100, 150, 200));
  EXPECT_THAT(RoundTicks(-3, 4, 4), ElementsAre(-2, 0, 2, 4));
  EXPECT_THAT(RoundTicks(13, 57, 5), ElementsAre(20, 30, 40, 50));
}

TEST(RoundTicks, StayInsideAnyRange) {
  Rng rng(4);
  for (int i = 0; i < 2000; ++i) {
    const double low = rng.Normal() * std::pow(10.0, static_cast<double>(rng.Range(-8, 8)));
    const double high =
        low + std::pow(10.0, static_cast<double>(rng.Range(-2, 6))) * (0.1 + std::abs(low));
    const std::vector<double> ticks = RoundTicks(low, high, 5);
    ASSERT_GE(ticks.size(), 1u);
    ASSERT_LE(ticks.size(), 6u);
    const double room = 1e-6 * (high - low);
    for (const double tick : ticks)
      ASSERT_TRUE(low - room <= tick && tick <= high + room) << low << " " << high;
  }
}

TEST(PlotSvg, DrawsALinePathThroughItsPoints) {
  Plot plot{.title = "T", .x_label = "step", .series = {}, .y_min = 0.0, .y_max = 1.0};
  plot.series.push_back({.name = "s", .points = {{0, 0}, {10, 1}}, .markers = true});
  const std::string svg = PlotSvg(plot);
  EXPECT_TRUE(IsBalanced(svg)) << svg;
  EXPECT_EQ(Count(svg, "<circle"), 2);
  // Value 0 lies on the bottom axis at the left, value 1 on the top at the right: 38 + one legend
  // row.
  EXPECT_THAT(svg, HasSubstr("d=\"M36.9 228.0L438.0 55.0\""));
}

TEST(PlotSvg, BreaksTheLineAtPointsThatAreNotFinite) {
  Plot plot{.title = "T", .x_label = "step", .series = {}};
  plot.series.push_back({.name = "", .points = {{0, 1}, {1, kNaN}, {2, 3}, {3, 2}}});
  const std::string svg = PlotSvg(plot);
  const std::size_t path = svg.find("<path");
  const std::string d = svg.substr(path, svg.find("/>", path) - path);
  EXPECT_EQ(std::count(d.begin(), d.end(), 'M'), 2);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(PlotSvg, StandsWithoutPointsWithOnePointAndWithEqualOnes) {
  for (const std::vector<PlotPoint>& points : {std::vector<PlotPoint>{},
                                               {{5, 0}},
                                               {{5, -2}},
                                               {{0, kNaN}},
                                               {{0, 7}, {1, 7}, {2, 7}},
                                               {{0, 1e300}, {1, -1e300}},
                                               {{0, 1e-300}},
                                               {{0, INFINITY}, {1, 1}}}) {
    Plot plot{.title = "T", .x_label = "step", .series = {}};
    plot.series.push_back({.name = "s", .points = points, .markers = true, .label_ends = true});
    const std::string svg = PlotSvg(plot);
    EXPECT_TRUE(IsBalanced(svg)) << svg;
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("inf")));
  }
  EXPECT_THAT(PlotSvg({.title = "T", .x_label = "step", .series = {}}), HasSubstr("no data yet"));
}

TEST(PlotSvg, KeepsThePeaksOfALongSeriesAndStaysSmall) {
  Plot plot{.title = "T", .x_label = "step", .series = {}, .y_min = 0.0, .y_max = 1.0};
  Series series{.name = "", .points = {}};
  for (int i = 0; i < 100000; ++i)
    series.points.push_back({static_cast<double>(i), i == 54321 ? 1.0 : 0.0});
  plot.series.push_back(series);
  const std::string svg = PlotSvg(plot);
  EXPECT_LT(svg.size(), 20000u);
  EXPECT_THAT(svg, HasSubstr(" 38.0L"));  // the top of a plot without a legend
}

TEST(PlotSvg, EscapesNames) {
  Plot plot{.title = "<script>", .x_label = "a&b", .series = {}};
  plot.series.push_back({.name = "\"><x>", .points = {{0, 1}, {1, 2}}});
  const std::string svg = PlotSvg(plot);
  EXPECT_TRUE(IsBalanced(svg));
  EXPECT_THAT(svg, Not(HasSubstr("<script>")));
  EXPECT_THAT(svg, Not(HasSubstr("<x>")));
}

TEST(PanelsSvg, IsOnePictureWithColoursForLightAndDark) {
  const Plot plot{.title = "T", .x_label = "step", .series = {}};
  const std::string svg = PanelsSvg({plot, plot});
  EXPECT_TRUE(IsBalanced(svg));
  EXPECT_THAT(svg, HasSubstr("width=\"920\""));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme:dark"));
  EXPECT_EQ(Count(svg, "<svg"), 1);
}

}  // namespace
}  // namespace cogent
