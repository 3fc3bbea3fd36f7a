#include "verifiers/code.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "core/error.h"
#include "core/parallel.h"
#include "verifiers/extract.h"
#include "verifiers/ruff.h"

namespace cogent {
namespace {

JudgedResult JudgeOnce(Sandbox& sandbox, const CodeProblem& problem, const std::string& code, const CodeScoring& scoring) {
  Program program{.source = code};
  if (!problem.by_output) return Judge(sandbox, std::move(program), problem.functions, scoring.limits);
  OutputTests tests = problem.outputs;
  tests.all_cases = scoring.share;
  return Judge(sandbox, program, tests, scoring.limits);
}

// The least CPU time of several judgings that all pass; `first` was one of them.
double LeastCpu(Sandbox& sandbox, const CodeProblem& problem, const std::string& code, const CodeScoring& scoring, double first) {
  for (int i = 1; i < scoring.repeats; ++i) {
    const JudgedResult again = JudgeOnce(sandbox, problem, code, scoring);
    if (again.candidate.verdict == RunVerdict::kOk) first = std::min(first, again.candidate.cpu_seconds);
  }
  return first;
}

bool Parses(Sandbox& sandbox, const std::string& code) {
  const RunResult run = sandbox.Run({.source = "import ast, sys\nast.parse(sys.stdin.buffer.read())", .input = code}, {.wall_seconds = 10});
  if (run.verdict == RunVerdict::kInternalError) throw SandboxError(run.reason);
  return run.verdict == RunVerdict::kOk;
}

// The reference's CPU time, measured once in each call of ScoreCode.
class References {
 public:
  References(Sandbox& sandbox, const CodeScoring& scoring) : sandbox_(sandbox), scoring_(scoring) {}
  double Cpu(const CodeProblem& problem) {
    const std::lock_guard lock(guard_);
    const auto [place, fresh] = cpu_.try_emplace(&problem, 0.0);
    if (!fresh) return place->second;
    if (problem.reference.empty()) throw DataError("problem '" + problem.id + "' has no reference solution, which speed_bonus measures by");
    const JudgedResult first = JudgeOnce(sandbox_, problem, problem.reference, scoring_);
    if (first.candidate.verdict != RunVerdict::kOk) {
      throw DataError("the reference solution of problem '" + problem.id + "' fails its own tests: " + first.candidate.reason);
    }
    return place->second = LeastCpu(sandbox_, problem, problem.reference, scoring_, first.candidate.cpu_seconds);
  }

 private:
  Sandbox& sandbox_;
  const CodeScoring& scoring_;
  std::mutex guard_;
  std::map<const CodeProblem*, double> cpu_;
};

CodeScore Broken(const std::string& reason) {
  CodeScore score;
  score.broken = true;
  score.reason = reason;
  return score;
}

// What ruff finds in each code; nothing when it is not asked for.
std::vector<int> Lint(const std::vector<std::optional<std::string>>& codes, const CodeScoring& scoring) {
  std::vector<int> findings(codes.size(), 0);
  if (scoring.lint == 0) return findings;
  const std::string ruff = FindRuff(scoring.ruff);
  if (ruff.empty()) throw MachineError("lint needs ruff, and there is none" + (scoring.ruff.empty() ? std::string(" on PATH") : " at '" + scoring.ruff + "'") + ": pip install ruff");
  std::vector<std::string> sources;
  for (const auto& code : codes) sources.push_back(code.value_or(""));
  return RuffFindings(ruff, sources);
}

CodeScore ScoreOne(Sandbox& sandbox, const CodeProblem& problem, const std::optional<std::string>& code, int findings, const CodeScoring& scoring,
                   References& references) {
  CodeScore score;
  if (!code) {
    score.reason = "no code block";
    return score;
  }
  score.has_code = true;
  score.findings = findings;
  const JudgedResult judged = JudgeOnce(sandbox, problem, *code, scoring);
  score.verdict = judged.candidate.verdict;
  if (score.verdict == RunVerdict::kInternalError) return Broken(judged.candidate.reason);
  if (!judged.broken.empty()) return Broken("problem '" + problem.id + "': " + judged.broken);
  score.passed = judged.passed, score.total = judged.total;
  score.cpu_seconds = judged.candidate.cpu_seconds;
  score.reason = judged.candidate.reason;
  const bool right = score.verdict == RunVerdict::kOk;
  score.parses = right || Parses(sandbox, *code);
  if (!score.parses) {
    score.score = scoring.form / 2;
    score.reason = "the code block is no Python";
    return score;
  }
  const double share = score.total > 0 ? static_cast<double>(score.passed) / score.total : 0.0;
  score.score = scoring.form + scoring.lint / (1.0 + findings) +
                (right ? 1.0 : scoring.share ? share : 0.0) * (1.0 - scoring.form - scoring.lint - scoring.speed_bonus);
  if (!right || scoring.speed_bonus == 0) return score;
  const double reference = references.Cpu(problem);
  score.cpu_seconds = LeastCpu(sandbox, problem, *code, scoring, score.cpu_seconds);
  score.score += scoring.speed_bonus * std::min(1.0, reference / std::max(score.cpu_seconds, 1e-6));
  return score;
}

class CodeReward final : public BatchReward {
 public:
  using Config = CodeSettings;
  explicit CodeReward(const Config& config) : settings_(config) {}
  std::vector<Verdict> ScoreAll(const std::vector<Answered>& answered) const override {
    if (!sandbox_) sandbox_ = OpenSandbox(settings_);
    std::map<const Task*, CodeProblem> problems;
    std::vector<std::pair<const CodeProblem*, std::string>> answers;
    for (const Answered& one : answered) {
      const auto fact = one.task->facts.find(kCodeFact);
      if (fact == one.task->facts.end()) throw ConfigError("reward 'code' is about tasks with tests, as of environment 'code'");
      const auto [place, fresh] = problems.try_emplace(one.task);
      if (fresh) place->second = ReadCodeProblem(fact->second, "the task's problem");
      answers.emplace_back(&place->second, one.completion->text);
    }
    std::vector<Verdict> verdicts;
    for (const CodeScore& score : ScoreCode(*sandbox_, answers, settings_.Scoring())) {
      verdicts.push_back({score.score, score.reason, score.broken});
    }
    return verdicts;
  }

