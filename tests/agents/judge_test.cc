// A generative judge and a writer: what is asked, and what is taken for an answer.
#include "agents/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cogent {
namespace {

using testing::HasSubstr;

// Gives the same answers in order, and keeps what it was asked.
struct Scripted final : Agent {
  explicit Scripted(std::vector<Turn> given) : answers(std::move(given)) {}
  std::vector<Turn> answers;
  std::vector<std::string> asked;
  std::vector<Turn> Act(const std::vector<Conversation>& conversations, const std::vector<Rng>&) override {
    for (const Conversation& c : conversations) asked.push_back(c.messages.back().text);
    return answers;
  }
};
Turn Says(const std::string& text, bool truncated = false) {
  Turn turn;
  turn.text = text, turn.truncated = truncated;
  return turn;
}
Turn Fails(const std::string& why) {
  Turn turn;
  turn.failure = why;
  return turn;
}

TEST(Judge, IsAskedWithTheTextsInTheirPlacesAndReadsNoPlaceInThem) {
  JudgeSettings settings;
  settings.ask = "[{completion}|{prompt}]";
  Scripted agent({Says("<score>5</score>")});
  EXPECT_EQ(Judge(agent, settings, {{"a{completion}", "b{prompt}"}}, {Rng(1)})[0].score, 5);
  EXPECT_EQ(agent.asked[0], "[b{prompt}|a{completion}]");
}

TEST(Judge, ReadsOneScoreOutsideOfItsReasoningAndNothingElse) {
  const JudgeSettings settings;
  const auto score = [&](const std::string& text) { return ReadJudgement(Says(text), settings).score; };
  EXPECT_EQ(score("<score>4</score>"), 4);
  EXPECT_EQ(score("Fine. <score> 1 </score> Bye."), 1);
  EXPECT_EQ(score("<think>maybe <score>1</score>?</think><score>5</score>"), 5);
  for (const char* none : {"", "4", "score: 4", "<score>4", "4</score>", "</score>4<score>", "<score></score>", "<score>4.5</score>", "<score>four</score>",
                           "<score>0</score>", "<score>6</score>", "<score>4</score><score>4</score>", "<score>4 5</score>", "<SCORE>4</SCORE>",
                           "<think><score>4</score>", "<score>99999999999999999999</score>"}) {
    const Judgement judgement = ReadJudgement(Says(none), settings);
    EXPECT_FALSE(judgement.score) << none;
    EXPECT_FALSE(judgement.reason.empty()) << none;
    EXPECT_FALSE(judgement.failed) << none;
  }
  EXPECT_FALSE(ReadJudgement(Says("<score>4</score>", true), settings).score) << "it was cut";
}

TEST(Judge, AnAgentThatFailedGaveNoLowScore) {
  const Judgement judgement = ReadJudgement(Fails("503"), JudgeSettings());
  EXPECT_TRUE(judgement.failed);
  EXPECT_FALSE(judgement.score);
  EXPECT_EQ(judgement.reason, "503");
}

TEST(Judge, AVerdictThatIsWrittenIsReadAgain) {
  JudgeSettings settings;
  settings.lowest = -3, settings.highest = 40;
  for (const int score : {-3, 0, 40}) EXPECT_EQ(ReadJudgement(Says(JudgeVerdict(score)), settings).score, score);
}

TEST(Judge, SettingsThatCannotWorkAreToldAtTheirPlace) {
  for (const auto& [yaml, word] : std::vector<std::pair<std::string, std::string>>{
           {"{ask: \"{prompt}\"}", "judge.ask"}, {"{ask: \"{prompt}{completion}{completion}\"}", "once each"}, {"{lowest: 5}", "below"}, {"{at_least: 9}", "outside"},
           {"{remote: {model: x}}", "remote.url"}, {"{remote: {url: \"http://x\"}}", "remote.model"}, {"{asks: x}", "asks"}}) {
    Problems problems;
    ReadConfig<JudgeSettings>(ParseYaml(yaml, "file.yaml"), problems, "judge");
    try {
      problems.ThrowIfAny();
      ADD_FAILURE() << yaml;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr(word)) << yaml;
    }
  }
}

TEST(Rewrite, KeepsWhatHasTheFormAndTheSameAnswer) {
  const Judged original{"2+3?", "<think>2+3=5</think><answer>5</answer>"};
  const std::string good = "|special_token| two and three make 5 |special_token| Summary: It is \\boxed{5}.";
  Scripted agent({Says("  " + good + "\n"), Says("<think>hm</think>" + good), Says("It is \\boxed{5}."), Says("|special_token| a |special_token| Summary: \\boxed{6}"),
                  Says("|special_token| a |special_token| Summary: five"), Says(good, true), Fails("gone"), Says(good)});
  std::vector<Judged> originals(7, original);
  originals.push_back({"2+3?", "<think>2+3=5</think>"});
  const auto all = Rewrite(agent, RewriteSettings(), originals, std::vector<Rng>(8, Rng(1)));
  EXPECT_EQ(all[0].completion, good);
  EXPECT_EQ(all[1].completion, good);
  EXPECT_EQ(all[2].reason, "not in the cold-start form");
  EXPECT_EQ(all[3].reason, "another answer than the original's");
  EXPECT_EQ(all[4].reason, "no single answer");
  EXPECT_EQ(all[5].reason, "cut by a length limit");
  EXPECT_EQ(all[6].reason, "gone");
  EXPECT_TRUE(all[6].failed);
  EXPECT_EQ(all[7].reason, "the original has no single answer");
  for (std::size_t i = 2; i < all.size(); ++i) EXPECT_TRUE(all[i].completion.empty());
}

}  // namespace
}  // namespace cogent
