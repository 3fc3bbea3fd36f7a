#include "experiments/ablate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/scalar.h"
#include "experiments/ablation.h"
#include "experiments/comparison.h"
#include "experiments/comparison_report.h"
#include "experiments/processes.h"
#include "experiments/run_reader.h"
#include "experiments/statistics.h"
#include "experiments/text.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

enum class RunState { kNew, kStopped, kRunning, kFinished, kFailed };

RunState StateOf(const std::string& directory) {
  if (fs::exists(directory + "/summary.json")) return RunState::kFinished;
  return fs::exists(directory + "/config.yaml") ? RunState::kStopped : RunState::kNew;
}

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

// ---- several at once ----

struct Room {
  int jobs = 1;
  int threads = 1;  // of each run
};

double AvailableMemory() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  double kilobytes = 0.0;
  for (std::string unit; file >> name >> kilobytes; std::getline(file, unit)) {
    if (name == "MemAvailable:") return kilobytes * 1024;
  }
  return 0.0;
}

// A run's memory, roughly and on the safe side: the program, then weights, gradients, moments, a reference
// and a critic of float32 for each parameter.
double MemoryOf(const RunConfig& config) {
  ModelConfig model = config.policy.model;
  if (fs::exists(config.policy.checkpoint + "/config.json")) model = LoadModelConfig(config.policy.checkpoint);
  if (model.vocab_size == 0) model.vocab_size = config.tokenizer.vocab_size;
  return 5e8 + 40.0 * CountParameters(model).total;
}

// As many as cores and memory allow; all runs of an ablation get the same number of threads.
Room FindRoom(const Ablation& ablation, const std::string& wanted) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int runs = static_cast<int>(ablation.arms.size() * ablation.seeds.size());
  const RunConfig& config = ablation.arms.front().config;
  Room room;
  if (!wanted.empty()) {
    room.jobs = static_cast<int>(std::min<std::int64_t>(ParseInteger(wanted).value, 1024));
  } else {
    double most = 1;
    for (const Arm& arm : ablation.arms) most = std::max(most, MemoryOf(arm.config));
    const int fit = static_cast<int>(std::clamp(AvailableMemory() / most, 1.0, 1024.0));
    room.jobs = std::max(1, std::min({runs, fit, config.threads > 0 ? cores / config.threads : cores}));
  }
  room.threads = config.threads > 0 ? config.threads : std::max(1, cores / room.jobs);
  return room;
}

// ---- what it will cost ----

// "grpo" of grpo/seed-1, "base-1" of base-1/seed-1.
std::string ArmFolder(const PlannedRun& run) { return run.name.substr(0, run.name.rfind('/')); }

// Seconds of finished runs by arm ("grpo", "base-1"), each over all its sittings.
std::map<std::string, std::vector<double>> SecondsByArm(const std::string& directory, const std::vector<PlannedRun>& runs) {
  std::map<std::string, double> by_run;
  for (const RunOutcome& outcome : ReadOutcomes(directory)) by_run[outcome.run] += outcome.seconds;
  std::map<std::string, std::vector<double>> by_arm;
  for (const PlannedRun& run : runs) {
    if (by_run.count(run.name) && StateOf(run.directory) == RunState::kFinished) by_arm[ArmFolder(run)].push_back(by_run[run.name]);
  }
  return by_arm;
}

// The step of the last whole line of a metrics.jsonl, 0 where there is none. Reads the end of the file alone.
std::int64_t LastStep(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return 0;
  constexpr std::streamoff kTail = 65536;
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - kTail));
  std::string text(std::istreambuf_iterator<char>(file), {});
  text.resize(text.find_last_of('\n') + 1);  // npos + 1 == 0
  while (!text.empty()) {
    text.pop_back();
    const std::size_t start = text.find_last_of('\n') + 1;
    const Json line = Json::parse(text.substr(start), nullptr, false);
    if (line.is_object() && line.contains("step") && line["step"].is_number_integer()) return line["step"].get<std::int64_t>();
    text.resize(start);
  }
  return 0;
}

// What is left to do.
struct Cost {
  double completion_tokens = 0;  // at most
  double pretraining_tokens = 0;
  std::optional<double> seconds = 0;  // of one run after the other; nothing where no run has finished to go by
};

Cost CostOf(const Ablation& ablation, const std::vector<PlannedRun>& runs) {
  const auto seconds = SecondsByArm(ablation.directory, runs);
  std::vector<double> of_arms;  // an arm of which no run has finished is taken for the mean of the others
  for (const auto& [arm, values] : seconds) {
    if (arm.rfind("base-", 0) != 0) of_arms.insert(of_arms.end(), values.begin(), values.end());
  }
  Cost cost;
  for (const PlannedRun& run : runs) {
    const RunConfig& c = run.config;
    const RunState state = StateOf(run.directory);
    if (state == RunState::kFinished) continue;
    const double done = c.train.steps == 0 ? 0.0 : static_cast<double>(LastStep(run.directory + "/metrics.jsonl")) / c.train.steps;
    cost.completion_tokens += (1 - done) * c.train.steps * c.rollout.prompts * c.rollout.group_size * c.rollout.sampling.max_new_tokens;
    if (c.pretrain && state == RunState::kNew) cost.pretraining_tokens += static_cast<double>(c.pretrain->steps) * c.pretrain->tokens_per_step;
    const auto own = seconds.find(ArmFolder(run));
    const double expected = own != seconds.end() ? Mean(own->second) : run.arm.empty() ? Mean({}) : Mean(of_arms);
    if (std::isnan(expected)) cost.seconds.reset();
    else if (cost.seconds) *cost.seconds += (1 - done) * expected;
  }
  return cost;
}

