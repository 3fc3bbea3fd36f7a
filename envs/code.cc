#include "envs/code.h"

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "core/shared_file.h"
#include "envs/single_turn.h"
#include "verifiers/code.h"

namespace cogent {
namespace {

constexpr char kHow[] = "\n\nAnswer with one Python code block: ```python, the program, ```.";

// A drawn problem, in MBPP's layout: sorting, with a number put first.
std::string DrawnProblem(Rng& rng) {
  const std::string number = std::to_string(rng.Range(0, 999999));
  nlohmann::json tests = {"assert solve([3, 1, 2]) == [" + number + ", 1, 2, 3]", "assert solve([]) == [" + number + "]",
                          "assert solve([5, 5, -7, 0]) == [" + number + ", -7, 0, 5, 5]",
                          "assert solve(list(range(400, 0, -1))) == [" + number + "] + list(range(1, 401))"};
  return nlohmann::json{{"task_id", "sorted-" + number},
                        {"text", "Write a Python function solve(xs) that takes a list of numbers and returns them in sorted order, but also adds " +
                                     number + " at the start."},
                        {"code", "def solve(xs):\n    return [" + number + "] + sorted(xs)\n"},
                        {"test_list", tests}}.dump();
}

struct Lines {
  std::vector<std::string> all;  // a problem each, as JSON
};

Lines ReadProblems(const std::string& path) {
  Lines lines;
  if (path.empty()) return lines;
  LoadCodeProblems(path);  // every mistake with its line, before anything is run
  ForEachLine(ReadFile(path), [&](int, std::string_view line) { lines.all.emplace_back(line); });
  return lines;
}

class CodeEnv final : public SingleTurnEnv {
 public:
  struct Config {
    std::string problems;
    bool benchmark = false, judge = true;
    CodeSettings settings;
    void VisitFields(FieldVisitor& visit) {
      visit("problems", problems, "JSON lines in the layout of HumanEval, MBPP or contests; empty = drawn ones");
      visit("benchmark", benchmark, "true: the file is a benchmark; every problem is held out and asked once, and none is for training");
      visit("judge", judge, "false: leave the verdict to the reward 'code', which judges a rollout at once");
      settings.VisitFields(visit);
    }
    void Validate(Problems& found, const Location& where) const {
      settings.Validate(found, where);
      if (benchmark && problems.empty()) found.Add(where, "benchmark: true needs `problems`, the benchmark's file");
      if (!problems.empty() && !std::ifstream(problems)) found.Add(where, "problems: there is no file '" + problems + "'");
    }
  };
  explicit CodeEnv(const Config& config) : config_(config), lines_(SharedFile<Lines>(config.problems, [&] { return ReadProblems(config.problems); })) {}

  std::uint64_t ListedTasks() const override { return config_.benchmark ? lines_->all.size() : 0; }
  Task ListedTask(const TaskId& id) const override { return TaskOf(lines_->all[id.index]); }
  Task MakeTask(Rng& rng) const override {
    if (lines_->all.empty()) return TaskOf(DrawnProblem(rng));
    return TaskOf(lines_->all[static_cast<std::size_t>(rng.Range(0, static_cast<std::int64_t>(lines_->all.size()) - 1))]);
  }

  Verdict Score(const Task& task, const Completion& completion) const override {
    if (!config_.judge) return {0.0, "judged by the reward 'code'"};
    if (!sandbox_) sandbox_ = OpenSandbox(config_.settings);
    const CodeProblem problem = ReadCodeProblem(task.facts.at(kCodeFact), "the task's problem");
    const CodeScore score = ScoreCode(*sandbox_, {{&problem, completion.text}}, config_.settings.Scoring()).front();
    if (score.broken) throw SandboxError(score.reason);  // never a reward of 0
    return {score.score, score.reason};
  }

  bool StepWaits() const override { return config_.judge; }

  std::string GoldCompletion() const override {
    return config_.judge && !task().answer.empty() ? "<think>sort</think> <answer>\n```python\n" + task().answer + "\n```\n</answer>" : "";
  }

 private:
  static Task TaskOf(const std::string& line) {
    const CodeProblem problem = ReadCodeProblem(line, "a problem");
    return {.prompt = problem.prompt + kHow, .answer = problem.reference, .facts = {{kCodeFact, line}}};
  }

  Config config_;
  std::shared_ptr<const Lines> lines_;
  mutable std::shared_ptr<Sandbox> sandbox_;
};

}  // namespace

void RegisterCode(EnvRegistry& envs) {
  envs.Add<CodeEnv>("code", "write a program that passes tests, in the sandbox");
}

}  // namespace cogent
