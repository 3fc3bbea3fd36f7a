// Accuracy, the format reward, and how a rubric weighs them.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"
#include "verifiers/accuracy.h"
#include "verifiers/reward.h"

namespace cogent {
namespace {

const char* const kWorked[] = {
    "<think>2 + 3 = 5, 5 * 4 = 20</think> <answer>20</answer>",
    "<think>3 * 4 = 12, 2 + 12 = 14</think> <answer>14</answer>",
    "14",
    "<think>blue seven tree</think> <answer>7</answer>",
};

// The choices of a YAML list such as `[{name: format, weight: 0.1}]`.
std::vector<Choice> Choices(const std::string& yaml) {
  struct Holder {
    std::vector<Choice> rewards;
    void VisitFields(FieldVisitor& visit) { visit("rewards", rewards, "the list"); }
  };
  Problems problems;
  auto holder = ReadConfig<Holder>(ParseYaml("rewards: " + yaml, "run.yaml"), problems);
  problems.ThrowIfAny();
  return holder.rewards;
}

Rubric Make(const std::string& yaml) {
  Problems problems;
  Rubric rubric = Rubric::Make(Choices(yaml), BuiltinRewards(), problems);
  problems.ThrowIfAny();
  return rubric;
}

std::string MistakeIn(const std::string& yaml, const RewardRegistry& registry = BuiltinRewards()) {
  Problems problems;
  Rubric::Make(Choices(yaml), registry, problems);
  return problems.lines().size() == 1 ? problems.lines()[0]
                                      : std::to_string(problems.lines().size()) + " mistakes";
}

// Total rewards of the worked example, with the environment's verdict put in as accuracy.
std::vector<double> WorkedRewards(AccuracyOptions options) {
  const Rubric rubric = Make("[{name: accuracy, weight: 1}, {name: format, weight: 0.1}]");
  const Task task{"What is 2 + 3 * 4?", "14", {}};
  std::vector<Completion> completions;
  for (const char* text : kWorked) completions.push_back({text, 1, false});
  std::vector<Answered> answered;
  for (const Completion& completion : completions) answered.push_back({&task, &completion});
  auto scores = rubric.ScoreAll(answered);
  std::vector<double> totals;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const Verdict verdict = NumberAccuracy(completions[i].text, Rational(14), options);
    scores[i].push_back({"accuracy", verdict.score, rubric.accuracy_weight(), verdict.reason});
    totals.push_back(TotalReward(scores[i]));
  }
  return totals;
}

void ExpectNear(const std::vector<double>& got, const std::vector<double>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-12) << i;
}

TEST(Rubric, PaysTheWorkedExampleAsItIsWorkedByHand) {
  ExpectNear(WorkedRewards({.outside = true}), {0.1, 1.1, 1.0, 0.1});
}

TEST(Rubric, PaysNothingForABareNumberByDefault) {
  ExpectNear(WorkedRewards({}), {0.1, 1.1, 0.0, 0.1});
}

TEST(Accuracy, IsEqualityOfExactRationals) {
  for (const char* same : {"14", "14.0", "28/2", "1.4e1"}) {
    const std::string text = "<think>a</think><answer>" + std::string(same) + "</answer>";
    EXPECT_EQ(NumberAccuracy(text, Rational(14), {}).score, 1.0) << same;
  }
  for (const char* other : {"14.0000001", "13", "-14", "14 15", "14 or 15", "1e999999999", "x"}) {
    const std::string text = "<think>a</think><answer>" + std::string(other) + "</answer>";
    EXPECT_EQ(NumberAccuracy(text, Rational(14), {}).score, 0.0) << other;
  }
}

TEST(Accuracy, LooksOutsideTheTagsOnlyWhereThereAreNone) {
  const AccuracyOptions outside{.outside = true};
  const auto score = [&](const char* text) {
    return NumberAccuracy(text, Rational(14), outside).score;
  };
  EXPECT_EQ(score("<think>3</think> It is 14."), 1.0);
  EXPECT_EQ(score("<think>3</think> 15, \\boxed{14}, 16"), 1.0);
  EXPECT_EQ(score("<think>14</think>"), 0.0);
  EXPECT_EQ(score("<think>14"), 0.0);
  EXPECT_EQ(score("<think>a</think><answer>15</answer> 14"), 0.0);
  EXPECT_EQ(score("<think>a</think><answer>15</answer><answer>14</answer>"), 0.0);
  EXPECT_EQ(score("<think>a</think><answer>14"), 0.0);
}

