// Comparisons of run directories, written by the real RunLog: what is grouped, what counts, what is refused, what is shown.
#include "experiments/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/file.h"
#include "experiments/comparison_plots.h"
#include "experiments/comparison_report.h"
#include "experiments/run_config.h"
#include "experiments/run_log.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A made-up run: accuracy rises from 0.2 to `final` in a straight line over `steps` steps.
struct Made {
  std::string name;
  std::uint64_t seed = 1;
  double final = 0.9;
  std::string more = {};         // of its configuration
  int steps = 20;
  double tokens_per_step = 100, seconds_per_step = 2;
  bool finished = true;
  std::string env = "{name: signs, digits: 3}";
};

class Comparing : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "cogent_compare_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::string Make(const Made& made) const {
    const std::string path = dir_ + "/" + made.name;
    Node config = ParseYaml("name: " + fs::path(made.name).filename().string() + "\noutput: " + fs::path(path).parent_path().string() + "\nseed: " + std::to_string(made.seed) +
                                "\nenv: " + made.env + "\nalgorithm: {name: grpo}\npretrain: {steps: 1}\n", "made.yaml");
    if (!made.more.empty()) ApplyOverride(config, made.more);
    Problems problems;
    const RunConfig checked = CheckRunConfig(config, "made.yaml", Parts{}, {}, Purpose::kTrain, problems);
    problems.ThrowIfAny();
    RunLog log = RunLog::Create(path, ResolvedYaml(checked), {.version = "0", .command = "", .seed = made.seed, .threads = 1}, [] { return 1.7e9; });
    const int last = made.finished ? made.steps : made.steps / 2;
    for (int step = 0; step <= last; ++step) {
      if (step % 5 == 0 && step > 0 && step < made.steps) log.AddEval(step, "sampled", Evaluation(made, step));
      if (step == 0) log.AddEval(step, "sampled", Evaluation(made, step));
      if (step > 0) log.AddMetrics(step, {{"reward", 0.5}, {"num_tokens", made.tokens_per_step * step}, {"timing_s/step", made.seconds_per_step + 1}, {"timing_s/testing", 1.0}});
    }
    log.AddSample({.step = last, .split = "test", .task = "put signs: 1 2 3 = 6", .completion = "<think>" + made.name + "</think>", .scores = {}, .reward = 1.0, .length = 4});
    if (made.finished) {
      log.AddEval(last, "sampled", Evaluation(made, last));
      log.WriteSummary({.before = {}, .after = Evaluation(made, last), .run = {}, .text = {}});
    }
    return path;
  }
  static Metrics Evaluation(const Made& made, int step) {
    return {{"pass@1", 0.2 + (made.final - 0.2) * step / made.steps}, {"mean_length", 10.0 + step}};
  }
  // Five seeds of two arms whose differences are about 0.1 +- 0.01.
  void MakeTwoArms() const {
    const double jitter[] = {0.00, 0.01, -0.01, 0.005, -0.005};
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      Make({.name = "high" + std::to_string(seed), .seed = seed, .final = 0.9 + jitter[seed - 1]});
      Make({.name = "low" + std::to_string(seed), .seed = seed, .final = 0.8 + jitter[5 - seed] / 2, .more = "train.epochs=2"});
    }
  }
  Comparison Compare(const std::vector<std::string>& names, const CompareOptions& options = {}) const {
    std::vector<std::string> paths;
    for (const std::string& name : names) paths.push_back(dir_ + "/" + name);
    return CompareRuns(paths, options, Parts{});
  }
  template <typename Kind>
  std::string Refused(const std::vector<std::string>& names, const CompareOptions& options = {}) const {
    try {
      Compare(names, options);
    } catch (const Kind& error) {
      return error.what();
    }
    return "(not refused)";
  }
  std::string dir_;
};

// ---- arms and views ----

