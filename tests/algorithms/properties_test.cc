// What must hold for every registered algorithm, with its defaults and with the options that change the mathematics most.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "algorithms/batch_json.h"
#include "tests/algorithms/batch_util.h"

namespace cogent {
namespace {

using nlohmann::json;

// Each algorithm with a few settings; `order` names what depends on the order of completions on purpose.
std::vector<std::pair<std::string, std::string>> Everything() {
  std::vector<std::pair<std::string, std::string>> all;
  for (const std::string& name : BuiltinAlgorithms().Names()) {
    for (const char* average : {"paper", "tokens", "sequence_mean", "sequence_sum", "sequence_sum_norm", "dr_grpo", "prompt_mean"}) {
      all.emplace_back(name, "{kl_coef: 0.01, entropy_coef: 0.01, average: " + std::string(average) + "}");
    }
    all.emplace_back(name, "{}");
    const std::string weights = name == "vespo" ? "token_truncate" : "sequence_truncate";  // vespo takes those of tokens alone
    all.emplace_back(name, "{kl_coef: 0.02, kl_in: reward, mask_truncated: true, importance: " + weights + "}");
    all.emplace_back(name, "{kl_coef: 0.02, kl_in: loss, kl_estimator: k3, kl_ratio: true, importance: token_mask, importance_normalize: true, off_policy_threshold: 0.1}");
    all.emplace_back(name, "{whiten_advantages: true, entropy_coef: 0.1, entropy_average: same}");
    all.emplace_back(name, "{rejection: token_k1, average: luspo}");
    all.emplace_back(name, "{rejection: sequence_max_k3, average: prompt_mean, rejection_high: 0.1}");
  }
  return all;
}

// Their statistics are a micro-batch's, as in the peer that they reproduce.
bool DependsOnTheSplit(const std::string& name) { return name == "clip_cov" || name == "kl_cov"; }

class EveryAlgorithm : public testing::TestWithParam<std::pair<std::string, std::string>> {
 protected:
  std::unique_ptr<Algorithm> algorithm_ = batches::Make(GetParam().first, GetParam().second);

