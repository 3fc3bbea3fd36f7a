// A real ablation by the built program: shared bases, a run that fails, stopped, killed and resumed, refused.
#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "experiments/ablation_plan.h"
#include "experiments/engine_train.h"
#include "experiments/metrics.h"
#include "tests/runs/program.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using runs::Outcome;
using runs::StartedProgram;
using runs::Read;
using runs::Write;
using testing::HasSubstr;
using testing::Not;

json WithoutTimes(const std::string& text) {
  const json line = json::parse(text);
  json kept = json::object();
  for (const auto& [key, value] : line.items()) {
    if (key != "time" && !IsTimeMetric(key)) kept[key] = value;
  }
  return kept;
}

std::vector<std::string> LinesOf(const std::string& path) {
  std::vector<std::string> lines;
  std::istringstream text(Read(path));
  for (std::string line; std::getline(text, line);) lines.push_back(WithoutTimes(line).dump());
  return lines;
}

class AblateTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(Root());
    fs::create_directories(Root());
  }
  void TearDown() override { fs::remove_all(Root()); }

  static std::string Root() { return testing::TempDir() + "/cogent_ablate_test." + std::to_string(getpid()); }
  static std::string Dir() { return Root() + "/out/tiny"; }
  static std::string File(const std::string& ablate) {
    std::string run = runs::TinyRun(Root() + "/out");
    run.replace(run.find("threads: 2"), 10, "threads: 1");
    Write(Root() + "/a.yaml", run + "ablate: " + ablate + "\n");
    return Root() + "/a.yaml";
  }
  static StartedProgram Start(const std::string& file, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"ablate", file, "--jobs=2"});
    return StartedProgram(more, Root() + "/output.txt");
  }
  static Outcome Go(const std::string& file, const std::vector<std::string>& more = {}) { return Start(file, more).Wait(); }

  // The runs as they were made without a stop: records by directory.
  static std::map<std::string, std::vector<std::string>> AllRecords() {
    std::map<std::string, std::vector<std::string>> all;
    for (const auto& entry : fs::recursive_directory_iterator(Dir() + "/arms")) {
      const std::string name = entry.path().filename();
      if (name == "metrics.jsonl" || name == "eval.jsonl") all[entry.path().lexically_relative(Dir())] = LinesOf(entry.path());
    }
    return all;
  }
};

constexpr const char* kTwoArms = "{seeds: [1, 2, 3], arms: {plain: {}, kl: {algorithm.kl_coef: 0.5}}}";

TEST_F(AblateTest, AnArmThatSharesABaseEqualsARunThatMadeItsOwn) {
  ASSERT_EQ(Go(File("{seeds: [5], arms: {plain: {}}}")).code, 0);
  ASSERT_EQ(StartedProgram({"train", Root() + "/a.yaml"}, Root() + "/refused.txt").Wait().code, 2);
  std::string alone = runs::TinyRun(Root() + "/alone");
  alone.replace(alone.find("threads: 2"), 10, "threads: 1");
  Write(Root() + "/alone.yaml", alone);
  ASSERT_EQ(StartedProgram({"train", Root() + "/alone.yaml"}, Root() + "/alone.txt").Wait().code, 0);
  const std::string shared = Dir() + "/arms/plain/seed-5", own = Root() + "/alone/tiny";
  for (const char* file : {"metrics.jsonl", "eval.jsonl"}) EXPECT_EQ(LinesOf(shared + "/" + file), LinesOf(own + "/" + file));
  for (const char* file : {"samples.jsonl", "checkpoints/latest/model.safetensors"}) EXPECT_TRUE(Read(shared + "/" + file) == Read(own + "/" + file)) << file;
}

