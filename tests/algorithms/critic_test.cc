// The critic in the trainer against a plain forward pass, a sequence at a time; and what its step must not depend on.
#include <gmock/gmock.h>

#include <filesystem>

#include "algorithms/trainer.h"
#include "core/error.h"
#include "tests/algorithms/batch_util.h"
#include "tests/policies/tiny_model.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
constexpr int kVocabularySize = 40;
const std::string kPpo = "{kl_coef: 0, discount: 0.9, gae_lambda: 0.8}";

// With a large epsilon the first AdamW step is about the gradient itself (trainer_test.cc).
const OptimizerConfig kNearlyPlainDescent{.epsilon = 1.0, .max_grad_norm = 1e9};

// A policy, and a critic on another trunk with a head that is not 0.
class CriticTest : public testing::Test {
 protected:
  CriticTest() {
    dir_ = testing::TempDir() + "/cogent_critic_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + "_" + std::to_string(getpid());
    Shape(0);
  }
  ~CriticTest() override { fs::remove_all(dir_); }

  void Shape(int variant) {
    shape_ = tiny::Variant(variant);
    shape_.vocab_size = kVocabularySize;
    fs::remove_all(dir_);
    tiny::Weights(shape_, 12).Save(dir_);
  }
  std::unique_ptr<Critic> MakeCritic(OptimizerConfig config = kNearlyPlainDescent) const {
    auto critic = std::make_unique<Critic>(dir_, config);
    Rng rng(5);
    at::Tensor head = critic->parameters.Named().at("score.weight");
    for (std::int64_t i = 0; i < head.numel(); ++i) head[0][i] = 0.3 * rng.Normal();
    return critic;
  }
  struct Outcome {
    at::Tensor policy, critic;  // what moved
    std::map<std::string, double> metrics;
  };
  Outcome StepOnce(const std::vector<Group>& groups, const TrainerConfig& config, bool alone = false) const {
    ParameterSet weights = tiny::Weights(shape_, 11);
    AdamW optimizer(weights, kNearlyPlainDescent);
    const auto critic = MakeCritic();
    const at::Tensor policy = weights.flat().clone(), values = critic->parameters.flat().clone();
    Trainer trainer(weights, nullptr, optimizer, config, critic.get());
    const auto ppo = batches::Make("ppo", kPpo);
    const auto report = alone ? trainer.StepCritic(groups, *ppo, 1.0) : trainer.Step(groups, *ppo, 1.0, 1.0);
    return {weights.flat() - policy, critic->parameters.flat() - values, report.metrics};
  }

  std::string dir_;
  ModelConfig shape_;
};

// The value of every token that the policy chose: of the row before it, of this episode alone.
at::Tensor PlainValues(const Critic& critic, const std::vector<at::Tensor>& leaves, const Trajectory& t) {
  PackedTokens tokens;
  std::vector<std::int64_t> rows;
  for (const Turn& turn : t.turns) {
    tokens.ids.insert(tokens.ids.end(), turn.prompt_ids.begin(), turn.prompt_ids.end());
    for (const auto id : turn.completion_ids) {
      rows.push_back(static_cast<std::int64_t>(tokens.ids.size()) - 1);
      tokens.ids.push_back(id);
    }
  }
  tokens.segments = {{0, static_cast<int>(tokens.ids.size()), -1}};
  const Transformer model(critic.parameters.config(), leaves, critic.parameters.biases());
  return model.Values(model.Forward(tokens, {}).hidden, rows);
}