  // Everything an algorithm may ask for, with noise about the old log-probabilities.
  Batch Full(std::uint64_t seed, int prompts, int members, double reference = 0.3) const {
    Batch batch = MakeBatch(batches::RandomGroups(seed, 40, prompts, members));
    batches::FillNoise(batch, seed, reference);
    return batch;
  }
  Batch Prepared(Batch batch) const {
    FixTargets(batch, *algorithm_);
    return OptimizerStep(batch, *algorithm_, 0, batch.size());
  }
};

// One completion a row, as `cogent algorithm loss` reads it.
json RandomInput(std::uint64_t seed, bool tools) {
  Rng rng(seed);
  json in;
  for (int i = 0; i < 12; ++i) {
    const auto length = static_cast<std::size_t>(rng.Range(1, 9));
    const auto row = [&](double mean, double spread) {
      std::vector<double> values(length);
      for (double& value : values) value = mean + spread * rng.Normal();
      return values;
    };
    const auto old = row(-2.0, 0.5);
    auto near = old;
    for (double& value : near) value += 0.3 * rng.Normal();
    in["old_logprobs"].push_back(old);
    in["logprobs"].push_back(near);
    for (const char* name : {"ref_logprobs", "sampler_logprobs"}) in[name].push_back(row(-2.0, 0.5));
    in["entropies"].push_back(row(1.0, 0.2));
    for (const char* name : {"values", "old_values"}) in[name].push_back(row(0.3, 0.4));
    std::vector<int> mask(length, 1);
    for (std::size_t t = 0; tools && t + 1 < length; ++t) mask[t] = rng.Uniform() < 0.6;
    in["mask"].push_back(mask);
    in["rewards"].push_back(rng.Uniform() < 0.5 ? 0.0 : rng.Uniform());
    in["greedy_rewards"].push_back(rng.Uniform());
    in["truncated"].push_back(rng.Uniform() < 0.3);
    in["group"].push_back(i / 4);
  }
  return in;
}

const std::vector<const char*> kRows = {"old_logprobs", "logprobs", "ref_logprobs", "sampler_logprobs", "entropies", "values", "old_values", "mask"};
const std::vector<const char*> kGradients = {"advantages", "grad_logprobs", "returns", "grad_values", "grad_entropies"};

json LossOf(const Algorithm& algorithm, const json& in) { return json::parse(LossOfBatch(algorithm, in.dump(), "batch")); }

TEST_P(EveryAlgorithm, TheOrderOfCompletionsDoesNotMatter) {
  const json in = RandomInput(11, true), forwards = LossOf(*algorithm_, in);
  std::vector<std::size_t> order(in.at("rewards").size());
  std::iota(order.begin(), order.end(), 0);
  std::rotate(order.begin(), order.begin() + 5, order.end());
  std::swap(order[1], order[7]);
  json mixed;
  for (const auto& [name, list] : in.items()) {
    for (const std::size_t i : order) mixed[name].push_back(list[i]);
  }
  const json ours = LossOf(*algorithm_, mixed);
  EXPECT_NEAR(ours.at("loss").get<double>(), forwards.at("loss").get<double>(), 1e-12);
  for (const char* name : kGradients) {
    if (!forwards.contains(name)) continue;
    for (std::size_t i = 0; i < order.size(); ++i) {
      for (std::size_t t = 0; t < ours.at(name)[i].size(); ++t) {
        EXPECT_NEAR(ours.at(name)[i][t].get<double>(), forwards.at(name)[order[i]][t].get<double>(), 1e-12) << name;
      }
    }
  }
}

TEST_P(EveryAlgorithm, TokensThatThePolicyDidNotChooseAreNotThere) {
  const json in = RandomInput(12, true), with = LossOf(*algorithm_, in);
  json without = in;
  for (const char* name : kRows) {
    for (std::size_t i = 0; i < in.at("mask").size(); ++i) {
      json row = json::array();
      for (std::size_t t = 0; t < in.at("mask")[i].size(); ++t) {
        if (in.at("mask")[i][t] == 1) row.push_back(in.at(name)[i][t]);
      }
      without[name][i] = row;
    }
  }
  const json bare = LossOf(*algorithm_, without);
  EXPECT_EQ(bare.at("loss"), with.at("loss"));
  for (const char* name : kGradients) {
    if (!with.contains(name)) continue;
    for (std::size_t i = 0; i < in.at("mask").size(); ++i) {
      std::size_t at = 0;
      for (std::size_t t = 0; t < in.at("mask")[i].size(); ++t) {
        const bool chosen = in.at("mask")[i][t] == 1;
        EXPECT_EQ(with.at(name)[i][t], chosen ? bare.at(name)[i][at].get<double>() : 0.0) << name;
        at += chosen;
      }
    }
  }
}

TEST_P(EveryAlgorithm, TheLossAndItsGradientAreTheSumOfTheirSlices) {
  if (DependsOnTheSplit(GetParam().first)) return;
  const Batch batch = Prepared(Full(7, 4, 3));
  const at::Tensor logprobs = (batch.old_logprobs + at::linspace(-0.5, 0.5, batch.old_logprobs.numel())).requires_grad_();
  const at::Tensor entropy = at::ones_like(logprobs);
  const Loss loss = algorithm_->ComputeLoss(batch, logprobs, entropy);
  loss.value.backward();
  const at::Tensor whole = logprobs.grad().clone();
  for (const std::int64_t size : {1, 5}) {
    logprobs.mutable_grad().zero_();
    double sum = 0, values = 0;
    std::int64_t at = 0;
    for (std::int64_t first = 0; first < batch.size(); first += size) {
      const Batch slice = batch.Slice(first, std::min(first + size, batch.size()));
      const std::int64_t tokens = slice.sequence.size(0);
      const Loss part = algorithm_->ComputeLoss(slice, logprobs.narrow(0, at, tokens), entropy.narrow(0, at, tokens));
      part.value.backward();
      sum += part.value.item<double>();
      if (algorithm_->NeedsCritic()) values += algorithm_->ComputeValueLoss(slice, slice.old_values + 0.3).value.item<double>();
      at += tokens;
    }
    EXPECT_EQ(at, logprobs.numel());
    EXPECT_NEAR(sum, loss.value.item<double>(), 1e-5 + 1e-5 * std::abs(sum));
    EXPECT_LT((logprobs.grad() - whole).abs().max().item<double>(), 1e-6);
    const double whole_values = algorithm_->NeedsCritic() ? algorithm_->ComputeValueLoss(batch, batch.old_values + 0.3).value.item<double>() : 0.0;
    EXPECT_NEAR(values, whole_values, 1e-5);
  }
}

TEST_P(EveryAlgorithm, ZeroAdvantageGivesZeroPolicyGradient) {
  Batch batch = Prepared(Full(5, 3, 4));
  batch.advantages = at::zeros_like(batch.old_logprobs);
  const at::Tensor logprobs = (batch.old_logprobs + 0.1).requires_grad_();
  batch.ref_logprobs = logprobs.detach();  // no pull to the reference either
  algorithm_->ComputeLoss(batch, logprobs, at::zeros_like(batch.old_logprobs)).value.backward();
  EXPECT_EQ(logprobs.grad().abs().max().item<double>(), 0.0);
}

TEST_P(EveryAlgorithm, EqualRewardsTeachNothing) {
  if (GetParam().first == "ppo" || GetParam().first == "reinforce_pp" || GetParam().first == "remax") return;  // their baselines are not the group's
  Batch batch = Full(6, 3, 4);
  batch.rewards = at::full_like(batch.rewards, 0.7);
  batch.ref_logprobs = batch.old_logprobs;  // a KL in the reward would tell them apart
  EXPECT_LT(algorithm_->Advantages(batch).abs().max().item<double>(), 1e-6);
}

TEST_P(EveryAlgorithm, FiniteAtExtremeRatios) {
  for (const double change : {-300.0, -120.0, -30.0, 30.0, 120.0, 300.0}) {
    for (const double reference : {-300.0, 0.0, 300.0}) {
      Batch batch = Full(6, 3, 4);
      batch.ref_logprobs = batch.old_logprobs + reference;
      batch.sampler_logprobs = batch.old_logprobs - reference;
      batch = Prepared(batch);
      batch.advantages.index_put_({at::arange(0, batch.advantages.numel(), 5)}, at::zeros({}));
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

INSTANTIATE_TEST_SUITE_P(Algorithms, EveryAlgorithm, testing::ValuesIn(Everything()), [](const auto& info) {
  return info.param.first + "_" + std::to_string(info.index);
});

// The one average that depends on the order on purpose: it reproduces a peer's micro-batches, not ours.
TEST(Bnpo, DependsOnThePeersMicroBatchesAndNotOnHowWeCut) {
  const Batch whole = MakeBatch(batches::RandomGroups(7, 40, 4, 3));
  const auto weights = [&](const char* settings) { return OptimizerStep(whole, *batches::Make("grpo", settings), 0, whole.size()).weights; };
  const at::Tensor two = weights("{average: bnpo, micro_batch: 6}");
  EXPECT_NEAR(two.sum().item<double>(), 1.0, 1e-6);
  EXPECT_FALSE(two.allclose(weights("{average: bnpo, micro_batch: 4}")));
  EXPECT_TRUE(weights("{average: bnpo, micro_batch: 12}").allclose(weights("{average: tokens}")));
}

TEST(PromptMean, IsTheMeanOverPromptsOfTheirTokenMeans) {
  // Group 0: 2 and 3 tokens; group 1: 4 tokens.
  Batch batch;
  batch.rewards = at::zeros({3}, at::kDouble);
  batch.groups = at::tensor({0, 0, 1}, at::kLong);
  batch.lengths = at::tensor({2, 3, 4}, at::kLong);
  batch.truncated = at::zeros({3}, at::kBool);
  batch.sequence = at::tensor({0, 0, 1, 1, 1, 2, 2, 2, 2}, at::kLong);
  batch.old_logprobs = at::zeros({9}, at::kDouble);
  const at::Tensor weights = batches::Make("grpo", "{average: prompt_mean}")->Weights(batch);
  for (int t = 0; t < 5; ++t) EXPECT_DOUBLE_EQ(weights[t].item<double>(), 0.5 / 5);
  for (int t = 5; t < 9; ++t) EXPECT_DOUBLE_EQ(weights[t].item<double>(), 0.5 / 4);
}

}  // namespace
}  // namespace cogent
