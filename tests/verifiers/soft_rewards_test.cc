// Rewards of length, repetition and tags: against TRL's numbers, by hand, and what holds for any
// text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "tests/support/same_draws.h"
#include "verifiers/length.h"
#include "verifiers/repetition.h"

namespace cogent {
namespace {

const nlohmann::json& Peer() {
  static const auto cases = nlohmann::json::parse(
      std::ifstream(std::string(COGENT_SOURCE_DIR) + "/tests/data/soft_rewards.json"));
  return cases;
}

std::unique_ptr<Reward> Make(const std::string& name, const std::string& settings) {
  Problems problems;
  auto reward = BuiltinRewards().Make({name, ParseYaml(settings, "test.yaml"), {}}, problems);
  problems.ThrowIfAny();
  return reward;
}

double Score(const std::string& name, const std::string& settings, const Completion& completion) {
  return Make(name, settings)->Score({}, completion).score;
}

TEST(Overlong, EqualsTrl) {
  for (const auto& c : Peer()["overlong"]) {
    EXPECT_NEAR(OverlongPunishment(c["tokens"], c["max_tokens"], c["cache_tokens"]),
                c["score"].get<double>(), 1e-12)
        << c;
  }
}

TEST(Overlong, IsZeroThenFallsInAStraightLineToMinusOne) {
  const std::string settings = "{max_tokens: 100, cache_tokens: 20}";
  EXPECT_EQ(Score("overlong", settings, {"", 80, false}), 0.0);
  EXPECT_EQ(Score("overlong", settings, {"", 90, false}), -0.5);
  EXPECT_EQ(Score("overlong", settings, {"", 100, true}), -1.0);
  EXPECT_EQ(Score("overlong", settings, {"", 101, true}), -1.0);
  EXPECT_THROW(Make("overlong", "{max_tokens: 10, cache_tokens: 11}"), ConfigError);
}

TEST(CosineLength, EqualsTrl) {
  for (const auto& c : Peer()["cosine"]) {
    const CosineValues values{c["right_short"], c["right_long"], c["wrong_short"], c["wrong_long"]};
    EXPECT_NEAR(CosineLength(c["tokens"], c["max_tokens"], c["right"], values),
                c["score"].get<double>(), 1e-12)
        << c;
  }
}

std::vector<double> ScoreGroup(const std::string& name, const std::string& settings,
                               const std::vector<std::pair<int, double>>& members) {
  const Task task;
  std::vector<Completion> completions;
  for (const auto& [tokens, accuracy] : members) completions.push_back({"", tokens, false});
  std::vector<Answered> answered;
  for (std::size_t i = 0; i < members.size(); ++i)
    answered.push_back({&task, &completions[i], static_cast<int>(i / 3), members[i].second});
  const auto reward = Make(name, settings);
  std::vector<double> scores;
  for (const Verdict& verdict : dynamic_cast<const BatchReward&>(*reward).ScoreAll(answered))
    scores.push_back(verdict.score);
  return scores;
}

TEST(CosineLength, TakesRightAndWrongFromTheEnvironmentsVerdict) {
  EXPECT_THAT(
      ScoreGroup("cosine_length", "{max_tokens: 100}",
                 {{0, 1}, {100, 1}, {50, 1}, {0, 0}, {100, 0.9}, {1000, 0}}),
      ::testing::Pointwise(::testing::DoubleNear(1e-12), {1.0, 0.5, 0.75, -1.0, -0.5, -0.5}));
}

TEST(GroupLength, IsWorkedByHandForEachGroupByItself) {
  EXPECT_THAT(ScoreGroup("length", "{}", {{10, 1}, {30, 1}, {20, 0}, {10, 0}, {110, 0}, {60, 1}}),
              ::testing::Pointwise(::testing::DoubleNear(1e-12), {0.5, -0.5, 0.0, 0.0, -0.5, 0.0}));
  EXPECT_THAT(ScoreGroup("length", "{}", {{7, 1}, {7, 0}, {7, 1}}), ::testing::Each(0.0));
}

TEST(GroupLength, WithoutTheEnvironmentsVerdictThereIsNoScore) {
  for (const char* name : {"length", "cosine_length"})
    EXPECT_THROW(Score(name, "{}", {"", 3, false}), DataError) << name;
}

TEST(Repetition, EqualsTrlOnWords) {
  for (const auto& c : Peer()["repetition"]) {
    EXPECT_NEAR(-RepeatedShare(c["text"].get<std::string>(), c["ngram"]), c["score"].get<double>(),
                1e-12)
        << c;
  }
}

TEST(Repetition, CountsCharactersWhereAScriptHasNoSpaces) {
  EXPECT_NEAR(RepeatedShare("我们我们我们", 2), 1 - 2.0 / 5, 1e-12);
  EXPECT_EQ(RepeatedShare("So SO so", 1), RepeatedShare("so so so", 1));
  EXPECT_DOUBLE_EQ(Score("repetition", "{}", {"a a a a a", 5, false}), -2.0 / 3);
  EXPECT_EQ(Score("repetition", "{max_penalty: -3}", {"a b c", 3, false}), 0.0);
  EXPECT_THROW(Make("repetition", "{max_penalty: 1}"), ConfigError);
}

RC_GTEST_PROP(Repetition, IsZeroExactlyWhereAllPiecesDiffer,
              (const std::vector<std::uint8_t>& words)) {
  std::string text;
  std::set<std::pair<int, int>> pairs;
  for (std::size_t i = 0; i < words.size(); ++i) {
    text += "w" + std::to_string(words[i]) + " ";
    if (i > 0) pairs.insert({words[i - 1], words[i]});
  }
  const double expected = words.size() < 2 ? 0.0
                                           : 1.0 - static_cast<double>(pairs.size()) /
                                                       static_cast<double>(words.size() - 1);
  RC_ASSERT(std::abs(RepeatedShare(text, 2) - expected) < 1e-12);
}

RC_GTEST_PROP(Repetition, AnyBytesGiveAShare, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::arbitrary<char>());
  const double share = RepeatedShare(text, *rc::gen::inRange(1, 6));
  RC_ASSERT(share >= 0.0 && share < 1.0);
}

TEST(TagCount, PaysAQuarterForEachTagThatStandsOnce) {
  EXPECT_EQ(Score("tag_count", "{}", {"<think>a</think><answer>b</answer>", 1, false}), 1.0);
  EXPECT_EQ(Score("tag_count", "{}", {"<think>a</think><answer>b", 1, false}), 0.75);
  EXPECT_EQ(Score("tag_count", "{}", {"<think><think>a</think><answer>b</answer>", 1, false}),
            0.75);
  EXPECT_EQ(Score("tag_count", "{}", {"a", 1, false}), 0.0);
  EXPECT_EQ(Score("tag_count", "{newlines: true}",
                  {"<think>\na\n</think>\n\n<answer>\nb\n</answer>", 1, false}),
            1.0);
  EXPECT_EQ(
      Score("tag_count", "{newlines: true}", {"<think>a</think><answer>b</answer>", 1, false}),
      0.0);
}

}  // namespace
}  // namespace cogent