std::string PlanText(const Ablation& ablation, const std::vector<PlannedRun>& runs, const Room& room) {
  std::map<std::string, std::map<RunState, int>> states;
  for (const PlannedRun& run : runs) ++states[ArmFolder(run)][StateOf(run.directory)];
  std::string text = fmt::format("ablation '{}' in {}: {} arms x {} seeds = {} runs", ablation.name, ablation.directory, ablation.arms.size(),
                                 ablation.seeds.size(), ablation.arms.size() * ablation.seeds.size());
  text += ablation.bases.empty() ? "\n" : fmt::format(", and {} shared base models\n", ablation.bases.size() * ablation.seeds.size());
  const auto line = [&](const std::string& name, const std::string& settings) {
    std::map<RunState, int>& of = states[name];
    text += fmt::format("  {}: {} new, {} to resume, {} finished    {}\n", name, of[RunState::kNew], of[RunState::kStopped], of[RunState::kFinished], settings);
  };
  for (std::size_t base = 0; base < ablation.bases.size(); ++base) line(fmt::format("base-{}", base + 1), "pre-training alone");
  for (const Arm& arm : ablation.arms) line(arm.name, arm.settings);
  const Cost cost = CostOf(ablation, runs);
  text += fmt::format("to do: at most {} completion tokens in training, {} tokens of pre-training; evaluations come on top\n",
                      FormatCount(cost.completion_tokens), FormatCount(cost.pretraining_tokens));
  text += fmt::format("{} at once, threads of each: {}; ", room.jobs, room.threads);
  if (std::all_of(runs.begin(), runs.end(), [](const PlannedRun& run) { return StateOf(run.directory) == RunState::kFinished; })) return text + "nothing is left to run\n";
  if (!cost.seconds) return text + "the time is not known before a run has finished here\n";
  return text + fmt::format("about {} (by the finished runs of this ablation)\n", FormatDuration(*cost.seconds / room.jobs));
}

// ---- running ----

// What a failed run said last, from `begin` on in its log.
std::string LastLine(const std::string& log, std::uintmax_t begin) {
  std::ifstream file(log, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(begin));
  std::string last;
  for (std::string line; std::getline(file, line);) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) last = line;
  }
  return ToValidUtf8(last);
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
    outcomes_.Append(Json{{"run", run}, {"exit_code", exit_code}, {"seconds", seconds}, {"error", error}}.dump());
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

}  // namespace

int AblateCommand(const Parts& parts, const CheckAlgorithm& check_algorithm, const Command& command) {
  const std::string& file = command.arguments.at(0);
  const Ablation ablation = LoadAblation(file, {command.arguments.begin() + 1, command.arguments.end()}, parts, check_algorithm);
  const Room room = FindRoom(ablation, command.Get("jobs"));
  const std::vector<PlannedRun> runs = PlanRuns(ablation, room.threads);
  CheckKept(runs);
  const std::string plan = PlanText(ablation, runs, room);
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
  if (!whole) {
    std::cerr << fmt::format("\nStopped; every run is saved. Go on with:\n  cogent ablate {}\n", file);
    return kExitStopped;
  }
  const int failed = running.Count(RunState::kFailed), left = running.Count(RunState::kStopped);
  if (running.Count(RunState::kFinished) > 0) {
    const Comparison comparison = CompareRuns({ablation.directory}, {}, parts);
    std::cout << ComparisonText(comparison);
    std::cout << "report: " << WriteComparisonHtml(comparison, ablation.directory + "/report.html") << "\n";
    WriteComparisonCsv(comparison, ablation.directory);
  }
  if (failed + left == 0) return kExitDone;
  std::cerr << fmt::format("{} of {} runs failed{}; `cogent ablate {}` tries them again, and logs are in {}/logs\n", failed, runs.size(),
                           left ? fmt::format(" and {} were stopped", left) : "", file, ablation.directory);
  return kExitFailed;
}

std::vector<RunOutcome> ReadOutcomes(const std::string& ablation_dir) {
  std::vector<RunOutcome> outcomes;
  std::ifstream file(ablation_dir + "/outcomes.jsonl", std::ios::binary);
  for (std::string text; std::getline(file, text) && !file.eof();) {
    const Json line = Json::parse(text, nullptr, false);
    if (!line.is_object()) continue;
    try {
      outcomes.push_back({line.at("run").get<std::string>(), line.at("exit_code").get<int>(), line.at("seconds").get<double>(), line.at("error").get<std::string>()});
    } catch (const nlohmann::json::exception&) {
      continue;  // not a line of ours
    }
  }
  return outcomes;
}

}  // namespace cogent
