// Language consistency: the cases, the worked example, and what must hold for any text.
#include "verifiers/language.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "tests/support/same_draws.h"
#include "verifiers/accuracy.h"
#include "verifiers/prose.h"

namespace cogent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Outcome {
  int cases = 0;
  std::set<std::string> outside;  // ids of those outside their range
};

Outcome RunCases(const std::string& name) {
  std::ifstream file(std::string(COGENT_SOURCE_DIR) + "/tests/data/" + name);
  EXPECT_TRUE(file) << name;
  Outcome outcome;
  for (std::string line; std::getline(file, line); ++outcome.cases) {
    const auto json = nlohmann::json::parse(line);
    const double fraction =
        LanguageFraction(json["text"].get<std::string>(), json["target"].get<std::string>());
    const double low = json["expected_fraction_range"][0],
                 high = json["expected_fraction_range"][1];
    if (fraction < low - 1e-9 || fraction > high + 1e-9) outcome.outside.insert(json["id"]);
  }
  return outcome;
}

TEST(LanguageCases, AllOfTheSharedOnesAreInTheirRange) {
  const Outcome outcome = RunCases("language_cases.jsonl");
  EXPECT_EQ(outcome.cases, 60);
  EXPECT_THAT(outcome.outside, IsEmpty());
}

TEST(LanguageCases, OurOwnAreInTheirRangeButForThoseThatTheDocumentationExplains) {
  const Outcome outcome = RunCases("language_cases_own.jsonl");
  EXPECT_GE(outcome.cases, 60);
  EXPECT_THAT(outcome.outside, ElementsAre("o022", "o045", "o050"));
}

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  for (const ProseWord& word : ProseWords(text)) words.emplace_back(word.text);
  return words;
}

TEST(Prose, TakesFormulasCodeTagsAddressesAndFileNamesOut) {
  EXPECT_THAT(Words("So $x = 2 \\text{ apples}$, as \\(y\\) and \\[z\\] and $$w$$ say."),
              ElementsAre("So", "as", "and", "and", "say"));
  EXPECT_THAT(Words("a\\begin{align}if x\\end{align}b \\textbf{no}c \\frac{one}{two}"),
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(Words("run `the code` or\n```python\nprint(all)\n```\nnot"),
              ElementsAre("run", "or", "not"));
  EXPECT_THAT(Words("<think>one</think> <a href=\"x\">two</a> <|im_end|> |special_token| three"),
              ElementsAre("one", "two", "three"));
  EXPECT_THAT(
      Words("see https://a.org/b?c=d or www.x.org, mail a.b@c.org, open dir/file.txt and my_name"),
      ElementsAre("see", "or", "mail", "open", "and"));
  EXPECT_THAT(Words("sin x = 3, 5cm, 2nd, f(x) + AB = CD"), ElementsAre("x"));
}

TEST(Prose, KeepsWhatOnlyLooksLikeThem) {
  EXPECT_THAT(Words("It costs $5 or $10 more"), ElementsAre("It", "costs", "or", "more"));
  EXPECT_THAT(Words("if x < why and z > it"), ElementsAre("if", "x", "why", "and", "it"));
  EXPECT_THAT(Words("the number(s) of him/her, a ` mark"),
              ElementsAre("the", "number", "s", "of", "him", "her", "a", "mark"));
  EXPECT_THAT(Words("- We\n* go\n> on"), ElementsAre("We", "go", "on"));
  EXPECT_THAT(Words("\\begin{itemize}\\item one \\end{itemize} two"), ElementsAre("one", "two"));
}

TEST(Prose, AWordKeepsItsMarksAndApostrophesAndIsOfOneScript) {
  EXPECT_THAT(Words("l'eau don\u2019t e\u0301te\u0301 'quoted'"),
              ElementsAre("l'eau", "don\u2019t", "e\u0301te\u0301", "quoted"));
  EXPECT_THAT(Words("用Python写"), ElementsAre("用", "Python", "写"));
  EXPECT_THAT(Words("\xff\xfe word \xc3"), ElementsAre("word"));
}

TEST(Prose, AnEnvironmentThatIsNotWrittenToTheEndTakesNoMoreThanItself) {
  EXPECT_THAT(Words("\\begin{align}if\\end{" + std::string(60, 'x') + " these words stay"),
              ElementsAre(std::string(23, 'x'), "these", "words", "stay"));
}

TEST(Language, GoesByWordsWithinAScript) {
  EXPECT_EQ(MainLanguage("What is the sum of these numbers?"), "en");
  EXPECT_EQ(MainLanguage("¿Cuál es la suma de estos números?"), "es");
  EXPECT_EQ(MainLanguage("Quelle est la somme de ces nombres ?"), "fr");
  EXPECT_EQ(MainLanguage("Qual é a soma destes números?"), "pt");
  EXPECT_EQ(MainLanguage("Was ist die Summe dieser Zahlen?"), "de");
  EXPECT_EQ(MainLanguage("14 + 3 = ?"), "");
}

TEST(Language, CountsChineseAndJapaneseInDictionaryWords) {
  const LanguageCounts counts = CountLanguages("我们知道 the answer");
  EXPECT_EQ(counts.words[LanguageIndex("zh")], 2);
  EXPECT_EQ(counts.words[LanguageIndex("en")], 2);
  EXPECT_EQ(counts.total, 4);
}

TEST(Language, OfOneLetterOnlyWordsCount) {
  EXPECT_EQ(CountLanguages("I have a book and x apples").total, 6);
  EXPECT_EQ(CountLanguages("Soit x un nombre").total, 3);
  EXPECT_EQ(CountLanguages("tengo pan y agua").total, 4);
}

TEST(Language, RefusesATargetThatIsNotToldApart) {
  EXPECT_EQ(LanguageIndex("xx"), kLanguages.size());
  EXPECT_EQ(LanguageIndex("other"), kLanguages.size());
  EXPECT_THROW(LanguageFraction("a word", "xx"), InternalError);
}

// ---- properties ---------------------------------------------------------------------------------

RC_GTEST_PROP(LanguageProperty, AnyBytesGiveAShare, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::arbitrary<char>());
  const LanguageCounts counts = CountLanguages(text);
  int sum = 0;
  for (const int words : counts.words) sum += words;
  RC_ASSERT(sum == counts.total);
}

