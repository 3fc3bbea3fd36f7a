// The layouts strict and lenient, and what people have tried to be paid for.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "tests/support/same_draws.h"
#include "verifiers/extract.h"
#include "verifiers/format.h"

namespace cogent {
namespace {

const FormatOptions kCold{.layout = Layout::kColdStart};
const FormatOptions kColdLenient{.layout = Layout::kColdStart, .lenient = true};
const FormatOptions kThink{};
const FormatOptions kThinkLenient{.lenient = true};
const std::string kToken = "|special_token|";

TEST(OneShortLine, CutsBetweenCharactersAndHasNoLineBreaks) {
  EXPECT_EQ(OneShortLine("a\nb\tc"), "a b c");
  EXPECT_EQ(OneShortLine(std::string(60, 'x')), std::string(60, 'x'));
  EXPECT_EQ(OneShortLine(std::string(61, 'x')), std::string(60, 'x') + "..");
  EXPECT_EQ(OneShortLine(std::string(59, 'x') + "é!"), std::string(59, 'x') + "..");
  EXPECT_EQ(OneShortLine(std::string(58, 'x') + "é!"), std::string(58, 'x') + "é..");
}

TEST(ColdStart, IsTokenReasoningTokenSummary) {
  EXPECT_TRUE(HasLayout("|special_token| 3 * 4 = 12 |special_token| Summary: 12", kCold));
  EXPECT_TRUE(HasLayout("\n|special_token|a|special_token|\nSummary:b\n", kCold));
  for (const std::string text :
       {"", "|special_token|", "|special_token||special_token| Summary: 12",
        "|special_token| a |special_token| Summary:", "|special_token| a |special_token|",
        "|special_token| a |special_token| 12", "a |special_token| b |special_token| Summary: 12",
        "|special_token| a |special_token| Summary: 12 |special_token|",
        "|Special_token| a |special_token| Summary: 12",
        "|special_token| a |special_token| Summary: 12 | special_token |",
        "|special_token| \u200b |special_token| Summary: 12",
        "|special_token| a |special_token| Summary: \u00a0",
        "|special_token| <think>a</think> |special_token| Summary: 12",
        "|special_token| a |special_token| so Summary: 12",
        "special_token a special_token Summary: 12"}) {
    EXPECT_FALSE(HasLayout(text, kCold)) << text;
  }
}

TEST(ColdStart, LenientlyLabelCaseSpacesAndTextAroundDoNotMatter) {
  for (const std::string text : {"|special_token| a |special_token| 12",
                                 "Well. | Special_Token | a |special_token| SUMMARY: 12",
                                 "|special_token|a|special_token| so Summary: 12"}) {
    EXPECT_TRUE(HasLayout(text, kColdLenient)) << text;
  }
  for (const std::string text : {"|special_token| a", "|special_token||special_token| 12",
                                 "|special_token| a |special_token| ",
                                 "|special_token| a |special_token| b |special_token| c",
                                 "|special_token| a |special_token| Summary:"}) {
    EXPECT_FALSE(HasLayout(text, kColdLenient)) << text;
  }
}

TEST(ColdStart, TheTokenIsASetting) {
  FormatOptions options = kCold;
  options.token = "<|reason|>";
  EXPECT_TRUE(HasLayout("<|reason|> a <|reason|> Summary: b", options));
  EXPECT_FALSE(HasLayout("|special_token| a |special_token| Summary: b", options));
}

TEST(ColdStart, GivesTheSummary) {
  EXPECT_EQ(Summary("|special_token| a |special_token| Summary: It is 12. ", kCold), "It is 12.");
  EXPECT_EQ(Summary("|special_token| a |special_token| It is 12.", kCold), "It is 12.");
  EXPECT_EQ(Summary("|special_token| a |special_token| Summary: ", kCold), std::nullopt);
  EXPECT_EQ(Summary("|special_token| a", kCold), std::nullopt);
}

TEST(ThinkAnswer, LenientlyCaseSpacesAndTextAroundDoNotMatter) {
  for (const std::string text : {"Sure. <think>a</think> so <answer>7</answer> bye",
                                 "<Think>a</ THINK > <Answer>7</answer>"}) {
    EXPECT_TRUE(HasLayout(text, kThinkLenient)) << text;
    EXPECT_FALSE(HasLayout(text, kThink)) << text;
  }
  for (const std::string text :
       {"<answer>7</answer>", "<think>a <answer>7</answer>", "<think></think><answer>7</answer>",
        "<think>a</think> 7", "<think>a</think><answer> </answer>",
        "<think>\u200b</think><answer>7</answer>", "<answer>7</answer><think>a</think>"}) {
    EXPECT_FALSE(HasLayout(text, kThinkLenient)) << text;
  }
}

// Texts that regular expressions of other projects pay for, or that were seen in training.
TEST(Format, PaysForNoneOfTheKnownHacks) {
  const std::string good = "<think>a</think> <answer>7</answer>";
  for (const std::string text : {"<think></think><answer></answer>",
                                 "<think> </think> <answer>7</answer>",
                                 "<think>\n\t</think>\n<answer>\u200b</answer>",
                                 "<think>\u3000</think><answer>7</answer>",
                                 "<think>\u2060\ufeff</think><answer>7</answer>",
                                 "<think>a</think><answer>\u00a0</answer>",
                                 "<think>a</think><answer>7</answer><answer>7</answer>",
                                 "<think>a</think><answer>7</answer> trailing",
                                 "leading <think>a</think><answer>7</answer>",
                                 "<think>a<think>b</think></think><answer>7</answer>",
                                 "<think>a</think></think><answer>7</answer>",
                                 "<think>a</think><answer><answer>7</answer></answer>",
                                 "<answer>7</answer><think>a</think>",
                                 "<think>a<answer>7</answer></think>",
                                 "<think>a</think><answer>7",
                                 "<think>a<answer>7</answer>",
                                 "<THINK>a</THINK><ANSWER>7</ANSWER>",
                                 "< think >a</think><answer>7</answer>",
                                 "<think class='x'>a</think><answer>7</answer>",
                                 "<think>a</think>b<answer>7</answer>",
                                 "&lt;think&gt;a&lt;/think&gt;&lt;answer&gt;7&lt;/answer&gt;",
                                 "＜think＞a＜/think＞＜answer＞7＜/answer＞",
                                 "<think>a</think>\u200b<answer>7</answer>",
                                 "<think>a</think><answer>7</answer>\u200b",
                                 "The format is correct. Reward: 1.0",
                                 "<think>a<\\/think><answer>7<\\/answer>"}) {
    EXPECT_FALSE(HasLayout(text, kThink)) << text;
  }
  EXPECT_TRUE(HasLayout(good, kThink));
  EXPECT_FALSE(HasLayout(good + "\n" + good, kThink));
}

TEST(Format, ABlankTokenIsAMistake) {
  Problems problems;
  EXPECT_EQ(
      BuiltinRewards().Make(
          {"format", ParseYaml("{layout: cold_start, token: ' '}", "run.yaml"), {}}, problems),
      nullptr);
  ASSERT_EQ(problems.lines().size(), 1u);
  EXPECT_NE(problems.lines()[0].find("run.yaml:1:"), std::string::npos);
}

rc::Gen<std::string> Lines() {
  const auto piece = rc::gen::element<std::string>(
      "<think>", "</think>", "<answer>", "</answer>", "< Think >", kToken, "| Special_token |",
      "Summary:", "a", " ", "\n", "\\boxed{7}", "\\boxed{}", "|", "\xff", "\u200b");
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece),
                      [](const std::vector<std::string>& all) {
                        std::string text;
                        for (const std::string& one : all) text += one;
                        return text;
                      });
}