TEST_F(Comparing, RunsThatDifferInTheirSeedAloneAreOneArm) {
  MakeTwoArms();
  const Comparison c = Compare({"high*", "low*"});
  EXPECT_THAT(c.arms, ElementsAre("epochs=1", "epochs=2"));
  ASSERT_EQ(c.keys.size(), 1u);
  EXPECT_THAT(c.keys.at("train.epochs"), ElementsAre("1", "2"));
  ASSERT_EQ(c.views.size(), 3u);
  EXPECT_EQ(c.views[0].arms[0].runs, 5u);
  EXPECT_NEAR(c.views[0].arms[0].mean, 0.9, 1e-12);
  const Difference& d = c.views[0].differences.at(0);
  EXPECT_EQ(d.verdict, DifferenceVerdict::kReal);
  EXPECT_NEAR(d.mean, 0.1, 1e-12);
  EXPECT_THAT(c.notes, IsEmpty());
}

TEST_F(Comparing, EqualTokensAndEqualTimeAreReadOffTheCurves) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Make({.name = "a" + std::to_string(seed), .seed = seed, .final = 1.0});
    // Twice the tokens a step in a quarter of the time.
    Make({.name = "b" + std::to_string(seed), .seed = seed, .final = 1.0, .more = "rollout.group_size=16", .tokens_per_step = 200, .seconds_per_step = 0.5});
  }
  const Comparison c = Compare({"a*", "b*"});
  ASSERT_EQ(c.views.size(), 3u);
  EXPECT_EQ(c.views[1].budget, 2000);                     // tokens: all of a, half of b
  EXPECT_NEAR(c.views[1].arms[0].mean, 1.0, 1e-12);
  EXPECT_NEAR(c.views[1].arms[1].mean, 0.6, 1e-12);
  EXPECT_NEAR(c.views[2].budget, 10, 1e-9);               // seconds: a quarter of a, all of b
  EXPECT_NEAR(c.views[2].arms[0].mean, 0.4, 1e-12);
  EXPECT_NEAR(c.views[2].arms[1].mean, 1.0, 1e-12);
}

TEST_F(Comparing, BetweenTwoEvaluationsTheCurveIsStraight) {
  const std::vector<CurvePoint> curve = {{0, 0, 0, 0.2}, {5, 100, 4, 0.4}, {10, 300, 8, 0.5}};
  EXPECT_DOUBLE_EQ(ValueAt(curve, &CurvePoint::tokens, 50), 0.3);
  EXPECT_DOUBLE_EQ(ValueAt(curve, &CurvePoint::tokens, 200), 0.45);
  EXPECT_DOUBLE_EQ(ValueAt(curve, &CurvePoint::tokens, 300), 0.5);
  EXPECT_DOUBLE_EQ(ValueAt(curve, &CurvePoint::seconds, 4), 0.4);
  EXPECT_TRUE(std::isnan(ValueAt(curve, &CurvePoint::tokens, 301)));
  EXPECT_TRUE(std::isnan(ValueAt({}, &CurvePoint::tokens, 0)));
}

TEST_F(Comparing, TheOrderOfRunsChangesNothing) {
  MakeTwoArms();
  std::vector<std::string> names;
  for (int seed = 1; seed <= 5; ++seed) names.push_back("high" + std::to_string(seed)), names.push_back("low" + std::to_string(seed));
  const std::string straight = ComparisonHtml(Compare(names));
  std::swap(names[2], names[9]);
  std::swap(names[5], names[6]);
  std::swap(names[1], names[3]);
  EXPECT_EQ(ComparisonHtml(Compare(names)), straight);
}

