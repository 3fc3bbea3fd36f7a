// Mathematics: options, strict and lenient extraction, bounded work, and what must hold for any
// text.
#include "verifiers/math.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "tests/support/same_draws.h"
#include "verifiers/math_parser.h"
#include "verifiers/math_spans.h"
#include "verifiers/math_units.h"
#include "verifiers/math_values.h"

namespace cogent {
namespace {

bool Right(const std::string& gold, const std::string& prediction,
           const MathOptions& options = {}) {
  return VerifyMath(gold, prediction, options).correct;
}
MathOptions With(const std::string& extraction) {
  MathOptions options;
  options.extraction = extraction;
  return options;
}

// --- Options
// ---------------------------------------------------------------------------------------

TEST(MathOptions, StrictExtractionLooksAtTheAnswerPartAndTheBoxOnly) {
  EXPECT_TRUE(Right("5", "<think>a</think> <answer>5</answer>", With("strict")));
  EXPECT_TRUE(Right("5", "<think>a</think> so \\boxed{5}", With("strict")));
  EXPECT_TRUE(Right("5", "\\boxed{5} is the same as \\boxed{5}.", With("strict")));
  EXPECT_FALSE(Right("5", "The answer is 5.", With("strict")));
  EXPECT_TRUE(Right("5", "The answer is 5.", With("lenient")));
}

// A series has no value here; published answers have many.
TEST(Math, AFormulaThatHasNoValueIsTheSameTextWithDollarSignsAndWithout) {
  const std::string series = "\\sum_{n=0}^{\\infty} x^{n} / n !";
  for (const std::string& written : {series, "$" + series + "$", "\\(" + series + "\\)", "\\[ " + series + " \\]"}) {
    EXPECT_TRUE(Right("$" + series + "$", "\\boxed{" + written + "}")) << written;
    EXPECT_TRUE(Right(series, "<answer>" + written + "</answer>")) << written;
  }
  EXPECT_FALSE(Right("$" + series + "$", "\\boxed{\\sum_{n=1}^{\\infty} x^{n} / n !}"));
}

TEST(MathOptions, WholeExtractionReadsTheTextAsItIs) {
  EXPECT_TRUE(Right("5", "2+3", With("whole")));
  EXPECT_FALSE(Right("5", "The answer is 5.", With("whole")));
}

TEST(MathParser, ABaseInABraceThatDoesNotEndIsNoBase) {
  MathOptions whole;
  whole.extraction = "whole";
  EXPECT_TRUE(VerifyMath("5", "11_{4}", whole).correct);
  for (const char* open : {"11_{4", "11_{4 ", "11_{4,", "11_{4+1}"}) EXPECT_FALSE(VerifyMath("5", open, whole).correct) << open;
}

TEST(MathOptions, DecimalDigitsSayFromWhereADecimalStandsForAnExactValue) {
  MathOptions options;
  EXPECT_FALSE(Right("1/3", "0.333", options));
  options.decimal_digits = 3;
  EXPECT_TRUE(Right("1/3", "0.333", options));
  EXPECT_FALSE(Right("1/3", "0.33", options));
  options.decimal_digits = 0;
  EXPECT_FALSE(Right("1/3", "0.3333333333", options));
  EXPECT_TRUE(Right("1/2", "0.5", options));
}

TEST(MathOptions, UnitsPercentAndNamesCanBeAskedFor) {
  MathOptions options;
  options.units_optional = false;
  EXPECT_FALSE(Right("5\\text{ cm}", "5", options));
  EXPECT_TRUE(Right("5\\text{ cm}", "50 mm", options));
  options = {};
  options.percent_optional = false;
  EXPECT_FALSE(Right("50\\%", "50", options));
  EXPECT_TRUE(Right("50\\%", "0.5", options));
  options = {};
  options.names_optional = false;
  EXPECT_FALSE(Right("x = 5", "5", options));
  EXPECT_TRUE(Right("x = 5", "x = 5.0", options));
}

TEST(MathReward, IsStrictUnlessItsSettingsSayOtherwise) {
  const RewardRegistry rewards = BuiltinRewards();
  Problems problems;
  const Task task{.prompt = "2+3?", .answer = "5"};
  const auto make = [&](const std::string& yaml) {
    Choice choice{.name = "math", .settings = ParseYaml(yaml, "test")};
    return rewards.Make(choice, problems);
  };
  const auto strict = make("{}");
  const auto lenient = make("{extraction: lenient}");
  problems.ThrowIfAny();
  EXPECT_EQ(strict->Score(task, {.text = "It is 5."}).score, 0.0);
  EXPECT_EQ(lenient->Score(task, {.text = "It is 5."}).score, 1.0);
  EXPECT_EQ(strict->Score(task, {.text = "\\boxed{5}"}).score, 1.0);
  EXPECT_EQ(make("{extraction: greedy}"), nullptr);
  EXPECT_THROW(problems.ThrowIfAny(), ConfigError);
}

TEST(MathVerdict, SaysWhatWasFoundAndWhy) {
  const MathVerdict wrong = VerifyMath("5", "Hence \\boxed{6}.", {});
  EXPECT_EQ(wrong.extracted, "6");
  EXPECT_NE(wrong.reason.find("not equal"), std::string::npos);
  EXPECT_EQ(VerifyMath("5", "<think>5", {}).reason, "the reasoning is not closed");
  EXPECT_EQ(VerifyMath("", "5", {}).reason, "there is no gold answer");
}

// --- Parts
// -----------------------------------------------------------------------------------------

TEST(MathParser, ReadsMixedNumbersAndProductsApart) {
  MathTree tree;
  EXPECT_TRUE(ParseMath("3\\frac{1}{4}", {}, tree).node->Is(Kind::kSum));
  EXPECT_TRUE(ParseMath("3\\frac{5}{4}", {}, tree).node->Is(Kind::kProduct));
  EXPECT_TRUE(ParseMath("3\\frac{x}{4}", {}, tree).node->Is(Kind::kProduct));
}

TEST(MathParser, TellsWhenACommaCouldBeEither) {
  MathTree tree;
  EXPECT_TRUE(ParseMath("(1,234)", {}, tree).ambiguous_comma);
  EXPECT_FALSE(ParseMath("(1, 234)", {}, tree).ambiguous_comma);
}

TEST(MathParser, RefusesWhatIsNestedTooDeepAndKeepsItAsText) {
  MathTree tree;
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '(') + "1" +
           std::string(static_cast<std::size_t>(depth), ')');
  };
  EXPECT_TRUE(ParseMath(nested(100), {}, tree).math);
  EXPECT_FALSE(ParseMath(nested(5000), {}, tree).math);
}

