// The run directory: what is written, what a kill leaves, what a resume keeps.
#include "experiments/run_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <sstream>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class RunDirectory : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = (fs::path(::testing::TempDir()) / "cogent_run_log").string();
    fs::remove_all(root_);
    dir_ = root_ + "/runs/first";
  }
  void TearDown() override { fs::remove_all(root_); }

  RunLog Create() {
    return RunLog::Create(dir_, "seed: 7\n",
                          {.version = "0.1.0",
                           .commit = "abc",
                           .libtorch = "2.11.0",
                           .command = "cogent train",
                           .seed = 7,
                           .threads = 2},
                          [this] { return time_ += 1.0; });
  }
  RunLog Resume(std::int64_t step) {
    return RunLog::Resume(dir_, step, [this] { return time_ += 1.0; });
  }
  std::string Text(const std::string& name) const { return ReadFile(dir_ + "/" + name); }
  std::vector<json> Lines(const std::string& name) const {
    std::istringstream text(Text(name));
    std::vector<json> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line));
    return lines;
  }
  void Append(const std::string& name, const std::string& text) const {
    std::ofstream(dir_ + "/" + name, std::ios::app | std::ios::binary) << text;
  }
  int EventFiles() const {
    int count = 0;
    for (const auto& entry : fs::directory_iterator(dir_)) {
      count += entry.path().filename().string().starts_with("events.out.tfevents.");
    }
    return count;
  }
  // One step of a made-up run: everything a trainer records.
  static void Step(RunLog& log, std::int64_t step) {
    const double x = static_cast<double>(step);
    log.AddSample(
        {.step = step, .task = "q" + std::to_string(step), .completion = "a", .reward = x});
    log.AddSample(
        {.step = step, .task = "r" + std::to_string(step), .completion = "b", .reward = x});
    log.AddMetrics(step, {{"reward", 0.1 * x}, {"kl", 1.0 / (1.0 + x)}});
    if (step % 2 == 0) log.AddEval(step, "sampled", {{"pass@1", 0.01 * x}});
  }
  // Every record of the run without its times.
  std::string WithoutTimes() const {
    std::string all;
    for (const char* name : {"metrics.jsonl", "samples.jsonl", "eval.jsonl"}) {
      for (json line : Lines(name)) {
        line.erase("time");
        all += line.dump() + "\n";
      }
    }
    return all;
  }

  std::string root_, dir_;
  double time_ = 1.7e9;
};

