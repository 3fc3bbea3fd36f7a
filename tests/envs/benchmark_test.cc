// Benchmarks from files: each layout, which task is which problem, what is paid, and what is wrong with a file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <set>

#include "core/error.h"
#include "envs/benchmark_files.h"
#include "envs/env.h"
#include "tests/envs/make_env.h"
#include "verifiers/extract.h"

namespace cogent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Data(const std::string& name) { return std::string(COGENT_SOURCE_DIR) + "/tests/data/benchmarks/" + name; }

std::unique_ptr<Env> Of(const std::string& file, const std::string& settings = "") { return Make("benchmark", "{path: " + Data(file) + (settings.empty() ? "" : ", " + settings) + "}"); }

const std::vector<std::string> kFiles = {"aime.jsonl", "math_500.jsonl", "gpqa.csv", "mmlu_pro.jsonl", "gsm8k.jsonl"};

Verdict Answer(Env& env, std::uint64_t index, const std::string& text, std::uint64_t seed = 1) {
  env.Reset({Split::kTest, seed, index});
  return env.Step({text, 1, false}).verdict;
}

// A file that is gone again at the end of the test.
class OwnFile {
 public:
  explicit OwnFile(const std::string& text, const std::string& end = ".jsonl") : path_(testing::TempDir() + "/cogent_benchmark." + std::to_string(getpid()) + end) {
    std::ofstream(path_) << text;
  }
  ~OwnFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string Refused(const std::string& text, const std::string& layout = "auto", const std::string& end = ".jsonl") {
  const OwnFile file(text, end);
  try {
    ReadBenchmark(file.path(), layout);
  } catch (const DataError& error) {
    const std::string what = error.what();
    EXPECT_EQ(what.find(file.path()), 0u) << what;
    return what.substr(file.path().size());
  }
  return "(not refused)";
}

TEST(BenchmarkFiles, EachLayoutIsToldFromItsFields) {
  EXPECT_EQ(ReadBenchmark(Data("aime.jsonl"), "auto").layout, "math");
  EXPECT_EQ(ReadBenchmark(Data("math_500.jsonl"), "auto").layout, "math");
  EXPECT_EQ(ReadBenchmark(Data("gpqa.csv"), "auto").layout, "gpqa");
  EXPECT_EQ(ReadBenchmark(Data("mmlu_pro.jsonl"), "auto").layout, "mmlu_pro");
  EXPECT_EQ(ReadBenchmark(Data("gsm8k.jsonl"), "auto").layout, "gsm8k");
}

TEST(BenchmarkFiles, MathematicsHasProblemAndAnswerWhateverTheCapitals) {
  const auto problems = ReadBenchmark(Data("aime.jsonl"), "math").problems;
  ASSERT_EQ(problems.size(), 3u);
  EXPECT_EQ(problems[0].answer, "131");
  EXPECT_EQ(problems[1].question, "How many positive integers below 1000 are divisible by 7?");
  EXPECT_EQ(problems[1].answer, "142");  // a number in the file
  EXPECT_EQ(problems[2].answer, "024");
  const auto graded = ReadBenchmark(Data("math_500.jsonl"), "math").problems;
  EXPECT_EQ(graded[1].subject, "Algebra");
  EXPECT_EQ(graded[1].level, "2");
}

TEST(BenchmarkFiles, ATableMayHaveCommasQuotesAndLineBreaksInItsCells) {
  const auto problems = ReadBenchmark(Data("gpqa.csv"), "gpqa").problems;
  ASSERT_EQ(problems.size(), 3u);
  EXPECT_EQ(problems[0].question, "Which of these has the \"largest\" mass,\ngiven that all are at rest?");
  EXPECT_THAT(problems[0].choices, ElementsAre("a proton and a neutron", "an electron", "a neutron", "a proton, alone"));
  EXPECT_EQ(problems[0].right, 0);
  EXPECT_EQ(problems[1].subject, "Inorganic (own)");
  const OwnFile dos("\xEF\xBB\xBFQuestion,Answer\r\n\"a \"\"b\"\"\",1\r\n\r\nlast,2", ".csv");
  const auto rows = ReadBenchmark(dos.path(), "auto").problems;
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].question, "a \"b\"");
  EXPECT_EQ(rows[1].answer, "2");
}

TEST(BenchmarkFiles, FilledUpOptionsAreLeftOutAndTheRightOneStaysRight) {
  const auto problems = ReadBenchmark(Data("mmlu_pro.jsonl"), "auto").problems;
  EXPECT_EQ(problems[0].choices.size(), 10u);
  EXPECT_EQ(problems[0].right, 4);
  EXPECT_THAT(problems[1].choices, ElementsAre("21", "23", "25", "27"));
  EXPECT_EQ(problems[1].choices[static_cast<std::size_t>(problems[1].right)], "23");
  EXPECT_EQ(problems[2].right, 1);  // by its index
}

