#include "verifiers/code.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "core/error.h"
#include "envs/env.h"
#include "tests/code/shared_sandbox.h"

namespace cogent {
namespace {

const CodeScoring kScoring{.limits = {.wall_seconds = 20, .cpu_seconds = 20}};

std::string Block(const std::string& code) { return "<think>so</think> <answer>\n```python\n" + code + "\n```\n</answer>"; }

double Score(const CodeProblem& problem, const std::string& completion, const CodeScoring& scoring = kScoring) {
  const CodeScore score = ScoreCode(Shared(), {{&problem, completion}}, scoring).front();
  EXPECT_FALSE(score.broken) << score.reason;
  return score.score;
}

// Takes a list of numbers, returns them in sorted order, but also adds 42 at the start.
CodeProblem Sorted42() {
  return ReadCodeProblem(R"J({"task_id": "sorted42", "text": "sort and put 42 first", "code": "def solve(xs):\n    return [42] + sorted(xs)\n",
      "test_list": ["assert solve([3, 1, 2]) == [42, 1, 2, 3]", "assert solve([]) == [42]",
                    "assert solve(list(range(3000, 0, -1))) == [42] + list(range(1, 3001))"]})J", "test");
}

TEST(CodeReward, BetterAnswersOfTheWorkedExamplePayMore) {
  const CodeProblem problem = Sorted42();
  CodeScoring scoring = kScoring;
  scoring.speed_bonus = 0.2;
  const std::vector<std::string> answers = {
      "I would sort the list and put 42 in front.",
      Block("def solve(xs):\n    return [42 + sorted(xs"),
      Block("def solve(xs):\n    return sorted(xs)"),
      // Insertion by repeated scans: right, and quadratic.
      Block("def solve(xs):\n    rest, out = list(xs), [42]\n    while rest:\n        m = rest[0]\n        for x in rest:\n            if x < m: m = x\n"
            "        rest.remove(m)\n        out.append(m)\n    return out"),
      Block("def solve(xs):\n    return [42] + sorted(xs)")};
  double before = -1;
  for (const std::string& answer : answers) {
    const double score = Score(problem, answer, scoring);
    EXPECT_GT(score, before) << answer;
    before = score;
  }
  EXPECT_GT(before, 0.9);
}

TEST(CodeReward, TheBonusStaysBetweenASlowRightAnswerAndOne) {
  CodeScoring scoring = kScoring;
  scoring.speed_bonus = 0.3;
  const double slow = Score(Sorted42(), Block("import time\ndef solve(xs):\n    e = time.process_time() + 0.2\n    while time.process_time() < e: pass\n    return [42] + sorted(xs)"), scoring);
  EXPECT_GE(slow, 0.7);
  EXPECT_LT(slow, 0.8);
}

TEST(CodeReward, PaysTheShareOfTestsOnlyWhenAskedTo) {
  CodeScoring share = kScoring;
  share.share = true;
  share.form = 0;
  const std::string two_of_three = Block("def solve(xs):\n    return [42] + (sorted(xs) if len(xs) < 9 else xs)");
  EXPECT_NEAR(Score(Sorted42(), two_of_three, share), 2.0 / 3.0, 1e-9);
  EXPECT_NEAR(Score(Sorted42(), two_of_three), kScoring.form, 1e-9);
}

TEST(CodeReward, ABrokenReferenceOrBrokenTestsAreNoScore) {
  CodeProblem problem = Sorted42();
  problem.reference = "def solve(xs): return xs";
  CodeScoring scoring = kScoring;
  scoring.speed_bonus = 0.1;
  EXPECT_TRUE(ScoreCode(Shared(), {{&problem, Block("def solve(xs):\n    return [42] + sorted(xs)")}}, scoring).front().broken);
  problem.functions.statements = {"assert solve([)"};
  EXPECT_TRUE(ScoreCode(Shared(), {{&problem, Block("def solve(xs):\n    return [42]")}}, kScoring).front().broken);
}

TEST(CodeReward, ProblemsByStandardOutputAreJudgedByTheirRule) {
  const CodeProblem problem = ReadCodeProblem(R"J({"id": 1, "question": "mean", "tests": [{"input": "1 2\n", "output": "1.5"}, {"stdin": "1 2 2\n", "expected": "1.66666667"}], "compare": "float"})J", "test");
  EXPECT_EQ(Score(problem, Block("xs = list(map(float, input().split()))\nprint(sum(xs) / len(xs))")), 1.0);
  EXPECT_EQ(Score(problem, Block("print('nan')")), kScoring.form);
}

TEST(ExtractCode, TakesTheLastPythonBlockBehindTheReasoning) {
  EXPECT_EQ(ExtractCode("<think>```python\na\n```</think>```\nb\n``` and ```python\nc\n```"), "c\n");
  EXPECT_EQ(ExtractCode("```python\na\n``` then ```json\n{}\n```"), "a\n");
  EXPECT_EQ(ExtractCode("<think>```python\na\n```"), std::nullopt);
  EXPECT_EQ(ExtractCode("```python\nnever closed"), std::nullopt);
  EXPECT_EQ(ExtractCode("prose"), std::nullopt);
}

TEST(CodeProblems, FindTheFunctionThatMbppTestsCall) {
  const auto entry = [](const std::string& test) {
    return ReadCodeProblem("{\"text\": \"t\", \"test_list\": [\"" + test + "\"]}", "test").functions.entry_point;
  };
  EXPECT_EQ(entry("assert similar((1, 2)) == 1"), "similar");
  EXPECT_EQ(entry("assert set(similar((1, 2))) == {1}"), "similar");
  EXPECT_EQ(entry("assert not is_it(3)"), "is_it");
  EXPECT_THROW(entry("assert 1 == 1"), DataError);
}

TEST(CodeProblems, AMistakeIsNamedWithItsLine) {
  const std::string path = testing::TempDir() + "/problems.jsonl";
  std::ofstream(path) << "{\"prompt\": \"p\", \"tests\": [{\"stdin\": \"\", \"expected\": \"\"}]}\n\n{\"prompt\": \"p\"}\n";
  try {
    LoadCodeProblems(path);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find(path + ":3: no tests"), std::string::npos) << error.what();
  }
}

TEST(CodeEnv, ADrawnTaskIsWhatItsOwnProblemSays) {
  Problems problems;
  const auto env = BuiltinEnvs().Make({.name = "code", .settings = ParseYaml("{}", "test.yaml"), .location = {}}, problems);
  problems.ThrowIfAny();
  std::set<std::string> ids;
  for (std::uint64_t i = 0; i < 20; ++i) {
    env->Reset({i % 2 ? Split::kTrain : Split::kTest, 5, i});
    const Task& task = env->task();
    const CodeProblem problem = ReadCodeProblem(task.facts.at(kCodeFact), "the task's problem");
    EXPECT_TRUE(task.prompt.starts_with(problem.prompt + "\n\nAnswer with")) << task.prompt;
    EXPECT_EQ(task.answer, problem.reference);
    EXPECT_EQ(task.answer, "def solve(xs):\n    return [" + problem.id.substr(sizeof "sorted-" - 1) + "] + sorted(xs)\n");
    EXPECT_EQ(problem.functions.statements.size(), 4u);
    ids.insert(problem.id);
  }
  EXPECT_EQ(ids.size(), 20u);
}

}  // namespace
}  // namespace cogent
