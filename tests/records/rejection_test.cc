// Which completions rejection sampling keeps, and where the others are counted.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "experiments/rejection.h"

namespace cogent {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

Trajectory Made(const std::string& text, double reward, int tokens = 5) {
  Trajectory t;
  t.task.prompt = "2+3?";
  t.turns.push_back({.completion_ids = std::vector<std::int32_t>(static_cast<std::size_t>(tokens), 7), .text = text});
  t.scores = {{"accuracy", reward}, {"format", 1.0}};
  t.reward = reward;
  return t;
}
Group Of(std::vector<Trajectory> members, const std::string& prompt = "2+3?") {
  for (Trajectory& t : members) t.task.prompt = prompt;
  return {std::move(members)};
}
SampleSettings Settings(const std::string& yaml) {
  Problems problems;
  SampleSettings settings = ReadConfig<SampleSettings>(ParseYaml(yaml, "run.yaml"), problems);
  problems.ThrowIfAny();
  return settings;
}
std::vector<std::string> Texts(const std::vector<const Trajectory*>& kept) {
  std::vector<std::string> texts;
  for (const Trajectory* t : kept) texts.push_back(t->turns.front().text);
  return texts;
}

TEST(Rejection, KeepsOneRightCompletionATaskAndCountsEveryOtherUnderItsReason) {
  Trajectory cut = Made("cut", 1.0), broken = Made("broken", 0.0), long_one = Made("long", 1.0, 50), two_turns = Made("two", 1.0);
  cut.status = TrajectoryStatus::kTruncated;
  broken.status = TrajectoryStatus::kUnscorable;
  two_turns.turns.push_back(two_turns.turns.front());
  Rejection rules(Settings("{max_tokens: 20}"));
  const std::vector<Group> groups = {Of({Made("wrong", 0.0), cut, broken, long_one, two_turns, Made("", 1.0), Made("right", 1.0), Made("right, too", 1.0)}), Of({Made("wrong", 0.1)}, "3+3?")};
  EXPECT_THAT(Texts(rules.Select(groups)), ElementsAre("right"));
  const RejectionCounts& c = rules.counts();
  EXPECT_THAT(c.dropped, UnorderedElementsAre(Pair("reward below min_reward", 2), Pair("cut by a length limit", 1), Pair("could not be scored", 1), Pair("longer than max_tokens", 1),
                                              Pair("several turns", 1), Pair("empty", 1), Pair("more than keep", 1)));
  EXPECT_EQ(c.tasks, 2);
  EXPECT_EQ(c.tasks_without, 1);
  EXPECT_EQ(c.kept_tokens, 5);
  double dropped = 0;
  for (const auto& [reason, count] : c.dropped) dropped += count;
  EXPECT_EQ(c.completions, c.kept + dropped);
}

TEST(Rejection, CanKeepLongChainsAlone) {
  Rejection rules(Settings("{min_tokens: 9, keep: 4}"));
  const std::vector<Group> groups = {Of({Made("a", 1.0, 9), Made("b", 1.0, 8), Made("c", 1.0, 30)})};
  EXPECT_THAT(Texts(rules.Select(groups)), ElementsAre("a", "c"));
  EXPECT_THAT(rules.counts().dropped, ElementsAre(Pair("shorter than min_tokens", 1)));
}

TEST(Rejection, PrefersWhatItIsTold) {
  const std::vector<Group> groups = {Of({Made("a", 1.0, 9), Made("b", 1.1, 7), Made("c", 1.0, 3)})};
  EXPECT_THAT(Texts(Rejection(Settings("{keep: 2}")).Select(groups)), ElementsAre("a", "b"));
  EXPECT_THAT(Texts(Rejection(Settings("{keep: 2, prefer: shortest}")).Select(groups)), ElementsAre("c", "b"));
  EXPECT_THAT(Texts(Rejection(Settings("{keep: 2, prefer: reward}")).Select(groups)), ElementsAre("b", "a"));
}

TEST(Rejection, FiltersBySingleScores) {
  Trajectory untidy = Made("untidy", 1.0);
  untidy.scores[1].score = 0.4;
  Rejection rules(Settings("{keep: 9, min_scores: {format: 0.5}}"));
  const std::vector<Group> groups = {Of({untidy, Made("tidy", 1.0)})};
  EXPECT_THAT(Texts(rules.Select(groups)), ElementsAre("tidy"));
  EXPECT_EQ(rules.counts().dropped.at("format below min_scores.format"), 1);
}

TEST(Rejection, KeepsNothingTwiceUnlessItMay) {
  const std::vector<Group> groups = {Of({Made("same", 1.0), Made("same", 1.0)}), Of({Made("same", 1.0)}), Of({Made("same", 1.0)}, "another prompt")};
  EXPECT_EQ(Rejection(Settings("{keep: 2}")).Select(groups).size(), 2u);
  EXPECT_EQ(Rejection(Settings("{keep: 2, dedupe: false}")).Select(groups).size(), 4u);
  Rejection resumed(Settings("{keep: 2}"));
  resumed.Known("2+3?", "same");
  EXPECT_EQ(resumed.Select(groups).size(), 1u);
}

TEST(Rejection, ALineIsWhatSupervisedTrainingReads) {
  const auto line = nlohmann::json::parse(KeptLine(Made("\"5\"\n\xff", 1.5), "sampled"));
  EXPECT_EQ(line.at("prompt"), "2+3?");
  EXPECT_EQ(line.at("completion"), "\"5\"\n\xEF\xBF\xBD");
  EXPECT_EQ(line.at("rewards").at("format"), 1.0);
  EXPECT_EQ(line.at("reward"), 1.5);
  EXPECT_EQ(line.at("tokens"), 5);
  EXPECT_EQ(line.at("maker"), "sampled");
}

TEST(Rejection, AScoreThatIsNoNumberIsSaidWithItsPlace) {
  try {
    Settings("min_scores: {accuracy: high}");
    FAIL() << "was taken";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("run.yaml:1:24"));
  }
}

}  // namespace
}  // namespace cogent