TEST(Rubric, WithoutAListIsAccuracyAlone) {
  const Rubric rubric = Make("[]");
  EXPECT_EQ(rubric.accuracy_weight(), 1.0);
  EXPECT_EQ(rubric.Names(), std::vector<std::string>{"accuracy"});
}

TEST(Rubric, LeavesAccuracyOutWhereTheListDoes) {
  const Rubric rubric = Make("[format]");
  EXPECT_EQ(rubric.accuracy_weight(), 0.0);
  EXPECT_EQ(rubric.Names(), std::vector<std::string>{"format"});
}

TEST(Rubric, NamesWhatIsWrongAndWhere) {
  const std::string unknown = MistakeIn("[accuracy, {name: formt}]");
  EXPECT_NE(unknown.find("run.yaml:1:"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("Did you mean 'format'?"), std::string::npos) << unknown;
  const std::string key = MistakeIn("[{name: format, wieght: 2}]");
  EXPECT_NE(key.find("wieght"), std::string::npos) << key;
  const std::string type = MistakeIn("[{name: format, weight: heavy}]");
  EXPECT_NE(type.find("run.yaml:1:"), std::string::npos) << type;
  EXPECT_NE(MistakeIn("[{name: accuracy, strict: true}]").find("strict"), std::string::npos);
  EXPECT_NE(MistakeIn("[format, format]").find("twice"), std::string::npos);
}

// Counts how often it is asked, and can be told to break its contract.
class CountingReward final : public BatchReward {
 public:
  struct Config {
    bool nan = false;
    bool lose_one = false;
    void VisitFields(FieldVisitor& visit) {
      visit("nan", nan, "give a score that is no number");
      visit("lose_one", lose_one, "give one verdict too few");
    }
  };
  explicit CountingReward(const Config& config) : config_(config) {}
  std::vector<Verdict> ScoreAll(const std::vector<Answered>& answered) const override {
    ++calls;
    std::vector<Verdict> verdicts(answered.size() - (config_.lose_one ? 1 : 0));
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      verdicts[i] = {config_.nan ? std::numeric_limits<double>::quiet_NaN()
                                 : static_cast<double>(answered[i].completion->tokens),
                     "counted"};
    }
    return verdicts;
  }
  static inline std::atomic<int> calls = 0;

 private:
  Config config_;
};

RewardRegistry WithCounting() {
  RewardRegistry rewards = BuiltinRewards();
  rewards.Add<CountingReward>("counting", "for this test");
  return rewards;
}

TEST(Rubric, AsksABatchRewardOnceForAllCompletions) {
  Problems problems;
  const auto rubric =
      Rubric::Make(Choices("[{name: counting, weight: 2}]"), WithCounting(), problems);
  ASSERT_TRUE(problems.empty());
  const Task task;
  const std::vector<Completion> completions = {{"a", 1, false}, {"b", 2, false}, {"c", 3, false}};
  std::vector<Answered> answered;
  for (const auto& completion : completions) answered.push_back({&task, &completion});
  CountingReward::calls = 0;
  const auto scores = rubric.ScoreAll(answered);
  EXPECT_EQ(CountingReward::calls, 1);
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_EQ(scores[2][0].score, 3.0);
  EXPECT_EQ(TotalReward(scores[2]), 6.0);
}

TEST(Rubric, ARewardForOnePartOfAMixtureIsAskedAboutItsTasksAlone) {
  Problems problems;
  const auto rubric = Rubric::Make(Choices("[{name: format}, {name: counting, only: talk, weight: 2}]"), WithCounting(), problems);
  ASSERT_TRUE(problems.empty());
  const Task talk{.prompt = "", .answer = "", .facts = {{"environment", "talk"}}}, sums{.prompt = "", .answer = "", .facts = {{"environment", "sums"}}};
  const std::vector<Completion> completions = {{"a", 1, false}, {"b", 2, false}, {"c", 3, false}};
  CountingReward::calls = 0;
  const auto scores = rubric.ScoreAll({{&talk, &completions[0]}, {&sums, &completions[1]}, {&talk, &completions[2]}});
  EXPECT_EQ(CountingReward::calls, 1);
  EXPECT_EQ(TotalReward(scores[0]), 2.0);
  ASSERT_EQ(scores[1].size(), 1u) << "no score of that name, which is not a score of 0";
  EXPECT_EQ(TotalReward(scores[2]), 6.0);
  EXPECT_TRUE(rubric.ScoreAll({{&sums, &completions[1]}})[0].size() == 1) << "none of its tasks in a step";
}

