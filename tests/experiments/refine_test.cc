// Cold-start data from R1-Zero's completions: what is kept, in which form, and what is dropped for which reason.
#include "experiments/refine.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "verifiers/extract.h"

namespace cogent {
namespace {

TEST(Refine, PutsTheReasoningBetweenTokensAndTheAnswerIntoTheSummary) {
  const Refined refined = Refine("<think> 2+3=5, so 5 </think> <answer>5</answer>", {});
  EXPECT_EQ(refined.completion, "|special_token| 2+3=5, so 5 |special_token| Summary: The answer is \\boxed{5}.");
  EXPECT_EQ(Extract(refined.completion).text, "5") << "the answer can still be found";
  EXPECT_EQ(Refine("<think>a b</think><answer>7</answer>", {.token = "@", .summary = "So {answer}!"}).completion, "@ a b @ Summary: So 7!");
}

TEST(Refine, DropsWhatIsNoDemonstrationWithItsReason) {
  const RefineOptions options{.min_words = 3, .max_repeated = 0.3};
  EXPECT_EQ(Refine("<answer>5</answer>", options).reason, "no reasoning");
  EXPECT_EQ(Refine("<think>on and on", options).reason, "the reasoning does not end");
  EXPECT_EQ(Refine("<think>a b c</think> 5", options).reason, "no single answer");
  EXPECT_EQ(Refine("<think>a b c</think><answer>5</answer><answer>6</answer>", options).reason, "no single answer");
  EXPECT_EQ(Refine("<think>5</think><answer>5</answer>", options).reason, "the reasoning is too short");
  EXPECT_EQ(Refine("<think>a b c d a b c d a b c d a b c d a b c d</think><answer>5</answer>", options).reason, "the reasoning says the same again and again");
  EXPECT_EQ(Refine("<think>a |special_token| b</think><answer>5</answer>", options).reason, "tags or tokens stand inside of the reasoning or the answer");
}

class RefineCommandTest : public testing::Test {
 protected:
  std::string In() const { return testing::TempDir() + "/cogent_refine_in.jsonl"; }
  std::string Out() const { return testing::TempDir() + "/cogent_refine_out.jsonl"; }
  int Run(const std::string& lines, std::map<std::string, std::string> options = {}) const {
    std::ofstream(In()) << lines;
    options["input"] = In(), options["output"] = Out();
    return RefineCommand({"refine", {}, options});
  }
  nlohmann::json Report() const { return nlohmann::json::parse(ReadFile(Out() + ".report.json")); }
};

TEST_F(RefineCommandTest, ABadLineIsToldByNumberAndTheOthersGoOn) {
  EXPECT_EQ(Run("{\"prompt\": \"2+3?\", \"completion\": \"<think>a b</think><answer>5</answer>\"}\n\nnonsense\n{\"prompt\": \"x\"}\n{\"prompt\": \"x\", \"completion\": \"no\"}\n"), kExitUserMistake);
  EXPECT_EQ(Report()["kept"], 1);
  EXPECT_EQ(Report()["malformed"], 2);
  EXPECT_EQ(Report()["dropped"]["no reasoning"], 1);
  const auto line = nlohmann::json::parse(ReadFile(Out()));
  EXPECT_EQ(line["source"]["line"], 1);
  EXPECT_EQ(line["source"]["maker"], "refined");
  EXPECT_EQ(line["keep"], true);
}

TEST_F(RefineCommandTest, AReviewedFileIsTakenBack) {
  const std::string good = "|special_token| by hand |special_token| Summary: \\\\boxed{5}";
  EXPECT_EQ(Run("{\"prompt\": \"a\", \"completion\": \"" + good + "\", \"keep\": true}\n{\"prompt\": \"b\", \"completion\": \"x\", \"keep\": false}\n", {{"reviewed", ""}}), kExitDone);
  EXPECT_EQ(Report()["kept"], 1);
  EXPECT_EQ(Report()["dropped"]["the reviewer dropped it"], 1);
  EXPECT_THROW(Run("{\"prompt\": \"a\", \"completion\": \"no form\", \"keep\": true}\n", {{"reviewed", ""}}), DataError) << "nothing is kept";
}

}  // namespace
}  // namespace cogent
