// A run that trains adapters: what it saves, killed and resumed, and every command that reads a checkpoint on it.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "core/rng.h"
#include "tests/runs/records.h"
#include "tests/runs/tiny_runs.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using runs::Lines;
using runs::Outcome;
using runs::Read;
using testing::HasSubstr;

class AdapterRunTest : public runs::TinyRuns {
 protected:
  static void SetUpTestSuite() {
    TinyRuns::SetUpTestSuite();
    const Outcome whole = Go("whole", {"--quiet"});
    ASSERT_EQ(whole.code, 0) << whole.text;
  }
  static runs::StartedProgram Start(const std::string& output, std::vector<std::string> more) {
    more.insert(more.begin(), {"policy.lora={rank: 4, alpha: 8}", "optimizer.learning_rate=1e-2"});
    return TinyRuns::Start(Config(output), more);
  }
  static Outcome Go(const std::string& output, const std::vector<std::string>& more) { return Start(output, more).Wait(); }
};

TEST_F(AdapterRunTest, SavesTheAdapterAloneAndNamesTheBaseBesideIt) {
  const std::string latest = Dir("whole") + "/checkpoints/latest";
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors", "optimizer.safetensors", "tokenizer.json", "trainer_state.json"}) {
    EXPECT_TRUE(fs::exists(latest + "/" + name)) << name;
  }
  EXPECT_FALSE(fs::exists(latest + "/model.safetensors"));
  EXPECT_EQ(json::parse(Read(latest + "/adapter_config.json"))["base_model_name_or_path"], fs::path(Dir("whole") + "/checkpoints/base").lexically_normal().string());
}

TEST_F(AdapterRunTest, LeavesTheBaseWhereItSamplesAsItTrainsAndTheRouterAlone) {
  const auto steps = Metrics("whole");
  ASSERT_EQ(steps.size(), 8u);
  for (const json& step : steps) {
    EXPECT_LT(step.at("sampling/sampling_logp_difference/max").get<double>(), 1e-4);
    EXPECT_EQ(step.at("moe/bias_max"), steps.front().at("moe/bias_max"));
  }
  EXPECT_GT(steps.back().at("kl").get<double>(), 1e-3) << "from the base, which is the policy without its adapters";
}

TEST_F(AdapterRunTest, GradientCheckpointingChangesNoBit) {
  const Outcome again = Go("again", {"--quiet", "train.gradient_checkpointing=true"});
  ASSERT_EQ(again.code, 0) << again.text;
  runs::ExpectEqualRuns(Dir("again"), Dir("whole"));
}

TEST_F(AdapterRunTest, KilledWhereverItEndsLikeTheRunThatWasNot) {
  const std::string dir = Dir("killed"), saved = dir + "/checkpoints/";
  const std::vector<Moment> moments = {
      {"before the first step", [&] { return fs::exists(saved + "step-000000"); }, 4},
      {"while an adapter is written", [&] { return fs::exists(saved + ".writing/adapter_config.json"); }, 4},
      {"the third step", [&] { return Lines(dir + "/metrics.jsonl") >= 3; }, 4},
      {"a checkpoint of step 6", [&] { return fs::exists(saved + "step-000006") || Lines(dir + "/metrics.jsonl") >= 6; }, 4},
  };
  EXPECT_GE(KillAt(moments, dir, Rng(9), [](const auto& more) { return Start("killed", more); }), 3);
  const Outcome end = Go("killed", {"--quiet", "--resume"});
  ASSERT_EQ(end.code, 0) << end.text;
  runs::ExpectEqualRuns(dir, Dir("whole"));
}

