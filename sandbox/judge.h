// Tests of a program that the program cannot forge.
//
// Function tests run in a judge's process and call the candidate's functions across a channel that
// carries plain data of exact types; tests of standard output compare here, in the caller.
//
//   FunctionTests tests{.style = TestStyle::kAsserts, .entry_point = "add", .text = "def check(f):\n    assert f(1, 2) == 3\n"};
//   JudgedResult result = Judge(sandbox, {.source = completion}, tests, {});
//   result.candidate.verdict;    // kOk: every test passed
//
//   OutputTests outputs{.cases = {{"1 2\n", "3\n"}}, .rule = {.kind = CompareKind::kTokens}};
//   JudgedResult other = Judge(sandbox, program, outputs, {});
//
// Thread rule: free functions, callable from any thread. Judge waits; StartJudging does not.
#pragma once

#include <future>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/sandbox.h"

namespace cogent {

enum class TestStyle {
  kAsserts,     // `text` defines check(candidate), as HumanEval: one test
  kStatements,  // each of `statements` is a test, as MBPP
  kUnittest,    // `text` holds unittest.TestCase classes that use the entry point by its name
};

struct FunctionTests {
  TestStyle style = TestStyle::kAsserts;
  std::string entry_point;  // the candidate's function
  std::string text;
  std::vector<std::string> statements;
  std::string setup;        // run before the tests, in the judge only: helpers, imports
};

enum class CompareKind {
  kExact,   // byte for byte
  kLines,   // white space at ends of lines and of the text does not count
  kTokens,  // words between white space
  kFloat,   // as tokens; where the expected one is a number, equal within the tolerance
};
struct CompareRule {
  CompareKind kind = CompareKind::kTokens;
  double tolerance = 1e-6;  // absolute, or relative to the expected number
};
// Not-a-number and infinities equal nothing. Linear in the texts, whatever is in them.
bool SameOutput(std::string_view expected, std::string_view given, const CompareRule& rule);

struct OutputTests {
  struct Case {
    std::string input, expected;
  };
  std::vector<Case> cases;
  CompareRule rule;
  bool all_cases = false;  // false: the first failure decides, and the rest is not run
};

std::future<JudgedResult> StartJudging(Sandbox& sandbox, Program candidate, const FunctionTests& tests, const Limits& limits);
JudgedResult Judge(Sandbox& sandbox, Program candidate, const FunctionTests& tests, const Limits& limits);
JudgedResult Judge(Sandbox& sandbox, const Program& candidate, const OutputTests& tests, const Limits& limits);

}  // namespace cogent
