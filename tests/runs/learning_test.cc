// Algorithms learn: an environment that pays for the letter `a` gets more of it.
#include <gtest/gtest.h>

#include <filesystem>

#include "agents/policy_agent.h"
#include "agents/rollout.h"
#include "algorithms/trainer.h"
#include "envs/single_turn.h"
#include "tests/policies/tiny_model.h"

namespace cogent {
namespace {

class LetterEnv final : public SingleTurnEnv {
 public:
  Task MakeTask(Rng& rng) const override { return {rng.Letters(3), "", {}}; }
  Verdict Score(const Task&, const Completion& completion) const override {
    const auto right = std::count(completion.text.begin(), completion.text.end(), 'a');
    return {static_cast<double>(right) / 8.0, "share of the letter"};
  }
};

class Learning : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(Learning, RaisesTheRewardOfATrivialEnvironment) {
  const Tokenizer tokenizer = tiny::Characters();
  ModelConfig shape = tiny::Config(tokenizer.vocab_size());
  shape.eos_token_id = tokenizer.eos_id(), shape.initializer_range = 0.1;
  ParameterSet weights(shape);
  weights.Initialize(Rng(4));
  AdamW optimizer(weights, {});
  const std::string base = testing::TempDir() + "/cogent_learning_" + std::to_string(getpid());
  weights.Save(base);
  Critic critic(base, {});
  std::filesystem::remove_all(base);
  Trainer trainer(weights, nullptr, optimizer, {.lanes = 2}, &critic);
  Generator generator(weights, tokenizer, {.threads = 2});
  Problems problems;
  const Rubric rubric = Rubric::Make({}, BuiltinRewards(), problems);
  const auto algorithm = BuiltinAlgorithms().Make({GetParam().first, ParseYaml(GetParam().second, "settings"), {}}, problems);
  problems.ThrowIfAny();
  std::vector<double> rewards;
  for (std::uint64_t step = 0; step < 20; ++step) {
    PolicyAgent agent(generator, "{prompt}", {.max_new_tokens = 8});
    std::vector<TaskId> tasks;
    for (std::uint64_t i = 0; i < 8; ++i) tasks.push_back({Split::kTrain, 1, step * 8 + i});
    const auto groups = CollectGroups({8, 1}, [] { return std::make_unique<LetterEnv>(); }, rubric, agent, tasks, Rng(9).Fork(step));
    double sum = 0;
    for (const Group& group : groups) {
      for (const Trajectory& t : group.members) sum += t.reward / 64.0;
    }
    rewards.push_back(sum);
    const auto report = trainer.Step(groups, *algorithm, 1e-2, 1e-2);
    EXPECT_LT(report.metrics.at("sampling/sampling_logp_difference/max"), 1e-4);
    generator.Refresh(weights);
  }
  EXPECT_LT(rewards.front(), 0.15);
  EXPECT_GT(rewards.back(), 0.5);
}

INSTANTIATE_TEST_SUITE_P(By, Learning, testing::Values(std::pair("grpo", "{kl_coef: 0}"), std::pair("ppo", "{kl_coef: 0}")),
                         [](const auto& info) { return std::string(info.param.first); });

}  // namespace
}  // namespace cogent
