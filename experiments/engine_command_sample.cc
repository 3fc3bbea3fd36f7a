// cogent sample
//
// Parts of kTasksAtOnce tasks (experiments/parted_output.h); what a kill cuts off is drawn again, to the same bytes.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "agents/prompted_agent.h"
#include "agents/rollout.h"
#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "experiments/engine_answerer.h"
#include "experiments/engine_commands.h"
#include "experiments/engine_evaluate.h"
#include "experiments/engine_run.h"
#include "experiments/parted_output.h"
#include "experiments/rejection.h"

namespace cogent {
namespace {

using OrderedJson = nlohmann::ordered_json;
constexpr int kTasksAtOnce = 32;

OrderedJson CountsJson(const RejectionCounts& c) {
  return {{"tasks", c.tasks}, {"tasks_without", c.tasks_without}, {"completions", c.completions}, {"kept", c.kept}, {"kept_tokens", c.kept_tokens}, {"dropped", c.dropped}};
}

// Learns what an earlier process kept.
void TakeUp(const PartedOutput& output, const std::string& path, Rejection& rules) {
  if (output.counts().empty()) return;
  try {
    const auto c = nlohmann::json::parse(output.counts());
    const auto number = [&](const char* name) { return c.at(name).get<double>(); };
    rules.counts() = {number("tasks"), number("tasks_without"), number("completions"), number("kept"), number("kept_tokens"),
                      c.at("dropped").get<std::map<std::string, double>>()};
    ForEachLineIn(path, [&](int, std::string_view text) {
      const auto line = nlohmann::json::parse(text);
      rules.Known(line.at("prompt"), line.at("completion"));
    });
  } catch (const nlohmann::json::exception& error) {
    throw DataError(path + " or its state cannot be read (" + error.what() + "); remove both and begin again");
  }
}

void CheckScores(const RunConfig& config, const Rubric& rubric) {
  std::vector<std::string> known = rubric.Names();
  if (std::find(known.begin(), known.end(), "accuracy") == known.end()) known.push_back("accuracy");
  Problems problems;
  for (const auto& [name, value] : config.sample.min_scores.entries) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      problems.Add(value.location, fmt::format("sample.min_scores names '{}', which is no reward of this run; there are: {}", name, fmt::join(known, ", ")));
    }
  }
  problems.ThrowIfAny();
}

void CheckUnscorable(const RunConfig& config, const RejectionCounts& counts, const std::string& cause) {
  const auto found = counts.dropped.find("could not be scored");
  const double share = found == counts.dropped.end() ? 0.0 : found->second / counts.completions;
  if (share <= config.rollout.max_unscorable) return;
  throw InternalError(fmt::format("{:.0f}% of the completions could not be scored (rollout.max_unscorable is {:.0f}%); one cause: {}", 100 * share,
                                  100 * config.rollout.max_unscorable, cause));
}

std::string CauseIn(const std::vector<Group>& groups) {
  for (const Group& group : groups) {
    for (const Trajectory& t : group.members) {
      if (t.status == TrajectoryStatus::kUnscorable) return t.cause;
    }
  }
  return {};
}

std::string Report(const std::string& output, const RejectionCounts& c) {
  std::string text = fmt::format("{}: kept {} of {} completions of {} tasks ({} tasks gave none)\n", output, c.kept, c.completions, c.tasks, c.tasks_without);
  for (const auto& [reason, count] : c.dropped) text += fmt::format("  dropped {:>8}  {}\n", count, reason);
  return text;
}

}  // namespace

int SampleCommand(const Parts& parts, const Methods& methods, const Command& command) {
  const auto [loaded, checkpoint] = FindPolicy(parts, methods, command, {command.arguments.begin() + 1, command.arguments.end()}, "sample");
  const RunConfig& config = loaded.config;
  const std::string path = command.Get("output");
  Problems problems;
  const Rubric rubric = Rubric::Make(config.rewards, parts.rewards, problems);
  problems.ThrowIfAny();
  CheckScores(config, rubric);
  RefuseBenchmark(config, parts);
  Answerer answerer(config, checkpoint, config.sample.remote, config.rollout.sampling);
  PromptedAgent agent(answerer.agent(), config.sample.prompting, Rng(config.seed).Fork("prompting"));
  Rejection rules(config.sample);
  const std::string& examples = config.sample.prompting.examples;
  PartedOutput output(path, loaded.resolved + (examples.empty() ? "" : TextMark(examples, ReadFile(examples))), command.Has("resume"));
  TakeUp(output, path, rules);
  CatchStopSignals();
  const Rng draws = Rng(config.seed).Fork("sample");
  ProgressOptions options;
  options.first = output.done();
  std::optional<Progress> bar;
  if (!command.Has("quiet")) bar.emplace("sample", config.sample.tasks, "tasks", options);
  while (output.done() < config.sample.tasks) {
    const int first = output.done(), end = std::min(first + kTasksAtOnce, config.sample.tasks);
    std::vector<TaskId> tasks;
    for (int i = first; i < end; ++i) tasks.push_back({Split::kTrain, config.seed, static_cast<std::uint64_t>(i)});
    const auto groups = CollectGroups({config.sample.samples, config.rollout.max_turns, static_cast<std::size_t>(first)}, EnvFactory(config, parts), rubric, agent, tasks, draws);
    for (const Trajectory* t : rules.Select(groups)) output.Append(KeptLine(*t, config.sample.prompting.Maker()));
    CheckUnscorable(config, rules.counts(), CauseIn(groups));
    output.Commit(end, CountsJson(rules.counts()).dump());
    if (bar) bar->Advance(end - first, fmt::format("kept {}", rules.counts().kept));
    if (StopRequested() && end < config.sample.tasks) {
      if (bar) bar->Finish();
      std::cerr << fmt::format("\nStopped after {} of {} tasks; everything is saved. Go on with the same line and --resume\n", end, config.sample.tasks);
      return kExitStopped;
    }
  }
  if (bar) bar->Finish();
  OrderedJson report = CountsJson(rules.counts());
  report["maker"] = config.sample.prompting.Maker();
  report["by"] = answerer.name();
  output.Finish(report.dump(2));
  if (!command.Has("quiet")) std::cout << Report(path, rules.counts());
  return kExitDone;
}

}  // namespace cogent
