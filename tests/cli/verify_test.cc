// `cogent verify` as a user and as another trainer run it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/cli/shell.h"

namespace cogent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

const std::string kVerify = std::string(COGENT_BINARY_DIR) + "/cogent verify ";

// A folder of the test's own.
class Verify : public ::testing::Test {
 protected:
  Verify()
      : folder_(std::filesystem::temp_directory_path() /
                (std::string("verify_") +
                 ::testing::UnitTest::GetInstance()->current_test_info()->name() +
                 std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~Verify() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ / name; }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
    return Path(name);
  }
  static std::string Read(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  static std::vector<Json> Lines(const std::string& text) {
    std::vector<Json> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
    return lines;
  }

  const std::filesystem::path folder_;
};

TEST_F(Verify, FormatAnswersEachLineInOrderWithItsId) {
  std::string text;
  for (int i = 0; i < 500; ++i) {
    text += Json{{"completion", "<think>a</think><answer>" + std::to_string(i) + "</answer>"},
                 {"id", i},
                 {"more", {1, 2}}}
                .dump() +
            "\n";
  }
  const std::string in = Write("in.jsonl", text);
  for (const char* threads : {"1", "2", "5"}) {
    const Outcome run =
        Shell(kVerify + "format --threads " + threads + " --input " + in + " 2>/dev/null");
    EXPECT_EQ(run.code, 0);
    const auto lines = Lines(run.out);
    ASSERT_EQ(lines.size(), 500u);
    for (int i = 0; i < 500; ++i) {
      EXPECT_EQ(lines[static_cast<std::size_t>(i)],
                (Json{{"id", i}, {"format_ok", true}, {"answer", std::to_string(i)}}));
    }
  }
}

TEST_F(Verify, ReadsStandardInputAndWritesAFile) {
  const std::string out = Path("out.jsonl");
  const Outcome run = Shell("echo '{\"id\": \"a\", \"completion\": \"no tags\"}' | " + kVerify +
                            "format -i - -o " + out + " 2>&1");
  EXPECT_EQ(run.code, 0) << run.out;
  EXPECT_EQ(Read(out), "{\"id\":\"a\",\"format_ok\":false,\"answer\":null}\n");
}

TEST_F(Verify, AMalformedLineIsNamedByNumberAndTheRestGoesOn) {
  const std::string in = Write(
      "in.jsonl",
      "{\"completion\": \"a\"}\nnot json\n\n{\"id\": 4}\n{\"id\": [1], \"completion\": \"a\"}\n"
      "[1]\n{\"id\": 7, \"completion\": null}\n\xff\xfe\n{\"completion\": "
      "\"\\ud800\"}\n{\"completion\": \"b\"}\n{\"completion\": \"b\", \"other\": 1e999}");
  const Outcome run = Shell(kVerify + "format -i " + in + " 2>/dev/null");
  EXPECT_EQ(run.code, 2);
  const auto lines = Lines(run.out);
  ASSERT_EQ(lines.size(), 10u) << run.out;
  EXPECT_EQ(lines[0]["id"], 1);  // a line without an id goes by its number
  EXPECT_EQ(lines[1]["line"], 2);
  EXPECT_THAT(lines[1]["error"].get<std::string>(), HasSubstr("no JSON"));
  EXPECT_EQ(lines[2]["id"], 4);
  EXPECT_THAT(lines[2]["error"].get<std::string>(), HasSubstr("'completion' is missing"));
  EXPECT_EQ(lines[8]["id"], 10);
  const Outcome complaints = Shell(kVerify + "format -i " + in + " 2>&1 >/dev/null");
  EXPECT_THAT(lines[9]["error"].get<std::string>(), HasSubstr("a number in it is beyond"));
  for (const int number : {2, 4, 5, 6, 7, 8, 9, 11}) {
    EXPECT_THAT(complaints.out, HasSubstr("line " + std::to_string(number) + ": "));
  }
  EXPECT_THAT(complaints.out, HasSubstr("10 lines in "));
  EXPECT_THAT(complaints.out, HasSubstr("8 malformed"));
}

TEST_F(Verify, AHostileLineNeitherCrashesNorHangs) {
  const std::string deep(1 << 20, '[');
  std::string text = deep + "\n{\"id\": " + deep +
                     ", \"completion\": \"a\"}\n{\"id\": 1, \"completion\": \"a\", \"x\": " + deep +
                     std::string(1 << 20, ']') + "}\n";
  text += "{\"id\": 2, \"completion\": \"" + std::string(1 << 20, '{') + "\"}\n";
  const Outcome run = Shell(kVerify + "format -i " + Write("in.jsonl", text) + " 2>/dev/null");
  EXPECT_EQ(run.code, 2);
  const auto lines = Lines(run.out);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_TRUE(lines[0].contains("error"));
  EXPECT_TRUE(lines[1].contains("error"));
  EXPECT_EQ(lines[2]["id"], 1);
  EXPECT_EQ(lines[3]["id"], 2);
}

TEST_F(Verify, SaysTheCountAndTheRateOnStandardErrorAtTheEnd) {
  const std::string in = Write("in.jsonl", "{\"completion\": \"a\"}\n");
  const Outcome run = Shell(kVerify + "format -j 1 -i " + in + " 2>&1 >/dev/null");
  EXPECT_THAT(run.out, HasSubstr("verify format: 1 lines in "));
  EXPECT_THAT(run.out, HasSubstr(" a second on 1 thread"));
}

TEST_F(Verify, WhatCannotBeReadOrWrittenIsAMistake) {
  const std::string in = Write("in.jsonl", "{\"completion\": \"a\"}\n");
  const Outcome missing = Shell(kVerify + "format -i /no/such/file 2>&1");
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.out, HasSubstr("/no/such/file"));
  const Outcome folder = Shell(kVerify + "format -i " + folder_.string() + " 2>&1");
  EXPECT_EQ(folder.code, 2) << folder.out;
  const Outcome output = Shell(kVerify + "format -o /no/such/file -i " + in + " 2>&1");
  EXPECT_EQ(output.code, 2);
  EXPECT_THAT(output.out, HasSubstr("cannot write"));
  EXPECT_EQ(Shell(kVerify + "format -i " + in + " -o /dev/full 2>/dev/null").code, 2);
  EXPECT_EQ(Shell(kVerify + "format --threads 0 2>/dev/null").code, 2);
  EXPECT_EQ(Shell(kVerify + "formats 2>/dev/null").code, 2);
}

