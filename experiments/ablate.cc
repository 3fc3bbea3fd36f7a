#include "experiments/ablate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/progress.h"
#include "experiments/ablation_plan.h"
#include "experiments/comparison.h"
#include "experiments/comparison_report.h"
#include "experiments/processes.h"
#include "experiments/run_reader.h"
#include "experiments/text.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

// Finished and stopped runs count only if they are of this very ablation.
void CheckKept(const std::vector<PlannedRun>& runs) {
  Problems problems;
  for (const PlannedRun& run : runs) {
    if (StateOf(run.directory) == RunState::kNew) continue;
    const std::string file = run.directory + "/config.yaml";
    if (!fs::exists(file)) throw DataError(file + ": is missing, though the run has a summary; remove " + run.directory + " to run it again");
    const auto there = FlatConfig(ReadFile(file)), here = FlatConfig(ResolvedYaml(run.config));
    std::set<std::string> keys;
    for (const auto* side : {&there, &here}) {
      for (const auto& [key, value] : *side) keys.insert(key);
    }
    const auto text = [](const auto& flat, const std::string& key) { return flat.count(key) ? flat.at(key) : "absent"; };
    std::string differing;
    for (const std::string& key : keys) {
      if (key != "threads" && text(there, key) != text(here, key)) differing += "; " + key + " is " + text(there, key) + " there and " + text(here, key) + " here";
    }
    if (differing.empty()) continue;
    problems.Add({}, run.directory + " was made with other settings" + differing.substr(0, 300) + ". Give the ablation another name, or remove that directory");
  }
  problems.ThrowIfAny();
}

class AblationRun {
 public:
  AblationRun(const Ablation& ablation, std::vector<PlannedRun> runs, int at_once, bool quiet)
      : directory_(ablation.directory), runs_(std::move(runs)), at_once_(at_once), quiet_(quiet), outcomes_(directory_ + "/outcomes.jsonl") {
    for (const PlannedRun& run : runs_) {
      states_.push_back(StateOf(run.directory));
      steps_.push_back(states_.back() == RunState::kFinished ? Steps(run) : 0);
      log_begins_.push_back(0);
    }
  }

  // False when it was stopped.
  bool Run() {
    std::int64_t total = 0;
    for (const PlannedRun& run : runs_) total += Steps(run);
    ProgressOptions options;
    for (const std::int64_t steps : steps_) options.first += steps;
    if (!quiet_) bar_.emplace("ablate", total, "steps", options);
    ChildPlan plan;
    plan.at_once = at_once_;
    plan.next = [this] { return Next(); };
    plan.ended = [this](const ChildEnd& end) { Ended(end); };
    plan.tick = [this] { Tick(); };
    const bool whole = RunChildren(plan);
    if (bar_) bar_->Finish();
    return whole;
  }
  int Count(RunState state) const { return static_cast<int>(std::count(states_.begin(), states_.end(), state)); }

 private:
  static std::int64_t Steps(const PlannedRun& run) { return run.arm.empty() ? 0 : run.config.train.steps; }
  std::string FileName(const PlannedRun& run, const char* folder, const char* end) const {
    std::string name = run.name;
    name[name.rfind('/')] = '.';
    return directory_ + "/" + folder + "/" + name + end;
  }

