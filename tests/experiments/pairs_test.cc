// Preference pairs by rule: what is chosen, how the other is spoiled, and that the seed decides.
#include "experiments/pairs.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/file.h"

namespace cogent {
namespace {

const std::string kOne = "|special_token| a b c |special_token| Summary: The answer is \\boxed{5}.";
const std::string kOther = "|special_token| d |special_token| Summary: The answer is \\boxed{6}.";

TEST(Pairs, AHelpfulSummaryIsBesideOneThatHelpsLess) {
  std::set<std::string> rules;
  for (std::uint64_t i = 0; i < 60; ++i) {
    Rng rng(i);
    const auto pair = SpoilHelpful(kOne, kOther, "|special_token|", rng);
    ASSERT_TRUE(pair);
    EXPECT_EQ(pair->chosen, "The answer is \\boxed{5}.");
    EXPECT_NE(pair->rejected, pair->chosen);
    EXPECT_EQ(pair->rejected.find("\\boxed{5}"), std::string::npos) << pair->rejected;
    rules.insert(pair->rule);
  }
  EXPECT_EQ(rules.size(), 3u);
  Rng rng(1);
  EXPECT_FALSE(SpoilHelpful("<think>a</think><answer>5</answer>", kOther, "|special_token|", rng));
}

TEST(Pairs, AHarmlessTextIsBesideTheSameWithAnInsult) {
  for (std::uint64_t i = 0; i < 30; ++i) {
    Rng rng(i);
    const Spoiled pair = SpoilHarmless(kOne, rng);
    EXPECT_EQ(pair.chosen, kOne);
    EXPECT_GT(pair.rejected.size(), kOne.size());
  }
}

TEST(Pairs, SoundReasoningIsBesideTheSameWithANumberChanged) {
  const std::string text = "|special_token| 12+9=21 |special_token| Summary: \\boxed{21}";
  std::set<std::string> seen;
  for (std::uint64_t i = 0; i < 60; ++i) {
    Rng rng(i);
    const auto pair = SpoilSound(text, "|special_token|", rng);
    ASSERT_TRUE(pair);
    EXPECT_EQ(pair->chosen, text);
    EXPECT_NE(pair->rejected, text);
    EXPECT_NE(pair->rejected.find("|special_token| Summary: \\boxed{21}"), std::string::npos) << "the conclusion stands";
    EXPECT_EQ(pair->rejected.find("--"), std::string::npos) << pair->rejected;
    seen.insert(pair->rejected);
  }
  EXPECT_GT(seen.size(), 8u);
  Rng rng(1);
  for (const char* none : {"12+9=21", "|special_token| 12+9", "|special_token| so it is |special_token| Summary: 5", ""}) EXPECT_FALSE(SpoilSound(none, "|special_token|", rng)) << none;
}

class PairsCommandTest : public testing::Test {
 protected:
  std::string In() const { return testing::TempDir() + "/cogent_pairs_in.jsonl"; }
  std::string Out() const { return testing::TempDir() + "/cogent_pairs_out.jsonl"; }
  int Run(const std::string& lines, const std::string& seed = "1", const std::string& rule = "helpful") const {
    std::ofstream(In()) << lines;
    return PairsCommand({"pairs", {}, {{"input", In()}, {"output", Out()}, {"rule", rule}, {"seed", seed}}});
  }
  static std::string Line(const std::string& completion) { return nlohmann::json{{"prompt", "q"}, {"completion", completion}}.dump() + "\n"; }
};

TEST_F(PairsCommandTest, TheSeedDecidesAndBadLinesAreTold) {
  std::string lines;
  for (int i = 0; i < 40; ++i) lines += Line(i % 2 ? kOne : kOther);
  EXPECT_EQ(Run(lines), kExitDone);
  const std::string first = ReadFile(Out());
  EXPECT_EQ(Run(lines), kExitDone);
  EXPECT_EQ(ReadFile(Out()), first);
  EXPECT_EQ(Run(lines, "2"), kExitDone);
  EXPECT_NE(ReadFile(Out()), first);
  EXPECT_EQ(Run(lines + "nonsense\n" + Line("no summary")), kExitUserMistake);
  const auto report = nlohmann::json::parse(ReadFile(Out() + ".report.json"));
  EXPECT_EQ(report["kept"], 40);
  EXPECT_EQ(report["malformed"], 1);
  EXPECT_EQ(report["dropped"]["no summary"], 1);
  EXPECT_THROW(Run(Line("no summary")), DataError);
  EXPECT_THROW(Run(lines, "1", "kind"), ConfigError);
}

TEST_F(PairsCommandTest, TheyAlsoTeachAJudgeWithTwoVerdictsAPair) {
  std::ofstream(In()) << Line("|special_token| 1+1=2 |special_token| Summary: \\boxed{2}");
  const auto run = [&](std::map<std::string, std::string> options) {
    options.insert({{"input", In()}, {"output", Out()}, {"rule", "sound"}});
    return PairsCommand({"pairs", {}, options});
  };
  ASSERT_EQ(run({{"judge-ask", "Q {prompt} A {completion}"}, {"lowest", "0"}, {"highest", "1"}}), kExitDone);
  std::vector<nlohmann::json> lines;
  ForEachLineIn(Out(), [&](int, std::string_view line) { lines.push_back(nlohmann::json::parse(line)); });
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["prompt"], "Q q A |special_token| 1+1=2 |special_token| Summary: \\boxed{2}");
  EXPECT_EQ(lines[0]["completion"], "<score>1</score>");
  EXPECT_EQ(lines[1]["completion"], "<score>0</score>");
  EXPECT_NE(lines[1]["prompt"], lines[0]["prompt"]);
  EXPECT_THROW(run({{"judge-ask", "Q {prompt}"}}), ConfigError);
  EXPECT_THROW(run({{"judge-ask", "{prompt}{completion}"}, {"lowest", "5"}}), ConfigError);
  EXPECT_THROW(run({{"judge-ask", "{prompt}{completion}"}, {"lowest", "x"}}), ConfigError);
}

TEST(Pairs, ByScorePairTheBestWithTheWorstAndEachOnce) {
  const auto pairs = PairByScore({{"a", 0}, {"b", 1}, {"c", 0}, {"d", 0.5}, {"e", 1}}, "s");
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_EQ(pairs[0].chosen + pairs[0].rejected, "ba");
  EXPECT_EQ(pairs[1].chosen + pairs[1].rejected, "ec");
  EXPECT_TRUE(PairByScore({{"a", 1}, {"b", 1}}, "s").empty());
  EXPECT_TRUE(PairByScore({}, "s").empty());
}

TEST_F(PairsCommandTest, ByScoreAreOfOnePromptAndReadWhatTheRewardModelReads) {
  const auto line = [](const std::string& prompt, const std::string& answer, double score) {
    return nlohmann::json{{"prompt", prompt}, {"completion", "<think>a</think> <answer>" + answer + "</answer>"}, {"rewards", {{"is_helpful", score}}}}.dump() + "\n";
  };
  std::ofstream(In()) << line("q", "good", 1) << line("r", "also good", 1) << line("q", "bad", 0) << line("r", "good, too", 1);
  const auto run = [&](std::map<std::string, std::string> options) {
    options.insert({{"input", In()}, {"output", Out()}, {"rule", "scored"}});
    return PairsCommand({"pairs", {}, options});
  };
  ASSERT_EQ(run({{"score", "is_helpful"}, {"reads", "summary"}}), kExitDone);
  const auto pair = nlohmann::json::parse(ReadFile(Out()));  // one line
  EXPECT_EQ(pair["prompt"], "q");
  EXPECT_EQ(pair["chosen"], "<answer>good</answer>");
  EXPECT_EQ(pair["rejected"], "<answer>bad</answer>");
  EXPECT_EQ(nlohmann::json::parse(ReadFile(Out() + ".report.json"))["dropped"]["no other of another score"], 2);
  ASSERT_EQ(run({{"score", "is_helpful"}}), kExitDone);
  EXPECT_EQ(nlohmann::json::parse(ReadFile(Out()))["rejected"], "<think>a</think> <answer>bad</answer>");
  EXPECT_THROW(run({}), ConfigError) << "no score is named";
  EXPECT_THROW(run({{"score", "is_harmless"}}), DataError) << "no line has that score";
  EXPECT_THROW(run({{"score", "is_helpful"}, {"reads", "all"}}), ConfigError);
  ASSERT_EQ(run({{"score", "is_helpful"}, {"judge-ask", "{prompt} {completion}"}, {"lowest", "0"}, {"highest", "1"}}), kExitDone);
  std::vector<nlohmann::json> taught;
  ForEachLineIn(Out(), [&](int, std::string_view text) { taught.push_back(nlohmann::json::parse(text)); });
  ASSERT_EQ(taught.size(), 2u);
  EXPECT_EQ(taught[0]["prompt"], "q <think>a</think> <answer>good</answer>");
  EXPECT_EQ(taught[0]["completion"], "<score>1</score>");
  EXPECT_EQ(taught[1]["prompt"], "q <think>a</think> <answer>bad</answer>");
  EXPECT_EQ(taught[1]["completion"], "<score>0</score>");
  EXPECT_THROW(run({{"rule", "harmless"}, {"score", "is_helpful"}}), ConfigError);
}

}  // namespace
}  // namespace cogent
