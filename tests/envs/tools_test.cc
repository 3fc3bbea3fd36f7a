// Episodes with a tool: what is a call, what it gives, and that the task's own environment judges.
#include "envs/tools.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace cogent {
namespace {

std::unique_ptr<Env> MakeTools(const std::string& settings, Problems& problems) {
  Choice choice{"tools", ParseYaml(settings, "test.yaml"), {}};
  return BuiltinEnvs().Make(choice, problems);
}

std::unique_ptr<Env> MakeTools(const std::string& settings) {
  Problems problems;
  auto env = MakeTools(settings, problems);
  problems.ThrowIfAny();
  env->Reset({Split::kTrain, 1, 2});
  return env;
}

std::string Say(Env& env, const std::string& text) {
  const StepResult result = env.Step({text, 3, false});
  EXPECT_FALSE(result.done) << result.verdict.reason;
  EXPECT_EQ(result.observation.messages.size(), 1u);
  EXPECT_EQ(result.observation.messages.at(0).role, Role::kTool);
  return result.observation.messages.at(0).text;
}

TEST(Tools, APythonSessionLastsForTheEpisodeAndNoLonger) {
  auto env = MakeTools("{wall_seconds: 20}");
  EXPECT_EQ(Say(*env, "<think> let me <python>x = 6</python>"), "\n<output></output>\n");
  EXPECT_EQ(Say(*env, "and <python>\nprint('six')\nx * 7\n</python>\n"), "\n<output>six\n42</output>\n");
  EXPECT_NE(Say(*env, "<python>1 / 0</python>").find("ZeroDivisionError"), std::string::npos);
  env->Reset({Split::kTrain, 1, 3});
  EXPECT_NE(Say(*env, "<python>x</python>").find("NameError"), std::string::npos);
}

TEST(Tools, TheTasksEnvironmentJudgesAllTurnsTogether) {
  auto env = MakeTools("{tool: calculator}");
  const std::string answer = env->task().answer;
  EXPECT_EQ(Say(*env, "<think> <calculator>2^10 / 3 + 1/3</calculator>"), "\n<output>1025/3</output>\n");
  EXPECT_NE(Say(*env, "<calculator>of course</calculator>").find("error"), std::string::npos);
  const StepResult result = env->Step({"</think> <answer>" + answer + "</answer>", 5, false});
  EXPECT_TRUE(result.done);
  EXPECT_EQ(result.verdict.score, 1.0) << result.verdict.reason;
  ASSERT_EQ(result.measures.size(), 2u);
  EXPECT_EQ(result.measures[0].score, 2.0);
  EXPECT_EQ(result.measures[1].score, 1.0);
}

TEST(Tools, AnAnswerInATurnBeforeTheLastIsSeen) {
  auto env = MakeTools("{tool: calculator}");
  Say(*env, "<think>a</think> <answer>1</answer> <answer>2</answer> <calculator>1</calculator>");
  EXPECT_EQ(env->Step({"<answer>" + env->task().answer + "</answer>", 5, false}).verdict.score, 0.0);
}

TEST(Tools, OnlyATurnThatEndsWithTheClosingTagIsACall) {
  for (const std::string text : {"<python>1</python> so <answer>1</answer>", "</python>", "<python>1", "<calculator>1</calculator>", ""}) {
    auto env = MakeTools("{}");
    EXPECT_TRUE(env->Step({text, 1, false}).done) << text;
  }
  auto env = MakeTools("{}");
  EXPECT_TRUE(env->Step({"<python>1</python>", 1, true}).done) << "a turn that was cut is no call";
}

TEST(Tools, CallsAndTheirOutputAreBounded) {
  auto env = MakeTools("{tool: calculator, max_calls: 1, output_bytes: 10}");
  EXPECT_EQ(Say(*env, "<calculator>7^40</calculator>"), "\n<output>6366805760... (cut)</output>\n");
  EXPECT_EQ(Say(*env, "<calculator>1</calculator>"), "\n<output>error: no more calls</output>\n");
}

TEST(Tools, ACallBeyondItsLimitSaysSoAndTheEpisodeGoesOn) {
  auto env = MakeTools("{wall_seconds: 0.5}");
  EXPECT_NE(Say(*env, "<python>while True: pass</python>").find("error: "), std::string::npos);
  EXPECT_EQ(Say(*env, "<python>2</python>"), "\n<output>2</output>\n");
}

TEST(Tools, MistakesInTheTaskAreNamedWithTheirPlace) {
  for (const auto& [settings, wanted] : std::vector<std::pair<std::string, std::string>>{
           {"{task: {name: arithmetik}}", "Did you mean 'arithmetic'"}, {"{task: {name: arithmetic, operands: 99}}", "operands"}, {"{task: tools}", "itself"}, {"{tool: hammer}", "calculator"}}) {
    Problems problems;
    EXPECT_EQ(MakeTools(settings, problems), nullptr) << settings;
    ASSERT_FALSE(problems.empty()) << settings;
    EXPECT_NE(problems.lines()[0].find(wanted), std::string::npos) << problems.lines()[0];
  }
}

TEST(Tools, TheCalculatorIsExact) {
  EXPECT_EQ(Calculate("0.1 + 0.2"), "3/10");
  EXPECT_EQ(Calculate("\\frac{1}{3} \\cdot 6"), "2");
  EXPECT_EQ(Calculate("\\sqrt{16}"), "4");
  for (const std::string text : {"", "x + 1", "1/0", "10^10^10", "sqrt(2)", "import os", "\xff"}) EXPECT_THROW(Calculate(text), DataError) << text;
}

}  // namespace
}  // namespace cogent