TEST_F(AblateTest, StoppedAndKilledItGoesOnAndEndsAsIfItHadNot) {
  const std::string file = File(kTwoArms);
  ASSERT_EQ(Go(file).code, 0);
  const auto whole = AllRecords();
  ASSERT_EQ(whole.size(), 12u);
  fs::remove_all(Dir());

  // Ctrl-C once the first arm has taken a step: everything that runs saves.
  {
    StartedProgram program = Start(file);
    ASSERT_TRUE(program.WaitUntil([] { return runs::Lines(Dir() + "/arms/plain/seed-1/metrics.jsonl") >= 2; }));
    program.Signal(SIGINT);
    const Outcome stopped = program.Wait();
    EXPECT_EQ(stopped.code, 130) << stopped.text;
    EXPECT_THAT(stopped.text, HasSubstr("Go on with:\n  cogent ablate " + file));
    EXPECT_FALSE(fs::exists(Dir() + "/report.html"));
  }
  // Killed: its children get a signal of their own and save.
  {
    StartedProgram program = Start(file);
    ASSERT_TRUE(program.WaitUntil([] { return runs::Lines(Dir() + "/arms/kl/seed-1/metrics.jsonl") >= 2; }));
    program.Signal(SIGKILL);
    EXPECT_EQ(program.Wait().signal, SIGKILL);
  }
  Outcome last;
  for (int attempt = 0; attempt < 20; ++attempt) {  // a child that is still saving holds its directory: that run fails, and is tried again
    last = Go(file);
    if (last.code == 0) break;
  }
  ASSERT_EQ(last.code, 0) << last.text;
  EXPECT_EQ(AllRecords(), whole);
  EXPECT_THAT(last.text, HasSubstr("at most 3 seeds an arm"));

  // Again: everything is kept, nothing runs.
  const auto before = fs::last_write_time(Dir() + "/arms/plain/seed-1/metrics.jsonl");
  const auto outcomes = runs::Lines(Dir() + "/outcomes.jsonl");
  ASSERT_EQ(Go(file).code, 0);
  EXPECT_EQ(fs::last_write_time(Dir() + "/arms/plain/seed-1/metrics.jsonl"), before);
  EXPECT_EQ(runs::Lines(Dir() + "/outcomes.jsonl"), outcomes);
  EXPECT_THAT(Go(file, {"--dry-run"}).text, HasSubstr("nothing is left to run"));
}

TEST_F(AblateTest, ARunThatFailsIsNamedAndTheOthersFinish) {
  // The tokenizer has more ids than this model: known when the run begins, not before.
  const Outcome outcome = Go(File("{seeds: [1], share_base: false, arms: {fine: {}, broken: {policy.model.vocab_size: 100}, good: {train.epochs: 1}}}"));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.text, HasSubstr("broken/seed-1 FAILED: cogent: policy.model.vocab_size is 100"));
  EXPECT_TRUE(fs::exists(Dir() + "/arms/fine/seed-1/summary.json"));
  EXPECT_TRUE(fs::exists(Dir() + "/arms/good/seed-1/summary.json"));
  const auto outcomes = ReadOutcomes(Dir());
  const auto failed = std::find_if(outcomes.begin(), outcomes.end(), [](const RunOutcome& o) { return o.run == "broken/seed-1"; });
  ASSERT_NE(failed, outcomes.end());
  EXPECT_EQ(failed->exit_code, 2);
  const std::string page = Read(Dir() + "/report.html");
  EXPECT_THAT(page, HasSubstr("broken/seed-1 failed: cogent: policy.model.vocab_size is 100"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
}

TEST_F(AblateTest, TheCommandLineCanCompareWhatItMade) {
  ASSERT_EQ(Go(File("{seeds: [1, 2], arms: {plain: {}, kl: {algorithm.kl_coef: 0.5}}}")).code, 0);
  const Outcome both = StartedProgram({"compare", Dir(), "--html", Root() + "/page.html", "--csv", Root() + "/tables"}, Root() + "/o.txt").Wait();
  EXPECT_EQ(both.code, 0) << both.text;
  EXPECT_THAT(both.text, HasSubstr("algorithm.kl_coef"));
  EXPECT_THAT(Read(Root() + "/page.html"), HasSubstr("Completions at equal prompts"));
  EXPECT_EQ(runs::Lines(Root() + "/tables/runs.csv"), 5);
  const Outcome two = StartedProgram({"compare", Dir() + "/arms/plain/seed-1", Dir() + "/arms/kl/*"}, Root() + "/o.txt").Wait();
  EXPECT_THAT(two.text, HasSubstr("2 arms, 3 runs"));
  const Outcome none = StartedProgram({"compare", Root()}, Root() + "/o.txt").Wait();
  EXPECT_EQ(none.code, 2);
}

TEST_F(AblateTest, ADryRunPrintsThePlanAndMakesNothing) {
  const Outcome plan = Go(File("{seeds: [1, 2], arms: {plain: {}, kl: {algorithm.kl_coef: 0.5}}, grid: {rollout.group_size: [2, 4]}}"), {"--dry-run"});
  EXPECT_EQ(plan.code, 0);
  EXPECT_THAT(plan.text, AllOf(HasSubstr("4 arms x 2 seeds = 8 runs, and 2 shared base models"), HasSubstr("kl,group_size=4: 2 new"),
                               HasSubstr("at most 12.3k completion tokens"), HasSubstr("not known before a run has finished")));
  EXPECT_FALSE(fs::exists(Dir()));
}

TEST_F(AblateTest, ArmsThatCannotBeComparedAreToldOfBeforehandAndRunAllTheSame) {
  const std::string file = File("{seeds: [1], share_base: false, arms: {three: {train.steps: 1}, four: {train.steps: 1, env.digits: 4}}}");
  EXPECT_THAT(Go(file, {"--dry-run"}).text, HasSubstr("note: arms three and four cannot be compared: they were evaluated on different tasks (env.digits is 3 and 4)"));
  const Outcome outcome = Go(file);
  EXPECT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_THAT(outcome.text, HasSubstr("no report: "));
  EXPECT_TRUE(fs::exists(Dir() + "/arms/four/seed-1/summary.json"));
}

TEST_F(AblateTest, AnAlgorithmsSettingThatDoesNotExistIsRefusedBeforeAnythingRuns) {
  const Outcome unknown = Go(File("{seeds: [1], arms: {a: {}, b: {algorithm.kl_cof: 0.5}}}"));
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.text, AllOf(HasSubstr("a.yaml:19:40: unknown key 'kl_cof' in algorithm 'grpo'. Did you mean 'kl_coef'?"), HasSubstr("(arm 'b')")));
  EXPECT_EQ(Go(File("{seeds: [1], arms: {b: {algorithm: {name: grop}}}}")).code, 2);
  const Outcome forced = Go(File("{seeds: [1], arms: {a: {}, b: {rollout.max_thinking_tokens: 3}}}"), {"--dry-run"});
  EXPECT_EQ(forced.code, 2);
  EXPECT_THAT(forced.text, AllOf(HasSubstr("rollout.max_thinking_tokens is 3, but algorithm 'grpo' learns from the rollouts"), HasSubstr("(arm 'b')")));
  const Outcome sourceless = Go(File("{seeds: [1], arms: {b: {algorithm: sft}}}"), {"--dry-run"});
  EXPECT_EQ(sourceless.code, 2);
  EXPECT_THAT(sourceless.text, HasSubstr("algorithm 'sft' learns from labelled examples"));
  EXPECT_FALSE(fs::exists(Dir()));
}

