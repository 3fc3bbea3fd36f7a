// The linter's part of a program's worth. Needs ruff: ./setup.sh --tests puts it into .venv.
#include "verifiers/ruff.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "verifiers/code.h"

namespace cogent {
namespace {

std::string Ruff() {
  static const std::string found = [] {
    const std::string own = FindRuff(COGENT_SOURCE_DIR "/.venv/bin/ruff");
    return own.empty() ? FindRuff("") : own;
  }();
  EXPECT_FALSE(found.empty()) << "no ruff: run ./setup.sh --tests, or pip install ruff";
  return found;
}

TEST(Ruff, CountsTheFindingsOfEachSource) {
  const std::vector<std::string> sources = {"def f(x):\n    return x + 1\n", "import os\nimport sys\n\n\ndef f(x):\n    return y\n", "def f(:\n", "", "x = 1\n"};
  const std::vector<int> findings = RuffFindings(Ruff(), sources);
  EXPECT_EQ(findings[0], 0);
  EXPECT_EQ(findings[1], 3);  // two imports unused, one name unknown
  EXPECT_GE(findings[2], 1);
  EXPECT_EQ(findings[3], 0);
  EXPECT_EQ(findings[4], 0);
}

TEST(Ruff, IsNotSilencedByTheSource) {
  EXPECT_EQ(RuffFindings(Ruff(), {"import os  # noqa\n"}), std::vector<int>{1});
  EXPECT_EQ(RuffFindings(Ruff(), {"# ruff: noqa\nimport os\n"}), std::vector<int>{1});
}

TEST(Ruff, ReadsManySourcesAndAnyBytes) {
  std::vector<std::string> sources(300, "import os\n");
  sources.push_back(std::string("\xff\xfe\0x", 4));
  const std::vector<int> findings = RuffFindings(Ruff(), sources);
  for (std::size_t i = 0; i < 300; ++i) ASSERT_EQ(findings[i], 1);
}

TEST(Ruff, OneThatCannotRunIsNamed) {
  EXPECT_EQ(FindRuff("/nowhere/ruff"), "");
  EXPECT_THROW(RuffFindings("/nowhere/ruff", {"x = 1\n"}), MachineError);
  EXPECT_THROW(RuffFindings("/bin/false", {"x = 1\n"}), MachineError);
}

TEST(Ruff, CleanerCodeIsWorthMoreAndARightAnswerMoreThanACleanOne) {
  static Sandbox sandbox({.workers = 1});
  const CodeProblem problem = ReadCodeProblem(R"J({"text": "twice", "test_list": ["assert solve(3) == 6"]})J", "test");
  const CodeScoring scoring{.form = 0.1, .lint = 0.2, .ruff = Ruff(), .limits = {.wall_seconds = 20, .cpu_seconds = 20}};
  const auto block = [](const std::string& code) { return "```python\n" + code + "```"; };
  const std::vector<CodeScore> scores = ScoreCode(sandbox,
                                                  {{&problem, "no code"},
                                                   {&problem, block("def solve(:\n")},
                                                   {&problem, block("import os\n\n\ndef solve(x):\n    return x\n")},
                                                   {&problem, block("def solve(x):\n    return x\n")},
                                                   {&problem, block("import os\n\n\ndef solve(x):\n    return 2 * x\n")},
                                                   {&problem, block("def solve(x):\n    return 2 * x\n")}},
                                                  scoring);
  const std::vector<double> expected = {0.0, 0.05, 0.2, 0.3, 0.9, 1.0};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_FALSE(scores[i].broken) << scores[i].reason;
    EXPECT_NEAR(scores[i].score, expected[i], 1e-9) << i;
  }
}

TEST(Ruff, SettingsThatLetACleanWrongAnswerWinAreRefused) {
  const auto refused = [](double form, double lint, const std::string& ruff) {
    CodeSettings settings;
    settings.form = form, settings.lint = lint, settings.ruff = ruff;
    Problems problems;
    settings.Validate(problems, {});
    return !problems.empty();
  };
  EXPECT_TRUE(refused(0.5, 0.3, Ruff()));
  EXPECT_FALSE(refused(0.1, 0.3, Ruff()));
  EXPECT_TRUE(refused(0.1, 0.1, "/nowhere/ruff"));
  EXPECT_FALSE(refused(0.1, 0.0, "/nowhere/ruff"));
}

}  // namespace
}  // namespace cogent
