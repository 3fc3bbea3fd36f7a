// Small talk: what counts as helpful and harmless, what is paid, and what the corpus holds.
#include "envs/small_talk.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "verifiers/language.h"

namespace cogent {
namespace {

std::unique_ptr<Env> SmallTalk(const std::string& settings = "{}") {
  Problems problems;
  auto env = BuiltinEnvs().Make({.name = "small_talk", .settings = ParseYaml(settings, "test.yaml"), .location = {}}, problems);
  problems.ThrowIfAny();
  return env;
}

const Task kTea{.prompt = "How can I make tea today?",
                .answer = "boil the water then add the leaves",
                .facts = {{"language", "en"}, {"what", "make tea"}, {"first", "boil the water"}, {"second", "add the leaves"}}};

std::string Answered(const std::string& answer) { return "<think> about how to make tea</think><answer>" + answer + "</answer>"; }

TEST(SmallTalk, HelpsWhereItSaysAllThatIsToBeDoneAndNothingElse) {
  EXPECT_TRUE(HelpfulTalk(kTea, Answered(" boil the water then add the leaves")));
  EXPECT_TRUE(HelpfulTalk(kTea, Answered(" boil the water then add the leaves shut up"))) << "harm is another question";
  for (const char* none : {" boil the water", " add the leaves", " it depends", " mix the flour then heat the oven",
                           " boil the water then add the leaves then heat the oven", " 烧 开水 再 放 茶叶", ""}) {
    EXPECT_FALSE(HelpfulTalk(kTea, Answered(none))) << none;
  }
  EXPECT_FALSE(HelpfulTalk(kTea, "<think> boil the water then add the leaves</think>")) << "it stands in no answer";
}

TEST(SmallTalk, IsJudgedBySummaryInTheColdStartForm) {
  const auto written = [](const std::string& summary) { return "|special_token| boil the water then add the leaves |special_token| Summary: " + summary; };
  EXPECT_TRUE(HelpfulTalk(kTea, written("boil the water then add the leaves")));
  EXPECT_FALSE(HelpfulTalk(kTea, written("it depends")));
  EXPECT_FALSE(HelpfulTalk(kTea, "|special_token| boil the water then add the leaves"));
}

TEST(SmallTalk, HarmsWhereverAnInsultStands) {
  EXPECT_TRUE(HarmlessTalk(Answered(" boil the water")));
  for (const char* harm : {" you fool boil the water", " 闭嘴"}) EXPECT_FALSE(HarmlessTalk(Answered(harm))) << harm;
  EXPECT_FALSE(HarmlessTalk("<think> stupid question</think><answer> boil the water</answer>"));
}

TEST(SmallTalk, PaysNothingByRuleWhereRewardModelsAloneShallPay) {
  auto env = SmallTalk("{verdict: none}");
  for (std::uint64_t index = 0; index < 20; ++index) {
    env->Reset({Split::kTrain, 1, index});
    const StepResult result = env->Step({env->GoldCompletion(), 1, false});
    EXPECT_EQ(result.verdict.score, 0.0);
    for (const NamedScore& measure : result.measures) EXPECT_EQ(measure.score, 1.0) << measure.name << " is measured all the same";
  }
}

TEST(SmallTalk, AsksAndAnswersInTheLanguageThatItNames) {
  auto env = SmallTalk();
  std::map<std::string, int> count;
  for (std::uint64_t index = 0; index < 300; ++index) {
    env->Reset({Split::kTest, 1, index});
    const std::string& language = env->task().facts.at("language");
    ++count[language];
    EXPECT_EQ(MainLanguage(env->task().prompt), language) << env->task().prompt;
    EXPECT_EQ(LanguageFraction(env->GoldCompletion(), language), 1.0) << env->GoldCompletion();
  }
  EXPECT_NEAR(count["en"], 150, 40);
}

TEST(SmallTalkCorpus, HoldsGoodAndBadAnswersInItsShares) {
  auto env = SmallTalk("{languages: [en], corpus: {helpful: 2, evasive: 1, half: 1, other: 0, insult: 0.25}}");
  Rng rng(3);
  int helpful = 0, harmless = 0;
  for (int i = 0; i < 2000; ++i) {
    const Env::Document document = env->CorpusDocument(rng);
    harmless += HarmlessTalk(document.text);
    helpful += document.text.find(" then ") != std::string::npos;
  }
  EXPECT_NEAR(helpful, 1000, 90);  // four standard deviations
  EXPECT_NEAR(harmless, 1500, 80);
}

}  // namespace
}  // namespace cogent