TEST_F(Comparing, ThePathOfASeedsOwnBaseDoesNotPartArms) {
  for (const char* arm : {"x", "y"}) {
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
      const std::string base = dir_ + "/base-1/seed-" + std::to_string(seed) + "/checkpoints/base";
      fs::create_directories(base);
      Make({.name = arm + std::to_string(seed), .seed = seed, .more = "policy.checkpoint=" + base});
      const std::string file = dir_ + "/" + arm + std::to_string(seed) + "/config.yaml";
      Node config = ParseYaml(ReadFile(file), file);
      ApplyOverride(config, "pretrain=null");
      if (arm[0] == 'y') ApplyOverride(config, "train.epochs=3");
      WriteFileAtomic(file, DumpYaml(config));
    }
  }
  EXPECT_EQ(Compare({"x*", "y*"}).arms.size(), 2u);
  // A run that made the same base by itself is of the same arm.
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    const std::string made = Make({.name = "base-1/made" + std::to_string(seed), .seed = seed});
    fs::rename(made + "/config.yaml", dir_ + "/base-1/seed-" + std::to_string(seed) + "/config.yaml");
  }
  Make({.name = "alone", .seed = 3});
  const Comparison c = Compare({"x*", "y*", "alone"});
  EXPECT_EQ(c.arms.size(), 2u);
  EXPECT_EQ(c.views[0].arms[0].runs, 3u);
}

TEST_F(Comparing, AnotherMetricCanBeAskedFor) {
  MakeTwoArms();
  const Comparison c = Compare({"high*", "low*"}, {.metric = "mean_length"});
  EXPECT_DOUBLE_EQ(c.views[0].arms[0].mean, 30);
  EXPECT_EQ(Compare({"high*"}, {.metric = "sampled/pass@1"}).views[0].arms[0].runs, 5u);
  EXPECT_THAT(Refused<DataError>({"high*"}, {.metric = "pass@2"}), HasSubstr("Known: mean_length, pass@1"));
}

TEST_F(Comparing, AgainstAnArmThatIsNotThereIsRefused) {
  MakeTwoArms();
  EXPECT_EQ(Compare({"high*", "low*"}, {.against = "epochs=1"}).views[0].differences.at(0).arm, "epochs=2");
  EXPECT_THAT(Refused<ConfigError>({"high*", "low*"}, {.against = "epochs=9"}), HasSubstr("Did you mean 'epochs=1'?"));
}

// ---- what cannot be compared, or not yet ----

TEST_F(Comparing, OtherEnvironmentsAreRefusedWithTheReason) {
  Make({.name = "a"});
  Make({.name = "b", .env = "{name: arithmetic}"});
  Make({.name = "c", .seed = 2, .env = "{name: signs, digits: 4}"});
  EXPECT_THAT(Refused<ConfigError>({"a", "b"}), AllOf(HasSubstr("/a and "), HasSubstr("/b cannot be compared: their environments are 'signs' and 'arithmetic'")));
  EXPECT_THAT(Refused<ConfigError>({"a", "c"}), AllOf(HasSubstr("evaluated on different tasks (env.digits is 3 and 4)"), HasSubstr("the first asks")));
}

TEST_F(Comparing, OtherEvaluationsAreRefusedWithTheReason) {
  Make({.name = "a"});
  Make({.name = "b", .more = "eval.final_tasks=7"});
  EXPECT_THAT(Refused<ConfigError>({"a", "b"}), HasSubstr("eval.final_tasks is 1000 and 7"));
}

TEST_F(Comparing, SettingsThatChangeNoHeldOutTaskMayDiffer) {
  Make({.name = "a"});
  Make({.name = "b", .env = "{name: signs, digits: 3, corpus: {guess: 0.5}}"});
  EXPECT_THAT(Compare({"a", "b"}).arms, ElementsAre("a", "b"));
}

TEST_F(Comparing, TwoRunsOfOneArmAndSeedAreRefused) {
  Make({.name = "a"});
  Make({.name = "again"});
  EXPECT_THAT(Refused<ConfigError>({"a", "again"}), AllOf(HasSubstr("/a and "), HasSubstr("/again are runs of one arm with the same seed (1)")));
  EXPECT_EQ(Compare({"a", "a"}).runs.size(), 1u);  // the same directory twice is one run
}