// Pieces that open and close things, in any order and number.
rc::Gen<std::string> Pieces() {
  const auto piece = rc::gen::element<std::string>(
      "$", "$$", "\\(", "\\)", "\\[", "\\]", "{", "}", "\\begin{a}", "\\end{a}", "\\text{", "`",
      "```", "~~~", "<", ">", "<think>", "<|", "|>", "|a_b|", "the ", "用", "か", "\n", "\n\n", "_",
      "a", "1", ".", "\xff", "'", "\u0301");
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece),
                      [](const std::vector<std::string>& all) {
                        std::string text;
                        for (const std::string& one : all) text += one;
                        return text;
                      });
}

RC_GTEST_PROP(LanguageProperty, WordsLieInTheTextOneBehindTheOther, ()) {
  const std::string text = *Pieces();
  const char* at = text.data();
  for (const ProseWord& word : ProseWords(text)) {
    RC_ASSERT(word.text.data() >= at);
    RC_ASSERT(!word.text.empty());
    at = word.text.data() + word.text.size();
  }
  RC_ASSERT(at <= text.data() + text.size());
}

RC_GTEST_PROP(LanguageProperty, AFormulaBetweenSentencesChangesNothing, ()) {
  const std::vector<std::string> sentences = {"The answer is an even number.",
                                              "Daraus folgt, dass es keine Lösung gibt.",
                                              "首先我们列出条件。", "Теперь проверим ответ."};
  std::string plain, with;
  for (const std::string& sentence :
       *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(sentences))) {
    plain += sentence + "\n";
    with += sentence + "\n$x^2 \\text{ if it is}$\n";
  }
  RC_ASSERT(CountLanguages(plain).words == CountLanguages(with).words);
}

// Costs grow with the text and not with its square: each of these takes minutes otherwise.
TEST(Language, OpenBracketsOfAnyKindCostNoMoreThanOtherText) {
  for (const std::string open :
       {"$a ", "$$", "\\(", "\\[ ", "\\begin{a}", "\\end{a", "\\text{", "{",     "`",   "``a",
        "<",   "<|", "|a",  "_a",   "a@",         "\\",      "'a",      "a b\n", "用,", "か"}) {
    std::string text;
    while (text.size() < 1 << 18) text += open;
    CountLanguages(text);
  }
}

