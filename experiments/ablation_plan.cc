#include "experiments/ablation_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "core/progress.h"
#include "core/scalar.h"
#include "experiments/comparison.h"
#include "experiments/statistics.h"
#include "policies/weight_adapter.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

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
  if (IsAdapter(config.policy.checkpoint) || fs::exists(config.policy.checkpoint + "/config.json")) model = LoadModelConfig(config.policy.checkpoint);
  if (model.vocab_size == 0) model.vocab_size = config.tokenizer.vocab_size;
  return 5e8 + 40.0 * CountParameters(model).total;
}

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

// A note where there will be no report: better known before the runs than after.
std::string NotComparable(const Ablation& ablation, const Parts& parts) {
  const Arm& first = ablation.arms.front();
  for (const Arm& arm : ablation.arms) {
    const std::string why = WhyNotComparable(ResolvedYaml(first.config), ResolvedYaml(arm.config), ablation.seeds.front(), parts);
    if (!why.empty()) return fmt::format("note: arms {} and {} cannot be compared: {}\n", first.name, arm.name, why);
  }
  return {};
}

}  // namespace

RunState StateOf(const std::string& directory) {
  if (fs::exists(directory + "/summary.json")) return RunState::kFinished;
  return fs::exists(directory + "/config.yaml") ? RunState::kStopped : RunState::kNew;
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

JobRoom FindRoom(const Ablation& ablation, const std::string& wanted) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int runs = static_cast<int>(ablation.arms.size() * ablation.seeds.size());
  const RunConfig& config = ablation.arms.front().config;
  JobRoom room;
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

std::string PlanText(const Ablation& ablation, const std::vector<PlannedRun>& runs, const JobRoom& room, const Parts& parts) {
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
  if (std::all_of(runs.begin(), runs.end(), [](const PlannedRun& run) { return StateOf(run.directory) == RunState::kFinished; })) return text + "nothing is left to run\n" + NotComparable(ablation, parts);
  text += cost.seconds ? fmt::format("about {} (by the finished runs of this ablation)\n", FormatDuration(*cost.seconds / room.jobs))
                       : "the time is not known before a run has finished here\n";
  return text + NotComparable(ablation, parts);
}

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

}  // namespace cogent