TEST_F(Comparing, ARunThatIsNotFinishedIsDrawnAndDoesNotCount) {
  MakeTwoArms();
  Make({.name = "high6", .seed = 6, .finished = false});
  std::ofstream(dir_ + "/high6/eval.jsonl", std::ios::app) << "{\"step\": 15, \"eval\": \"sam";  // being written
  const Comparison c = Compare({"high*", "low*"});
  EXPECT_EQ(c.views[0].arms[0].runs, 5u);
  EXPECT_EQ(c.views[1].budget, 2000);
  ASSERT_EQ(c.notes.size(), 1u);
  EXPECT_THAT(c.notes[0], AllOf(HasSubstr("high6 is not finished (step 10)"), HasSubstr("does not count")));
  EXPECT_EQ(ComparisonPlots(c)[0].series.size(), 3u);
}

TEST_F(Comparing, WhereNoRunIsFinishedTheLastWholeEvaluationIsTaken) {
  Make({.name = "a", .final = 1.0, .finished = false});
  const Comparison c = Compare({"a"});
  EXPECT_DOUBLE_EQ(c.views[0].arms[0].mean, 0.6);
  EXPECT_THAT(c.notes.at(0), HasSubstr("its last whole evaluation is taken"));
}

TEST_F(Comparing, ARunWithoutEvaluationsIsLeftOutOrRefused) {
  Make({.name = "a"});
  RunLog::Create(dir_ + "/empty", ReadFile(Make({.name = "other", .more = "train.epochs=2"}) + "/config.yaml"), {}, {});
  fs::remove_all(dir_ + "/other");
  EXPECT_THAT(Compare({"a", "empty"}).notes.at(0), HasSubstr("empty has no evaluation with 'pass@1' yet and is left out"));
  EXPECT_THAT(Refused<DataError>({"empty"}), HasSubstr("no run has an evaluation"));
}

TEST_F(Comparing, WhatIsNoRunIsRefused) {
  fs::create_directories(dir_ + "/folder");
  EXPECT_THAT(Refused<DataError>({"folder"}), HasSubstr("is no run and no ablation"));
  EXPECT_THAT(Refused<DataError>({"nothing"}), HasSubstr("there is no such directory"));
  EXPECT_THAT(Refused<DataError>({"no*"}), HasSubstr("nothing fits this pattern"));
  Make({.name = "a"});
  fs::remove(dir_ + "/a/config.yaml");
  EXPECT_THAT(Refused<DataError>({"a"}), HasSubstr("config.yaml: is missing"));
}

TEST_F(Comparing, RunsWithoutTokensOrTimesHaveNoTableOfThem) {
  RunLog log = RunLog::Create(dir_ + "/bare", ReadFile(Make({.name = "a"}) + "/config.yaml"), {}, {});
  log.AddEval(0, "sampled", {{"pass@1", 0.1}});
  log.AddMetrics(1, {{"reward", 0.1}});
  log.AddEval(1, "sampled", {{"pass@1", 0.2}});
  log.WriteSummary({.after = {{"pass@1", 0.2}}});
  const Comparison c = Compare({"bare"});
  EXPECT_EQ(c.views.size(), 1u);
  EXPECT_EQ(c.notes.size(), 2u);
}

TEST_F(Comparing, OtherSamplingIsNoted) {
  Make({.name = "a"});
  Make({.name = "b", .more = "rollout.temperature=0.7"});
  EXPECT_THAT(Compare({"a", "b"}).notes, ElementsAre(HasSubstr("(rollout.temperature)")));
  Make({.name = "c", .more = "rollout.min_p=0.1"});
  EXPECT_THAT(Compare({"a", "b", "c"}).notes, ElementsAre(HasSubstr("(rollout.temperature, rollout.min_p)")));
  // A run of a version that knew no such setting had it off.
  const std::string old = Make({.name = "d"}) + "/config.yaml";
  std::string text = ReadFile(old);
  const std::size_t at = text.find("  min_p: ");
  ASSERT_NE(at, std::string::npos);
  WriteFileAtomic(old, text.erase(at, text.find('\n', at) + 1 - at));
  EXPECT_THAT(Compare({"a", "d"}).notes, IsEmpty());
  EXPECT_THAT(Compare({"c", "d"}).notes, ElementsAre(HasSubstr("(rollout.min_p)")));
}

