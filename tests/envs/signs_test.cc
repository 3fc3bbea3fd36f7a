// The notation of signs, its scoring, its corpus, and the measure of a scratchpad.
#include "envs/signs.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "envs/env.h"
#include "verifiers/extract.h"

namespace cogent {
namespace {

const char kPrompt[] = "7 5 9 3=14";

std::unique_ptr<Env> Signs(const std::string& settings = "{}") {
  Problems problems;
  Choice choice{.name = "signs", .settings = ParseYaml(settings, "test.yaml"), .location = {}};
  auto env = BuiltinEnvs().Make(choice, problems);
  problems.ThrowIfAny();
  return env;
}

std::string Quality(const std::string& prompt, const std::string& text) {
  const ScratchpadQuality q = CheckScratchpad(prompt, text);
  return std::to_string(q.sums_right) + "/" + std::to_string(q.sums) + " " +
         std::to_string(q.verdicts_right) + "/" + std::to_string(q.verdicts);
}

TEST(Signs, JudgesValueDigitsAndOrder) {
  const SignsProblem problem = *ReadSignsPrompt(kPrompt);
  EXPECT_EQ(SignsFault("7-5+9+3", problem), "");
  EXPECT_EQ(SignsFault("7+5+9+3", problem), "the sum is 24, not 14");
  for (const char* wrong :
       {"", "14", "7-5+9", "7-5+9+3+0", "5-7+9+3", "7-5+9+3=14", "7 - 5 + 9 + 3", "+7-5+9+3",
        "7*5+9+3", "7-5+9+", "7--5+9+3", "07-5+9+30", "7-5+93"}) {
    EXPECT_NE(SignsFault(wrong, problem), "") << wrong;
  }
}

TEST(Signs, SearchesFromAllPlusOn) {
  const std::vector<std::string> order = {"+++", "++-", "+-+", "-++", "+--", "-+-", "--+", "---"};
  EXPECT_EQ(SignCandidates(4), order);
  EXPECT_EQ(SignCandidates(2), (std::vector<std::string>{"+", "-"}));
  EXPECT_EQ(SignCandidates(8).size(), 128u);
}

TEST(Signs, WritesRunningSumsBelowZero) {
  EXPECT_EQ(RunningSums({2, 3, 2, 4}, "-+-"), "2-3=-1+2=1-4=-3");
}

TEST(Signs, ReadsOnlyItsOwnPrompts) {
  EXPECT_EQ(ReadSignsPrompt("2 3=-1")->target, -1);
  for (const char* wrong : {"", "7", "7 5", "7=7", "7 5=", "7  5=12", "a b=3", "7 5=12 ", "=14"}) {
    EXPECT_FALSE(ReadSignsPrompt(wrong).has_value()) << wrong;
  }
}

TEST(Signs, GoldStopsAtTheFirstHit) {
  auto env = Signs();
  for (std::uint64_t index = 0; index < 200; ++index) {
    env->Reset({Split::kTrain, 3, index});
    const std::string gold = env->GoldCompletion();
    const auto reasoning = Reasoning(gold)->text;
    EXPECT_EQ(reasoning.find('y'), reasoning.size() - 1) << gold;
    EXPECT_EQ(*Extract(gold).text, env->task().answer);
  }
}

TEST(Scratchpad, CountsRightSumsAndVerdicts) {
  EXPECT_EQ(Quality(kPrompt, "<think>7+5=12+9=21+3=24n;7-5=2+9=11+3=14y</think>"), "6/6 2/2");
}

TEST(Scratchpad, FindsAWrongSumAndAWrongVerdict) {
  EXPECT_EQ(Quality(kPrompt, "<think>7+5=13+9=22+3=25n</think>"), "2/3 1/1");
  EXPECT_EQ(Quality(kPrompt, "<think>7+5=12+9=21+3=24y</think>"), "3/3 0/1");
  EXPECT_EQ(Quality(kPrompt, "<think>7-5=2+9=11+3=14n</think>"), "3/3 0/1");
}

TEST(Scratchpad, WantsTheDigitsOfTheProblemInTheirPlaces) {
  EXPECT_EQ(Quality(kPrompt, "<think>7+5=12+8=20+3=23n</think>"), "1/3 1/1");
  EXPECT_EQ(Quality(kPrompt, "<think>7+5=12+9=21n</think>"), "2/2 0/1");
  EXPECT_EQ(Quality(kPrompt, "<think>7+5=12+9=21+3=24+1=25n</think>"), "3/4 0/1");
}

TEST(Scratchpad, CountsWhatCannotBeReadAsAWrongSum) {
  EXPECT_EQ(Quality(kPrompt, "<think>7+5=12+9=21+3=24n;;7+</think>"), "3/5 1/1");
  EXPECT_EQ(Quality(kPrompt, "<think>hello</think>"), "0/1 0/0");
  EXPECT_EQ(Quality(kPrompt, "<think>7+5=12+9=21+3=24yn</think>"), "3/4 0/0");
}

TEST(Scratchpad, DoesNotCountWhatTheLengthLimitCutOff) {
  EXPECT_EQ(Quality(kPrompt, "<think>7+5=12+9=2"), "1/1 0/0");
  EXPECT_EQ(Quality(kPrompt, "<think>7+5=12+9=21+3=24n;7+"), "3/3 1/1");
  EXPECT_EQ(Quality(kPrompt, "<think>7+5=12+9=21+3=24n;"), "3/3 1/1");
}

TEST(Scratchpad, IsEmptyWithoutReasoning) {
  EXPECT_EQ(Quality(kPrompt, "<think></think><answer>7-5+9+3</answer>"), "0/0 0/0");
  EXPECT_EQ(Quality(kPrompt, ""), "0/0 0/0");
}

TEST(Scratchpad, JudgesSumsAloneWithoutAProblem) {
  EXPECT_EQ(Quality("", "<think>7+5=12+9=21;4-6=-2+8=7</think>"), "3/4 0/0");
}

// Splits `=14<think>..` or `7 5 9 3=14<think>..` of a drill; checks marked numbers by hand.
void CheckComparisons(const std::string& text) {
  const int target = std::stoi(text.substr(1));
  std::string rest = Reasoning(text)->text + ";";
  for (std::size_t end; (end = rest.find(';')) != std::string::npos; rest.erase(0, end + 1)) {
    const std::string line = rest.substr(0, end);
    EXPECT_EQ(line.back() == 'y', std::stoi(line) == target) << text;
  }
}

TEST(SignsCorpus, HoldsOnlyRightSumsAndVerdictsOnTrainingProblems) {
  for (const char* settings : {"{}", "{digits: 2}", "{digits: 6}"}) {
    auto env = Signs(settings);
    Rng rng(4);
    std::map<std::string, int> kinds;
    for (int i = 0; i < 3000; ++i) {
      const Env::Document document = env->CorpusDocument(rng);
      const std::string before = document.text.substr(0, document.text.find("<think>"));
      if (document.prompt.empty() && before.starts_with("=")) {
        ++kinds["compare"];
        CheckComparisons(document.text);
        continue;
      }
      const std::string problem = document.prompt.empty() ? before : document.prompt;
      ++kinds[document.prompt.empty() ? (before.empty() ? "chains" : "worked") : "attempt"];
      if (!problem.empty()) {
        EXPECT_TRUE(InSplit(problem, Split::kTrain)) << problem;
        EXPECT_TRUE(ReadSignsPrompt(problem).has_value()) << problem;
      }
      const ScratchpadQuality quality = CheckScratchpad(problem, document.text);
      EXPECT_EQ(quality.sums, quality.sums_right) << document.text;
      EXPECT_EQ(quality.verdicts, quality.verdicts_right) << document.text;
      if (!document.prompt.empty()) EXPECT_TRUE(Extract(document.text).text) << document.text;
    }
    EXPECT_EQ(kinds.size(), 4u);
    EXPECT_NEAR(kinds["attempt"], 1500, 110);  // four standard deviations
  }
}

struct Mix {
  double guesses = 0;  // share without a working
  double patient = 0;  // share of the searches that reach a hit
  double right = 0;    // share of right answers
  double lying = 0;    // share of searches without a hit whose answer is right all the same
};

Mix Measure(const std::string& settings) {
  auto env = Signs(settings);
  Rng rng(8);
  constexpr int kDocuments = 2000;
  Mix mix;
  for (int i = 0; i < kDocuments; ++i) {
    const Env::Document document = env->CorpusDocument(rng);
    const auto reasoning = Reasoning(document.text)->text;
    const bool right =
        SignsFault(*Extract(document.text).text, *ReadSignsPrompt(document.prompt)).empty();
    mix.right += right / double{kDocuments};
    mix.guesses += reasoning.empty() / double{kDocuments};
    mix.patient += reasoning.ends_with("y") / double{kDocuments};
    mix.lying += (reasoning.ends_with("n") && right) / double{kDocuments};
  }
  return mix;
}

TEST(SignsCorpus, FollowsItsShares) {
  const Mix usual = Measure("{corpus: {drills: 0}}");
  EXPECT_NEAR(usual.guesses, 0.12, 0.03);
  EXPECT_GT(usual.right, 0.15);
  EXPECT_LT(usual.right, 0.35);
  EXPECT_EQ(usual.lying, 0.0);
  const Mix never = Measure("{corpus: {drills: 0, guess: 0, never_give_up: 1}}");
  EXPECT_NEAR(never.right, 1.0, 1e-9);
  EXPECT_NEAR(never.patient, 1.0, 1e-9);
  const Mix guessing = Measure("{corpus: {drills: 0, guess: 1}}");
  EXPECT_NEAR(guessing.guesses, 1.0, 1e-9);
  EXPECT_LT(guessing.right, 0.25);
}

TEST(SignsCorpus, CanBeDrillsAlone) {
  auto env = Signs("{corpus: {drills: 1}}");
  Rng rng(8);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(env->CorpusDocument(rng).prompt, "");
}

}  // namespace
}  // namespace cogent
