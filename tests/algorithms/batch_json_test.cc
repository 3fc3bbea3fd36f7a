// A batch as JSON: what is read, and what each mistake is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "algorithms/batch_json.h"
#include "core/error.h"
#include "tests/algorithms/batch_util.h"

namespace cogent {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr char kGood[] = R"({"logprobs": [[-1, -2], [-0.5]], "rewards": [1, 0], "group": [7, 7]})";

json LossOf(const std::string& name, const std::string& settings, const std::string& text) {
  return json::parse(LossOfBatch(*batches::Make(name, settings), text, "batch.json"));
}

// The good batch with some fields replaced.
std::string With(const char* fields) {
  json batch = json::parse(kGood);
  batch.update(json::parse(fields));
  return batch.dump();
}

void ExpectMistake(const std::string& text, const std::string& said, const std::string& name = "grpo", const std::string& settings = "{kl_coef: 0}") {
  try {
    LossOf(name, settings, text);
    ADD_FAILURE() << "was taken: " << text;
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr(said));
    EXPECT_THAT(error.what(), HasSubstr("batch.json"));
  }
}

TEST(BatchJson, AnchorsOfTheField) {
  const auto advantages = [](const std::string& settings, const char* rewards) {
    const std::string text = std::string(R"({"logprobs": [[-1], [-1], [-1], [-1]], "group": [0, 0, 0, 0], "rewards": )") + rewards + "}";
    const json rows = LossOf("grpo", "{kl_coef: 0, advantage: " + settings + "}", text).at("advantages");
    return std::pair(rows[0][0].get<double>(), rows[1][0].get<double>());
  };
  EXPECT_NEAR(advantages("trl", "[1, 0, 0, 1]").first, 0.8658754, 5e-8);
  EXPECT_NEAR(advantages("verl", "[1, 0, 0, 1]").first, 0.8660239, 5e-8);
  EXPECT_NEAR(advantages("openrlhf", "[1, 0, 0, 1]").first, 0.8660254, 5e-8);
  EXPECT_NEAR(advantages("trl", "[1, 0, 0, 0]").first, 1.4997001, 5e-8);
  EXPECT_NEAR(advantages("verl", "[1, 0, 0, 0]").second, -0.4999990, 5e-8);
  EXPECT_NEAR(advantages("leave_one", "[1, 0, 0, 0]").second, -1.0 / 3, 1e-12);
  EXPECT_NEAR(advantages("nemo_rl", "[1, 0, 0, 0]").first, 1.0 / (0.5 + 1e-6), 1e-12);
}

TEST(BatchJson, AnchorsOfGae) {
  const json out = LossOf("ppo", "{kl_coef: 0, gae_lambda: 0.95}",
                          R"({"logprobs": [[-1, -1, -1]], "old_values": [[0.5, 0.4, 0.3]], "rewards": [[0, 0, 1]]})");
  const std::vector<double> returns = {0.93675, 0.965, 1.0}, whitened = {-0.9913441, -0.0170921, 1.0084362};
  for (std::size_t t = 0; t < 3; ++t) {
    EXPECT_NEAR(out.at("returns")[0][t].get<double>(), returns[t], 1e-12);
    EXPECT_NEAR(out.at("advantages")[0][t].get<double>(), whitened[t], 5e-8);
  }
}

TEST(BatchJson, AnchorsOfAverages) {
  // Token losses 1, 2 and 3, 4, 5, 6: with a ratio of 1 a token's loss is minus its advantage.
  const auto average = [](const std::string& settings) {
    const auto algorithm = batches::Make("grpo", "{kl_coef: 0, average: " + settings + "}");
    Batch batch;
    batch.rewards = at::zeros({2}, at::kDouble);
    batch.groups = at::zeros({2}, at::kLong);
    batch.lengths = at::tensor({2, 4}, at::kLong);
    batch.truncated = at::zeros({2}, at::kBool);
    batch.sequence = at::tensor({0, 0, 1, 1, 1, 1}, at::kLong);
    batch.old_logprobs = at::zeros({6}, at::kDouble);
    batch = OptimizerStep(batch, *algorithm, 0, 2);
    batch.advantages = -at::arange(1, 7, at::kDouble);
    return algorithm->ComputeLoss(batch, batch.old_logprobs, {}).value.item<double>();
  };
  EXPECT_DOUBLE_EQ(average("tokens"), 3.5);
  EXPECT_DOUBLE_EQ(average("sequence_sum"), 10.5);
  EXPECT_DOUBLE_EQ(average("sequence_sum_norm"), 2.625);
  EXPECT_DOUBLE_EQ(average("sequence_mean"), 3.0);
  EXPECT_NEAR(average("dr_grpo, length_scale: 512"), 0.0205078, 5e-8);
}

