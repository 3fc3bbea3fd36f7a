// Every option that claims to equal a peer's, against what the peer's own code gave (tests/oracles/policy_gradient.py).
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "algorithms/batch_json.h"
#include "core/file.h"
#include "tests/algorithms/batch_util.h"

namespace cogent {
namespace {

using nlohmann::json;

json Fixture(const std::string& name) { return json::parse(ReadFile(std::string(COGENT_SOURCE_DIR) + "/tests/data/algorithms/" + name + ".json")); }

void ExpectNear(const json& ours, const json& expected, const std::string& where) {
  if (expected.is_array()) {
    ASSERT_EQ(ours.size(), expected.size()) << where;
    for (std::size_t i = 0; i < expected.size(); ++i) ExpectNear(ours[i], expected[i], where + "[" + std::to_string(i) + "]");
    return;
  }
  EXPECT_NEAR(ours.get<double>(), expected.get<double>(), 1e-5 * std::abs(expected.get<double>()) + 1e-7) << where;
}

class Peers : public testing::TestWithParam<std::string> {};

TEST_P(Peers, GiveTheSameAdvantagesLossAndGradients) {
  const json fixture = Fixture(GetParam());
  ASSERT_FALSE(fixture.at("expected").empty());
  for (const json& expected : fixture.at("expected")) {
    SCOPED_TRACE(expected.at("name").get<std::string>() + " " + expected.at("settings").dump() + " against " + expected.at("peer").get<std::string>());
    const auto algorithm = batches::Make(expected.at("name"), expected.at("settings").dump());
    const json ours = json::parse(LossOfBatch(*algorithm, fixture.at("input").dump(), GetParam()));
    for (const char* field : {"advantages", "loss", "grad_logprobs", "grad_entropies", "returns", "grad_values"}) {
      if (expected.contains(field)) ExpectNear(ours.at(field), expected.at(field), field);
    }
    if (expected.contains("value_loss")) ExpectNear(ours.at("parts").at("value_loss"), expected.at("value_loss"), "value_loss");
    double sum = 0;
    for (const auto& [name, part] : ours.at("parts").items()) sum += name == "value_loss" || name.starts_with("losses/") ? 0.0 : part.get<double>();
    EXPECT_NEAR(sum, ours.at("loss").get<double>(), 1e-12);
  }
}

INSTANTIATE_TEST_SUITE_P(Batches, Peers,
                         testing::Values("ragged", "tools", "truncated", "equal_rewards", "groups_of_one", "extreme_ratios", "silent", "token_rewards"),
                         [](const auto& info) { return info.param; });

TEST(Peers, CoverEveryAlgorithm) {
  std::set<std::string> compared;
  const json fixture = Fixture("ragged");
  for (const json& expected : fixture.at("expected")) compared.insert(expected.at("name"));
  for (const std::string& name : BuiltinAlgorithms().Names()) EXPECT_TRUE(compared.count(name)) << name;
}

TEST(AdaptiveKl, MovesAsVerlsController) {
  const json fixture = Fixture("kl_controller");
  const auto algorithm = batches::Make("grpo", json{{"kl_coef", fixture.at("kl_coef")}, {"kl_target", fixture.at("kl_target")},
                                                    {"kl_horizon", fixture.at("kl_horizon")}, {"kl_estimator", "k1"}}.dump());
  const auto completions = fixture.at("completions").get<std::int64_t>();
  Batch batch;
  batch.rewards = at::zeros({completions}, at::kDouble);
  batch.lengths = at::ones({completions}, at::kLong);
  batch.sequence = at::arange(completions, at::kLong);
  batch.old_logprobs = at::zeros({completions}, at::kDouble);
  for (const json& step : fixture.at("steps")) {
    batch.ref_logprobs = at::full({completions}, -step.at("kl").get<double>(), at::kDouble);
    batch.state = algorithm->NextState(batch, {});
    EXPECT_NEAR(batch.state.at("kl_coef"), step.at("kl_coef").get<double>(), 1e-12);
  }
}

}  // namespace
}  // namespace cogent