TEST_F(AblateTest, RunsOfOtherSettingsAreNotTakenForItsOwn) {
  ASSERT_EQ(Go(File("{seeds: [1], share_base: false, arms: {a: {train.steps: 2}}}")).code, 0);
  const Outcome changed = Go(File("{seeds: [1], share_base: false, arms: {a: {train.steps: 3}}}"));
  EXPECT_EQ(changed.code, 2);
  EXPECT_THAT(changed.text, HasSubstr("was made with other settings; train.steps is 2 there and 3 here"));
}

TEST_F(AblateTest, ASecondOneOfTheSameNameIsRefusedWhileTheFirstRuns) {
  const std::string file = File(kTwoArms);
  StartedProgram first = Start(file);
  ASSERT_TRUE(first.WaitUntil([] { return fs::exists(Dir() + "/base-1/seed-1"); }));
  const Outcome second = StartedProgram({"ablate", file}, Root() + "/second.txt").Wait();
  EXPECT_EQ(second.code, 2);
  EXPECT_THAT(second.text, HasSubstr("another process is writing this ablation"));
  first.Signal(SIGTERM);
  EXPECT_EQ(first.Wait().code, 130);
}

TEST(ShippedAblations, Load) {
  const CheckAlgorithm check = [](RunConfig& config, Purpose purpose, Problems& problems) { return Methods(Parts{}).Check(config, purpose, problems); };
  int count = 0;
  for (const auto& entry : fs::directory_iterator(std::string(COGENT_SOURCE_DIR) + "/experiments/configs")) {
    if (!entry.path().filename().string().starts_with("ablate_")) continue;
    ++count;
    EXPECT_NO_THROW(LoadAblation(entry.path(), {}, Parts{}, check)) << entry.path();
  }
  EXPECT_GT(count, 0);
}

}  // namespace
}  // namespace cogent
