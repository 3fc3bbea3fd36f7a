// Algorithms in whole runs: each takes steps; dynamic sampling draws groups that teach nothing again, and a resumed
// run draws the same.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "algorithms/algorithm.h"
#include "tests/runs/tiny_runs.h"

namespace cogent {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class AlgorithmRun : public runs::TinyRuns {
 protected:
  static runs::Outcome Go(const std::string& output, std::vector<std::string> more) {
    // A problem in four has both right and wrong answers of this untrained policy: several rollouts a step.
    more.insert(more.begin(), {"--quiet", "algorithm={name: dapo}", "train.steps=3", "eval.final_tasks=6"});
    return TinyRuns::Go(Config(output), more);
  }
};

TEST_F(AlgorithmRun, DrawsUntilTheStepIsFullAndResumesWithTheSameDraws) {
  const std::vector<std::string> settings = {"rollout.max_batches=6", "checkpoint.every=1"};
  const auto whole = Go("whole", settings);
  ASSERT_EQ(whole.code, 0) << whole.text;
  const auto lines = Metrics("whole");
  ASSERT_EQ(lines.size(), 3u);
  double batches = 0;
  for (const json& line : lines) {
    EXPECT_LE(line.at("rollout_batches").get<double>(), 6);
    EXPECT_GE(line.at("groups_left_out").get<double>(), line.at("groups_refused").get<double>());
    batches += line.at("rollout_batches").get<double>();
  }
  EXPECT_GT(batches, 3) << "no group was refused: the test shows nothing";
  const json state = json::parse(runs::Read(Dir("whole") + "/checkpoints/latest/trainer_state.json"));
  EXPECT_EQ(state.at("next_task").get<double>(), 4 + 4 * batches);  // four prompts a rollout, from the fourth task on

  auto shorter = settings;
  shorter.push_back("train.steps=1");
  ASSERT_EQ(Go("resumed", shorter).code, 0);
  auto resumed = settings;
  resumed.push_back("--resume");
  const auto end = Go("resumed", resumed);
  ASSERT_EQ(end.code, 0) << end.text;
  const auto again = Metrics("resumed");
  ASSERT_EQ(again.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    for (const char* name : {"loss", "reward", "rollout_batches", "groups_refused", "grad_norm"}) EXPECT_EQ(again[i].value(name, -1.0), lines[i].value(name, -1.0)) << i << " " << name;
  }
  EXPECT_TRUE(runs::Read(Dir("resumed") + "/checkpoints/latest/model.safetensors") == runs::Read(Dir("whole") + "/checkpoints/latest/model.safetensors"));
}

TEST_F(AlgorithmRun, SaysWhatToDoWhenThereAreTooFewGroups) {
  // Groups of the whole step cannot come from one rollout, unless all four happen to be mixed.
  const auto outcome = Go("exhausted", {"rollout.max_batches=1", "rollout.when_exhausted=error"});
  EXPECT_EQ(outcome.code, 2) << outcome.text;
  EXPECT_THAT(outcome.text, HasSubstr("of 4 groups that the algorithm takes"));
  EXPECT_THAT(outcome.text, HasSubstr("rollout.max_batches"));
}

TEST_F(AlgorithmRun, EachTakesStepsFromTheSameBase) {
  for (const std::string& name : BuiltinAlgorithms().Names()) {
    Problems problems;
    std::vector<std::string> settings = {"algorithm={name: " + name + "}", "train.steps=2", "rollout.max_batches=2", "train.epochs=1", "train.minibatches=1", "pretrain.steps=8",
                                         "rewards=[{name: accuracy}, {name: overlong, max_tokens: 16, cache_tokens: 15}]"};  // rewards that differ
    if (BuiltinAlgorithms().Make({name, Node::Map(), {"test", 0, 0}}, problems)->NeedsCritic()) settings.push_back("critic.steps_alone=0");
    if (name == "distill") settings.push_back("reference=" + Dir("clip_cov") + "/checkpoints/latest");  // trained before, by the order of names
    const auto outcome = Go(name, settings);
    ASSERT_EQ(outcome.code, 0) << name << "\n" << outcome.text;
    const auto lines = Metrics(name);
    ASSERT_EQ(lines.size(), 2u) << name;
    for (const json& line : lines) {
      if (!line.contains("loss")) continue;  // every group was refused
      EXPECT_TRUE(line.at("policy_loss").is_number()) << name;
      EXPECT_GT(line.at("grad_norm").get<double>(), 0.0) << name;
    }
  }
}

TEST_F(AlgorithmRun, RewardsOneByOneAndTheLeastCertainTokensInARun) {
  const auto outcome = Go("one_by_one", {"algorithm={name: grpo, advantage: gdpo, whiten_advantages: true, top_entropy: 0.3, rejection: token_k3}", "train.steps=2",
                                         "rewards=[{name: accuracy}, {name: overlong, max_tokens: 16, cache_tokens: 15}]"});
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  for (const json& line : Metrics("one_by_one")) EXPECT_GT(line.at("grad_norm").get<double>(), 0.0);
}

TEST_F(AlgorithmRun, AnAdaptedCoefficientGoesOnWhereItStopped) {
  const std::vector<std::string> settings = {"algorithm={name: grpo, kl_coef: 0.5, kl_target: 1.0e-6, kl_horizon: 20}", "checkpoint.every=1"};
  ASSERT_EQ(Go("adapted", settings).code, 0);
  auto shorter = settings, resumed = settings;
  shorter.push_back("train.steps=1"), resumed.push_back("--resume");
  ASSERT_EQ(Go("adapted_resumed", shorter).code, 0);
  ASSERT_EQ(Go("adapted_resumed", resumed).code, 0);
  const auto whole = Metrics("adapted"), again = Metrics("adapted_resumed");
  ASSERT_EQ(again.size(), 3u);
  EXPECT_NE(whole[2].at("kl_coef"), whole[0].at("kl_coef"));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(again[i].at("kl_coef"), whole[i].at("kl_coef")) << i;
}

}  // namespace
}  // namespace cogent