template <typename E>
std::string MessageOf(const std::function<void()>& act) {
  try {
    act();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing of that kind was thrown";
}

TEST_F(RunDirectory, HoldsConfigAndEnvironmentFromTheStart) {
  RunLog log = Create();
  EXPECT_EQ(Text("config.yaml"), "seed: 7\n");
  const json environment = json::parse(Text("environment.json"));
  EXPECT_EQ(environment["version"], "0.1.0");
  EXPECT_EQ(environment["commit"], "abc");
  EXPECT_EQ(environment["libtorch"], "2.11.0");
  EXPECT_EQ(environment["seed"], 7);
  EXPECT_EQ(environment["threads"], 2);
  EXPECT_EQ(environment["started"], "2023-11-14T22:13:22Z");
  EXPECT_GT(environment["machine"]["cores"], 0);
  EXPECT_GT(environment["machine"]["memory_bytes"], 1000000);
}

TEST_F(RunDirectory, WritesOneFlatLineAStepInAStableOrder) {
  RunLog log = Create();
  log.AddMetrics(3, {{"reward", 0.1}, {"kl", 2.0}, {"a/b", 1e-9}});
  const std::string line = Text("metrics.jsonl");
  EXPECT_THAT(
      line,
      HasSubstr("{\"step\":3,\"time\":1700000003.0,\"a/b\":1e-09,\"kl\":2.0,\"reward\":0.1}\n"));
}

TEST_F(RunDirectory, WritesNullForWhatIsNoNumber) {
  RunLog log = Create();
  log.AddMetrics(1, {{"a", std::numeric_limits<double>::quiet_NaN()},
                     {"b", std::numeric_limits<double>::infinity()},
                     {"c", -std::numeric_limits<double>::infinity()},
                     {"d", 1.5}});
  const json line = Lines("metrics.jsonl").at(0);
  for (const char* name : {"a", "b", "c"}) EXPECT_TRUE(line.at(name).is_null()) << name;
  EXPECT_EQ(line.at("d"), 1.5);
}

TEST_F(RunDirectory, NumbersReadBackBitForBit) {
  RunLog log = Create();
  const double third = 1.0 / 3.0, tiny = 5e-324, huge = 1.7976931348623157e308;
  log.AddMetrics(1, {{"a", third}, {"b", tiny}, {"c", huge}, {"d", -0.0}});
  const json line = Lines("metrics.jsonl").at(0);
  EXPECT_EQ(line.at("a").get<double>(), third);
  EXPECT_EQ(line.at("b").get<double>(), tiny);
  EXPECT_EQ(line.at("c").get<double>(), huge);
}

TEST_F(RunDirectory, KeepsASampleWithItsRewardsByName) {
  Trajectory trajectory;
  trajectory.id.split = Split::kTest;
  trajectory.task = {.prompt = "2+3", .answer = "5", .facts = {}};
  trajectory.prompt = "User: 2+3. Assistant:";
  trajectory.turns.resize(2);
  trajectory.turns[0].text = "one";
  trajectory.turns[0].completion_ids = {1, 2, 3};
  trajectory.turns[1].text = "two";
  trajectory.turns[1].completion_ids = {4};
  trajectory.scores = {{"accuracy", 1.0, 1.0, "5 = 5"}, {"format", 0.0, 0.1, ""}};
  trajectory.reward = 1.0;
  trajectory.status = TrajectoryStatus::kTruncated;
  RunLog log = Create();
  log.AddSample(MakeSample(4, trajectory, -0.5));
  const json line = Lines("samples.jsonl").at(0);
  EXPECT_EQ(line.at("step"), 4);
  EXPECT_EQ(line.at("split"), "test");
  EXPECT_EQ(line.at("task"), "2+3");
  EXPECT_EQ(line.at("completion"), "one\ntwo");
  EXPECT_EQ(line.at("rewards"), (json{{"accuracy", 1.0}, {"format", 0.0}}));
  EXPECT_EQ(line.at("weights"), (json{{"accuracy", 1.0}, {"format", 0.1}}));
  EXPECT_EQ(line.at("reasons"), (json{{"accuracy", "5 = 5"}}));
  EXPECT_EQ(line.at("advantage"), -0.5);
  EXPECT_EQ(line.at("length"), 4);
  EXPECT_EQ(line.at("status"), "truncated");
}

TEST_F(RunDirectory, HostileTextStaysOneLineOfJson) {
  RunLog log = Create();
  const std::string hostile =
      std::string("\xFF\xC3(\n\r\0\"\\</script>\xE2\x82", 19) + "\xED\xA0\x80";
  log.AddSample({.step = 1,
                 .task = hostile,
                 .prompt = hostile,
                 .completion = hostile,
                 .scores = {{hostile, 1.0, 1.0, hostile}},
                 .status = TrajectoryStatus::kUnscorable,
                 .cause = hostile});
  log.AddMetrics(1, {{hostile, 1.0}});
  log.AddEval(1, hostile, {{"pass@1", 1.0}});
  log.WriteSummary({.before = {}, .after = {}, .run = {}, .text = {{hostile, hostile}}});
  ASSERT_EQ(Lines("samples.jsonl").size(), 1u);
  const std::string completion = Lines("samples.jsonl").at(0).at("completion");
  EXPECT_THAT(completion, HasSubstr("\xEF\xBF\xBD"));
  EXPECT_THAT(completion, HasSubstr("</script>"));
  EXPECT_EQ(Lines("metrics.jsonl").size(), 1u);
  EXPECT_EQ(Lines("eval.jsonl").size(), 1u);
  EXPECT_TRUE(json::parse(Text("summary.json")).is_object());
}

TEST_F(RunDirectory, ThatExistsIsRefusedWithAWayOutAndLeftAsItWas) {
  {
    RunLog log = Create();
    Step(log, 1);
  }
  const std::string before = WithoutTimes();
  const std::string message = MessageOf<ConfigError>([&] { Create(); });
  EXPECT_THAT(message, HasSubstr(dir_));
  EXPECT_THAT(message, HasSubstr("--resume"));
  EXPECT_THAT(message, HasSubstr("another name"));
  EXPECT_EQ(WithoutTimes(), before);
}

TEST_F(RunDirectory, MayExistWhenItIsEmptyButNotAsAFile) {
  fs::create_directories(dir_);
  EXPECT_NO_THROW(Create());
  std::ofstream(root_ + "/file") << "x";
  EXPECT_THAT(MessageOf<ConfigError>([&] { RunLog::Create(root_ + "/file", "", {}); }),
              HasSubstr("is a file"));
  EXPECT_THAT(MessageOf<DataError>([&] { RunLog::Create(root_ + "/file/run", "", {}); }),
              HasSubstr("file/run"));
}

TEST_F(RunDirectory, IsWrittenByOneProcessAtATime) {
  {
    RunLog log = Create();
    EXPECT_THAT(MessageOf<ConfigError>([&] { Resume(0); }), HasSubstr("another process"));
  }
  EXPECT_NO_THROW(Resume(0));
}

TEST_F(RunDirectory, WithoutARunCannotBeResumed) {
  EXPECT_THAT(MessageOf<ConfigError>([&] { Resume(3); }), HasSubstr("no run to resume"));
}

TEST_F(RunDirectory, ResumedFromAnyStepEqualsTheUninterruptedRun) {
  {
    RunLog log = Create();
    for (std::int64_t step = 0; step <= 6; ++step) Step(log, step);
  }
  const std::string whole = WithoutTimes();
  for (std::int64_t from = -1; from <= 6; ++from) {
    RunLog log = Resume(from);
    for (std::int64_t step = from + 1; step <= 6; ++step) Step(log, step);
    EXPECT_EQ(WithoutTimes(), whole) << "resumed from " << from;
  }
  EXPECT_EQ(EventFiles(), 9);
  EXPECT_EQ(json::parse(Text("environment.json"))["resumes"].size(), 8u);
  EXPECT_EQ(json::parse(Text("environment.json"))["resumes"][2]["step"], 1);
}

TEST_F(RunDirectory, ResumedAfterAKillInsideALineEqualsTheUninterruptedRunAtEveryByte) {
  {
    RunLog log = Create();
    for (std::int64_t step = 0; step <= 4; ++step) Step(log, step);
  }
  const std::string whole = WithoutTimes();
  const std::string metrics = Text("metrics.jsonl");
  const std::size_t third = metrics.find("{\"step\":3");
  for (std::size_t size = third; size <= metrics.size(); size += 5) {
    fs::resize_file(dir_ + "/metrics.jsonl", size);
    {
      RunLog log = Resume(2);
      for (std::int64_t step = 3; step <= 4; ++step) Step(log, step);
    }
    ASSERT_EQ(WithoutTimes(), whole) << "cut at byte " << size;
  }
}

TEST_F(RunDirectory, ResumedKeepsAllOfItsStepsBehindALineThatIsDamaged) {
  {
    RunLog log = Create();
    Step(log, 1);
  }
  Append("metrics.jsonl", "not json\n");
  {
    RunLog log = Resume(1);
    Step(log, 2);
  }
  Append("metrics.jsonl", "{\"step\": 3, \"rew");
  Resume(2);
  const std::string text = Text("metrics.jsonl");
  EXPECT_THAT(text, HasSubstr("{\"step\":1,"));
  EXPECT_THAT(text, HasSubstr("{\"step\":2,"));
  EXPECT_THAT(text, Not(HasSubstr("not json")));
  EXPECT_EQ(text.back(), '\n');
}

TEST_F(RunDirectory, AKilledProcessLeavesWholeLinesAndNoLock) {
  const pid_t child = fork();
  if (child == 0) {
    RunLog log = Create();
    for (std::int64_t step = 1; step <= 3; ++step) Step(log, step);
    raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(Lines("metrics.jsonl").size(), 3u);
  EXPECT_EQ(Lines("samples.jsonl").size(), 6u);
  EXPECT_NO_THROW(Resume(3));
}

TEST_F(RunDirectory, OnAFullDiskSaysSoAndKeepsWhatIsThere) {
  RunLog log = Create();
  Step(log, 1);
  const std::string before = Text("samples.jsonl");
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  auto* handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = old;
  small.rlim_cur = before.size() + 40;  // stands in for a disk with 40 bytes left
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message =
      MessageOf<DataError>([&] { log.AddSample({.step = 2, .task = std::string(500, 'x')}); });
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(message, HasSubstr("samples.jsonl"));
  EXPECT_EQ(Text("samples.jsonl"), before);
}

TEST_F(RunDirectory, RefusesStepsThatGoDownAndNamesThatAreTaken) {
  RunLog log = Create();
  log.AddMetrics(2, {{"reward", 1.0}});
  EXPECT_THROW(log.AddMetrics(1, {{"reward", 1.0}}), InternalError);
  EXPECT_THROW(log.AddMetrics(3, {{"time", 1.0}}), InternalError);
  EXPECT_THROW(log.AddEval(3, "sampled", {{"eval", 1.0}}), InternalError);
  EXPECT_EQ(Lines("metrics.jsonl").size(), 1u);
}

TEST_F(RunDirectory, SummaryHoldsBeforeAndAfterAndIsReplacedWhole) {
  RunLog log = Create();
  log.WriteSummary(
      {.before = {{"pass@1", 0.2}}, .after = {{"pass@1", 0.5}}, .run = {}, .text = {}});
  log.WriteSummary({.before = {{"pass@1", 0.2}},
                    .after = {{"pass@1", 0.9}},
                    .run = {{"steps", 6}},
                    .text = {{"model", "tiny"}}});
  const json summary = json::parse(Text("summary.json"));
  EXPECT_EQ(summary["before"]["pass@1"], 0.2);
  EXPECT_EQ(summary["after"]["pass@1"], 0.9);
  EXPECT_EQ(summary["run"]["steps"], 6);
  EXPECT_EQ(summary["run"]["model"], "tiny");
}

}  // namespace
}  // namespace cogent