TEST_F(AdapterRunTest, EveryCommandThatTakesACheckpointTakesIt) {
  const std::string latest = Dir("whole") + "/checkpoints/latest", merged = Root() + "/merged";
  const Outcome converted = Run({"model", "convert", latest, merged});
  ASSERT_EQ(converted.code, 0) << converted.text;
  EXPECT_TRUE(fs::exists(merged + "/model.safetensors"));
  runs::Write(Root() + "/ids.json", R"({"sequences": [[5, 6, 7, 8, 9]]})");
  for (const std::string& model : {latest, merged}) {
    const Outcome forward = Run({"model", "forward", "-m", model, "-i", Root() + "/ids.json", "-o", Root() + "/out-" + fs::path(model).filename().string(), "--greedy", "4"});
    ASSERT_EQ(forward.code, 0) << forward.text;
  }
  EXPECT_EQ(Read(Root() + "/out-latest"), Read(Root() + "/out-merged"));
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"model", "describe", latest}, {"generate", "-m", latest, "-p", "1+1", "-n", "1", "--max-new-tokens", "4"}, {"eval", Dir("whole"), "--tasks", "4"}}) {
    const Outcome outcome = Run(words);
    EXPECT_EQ(outcome.code, 0) << words[0] << ": " << outcome.text;
  }
  // A run that starts from it, with adapters of its own on the sum, and one that trains the sum in full.
  EXPECT_EQ(Go("next", {"--quiet", "policy.checkpoint=" + latest, "pretrain=null", "train.steps=1"}).code, 0);
  EXPECT_TRUE(fs::exists(Dir("next") + "/checkpoints/base/model.safetensors"));
  EXPECT_EQ(Read(Dir("next") + "/checkpoints/base/model.safetensors"), Read(merged + "/model.safetensors"));
  EXPECT_EQ(Go("full", {"--quiet", "policy.checkpoint=" + latest, "pretrain=null", "policy.lora=null", "train.steps=1", "reference=" + latest}).code, 0);
  EXPECT_TRUE(fs::exists(Dir("full") + "/checkpoints/latest/model.safetensors"));
}

TEST_F(AdapterRunTest, LearnsFromExamplesToo) {
  const Outcome sft = Go("sft", {"--quiet", "algorithm=sft", "data={gold: 20, examples: 4}", "train.steps=2", "train.epochs=1", "train.minibatches=1"});
  EXPECT_EQ(sft.code, 0) << sft.text;
  EXPECT_TRUE(fs::exists(Dir("sft") + "/checkpoints/latest/adapter_model.safetensors"));
}

TEST_F(AdapterRunTest, AStageOfAPipelineAdaptsWhatAnotherMadeAndIsSampledFromAndAdaptedAgain) {
  runs::Write(Root() + "/staged.yaml", runs::TinyRun(Root() + "/staged"));
  runs::Write(Root() + "/stages.yaml", "name: p\noutput: " + Root() + R"(/stages
base_config: staged.yaml
evaluate: {eval: {final_tasks: 10}}
stages:
  base: {train: {train.steps: 0}}
  zero: {train: {pretrain: null, policy: {checkpoint: "${base}", lora: {rank: 4}}, train.steps: 2}}
  kept: {sample: {from: "${zero}", sample.tasks: 10, sample.min_reward: -1}}
  sft: {train: {pretrain: null, policy: {checkpoint: "${zero}", lora: {rank: 2}}, algorithm: sft, train: {steps: 2, epochs: 1, minibatches: 1}, data: {paths: ["${kept}"], examples: 4}}}
)");
  const Outcome outcome = Run({"pipeline", Root() + "/stages.yaml", "--quiet"});
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  const std::string sft = Root() + "/stages/p/stages/sft/checkpoints/latest/";
  EXPECT_EQ(json::parse(Read(sft + "adapter_config.json"))["r"], 2);
  EXPECT_TRUE(fs::exists(Root() + "/stages/p/scores/sft.json"));
}

TEST_F(AdapterRunTest, MistakesAreToldBeforeTheRunBegins) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"policy.lora={targets: [q_prj]}"}, "policy.lora.targets: 'q_prj' names no projection of a deepseek_v3 that can have an adapter; there are kv_a_proj_with_mqa, kv_b_proj"},
      {{"policy.lora={rank: 0}"}, "rank"},
      {{"policy.lora={dropout: 0.1}"}, "unknown key 'dropout'"},
      {{"algorithm=reward_model", "data={paths: [x.jsonl]}", "pretrain=null", "policy.checkpoint=" + Dir("whole") + "/checkpoints/base"}, "trains a value head, which an adapter cannot hold"},
  };
  for (const auto& [words, said] : cases) {
    std::vector<std::string> all = words;
    all.push_back("--quiet");
    const Outcome outcome = Go("refused", all);
    EXPECT_EQ(outcome.code, 2) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr(said));
    EXPECT_FALSE(fs::exists(Dir("refused"))) << said << ": a run was begun";
  }
  const Outcome other = Go("whole", {"--quiet", "--resume", "policy.lora={rank: 2}"});
  EXPECT_EQ(other.code, 2) << other.text;
  EXPECT_THAT(other.text, HasSubstr("these adapters have rank 4"));
}

}  // namespace
}  // namespace cogent