TEST_F(Verify, AnswersWhileTheInputStaysOpen) {
  // The answer is read before the input ends.
  const std::string script =
      Write("script.sh", "cd " + folder_.string() + "; mkfifo in out\n" + kVerify +
                             "format -i in -o out 2>/dev/null &\n"
                             "exec 3>in 4<out\n"
                             "echo '{\"id\": 1, \"completion\": \"a\"}' >&3\n"
                             "read -t 60 -u 4 first; echo \"$first\"\n");
  EXPECT_THAT(Shell("timeout 100 bash " + script).out, HasSubstr("\"id\":1"));
}

TEST_F(Verify, StopsOnASignalWithWhatWasDoneInPlace) {
  const std::string script =
      Write("script.sh", "cd " + folder_.string() + "; mkfifo in\n" + kVerify +
                             "format -i in -o out.jsonl 2>err &\n"
                             "exec 3>in\n"
                             "echo '{\"id\": 1, \"completion\": \"a\"}' >&3\n"
                             "until [ -s out.jsonl.part ]; do sleep 0.02; done\n"
                             "kill -TERM $!; wait $!; echo code $?\n");
  EXPECT_THAT(Shell("timeout 100 bash " + script).out, HasSubstr("code 130"));
  EXPECT_THAT(Read(Path("err")), HasSubstr("out.jsonl.part"));
  EXPECT_EQ(Lines(Read(Path("out.jsonl.part"))).size(), 1u);
}

TEST_F(Verify, LanguageAnswersWithTheFraction) {
  const std::string in = Write("in.jsonl",
                               "{\"id\": 1, \"text\": \"So the rest is 等于\", \"target\": "
                               "\"en\"}\n{\"id\": 2, \"completion\": \"Ja, das stimmt\"}\n"
                               "{\"id\": 3, \"text\": \"a\", \"target\": \"xx\"}\n");
  const Outcome run = Shell(kVerify + "language --target de -i " + in + " 2>/dev/null");
  EXPECT_EQ(run.code, 2);
  const auto lines = Lines(run.out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], (Json{{"id", 1}, {"fraction", 0.8}}));
  EXPECT_EQ(lines[1], (Json{{"id", 2}, {"fraction", 1.0}}));
  EXPECT_THAT(lines[2]["error"].get<std::string>(), HasSubstr("'target' is 'xx'"));
  EXPECT_EQ(Shell(kVerify + "language --target english -i " + in + " 2>/dev/null").code, 2);
  EXPECT_EQ(Shell(kVerify + "language -i " + in + " 2>/dev/null").code,
            2);  // line 2 has no target then
}

// Lines as a run writes them.
std::string Samples() {
  std::string text;
  for (const char* completion :
       {"<think>a</think><answer>7</answer>", "Well. <think>a</think><answer>7</answer>", "7"}) {
    text += Json{{"step", 1},
                 {"task", "3 + 4?"},
                 {"answer", "7"},
                 {"completion", completion},
                 {"rewards", {{"format", 1.0}, {"accuracy", 1.0}}},
                 {"length", 9},
                 {"status", "done"},
                 {"advantage", nullptr}}
                .dump() +
            "\n";
  }
  return text;
}

