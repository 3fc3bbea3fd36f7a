// GRPO against TRL's own code (tests/oracles/grpo_trl.py) and against numbers worked by hand.
#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "tests/algorithms/batch_util.h"

namespace cogent {
namespace {

using nlohmann::json;

at::Tensor Floats(const json& list) { return at::tensor(list.get<std::vector<float>>(), at::kFloat); }

Batch ReadBatch(const json& j) {
  std::vector<double> rewards;
  std::vector<std::int64_t> groups, sequence;
  std::vector<std::uint8_t> truncated;
  for (const bool cut : j.at("truncated")) truncated.push_back(cut);
  for (std::size_t g = 0; g < j.at("groups").size(); ++g) {
    for (const double reward : j.at("groups")[g]) rewards.push_back(reward), groups.push_back(static_cast<std::int64_t>(g));
  }
  const auto lengths = j.at("lengths").get<std::vector<std::int64_t>>();
  for (std::size_t i = 0; i < lengths.size(); ++i) sequence.insert(sequence.end(), static_cast<std::size_t>(lengths[i]), static_cast<std::int64_t>(i));
  Batch batch;
  batch.rewards = at::tensor(rewards, at::kDouble);
  batch.groups = at::tensor(groups, at::kLong);
  batch.lengths = at::tensor(lengths, at::kLong);
  batch.truncated = at::tensor(truncated, at::kByte).to(at::kBool);
  batch.sequence = at::tensor(sequence, at::kLong);
  batch.old_logprobs = Floats(j.at("old_logprobs"));
  batch.ref_logprobs = Floats(j.at("ref_logprobs"));
  return batch;
}

void ExpectNear(const at::Tensor& ours, const std::vector<double>& expected, const std::string& what) {
  ASSERT_EQ(ours.numel(), static_cast<std::int64_t>(expected.size())) << what;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double value = ours[static_cast<std::int64_t>(i)].item<double>();
    ASSERT_NEAR(value, expected[i], 1e-5 * std::abs(expected[i]) + 1e-7) << what << " at " << i;
  }
}

class GrpoFixture : public testing::TestWithParam<std::string> {};

TEST_P(GrpoFixture, EqualsTheReference) {
  const json fixture = json::parse(ReadFile(std::string(COGENT_SOURCE_DIR) + "/tests/data/grpo/" + GetParam() + ".json"));
  ASSERT_FALSE(fixture.at("expected").empty());
  for (const json& expected : fixture.at("expected")) {
    const std::string settings = expected.at("settings").dump();
    SCOPED_TRACE(settings);
    const auto grpo = batches::Make("grpo", settings);
    Batch batch = ReadBatch(fixture.at("batch"));
    FixTargets(batch, *grpo);
    batch = OptimizerStep(batch, *grpo, 0, batch.size());
    const at::Tensor by_token = batch.PerToken(at::tensor(expected.at("advantages").get<std::vector<double>>(), at::kDouble));
    ExpectNear(batch.advantages, {by_token.data_ptr<double>(), by_token.data_ptr<double>() + by_token.numel()}, "advantage");

    const at::Tensor logprobs = Floats(fixture.at("batch").at("logprobs")).requires_grad_();
    const at::Tensor entropy = Floats(fixture.at("batch").at("entropy")).requires_grad_();
    const Loss loss = grpo->ComputeLoss(batch, logprobs, entropy);
    const double reference = expected.at("loss");
    EXPECT_NEAR(loss.value.item<double>(), reference, 1e-5 * std::abs(reference) + 1e-6);
    loss.value.backward();
    ExpectNear(logprobs.grad(), expected.at("gradient"), "gradient");
    if (entropy.grad().defined()) ExpectNear(entropy.grad(), expected.at("entropy_gradient"), "entropy's gradient");
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, GrpoFixture,
                         testing::Values("worked_example", "ragged", "truncated", "all_truncated", "equal_rewards", "groups_of_one",
                                         "extreme_ratios"),
                         [](const auto& info) { return info.param; });

Batch OneTokenEach(const std::vector<double>& rewards, const std::vector<std::int64_t>& groups) {
  const auto count = static_cast<std::int64_t>(rewards.size());
  Batch batch;
  batch.rewards = at::tensor(rewards, at::kDouble);
  batch.groups = at::tensor(groups, at::kLong);
  batch.lengths = at::ones({count}, at::kLong);
  batch.truncated = at::zeros({count}, at::kBool);
  batch.sequence = at::arange(count, at::kLong);
  batch.old_logprobs = at::full({count}, -1.0, at::kFloat);
  return batch;
}

// Mean 0.575, deviations -0.475, 0.525, 0.425, -0.475, squares' sum 0.9075, over 3 and rooted: 0.55.
TEST(Grpo, AdvantagesOfTheWorkedExample) {
  const Batch batch = OneTokenEach({0.1, 1.1, 1.0, 0.1}, {0, 0, 0, 0});
  const at::Tensor by_std = batches::Make("grpo", "{advantage: verl}")->Advantages(batch);  // std + 1e-6: the std itself to three digits
  const at::Tensor plain = batches::Make("grpo", "{advantage: mean_only}")->Advantages(batch);
  const std::vector<double> expected = {-0.864, 0.955, 0.773, -0.864}, centered = {-0.475, 0.525, 0.425, -0.475};
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(by_std[i].item<double>(), expected[static_cast<std::size_t>(i)], 5e-4);
    EXPECT_NEAR(plain[i].item<double>(), centered[static_cast<std::size_t>(i)], 1e-6);
    EXPECT_NEAR(plain[i].item<double>() / by_std[i].item<double>(), 0.55, 5e-5);
  }
  const at::Tensor trl = batches::Make("grpo")->Advantages(batch);
  EXPECT_NEAR(trl[0].item<double>(), -0.475 / 0.5501, 1e-4);
}

TEST(Grpo, ClipsOnlyWhatWouldGoFurther) {
  // Ratios 0.5, 1.1, 2 with both signs of the advantage: worked with epsilon 0.2.
  const auto grpo = batches::Make("grpo", "{kl_coef: 0, clip_ratio: 0.2}");
  Batch batch = OneTokenEach({0, 0, 0, 0, 0, 0}, {0, 1, 2, 3, 4, 5});
  batch.advantages = at::tensor({1.0f, 1.0f, 1.0f, -1.0f, -1.0f, -1.0f});
  batch.weights = at::ones({6});
  const at::Tensor ratio = at::tensor({0.5f, 1.1f, 2.0f, 0.5f, 1.1f, 2.0f});
  const at::Tensor logprobs = (batch.old_logprobs + ratio.log()).requires_grad_();
  const Loss loss = grpo->ComputeLoss(batch, logprobs, at::zeros({6}));
  loss.value.backward();
  EXPECT_NEAR(loss.value.item<double>(), -(0.5 + 1.1 + 1.2) + (0.8 + 1.1 + 2.0), 1e-5);
  const std::vector<double> gradient = {-0.5, -1.1, 0.0, 0.0, 1.1, 2.0};
  for (int i = 0; i < 6; ++i) EXPECT_NEAR(logprobs.grad()[i].item<double>(), gradient[static_cast<std::size_t>(i)], 1e-5) << i;
  EXPECT_EQ(loss.token_sums.at("clip_ratio/low_mean").item<double>(), 1.0);
  EXPECT_EQ(loss.token_sums.at("clip_ratio/high_mean").item<double>(), 1.0);
  EXPECT_EQ(loss.token_sums.at("clip_ratio/region_mean").item<double>(), 2.0);
  EXPECT_NEAR(loss.token_sums.at("ratio/mean").item<double>(), 7.2, 1e-5);
}

TEST(Grpo, GradientAtRatioOneIsTheAdvantageOverLengthAndCount) {
  const auto grpo = batches::Make("grpo", "{kl_coef: 0, average: paper}");
  Batch batch = MakeBatch(batches::RandomGroups(3, 40, 3, 4));
  batch.advantages = grpo->Advantages(batch);
  batch.weights = grpo->Weights(batch);
  const at::Tensor logprobs = batch.old_logprobs.clone().requires_grad_();
  grpo->ComputeLoss(batch, logprobs, at::zeros_like(batch.old_logprobs)).value.backward();
  const at::Tensor length = batch.PerToken(batch.lengths).to(at::kDouble);
  const at::Tensor expected = -batch.advantages.to(at::kDouble) / (length * 12.0);
  EXPECT_LT(batches::RelativeError(logprobs.grad(), expected), 1e-6);
}

// ---- every algorithm ----

class EveryAlgorithm : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Algorithm> algorithm_ = batches::Make(GetParam());
};

