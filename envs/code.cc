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

Task TaskOf(const CodeProblem& problem, std::string_view line) {
  return {.prompt = problem.prompt + kHow, .answer = problem.reference, .facts = {{kCodeFact, std::string(line)}}};
}

// A text with holes for a number.
class Form {
 public:
  static constexpr std::string_view kHole = "{number}";
  explicit Form(std::string_view text) {
    for (std::size_t hole; (hole = text.find(kHole)) != text.npos; text.remove_prefix(hole + kHole.size())) pieces_.emplace_back(text.substr(0, hole));
    pieces_.emplace_back(text);
    for (const std::string& piece : pieces_) size_ += piece.size();
  }
  std::string With(const std::string& number) const {
    std::string text;
    text.reserve(size_ + number.size() * (pieces_.size() - 1));
    text = pieces_[0];
    for (std::size_t i = 1; i < pieces_.size(); ++i) text.append(number).append(pieces_[i]);
    return text;
  }

 private:
  std::vector<std::string> pieces_;
  std::size_t size_ = 0;
};

// A drawn problem, in MBPP's layout: sorting, with a number put first.
std::string DrawnProblem(const std::string& number) {
  nlohmann::json tests = {"assert solve([3, 1, 2]) == [" + number + ", 1, 2, 3]", "assert solve([]) == [" + number + "]",
                          "assert solve([5, 5, -7, 0]) == [" + number + ", -7, 0, 5, 5]",
                          "assert solve(list(range(400, 0, -1))) == [" + number + "] + list(range(1, 401))"};
  return nlohmann::json{{"task_id", "sorted-" + number},
                        {"text", "Write a Python function solve(xs) that takes a list of numbers and returns them in sorted order, but also adds " +
                                     number + " at the start."},
                        {"code", "def solve(xs):\n    return [" + number + "] + sorted(xs)\n"},
                        {"test_list", tests}}.dump();
}

// They differ in the number alone, so that a problem is written and read once, with a hole.
struct Forms {
  Form prompt, answer, line;
};
const Forms& DrawnForms() {
  static const Forms forms = [] {
    const std::string line = DrawnProblem(std::string(Form::kHole));
    const Task task = TaskOf(ReadCodeProblem(line, "a drawn problem"), line);
    return Forms{Form(task.prompt), Form(task.answer), Form(line)};
  }();
  return forms;
}

std::string DrawnNumber(Rng& rng) { return std::to_string(rng.Range(0, 999999)); }

struct Tasks {
  std::vector<Task> all;
};

Tasks ReadTasks(const std::string& path) {
  Tasks tasks;
  if (path.empty()) return tasks;
  const std::vector<CodeProblem> problems = LoadCodeProblems(path);
  ForEachLineIn(path, [&](int, std::string_view line) { tasks.all.push_back(TaskOf(problems.at(tasks.all.size()), line)); });
  return tasks;
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
  explicit CodeEnv(const Config& config) : config_(config), tasks_(SharedFile<Tasks>(config.problems, [&] { return ReadTasks(config.problems); })) {}

  std::uint64_t ListedTasks() const override { return config_.benchmark ? tasks_->all.size() : 0; }
  Task ListedTask(const TaskId& id) const override { return tasks_->all[id.index]; }
  std::optional<std::string> Question(Rng rng) const override { return tasks_->all.empty() ? DrawnForms().prompt.With(DrawnNumber(rng)) : Pick(rng).prompt; }
  Task MakeTask(Rng& rng) const override {
    if (!tasks_->all.empty()) return Pick(rng);
    const std::string number = DrawnNumber(rng);
    const Forms& forms = DrawnForms();
    return {.prompt = forms.prompt.With(number), .answer = forms.answer.With(number), .facts = {{kCodeFact, forms.line.With(number)}}};
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
  const Task& Pick(Rng& rng) const { return tasks_->all[static_cast<std::size_t>(rng.Range(0, static_cast<std::int64_t>(tasks_->all.size()) - 1))]; }

  Config config_;
  std::shared_ptr<const Tasks> tasks_;
  mutable std::shared_ptr<Sandbox> sandbox_;
};

}  // namespace

void RegisterCode(EnvRegistry& envs) {
  envs.Add<CodeEnv>("code", "write a program that passes tests, in the sandbox");
}

}  // namespace cogent
