#include "envs/tools.h"

#include <memory>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/scalar.h"
#include "sandbox/session.h"
#include "verifiers/code.h"
#include "verifiers/extract.h"
#include "verifiers/math_parser.h"
#include "verifiers/math_values.h"

namespace cogent {
namespace {

struct ToolAnswer {
  std::string text;
  bool failed = false;
};

// One for an episode.
class Tool {
 public:
  virtual ~Tool() = default;
  virtual ToolAnswer Call(const std::string& text) = 0;
};

class Calculator final : public Tool {
 public:
  ToolAnswer Call(const std::string& text) override {
    try {
      return {Calculate(text)};
    } catch (const DataError& error) {
      return {std::string("error: ") + error.what(), true};
    }
  }
};

class PythonTool final : public Tool {
 public:
  PythonTool(std::shared_ptr<Sandbox> sandbox, const SessionOptions& options) : sandbox_(std::move(sandbox)), session_(*sandbox_, options) {}

  ToolAnswer Call(const std::string& text) override {
    const RunResult run = session_.Call(text).run;
    if (run.verdict == RunVerdict::kInternalError) throw SandboxError(run.reason);  // ours: no episode
    ToolAnswer answer{run.out + run.err, run.verdict != RunVerdict::kOk};
    // An exception has said what it is.
    if (run.verdict != RunVerdict::kOk && (run.verdict != RunVerdict::kRuntimeError || run.err.empty())) answer.text += "error: " + run.reason + "\n";
    return answer;
  }

 private:
  std::shared_ptr<Sandbox> sandbox_;
  PythonSession session_;
};

class ToolsEnv final : public Env {
 public:
  struct Config {
    Choice task{.name = "arithmetic"};
    std::string tool = "python";
    int max_calls = 4, output_bytes = 1000;
    CodeSettings sandbox;
    void VisitFields(FieldVisitor& visit) {
      visit("task", task, "the environment that asks and judges; one question an episode");
      visit("tool", tool, "python: a session in the sandbox; calculator: one exact value", OneOf{"python", "calculator"});
      visit("max_calls", max_calls, "calls in an episode; later ones are answered that there are no more", {1, 64});
      visit("output_bytes", output_bytes, "of a call, shown; the rest is cut", {10, 1 << 16});
      visit("wall_seconds", sandbox.wall_seconds, "python: of a call; CPU time as well", {0.05, 3600.0});
      visit("memory_mb", sandbox.memory_mb, "python: of a call, in MiB", {16, 1 << 20});
      visit("workers", sandbox.workers, "python: interpreters that wait for calls; 0 = one a core", {0, 1024});
      visit("python", sandbox.python, "python: the interpreter; empty = /usr/bin/python3, else the first on PATH");
      visit("level", sandbox.level, "python: isolation; reduced is weaker, see docs/sandbox.md", OneOf{"full", "reduced"});
    }
    void Validate(Problems& problems, const Location& where) const {
      if (task.name == "tools") problems.Add(where, "task is 'tools' itself; name the environment that asks");
    }
  };

  ToolsEnv(const Config& config, const EnvRegistry& envs, Problems& problems) : config_(config), inner_(envs.Make(config.task, problems)) {
    const std::string& tool = config_.tool;
    how_ = "\n\nYou can use a tool: end your turn with <" + tool + ">" + (tool == "python" ? "code" : "an expression") + "</" + tool +
           ">, and you will be told what it gives, in <output></output>.";
  }

  Observation Reset(const TaskId& id) override {
    Observation seen = inner_->Reset(id);
    Check(!seen.messages.empty(), "an environment asked nothing");
    seen.messages.back().text += how_;
    task_ = inner_->task();
    task_.prompt += how_;
    tool_.reset();
    whole_ = {};
    calls_ = errors_ = 0;
    return seen;
  }

  StepResult Step(const Completion& completion) override {
    whole_.text += (whole_.text.empty() ? "" : "\n") + completion.text;
    whole_.tokens += completion.tokens;
    whole_.truncated = completion.truncated;
    const auto call = FindCall(completion.text);
    if (call && !completion.truncated) return {{{{Role::kTool, "\n<output>" + Answer(*call) + "</output>\n"}}}, false, {}};
    StepResult result = inner_->Step(whole_);
    if (!result.done) return {{}, true, {0.0, "the task's environment asks again, which 'tools' does not know", true}};
    result.measures.push_back({"tool_calls", static_cast<double>(calls_), 0.0});
    result.measures.push_back({"tool_errors", static_cast<double>(errors_), 0.0});
    return result;
  }

  bool StepWaits() const override { return config_.tool == "python" || inner_->StepWaits(); }
  std::uint64_t ListedTasks() const override { return inner_->ListedTasks(); }
  const Task& task() const override { return task_; }
  std::string GoldCompletion() const override { return inner_->GoldCompletion(); }

 private:
  // What stands in the tool's tags at the end of the turn.
  std::optional<std::string> FindCall(const std::string& text) const {
    const std::string open = "<" + config_.tool + ">", close = "</" + config_.tool + ">";
    const std::string_view trimmed = TrimAscii(text);
    if (!trimmed.ends_with(close)) return std::nullopt;
    const std::size_t begin = trimmed.rfind(open);
    if (begin == std::string_view::npos) return std::nullopt;
    return std::string(trimmed.substr(begin + open.size(), trimmed.size() - close.size() - begin - open.size()));
  }

  std::string Answer(const std::string& call) {
    if (++calls_ > config_.max_calls) return "error: no more calls";
    if (!tool_) tool_ = MakeTool();
    ToolAnswer answer = tool_->Call(call);
    errors_ += answer.failed;
    std::string& text = answer.text;
    if (text.ends_with('\n')) text.pop_back();
    if (text.size() <= static_cast<std::size_t>(config_.output_bytes)) return text;
    return std::string(Beginning(text, static_cast<std::size_t>(config_.output_bytes))) + "... (cut)";
  }

  std::unique_ptr<Tool> MakeTool() const {
    if (config_.tool == "calculator") return std::make_unique<Calculator>();
    return std::make_unique<PythonTool>(OpenSandbox(config_.sandbox), SessionOptions{.limits = config_.sandbox.Scoring().limits, .max_calls = config_.max_calls});
  }

  Config config_;
  std::unique_ptr<Env> inner_;  // null when its settings were wrong; then nothing is asked of this
  std::string how_;
  Task task_;
  std::unique_ptr<Tool> tool_;
  Completion whole_;
  int calls_ = 0, errors_ = 0;
};

}  // namespace

std::string Calculate(const std::string& expression) {
  MathTree tree;
  const ParsedMath parsed = ParseMath(expression, {}, tree);
  if (!parsed.math) throw DataError("this is no expression");
  Work work;
  const auto value = ExactValue(*parsed.node, work);
  if (!value) throw DataError("this has no exact value");
  return value->ToString();
}

void RegisterTools(EnvRegistry& envs) {
  envs.Add<ToolsEnv>("tools", "a task of another environment, with a calculator or a Python session to use on the way");
}

}  // namespace cogent