TEST_F(CriticTest, AStepIsTheGradientOfThePlainValueLoss) {
  const auto groups = batches::RandomGroups(41, kVocabularySize, 3, 4, 3);
  const auto ppo = batches::Make("ppo", kPpo);
  const auto critic = MakeCritic();
  at::Tensor gradient = at::zeros_like(critic->parameters.flat());
  const auto leaves = critic->parameters.Leaves(gradient);
  std::vector<at::Tensor> values;
  for (const Group& group : groups) {
    for (const Trajectory& t : group.members) values.push_back(PlainValues(*critic, leaves, t));
  }
  Batch batch = MakeBatch(groups);
  batch.old_values = at::cat(values).detach();
  FixTargets(batch, *ppo);
  const Loss loss = ppo->ComputeValueLoss(OptimizerStep(batch, *ppo, 0, batch.size()), at::cat(values));
  loss.value.backward();
  ASSERT_GT(gradient.norm().item<double>(), 1e-3);
  for (const int rows : {16, 5000}) {
    const Outcome outcome = StepOnce(groups, {.micro_batch_tokens = rows});
    EXPECT_LT(batches::RelativeError(outcome.critic, -gradient / (gradient.abs() + 1.0)), 1e-4) << rows;
    EXPECT_NEAR(outcome.metrics.at("losses/value_loss"), loss.value.item<double>(), 1e-5);
    EXPECT_NEAR(outcome.metrics.at("critic/grad_norm"), gradient.norm().item<double>(), 1e-4 * gradient.norm().item<double>());
    EXPECT_NEAR(outcome.metrics.at("critic/values/mean"), batch.old_values.mean().item<double>(), 1e-5);
    EXPECT_NEAR(outcome.metrics.at("critic/returns/mean"), batch.returns.mean().item<double>(), 1e-5);
    const double unforeseen = ((batch.returns - batch.old_values).var() / batch.returns.var()).item<double>();
    EXPECT_NEAR(outcome.metrics.at("losses/explained_variance"), 1.0 - unforeseen, 1e-4);
  }
}

TEST_F(CriticTest, AStepDoesNotDependOnCutOrderOrLanes) {
  for (int variant = 0; variant < tiny::kVariants; ++variant) {
    Shape(variant);
    auto groups = batches::RandomGroups(42, kVocabularySize, 4, 5, 2);
    const Outcome whole = StepOnce(groups, {.micro_batch_tokens = 5000});
    std::vector<Outcome> others = {StepOnce(groups, {.micro_batch_tokens = 16}), StepOnce(groups, {.lanes = 3, .micro_batch_tokens = 40})};
    EXPECT_TRUE(StepOnce(groups, {.lanes = 3, .micro_batch_tokens = 40}).critic.equal(others.back().critic));  // however the threads ran
    std::reverse(groups.begin(), groups.end());
    others.push_back(StepOnce(groups, {.micro_batch_tokens = 64}));
    for (std::size_t i = 0; i < others.size(); ++i) {
      EXPECT_LT(batches::RelativeError(others[i].critic, whole.critic), 2e-5) << variant << " " << i;
      EXPECT_LT(batches::RelativeError(others[i].policy, whole.policy), 2e-4) << variant << " " << i;
      for (const char* name : {"losses/value_loss", "losses/explained_variance", "losses/clipfrac", "critic/values/mean", "critic/returns/mean"}) {
        EXPECT_NEAR(others[i].metrics.at(name), whole.metrics.at(name), 1e-5 * (1 + std::abs(whole.metrics.at(name)))) << name;
      }
    }
  }
}

TEST_F(CriticTest, AloneItLearnsAsBesideThePolicyWhichStays) {
  const auto groups = batches::RandomGroups(43, kVocabularySize, 3, 4);
  const Outcome both = StepOnce(groups, {}), alone = StepOnce(groups, {}, true);
  EXPECT_TRUE(alone.critic.equal(both.critic));
  EXPECT_GT(both.policy.norm().item<double>(), 0);
  EXPECT_EQ(alone.policy.norm().item<double>(), 0);
  EXPECT_EQ(alone.metrics.count("loss"), 0u);
}

TEST_F(CriticTest, TheShareOfValuesThatClippingChangesIsTold) {
  // Four passes over one rollout at a high rate: values leave the range of the clip.
  ParameterSet weights = tiny::Weights(shape_, 11);
  AdamW optimizer(weights, {});
  const auto critic = MakeCritic({.max_grad_norm = 1e9});
  Trainer trainer(weights, nullptr, optimizer, {.epochs = 4}, critic.get());
  const auto report = trainer.StepCritic(batches::RandomGroups(44, kVocabularySize, 3, 4), *batches::Make("ppo", "{kl_coef: 0, value_clip: 0.01}"), 1e-1);
  EXPECT_GT(report.metrics.at("losses/clipfrac"), 0.1);
  EXPECT_LE(report.metrics.at("losses/clipfrac"), 1.0);
  EXPECT_EQ(critic->optimizer.steps(), 4);
}

