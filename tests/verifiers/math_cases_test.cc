// Runs the cases of tests/data/math_*.jsonl: verdicts, and attempts at a reward that must not pay.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "verifiers/math.h"
#include "verifiers/math_values.h"

namespace cogent {
namespace {

std::vector<nlohmann::json> Lines(const std::string& name) {
  std::ifstream file(std::string(COGENT_SOURCE_DIR) + "/tests/data/" + name);
  EXPECT_TRUE(file) << name;
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

std::string Start(const nlohmann::json& text) { return text.get<std::string>().substr(0, 200); }

// Every case must have its verdict, within the work that is allowed.
std::size_t CheckMathFile(const std::string& name) {
  const auto cases = Lines(name);
  for (const auto& one : cases) {
    const MathVerdict verdict =
        VerifyMath(one["gold"].get<std::string>(), one["prediction"].get<std::string>(), {});
    EXPECT_EQ(verdict.correct, one["expected"].get<bool>())
        << one["id"] << ": gold " << Start(one["gold"]) << ", prediction "
        << Start(one["prediction"]) << ", " << verdict.reason;
    EXPECT_LE(verdict.work, Work::kLimit) << one["id"];
    EXPECT_FALSE(verdict.reason.empty()) << one["id"];
  }
  return cases.size();
}

TEST(MathCases, TheSharedOnesHaveTheirVerdicts) { EXPECT_EQ(CheckMathFile("math_cases.jsonl"), 469u); }

TEST(MathCases, OurOwnHaveTheirVerdicts) { EXPECT_GE(CheckMathFile("math_cases_own.jsonl"), 469u); }

MathOptions Strict() {
  MathOptions options;
  options.extraction = "strict";
  return options;
}

TEST(MathHacks, PayNothingUnderStrictExtraction) {
  const auto hacks = Lines("math_hacks.jsonl");
  EXPECT_GE(hacks.size(), 80u);
  for (const auto& hack : hacks) {
    const MathVerdict verdict = VerifyMath(hack["gold"].get<std::string>(),
                                           hack["completion"].get<std::string>(), Strict());
    EXPECT_FALSE(verdict.correct) << hack["id"] << ", " << hack["note"] << ": " << verdict.reason;
  }
}

// Or the test above could not fail.
TEST(MathHacks, TheHonestAnswerToEachPays) {
  for (const auto& hack : Lines("math_hacks.jsonl")) {
    const std::string gold = hack["gold"].get<std::string>();
    for (const std::string& honest : {"<think>a</think> <answer>" + gold + " </answer>",
                                      "<think>a</think> \\boxed{ " + gold + "}"}) {
      EXPECT_TRUE(VerifyMath(gold, honest, Strict()).correct) << honest;
    }
  }
}

}  // namespace
}  // namespace cogent
