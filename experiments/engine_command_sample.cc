// cogent sample
//
// Parts of kTasksAtOnce tasks: their lines are added to the file, then FILE.state.json says how far it is whole. A kill
// between the two leaves lines behind that `--resume` cuts off and draws again, to the same bytes.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agents/policy_agent.h"
#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "experiments/engine_commands.h"
#include "experiments/engine_evaluate.h"
#include "experiments/engine_run.h"
#include "experiments/rejection.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
constexpr int kTasksAtOnce = 32;

struct Progressed {
  std::string settings;  // the run's file and checkpoint: another one cannot go on with this output
  int tasks = 0;
  std::uintmax_t bytes = 0;
};

Json CountsJson(const RejectionCounts& c) {
  return {{"tasks", c.tasks}, {"tasks_without", c.tasks_without}, {"completions", c.completions}, {"kept", c.kept}, {"kept_tokens", c.kept_tokens}, {"dropped", c.dropped}};
}

void SaveState(const std::string& path, const Progressed& at, const RejectionCounts& counts) {
  WriteFileAtomic(path, Json{{"settings", at.settings}, {"tasks_done", at.tasks}, {"bytes", at.bytes}, {"counts", CountsJson(counts)}}.dump(2) + "\n");
}

// Takes up what an earlier process left: cuts the file to its whole part and learns what is in it.
Progressed Resume(const std::string& output, const std::string& state_path, const std::string& settings, Rejection& rules) {
  if (!fs::exists(state_path)) {
    throw ConfigError(fs::exists(output + ".report.json") ? output + " is finished already" : output + ": there is nothing to resume; leave --resume away");
  }
  try {
    const auto state = nlohmann::json::parse(ReadFile(state_path));
    Progressed at{state.at("settings").get<std::string>(), state.at("tasks_done").get<int>(), state.at("bytes").get<std::uintmax_t>()};
    if (at.settings != settings) throw ConfigError(output + " was begun with another configuration or checkpoint; give the same line with --resume, or another --output");
    const auto& c = state.at("counts");
    const auto number = [&](const char* name) { return c.at(name).get<double>(); };
    rules.counts() = {number("tasks"), number("tasks_without"), number("completions"), number("kept"), number("kept_tokens"),
                      c.at("dropped").get<std::map<std::string, double>>()};
    if (at.bytes > 0 && (!fs::exists(output) || fs::file_size(output) < at.bytes)) throw DataError(output + " is shorter than " + state_path + " says; it was changed. Remove both and begin again");
    if (!fs::exists(output)) return at;  // killed before its first line
    fs::resize_file(output, at.bytes);
    const std::string text = ReadFile(output);
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find('\n', begin);
      const auto line = nlohmann::json::parse(text.substr(begin, end - begin));
      rules.Known(line.at("prompt"), line.at("completion"));
      begin = end + 1;
    }
    return at;
  } catch (const nlohmann::json::exception& error) {
    throw DataError(state_path + " or " + output + " cannot be read (" + error.what() + "); remove both and begin again");
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
  const auto [loaded, checkpoint] = FindPolicy(parts, methods, command, {command.arguments.begin() + 1, command.arguments.end()});
  const RunConfig& config = loaded.config;
  const std::string output = command.Get("output"), state_path = output + ".state.json";
  Problems problems;
  const Rubric rubric = Rubric::Make(config.rewards, parts.rewards, problems);
  problems.ThrowIfAny();
  CheckScores(config, rubric);
  RefuseBenchmark(config, parts);
  const StoredPolicy policy = LoadPolicy(checkpoint);
  Rejection rules(config.sample);
  Progressed at{loaded.resolved, 0, 0};
  if (command.Has("resume")) {
    at = Resume(output, state_path, loaded.resolved, rules);
  } else if (fs::exists(output)) {
    throw ConfigError(output + " exists; go on with it by --resume, or choose another --output");
  } else {
    SaveState(state_path, at, rules.counts());
  }
  CatchStopSignals();
  LineFile lines(output);
  const Generator generator(policy.parameters, policy.tokenizer, {.threads = ThreadsOr(config.threads)});
  PolicyAgent agent(generator, config.prompt_template, config.rollout.sampling);
  const Rng draws = Rng(config.seed).Fork("sample");
  ProgressOptions options;
  options.first = at.tasks;
  Progress bar("sample", config.sample.tasks, "tasks", options);
  while (at.tasks < config.sample.tasks) {
    std::vector<TaskId> tasks;
    for (int i = at.tasks; i < std::min(at.tasks + kTasksAtOnce, config.sample.tasks); ++i) tasks.push_back({Split::kTrain, config.seed, static_cast<std::uint64_t>(i)});
    const auto groups = CollectGroups({config.sample.samples, config.rollout.max_turns, static_cast<std::size_t>(at.tasks)}, EnvFactory(config, parts), rubric, agent, tasks, draws);
    for (const Trajectory* t : rules.Select(groups)) lines.Append(KeptLine(*t));
    CheckUnscorable(config, rules.counts(), CauseIn(groups));
    lines.Sync();
    at.tasks += static_cast<int>(tasks.size());
    at.bytes = fs::file_size(output);
    SaveState(state_path, at, rules.counts());
    bar.Advance(static_cast<std::int64_t>(tasks.size()), fmt::format("kept {}", rules.counts().kept));
    if (StopRequested() && at.tasks < config.sample.tasks) {
      bar.Finish();
      std::cerr << fmt::format("\nStopped after {} of {} tasks; everything is saved. Go on with the same line and --resume\n", at.tasks, config.sample.tasks);
      return kExitStopped;
    }
  }
  bar.Finish();
  Json report = CountsJson(rules.counts());
  report["checkpoint"] = checkpoint;
  WriteFileAtomic(output + ".report.json", report.dump(2) + "\n");
  fs::remove(state_path);
  if (!command.Has("quiet")) std::cout << Report(output, rules.counts());
  return kExitDone;
}

}  // namespace cogent
