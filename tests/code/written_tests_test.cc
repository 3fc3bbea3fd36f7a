// Tests that a policy wrote: which are kept, and that they cannot be more than tests.
#include "verifiers/written_tests.h"

#include <gtest/gtest.h>

#include "agents/test_writer.h"
#include "core/error.h"
#include "tests/code/shared_sandbox.h"

namespace cogent {
namespace {

const Limits kEasy{.wall_seconds = 20, .cpu_seconds = 20};

CodeProblem Sorting() {
  return ReadCodeProblem(R"J({"task_id": "sorting", "text": "sort a list", "code": "def solve(xs):\n    return sorted(xs)\n", "test_list": ["assert solve([2, 1]) == [1, 2]"]})J", "test");
}

WrittenTests Read(const std::string& code) { return ReadWrittenTests(Shared(), Sorting(), "```python\n" + code + "\n```", kEasy); }

// Why the only test in the code was refused; "kept" when it was not.
std::string Reason(const std::string& code) {
  const WrittenTests written = Read(code);
  EXPECT_EQ(written.kept.size() + written.refused.size(), 1u) << code << written.none;
  return written.refused.empty() ? "kept" : written.refused[0].reason;
}

TEST(WrittenTests, ThoseThatTheReferencePassesAreKeptInTheirOrder) {
  const WrittenTests written = Read("assert solve([]) == []\n\ndef test_more():\n    assert solve([3, -1, 3]) == [-1, 3, 3], 'message'\n\n"
                                    "assert len(solve(list(range(9)))) == 9 and solve([2, 1])[0] == 1\nassert all([x > 0 for x in solve([2, 1])])");
  EXPECT_EQ(written.kept, (std::vector<std::string>{"assert solve([]) == []", "assert solve([3, -1, 3]) == [-1, 3, 3]",
                                                    "assert len(solve(list(range(9)))) == 9 and solve([2, 1])[0] == 1",
                                                    "assert all([x > 0 for x in solve([2, 1])])"}))
      << (written.refused.empty() ? "" : written.refused[0].reason);
  EXPECT_TRUE(written.refused.empty());
}

TEST(WrittenTests, EachThatDoesNotHoldIsRefusedWithItsReason) {
  EXPECT_NE(Reason("assert solve([2, 1]) == [2, 1]").find("the reference solution fails it"), std::string::npos);
  EXPECT_NE(Reason("assert solve([2, 1]) in ([1, 2], None)").find("does nothing passes it"), std::string::npos);
  EXPECT_NE(Reason("assert solve([1]) == solve([1])").find("does nothing passes it"), std::string::npos);
  EXPECT_NE(Reason("assert 1 == 1").find("does not call solve"), std::string::npos);
  const WrittenTests twice = Read("assert solve([]) == []\nassert  solve( [] )==[]");
  EXPECT_EQ(twice.kept.size(), 1u);
  ASSERT_EQ(twice.refused.size(), 1u);
  EXPECT_EQ(twice.refused[0].reason, "it was there before");
}

TEST(WrittenTests, OneThatCouldReachItsJudgeIsRefusedUnrun) {
  for (const std::string test : {"solve.__globals__", "__import__('os').system('true') == 0 and solve([]) == []", "(lambda: solve([]))() == []", "open('/etc/passwd') and solve([]) == []",
                                 "[solve := 1] and solve([]) == []", "eval('1') and solve([]) == []", "f'{solve([])}' == '[]'", "getattr(solve, 'x') == solve([])",
                                 "[solve([]) for solve in [1]]", "all(solve([]) for len in [1])"}) {
    EXPECT_NE(Reason("assert " + test).find("a test may"), std::string::npos) << test;
  }
}

TEST(WrittenTests, ATestThatTakesForeverIsRefused) {
  const WrittenTests written = ReadWrittenTests(Shared(), Sorting(), "```python\nassert solve([sum(range(10**12))]) == 1\nassert solve([]) == []\n```", {.wall_seconds = 1, .cpu_seconds = 1});
  EXPECT_EQ(written.kept.size(), 1u);
  EXPECT_EQ(written.refused.size(), 1u);
}

TEST(WrittenTests, WhatHoldsNoTestSaysSo) {
  EXPECT_EQ(ReadWrittenTests(Shared(), Sorting(), "prose", kEasy).none, "no code block");
  EXPECT_NE(Read("assert (").none.find("no Python"), std::string::npos);
  EXPECT_NE(Read("x = 1").none.find("no assert"), std::string::npos);
  EXPECT_NE(Read(std::string(100000, '(')).none, "");
}

TEST(WrittenTests, TheKeptOnesTellRightFromWrongAsTheProblemsOwnDo) {
  const CodeProblem judged = WithTests(Sorting(), Read("assert solve([3, 1, 2]) == [1, 2, 3]\nassert solve([1, 1]) == [1, 1]").kept);
  const auto score = [&](const std::string& body) {
    return ScoreCode(Shared(), {{&judged, "```python\ndef solve(xs):\n    return " + body + "\n```"}}, {.form = 0, .limits = kEasy}).front().score;
  };
  EXPECT_EQ(score("sorted(xs)"), 1.0);
  EXPECT_EQ(score("sorted(set(xs))"), 0.0);
}

TEST(WrittenTests, AProblemThatTheyCannotBeHeldToIsRefused) {
  CodeProblem problem = Sorting();
  problem.reference = "def solve(xs): return xs";
  EXPECT_THROW(ReadWrittenTests(Shared(), problem, "```\nassert solve([]) == []\n```", kEasy), DataError);
  problem.reference.clear();
  EXPECT_THROW(ReadWrittenTests(Shared(), problem, "```\nassert solve([]) == []\n```", kEasy), DataError);
  problem.by_output = true;
  EXPECT_THROW(ReadWrittenTests(Shared(), problem, "```\nassert solve([]) == []\n```", kEasy), DataError);
}

// Answers with a text in which the number of what it was asked stands.
class Writer final : public Agent {
 public:
  std::vector<Turn> Act(const std::vector<Conversation>& conversations, const std::vector<Rng>&) override {
    std::vector<Turn> turns;
    for (const Conversation& c : conversations) {
      asked.push_back(c.messages.back().text);
      turns.emplace_back().text = "```python\nassert solve([" + std::to_string(asked.size()) + "]) == [" + std::to_string(asked.size()) + "]\n```";
    }
    return turns;
  }
  std::vector<std::string> asked;
};

TEST(TestWriter, AsksAboutEachProblemAndReadsEachAnswer) {
  Writer writer;
  const CodeProblem problem = Sorting();
  const auto written = WriteTests(writer, Shared(), {&problem, &problem}, kEasy, Rng(1));
  ASSERT_EQ(written.size(), 2u);
  EXPECT_EQ(written[1].kept, std::vector<std::string>{"assert solve([2]) == [2]"});
  EXPECT_NE(writer.asked[0].find("sort a list"), std::string::npos);
  EXPECT_NE(writer.asked[0].find("solve"), std::string::npos);
}

}  // namespace
}  // namespace cogent