  std::optional<ChildJob> Next() {
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      if ((states_[i] != RunState::kNew && states_[i] != RunState::kStopped) || stopped_.count(i)) continue;
      const PlannedRun& run = runs_[i];
      const RunState needed = run.needs < 0 ? RunState::kFinished : states_[static_cast<std::size_t>(run.needs)];
      if (needed == RunState::kFailed) {
        Fail(i, -1, 0.0, "its base model " + runs_[static_cast<std::size_t>(run.needs)].name + " failed");
      } else if (needed == RunState::kFinished) {
        return Job(i);
      }
    }
    return std::nullopt;
  }
  ChildJob Job(std::size_t i) {
    const PlannedRun& run = runs_[i];
    ChildJob job{.id = static_cast<int>(i), .log = FileName(run, "logs", ".log")};
    if (states_[i] == RunState::kStopped) {
      job.words = {"train", run.directory + "/config.yaml", "--resume"};
    } else {
      if (fs::exists(run.directory) && !fs::exists(run.directory + "/checkpoints")) fs::remove_all(run.directory);  // killed before its first file was whole
      const std::string config = FileName(run, "configs", ".yaml");
      fs::create_directories(fs::path(config).parent_path());
      WriteFileAtomic(config, ResolvedYaml(run.config));
      job.words = {"train", config};
    }
    std::error_code none;
    const auto size = fs::file_size(job.log, none);
    log_begins_[i] = none ? 0 : size;
    states_[i] = RunState::kRunning;
    return job;
  }

  void Ended(const ChildEnd& end) {
    const std::size_t i = static_cast<std::size_t>(end.id);
    const PlannedRun& run = runs_[i];
    if (end.exit_code == kExitDone && StateOf(run.directory) == RunState::kFinished) {
      states_[i] = RunState::kFinished;
      steps_[i] = Steps(run);
      Note(run.name, end.exit_code, end.seconds, "");
      const Metrics after = ReadRun(run.directory).after;
      const auto score = after.find("pass@1");
      if (bar_) {
        bar_->Print(fmt::format("{} finished in {}{}", run.name, FormatDuration(end.seconds),
                                run.arm.empty() || score == after.end() ? "" : fmt::format(", pass@1 {:.1f}%", 100 * score->second)));
      }
    } else if (end.exit_code == kExitStopped) {
      states_[i] = RunState::kStopped;
      stopped_.insert(i);
      Note(run.name, end.exit_code, end.seconds, "");
    } else {
      const std::string log = FileName(run, "logs", ".log");
      std::string why = LastLine(log, log_begins_[i]);
      if (end.signal != 0) why = fmt::format("ended by signal {}{}", end.signal, end.signal == 9 ? " (out of memory, perhaps: try a smaller --jobs)" : "");
      Fail(i, end.exit_code, end.seconds, why.empty() ? "no message; see " + log : why);
    }
    Tick();
  }
  void Fail(std::size_t i, int exit_code, double seconds, const std::string& why) {
    states_[i] = RunState::kFailed;
    Note(runs_[i].name, exit_code, seconds, why);
    const std::string line = runs_[i].name + " FAILED: " + why;
    bar_ ? bar_->Print(line) : LogWarn(line);
  }
  void Note(const std::string& run, int exit_code, double seconds, const std::string& error) {
    outcomes_.Append(OrderedJson{{"run", run}, {"exit_code", exit_code}, {"seconds", seconds}, {"error", error}}.dump());
  }

  void Tick() {
    std::int64_t now = 0;
    std::string running;
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      if (states_[i] == RunState::kRunning) {
        if (Steps(runs_[i]) > 0) steps_[i] = std::max(steps_[i], std::min(Steps(runs_[i]), LastStep(runs_[i].directory + "/metrics.jsonl")));
        running += (running.empty() ? "" : ", ") + runs_[i].name;
      }
      now += steps_[i];
    }
    if (!bar_) return;
    const int failed = Count(RunState::kFailed);
    bar_->Advance(now - bar_->state().done, fmt::format("{} of {} runs done{}{}{}", Count(RunState::kFinished), runs_.size(),
                                                        failed ? fmt::format(", {} failed", failed) : "", running.empty() ? "" : "; ", running));
  }

  std::string directory_;
  std::vector<PlannedRun> runs_;
  int at_once_;
  bool quiet_;
  LineFile outcomes_;
  std::vector<RunState> states_;
  std::vector<std::int64_t> steps_;
  std::vector<std::uintmax_t> log_begins_;
  std::set<std::size_t> stopped_;  // somebody else stopped these: not to be started again at once
  std::optional<Progress> bar_;
};

// The runs are done, whatever can be said about them.
void Report(const Ablation& ablation, const Parts& parts) {
  try {
    const Comparison comparison = CompareRuns({ablation.directory}, {}, parts);
    std::cout << ComparisonText(comparison);
    WriteComparisonCsv(comparison, ablation.directory);
    std::cout << "report: " << WriteComparisonHtml(comparison, ablation.directory + "/report.html") << "\n";
  } catch (const ConfigError& error) {
    LogWarn(std::string("no report: ") + error.what());
  } catch (const DataError& error) {
    LogWarn(std::string("no report: ") + error.what());
  }
}

}  // namespace

int AblateCommand(const Parts& parts, const CheckAlgorithm& check_algorithm, const Command& command) {
  const std::string& file = command.arguments.at(0);
  const Ablation ablation = LoadAblation(file, {command.arguments.begin() + 1, command.arguments.end()}, parts, check_algorithm);
  const JobRoom room = FindRoom(ablation, command.Get("jobs"));
  const std::vector<PlannedRun> runs = PlanRuns(ablation, room.threads);
  CheckKept(runs);
  const std::string plan = PlanText(ablation, runs, room, parts);
  if (command.Has("dry-run")) {
    std::cout << plan;
    return kExitDone;
  }
  if (!command.Has("quiet")) std::cerr << plan;
  if (getenv("COGENT_SEED") != nullptr) {
    LogWarn("COGENT_SEED is not used: the seeds of an ablation stand in its file");
    unsetenv("COGENT_SEED");  // or every run would take it
  }
  std::error_code error;
  fs::create_directories(ablation.directory, error);
  if (error) throw DataError(ablation.directory + ": cannot be made: " + error.message());
  const DirectoryLock lock(ablation.directory, "this ablation");
  WriteFileAtomic(ablation.directory + "/ablation.yaml", ablation.resolved);
  AblationRun running(ablation, runs, room.jobs, command.Has("quiet"));
  const bool whole = running.Run();
  const int failed = running.Count(RunState::kFailed), left = running.Count(RunState::kStopped);
  if (!whole) {
    std::cerr << fmt::format("\nStopped{}. Go on with:\n  cogent ablate {}\n", failed == 0 ? "; every run is saved" : "", file);
    return kExitStopped;
  }
  Report(ablation, parts);
  if (failed + left == 0) return kExitDone;
  std::cerr << fmt::format("{} of {} runs failed{}; `cogent ablate {}` tries them again, and logs are in {}/logs\n", failed, runs.size(),
                           left ? fmt::format(" and {} were stopped", left) : "", file, ablation.directory);
  return kExitFailed;
}

}  // namespace cogent