TEST(MathUnits, ConvertWithinADimensionOnly) {
  const auto kmh = FindUnit("km")->Times(*FindUnit("h")->Raised(-1));
  const auto ms = FindUnit("m")->Times(*FindUnit("s")->Raised(-1));
  ASSERT_TRUE(kmh && ms);
  EXPECT_TRUE(kmh->SameDimension(*ms));
  EXPECT_EQ(kmh->above * 18, kmh->below * 5);
  EXPECT_FALSE(FindUnit("kg")->SameDimension(*FindUnit("cm")));
  EXPECT_FALSE(FindUnit("dollar")->SameDimension(*FindUnit("euro")));
  EXPECT_FALSE(FindUnit("apples"));
}

TEST(MathSpans, FindTheOuterOfNestedBoxesAndNoOpenOnes) {
  const std::string text = "\\boxed{a\\boxed{b}} \\boxed{c \\boxed{d}";
  const auto boxes = FindBoxSpans(text);
  ASSERT_EQ(boxes.size(), 2u);
  EXPECT_EQ(boxes[0].Content(text), "a\\boxed{b}");
  EXPECT_EQ(boxes[1].Content(text), "d");
}

// --- Bounded work
// ----------------------------------------------------------------------------------

TEST(MathWork, IsBoundedForWhateverWouldTakeForEver) {
  const std::string deep(2000, '(');
  for (const std::string& bomb :
       std::vector<std::string>{"9^9^9^9",
                                "9^{9^{9^{9^9}}}",
                                "1000000!",
                                "(10^9)!",
                                "((10^9)!)!",
                                "\\binom{10^9}{5\\cdot 10^8}",
                                "\\sum_{k=1}^{10^{12}} k",
                                "\\sum_{a=1}^{2000} \\sum_{b=1}^{2000} \\sum_{c=1}^{2000} abc",
                                "\\prod_{k=1}^{10^{10}} k",
                                "(x+y+z)^{5000}",
                                "x^{x^{x^{x^x}}}",
                                "\\sin(10^{10^{10}})",
                                "e^{e^{e^{e^{e^{10}}}}}",
                                "\\sqrt{" + deep,
                                deep + "5",
                                "2^{1/10^{100}}",
                                "\\log_{1.0000000001} 2",
                                "\\lfloor 10^{1000}\\pi \\rfloor",
                                "\\sqrt[1000000000]{2}",
                                "1e999999999",
                                "1e-999999999",
                                "0." + std::string(20000, '3'),
                                std::string(60000, '7')}) {
    for (const std::string& gold : {std::string("5"), bomb + "+1", std::string("\\sqrt{2}")}) {
      const MathVerdict verdict = VerifyMath(gold, bomb, {});
      EXPECT_FALSE(verdict.correct) << bomb.substr(0, 60);
      EXPECT_LE(verdict.work, Work::kLimit) << bomb.substr(0, 60);
    }
  }
}

