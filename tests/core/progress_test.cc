// The progress line as text, on a clock of the test's own.
#include "core/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace cogent {
namespace {

ProgressState Half() {
  ProgressState state;
  state.label = "pretrain";
  state.unit = "tokens";
  state.note = "loss 1.23";
  state.done = 1'200'000;
  state.total = 2'400'000;
  state.seconds = 40;
  return state;
}

TEST(RenderProgress, ShowsShareRateAndTimeLeft) {
  EXPECT_EQ(RenderProgress(Half(), 120), "pretrain [==========>         ]  50%  1.2M/2.4M tokens  30.0k/s  0:40 left  loss 1.23");
}

TEST(RenderProgress, NeverExceedsTheWidthNorCutsACharacter) {
  ProgressState state = Half();
  state.note = "é中🙂é中🙂";
  for (int width = 0; width < 120; ++width) {
    const std::string line = RenderProgress(state, width);
    int columns = 0;
    for (const char c : line) columns += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    EXPECT_LE(columns, width);
    if (width < 60) continue;
    EXPECT_EQ(RenderProgress(state, 200).substr(0, line.size()), line);
    const bool whole = line.size() == RenderProgress(state, 200).size();
    if (!whole) {
      EXPECT_EQ(columns, width);
      EXPECT_NE(static_cast<unsigned char>(RenderProgress(state, 200)[line.size()]) & 0xC0, 0x80);
    }
  }
}

TEST(RenderProgress, ANarrowTerminalGetsNoBar) {
  EXPECT_EQ(RenderProgress(Half(), 59), "pretrain  50%  1.2M/2.4M tokens  30.0k/s  0:40 left  loss 1");
}

TEST(RenderProgress, SaysWhatItTookWhenAllIsDone) {
  ProgressState state = Half();
  state.done = state.total;
  state.seconds = 75;
  state.note = "";
  EXPECT_EQ(RenderProgress(state, 120), "pretrain [====================] 100%  2.4M/2.4M tokens  32.0k/s  in 1:15");
}

TEST(RenderProgress, DoesNotRoundUpToAllDone) {
  ProgressState state = Half();
  state.done = state.total - 1;
  EXPECT_NE(RenderProgress(state, 120).find("  99%"), std::string::npos);
}

TEST(RenderProgress, AnUnknownTotalHasNoBarAndNoTimeLeft) {
  ProgressState state = Half();
  state.total = 0;
  EXPECT_EQ(RenderProgress(state, 120), "pretrain  1.2M tokens  30.0k/s  loss 1.23");
}

TEST(RenderProgress, TheRateOfAResumedRunCountsFromItsStart) {
  ProgressState state = Half();
  state.first = 800'000;
  EXPECT_NE(RenderProgress(state, 120).find("10.0k/s  2:00 left"), std::string::npos);
}

TEST(Format, CountsAndDurations) {
  const std::pair<double, const char*> kCounts[] = {{0, "0"}, {7, "7"}, {2.5, "2.5"}, {950, "950"}, {1234, "1.2k"},
                                                    {999.6, "1.0k"}, {999'960, "1.0M"}, {4e9, "4.0G"}, {5e13, "50000.0G"}};
  for (const auto& [count, text] : kCounts) EXPECT_EQ(FormatCount(count), text);
  const std::pair<double, const char*> kTimes[] = {{0, "0:00"}, {7.4, "0:07"}, {59.6, "1:00"}, {754, "12:34"}, {11109, "3:05:09"}, {1e300, "?"}};
  for (const auto& [seconds, text] : kTimes) EXPECT_EQ(FormatDuration(seconds), text);
}

class ProgressTest : public testing::Test {
 protected:
  ProgressOptions Options(ProgressOptions::Style style) {
    ProgressOptions options;
    options.style = style;
    options.out = &out;
    options.clock = [this] { return now; };
    return options;
  }
  std::ostringstream out;
  double now = 100;
};

TEST_F(ProgressTest, PlainLinesComeAtMostEveryTenSecondsAndAtTheEnd) {
  Progress bar("eval", 100, "tasks", Options(ProgressOptions::Style::kLines));
  for (int i = 0; i < 25; ++i) {
    now += 1;
    bar.Advance(4);
  }
  bar.Finish();
  bar.Finish();
  EXPECT_EQ(out.str(),
            "eval [========>           ]  40%  40/100 tasks  4/s  0:15 left\n"
            "eval [================>   ]  80%  80/100 tasks  4/s  0:05 left\n"
            "eval [====================] 100%  100/100 tasks  4/s  in 0:25\n");
}

TEST_F(ProgressTest, NoneShowsNothing) {
  {
    Progress bar("eval", 4, "tasks", Options(ProgressOptions::Style::kNone));
    now += 20;
    bar.Advance(4);
    bar.Finish();
  }
  EXPECT_EQ(out.str(), "");
}

TEST_F(ProgressTest, ABarRedrawsItsLineAndMakesWayForOthers) {
  {
    Progress bar("eval", 4, "tasks", Options(ProgressOptions::Style::kBar));
    now += 0.05;
    bar.Advance(1);  // too soon to draw
    now += 0.95;
    bar.Advance(1, "ok");
    bar.Print("saved");
  }
  const std::string text = out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\r'), 2);
  EXPECT_NE(text.find("\r\x1b[Ksaved\neval"), std::string::npos);
  EXPECT_EQ(text.find("1/4"), std::string::npos);
  EXPECT_EQ(text.back(), '\n');
}

}  // namespace
}  // namespace cogent
