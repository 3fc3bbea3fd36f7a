#include "envs/countdown.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "core/error.h"
#include "tests/envs/make_env.h"

namespace cogent {
namespace {

std::string Value(const std::string& text) {
  const auto answer = ReadCountdown(text);
  return answer ? answer->value.ToString() : "none";
}

TEST(Countdown, ReadsExpressionsAsModelsWriteThem) {
  EXPECT_EQ(Value("25 * 4 - (7 + 4)"), "89");
  EXPECT_EQ(Value("8/3*3"), "8");
  EXPECT_EQ(Value("2 - 3 - 4"), "-5");
  EXPECT_EQ(Value("12 / 4 / 3"), "1");
  EXPECT_EQ(Value("2 + 3 * 4"), "14");
  EXPECT_EQ(Value("5 \u00d7 (6 \u2212 2) \u00f7 3"), "20/3");
  EXPECT_EQ(Value("5 \\times 6"), "30");
  EXPECT_EQ(ReadCountdown("7 + 7*3")->numbers, (std::vector<std::int64_t>{7, 7, 3}));
}

TEST(Countdown, WhatIsNoExpressionHasNoValue) {
  for (const std::string text : {"", "(", "1 +", "1 2", "(1", "1)", "1/0", "1/(2-2)", "-3", "x + 1", "2^3", "1.5 + 1", "12345678901", "import os", "1 + + 2"}) EXPECT_EQ(Value(text), "none") << text;
  EXPECT_EQ(Value(std::string(60, '(') + "1" + std::string(60, ')')), "none") << "too deep";
  EXPECT_EQ(Value(std::string(40, '(') + "1" + std::string(40, ')')), "1");
  EXPECT_EQ(Value("1" + std::string(2000, ' ')), "none") << "too long";
}

double Score(Env& env, const TaskId& id, const std::string& text) {
  env.Reset(id);
  return env.Step({"<think>a</think><answer>" + text + "</answer>", 5, false}).verdict.score;
}

TEST(Countdown, EveryWayToTheTargetIsRightAndNoOtherNumberMayBeUsed) {
  auto env = Make("countdown", "{numbers: 3, operators: '+', values: [1, 20]}");
  for (std::uint64_t i = 0; i < 50; ++i) {
    const TaskId id{Split::kTrain, 3, i};
    env->Reset(id);
    const std::string target = env->task().facts.at("target");
    std::string numbers = env->task().facts.at("numbers"), reversed;
    for (std::size_t at = 0; at < numbers.size();) {
      const std::size_t end = std::min(numbers.find(' ', at), numbers.size());
      reversed = numbers.substr(at, end - at) + (reversed.empty() ? "" : " + ") + reversed;
      at = end + 1;
    }
    EXPECT_EQ(Score(*env, id, reversed), 1.0) << reversed << " for " << env->task().prompt;
    EXPECT_EQ(Score(*env, id, reversed + " = " + target), 1.0);
    EXPECT_EQ(Score(*env, id, target), 0.0) << "the target by itself";
    EXPECT_EQ(Score(*env, id, reversed + " + 0"), 0.0) << "a number that was not given";
  }
}

TEST(Mixture, TakesPartsByTheirWeightsAndTheseMayChange) {
  auto env = Make("mixture", "{parts: [{name: signs, weight: 3}, {name: countdown, weight: 1}, {name: arithmetic, weight: 0, until: 100, over: 1000}]}");
  std::map<std::string, int> early, late;
  for (std::uint64_t i = 0; i < 400; ++i) {
    env->Reset({Split::kTrain, 1, i % 2});  // the same two tasks again and again are the same two parts
    env->Reset({Split::kTrain, i, 0});
    ++early[env->task().facts.at("environment")];
    env->Reset({Split::kTrain, i, 5000});
    ++late[env->task().facts.at("environment")];
  }
  EXPECT_EQ(early["arithmetic"], 0);
  EXPECT_NEAR(early["signs"], 300, 40);
  EXPECT_NEAR(early["countdown"], 100, 40);
  EXPECT_GT(late["arithmetic"], 350);
}

TEST(Mixture, MistakesInItsPartsAreNamed) {
  for (const auto& [settings, wanted] : std::vector<std::pair<std::string, std::string>>{
           {"{parts: []}", "parts is empty"}, {"{parts: [{name: singns}]}", "Did you mean 'signs'"}, {"{parts: [{name: signs, weight: -1}]}", "weight"},
           {"{parts: [{name: signs, digitz: 3}]}", "digitz"}, {"{parts: [{name: mixture}]}", "itself"}, {"{parts: [{name: signs, weight: 0}]}", "all 0"}}) {
    Problems problems;
    EXPECT_EQ(Make("mixture", settings, problems), nullptr) << settings;
    ASSERT_FALSE(problems.empty()) << settings;
    EXPECT_NE(problems.lines()[0].find(wanted), std::string::npos) << problems.lines()[0];
  }
}

TEST(WordProblems, StoredOnesAreReadAndABadLineIsNamed) {
  const std::string path = testing::TempDir() + "/cogent_gsm8k.jsonl";
  std::ofstream file(path);
  for (int i = 0; i < 100; ++i) file << "{\"question\": \"How many are " << i << " and 1200?\", \"answer\": \"so\\n#### 1," << 200 + i << "\"}\n";
  file.close();
  auto env = Make("word_problems", "{problems: " + path + "}");
  for (std::uint64_t i = 0; i < 20; ++i) {
    env->Reset({Split::kTrain, 1, i});
    EXPECT_EQ(Score(*env, {Split::kTrain, 1, i}, env->task().answer), 1.0);
  }
  std::ofstream(path) << "{\"question\": \"a\", \"answer\": \"#### 3\"}\n\n{\"question\": \"a\", \"answer\": \"none\"}\n";
  try {
    Make("word_problems", "{problems: " + path + "}");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find(path + ":3: the answer has no number behind ####"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace cogent