TEST_P(EveryAlgorithm, ZeroAdvantageGivesZeroPolicyGradient) {
  Batch batch = MakeBatch(batches::RandomGroups(5, 40, 3, 4));
  batch.advantages = at::zeros_like(batch.old_logprobs);
  batch.weights = algorithm_->Weights(batch);
  const at::Tensor logprobs = (batch.old_logprobs + 0.1).requires_grad_();
  batch.ref_logprobs = logprobs.detach();  // no pull to the reference either
  algorithm_->ComputeLoss(batch, logprobs, at::zeros_like(batch.old_logprobs)).value.backward();
  EXPECT_EQ(logprobs.grad().abs().max().item<double>(), 0.0);
}

TEST_P(EveryAlgorithm, FiniteAtExtremeRatios) {
  for (const double change : {-300.0, -120.0, -30.0, 30.0, 120.0, 300.0}) {
    for (const double reference : {-300.0, 0.0, 300.0}) {
      Batch batch = MakeBatch(batches::RandomGroups(6, 40, 3, 4));
      batch.advantages = algorithm_->Advantages(batch);
      batch.advantages.index_put_({at::arange(0, batch.advantages.numel(), 5)}, at::zeros({}));
      batch.weights = algorithm_->Weights(batch);
      const at::Tensor logprobs = (batch.old_logprobs + change).requires_grad_();
      batch.ref_logprobs = logprobs.detach() + reference;
      const Loss loss = algorithm_->ComputeLoss(batch, logprobs, at::zeros_like(batch.old_logprobs));
      loss.value.backward();
      EXPECT_TRUE(std::isfinite(loss.value.item<double>())) << change << " " << reference;
      EXPECT_TRUE(logprobs.grad().isfinite().all().item<bool>()) << change << " " << reference;
      for (const auto& [name, sum] : loss.token_sums) EXPECT_TRUE(std::isfinite(sum.item<double>())) << name << " " << change << " " << reference;
    }
  }
}