TEST(BenchmarkFiles, ABadLineIsToldWithItsNumber) {
  EXPECT_THAT(Refused("{\"problem\": \"1+1?\", \"answer\": \"2\"}\n\n{\"problem\": \"1+2?\"}"), HasSubstr(":3: there is no 'answer'"));
  EXPECT_THAT(Refused("{\"problem\": \"1+1?\", \"answer\": \"2\"}\n{broken"), HasSubstr(":2: this is no JSON object"));
  EXPECT_THAT(Refused("{\"problem\": \"1+1?\", \"answer\": \" \"}"), HasSubstr(":1: 'answer' is empty"));
  EXPECT_THAT(Refused("{\"problem\": [1], \"answer\": \"2\"}"), HasSubstr(":1: 'problem' is neither text nor a number"));
  EXPECT_THAT(Refused("{\"prompt\": \"1+1?\"}"), HasSubstr(":1: these are the fields of no layout"));
  EXPECT_THAT(Refused("{\"question\": \"1+1?\", \"answer\": \"2\"}", "gsm8k"), HasSubstr(":1: the answer has no number behind ####"));
  EXPECT_THAT(Refused("{\"question\": \"?\", \"options\": [\"a\", \"b\"], \"answer\": \"C\"}"), HasSubstr(":1: the answer \"C\" is none of the 2 options"));
  EXPECT_THAT(Refused("{\"question\": \"?\", \"options\": [\"a\", \"b\"], \"answer\": -1}"), HasSubstr("is none of the 2 options"));
  EXPECT_THAT(Refused("{\"question\": \"?\", \"options\": [\"a\", 2], \"answer\": \"A\"}"), HasSubstr(":1: 'options' is no list of texts"));
  EXPECT_THAT(Refused("{\"question\": \"?\", \"options\": [\"a\"], \"answer\": \"A\"}"), HasSubstr(":1: 1 options; 2 to 10 are possible"));
  EXPECT_THAT(Refused("\n\n"), HasSubstr(" holds no problem"));
  EXPECT_THAT(Refused("Question,Correct Answer\n\"a\nb\",c\nd\n", "auto", ".csv"), HasSubstr(":4: a row of 1 cells below 2 names"));
  EXPECT_THAT(Refused("Question,Correct Answer\nx,y\n\"a,b\n", "auto", ".csv"), HasSubstr(":3: a quoted cell does not end"));
  EXPECT_THAT(Refused("Question,Answer\n\"a\"b,1\n", "auto", ".csv"), HasSubstr(":2: something stands behind the quote"));
  EXPECT_THAT(Refused("Question,Correct Answer\nx,y\n", "auto", ".csv"), HasSubstr(":2: there is no 'incorrect answer 1'"));
}

TEST(BenchmarkFiles, OneThatIsNoTextIsRefusedWhateverItsName) {
  for (const char* end : {".jsonl", ".csv", ".parquet"}) EXPECT_THAT(Refused("PAR1 columns", "auto", end), ::testing::StartsWith(": this is a Parquet file")) << end;
}

TEST(Benchmark, TaskIsTheProblemOfItsNumberAndAllAreHeldOut) {
  for (const std::string& file : kFiles) {
    auto env = Of(file), other = Of(file);
    const auto problems = ReadBenchmark(Data(file), "auto").problems;
    ASSERT_EQ(env->ListedTasks(), problems.size());
    for (std::uint64_t i = 0; i < problems.size(); ++i) {
      for (const std::uint64_t seed : {1u, 2u}) {
        EXPECT_THAT(env->Reset({Split::kTest, seed, i}).messages.at(0).text, HasSubstr(problems[i].question));
        other->Reset({Split::kTest, seed, i});
        EXPECT_EQ(other->task().prompt, env->task().prompt);
        EXPECT_EQ(other->task().answer, env->task().answer);
      }
    }
    EXPECT_THROW(env->Reset({Split::kTrain, 1, 0}), ConfigError);
    EXPECT_THROW(env->Reset({Split::kTest, 1, problems.size()}), DataError);
    EXPECT_THROW(env->Step({"14", 1, false}), InternalError);  // nothing is running then
    EXPECT_FALSE(env->HasCorpus());
  }
}