TEST(BatchJson, AnchorsOfOneToken) {
  const auto loss = [](const std::string& name, const std::string& settings, double advantage, double ratio) {
    const auto algorithm = batches::Make(name, settings);
    Batch batch;
    batch.lengths = at::ones({1}, at::kLong), batch.sequence = at::zeros({1}, at::kLong), batch.rewards = at::zeros({1}, at::kDouble);
    batch.old_logprobs = at::full({1}, -3.0, at::kDouble), batch.weights = at::ones({1}, at::kDouble);
    batch.ref_logprobs = at::full({1}, -1.2, at::kDouble);
    batch.advantages = at::full({1}, advantage, at::kDouble);
    return algorithm->ComputeLoss(batch, batch.old_logprobs + std::log(ratio), {}).value.item<double>();
  };
  EXPECT_NEAR(loss("grpo", "{kl_coef: 0}", -1, 5), 5.0, 1e-12);
  EXPECT_NEAR(loss("grpo", "{kl_coef: 0, dual_clip: 3}", -1, 5), 3.0, 1e-12);
  EXPECT_NEAR(loss("grpo", "{kl_coef: 0}", 1, 1.5), -1.2, 1e-12);
  EXPECT_NEAR(loss("grpo", "{kl_coef: 0}", 1, 0.5), -0.5, 1e-12);
  EXPECT_NEAR(loss("sapo", "{}", 1, 1.5), -2.4898373, 5e-8);
  // l = -1, q = -1.2
  const double ratio = std::exp(2.0);
  EXPECT_NEAR(loss("grpo", "{kl_coef: 1, kl_estimator: k1}", 0, ratio), 0.2, 1e-12);
  EXPECT_NEAR(loss("grpo", "{kl_coef: 1, kl_estimator: k2}", 0, ratio), 0.02, 1e-12);
  EXPECT_NEAR(loss("grpo", "{kl_coef: 1}", 0, ratio), 0.0187308, 5e-8);
}

TEST(BatchJson, WhatIsLeftOutHasAMeaning) {
  const json out = LossOf("grpo", "{kl_coef: 0}", kGood), full = LossOf("grpo", "{kl_coef: 0}", With(R"({"old_logprobs": [[-1, -2], [-0.5]],
      "mask": [[1, 1], [true]], "truncated": [false, 0], "accuracy": [1, 0], "group": ["a", "a"]})"));
  EXPECT_EQ(out, full);
  EXPECT_EQ(out.at("parts").at("policy_loss"), out.at("loss"));
  // Methods without groups need none.
  for (const char* name : {"reinforce_pp", "ppo"}) {
    EXPECT_NO_THROW(LossOf(name, "{kl_coef: 0}", R"({"logprobs": [[-1, -2]], "rewards": [1], "values": [[0, 0]]})")) << name;
  }
}

TEST(BatchJson, EachMistakeIsNamedWithItsPlace) {
  ExpectMistake("{", "no JSON");
  ExpectMistake("[]", "an object is wanted");
  ExpectMistake(R"({"logprobs": [], "rewards": [], "group": []})", "logprobs is empty");
  ExpectMistake(R"({"rewards": [1]})", "'logprobs' is missing");
  ExpectMistake(R"({"logprobs": [[-1]]})", "'rewards' is missing");
  ExpectMistake(R"({"logprobs": [[-1]], "rewards": [1], "groups": [0]})", "unknown field 'groups'. Did you mean 'group'?");
  ExpectMistake(With(R"({"rewards": [1]})"), "rewards has 1 entries, but logprobs has 2 completions");
  ExpectMistake(With(R"({"rewards": [[1, 0], [0, 1]]})"), "rewards[1] has 2 tokens, but logprobs[1] has 1");
  ExpectMistake(With(R"({"old_logprobs": [[-1], [-0.5]]})"), "old_logprobs[0] has 1 tokens, but logprobs[0] has 2");
  ExpectMistake(With(R"({"logprobs": [[-1, "x"], [-0.5]]})"), "logprobs[0][1]: a finite number is wanted, found \"x\"");
  ExpectMistake(R"({"logprobs": [[-1, NaN], [-0.5]], "rewards": [1, 0], "group": [7, 7]})", "logprobs[0][1]: a finite number is wanted, found \"NaN\"");
  ExpectMistake(R"({"logprobs": [[-1, -2], [-0.5]], "rewards": [1, -Infinity], "group": [7, 7]})", "rewards[1]: a finite number is wanted, found \"-Infinity\"");
  ExpectMistake(With(R"({"logprobs": [[-1, null], [-0.5]]})"), "logprobs[0][1]: a finite number is wanted, found null");
  ExpectMistake(With(R"({"logprobs": [[-1, -2], []]})"), "logprobs[1] is empty");
  ExpectMistake(With(R"({"mask": [[1, 2], [1]]})"), "mask[0][1]: 0 or 1 is wanted, found 2");
  ExpectMistake(With(R"({"mask": [[0, 0], [0]]})"), "mask is 0 everywhere");
  ExpectMistake(With(R"({"mask": [[0, 0], [1]], "group": [7, 8]})"), "group[0]: group 7 is empty");
  ExpectMistake(With(R"({"group": [7]})"), "group has 1 entries");
  ExpectMistake(With(R"({"group": [7, null]})"), "group[1] is missing");
  ExpectMistake(With(R"({"group": [7, 1.5]})"), "group[1]: a whole number or a text is wanted, found 1.5");
  ExpectMistake(R"({"logprobs": [[-1]], "rewards": [1]})", "'group' is missing");
  ExpectMistake(kGood, "'ref_logprobs' is missing", "grpo", "{kl_coef: 0.1}");
  ExpectMistake(kGood, "'values' is missing", "ppo");
  ExpectMistake(kGood, "'entropies' is missing", "grpo", "{kl_coef: 0, entropy_coef: 0.1}");
  ExpectMistake(kGood, "'sampler_logprobs' is missing", "grpo", "{kl_coef: 0, importance: token_mask}");
}

