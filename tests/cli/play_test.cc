// `cogent play`, as a user or a script runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "tests/cli/shell.h"

namespace cogent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kPlay = std::string(COGENT_BINARY_DIR) + "/cogent play ";
const std::string kBenchmarks = std::string(COGENT_SOURCE_DIR) + "/tests/data/benchmarks/";

TEST(Play, APersonIsShownTheQuestionTheRewardsAndTheirReasons) {
  const Outcome game = Shell("printf '<think>a</think> <answer>131</answer>\\n\\nnothing\\n' | " + kPlay + "benchmark path=" + kBenchmarks +
                             "aime.jsonl --rewards '[accuracy, {name: format, weight: 0.1}]' 2>&1");
  EXPECT_EQ(game.code, 0) << game.out;
  EXPECT_THAT(game.out, HasSubstr("=== task 1\nLet $f(n)"));
  EXPECT_THAT(game.out, HasSubstr("--- reward 1.1, accuracy 1 (the same text: 131 is 131), format 1 (well laid out)\n\n=== task 2"));
  EXPECT_THAT(game.out, HasSubstr("--- reward 0, accuracy 0 ("));
  EXPECT_THAT(game.out, HasSubstr("the known answer: 142\n\n=== task 3"));
  EXPECT_THAT(game.out, HasSubstr("2 answers, mean reward 0.550"));
}

TEST(Play, AnEndOfInputBeforeAnyAnswerEndsItInPeace) {
  const Outcome game = Shell(kPlay + "arithmetic </dev/null 2>&1");
  EXPECT_EQ(game.code, 0);
  EXPECT_THAT(game.out, HasSubstr("0 answers\n"));
}

TEST(Play, ABenchmarkEndsAfterItsLastProblem) {
  const Outcome game = Shell("printf 'A\\n\\nB\\n\\nC\\n\\nD\\n\\n' | " + kPlay + "benchmark path=" + kBenchmarks + "gpqa.csv 2>&1");
  EXPECT_EQ(game.code, 0);
  EXPECT_THAT(game.out, HasSubstr("That was the last problem.\n3 answers, mean reward"));
}

TEST(Play, AScriptIsPaidByATableOfRewards) {
  const Outcome oracle = Shell(kPlay + "countdown --agent oracle -n 30 --rewards '[accuracy, {name: format, weight: 0.1}]' 2>&1");
  EXPECT_EQ(oracle.code, 0);
  EXPECT_THAT(oracle.out, HasSubstr("'countdown', 30 held-out tasks of seed 1, answered by 'oracle'\n"));
  EXPECT_THAT(oracle.out, HasSubstr("reward              1.100\n"));
  const Outcome wrong = Shell(kPlay + "countdown --agent wrong --seed 3 2>&1");
  EXPECT_THAT(wrong.out, HasSubstr("20 held-out tasks of seed 3"));
  EXPECT_THAT(wrong.out, HasSubstr("reward              0.000\n"));
}

TEST(Play, AFileGivesEnvironmentAndRewards) {
  const Outcome table = Shell(kPlay + COGENT_SOURCE_DIR + "/experiments/configs/r1_zero.yaml env.digits=3 -a oracle -n 5 2>&1");
  EXPECT_EQ(table.code, 0) << table.out;
  EXPECT_THAT(table.out, HasSubstr("'signs', 5 held-out tasks"));
  EXPECT_THAT(table.out, HasSubstr("format              0.1   1.000"));
  EXPECT_THAT(Shell(kPlay + COGENT_SOURCE_DIR + "/experiments/configs/r1_zero.yaml seed=9 -a oracle -n 5 2>&1").out, HasSubstr("of seed 9"));
}

TEST(Play, StoredCompletionsAreJudgedAgain) {
  const std::string path = testing::TempDir() + "/cogent_play." + std::to_string(getpid()) + ".jsonl";
  std::ofstream(path) << "{\"task\": \"What is 8 * 3 - 9?\", \"completion\": \"<think>a</think><answer>15</answer>\"}\n";
  const Outcome one = Shell(kPlay + "arithmetic -n 1 --agent replay:" + path + " 2>&1");
  EXPECT_EQ(one.code, 0) << one.out;
  EXPECT_THAT(one.out, HasSubstr("reward              1.000"));
  const Outcome two = Shell(kPlay + "arithmetic -n 2 --agent replay:" + path + " 2>&1");
  EXPECT_EQ(two.code, 2);
  EXPECT_THAT(two.out, HasSubstr("and none of 'What is 5 * 7 + 6 - 4?'"));
  std::remove(path.c_str());
}

TEST(Play, WhatCannotBeScoredIsNoReward) {
  const std::string path = testing::TempDir() + "/cogent_play_tests." + std::to_string(getpid()) + ".jsonl";
  std::ofstream(path) << "{\"question\": \"1+1?\", \"answer\": \"#### 2\"}\n";
  // A reward about programs has nothing to say of sums: ours to tell, and no 0.
  const Outcome table = Shell(kPlay + "benchmark path=" + path + " --agent oracle --rewards '[accuracy, code]' 2>&1");
  EXPECT_EQ(table.code, 1) << table.out;
  EXPECT_THAT(table.out, HasSubstr("1 of 1 could not be scored; task 1: reward 'code': "));
  EXPECT_THAT(table.out, Not(HasSubstr("mean")));
  std::remove(path.c_str());
}

TEST(Play, MistakesAreToldInOneMessage) {
  for (const auto& [words, said] : {std::pair("arithmetics", "Did you mean 'arithmetic'?"), std::pair("arithmetic operandss=3", "unknown key 'operandss'"),
                                    std::pair("arithmetic --agent orcle", "Did you mean 'oracle'?"), std::pair("arithmetic --agent replay:/no/such -n 1", "/no/such"),
                                    std::pair("benchmark", "needs `path`"), std::pair("arithmetic --rewards '[formt]'", "Did you mean 'format'?"),
                                    std::pair("/no/such.yaml", "/no/such.yaml"), std::pair("code judge=false --agent oracle", "no gold completion")}) {
    const Outcome mistake = Shell(kPlay + words + std::string(" 2>&1 </dev/null"));
    EXPECT_EQ(mistake.code, 2) << words << ": " << mistake.out;
    EXPECT_THAT(mistake.out, HasSubstr(said));
  }
}

}  // namespace
}  // namespace cogent