TEST(Benchmark, PaysOneForGoldAndNothingForNothing) {
  std::string numbers, parts = "<think>a</think>";
  for (int i = -200; i <= 1300; ++i) (numbers += std::to_string(i)) += " ", parts += "<answer>" + std::to_string(i) + "</answer>";
  for (const std::string& file : kFiles) {
    auto env = Of(file), strict = Of(file, "extraction: strict");
    for (std::uint64_t i = 0; i < env->ListedTasks(); ++i) {
      env->Reset({Split::kTest, 3, i});
      const std::string gold = env->GoldCompletion(), prompt = env->task().prompt;
      EXPECT_TRUE(FormatOk(gold));
      EXPECT_EQ(Answer(*env, i, gold, 3).score, 1.0) << prompt;
      EXPECT_EQ(Answer(*strict, i, gold, 3).score, 1.0) << prompt;
      for (const std::string& text : {std::string(), std::string("<think></think>"), "<think>a</think><answer>" + numbers + "</answer>", parts, "<think>" + numbers,
                                      std::string("<think>a</think><answer>A or B or C or D or E</answer>"), "<think>a</think><answer>" + prompt + "</answer>",
                                      std::string("ABCDEFGHIJ"), std::string("<think>a</think> <answer>1/0</answer>")}) {
        const Verdict verdict = Answer(*env, i, text, 3);
        EXPECT_EQ(verdict.score, 0.0) << file << " " << i << ": " << text.substr(0, 80);
        EXPECT_FALSE(verdict.reason.empty());
        EXPECT_EQ(verdict.reason.find('\n'), std::string::npos);
      }
    }
  }
}

TEST(Benchmark, NeverThrowsOnRandomBytes) {
  Rng rng(4);
  for (const std::string& file : kFiles) {
    auto env = Of(file);
    for (int round = 0; round < 300; ++round) {
      std::string text = round % 3 == 0 ? "\"answer\": \"" : round % 3 == 1 ? "ANSWER: " : "";
      for (std::int64_t i = rng.Range(0, 40); i > 0; --i) text += static_cast<char>(rng.Range(0, 255));
      const Verdict verdict = Answer(*env, 0, text);
      EXPECT_TRUE(verdict.score == 0.0 || verdict.score == 1.0);
    }
  }
}

TEST(Benchmark, AChoiceIsReadWhereverItIsAskedFor) {
  auto env = Of("mmlu_pro.jsonl");  // E is right
  for (const char* text : {"<think>A? B?</think>It is clear.\nANSWER: E", "The answer is (E).", "so \\boxed{E}", "\\boxed{\\text{E}}", "**Answer:** E) 50", "E",
                           "{\"reasoning\": \"not A\", \"answer\": \"E\"}", "```json\n{\n  \"reasoning\": \"x\",\n  \"answer\": \"E\"\n}\n```", "<answer>E</answer>"}) {
    const Verdict verdict = Answer(*env, 0, text);
    EXPECT_EQ(verdict.score, 1.0) << text << ": " << verdict.reason;
    EXPECT_EQ(verdict.answer, "E") << text;
  }
  for (const char* text : {"ANSWER: D", "<think>The answer is (E).</think> The answer is (D).", "{\"answer\": \"D\"}"}) {
    const Verdict verdict = Answer(*env, 0, text);
    EXPECT_EQ(verdict.score, 0.0) << text;
    EXPECT_EQ(verdict.answer, "D") << text;
  }
}

TEST(Benchmark, TellsOneSpellingOfEqualNumbersForTheVotes) {
  auto env = Of("gsm8k.jsonl");
  EXPECT_EQ(Answer(*env, 1, "\\boxed{3/2}").answer, "3/2");
  EXPECT_EQ(Answer(*env, 1, "\\boxed{1.50}").answer, "3/2");
  EXPECT_EQ(Answer(*env, 1, "I do not know").answer.find("3/2"), std::string::npos);
}

TEST(Benchmark, StrictExtractionTakesNoAnswerFromASentence) {
  EXPECT_EQ(Answer(*Of("gsm8k.jsonl"), 0, "So there are 1234 hens.").score, 1.0);
  EXPECT_EQ(Answer(*Of("gsm8k.jsonl", "extraction: strict"), 0, "So there are 1234 hens.").score, 0.0);
  EXPECT_EQ(Answer(*Of("mmlu_pro.jsonl", "extraction: strict"), 0, "{\"answer\": \"E\"}").score, 0.0);
  EXPECT_EQ(Answer(*Of("mmlu_pro.jsonl", "extraction: strict"), 0, "{\"answer\": \"E\"} so \\boxed{E}").score, 1.0);
}

