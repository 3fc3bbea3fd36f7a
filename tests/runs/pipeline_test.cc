// A pipeline of stages: what runs, what is kept, what a change makes run again, and what is told when it goes wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/runs/program.h"
#include "tests/support/http_server.h"

namespace cogent::runs {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class PipelineTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "/cogent_pipeline_" + testing::UnitTest::GetInstance()->current_test_info()->name() + "." + std::to_string(getpid());
    fs::remove_all(root_);
    fs::create_directories(root_);
    Write(root_ + "/base.yaml", TinyRun(root_));
  }
  void TearDown() override { fs::remove_all(root_); }

  static std::string Stages(int sft_epochs = 1) {
    return R"(
  base: {train: {train.steps: 0}}
  zero: {train: {pretrain: null, policy.checkpoint: "${base}", train.steps: 3}}
  kept: {sample: {from: "${zero}", sample.tasks: 40, sample.samples: 2, sample.min_reward: -1}}
  made: {refine: {from: "${kept}", max_repeated: 1, summary: "So {answer}."}}
  asked: {sample: {from: "${zero}", sample.tasks: 10, sample.samples: 2, sample.min_reward: -1, sample.prompting: {examples: "${kept}", shots: 1}}}
  judged: {judge: {from: "${zero}", input: "${kept}", rollout.max_new_tokens: 4, judge.ask: "{prompt}{completion}"}}
  sft: {scored: true, train: {pretrain: null, policy.checkpoint: "${base}", algorithm: sft, train: {epochs: 1, minibatches: 1}, data: {paths: ["${kept}"], examples: 8, epochs: )" +
           std::to_string(sft_epochs) + "}}}\n";
  }
  std::string File(const std::string& stages, const std::string& name = "p") const {
    const std::string path = root_ + "/" + name + ".yaml";
    Write(path, "name: " + name + "\noutput: " + root_ + "/out\nbase_config: base.yaml\nevaluate: {eval: {final_tasks: 20}}\nstages:" + stages);
    return path;
  }
  StartedProgram Start(const std::string& file, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"pipeline", file, "--quiet"});
    return StartedProgram(more, root_ + "/output.txt");
  }
  Outcome Go(const std::string& file, const std::vector<std::string>& more = {}) const { return Start(file, more).Wait(); }
  std::string Out(const std::string& path, const std::string& name = "p") const { return root_ + "/out/" + name + "/" + path; }
  std::string root_;
};

TEST_F(PipelineTest, RunsEveryStageOnWhatEarlierOnesMadeAndMeasuresEachPolicy) {
  const Outcome outcome = Go(File(Stages()));
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  for (const char* path : {"stages/base/checkpoints/latest/model.safetensors", "stages/zero/summary.json", "stages/kept.jsonl", "stages/made.jsonl.report.json", "stages/asked.jsonl", "stages/judged.jsonl.report.json", "stages/sft/summary.json",
                           "scores/base.json", "scores/zero.json", "scores/sft.json", "report.html"}) {
    EXPECT_TRUE(fs::exists(Out(path))) << path;
  }
  for (const char* stage : {"base", "zero", "kept", "made", "sft"}) EXPECT_THAT(outcome.text, HasSubstr(stage));
  const auto score = nlohmann::json::parse(Read(Out("scores/zero.json")));
  EXPECT_EQ(score["tasks"], 20);
  EXPECT_TRUE(score["drawn"]["pass@1"].is_number());

  const std::string csv = Read(Out("scores.csv"));
  EXPECT_THAT(csv, testing::ContainsRegex("\nzero,train,[0-9.]+,20,[0-9.]+,"));
  EXPECT_THAT(csv, testing::ContainsRegex("\nkept,sample,[0-9.]+,,,,,,,[0-9]+,80,+\n"));
  EXPECT_THAT(csv, HasSubstr(",rewards/accuracy/mean")) << "a column for each reward and measure";

  // Again: nothing is made anew.
  const auto written = fs::last_write_time(Out("stages/sft/summary.json")), log = fs::last_write_time(Out("logs/base.log"));
  EXPECT_EQ(Go(File(Stages())).code, 0);
  EXPECT_EQ(fs::last_write_time(Out("stages/sft/summary.json")), written);
  EXPECT_EQ(fs::last_write_time(Out("logs/base.log")), log);

  // An edit makes its stage run again, and no other; what it had made stays beside it.
  const auto zero = fs::last_write_time(Out("stages/zero/summary.json"));
  const Outcome plan = Go(File(Stages(2)), {"--dry-run"});
  EXPECT_THAT(plan.text, testing::ContainsRegex("sft +train +changed: to run again"));
  EXPECT_THAT(plan.text, testing::ContainsRegex("kept +sample +done"));
  EXPECT_EQ(Go(File(Stages(2))).code, 0);
  EXPECT_EQ(fs::last_write_time(Out("stages/zero/summary.json")), zero);
  EXPECT_GT(fs::last_write_time(Out("stages/sft/summary.json")), written);
  EXPECT_TRUE(fs::exists(Out("stages/sft.before-1/summary.json")));
}