 private:
  CodeSettings settings_;
  mutable std::shared_ptr<Sandbox> sandbox_;  // started by the first rollout, not by reading a config
};

}  // namespace

std::optional<std::string> ExtractCode(const std::string& completion) {
  const auto visible = AfterReasoning(completion);
  if (!visible) return std::nullopt;
  std::optional<std::string> found;
  std::size_t at = 0;
  while ((at = visible->find("```", at)) != std::string::npos) {
    const std::size_t line = visible->find('\n', at);
    if (line == std::string::npos) break;
    const std::string tag(TrimAscii(std::string_view(*visible).substr(at + 3, line - at - 3)));
    const std::size_t end = visible->find("```", line);
    if (end == std::string::npos) break;
    if (tag.empty() || tag == "python" || tag == "py" || tag == "python3") found = visible->substr(line + 1, end - line - 1);
    at = end + 3;
  }
  return found;
}

std::vector<CodeScore> ScoreCode(Sandbox& sandbox, const std::vector<std::pair<const CodeProblem*, std::string>>& answers,
                                 const CodeScoring& scoring) {
  std::vector<CodeScore> scores(answers.size());
  References references(sandbox, scoring);
  std::vector<std::optional<std::string>> codes;
  for (const auto& [problem, completion] : answers) codes.push_back(ExtractCode(completion));
  const std::vector<int> findings = Lint(codes, scoring);
  ForEachOnThreads(answers.size(), ThreadsThatWait(), [&](std::size_t i) {
    try {
      scores[i] = ScoreOne(sandbox, *answers[i].first, codes[i], findings[i], scoring, references);
    } catch (const Error& error) {
      scores[i] = Broken(error.what());
    }
  });
  return scores;
}

void CodeSettings::VisitFields(FieldVisitor& visit) {
  visit("score", score, "what tests pay: all of them or nothing, or the share that passes", OneOf{"all", "share"});
  visit("form", form, "what Python that passes no test is worth; half of it for a block that is no Python", {0.0, 0.5});
  visit("lint", lint, "the part of the worth that ruff decides, the linter: all of it without findings, half of it with one", {0.0, 0.3});
  visit("ruff", ruff, "the linter's program; empty = on PATH (pip install ruff)");
  visit("speed_bonus", speed_bonus, "the part of a right answer's worth that goes by CPU time beside the reference", {0.0, 0.5});
  visit("repeats", repeats, "judgings for a measured time; the least counts", {1, 100});
  visit("wall_seconds", wall_seconds, "of a program, all tests together; CPU time as well", {0.05, 3600.0});
  visit("memory_mb", memory_mb, "of a program, in MiB", {16, 1 << 20});
  visit("workers", workers, "interpreters that wait for programs; 0 = one a core", {0, 1024});
  visit("python", python, "the interpreter; empty = /usr/bin/python3, else the first on PATH");
  visit("level", level, "isolation; reduced is weaker, see docs/sandbox.md", OneOf{"full", "reduced"});
}

void CodeSettings::Validate(Problems& problems, const Location& where) const {
  if (form + 2 * lint + speed_bonus >= 1.0) {
    problems.Add(where, "form, lint and speed_bonus leave too little for the tests: a wrong answer without findings would be worth as much as a right one; "
                        "form + 2 * lint + speed_bonus must be below 1");
  }
  if (lint > 0 && FindRuff(ruff).empty()) {
    problems.Add(where, "lint needs ruff, and there is none" + (ruff.empty() ? std::string(" on PATH") : " at '" + ruff + "'") + ": pip install ruff, or name it by ruff:");
  }
}

CodeScoring CodeSettings::Scoring() const {
  CodeScoring scoring{.share = score == "share", .form = form, .lint = lint, .speed_bonus = speed_bonus, .ruff = ruff, .repeats = repeats};
  scoring.limits.wall_seconds = scoring.limits.cpu_seconds = wall_seconds;
  scoring.limits.memory_bytes = static_cast<std::uint64_t>(memory_mb) << 20;
  return scoring;
}

std::shared_ptr<Sandbox> OpenSandbox(const CodeSettings& settings) {
  static std::mutex guard;
  static std::map<std::string, std::weak_ptr<Sandbox>> open;
  const std::lock_guard lock(guard);
  std::weak_ptr<Sandbox>& place = open[settings.level + "\n" + std::to_string(settings.workers) + "\n" + settings.python];
  if (auto sandbox = place.lock()) return sandbox;
  SandboxOptions options;
  options.workers = settings.workers;
  options.python = settings.python;
  options.level = settings.level == "full" ? SandboxLevel::kFull : SandboxLevel::kReduced;
  auto sandbox = std::make_shared<Sandbox>(options);
  place = sandbox;
  return sandbox;
}

void RegisterCodeReward(RewardRegistry& rewards) {
  rewards.Add<CodeReward>("code", "runs the program in a completion against the task's tests, in the sandbox");
}

}  // namespace cogent
