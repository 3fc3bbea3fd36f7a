#include "experiments/play.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <ostream>
#include <vector>

#include "agents/rollout.h"
#include "agents/scripted.h"
#include "core/error.h"
#include "core/scalar.h"
#include "experiments/text.h"

namespace cogent {
namespace {

struct Settings {
  Choice env;
  std::vector<Choice> rewards;
  std::uint64_t seed = 1;
  void VisitFields(FieldVisitor& visit) {
    visit("env", env, "");
    visit("rewards", rewards, "");
    visit("seed", seed, "");
  }
};

Settings ReadSettings(const Command& command) {
  const std::string& given = command.arguments.at(0);
  const bool file = given.ends_with(".yaml") || given.ends_with(".yml");
  Node root = file ? ParseYamlFile(given) : Node::Map({"command line", 0, 0});
  if (!file) {
    Node env = Node::Map({"command line", 0, 0});
    env.Set("name", Node::Scalar(given, {"command line", 0, 0}));
    root.Set("env", std::move(env));
  }
  for (std::size_t i = 1; i < command.arguments.size(); ++i) ApplyOverride(root, (file ? "" : "env.") + command.arguments[i]);
  if (command.Has("rewards")) root.Set("rewards", ParseYaml(command.Get("rewards"), "--rewards"));
  Problems problems;
  Settings settings = ReadConfig<Settings>(TakeKeys(root, {"env", "rewards", "seed"}), problems);
  problems.ThrowIfAny();
  return settings;
}

std::uint64_t Whole(const Command& command, const std::string& option, std::uint64_t otherwise) {
  if (!command.Has(option)) return otherwise;
  const auto parsed = ParseUnsigned(command.Get(option));
  if (!parsed.ok()) throw ConfigError("--" + option + ": " + Quoted(command.Get(option)) + " is no whole number from 0 to 18446744073709551615");
  return parsed.value;
}

std::unique_ptr<Agent> MakeScript(const std::string& name) {
  if (name == "oracle") return std::make_unique<OracleAgent>();
  if (name == "wrong") return std::make_unique<WrongAgent>();
  if (name.starts_with("replay:") && name.size() > 7) return std::make_unique<ReplayAgent>(name.substr(7));
  const auto near = Nearest(name, {"person", "oracle", "wrong", "replay"});
  throw ConfigError("--agent: there is no agent '" + name + "'." + (near ? " Did you mean '" + *near + (*near == "replay" ? ":FILE" : "") + "'?" : "") +
                    " Known: person, oracle, wrong, replay:FILE.");
}

// What a table says of one score.
struct Tally {
  std::string name;
  double weight = 0, sum = 0, low = std::numeric_limits<double>::infinity(), high = -low;
  std::uint64_t low_task = 0;
  std::string low_reason;
};

void Count(std::vector<Tally>& tallies, const Trajectory& trajectory) {
  for (const NamedScore& score : trajectory.scores) {
    auto tally = std::find_if(tallies.begin(), tallies.end(), [&](const Tally& one) { return one.name == score.name; });
    if (tally == tallies.end()) tally = tallies.insert(tallies.end(), {.name = score.name, .weight = score.weight});
    tally->sum += score.score;
    tally->high = std::max(tally->high, score.score);
    if (score.score >= tally->low) continue;
    tally->low = score.score;
    tally->low_task = trajectory.id.index + 1;
    tally->low_reason = score.reason;
  }
}

// An environment with its rewards, made from settings.
class Game {
 public:
  Game(const Parts& parts, const Command& command) : settings_(ReadSettings(command)), seed_(Whole(command, "seed", settings_.seed)) {
    Problems problems;
    const auto env = parts.envs.Make(settings_.env, problems);
    rubric_ = Rubric::Make(settings_.rewards, parts.rewards, problems);
    problems.ThrowIfAny();
    make_env_ = [this, &parts] {
      Problems none;
      return parts.envs.Make(settings_.env, none);
    };
    tasks_ = Whole(command, "tasks", std::numeric_limits<std::uint64_t>::max());
    listed_ = env->ListedTasks();
    if (listed_ > 0) tasks_ = std::min(tasks_, listed_);
  }