TEST_F(PipelineTest, KilledInAnyStageItEndsLikeThePipelineThatWasNot) {
  ASSERT_EQ(Go(File(Stages(), "whole")).code, 0);
  const std::string file = File(Stages(), "killed");
  for (const char* sign : {"stages/base/checkpoints/pretrain-000007", "stages/zero/metrics.jsonl", "stages/kept.jsonl", "stages/sft/metrics.jsonl"}) {
    StartedProgram program = Start(file);
    program.WaitUntil([&] { return fs::exists(Out(sign, "killed")); });
    program.Signal(SIGKILL);
    program.Wait();
    // The child gets SIGTERM when its parent dies, and saves.
    for (int i = 0; i < 200 && Go(file, {"--dry-run"}).code != 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  Outcome last;
  for (int i = 0; i < 50; ++i) {
    last = Go(file);
    if (last.code == 0) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // a child of the killed one still holds its run
  }
  ASSERT_EQ(last.code, 0) << last.text;
  for (const char* path : {"stages/kept.jsonl", "stages/made.jsonl.report.json"}) EXPECT_EQ(Read(Out(path, "killed")), Read(Out(path, "whole"))) << path;
  for (const char* stage : {"base", "zero", "sft"}) {
    const std::string score = std::string("scores/") + stage + ".json";
    const auto killed = nlohmann::json::parse(Read(Out(score, "killed"))), whole = nlohmann::json::parse(Read(Out(score, "whole")));
    EXPECT_EQ(killed["drawn"]["pass@1"], whole["drawn"]["pass@1"]) << stage;
    EXPECT_EQ(killed["drawn"]["mean_length"], whole["drawn"]["mean_length"]) << stage;
  }
}

TEST_F(PipelineTest, OneStageByNameRunsWhenWhatItNeedsIsDone) {
  const std::string file = File(Stages());
  const Outcome early = Go(file, {"--stage", "zero"});
  EXPECT_EQ(early.code, 2);
  EXPECT_THAT(early.text, HasSubstr("--stage zero: it needs base, which is not done"));
  EXPECT_EQ(Go(file, {"--stage", "base"}).code, 0);
  EXPECT_EQ(Go(file, {"--stage", "zero"}).code, 0);
  EXPECT_FALSE(fs::exists(Out("stages/kept.jsonl")));
  EXPECT_THAT(Go(file, {"--stage", "zeroo"}).text, HasSubstr("Did you mean 'zero'?"));
}

TEST_F(PipelineTest, ItsSeedIsThatOfEveryStageThatNamesNoneWhateverTheBaseConfigSays) {
  const std::string file = File("\n  one: {train: {train.steps: 0}}\n  two: {train: {train.steps: 0, seed: 3}}\n");
  EXPECT_EQ(Go(file, {"seed=7"}).code, 0);
  EXPECT_THAT(Read(Out("stages/one/config.yaml")), HasSubstr("\nseed: 7\n"));
  EXPECT_THAT(Read(Out("stages/two/config.yaml")), HasSubstr("\nseed: 3\n"));
  EXPECT_THAT(Go(file, {"seed=8", "--dry-run"}).text, testing::ContainsRegex("one +train +changed: to run again"));
}

TEST_F(PipelineTest, EveryStageIsMeasuredOnTheSameTasksWhateverItsOwnSeed) {
  const std::string file = File("\n  one: {train: {train.steps: 0}}\n  two: {train: {train.steps: 0, seed: 3}}\n");
  for (const auto& [setting, seed] : {std::pair{"evaluate.eval.k=[1]", "\nseed: 1\n"}, std::pair{"evaluate.seed=9", "\nseed: 9\n"}}) {
    ASSERT_EQ(Go(file, {setting}).code, 0);
    for (const char* stage : {"one", "two"}) EXPECT_THAT(Read(Out("configs/" + std::string(stage) + ".eval.yaml")), HasSubstr(seed)) << stage;
  }
}

TEST_F(PipelineTest, AMeasurementThatWasNotFinishedLeavesNoOlderNumbersInItsPlace) {
  const std::string file = File("\n  base: {train: {train.steps: 0}}\n"), checkpoints = Out("stages/base/checkpoints");
  const auto tasks = [&] { return nlohmann::json::parse(Read(Out("scores/base.json")))["tasks"]; };
  ASSERT_EQ(Go(file).code, 0);
  ASSERT_EQ(tasks(), 20);
  fs::rename(checkpoints, checkpoints + "_away");
  const Outcome failed = Go(file, {"evaluate.eval.final_tasks=30"});
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.text, HasSubstr("measuring base FAILED"));
  fs::rename(checkpoints + "_away", checkpoints);
  ASSERT_EQ(Go(file, {"evaluate.eval.final_tasks=30"}).code, 0);
  EXPECT_EQ(tasks(), 30);
}

TEST_F(PipelineTest, GreedyCompletionsAreMeasuredUnlessEvaluateSaysNot) {
  const std::string file = File("\n  base: {train: {train.steps: 0}}\n");
  const auto score = [&] { return nlohmann::json::parse(Read(Out("scores/base.json"))); };
  ASSERT_EQ(Go(file).code, 0);
  EXPECT_TRUE(score()["greedy"]["pass@1"].is_number());
  const Outcome without = Go(file, {"evaluate.eval.greedy=false"});
  ASSERT_EQ(without.code, 0) << without.text;
  EXPECT_FALSE(score().contains("greedy"));
  EXPECT_TRUE(score()["drawn"]["pass@1"].is_number());
  EXPECT_THAT(Read(Out("scores.csv")), testing::ContainsRegex("\nbase,train,[0-9.]+,20,[0-9.e-]+,[0-9.e-]+,[0-9.e-]+,,[0-9]"));
}

TEST_F(PipelineTest, AStageMaySampleFromTheBestCheckpointOfAnother) {
  const std::string file = File(R"(
  zero: {train: {train.steps: 3}}
  kept: {sample: {from: "${zero.best}", sample.tasks: 4, sample.min_reward: -1}}
)");
  const Outcome outcome = Go(file);
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  const fs::path checkpoints = Out("stages/zero/checkpoints"), best = fs::canonical(checkpoints / "best");
  ASSERT_NE(best, fs::canonical(checkpoints / "latest")) << "the two are one, so nothing was tested";
  EXPECT_EQ(fs::canonical(nlohmann::json::parse(Read(Out("stages/kept.jsonl.report.json")))["by"].get<std::string>()), best);
}

TEST_F(PipelineTest, WhatAStageMadeIsMovedAsideWhenItsNoteIsGone) {
  const std::string file = File(R"(
  base: {train: {train.steps: 0}}
  kept: {sample: {from: "${base}", sample.tasks: 4, sample.min_reward: -1}}
)");
  ASSERT_EQ(Go(file).code, 0);
  const std::string lines = Read(Out("stages/kept.jsonl"));
  for (const char* stage : {"base", "kept"}) fs::remove(Out("stages/" + std::string(stage) + ".json"));
  const Outcome again = Go(file);
  ASSERT_EQ(again.code, 0) << again.text;
  EXPECT_TRUE(fs::exists(Out("stages/base.before-1/summary.json")));
  EXPECT_TRUE(fs::exists(Out("stages/base/summary.json")));
  EXPECT_EQ(Read(Out("stages/kept.before-1.jsonl")), lines);
  EXPECT_EQ(Read(Out("stages/kept.jsonl")), lines);
}

// Without a memory each stage would be worked out once for every way to it: as many as the 40th Fibonacci number.
TEST_F(PipelineTest, ManyStagesThatNeedManyArePlannedAtOnce) {
  std::string stages = "\n  s0: {train: {train.steps: 0}}\n  s1: {train: {train.steps: 0}}\n";
  for (int i = 2; i < 40; ++i) {
    stages += "  s" + std::to_string(i) + ": {train: {pretrain: null, policy.checkpoint: \"${s" + std::to_string(i - 1) + "}\", reference: \"${s" + std::to_string(i - 2) + "}\"}}\n";
  }
  fs::create_directories(Out("stages"));  // a stage with a note is compared with what it would be made from
  for (int i = 0; i < 40; ++i) Write(Out("stages/s" + std::to_string(i) + ".json"), R"({"recipe": "another", "finished": true})");
  StartedProgram program = Start(File(stages), {"--dry-run"});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  ASSERT_FALSE(program.WaitUntil([&] { return std::chrono::steady_clock::now() > deadline; })) << "it did not end";
  const Outcome outcome = program.Wait();
  EXPECT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_THAT(outcome.text, testing::ContainsRegex("s39 +train +changed: to run again +needs s38, s37"));
}

TEST_F(PipelineTest, AStageThatFailsIsNamedAndWhatIsDoneStays) {
  const std::string file = File(R"(
  base: {train: {train.steps: 0}}
  kept: {sample: {from: "${base}", sample.min_scores: {beauty: 1}}}
)");
  const Outcome outcome = Go(file);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.text, HasSubstr("kept FAILED"));
  EXPECT_THAT(outcome.text, HasSubstr("go on with:"));
  EXPECT_THAT(Go(file, {"--dry-run"}).text, testing::ContainsRegex("base +train +done"));
}