TEST_F(Comparing, DifferentThreadsAreNoted) {
  Make({.name = "a"});
  Make({.name = "b", .seed = 2});
  const std::string file = dir_ + "/b/environment.json";
  std::string text = ReadFile(file);
  text.replace(text.find("\"threads\": 1"), 12, "\"threads\": 8");
  WriteFileAtomic(file, text);
  EXPECT_THAT(Compare({"a", "b"}).notes.at(0), HasSubstr("different numbers of threads"));
}

// ---- an ablation's directory ----

TEST_F(Comparing, AnAblationKeepsItsNamesItsOrderAndItsFailures) {
  for (const char* arm : {"zeta", "alpha"}) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      if (arm[0] == 'a' && seed == 3) continue;
      Make({.name = std::string("ab/arms/") + arm + "/seed-" + std::to_string(seed), .seed = seed, .more = arm[0] == 'a' ? "train.epochs=2" : "train.epochs=1"});
    }
  }
  WriteFileAtomic(dir_ + "/ab/ablation.yaml", "ablate: {seeds: [1, 2, 3, 4], against: zeta, arms: {zeta: {}, alpha: {train.epochs: 2}}}\n");
  WriteFileAtomic(dir_ + "/ab/outcomes.jsonl",
                  "{\"run\": \"zeta/seed-1\", \"exit_code\": 1, \"seconds\": 1, \"error\": \"once, then done\"}\n"
                  "{\"run\": \"zeta/seed-1\", \"exit_code\": 0, \"seconds\": 1, \"error\": \"\"}\n"
                  "{\"run\": \"alpha/seed-3\", \"exit_code\": 1, \"seconds\": 1, \"error\": \"cogent: no memory\"}\n");
  const Comparison c = Compare({"ab"});
  EXPECT_THAT(c.arms, ElementsAre("zeta", "alpha"));
  EXPECT_EQ(c.against, "zeta");
  EXPECT_THAT(c.notes, ElementsAre("alpha/seed-3 failed: cogent: no memory", HasSubstr("2 of the runs of")));
  EXPECT_EQ(c.views[0].differences.at(0).verdict, DifferenceVerdict::kTooFewSeeds);
}

// ---- how it is shown ----

TEST_F(Comparing, TheTextSaysWhatIsRealAndWhatIsNot) {
  MakeTwoArms();
  EXPECT_THAT(ComparisonText(Compare({"high*", "low*"})), HasSubstr("epochs=1 is higher than epochs=2 by 10.0 points"));
  EXPECT_THAT(ComparisonText(Compare({"high1", "high2", "low1", "low2"})), AllOf(HasSubstr("2 seeds in common; with fewer than 3 nothing can be said"), Not(HasSubstr(" is higher "))));
  Difference d{.arm = "a", .other = "b", .seeds = {1, 2, 3}, .mean = 0.01, .student = {-0.02, 0.04}, .verdict = DifferenceVerdict::kNotShown};
  d.seeds_needed = 17;
  EXPECT_EQ(DifferenceSentence(d, "pass@1"), "a and b: no difference is shown (+1.0 points, 95%: -2.0 to +4.0). If this is the true size, 17 seeds would show it.");
  d.verdict = DifferenceVerdict::kReal;
  d.mean = -0.01, d.student = {-0.015, -0.005}, d.p_holm = 0.02;
  EXPECT_EQ(DifferenceSentence(d, "pass@1"), "a is lower than b by 1.0 points (95%: 0.5 to 1.5; Holm's p 0.020, 3 seeds).");
}