TEST(Rubric, SaysWhereARewardForAPartCanNeverBePaid) {
  Problems problems;
  const auto rubric = Rubric::Make(Choices("[{name: format, only: talk}]"), WithCounting(), problems);
  const Task alone;
  const Completion completion{"a", 1, false};
  EXPECT_THROW(rubric.ScoreAll({{&alone, &completion}}), ConfigError);
  EXPECT_NE(MistakeIn("[{name: accuracy, only: talk}]").find("every environment"), std::string::npos);
}

TEST(Rubric, ABrokenRewardIsSaidToBeSoAndIsNeverAScoreOfZero) {
  const Task task;
  const Completion completion{"a", 1, false};
  for (const auto& [fault, reason] : {std::pair{"nan", "gave a score that is not a finite number"}, {"lose_one", "returned 0 verdicts for 1 completions"}}) {
    Problems problems;
    const auto rubric = Rubric::Make(Choices("[{name: counting, " + std::string(fault) + ": true}]"), WithCounting(), problems);
    const NamedScore score = rubric.ScoreAll({{&task, &completion}})[0][0];
    EXPECT_TRUE(score.broken) << fault;
    EXPECT_EQ(score.reason, reason);
  }
}

// Throws when it is asked about a text of "x", and scores all others by how many it is asked about.
class FragileReward final : public BatchReward {
 public:
  struct Config {};
  explicit FragileReward(const Config&) {}
  std::vector<Verdict> ScoreAll(const std::vector<Answered>& answered) const override {
    sizes.push_back(answered.size());
    for (const Answered& one : answered) {
      if (one.completion->text == "x") throw RemoteError("no answer");
    }
    return std::vector<Verdict>(answered.size(), {static_cast<double>(answered.size()), "fine"});
  }
  static inline std::vector<std::size_t> sizes;
};

TEST(Rubric, ABatchRewardThatThrowsIsAskedByGroupsThenOneByOne) {
  RewardRegistry rewards("reward");
  rewards.Add<FragileReward>("fragile", "for this test");
  Problems problems;
  const auto rubric = Rubric::Make(Choices("[fragile]"), rewards, problems);
  const Task task;
  const std::vector<Completion> completions = {{"a", 1, false}, {"b", 1, false}, {"x", 1, false}, {"c", 1, false}};
  std::vector<Answered> answered;
  for (int i = 0; i < 4; ++i) answered.push_back({&task, &completions[static_cast<std::size_t>(i)], i / 2});
  FragileReward::sizes.clear();
  const auto scores = rubric.ScoreAll(answered);
  EXPECT_EQ(FragileReward::sizes, (std::vector<std::size_t>{4, 2, 2, 1, 1}));
  EXPECT_EQ(scores[0][0].score, 2.0);  // the sound group was asked as a whole
  EXPECT_EQ(scores[3][0].score, 1.0);
  EXPECT_TRUE(scores[2][0].broken);
  EXPECT_EQ(scores[2][0].reason, "no answer");
  EXPECT_FALSE(scores[3][0].broken);
}

TEST(ExactReward, PaysForTheSameText) {
  const Rubric rubric = Make("[exact]");
  const Task task{"Spell backwards: abc", "cba", {}};
  const Completion right{"<think>a</think><answer> cba </answer>", 1, false};
  const Completion wrong{"<think>a</think><answer>CBA</answer>", 1, false};
  EXPECT_EQ(rubric.ScoreAll({{&task, &right}})[0][0].score, 1.0);
  EXPECT_EQ(rubric.ScoreAll({{&task, &wrong}})[0][0].score, 0.0);
}

}  // namespace
}  // namespace cogent