TEST(BatchJson, MistakesInRewardsOneByOneAreNamedToo) {
  ExpectMistake(With(R"({"components": [1, 0]})"), "components: an object with a list a reward is wanted");
  ExpectMistake(With(R"({"components": {}})"), "components: an object with a list a reward is wanted");
  ExpectMistake(With(R"({"components": {"format": [1]}})"), "components.format has 1 entries, but logprobs has 2 completions");
  ExpectMistake(With(R"({"components": {"format": [1, "x"]}})"), "components.format[1]: a finite number is wanted");
  ExpectMistake(With(R"({"components": {"format": [1, 0]}, "component_weights": {"form": 1}})"), "component_weights.form: there is no such list");
  ExpectMistake(With(R"({"components": {"format": [1, 0]}, "component_weights": [1]})"), "component_weights: an object is wanted");
  ExpectMistake(With(R"({"greedy_rewards": [1]})"), "greedy_rewards has 1 entries");
  ExpectMistake(kGood, "'components' is missing, and 'advantage: gdpo' needs it", "grpo", "{kl_coef: 0, advantage: gdpo}");
  ExpectMistake(kGood, "'greedy_rewards' is missing", "remax");
  ExpectMistake(kGood, "'sampler_logprobs' is missing, and 'rejection' needs it", "grpo", "{kl_coef: 0, rejection: token_k3}");
  ExpectMistake(kGood, "'entropies' is missing, and 'top_entropy' needs it", "grpo", "{kl_coef: 0, top_entropy: 0.2}");
  ExpectMistake(kGood, "'sampler_logprobs' is missing", "dppo", "{anchor: sampler}");
}

// A completion of two tokens, drawn at p = 0.5 each by another engine and now at 0.6 and 0.2.
TEST(BatchJson, DppoAgainstTheSamplerAsPrimeRl) {
  const std::string text = R"({"logprobs": [[-0.5108256237659907, -1.6094379124341003]], "old_logprobs": [[-1, -1]],
    "sampler_logprobs": [[-0.6931471805599453, -0.6931471805599453]], "rewards": [-1], "group": [0]})";
  const json out = LossOf("dppo", "{anchor: sampler, advantage: verl_mean_only, drift_coef: 0.001}", text);
  // The second has fallen by 0.3 > 0.2 under a negative advantage: only the drift pulls at it.
  EXPECT_NEAR(out.at("grad_logprobs")[0][0].get<double>(), 0.5 * (1.2 + 0.002 * std::log(1.2)), 1e-9);
  EXPECT_NEAR(out.at("grad_logprobs")[0][1].get<double>(), 0.5 * 0.002 * std::log(0.4), 1e-9);
}

TEST(BatchJson, WhereTheMaskIsZeroNullMayStand) {
  const json out = LossOf("grpo", "{kl_coef: 0}", R"({"logprobs": [[-1, null, -2], [-0.5]], "mask": [[1, 0, 1], [1]], "rewards": [1, 0], "group": [0, 0]})");
  EXPECT_EQ(out.at("grad_logprobs")[0][1], 0.0);
  EXPECT_NE(out.at("grad_logprobs")[0][2], 0.0);
}

}  // namespace
}  // namespace cogent