TEST_F(PipelineTest, AServerThatIsDownIsToldBeforeTheFirstStageRuns) {
  Write(root_ + "/lines.jsonl", "{\"prompt\": \"1+1?\", \"completion\": \"<answer>2</answer>\"}\n");
  std::atomic<int> looks = 0;
  auto server = std::make_unique<HttpServer>([](const auto&) { return HttpServer::Reply{200, R"({"choices": [{"message": {"content": "<score>5</score>"}, "finish_reason": "stop"}]})"}; },
                                             [&](const auto&) { return ++looks, HttpServer::Reply{404, ""}; });
  const std::string remote = "{url: \"" + server->url() + "\", model: m, retries: 0}";
  Write(root_ + "/asks.yaml", "env: arithmetic\nrewards: [{name: accuracy}]\njudge: {remote: " + remote + "}\n");
  const std::string judge = "\n  base: {train: {train.steps: 0}}\n  judged: {judge: {from: \"${base}\", input: " + root_ + "/lines.jsonl, judge.remote: " + remote + "}}\n";
  const std::string file = File(judge);
  ASSERT_EQ(Go(file).code, 0) << Read(root_ + "/output.txt");
  EXPECT_EQ(looks.load(), 2) << "by the pipeline, and by the stage when it began";
  server.reset();
  EXPECT_EQ(Go(file).code, 0) << "nobody is asked for what is done";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {judge, "stage 'judged': "},
      {"\n  base: {train: {train.steps: 0, rollout.remote: " + remote + "}}\n  zero: {train: {pretrain: null, policy.checkpoint: \"${base}\", rollout.remote: " + remote + "}}\n", "stage 'zero': "},
      {"\n  base: {train: {train.steps: 0}}\n  drawn: {sample: {from: \"${base}\", sample.remote: " + remote + "}}\n", "stage 'drawn': "},
      {"\n  base: {train: {train.steps: 0}}\n  judged: {judge: {from: " + root_ + "/asks.yaml, input: " + root_ + "/lines.jsonl}}\n", "stage 'judged': "},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const std::string name = "down" + std::to_string(i);
    const Outcome outcome = Go(File(cases[i].first, name));
    EXPECT_EQ(outcome.code, 1) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr(cases[i].second));
    EXPECT_THAT(outcome.text, HasSubstr("no server answers there"));
    EXPECT_EQ(outcome.text.find("--stage base") == std::string::npos, i == 3) << "only where it may serve what another stage makes: " << outcome.text;
    EXPECT_FALSE(fs::exists(Out("stages/base", name)));
  }
}