// ---- the reward ---------------------------------------------------------------------------------

std::unique_ptr<Reward> MakeLanguage(const std::string& settings) {
  Problems problems;
  auto reward = BuiltinRewards().Make({"language", ParseYaml(settings, "test.yaml"), {}}, problems);
  problems.ThrowIfAny();
  return reward;
}

double Score(const std::string& settings, const Task& task, const std::string& text) {
  return MakeLanguage(settings)->Score(task, {text, 1, false}).score;
}

// 1 * accuracy + 0.2 * language. The reasoning of this example holds no word, so none in a wrong language.
TEST(LanguageReward, PaysTheWorkedExampleAsItIsWorkedByHand) {
  const Task task{"What is 2 + 3 * 4?", "14", {}};
  const auto total = [&](const std::string& settings, const std::string& text) {
    return 1.0 * NumberAccuracy(text, Rational(14), {}).score + 0.2 * Score(settings, task, text);
  };
  const std::string o1 = "<think>2 + 3 = 5, 5 * 4 = 20</think> <answer>20</answer>";
  const std::string o2 = "<think>3 * 4 = 12, 2 + 12 = 14</think> <answer>14</answer>";
  EXPECT_NEAR(total("{}", o1), 0.2, 1e-12);
  EXPECT_NEAR(total("{}", o2), 1.2, 1e-12);
  EXPECT_NEAR(total("{no_words: 0}", o1), 0.0, 1e-12);
  EXPECT_NEAR(total("{no_words: 0}", o2), 1.0, 1e-12);
  const std::string in_words =
      "<think>First multiply: 3 * 4 = 12, then add two</think> <answer>14</answer>";
  EXPECT_NEAR(total("{}", in_words), 1.2, 1e-12);
}

TEST(LanguageReward, PaysNothingForSayingNothing) {
  const Task task{"What is 2 + 3 * 4?", "14", {}};
  for (const char* text : {"", "<think></think> <answer>14</answer>", "<think> \n </think> <answer>14</answer>", "<think>...!</think> <answer>14</answer>",
                           "<think>\u200B\uFEFF</think> <answer>14</answer>", "<think>\xFF\xFE</think> <answer>14</answer>"}) {
    EXPECT_EQ(Score("{}", task, text), 0.0) << text;
  }
}

TEST(LanguageReward, TakesItsTargetFromThePromptTheTaskOrTheSettings) {
  const std::string german = "<think>Daraus folgt, dass es vier sind.</think> The answer is four.";
  EXPECT_EQ(Score("{}", {"Wie viele Äpfel hat Anna?", "", {}}, german), 1.0);
  EXPECT_EQ(Score("{}", {"How many apples has Anna?", "", {}}, german), 0.0);
  EXPECT_EQ(Score("{target: de}", {"How many apples has Anna?", "", {}}, german), 1.0);
  EXPECT_EQ(Score("{target: task}", {"", "", {{"language", "de"}}}, german), 1.0);
  EXPECT_EQ(Score("{}", {"2 + 2 = ?", "", {}}, german), 1.0);  // no word asks for another language
  EXPECT_THROW(Score("{target: task}", {"", "", {}}, german), DataError);
  EXPECT_THROW(Score("{target: task}", {"", "", {{"language", "xx"}}}, german), DataError);
  EXPECT_THROW(MakeLanguage("{target: xx}"), ConfigError);
}

TEST(LanguageReward, LooksAtTheReasoningUnlessToldOtherwise) {
  const std::string text = "Es sind vier</think> so it is four";
  EXPECT_EQ(Score("{target: de}", {}, text), 1.0);  // the prompt held the opening tag
  EXPECT_LT(Score("{target: de, part: completion}", {}, text), 0.6);
  EXPECT_EQ(Score("{target: de}", {}, "Es sind vier"), 1.0);
  EXPECT_EQ(Score("{target: de}", {}, "<think></think>Es sind vier"), 0.0);
  EXPECT_EQ(Score("{target: de}", {}, "|special_token| Daraus folgt, dass es vier sind. |special_token| Summary: The answer is four."), 1.0);
  EXPECT_EQ(Score("{target: de}", {}, "|special_token| 2 + 2 = 4 |special_token| Summary: The answer is four."), 1.0) << "no words in the reasoning";
}

}  // namespace
}  // namespace cogent
