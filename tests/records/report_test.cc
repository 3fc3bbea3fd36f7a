// The report: from any run directory to one page that needs nothing else.
#include "experiments/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/file.h"
#include "experiments/report_plots.h"
#include "experiments/run_log.h"
#include "experiments/run_reader.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class Report : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = (fs::path(::testing::TempDir()) / "cogent_report").string();
    fs::remove_all(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  RunLog Log() {
    return RunLog::Create(dir_, "seed: 7\nnote: <b>\n",
                          {.version = "0.1.0", .command = "", .seed = 7}, [] { return 1.7e9; });
  }
  SampleRecord Sample(std::int64_t step, const std::string& task,
                      const std::string& completion) const {
    return {.step = step,
            .split = "test",
            .task = task,
            .completion = completion,
            .scores = {{"accuracy", 1.0, 1.0, ""}},
            .reward = 1.0,
            .length = 9};
  }
  std::string dir_;
};

TEST_F(Report, ShowsTheHeadlineNumbersBeforeAndAfter) {
  RunLog log = Log();
  log.AddMetrics(1, {{"reward", 0.5}, {"timing_s/gen", 3.0}, {"timing_s/step", 4.0}});
  log.WriteSummary({.before = {{"pass@1", 0.221}, {"mean_length", 26.0}},
                    .after = {{"pass@1", 0.943},
                              {"pass@1_low", 0.93},
                              {"pass@1_high", 0.951},
                              {"mean_length", 64.0}},
                    .run = {{"steps", 200}},
                    .text = {}});
  const std::string page = ReportHtml(dir_);
  EXPECT_THAT(page, HasSubstr("22.1% &rarr;</span> 94.3%"));
  EXPECT_THAT(page, HasSubstr("93.0% to 95.1%"));
  EXPECT_THAT(page, HasSubstr("26 &rarr;</span> 64"));
  EXPECT_THAT(page, HasSubstr("<td>gen "));
  EXPECT_THAT(page, HasSubstr("75.0%"));            // 3 of 4 seconds
  EXPECT_THAT(page, HasSubstr("<td>other "));       // the fourth
  EXPECT_THAT(page, HasSubstr("note: &lt;b&gt;"));  // the config, escaped
}

TEST_F(Report, NeedsNoNetworkAndRunsNoScript) {
  RunLog log = Log();
  log.AddMetrics(1, {{"reward", 0.5}});
  const std::string page = ReportHtml(dir_);
  for (const char* outside : {"<script", "<link", "<img", "@import", "src=", "href=", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme:dark"));
}

TEST_F(Report, PutsTheCompletionsOfOneProblemSideBySide) {
  RunLog log = Log();
  log.AddSample(Sample(0, "7 5 9 3 = 14", "<answer>early guess</answer>"));
  log.AddSample(Sample(0, "only at the start", "x"));
  log.AddSample(Sample(10, "7 5 9 3 = 14", "in between"));
  log.AddSample(Sample(20, "7 5 9 3 = 14", "<think>late search</think>"));
  const std::string page = ReportHtml(dir_);
  const std::size_t early = page.find("early guess"), late = page.find("late search");
  ASSERT_NE(early, std::string::npos);
  ASSERT_NE(late, std::string::npos);
  EXPECT_LT(page.find("7 5 9 3 = 14"), early);
  EXPECT_LT(early, late);
  EXPECT_THAT(page.substr(early, late - early), Not(HasSubstr("class=\"pair\"")));
  EXPECT_THAT(page, Not(HasSubstr("in between")));
  EXPECT_THAT(page, Not(HasSubstr("only at the start")));
  EXPECT_THAT(page, HasSubstr("<span class=\"tag\">&lt;think&gt;</span>late"));
}

TEST_F(Report, ShowsSamplesOfBothStepsWhenNoProblemIsCommon) {
  RunLog log = Log();
  log.AddSample(Sample(0, "first problem", "early"));
  log.AddSample(Sample(9, "second problem", "late"));
  const std::string page = ReportHtml(dir_);
  for (const char* part : {"first problem", "second problem", "early", "late"})
    EXPECT_THAT(page, HasSubstr(part));
}

TEST_F(Report, HostileTextStaysText) {
  RunLog log = Log();
  const std::string hostile =
      "</pre></main><script>alert(1)</script><img src=x onerror=\"a\">\xFF\x01";
  SampleRecord sample = Sample(0, hostile, hostile);
  sample.scores = {{hostile, 1.0, 1.0, hostile}};
  sample.prompt = sample.answer = sample.cause = hostile;
  sample.status = TrajectoryStatus::kUnscorable;
  log.AddSample(sample);
  log.AddMetrics(1, {{"rewards/" + hostile + "/mean", 1.0}, {"timing_s/" + hostile, 1.0}});
  log.AddEval(1, hostile, {{"pass@" + hostile, 1.0}});
  log.WriteSummary({.before = {{hostile, 1.0}},
                    .after = {{hostile, 2.0}},
                    .run = {{hostile, 2.0}},
                    .text = {{hostile, hostile}}});
  const std::string page = ReportHtml(dir_);
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("\xFF")));
  EXPECT_THAT(page, HasSubstr("alert(1)"));
}