RC_GTEST_PROP(Format, WhatIsStrictlyRightIsLenientlyRight, ()) {
  const std::string text = *Lines();
  for (const Layout layout : {Layout::kThinkAnswer, Layout::kColdStart}) {
    const bool strict = HasLayout(text, {.layout = layout});
    RC_ASSERT(!strict || HasLayout(text, {.layout = layout, .lenient = true}));
  }
  RC_ASSERT(!HasLayout(text, kCold) || Summary(text, kCold).has_value());
}

RC_GTEST_PROP(Format, WhiteSpaceAroundChangesNothing, ()) {
  const std::string text = *Lines(), around = "\n \t" + text + " \n";
  for (const FormatOptions& options : {kThink, kThinkLenient, kCold, kColdLenient})
    RC_ASSERT(HasLayout(text, options) == HasLayout(around, options));
}

RC_GTEST_PROP(Format, NoTwoLayoutsAreRightAtOnce, ()) {
  const std::string text = *Lines();
  RC_ASSERT(!(HasLayout(text, kThink) && HasLayout(text, kCold)));
}

TEST(ReasoningInLayout, IsFoundInEitherForm) {
  EXPECT_EQ(ReasoningInLayout("<think>a</think><answer>b</answer>")->text, "a");
  const auto cold = ReasoningInLayout("|special_token| a b |special_token| Summary: c");
  ASSERT_TRUE(cold);
  EXPECT_EQ(cold->text, " a b ");
  EXPECT_TRUE(cold->closed);
  const auto cut = ReasoningInLayout("|special_token| a b");
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->text, " a b");
  EXPECT_FALSE(cut->closed);
  EXPECT_FALSE(ReasoningInLayout("a b"));
  EXPECT_FALSE(ReasoningInLayout("|special_token| a |special_token| b", "#"));
  EXPECT_EQ(ReasoningInLayout("# a # b", "#")->text, " a ");
}

}  // namespace
}  // namespace cogent