TEST_P(EveryAlgorithm, TheLossIsTheSumOfItsSlices) {
  Batch batch = MakeBatch(batches::RandomGroups(7, 40, 4, 3));
  batch.advantages = algorithm_->Advantages(batch);
  batch.weights = algorithm_->Weights(batch);
  batch.ref_logprobs = batch.old_logprobs - 0.2;
  const at::Tensor logprobs = batch.old_logprobs + at::linspace(-0.5, 0.5, batch.old_logprobs.numel());
  const at::Tensor entropy = at::ones_like(logprobs);
  const double whole = algorithm_->ComputeLoss(batch, logprobs, entropy).value.item<double>();
  double sum = 0;
  std::int64_t at = 0;
  for (std::int64_t first = 0; first < batch.size(); first += 5) {
    const Batch slice = batch.Slice(first, std::min(first + 5, batch.size()));
    const std::int64_t tokens = slice.sequence.size(0);
    sum += algorithm_->ComputeLoss(slice, logprobs.narrow(0, at, tokens), entropy.narrow(0, at, tokens)).value.item<double>();
    at += tokens;
  }
  EXPECT_EQ(at, logprobs.numel());
  EXPECT_NEAR(sum, whole, 1e-6 + 1e-5 * std::abs(whole));
}

INSTANTIATE_TEST_SUITE_P(Algorithms, EveryAlgorithm, testing::ValuesIn(BuiltinAlgorithms().Names()), [](const auto& info) { return info.param; });

// ---- batches ----

TEST(Batch, HoldsTheChosenTokensOfAllTurnsInOrder) {
  const auto groups = batches::RandomGroups(8, 40, 2, 2, 3);
  const Batch batch = MakeBatch(groups);
  std::vector<float> logprobs;
  std::vector<std::int64_t> sequence;
  for (std::size_t i = 0; i < 4; ++i) {
    const Trajectory& t = groups[i / 2].members[i % 2];
    EXPECT_EQ(batch.lengths[static_cast<std::int64_t>(i)].item<std::int64_t>(), t.CompletionTokens());
    EXPECT_EQ(batch.groups[static_cast<std::int64_t>(i)].item<std::int64_t>(), static_cast<std::int64_t>(i / 2));
    EXPECT_EQ(batch.rewards[static_cast<std::int64_t>(i)].item<double>(), t.reward);
    for (const Turn& turn : t.turns) {
      logprobs.insert(logprobs.end(), turn.logprobs.begin(), turn.logprobs.end());
      sequence.insert(sequence.end(), turn.completion_ids.size(), static_cast<std::int64_t>(i));
    }
  }
  EXPECT_TRUE(batch.old_logprobs.equal(at::tensor(logprobs)));
  EXPECT_TRUE(batch.sequence.equal(at::tensor(sequence, at::kLong)));
}

TEST(Batch, SlicesKeepEveryToken) {
  Batch batch = MakeBatch(batches::RandomGroups(9, 40, 3, 3));
  batch.advantages = batch.old_logprobs * 2, batch.weights = batch.old_logprobs * 3, batch.ref_logprobs = batch.old_logprobs * 4;
  std::vector<at::Tensor> old, advantages, weights, reference, rewards, sequence;
  const std::vector<std::int64_t> cuts = {0, 1, 1, 5, 9};
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    const Batch slice = batch.Slice(cuts[i], cuts[i + 1]);
    EXPECT_EQ(slice.size(), cuts[i + 1] - cuts[i]);
    EXPECT_EQ(slice.lengths.sum().item<std::int64_t>(), slice.sequence.size(0));
    old.push_back(slice.old_logprobs), advantages.push_back(slice.advantages), weights.push_back(slice.weights);
    reference.push_back(slice.ref_logprobs), rewards.push_back(slice.PerToken(slice.rewards)), sequence.push_back(slice.sequence + cuts[i]);
  }
  EXPECT_TRUE(at::cat(old).equal(batch.old_logprobs));
  EXPECT_TRUE(at::cat(advantages).equal(batch.advantages));
  EXPECT_TRUE(at::cat(weights).equal(batch.weights));
  EXPECT_TRUE(at::cat(reference).equal(batch.ref_logprobs));
  EXPECT_TRUE(at::cat(rewards).equal(batch.PerToken(batch.rewards)));
  EXPECT_TRUE(at::cat(sequence).equal(batch.sequence));
}

}  // namespace
}  // namespace cogent