TEST_F(Comparing, ThePageNeedsNoNetworkAndRunsNoScript) {
  MakeTwoArms();
  const std::string page = ComparisonHtml(Compare({"high*", "low*"}));
  for (const char* outside : {"<script", "<link", "<img", "<iframe", "@import", "src=", "href=", "url("}) EXPECT_THAT(page, Not(HasSubstr(outside)));
  for (const char* part : {"<svg", "pass@1 by steps", "pass@1 by training tokens", "pass@1 by seconds of training", "At equal tokens: 2.0k", "At equal time", "train.epochs",
                           "class=\"n real\"", "Completions at equal prompts, seed 1", "put signs: 1 2 3 = 6", "high1", "low1", "Holm"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  EXPECT_EQ(page.find("<html"), page.rfind("<html"));
  EXPECT_THAT(page, testing::EndsWith("</main></body></html>\n"));
}

TEST_F(Comparing, HostileTextStaysText) {
  const std::string hostile = "</pre><script>alert(1)</script>\xFF";
  for (const char* name : {"a", "b"}) {
    const std::string dir = Make({.name = name, .more = std::string("prompt_template=\"") + (name[0] == 'a' ? "<script>{prompt}" : "<b>{prompt}") + "\""});
    RunLog log = RunLog::Resume(dir, 20, {});
    log.AddSample({.step = 20, .split = "test", .task = hostile, .completion = hostile, .scores = {}, .length = 1});
  }
  const Comparison c = Compare({"a", "b"});
  EXPECT_THAT(ComparisonHtml(c), AllOf(Not(HasSubstr("<script")), HasSubstr("&lt;script&gt;")));
}

TEST_F(Comparing, TheBandsHoldTheirLine) {
  MakeTwoArms();
  for (const Plot& plot : ComparisonPlots(Compare({"high*", "low*"}))) {
    for (const Series& series : plot.series) {
      ASSERT_EQ(series.low.size(), series.points.size()) << plot.title;
      for (std::size_t i = 0; i < series.points.size(); ++i) {
        EXPECT_LE(series.low[i].y, series.points[i].y + 1e-12);
        EXPECT_GE(series.high[i].y, series.points[i].y - 1e-12);
      }
    }
  }
}

TEST_F(Comparing, TheTablesAreCsvWithPlainNumbers) {
  MakeTwoArms();
  Make({.name = "odd", .seed = 9, .final = 0.5, .more = "prompt_template=\"say, {prompt}\""});
  WriteComparisonCsv(Compare({"high*", "low*", "odd"}), dir_ + "/tables/deep");
  const std::string runs = ReadFile(dir_ + "/tables/deep/runs.csv"), differences = ReadFile(dir_ + "/tables/deep/differences.csv"), arms = ReadFile(dir_ + "/tables/deep/arms.csv");
  EXPECT_EQ(std::count(runs.begin(), runs.end(), '\n'), 1 + 11);
  EXPECT_EQ(std::count(arms.begin(), arms.end(), '\n'), 1 + 3 * 3);
  EXPECT_EQ(std::count(differences.begin(), differences.end(), '\n'), 1 + 3 * 3);
  EXPECT_THAT(runs, testing::StartsWith("arm,seed,directory,finished,counts,steps,tokens,seconds,score,score_at_equal_tokens,score_at_equal_seconds\n"));
  EXPECT_THAT(runs, HasSubstr("odd,9," + dir_ + "/odd,1,1,20,2000,40,0.5,0.5,0.5\n"));
  EXPECT_THAT(differences, HasSubstr(",real\n"));
  EXPECT_THAT(differences, HasSubstr(",too few seeds\n"));
  EXPECT_THAT(differences, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace cogent
