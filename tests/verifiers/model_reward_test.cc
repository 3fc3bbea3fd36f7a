// The reward that asks a network, with a function in the network's place.
#include "verifiers/model_reward.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace cogent {
namespace {

class ModelReward : public testing::Test {
 protected:
  void TearDown() override { SetRewardModels({}); }
  static std::unique_ptr<Reward> Make(const std::string& settings) {
    Problems problems;
    auto reward = BuiltinRewards().Make({"reward_model", ParseYaml(settings, "test.yaml"), {}}, problems);
    problems.ThrowIfAny();
    return reward;
  }
  static Verdict Score(const Reward& reward, const std::string& completion) { return reward.Score({"2+3?", "5", {}}, {completion, 5, false}); }
};

TEST_F(ModelReward, ReadsTheWholeOrTheSummaryAlone) {
  std::vector<std::string> read;
  SetRewardModels([&](const RewardModelQuestion& question) {
    EXPECT_EQ(question.checkpoint, "model");
    for (const auto& [prompt, text] : question.texts) {
      EXPECT_EQ(prompt, "2+3?");
      read.push_back(text);
    }
    return std::vector<double>(question.texts.size(), 1.0);
  });
  const auto whole = Make("{checkpoint: model}"), summary = Make("{checkpoint: model, reads: summary}");
  const std::string think = "<think>hm</think> <answer>5</answer>", cold = "|special_token| hm |special_token| Summary: It is 5.";
  EXPECT_NEAR(Score(*whole, think).score, 1 / (1 + std::exp(-1.0)), 1e-12);
  Score(*summary, think);
  Score(*summary, cold);
  EXPECT_EQ(read, (std::vector<std::string>{think, "<answer>5</answer>", "It is 5."}));
  EXPECT_EQ(Score(*summary, "<think>never ends").score, 0.0);
  EXPECT_EQ(read.size(), 3u) << "a completion without a summary is not asked about";
}

TEST_F(ModelReward, WhatIsNoNumberIsNoScore) {
  SetRewardModels([](const RewardModelQuestion& question) { return std::vector<double>(question.texts.size(), std::nan("")); });
  EXPECT_TRUE(Score(*Make("{checkpoint: model}"), "a").broken);
  SetRewardModels([](const RewardModelQuestion& question) { return std::vector<double>(question.texts.size(), -2.5); });
  EXPECT_EQ(Score(*Make("{checkpoint: model, sigmoid: false}"), "a").score, -2.5);
}

TEST_F(ModelReward, SaysWhatItLacks) {
  EXPECT_THROW(Make("{}"), ConfigError);
  EXPECT_THROW(Score(*Make("{checkpoint: model}"), "a"), ConfigError);
}

}  // namespace
}  // namespace cogent