TEST_F(PipelineTest, EveryMistakeIsToldBeforeAnythingRuns) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\n  a: {train: {policy.checkpoint: \"${b}\"}}\n", "stage 'a' needs ${b}, which no stage makes"},
      {"\n  base: {train: {train.steps: 0}}\n  a: {train: {policy.checkpoint: \"${bose}\"}}\n", "Did you mean 'base'?"},
      {"\n  base: {train: {train.steps: 0}}\n  a: {train: {policy.checkpoint: \"${base.data}\"}}\n", "'base' makes best, checkpoint, run"},
      {"\n  a: {train: {policy.checkpoint: \"${b}\"}}\n  b: {train: {policy.checkpoint: \"${a}\"}}\n", "p.yaml:6:14: the stages wait for one another in a circle"},
      {"\n  a: {trian: {}}\n", "'trian' is no kind of a stage. Did you mean 'train'?"},
      {"\n  a: {sample: {}}\n", "'sample' needs `from`"},
      {"\n  a: {train: {train.stepz: 3}}\n", "stepz"},
      {"\n  a: {train: {}, sample: {}}\n", "one kind is wanted"},
      {"\n  a: {train: {rollout.max_thinking_tokens: 3}}\n", "rollout.max_thinking_tokens is 3, but algorithm 'grpo' learns from the rollouts"},
      {"\n  a: {train: {algorithm: sft}}\n", "algorithm 'sft' learns from labelled examples"},
      {"\n  a: {train: {}, scored: perhaps}\n", "scored"},
      {"\n  a: {train: {}}\n  b: {judge: {from: \"${a}\"}}\n", "'judge' needs `input`"},
      {"\n  a: {train: {}}\n  b: {sample: {from: \"${a}\", sample.taskz: 3}}\n", "taskz"},
      {"\n  a: {train: {}}\n  b: {sample: {from: \"${a}\"}}\n  c: {judge: {from: \"${b}\", input: \"${b}\"}}\n", "`from` must be a run"},
      {"\n  a: {train: {}}\n  b: {sample: {from: \"${a}\"}}\n  c: {refine: {from: \"${b}\", max_repeted: 1}}\n", "stage 'c': unknown option '--max-repeted' of 'refine'. Did you mean '--max-repeated'?"},
      {"\n  a: {train: {}}\n  b: {sample: {from: \"${a}\"}}\n  c: {refine: {from: \"${b}\", max_repeated: 3}}\n", "p.yaml:8:44: stage 'c': --max-repeated: a number above 0"},
      {"\n  a: {train: {}}\n  b: {sample: {from: \"${a}\"}}\n  c: {refine: {from: \"${b}\", summary: So.}}\n", "p.yaml:8:39: stage 'c': --summary: {answer} is missing"},
      {"\n  a: {train: {}}\n  b: {sample: {from: \"${a}\"}}\n  c: {pairs: {from: \"${b}\", rule: helpfull}}\n", "--rule 'helpfull' is none. Known: helpful"},
      {"\n  a: {train: {}}\n  b: {sample: {from: \"${a}\"}}\n  c: {pairs: {from: \"${b}\", rule: scored}}\n", "--rule scored needs --score"},
      {"\n  a: {train: {}}\n  b: {sample: {from: \"${a}\"}}\n  c: {pairs: {from: \"${b}\"}}\n", "--rule is required"},
      {"\n  a: {train: {}}\n  b: {sample: {from: \"${a}\"}}\n  c: {pairs: {from: \"${b}\", rule: [helpful]}}\n", "'rule' must be one value"},
      {"\n  a: {refine: {from: nowhere.jsonl}}\n", "there is no 'nowhere.jsonl'"},
      {"\n  a: {train: {}}\n  b: {refine: {from: \"${a}\"}}\n", "`from` must be lines, and 'a' makes a run"},
      {" {}\n", "stages: there is none"},
  };
  for (const auto& [stages, wanted] : cases) {
    const Outcome outcome = Go(File(stages));
    EXPECT_EQ(outcome.code, 2) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr(wanted));
    EXPECT_FALSE(fs::exists(root_ + "/out")) << stages;
  }
  for (const auto& [setting, wanted] : {std::pair{"evaluate.eval.final_taskz=3", "Did you mean 'final_tasks'?"}, std::pair{"evaluate.rewards=[{name: beauty}]", "beauty"},
                                        std::pair{"evaluate={policy: {checkpoint: '${a}'}}", "evaluate names ${a}, but every stage's policy is measured in one way"}}) {
    const Outcome outcome = Go(File("\n  a: {train: {train.steps: 0}}\n  b: {train: {train.steps: 0}}\n"), {setting});
    EXPECT_EQ(outcome.code, 2) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr(wanted));
    EXPECT_EQ(std::count(outcome.text.begin(), outcome.text.end(), '\n'), 1) << "once, not for every stage: " << outcome.text;
    EXPECT_FALSE(fs::exists(root_ + "/out")) << setting;
  }
  EXPECT_EQ(Go(File("\n  a: {train: {}}\n  b: {sample: {from: \"${a}\", rollout.max_thinking_tokens: 3}}\n"), {"--dry-run"}).code, 0) << "nothing is learned from these";
  const Outcome place = Go(File("\n  a: {train: {train.stepz: 3}}\n"));
  EXPECT_THAT(place.text, HasSubstr("p.yaml:6"));
}

}  // namespace
}  // namespace cogent::runs