TEST(MathWork, EqualBombsAreEqualByStructure) {
  EXPECT_TRUE(Right("9^9^9^9", "9^{9^{9^9}}"));
  EXPECT_TRUE(Right("(10^9)!+1", "1+(10^9)!"));
  EXPECT_FALSE(Right("9^9^9^9", "9^9^9^8"));
}

TEST(MathWork, LongListsAreComparedWithinTheBound) {
  std::string forward, backward;
  for (int i = 0; i < 3000; ++i) {
    forward += std::to_string(i) + ", ";
    backward += std::to_string(2999 - i) + ", ";
  }
  EXPECT_LE(VerifyMath(forward, backward, {}).work, Work::kLimit);
}

TEST(MathWork, IsTheSameOnEveryThread) {
  const auto work = [] { return VerifyMath("\\sin 2x", "2\\sin x\\cos x", {}).work; };
  const std::uint64_t here = work();
  std::uint64_t there = 0;
  std::thread([&] { there = work(); }).join();
  EXPECT_EQ(here, there);
}

TEST(MathTexts, OfAnyBytesGetAVerdict) {
  EXPECT_FALSE(Right("5", "\xff\xfe\x80"));
  EXPECT_FALSE(Right("\xff", "5"));
  EXPECT_TRUE(Right("\xff", "\xff"));
  EXPECT_FALSE(Right("5", std::string("\0\0", 2)));
}

// --- Properties
// ------------------------------------------------------------------------------------

// An expression, written in LaTeX and plain; `value` says that it has no variables.
struct Written {
  std::string latex, plain;
};
Written Draw(int depth) {
  const int kind = *rc::gen::inRange(0, depth <= 0 ? 3 : 8);
  if (kind <= 1) {
    const std::string digits = std::to_string(*rc::gen::inRange(1, 50));
    return {digits, digits};
  }
  if (kind == 2) {
    const std::string name(1, *rc::gen::elementOf(std::string("abxyz")));
    return {name, name};
  }
  const Written a = Draw(depth - 1);
  const Written b = Draw(depth - 1);
  switch (kind) {
    case 3:
      return {"\\left(" + a.latex + "+" + b.latex + "\\right)",
              "(" + a.plain + " + " + b.plain + ")"};
    case 4:
      return {"\\left(" + a.latex + "-" + b.latex + "\\right)",
              "(" + a.plain + "-" + b.plain + ")"};
    case 5:
      return {"(" + a.latex + "\\cdot " + b.latex + ")", "((" + a.plain + ")*(" + b.plain + "))"};
    case 6:
      return {"\\frac{" + a.latex + "}{" + b.latex + "^2+1}",
              "(" + a.plain + ")/((" + b.plain + ")^2+1)"};
    default:
      return {"(" + a.latex + ")^{2}", "(" + a.plain + ")**2"};
  }
}

