// GRPO against numbers worked by hand.
#include <gtest/gtest.h>

#include "tests/algorithms/batch_util.h"

namespace cogent {
namespace {

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

}  // namespace
}  // namespace cogent