TEST_F(Verify, MathAnswersWithVerdictAnswerAndReason) {
  const std::string input =
      Write("in.jsonl", R"({"id": "a", "gold": "1/2", "prediction": "So $x = 0.5$."}
{"id": 2, "gold": 5, "prediction": 5.0}
{"gold": "5", "completion": "<think>5</think> \\boxed{6}", "other": [1]}
{"id": 4, "gold": "5"}
)");
  const Outcome run = Shell(kVerify + "math --threads 2 -i " + input + " 2>/dev/null");
  EXPECT_EQ(run.code, 2);
  const auto lines = Lines(run.out);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0]["id"], "a");
  EXPECT_EQ(lines[0]["correct"], true);
  EXPECT_EQ(lines[0]["extracted"], "x = 0.5");
  EXPECT_EQ(lines[1]["correct"], true);
  EXPECT_EQ(lines[2]["id"], 3);
  EXPECT_EQ(lines[2]["correct"], false);
  EXPECT_THAT(lines[2]["reason"].get<std::string>(), HasSubstr("not equal"));
  EXPECT_THAT(lines[3]["error"].get<std::string>(), HasSubstr("prediction"));
}

TEST_F(Verify, MathTakesTheRewardsSettings) {
  const std::string input =
      Write("in.jsonl", "{\"id\": 1, \"gold\": \"5\", \"prediction\": \"It is 5.\"}\n");
  EXPECT_THAT(Shell(kVerify + "math -i " + input).out, HasSubstr("\"correct\":true"));
  EXPECT_THAT(Shell(kVerify + "math --options '{extraction: strict}' -i " + input).out,
              HasSubstr("\"correct\":false"));
  const Outcome wrong =
      Shell(kVerify + "math --options '{extractoin: strict}' -i " + input + " 2>&1");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.out, HasSubstr("Did you mean 'extraction'?"));
}

TEST_F(Verify, AuditReportsWhereTwoVerifiersDisagree) {
  const std::string in = Write("samples.jsonl", Samples()), out = Path("apart.jsonl");
  const Outcome run = Shell(kVerify + "audit format '{name: format, lenient: true}' -i " + in +
                            " -o " + out + " 2>/dev/null");
  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.out, HasSubstr("3 completions compared"));
  EXPECT_THAT(run.out, HasSubstr("Where they disagree (1 of 1)\nline 2: A 0 (not <think>"));
  const auto lines = Lines(Read(out));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["line"], 2);
  EXPECT_EQ(lines[0]["a"], 0.0);
  EXPECT_EQ(lines[0]["b"], 1.0);
}

TEST_F(Verify, AuditHoldsARewardAgainstWhatTheLinesHold) {
  const std::string in = Write("samples.jsonl", Samples());
  EXPECT_THAT(
      Shell(kVerify + "audit field:rewards.format format --show 1 -i " + in + " 2>/dev/null").out,
      HasSubstr("Where they disagree (1 of 2)"));
  EXPECT_THAT(
      Shell(kVerify + "audit field:rewards.format format --tolerance 1 -i " + in + " 2>/dev/null")
          .out,
      testing::Not(HasSubstr("disagree")));
  const Outcome missing = Shell(kVerify + "audit field:rewards.formt format -i " + in + " 2>&1");
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.out, HasSubstr("line 1: 'rewards.formt' is missing"));
}

TEST_F(Verify, AuditOnAnyNumberOfThreadsSaysTheSame) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += Samples();
  const std::string in = Write("samples.jsonl", text),
                    command =
                        kVerify + "audit tag_count exact -i " + in + " 2>/dev/null --threads ";
  EXPECT_EQ(Shell(command + "1").out, Shell(command + "4").out);
}

TEST_F(Verify, ASideThatIsNoneIsAMistakeWithItsPlace) {
  const std::string in = Write("samples.jsonl", Samples());
  const auto mistake = [&](const std::string& side) {
    const Outcome run = Shell(kVerify + "audit format '" + side + "' -i " + in + " 2>&1");
    EXPECT_EQ(run.code, 2) << side;
    return run.out;
  };
  EXPECT_THAT(mistake("formt"), HasSubstr("Did you mean 'format'?"));
  EXPECT_THAT(mistake("{name: format, lenent: true}"), HasSubstr(":1:16: unknown key 'lenent'"));
  EXPECT_THAT(mistake("accuracy"), HasSubstr("field:rewards.accuracy"));
  EXPECT_THAT(mistake("field:"), HasSubstr("field:"));
  EXPECT_THAT(mistake("[format"), HasSubstr("[format"));
}

TEST_F(Verify, DoesNotLoadLibTorch) {
  const Outcome run =
      Shell("echo '{\"completion\": \"a\"}' | LD_DEBUG=libs " + kVerify + "format 2>&1");
  EXPECT_THAT(run.out, HasSubstr("libcogent.so"));
  EXPECT_THAT(run.out, Not(HasSubstr("libtorch")));
}

}  // namespace
}  // namespace cogent
