// The notation of signs, its scoring, its corpus, and the measure of a scratchpad.
#include "envs/signs.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "envs/env.h"
#include "verifiers/extract.h"
#include "verifiers/language.h"

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

TEST(Scratchpad, ReadsACheckAsAWorking) {
  const std::string text = "<think>7-5=2+9=11+3=14y;c7-5=2+9=11+3=14y</think>";
  EXPECT_EQ(Quality(kPrompt, text), "6/6 2/2");
  EXPECT_EQ(CheckScratchpad(kPrompt, text).checks, 1);
  EXPECT_EQ(Quality(kPrompt, "<think>cc7-5=2+9=11+3=14y</think>"), "0/1 0/0");
}

TEST(Scratchpad, IsReadInTheColdStartForm) {
  EXPECT_EQ(Quality(kPrompt, "|special_token| 7-5=2+9=11+3=14y |special_token| Summary: 7-5+9+3"), "3/3 1/1");
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

const char kInWords[] = "{languages: [en, zh]}";

// The words of two languages in turn, from the given one on.
std::string InTurn(const std::string& notation, std::size_t at = 0) {
  const std::vector<std::string> codes = {"en", "zh"};
  return SaySigns(notation, [&] { return codes[at++ % 2]; });
}

TEST(SignsInWords, AreTheNotationSaid) {
  EXPECT_EQ(SaySigns("7+5=12-9=3n;7-9=-2y", [] { return "en"; }), " 7 plus 5 makes 12 minus 9 makes 3 wrong; 7 minus 9 makes -2 right");
  EXPECT_EQ(SaySigns("7+5=12n", [] { return "zh"; }), " 7 加 5 得 12 错");
  EXPECT_EQ(InTurn("7+5=12n"), " 7 plus 5 得 12 wrong");
  EXPECT_EQ(SayProblem(*ReadSignsPrompt(kPrompt), "en"), "Set signs so that 7 5 9 3 makes 14");
}

TEST(SignsInWords, AreReadBackWhateverTheirLanguages) {
  for (const char* notation : {"7+5=12+9=21+3=24n;7-5=2+9=11+3=14y", "2-3=-1+2=1-4=-3n", "", "7+5=12;4-6=-2"}) {
    for (std::size_t first : {0u, 1u}) EXPECT_EQ(UnsaySigns(InTurn(notation, first)), notation);
  }
}

TEST(SignsInWords, WithAForeignWordOrAMissingOneCannotBeRead) {
  EXPECT_EQ(UnsaySigns(" 7 plus 5 gives 12"), "7+5?12");
  EXPECT_EQ(UnsaySigns(" 7 plus 5 12"), "7+5?12");
  EXPECT_EQ(UnsaySigns(" 7 加得 5"), "7?5");
  EXPECT_EQ(UnsaySigns("\xff\xe5 7"), "?7");
}

TEST(SignsInWords, AProblemIsAskedInOneLanguageAlone) {
  auto env = Signs(kInWords);
  std::map<std::string, std::set<std::string>> languages;
  std::map<std::string, int> count;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    for (std::uint64_t index = 0; index < 500; ++index) {
      env->Reset({index % 2 ? Split::kTrain : Split::kTest, seed, index});
      const Task& task = env->task();
      languages[task.facts.at("problem")].insert(task.facts.at("language"));
      ++count[task.facts.at("language")];
      EXPECT_EQ(MainLanguage(task.prompt), task.facts.at("language")) << task.prompt;
    }
  }
  for (const auto& [problem, seen] : languages) EXPECT_EQ(seen.size(), 1u) << problem;
  EXPECT_NEAR(count["en"], 1500, 200);
}

std::map<std::string, double> Measures(Env& env, const std::string& completion) {
  std::map<std::string, double> seen;
  for (const NamedScore& measure : env.Step({completion, 1, false}).measures) seen[measure.name] = measure.score;
  return seen;
}

TEST(SignsInWords, MeasureMixingAndWorkings) {
  auto env = Signs(kInWords);
  const auto ask = [&] {
    for (std::uint64_t index = 0;; ++index) {
      env->Reset({Split::kTrain, 3, index});
      if (env->task().facts.at("language") == "en") return *ReadSignsPrompt(env->task().facts.at("problem"));
    }
  };
  ask();
  const std::string gold = env->GoldCompletion();
  EXPECT_EQ(Measures(*env, gold), (std::map<std::string, double>{{"checked", 0}, {"mixed", 0}, {"right_sums", 1}, {"right_verdicts", 1}}));
  const std::string sums = RunningSums(ask().digits, "+++") + "y";  // which is no hit of this problem, and says it is
  const auto liar = Measures(*env, "<think>" + InTurn(sums) + "</think><answer>1</answer>");
  EXPECT_EQ(liar.at("mixed"), 1.0);
  EXPECT_EQ(liar.at("right_sums"), 1.0);
  ask();
  EXPECT_TRUE(Measures(*env, "<think></think><answer>1</answer>").empty()) << "nothing said, nothing measured";
}

