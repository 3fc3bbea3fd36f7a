// Expressions worked out exactly, and the tasks made of them.
#include "envs/arithmetic.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/error.h"
#include "envs/env.h"

namespace cogent {
namespace {

// `2+3*(4-1)`, single digits only.
std::vector<ArithmeticToken> Tokens(const std::string& text) {
  std::vector<ArithmeticToken> tokens;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      tokens.emplace_back(Rational(c - '0'));
    } else {
      tokens.emplace_back(c);
    }
  }
  return tokens;
}

std::string Worked(const std::string& text) {
  const auto working = WorkOut(Tokens(text));
  if (!working) return "divides by zero";
  std::string steps;
  for (const auto& step : working->steps) steps += (steps.empty() ? "" : ", ") + step;
  return steps;
}

std::unique_ptr<Env> Arithmetic(const std::string& settings) {
  Problems problems;
  Choice choice{.name = "arithmetic", .settings = ParseYaml(settings, "test.yaml"), .location = {}};
  auto env = BuiltinEnvs().Make(choice, problems);
  problems.ThrowIfAny();
  return env;
}

TEST(WorkOut, GoesByPrecedenceFromLeftToRight) {
  EXPECT_EQ(Worked("2+3*4"), "3 * 4 = 12, 2 + 12 = 14");
  EXPECT_EQ(Worked("8-3-2"), "8 - 3 = 5, 5 - 2 = 3");
  EXPECT_EQ(Worked("8/2*3"), "8 / 2 = 4, 4 * 3 = 12");
}

TEST(WorkOut, DoesTheInnermostParenthesesFirst) {
  EXPECT_EQ(Worked("2*(9-(1+3))"), "1 + 3 = 4, 9 - 4 = 5, 2 * 5 = 10");
  EXPECT_EQ(Worked("((7))"), "");
}

TEST(WorkOut, KeepsFractionsAndSignsReadable) {
  EXPECT_EQ(Worked("1-4*2"), "4 * 2 = 8, 1 - 8 = -7");
  EXPECT_EQ(Worked("3/(1/2)"), "1 / 2 = 1/2, 3 / (1/2) = 6");
  EXPECT_EQ(Worked("5-(2-4)"), "2 - 4 = -2, 5 - (-2) = 7");
}

TEST(WorkOut, HasNoValueForADivisionByZero) { EXPECT_EQ(Worked("5/(3-3)"), "divides by zero"); }

TEST(WorkOut, RefusesWhatIsNoExpression) {
  for (const char* wrong : {"", "+", "2+", "(2+3", "2+3)", "2 3", "()"}) {
    EXPECT_THROW(WorkOut(Tokens(wrong)), InternalError) << wrong;
  }
}

TEST(Arithmetic, AsksTheQuestionOfItsSettings) {
  auto env =
      Arithmetic("{question: 'Compute {expression} now', operands: 2, operators: '+', values: 3}");
  Rng rng(1);
  // 3 + 3 is the only problem here, on one side of the split.
  const bool test = InSplit("Compute 3 + 3 now", Split::kTest);
  env->Reset({test ? Split::kTest : Split::kTrain, 1, 1});
  EXPECT_EQ(env->task().prompt, "Compute 3 + 3 now");
  EXPECT_EQ(env->task().answer, "6");
  EXPECT_THROW(env->Reset({test ? Split::kTrain : Split::kTest, 1, 1}), DataError);
}

TEST(Arithmetic, KeepsToItsRanges) {
  auto env = Arithmetic("{operands: [3, 5], values: [10, 20], operators: '+*', depth: 2}");
  for (std::uint64_t index = 0; index < 300; ++index) {
    env->Reset({Split::kTrain, 1, index});
    const std::string& prompt = env->task().prompt;
    int operators = 0;
    for (const char c : prompt) operators += c == '+' || c == '*';
    EXPECT_GE(operators, 2) << prompt;
    EXPECT_LE(operators, 4) << prompt;
    EXPECT_EQ(prompt.find_first_of("-/"), std::string::npos);
    EXPECT_NE(prompt.find('('), std::string::npos) << prompt;
  }
}

TEST(Arithmetic, AcceptsEqualNumbersInEveryForm) {
  auto env = Arithmetic("{}");
  for (std::uint64_t index = 0; index < 50; ++index) {
    const TaskId id{Split::kTrain, 1, index};
    env->Reset(id);
    const Rational gold = *Rational::Parse(env->task().answer);
    const std::string twice = (gold * Rational(2)).ToString() + "/2";
    for (const std::string& same : {env->task().answer + ".0", twice, env->task().answer + "e0"}) {
      env->Reset(id);
      EXPECT_EQ(
          env->Step({"<think>a</think><answer>" + same + "</answer>", 1, false}).verdict.score, 1.0)
          << same;
    }
    env->Reset(id);
    const std::string other = (gold + Rational(1)).ToString();
    EXPECT_EQ(env->Step({"<think>a</think><answer>" + other + "</answer>", 1, false}).verdict.score,
              0.0);
  }
}

TEST(Arithmetic, TakesABareNumberOnlyUnderTheOption) {
  for (const bool outside : {false, true}) {
    auto env = Arithmetic(outside ? "{outside: true}" : "{}");
    env->Reset({Split::kTrain, 1, 1});
    const std::string gold = env->task().answer;
    EXPECT_EQ(env->Step({gold, 1, false}).verdict.score, outside ? 1.0 : 0.0);
  }
}

}  // namespace
}  // namespace cogent