RC_GTEST_PROP(MathProperty, WhatIsWrittenInLatexIsWhatIsWrittenPlain, ()) {
  const Written drawn = Draw(3);
  // b.latex + "^2" needs its own brackets in the plain form, which Draw gives.
  RC_ASSERT(VerifyMath(drawn.latex, drawn.latex + " ", With("whole")).correct);
  RC_ASSERT(VerifyMath("(" + drawn.latex + ")+0", drawn.latex, With("whole")).correct);
}

RC_GTEST_PROP(MathProperty, SumsInEitherOrderAreEqualAndDifferFromTheNext, ()) {
  const Written a = Draw(2);
  const Written b = Draw(2);
  RC_ASSERT(VerifyMath("(" + a.plain + ")+(" + b.plain + ")", "(" + b.plain + ")+(" + a.plain + ")",
                       With("whole"))
                .correct);
  RC_ASSERT(!VerifyMath("(" + a.plain + ")+(" + b.plain + ")",
                        "(" + b.plain + ")+(" + a.plain + ")+1", With("whole"))
                 .correct);
}

RC_GTEST_PROP(MathProperty, AVerdictDoesNotDependOnWhiteSpaceAroundSigns, ()) {
  const Written drawn = Draw(3);
  std::string spaced;
  for (const char c : drawn.plain) {
    const bool sign = std::string("+-*/()").find(c) != std::string::npos;
    if (sign && c != '*' && *rc::gen::arbitrary<bool>()) spaced += ' ';
    spaced += c;
    if (sign && c != '*' && *rc::gen::arbitrary<bool>()) spaced += "  ";
  }
  RC_ASSERT(VerifyMath("(" + drawn.plain + ")", spaced, With("whole")).correct);
}

RC_GTEST_PROP(MathProperty, ValuesAreEqualBothWaysOrNeither, ()) {
  const Written a = Draw(2);
  const Written b = Draw(2);
  RC_ASSERT(VerifyMath(a.plain, b.plain, With("whole")).correct ==
            VerifyMath(b.plain, a.plain, With("whole")).correct);
}

RC_GTEST_PROP(MathProperty, FractionsAreComparedAsCrossProducts, ()) {
  const auto part = rc::gen::inRange(1, 40);
  const int a = *part, b = *part, c = *part, d = *part;
  const std::string left = "\\frac{" + std::to_string(a) + "}{" + std::to_string(b) + "}";
  const std::string right = std::to_string(c) + "/" + std::to_string(d);
  RC_ASSERT(VerifyMath(left, right, {}).correct == (a * d == b * c));
}

RC_GTEST_PROP(MathProperty, ListsOfSolutionsHaveNoOrderAndTuplesHave, ()) {
  const auto numbers = *rc::gen::unique<std::vector<int>>(rc::gen::inRange(0, 100));
  if (numbers.size() < 2) return;
  std::string forward, backward;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    forward += (i > 0 ? ", " : "") + std::to_string(numbers[i]);
    backward += (i > 0 ? ", " : "") + std::to_string(numbers[numbers.size() - 1 - i]);
  }
  RC_ASSERT(VerifyMath(forward, backward, With("whole")).correct);
  RC_ASSERT(!VerifyMath("(" + forward + ")", "(" + backward + ")", With("whole")).correct);
}

RC_GTEST_PROP(MathProperty, NoBytesThrowOrExceedTheWork,
              (const std::string& gold, const std::string& prediction)) {
  for (const char* extraction : {"strict", "lenient", "whole"}) {
    RC_ASSERT(VerifyMath(gold, prediction, With(extraction)).work <= Work::kLimit);
  }
}

}  // namespace
}  // namespace cogent