TEST(SignsInWordsCorpus, HoldsRightWorkingsThatMixTheMoreTheLongerTheyAre) {
  auto env = Signs(kInWords);
  Rng rng(4);
  std::map<bool, std::pair<int, int>> mixed;  // of one working, of several: mixed, all
  for (int i = 0; i < 4000; ++i) {
    const Env::Document document = env->CorpusDocument(rng);
    const auto reasoning = Reasoning(document.text)->text;
    const ScratchpadQuality quality = CheckScratchpad("", "<think>" + UnsaySigns(reasoning) + "</think>");
    if (document.text.find(" makes") == 0 || document.text.find(" 得") == 0 || reasoning.empty()) continue;  // numbers against a target; a guess
    EXPECT_EQ(quality.sums, quality.sums_right) << document.text;
    if (document.prompt.empty()) continue;
    const LanguageCounts words = CountLanguages(reasoning);
    const int main = words.words[MainOf(words)];
    auto& [some, all] = mixed[reasoning.find(';') != std::string::npos];
    some += main < words.total;
    ++all;
  }
  EXPECT_LT(mixed[false].first, 0.15 * mixed[false].second);
  EXPECT_GT(mixed[true].first, 0.25 * mixed[true].second);
}

TEST(SignsInWordsCorpus, DoesNotMixWhereItIsToldNotTo) {
  auto env = Signs("{languages: [en, zh], corpus: {drills: 0, mixed: 0, mixed_more: 0}}");
  Rng rng(4);
  for (int i = 0; i < 500; ++i) {
    const Env::Document document = env->CorpusDocument(rng);
    const LanguageCounts words = CountLanguages(Reasoning(document.text)->text);
    EXPECT_EQ(words.words[LanguageIndex(MainLanguage(document.prompt))], words.total) << document.text;
  }
}

// What a reasoning shows of the manner that it was written in.
std::string MannerOf(const Env::Document& document) {
  const std::string reasoning = UnsaySigns(Reasoning(document.text)->text);
  if (reasoning.empty()) return "guess";
  const std::size_t end = reasoning.find(";c");
  return reasoning.substr(0, end).ends_with("y") ? end == std::string::npos ? "hit" : "checked hit" : "gives up";
}

TEST(SignsCorpus, HasPagesOfProblemsInOneManner) {
  auto env = Signs("{languages: [en, zh], corpus: {pages: 1, page_patient: 0.5, guess: 0.3, checked: 0.5, page_problems: [2, 3]}}");
  Rng rng(4);
  std::map<std::string, int> kinds;
  for (int i = 0; i < 600; ++i) {
    const auto page = env->CorpusPage(rng);
    ASSERT_TRUE(page.size() == 2 || page.size() == 3);
    std::set<std::string> manners;
    for (const Env::Document& document : page) {
      EXPECT_FALSE(document.prompt.empty());
      manners.insert(MannerOf(document));
    }
    EXPECT_TRUE(manners.size() == 1 || manners == (std::set<std::string>{"hit", "gives up"}) || manners == (std::set<std::string>{"checked hit", "gives up"}))
        << "a page is all guesses, all checked or all unchecked, and only one that gives up may hit by chance";
    ++kinds[manners.size() == 1 ? *manners.begin() : "both"];
  }
  EXPECT_NEAR(kinds["guess"], 600 * 0.5 * 0.3, 40);
  EXPECT_GT(kinds["hit"], 130);
  EXPECT_GT(kinds["checked hit"], 130);
}

TEST(SignsCorpus, IsOfSingleDocumentsWithoutPages) {
  auto env = Signs();
  Rng rng(4), again(4);
  for (int i = 0; i < 200; ++i) {
    const auto page = env->CorpusPage(rng);
    ASSERT_EQ(page.size(), 1u);
    EXPECT_EQ(page[0].text, env->CorpusDocument(again).text);
  }
}

TEST(SignsCorpus, HeedsAWishToCheck) {
  auto env = Signs("{languages: [en, zh], corpus: {drills: 0, ask: check each step, asked: 0.5, heeded: 0.8, never_give_up: 0}}");
  Rng rng(4);
  int asked = 0, heeded = 0;
  for (int i = 0; i < 1000; ++i) {
    Env::Document document = env->CorpusDocument(rng);
    const std::string manner = MannerOf(document);
    if (!document.prompt.ends_with(" check each step")) {
      EXPECT_NE(manner, "checked hit") << "nobody asked";
      continue;
    }
    ++asked;
    heeded += manner == "checked hit";
  }
  EXPECT_NEAR(asked, 500, 64);  // four standard deviations
  EXPECT_NEAR(heeded, 0.8 * asked, 40);
  EXPECT_THROW(Signs("{corpus: {asked: 0.5}}"), ConfigError) << "asked for what?";
}

}  // namespace
}  // namespace cogent