TEST_F(CriticTest, FromALanguageModelEveryValueIsZeroAtFirst) {
  const Critic critic(dir_, {});
  const auto groups = batches::RandomGroups(45, kVocabularySize, 1, 2);
  EXPECT_EQ(PlainValues(critic, critic.parameters.Leaves(), groups[0].members[0]).abs().max().item<double>(), 0.0);
  const auto trunk = tiny::Weights(shape_, 12).Named(), own = critic.parameters.Named();
  EXPECT_TRUE(own.at("model.layers.1.self_attn.o_proj.weight").equal(trunk.at("model.layers.1.self_attn.o_proj.weight")));
}

TEST_F(CriticTest, LearnsToForeseeTheReturns) {
  ParameterSet weights = tiny::Weights(shape_, 11);
  AdamW optimizer(weights, {});
  Critic critic(dir_, {});
  Trainer trainer(weights, nullptr, optimizer, {}, &critic);
  const auto groups = batches::RandomGroups(46, kVocabularySize, 4, 4);
  const auto ppo = batches::Make("ppo", "{kl_coef: 0, value_clip: 0}");
  std::vector<double> explained;
  for (int step = 0; step < 60; ++step) explained.push_back(trainer.StepCritic(groups, *ppo, 3e-3).metrics.at("losses/explained_variance"));
  EXPECT_NEAR(explained.front(), 0.0, 1e-6);  // zeros foresee nothing
  EXPECT_GT(explained.back(), 0.8);
}

TEST_F(CriticTest, OneThatIsMissingIsSaid) {
  ParameterSet weights = tiny::Weights(shape_, 11);
  AdamW optimizer(weights, {});
  Trainer trainer(weights, nullptr, optimizer, {});
  EXPECT_THROW(trainer.Step(batches::RandomGroups(1, kVocabularySize, 1, 2), *batches::Make("ppo", kPpo), 1e-3, 1e-3), InternalError);
}

TEST_F(CriticTest, AValueThatIsNotFiniteStopsTheStepWithTheTrajectoryNamed) {
  ParameterSet weights = tiny::Weights(shape_, 11);
  AdamW optimizer(weights, {});
  const auto critic = MakeCritic();
  critic->parameters.Named().at("score.weight").fill_(std::numeric_limits<float>::infinity());
  Trainer trainer(weights, nullptr, optimizer, {}, critic.get());
  const at::Tensor before = weights.flat().clone();
  try {
    trainer.Step(batches::RandomGroups(47, kVocabularySize, 2, 2), *batches::Make("ppo", kPpo), 1e-3, 1e-3);
    FAIL() << "was trained on";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("trajectory 0 of its part: the critic's value of a token is not finite"));
  }
  EXPECT_TRUE(weights.flat().equal(before));
}

TEST_F(CriticTest, WeightsAndMomentsComeBackFromDisk) {
  const auto groups = batches::RandomGroups(48, kVocabularySize, 2, 3);
  ParameterSet weights = tiny::Weights(shape_, 11);
  AdamW optimizer(weights, {});
  const auto critic = MakeCritic({});
  Trainer trainer(weights, nullptr, optimizer, {}, critic.get());
  const auto ppo = batches::Make("ppo", kPpo);
  trainer.StepCritic(groups, *ppo, 1e-2);
  const std::string saved = dir_ + "/saved";
  critic->parameters.Save(saved);
  critic->optimizer.Save(saved + "/optimizer.safetensors");
  Critic again(saved, {});
  again.optimizer.Load(saved + "/optimizer.safetensors");
  EXPECT_TRUE(again.parameters.flat().equal(critic->parameters.flat()));
  Trainer second(weights, nullptr, optimizer, {}, &again);
  trainer.StepCritic(groups, *ppo, 1e-2);
  second.StepCritic(groups, *ppo, 1e-2);
  EXPECT_TRUE(again.parameters.flat().equal(critic->parameters.flat()));
  EXPECT_TRUE(again.parameters.biases().equal(critic->parameters.biases()));
}

}  // namespace
}  // namespace cogent
