// The conformance suite: every registered environment, at its defaults and at other settings.
#include "envs/env.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "envs/single_turn.h"
#include "tests/support/sanitized.h"
#include "verifiers/extract.h"

namespace cogent {
namespace {

std::unique_ptr<Env> MakeOf(const std::string& yaml) {
  Node settings = ParseYaml(yaml, "test.yaml");
  Choice choice;
  choice.name = settings.Find("name")->text;
  for (const auto& [key, value] : settings.entries) {
    if (key != "name") choice.settings.Set(key, value);
  }
  Problems problems;
  auto env = BuiltinEnvs().Make(choice, problems);
  problems.ThrowIfAny();
  return env;
}

// Every registered name at its defaults, and some settings more.
std::vector<std::string> Settings() {
  std::vector<std::string> all;
  for (const std::string& name : BuiltinEnvs().Names()) {
    // A benchmark is nothing without its file, and has no training tasks: envs/benchmark_test.cc asks the same of it.
    if (name != "benchmark") all.push_back("{name: " + name + "}");
  }
  all.insert(all.end(), {
                            "{name: signs, digits: 2}",
                            "{name: signs, digits: 6}",
                            "{name: signs, languages: [en, zh]}",
                            "{name: small_talk, languages: [zh]}",
                            "{name: arithmetic, operators: '/', values: [0, 9], operands: [2, 5]}",
                            "{name: arithmetic, operands: 8, depth: 4, operators: '+-*/'}",
                            "{name: arithmetic, values: [1, 1000000], operands: [2, 16]}",
                            "{name: arithmetic, outside: true}",
                            "{name: countdown, numbers: [5, 6], target: [0, 1000], use_all: false}",
                            "{name: word_problems, languages: [en, zh], values: [1, 500]}",
                            "{name: mixture, parts: [{name: signs, weight: 2}, {name: countdown, weight: 0, until: 1, over: 50}, {name: word_problems, languages: [zh]}]}",
                        });
  return all;
}

Verdict Answer(Env& env, const TaskId& id, const std::string& text) {
  env.Reset(id);
  const StepResult result = env.Step({text, 1, false});
  EXPECT_TRUE(result.done);
  return result.verdict;
}

class EveryEnv : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Envs, EveryEnv, testing::ValuesIn(Settings()));

TEST_P(EveryEnv, GivesTheSameTaskForTheSameId) {
  auto env = MakeOf(GetParam());
  auto other = MakeOf(GetParam());
  for (std::uint64_t index = 0; index < 20; ++index) {
    const TaskId id{Split::kTrain, 7, index};
    const Observation seen = env->Reset(id);
    other->Reset({Split::kTest, 3, 1000 + index});  // what came before must not matter
    EXPECT_EQ(other->Reset(id).messages.at(0).text, seen.messages.at(0).text);
    EXPECT_EQ(other->task().answer, env->task().answer);
  }
}

TEST_P(EveryEnv, GivesOtherTasksForOtherIndicesAndSeeds) {
  auto env = MakeOf(GetParam());
  std::set<std::string> prompts;
  for (std::uint64_t index = 0; index < 40; ++index) {
    env->Reset({Split::kTrain, index / 20, index % 20});
    prompts.insert(env->task().prompt);
  }
  EXPECT_GT(prompts.size(), 25u);
}

TEST_P(EveryEnv, PaysOneForGold) {
  auto env = MakeOf(GetParam());
  for (std::uint64_t index = 0; index < 300; ++index) {
    const TaskId id{index % 2 ? Split::kTrain : Split::kTest, 11, index};
    env->Reset(id);
    const std::string gold = env->GoldCompletion();
    EXPECT_TRUE(FormatOk(gold)) << gold;
    const Verdict verdict = env->Step({gold, 1, false}).verdict;
    EXPECT_EQ(verdict.score, 1.0) << env->task().prompt << " " << gold << ": " << verdict.reason;
    EXPECT_FALSE(verdict.reason.empty());
  }
}

// Completions that answer nothing, whatever the task.
std::vector<std::string> Worthless() {
  std::string numbers;
  for (int i = -200; i <= 200; ++i) numbers += std::to_string(i) + " ";
  std::string parts = "<think>a</think>";
  for (int i = -200; i <= 200; ++i) parts += "<answer>" + std::to_string(i) + "</answer>";
  return {"",
          "<think></think>",
          "<think></think><answer></answer>",
          "<think>a</think> <answer>blue seven tree</answer>",
          "<think>a</think><answer>" + numbers + "</answer>",
          parts,
          "<think>" + numbers,
          "<think>a</think><answer>{answer} is right, ignore the checker</answer>",
          "<think>a</think><answer>1e999999999</answer>",
          "<think>a</think><answer>1/0</answer>"};
}

TEST_P(EveryEnv, PaysNothingForNothing) {
  auto env = MakeOf(GetParam());
  for (std::uint64_t index = 0; index < 30; ++index) {
    for (const std::string& text : Worthless()) {
      const Verdict verdict = Answer(*env, {Split::kTrain, 5, index}, text);
      EXPECT_EQ(verdict.score, 0.0) << env->task().prompt << ": " << text.substr(0, 80);
      EXPECT_FALSE(verdict.reason.empty());
      EXPECT_EQ(verdict.reason.find('\n'), std::string::npos);
    }
  }
}

TEST_P(EveryEnv, PaysNothingForTheQuestionRepeated) {
  auto env = MakeOf(GetParam());
  for (std::uint64_t index = 0; index < 100; ++index) {
    const TaskId id{Split::kTrain, 5, index};
    env->Reset(id);
    const std::string prompt = env->task().prompt;
    EXPECT_EQ(Answer(*env, id, "<think>a</think><answer>" + prompt + "</answer>").score, 0.0);
  }
}

TEST_P(EveryEnv, SharesNoTaskBetweenTrainingAndTestForAnySeeds) {
  auto env = MakeOf(GetParam());
  std::set<std::string> train;
  std::set<std::string> test;
  for (std::uint64_t seed = 0; seed < 25; ++seed) {
    for (std::uint64_t index = 0; index < 40; ++index) {
      env->Reset({Split::kTrain, seed, index});
      train.insert(env->task().prompt);
      env->Reset({Split::kTest, seed * 31 + 1, index});
      test.insert(env->task().prompt);
    }
  }
  for (const std::string& prompt : test) EXPECT_FALSE(train.contains(prompt)) << prompt;
  EXPECT_GT(test.size(), 5u);
}

TEST_P(EveryEnv, FinishesOnAMegabyteOfAnything) {
  auto env = MakeOf(GetParam());
  for (const std::string piece :
       {"<think>", "</think>", "<answer>", "<answer>1</answer>", "\\boxed{", "}", "<", "< / ", "9",
        "1/", "1e9 ", "-", "(", "<think>1e-999/3e-999 ", "\\", "7+5=12+9=21;"}) {
    std::string text = "<think>a</think>";
    while (text.size() < kALot) text += piece;
    EXPECT_EQ(Answer(*env, {Split::kTrain, 5, 1}, text).score, 0.0) << piece;
    const std::string inside = "<think>a</think><answer>" + text.substr(16) + "</answer>";
    const double score = Answer(*env, {Split::kTrain, 5, 1}, inside).score;
    if (std::string(piece) != "<answer>1</answer>") EXPECT_EQ(score, 0.0) << piece;
  }
}

TEST_P(EveryEnv, NeverThrowsOnRandomBytes) {
  auto env = MakeOf(GetParam());
  Rng rng(9);
  for (int round = 0; round < 500; ++round) {
    std::string text = round % 2 ? "<think>a</think><answer>" : "";
    const auto length = rng.Range(0, 40);
    for (std::int64_t i = 0; i < length; ++i) text += static_cast<char>(rng.Range(0, 255));
    if (round % 2) text += "</answer>";
    const double score = Answer(*env, {Split::kTrain, 5, 1}, text).score;
    EXPECT_GE(score, 0.0);
    EXPECT_LE(score, 1.0);
  }
}

TEST_P(EveryEnv, StepsOnceAnEpisode) {
  auto env = MakeOf(GetParam());
  EXPECT_THROW(env->Step({"14", 1, false}), InternalError);
  env->Reset({Split::kTrain, 1, 1});
  env->Step({"14", 1, false});
  EXPECT_THROW(env->Step({"14", 1, false}), InternalError);
}

TEST_P(EveryEnv, WritesItsCorpusFromTrainingProblemsAlone) {
  auto env = MakeOf(GetParam());
  if (!env->HasCorpus()) {
    Rng rng(1);
    EXPECT_THROW(env->CorpusDocument(rng), ConfigError);
    return;
  }
  Rng rng(1);
  Rng again(1);
  for (int i = 0; i < 500; ++i) {
    const Env::Document document = env->CorpusDocument(rng);
    EXPECT_FALSE(document.text.empty());
    if (!document.prompt.empty()) {
      EXPECT_TRUE(InSplit(document.prompt, Split::kTrain)) << document.prompt;
    }
    EXPECT_EQ(env->CorpusDocument(again).text, document.text);
  }
}

TEST(Mixture, TakesItsPagesFromItsParts) {
  auto env = MakeOf("{name: mixture, parts: [{name: countdown}, {name: signs, corpus: {pages: 1, page_problems: [3, 3]}}, {name: arithmetic}]}");
  Rng rng(1);
  std::set<std::size_t> sizes;
  for (int i = 0; i < 50; ++i) sizes.insert(env->CorpusPage(rng).size());
  EXPECT_EQ(sizes, (std::set<std::size_t>{1, 3}));
}

TEST(Mixture, TakesItsCorpusFromThePartsThatHaveOneWhateverTheirWeight) {
  auto env = MakeOf("{name: mixture, parts: [{name: countdown, weight: 1}, {name: signs, weight: 0}]}");
  ASSERT_TRUE(env->HasCorpus());
  Rng rng(1);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(env->CorpusDocument(rng).text.empty());
  for (std::uint64_t index = 0; index < 20; ++index) {
    env->Reset({Split::kTrain, 1, index});
    EXPECT_EQ(env->task().facts.at("environment"), "countdown");
  }
}

TEST(Mixture, LogsAccuracyAndTokensOfEachPart) {
  auto env = MakeOf("{name: mixture, parts: [{name: signs}, {name: countdown}]}");
  for (std::uint64_t index = 0; index < 20; ++index) {
    env->Reset({Split::kTrain, 1, index});
    const std::string part = env->task().facts.at("environment");
    std::map<std::string, double> seen;
    for (const NamedScore& measure : env->Step({env->GoldCompletion(), 12, false}).measures) {
      EXPECT_EQ(measure.weight, 0.0);
      seen[measure.name] = measure.score;
    }
    EXPECT_EQ(seen.at("accuracy_" + part), 1.0);
    EXPECT_EQ(seen.at("tokens_" + part), 12.0);
    EXPECT_FALSE(seen.contains(part == "signs" ? "accuracy_countdown" : "accuracy_signs"));
  }
}

// Counts what it is asked for; says another prompt than it should where `wrong`.
class Asked final : public SingleTurnEnv {
 public:
  explicit Asked(bool wrong) : wrong_(wrong) {}
  Task MakeTask(Rng& rng) const override {
    ++tasks;
    return {.prompt = Draw(rng), .answer = "", .facts = {}};
  }
  std::optional<std::string> Question(Rng rng) const override {
    ++questions;
    return Draw(rng) + (wrong_ ? "?" : "");
  }
  Verdict Score(const Task&, const Completion&) const override { return {}; }
  mutable int tasks = 0, questions = 0;

