// Tests that a policy wrote for a problem with a function: read from its completion, and held to the reference.
//
//   WrittenTests written = ReadWrittenTests(sandbox, problem, completion, limits);
//   written.kept;                                         // {"assert solve([3, 1]) == [1, 3]", ...}
//   CodeProblem judged = WithTests(problem, written.kept);  // the problem, with these tests instead of its own
//
// The tests are the assert statements of the last Python block, at its top or directly in a function of it. One is kept
// when
//   - it is an expression of the function's calls, plain values, operators, comprehensions and a few builtins: what else a
//     statement could do, it could do to its judge;
//   - the reference solution passes it;
//   - a function that does nothing and gives None fails it, so that it says something;
//   - it was not there before.
// All others are listed with the reason. Nothing that the policy wrote is run before it was read so, and then only in the
// sandbox's judge.
// Thread rule: free functions, callable from any thread; ReadWrittenTests waits for the sandbox.
#pragma once

#include <string>
#include <vector>

#include "verifiers/code.h"

namespace cogent {

struct WrittenTests {
  struct Refused {
    std::string test, reason;  // the test's text or its beginning; one line
  };
  std::vector<std::string> kept;
  std::vector<Refused> refused;
  std::string none;  // not empty: why there was nothing to read (no code block, no Python)
};

inline constexpr int kMostWrittenTests = 100;  // of one completion; the rest is refused

// What a policy is asked for, with the problem's text in it.
std::string AskForTests(const CodeProblem& problem);

// Throws DataError for a problem that is tested by output, has no reference, or whose reference fails its own tests
// (where it has any), and SandboxError for a fault of the sandbox.
WrittenTests ReadWrittenTests(Sandbox& sandbox, const CodeProblem& problem, const std::string& completion, const Limits& limits);

CodeProblem WithTests(CodeProblem problem, std::vector<std::string> tests);

}  // namespace cogent