  int WithScript(Agent& agent, const std::string& name, std::ostream& out) {
    constexpr std::uint64_t kUnlessSaid = 20, kAtOnce = 256;
    if (tasks_ == std::numeric_limits<std::uint64_t>::max()) tasks_ = kUnlessSaid;
    std::vector<Tally> tallies;
    double reward = 0;
    std::uint64_t scored = 0;
    std::string cause;
    for (std::uint64_t first = 0; first < tasks_; first += kAtOnce) {
      std::vector<TaskId> ids;
      for (std::uint64_t task = first; task < std::min(tasks_, first + kAtOnce); ++task) ids.push_back({Split::kTest, seed_, task});
      for (const Group& group : CollectGroups({.group_size = 1}, make_env_, rubric_, agent, ids, Rng(seed_))) {
        const Trajectory& trajectory = group.members.front();
        if (trajectory.status == TrajectoryStatus::kUnscorable) {
          if (cause.empty()) cause = fmt::format("task {}: {}", trajectory.id.index + 1, trajectory.cause);
          continue;
        }
        ++scored;
        reward += trajectory.reward;
        Count(tallies, trajectory);
      }
    }
    out << fmt::format("'{}', {} held-out tasks of seed {}, answered by '{}'\n", settings_.env.name, tasks_, seed_, name);
    if (scored > 0) {
      const auto n = static_cast<double>(scored);
      std::size_t width = 6;
      for (const Tally& tally : tallies) width = std::max(width, tally.name.size());
      out << fmt::format("{:<{}}  {:>7} {:>7} {:>7} {:>7}   the lowest, and why\n", "score", width, "weight", "mean", "low", "high");
      for (const Tally& tally : tallies) {
        out << fmt::format("{:<{}}  {:>7g} {:>7.3f} {:>7.3f} {:>7.3f}   task {}{}{}\n", tally.name, width, tally.weight, tally.sum / n, tally.low, tally.high,
                           tally.low_task, tally.low_reason.empty() ? "" : ": ", ForTerminal(tally.low_reason));
      }
      out << fmt::format("{:<{}}  {:>7} {:>7.3f}\n", "reward", width, "", reward / n);
    }
    if (scored == tasks_) return kExitDone;
    out << fmt::format("{} of {} could not be scored; {}\n", tasks_ - scored, tasks_, ForTerminal(cause));
    return kExitFailed;
  }

  int WithPerson(std::istream& in, std::ostream& out) {
    PersonAgent person(in, out);
    out << "Held-out tasks of '" << settings_.env.name << "'. Write as a policy does, such as <think>2+3=5</think> <answer>5</answer>; an empty line ends an\n"
        << "answer, Ctrl-D the game.\n";
    double reward = 0;
    std::uint64_t answers = 0, failed = 0;
    for (std::uint64_t task = 0; task < tasks_; ++task) {
      out << "\n=== task " << task + 1 << "\n";
      const Trajectory trajectory = CollectGroups({.group_size = 1}, make_env_, rubric_, person, {{Split::kTest, seed_, task}}, Rng(seed_)).front().members.front();
      if (person.left()) break;  // an answer that was not begun is none
      const bool scored = trajectory.status != TrajectoryStatus::kUnscorable;
      out << "--- " << ForTerminal(RewardText(trajectory)) << "\n";
      if (scored && trajectory.scores.front().score < 1 && !trajectory.task.answer.empty()) out << "the known answer: " << trajectory.task.answer << "\n";
      reward += scored ? trajectory.reward : 0;
      (scored ? answers : failed)++;
      if (trajectory.turns.empty()) break;  // the environment could not even ask
    }
    if (listed_ > 0 && answers + failed == listed_) out << "\nThat was the last problem.";
    out << fmt::format("\n{} answer{}{}\n", answers, answers == 1 ? "" : "s", answers > 0 ? fmt::format(", mean reward {:.3f}", reward / static_cast<double>(answers)) : "");
    return failed == 0 ? kExitDone : kExitFailed;
  }

 private:
  Settings settings_;
  Rubric rubric_;
  MakeEnv make_env_;
  std::uint64_t seed_ = 1, tasks_ = 0, listed_ = 0;
};

}  // namespace

std::string RewardText(const Trajectory& trajectory) {
  if (trajectory.status == TrajectoryStatus::kUnscorable) return "could not be scored: " + trajectory.cause;
  std::string text = fmt::format("reward {:g}", trajectory.reward);
  for (const NamedScore& score : trajectory.scores) text += fmt::format(", {} {:g}{}", score.name, score.score, score.reason.empty() ? "" : " (" + score.reason + ")");
  return text;
}

int PlayCommand(const Parts& parts, const Command& command, std::istream& in, std::ostream& out) {
  const std::string name = command.Get("agent", "person");
  const auto script = name == "person" ? nullptr : MakeScript(name);
  Game game(parts, command);
  return script ? game.WithScript(*script, name, out) : game.WithPerson(in, out);
}

}  // namespace cogent