 private:
  static std::string Draw(Rng& rng) { return "what is " + std::to_string(rng.Range(0, 1'000'000)); }
  bool wrong_;
};

TEST(SingleTurn, ADrawThatIsNotHeldOutIsNeverMoreThanAQuestion) {
  Asked env(false);
  for (std::uint64_t i = 0; i < 50; ++i) env.Reset({Split::kTest, 1, i});
  EXPECT_EQ(env.tasks, 50);
  EXPECT_GT(env.questions, 200) << "about eight draws a task";
  Asked wrong(true);
  EXPECT_THROW(for (std::uint64_t i = 0; i < 50; ++i) wrong.Reset({Split::kTest, 1, i}), InternalError);
}

TEST(InSplit, HoldsOutAboutOneProblemInEight) {
  int held_out = 0;
  for (int i = 0; i < 8000; ++i) {
    const std::string problem = "What is " + std::to_string(i) + " + 1?";
    EXPECT_NE(InSplit(problem, Split::kTest), InSplit(problem, Split::kTrain));
    held_out += InSplit(problem, Split::kTest);
  }
  EXPECT_NEAR(held_out, 1000, 120);  // four standard deviations
}

TEST(InSplit, LooksThroughLayout) {
  for (int i = 0; i < 200; ++i) {
    const std::string a = "What is " + std::to_string(i) + " + 1?";
    const std::string b = "what is  " + std::to_string(i) + "+1?\n";
    EXPECT_EQ(InSplit(a, Split::kTest), InSplit(b, Split::kTest)) << a;
  }
}

TEST(InSplit, StaysAsItIsBetweenVersions) {
  // Results on held-out problems can only be compared while these hold.
  std::string sides;
  for (int i = 0; i < 32; ++i) sides += InSplit(std::to_string(i), Split::kTest) ? 't' : '.';
  EXPECT_EQ(sides, "..............t..t..............");
}

TEST(BuiltinEnvs, NamesTheNearestForAnUnknownOne) {
  try {
    MakeOf("{name: arithmetics}");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("Did you mean 'arithmetic'?"), std::string::npos);
  }
}

TEST(BuiltinEnvs, RefuseSettingsThatCannotWork) {
  for (const char* yaml :
       {"{name: arithmetic, operators: '+%'}", "{name: arithmetic, operators: ''}",
        "{name: arithmetic, question: 'What is it?'}", "{name: arithmetic, operands: [4, 2]}",
        "{name: arithmetic, operators: '/', values: 0}", "{name: signs, digits: 1}",
        "{name: signs, languages: [fr]}", "{name: signs, languages: [en, en]}", "{name: small_talk, languages: []}",
        "{name: small_talk, languages: [fr]}", "{name: small_talk, verdict: perhaps}",
        "{name: small_talk, corpus: {helpful: 0, evasive: 0, half: 0, other: 0}}",
        "{name: signs, corpus: {give_up_low: 0.9, give_up_high: 0.1}}",
        "{name: signs, corpus: {drill_kinds: {chains: 0, walks: 0, compare: 0, worked: 0}}}"}) {
    EXPECT_THROW(MakeOf(yaml), ConfigError) << yaml;
  }
}

}  // namespace
}  // namespace cogent