TEST(Benchmark, TheChoicesOfGpqaAreShuffledByTask) {
  auto env = Of("gpqa.csv");
  std::set<std::string> right;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    env->Reset({Split::kTest, seed, 1});
    right.insert(env->task().answer);
    EXPECT_THAT(env->task().prompt, HasSubstr(env->task().answer + ") Sodium"));
  }
  EXPECT_THAT(right, ElementsAre("A", "B", "C", "D"));
}

TEST(Benchmark, AsksAsTheLayoutIsAskedOrAsTheSettingSays) {
  auto env = Of("aime.jsonl");
  env->Reset({Split::kTest, 1, 2});
  EXPECT_EQ(env->task().prompt, "Find the remainder when $2^{10}$ is divided by $1000$.\n\nPlease reason step by step, and put your final answer within \\boxed{}.");
  env = Of("mmlu_pro.jsonl");
  env->Reset({Split::kTest, 1, 1});
  EXPECT_THAT(env->task().prompt, HasSubstr("(with answers) about math. Think step by step"));
  EXPECT_THAT(env->task().prompt, HasSubstr("\nOptions:\nA. 21\nB. 23\nC. 25\nD. 27"));
  env = Of("gpqa.csv");
  env->Reset({Split::kTest, 1, 1});
  EXPECT_THAT(env->task().prompt, HasSubstr("where LETTER is one of ABCD."));
  env = Of("gpqa.csv", "prompt: \"Q {question}\\n{choices}\\n{subject} {letters} {other}\"");
  env->Reset({Split::kTest, 1, 1});
  EXPECT_THAT(env->task().prompt, HasSubstr("Q Which element has the symbol Na?\nA) "));
  EXPECT_THAT(env->task().prompt, HasSubstr("\nInorganic (own) ABCD {other}"));
}

TEST(Benchmark, WhatIsPutIntoAPromptIsNotLookedAtAgain) {
  const OwnFile file("{\"problem\": \"What is {question}?\", \"answer\": \"1\"}");
  auto env = Make("benchmark", "{path: " + file.path() + ", prompt: '{question}'}");
  env->Reset({Split::kTest, 1, 0});
  EXPECT_EQ(env->task().prompt, "What is {question}?");
}

TEST(Benchmark, RefusesSettingsThatCannotWork) {
  const auto refused = [](const std::string& settings) -> std::string {
    try {
      Make("benchmark", "{" + settings + "}");
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "(not refused)";
  };
  EXPECT_THAT(refused(""), HasSubstr("environment 'benchmark' needs `path`"));
  EXPECT_THAT(refused("path: /no/such.jsonl"), HasSubstr("test.yaml:1:8: path: there is no file '/no/such.jsonl'"));
  EXPECT_THAT(refused("path: " + Data("aime.jsonl") + ", layout: aime"), HasSubstr("'aime'"));
  EXPECT_THAT(refused("path: " + Data("aime.jsonl") + ", prompt: 'What?'"), HasSubstr("has no {question}"));
  EXPECT_THAT(refused("path: " + Data("gpqa.csv") + ", prompt: '{question}'"), HasSubstr("has no {choices}"));
  try {
    Make("mixture", "{parts: [{name: signs}, {name: benchmark, path: " + Data("aime.jsonl") + "}]}");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("evaluate 'benchmark' alone"));
  }
}

TEST(Benchmark, ProgramsAreAskedOnceEachByTheEnvironmentCode) {
  const OwnFile file("{\"task_id\": \"own/0\", \"prompt\": \"def f(x):\\n    \\\"\\\"\\\"Twice x.\\\"\\\"\\\"\\n\", \"entry_point\": \"f\", \"canonical_solution\": \"    return 2 * x\\n\", "
                     "\"test\": \"def check(candidate):\\n    assert candidate(2) == 4\\n\"}\n"
                     "{\"task_id\": \"own/1\", \"prompt\": \"def g(x):\\n    \\\"\\\"\\\"x.\\\"\\\"\\\"\\n\", \"entry_point\": \"g\", \"canonical_solution\": \"    return x\\n\", "
                     "\"test\": \"def check(candidate):\\n    assert candidate(2) == 2\\n\"}\n");
  auto env = Make("code", "{benchmark: true, problems: " + file.path() + "}");
  ASSERT_EQ(env->ListedTasks(), 2u);
  env->Reset({Split::kTest, 1, 1});
  EXPECT_THAT(env->task().prompt, HasSubstr("def g(x)"));
  EXPECT_THROW(env->Reset({Split::kTrain, 1, 0}), ConfigError);
  EXPECT_THROW(Make("code", "{benchmark: true}"), ConfigError);
  EXPECT_EQ(Make("code", "{problems: " + file.path() + "}")->ListedTasks(), 0u);  // to train on: drawn, and split
}

}  // namespace
}  // namespace cogent