TEST_F(Report, OfAnEmptyDirectoryIsAPageThatSaysSo) {
  fs::create_directories(dir_);
  const std::string page = ReportHtml(dir_);
  EXPECT_THAT(page, HasSubstr("no step recorded yet"));
  EXPECT_THAT(page, HasSubstr("no data yet"));
  EXPECT_THAT(CurvesSvg(dir_), HasSubstr("no data yet"));
}

TEST_F(Report, OfNoDirectoryIsADataError) { EXPECT_THROW(ReportHtml(dir_ + "/absent"), DataError); }

TEST_F(Report, OfARunThatGoesOnLeavesOutTheHalfWrittenLine) {
  RunLog log = Log();
  log.AddMetrics(1, {{"reward", 0.25}});
  log.AddEval(0, "sampled", {{"pass@1", 0.25}});
  std::ofstream(dir_ + "/metrics.jsonl", std::ios::app) << "{\"step\":2,\"reward\":0.5";
  std::ofstream(dir_ + "/eval.jsonl", std::ios::app)
      << "[1]\nnull\n{\"step\":\"x\"}\n{\"eval\":3,\"step\":2}\n";
  std::ofstream(dir_ + "/summary.json") << "{\"before\": 3, \"after\"";
  const RunRecords run = ReadRun(dir_);
  ASSERT_EQ(run.metrics.size(), 1u);
  EXPECT_EQ(run.metrics[0].values.at("reward"), 0.25);
  EXPECT_FALSE(run.finished);
  EXPECT_THAT(ReportHtml(dir_), HasSubstr("going on"));
}

TEST_F(Report, SurvivesFilesOfAnotherShape) {
  fs::create_directories(dir_);
  for (const char* text :
       {"[]", "3", "{\"before\":[],\"after\":\"x\",\"run\":7}", "{\"machine\":null}", "\xFF", ""}) {
    for (const char* name :
         {"summary.json", "environment.json", "metrics.jsonl", "samples.jsonl", "eval.jsonl"}) {
      std::ofstream(dir_ + "/" + name)
          << text << "\n{\"step\":1,\"rewards\":[1],\"task\":{},\"reward\":null}\n";
    }
    EXPECT_THAT(ReportHtml(dir_), HasSubstr("</html>"));
  }
}

TEST_F(Report, IsWrittenIntoTheRunAndCanBeMadeAgain) {
  RunLog log = Log();
  log.AddMetrics(1, {{"reward", 0.25}});
  EXPECT_EQ(WriteReport(dir_), dir_ + "/report.html");
  const std::string first = ReadFile(dir_ + "/report.html");
  log.AddMetrics(2, {{"reward", 0.5}});
  WriteReport(dir_);
  EXPECT_NE(ReadFile(dir_ + "/report.html"), first);
}

TEST_F(Report, CurvesAreAccuracyWithItsIntervalAndLength) {
  RunLog log = Log();
  for (std::int64_t step = 0; step <= 40; step += 20) {
    log.AddEval(step, "greedy", {{"pass@1", 0.5}});
    log.AddEval(step, "sampled",
                {{"pass@1", 0.25}, {"pass@1_low", 0.2}, {"pass@1_high", 0.3}, {"mean_length", 30}});
    log.AddMetrics(step, {{"completions/mean_length", 31.0}});
  }
  const RunRecords run = ReadRun(dir_);
  const Plot accuracy = AccuracyPlot(run);
  ASSERT_EQ(accuracy.series.size(), 2u);
  EXPECT_EQ(accuracy.series[0].name, "pass@1, sampled");
  EXPECT_EQ(accuracy.series[0].points.size(), 3u);
  EXPECT_EQ(accuracy.series[0].low[2].y, 0.2);
  EXPECT_EQ(accuracy.series[0].high[2].y, 0.3);
  EXPECT_TRUE(accuracy.series[1].low.empty());
  const Plot length = LengthPlot(run);
  ASSERT_EQ(length.series.size(), 2u);
  EXPECT_EQ(length.series[0].points[1].y, 31.0);
  EXPECT_EQ(length.series[1].points[1].y, 30.0);
}

TEST(Smoothed, IsTheMeanAroundEachPointWithoutLagAtTheEnds) {
  const std::vector<PlotPoint> line = {{0, 0}, {1, 1}, {2, 2}, {3, 3}, {4, 4}};
  for (const PlotPoint& point : Smoothed(line, 3)) EXPECT_EQ(point.x, point.y);
  const std::vector<PlotPoint> peak = {{0, 0}, {1, 3}, {2, 0}};
  EXPECT_EQ(Smoothed(peak, 3)[1].y, 1.0);
  EXPECT_EQ(Smoothed(peak, 3)[0].y, 0.0);
}

}  // namespace
}  // namespace cogent
