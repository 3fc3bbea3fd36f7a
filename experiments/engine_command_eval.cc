// cogent eval
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/progress.h"
#include "experiments/engine_commands.h"
#include "experiments/engine_evaluate.h"
#include "experiments/engine_train.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> Overrides(const Command& command) {
  std::vector<std::string> overrides;
  if (command.Has("tasks")) overrides.push_back("eval.final_tasks=" + command.Get("tasks"));
  // 0 is not a temperature that a run may have; here it means greedy.
  if (command.Has("temperature") && std::stod(command.Get("temperature")) != 0) {
    overrides.push_back("rollout.temperature=" + command.Get("temperature"));
  }
  overrides.insert(overrides.end(), command.arguments.begin() + 1, command.arguments.end());
  return overrides;
}

// The training step of the checkpoint: with it the draws are those of the run's own evaluation there.
std::uint64_t StepOf(const std::string& checkpoint) {
  const std::string file = checkpoint + "/trainer_state.json";
  if (!fs::exists(file)) return 0;
  const auto state = nlohmann::json::parse(ReadFile(file), nullptr, false);
  return state.is_object() && state.contains("step") && state["step"].is_number_integer() ? state["step"].get<std::uint64_t>() : 0;
}

EvaluationPlan MakePlan(const Command& command, const RunConfig& config, bool greedy) {
  EvaluationPlan plan{config.eval.final_tasks, config.eval.samples, config.eval.k, config.rollout.sampling};
  if (command.Has("rollouts")) plan.samples = WholeNumber("--rollouts", command.Get("rollouts"), 1, 65536);
  if (command.Has("k")) {
    plan.k.clear();
    const std::string list = command.Get("k");
    for (std::size_t at = 0; at <= list.size();) {
      const std::size_t end = std::min(list.find(',', at), list.size());
      plan.k.push_back(WholeNumber("--k", list.substr(at, end - at), 1, 65536));
      at = end + 1;
    }
  }
  const int largest = static_cast<int>(*std::max_element(plan.k.begin(), plan.k.end()));
  if (greedy && (plan.samples > 1 || largest > 1) && (command.Has("rollouts") || command.Has("k"))) {
    throw ConfigError("greedy completions of a task are all the same: leave --rollouts and --k away, or draw with a --temperature above 0");
  }
  if (!greedy && largest > plan.samples) {
    throw ConfigError(fmt::format("pass@{} needs at least {} completions of each task, and there {} {}; give --rollouts {} or more, or a smaller --k",
                                  largest, largest, plan.samples == 1 ? "is" : "are", plan.samples, largest));
  }
  if (greedy) {
    plan.samples = 1;
    plan.k = {1.0};
    plan.sampling.temperature = 0;
  }
  return plan;
}

std::string Row(const std::string& name, const Metrics& metrics, const std::string& key) {
  return fmt::format("{:<22}{:<9}{:>6.2f}%   [{:.2f}%, {:.2f}%]   {:>7.1f} tokens   {:>5.1f}% cut\n", name, key, 100 * metrics.at(key),
                     100 * metrics.at(key + "_low"), 100 * metrics.at(key + "_high"), metrics.at("mean_length"),
                     100 * metrics.at("clipped_ratio"));
}

std::string Measure(const Parts& parts, const RunConfig& config, const Generator& generator, EvaluationPlan plan, const Rng& rng, Metrics& metrics) {
  const bool greedy = plan.sampling.temperature == 0;
  const std::string name = greedy ? "greedy" : fmt::format("temperature {:g}", plan.sampling.temperature);
  Progress bar(name, plan.tasks, "tasks");
  plan.progress = [&](int done) { bar.Advance(done); };
  metrics = Evaluate(config, parts, generator, plan, rng).metrics;
  bar.Finish();
  std::string text;
  for (const double k : plan.k) text += Row(name, metrics, fmt::format("pass@{}", static_cast<int>(k)));
  if (plan.samples > 1) text += Row(name, metrics, fmt::format("cons@{}", plan.samples));
  if (metrics.at("unscorable_ratio") > 0) {
    text += fmt::format("{:<22}{:.2f}% of the completions could not be scored and are left out\n", "", 100 * metrics.at("unscorable_ratio"));
  }
  return text;
}

}  // namespace

int EvalCommand(const Parts& parts, const Methods& methods, const Command& command) {
  const auto [loaded, checkpoint] = FindPolicy(parts, methods, command, Overrides(command));
  const RunConfig& config = loaded.config;
  const bool only_greedy = command.Has("greedy") || (command.Has("temperature") && std::stod(command.Get("temperature")) == 0);
  if (const auto listed = EnvFactory(config, parts)()->ListedTasks(); command.Has("tasks") && listed > 0 && listed < std::stoull(command.Get("tasks"))) {
    LogWarn(fmt::format("'{}' has {} problems; each is asked once", config.env.name, listed));
  }
  const EvaluationPlan drawn = MakePlan(command, config, only_greedy);  // mistakes come before the weights are read
  if (command.Has("output")) CheckCanWrite(command.Get("output"));
  const StoredPolicy policy = LoadPolicy(checkpoint, config.device);
  const Generator generator(policy.parameters, policy.tokenizer, SamplerOptions(config.rollout, ThreadsOr(config.threads)));
  const Rng rng = Rng(config.seed).Fork("eval").Fork(StepOf(checkpoint));
  Metrics drawn_metrics, greedy_metrics;
  std::string text = Measure(parts, config, generator, drawn, rng, only_greedy ? greedy_metrics : drawn_metrics);
  if (!only_greedy && config.eval.greedy) {
    EvaluationPlan greedy = drawn;
    greedy.samples = 1;
    greedy.k = {1.0};
    greedy.sampling.temperature = 0;
    text += Measure(parts, config, generator, greedy, rng, greedy_metrics);
  }
  std::cout << fmt::format("{}: {} held-out tasks of '{}', {} completion{} each; mean and 95% interval over tasks\n", checkpoint, drawn.tasks,
                           config.env.name, drawn.samples, drawn.samples == 1 ? "" : "s")
            << text;
  if (command.Has("output")) {
    nlohmann::ordered_json all{{"checkpoint", checkpoint}, {"env", config.env.name}, {"tasks", drawn.tasks}, {"samples", drawn.samples}};
    if (!drawn_metrics.empty()) all["drawn"] = drawn_metrics;
    if (!greedy_metrics.empty()) all["greedy"] = greedy_metrics;
    WriteFileAtomic(command.Get("output"), all.dump(2) + "\n");
  }
  return kExitDone;
}

}  // namespace cogent
