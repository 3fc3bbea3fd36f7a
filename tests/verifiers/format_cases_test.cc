// Runs the cases of tests/data/format_cases*.jsonl: layout and answer of a completion each.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "verifiers/extract.h"

namespace cogent {
namespace {

// Checks every line of a file; returns how many there were.
int CheckFile(const std::string& name) {
  std::ifstream file(std::string(COGENT_SOURCE_DIR) + "/tests/data/" + name);
  EXPECT_TRUE(file) << name;
  int count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    const auto json = nlohmann::json::parse(line);
    const std::string text = json["completion"];
    const std::string what = json["id"].get<std::string>() + ": " + json["note"].get<std::string>();
    const auto& expected = json["expected"];
    EXPECT_EQ(FormatOk(text), expected["format_ok"].get<bool>()) << what;
    std::optional<std::string> answer;
    if (!expected["answer"].is_null()) answer = expected["answer"].get<std::string>();
    EXPECT_EQ(Extract(text).text, answer) << what;
  }
  return count;
}

TEST(FormatCases, AllOfTheSharedOnesPass) { EXPECT_EQ(CheckFile("format_cases.jsonl"), 61); }

TEST(FormatCases, AllOfOurOwnPass) { EXPECT_GE(CheckFile("format_cases_own.jsonl"), 40); }

TEST(Extract, TellsWhereTheAnswerStood) {
  EXPECT_EQ(Extract("<think>a</think><answer>7</answer>").place, AnswerPlace::kAnswerPart);
  EXPECT_EQ(Extract("<think>a</think> \\boxed{7}").place, AnswerPlace::kBox);
  EXPECT_EQ(Extract("<think>a</think> 7").place, AnswerPlace::kNone);
}

TEST(Extract, GivesTheReasoningAndWhetherItWasClosed) {
  EXPECT_EQ(Reasoning("<think>a</think>b")->text, "a");
  EXPECT_TRUE(Reasoning("<think>a</think>b")->closed);
  EXPECT_EQ(Reasoning("<think>a")->text, "a");
  EXPECT_FALSE(Reasoning("<think>a")->closed);
  EXPECT_FALSE(Reasoning("a</think>").has_value());
}

}  // namespace
}  // namespace cogent
