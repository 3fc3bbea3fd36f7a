// Programs as answers: problems with tests, the code in a completion, and what it is worth.
//
//   std::vector<CodeProblem> problems = LoadCodeProblems("HumanEval.jsonl");
//   Sandbox sandbox;
//   CodeScore score = ScoreCode(sandbox, {{&problems[0], completion}}, {}).front();
//   score.score;    // in [0, 1]; score.broken: a fault of ours or of the tests, and no score
//
// The score, with `form`, `lint` and `speed_bonus` from CodeScoring (0.1, 0 and 0 unless set):
//   0                     no code block
//   form / 2              a block that is no Python
//   form + lint / (1 + n)                                   Python that passes no test; n: findings of ruff (verifiers/ruff.h)
//   ... + t * (1 - form - lint - speed_bonus)               t: 1 when all tests pass, else 0 (or their share)
//   ... + speed_bonus * min(1, reference CPU / CPU)         only when all tests pass
// so that a right answer is always worth more than a wrong one (CodeSettings sees to lint), and a slow right one
// 1 - lint - speed_bonus at least. CPU time is the least of `repeats` judgings, as other work on the machine can only add to it.
// Tests run in the sandbox, apart from the candidate (sandbox/judge.h).
// Thread rule: free functions, callable from any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/judge.h"
#include "verifiers/reward.h"

namespace cogent {

struct CodeProblem {
  std::string id, prompt;
  std::string reference;  // a right solution; may be empty
  bool by_output = false;  // tests of standard output instead of functions
  FunctionTests functions;
  OutputTests outputs;
};

// JSON lines in the layout of HumanEval (prompt, entry_point, canonical_solution, test), of MBPP (text or prompt,
// code, test_list, test_setup_code) or of contests (prompt or question, tests: [{stdin|input, expected|output}],
// compare: exact|lines|tokens|float, tolerance). Throws DataError with file and line.
std::vector<CodeProblem> LoadCodeProblems(const std::string& path);
CodeProblem ReadCodeProblem(const std::string& json, const std::string& where);

// The last fenced block behind the reasoning (```python, ```py or bare); nothing without one.
std::optional<std::string> ExtractCode(const std::string& completion);

struct CodeScoring {
  bool share = false;        // pay the share of tests that pass
  double form = 0.1;
  double lint = 0.0;         // needs ruff
  double speed_bonus = 0.0;  // needs problems with a reference
  std::string ruff;          // empty: on PATH
  int repeats = 3;           // judgings for a measured time
  Limits limits;
};

struct CodeScore {
  double score = 0;
  std::string reason;
  bool broken = false;
  bool has_code = false, parses = false;
  RunVerdict verdict = RunVerdict::kWrongAnswer;  // of the run; meaningful with code
  int passed = 0, total = 0;
  int findings = 0;  // of ruff, where lint is not 0
  double cpu_seconds = 0;
};

// One for each, in order; all are judged at once, as many as the sandbox has workers.
std::vector<CodeScore> ScoreCode(Sandbox& sandbox, const std::vector<std::pair<const CodeProblem*, std::string>>& answers,
                                 const CodeScoring& scoring);

// Settings in YAML, of the reward and of the environment alike.
struct CodeSettings {
  std::string score = "all", level = "full", python, ruff;
  double form = 0.1, lint = 0.0, speed_bonus = 0.0, wall_seconds = 2.0;
  int repeats = 3, workers = 0, memory_mb = 256;
  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Location& where) const;
  CodeScoring Scoring() const;
};
// One sandbox for all who ask with equal settings, for as long as one of them holds it.
std::shared_ptr<Sandbox> OpenSandbox(const CodeSettings& settings);

// Where a Task keeps its problem, as the JSON that ReadCodeProblem reads.
inline constexpr char kCodeFact[] = "code_problem";

// `code`: the above about tasks that hold a problem (environment `code`).
void RegisterCodeReward(RewardRegistry& rewards);

}  // namespace cogent
