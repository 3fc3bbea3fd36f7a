#include "experiments/engine_reinforce.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>

#include "agents/invariants.h"
#include "agents/policy_agent.h"
#include "core/log.h"
#include "experiments/engine_critic.h"
#include "experiments/engine_evaluate.h"
#include "experiments/engine_loop.h"
#include "experiments/engine_remote.h"
#include "experiments/statistics.h"

namespace cogent {
namespace {

struct Tokens {
  double prompts = 0, completions = 0;
};
Tokens CountTokens(const std::vector<Group>& groups) {
  Tokens tokens;
  for (const Group& group : groups) {
    for (const Trajectory& t : group.members) {
      tokens.completions += t.CompletionTokens();
      for (const Turn& turn : t.turns) tokens.prompts += static_cast<double>(turn.prompt_ids.size());
    }
    if (group.greedy) tokens.completions += group.greedy->CompletionTokens();
  }
  return tokens;
}

class ReinforceLoop final : public TrainingLoop {
 public:
  ReinforceLoop(Run& run, const Algorithm& algorithm, const Rubric& rubric, RunLog& log)
      : TrainingLoop(run, log, algorithm.NeedsReference()), algorithm_(algorithm), rubric_(rubric) {
    if (run.config.rollout.remote) remote_.emplace(run);
  }

 private:
  std::unique_ptr<Agent> MakeAgent(const Sampling& sampling) {
    if (remote_) return remote_->MakeAgent(sampling);
    return std::make_unique<PolicyAgent>(generator(), run_.config.prompt_template, sampling);
  }

  // The step's groups, once or, where the algorithm refuses some, until there are enough. Every group that was drawn
  // is in the metrics: a filter must not make the policy look better than it is.
  struct Drawn {
    std::vector<Group> groups;  // to learn from
    Metrics metrics;
    Tokens tokens;              // of all that were drawn
  };
  Drawn Rollout(std::int64_t step) {
    const RolloutSettings& settings = run_.config.rollout;
    const std::unique_ptr<Agent> agent = MakeAgent(settings.sampling);
    const Rng draws = run_.rng.Fork("rollout").Fork(static_cast<std::uint64_t>(step));
    const auto wanted = static_cast<std::size_t>(settings.prompts);
    std::vector<Group> drawn, kept;
    std::size_t refused = 0;
    int batches = 0;
    while (batches == 0 || (refused > 0 && kept.size() < wanted && batches < settings.max_batches)) {
      const std::size_t first = wanted * static_cast<std::size_t>(batches++);
      std::vector<Group> groups = CollectGroups({settings.group_size, settings.max_turns, first}, EnvFactory(run_.config, run_.parts), rubric_, *agent,
                                                TrainTasks(run_.config, state_.next_task), draws);
      if (algorithm_.NeedsGreedy()) AddGreedy(TrainTasks(run_.config, state_.next_task), draws, groups);
      state_.next_task += wanted;
      drawn.insert(drawn.end(), groups.begin(), groups.end());
      std::erase_if(groups, IsUnscorable);
      CheckGroups(groups, settings.group_size);
      refused += std::erase_if(groups, [&](const Group& group) { return !algorithm_.Keep(group); });
      kept.insert(kept.end(), std::make_move_iterator(groups.begin()), std::make_move_iterator(groups.end()));
    }
    Metrics metrics = DescribeRollout(drawn);
    BoundUnscorable(drawn, metrics, step);
    if (refused > 0 && kept.size() < wanted && settings.when_exhausted == "error") {
      throw ConfigError(fmt::format("step {}: {} rollouts gave {} of {} groups that the algorithm takes (all others are all right or all wrong). Raise "
                                    "rollout.max_batches, choose easier or harder tasks, or train with what there is: rollout.when_exhausted=train",
                                    step, batches, kept.size(), wanted));
    }
    if (kept.size() > wanted) kept.resize(wanted);
    metrics["groups_left_out"] = static_cast<double>(drawn.size() - kept.size());
    metrics["groups_refused"] = static_cast<double>(refused);
    metrics["rollout_batches"] = batches;
    return {std::move(kept), std::move(metrics), CountTokens(drawn)};
  }

  // One more completion a group, the likeliest at each token.
  void AddGreedy(const std::vector<TaskId>& tasks, const Rng& draws, std::vector<Group>& groups) {
    Sampling greedy = run_.config.rollout.sampling;
    greedy.temperature = 0;
    const std::unique_ptr<Agent> agent = MakeAgent(greedy);
    std::vector<Group> alone = CollectGroups({1, run_.config.rollout.max_turns, 0}, EnvFactory(run_.config, run_.parts), rubric_, *agent, tasks, draws);
    for (std::size_t g = 0; g < groups.size(); ++g) groups[g].greedy = std::move(alone.at(g).members.front());
  }

  // prompt -> rollout -> reward -> advantage -> loss -> step
  Metrics OneStep(std::int64_t step) override {
    if (state_.next_task == 0) state_.next_task = static_cast<std::uint64_t>(step) * static_cast<std::uint64_t>(run_.config.rollout.prompts);
    double handing = HandOver(step - 1);  // at the first step, or after a resume
    const double begin = Now();
    auto [groups, metrics, drawn] = Rollout(step);
    if (remote_) metrics["sampling/staleness"] = remote_->Staleness(step);
    const double update = Now(), generating = update - begin;
    if (!groups.empty()) {
      const StepReport report = Learn(groups, step);
      for (const auto& [name, value] : report.metrics) metrics[name] = value;
      WarnIfIdle(metrics, step);
      state_.algorithm = trainer().state();
      generator().Refresh(run_.parameters);
      LogSamples(groups, report.advantages, step);
    }
    const double updating = Now() - update;
    handing += HandOver(step);
    if (remote_) metrics["timing_s/update_weights"] = handing;
    const Tokens trained = CountTokens(groups);
    state_.num_tokens += drawn.prompts + drawn.completions;
    metrics["num_tokens"] = state_.num_tokens;
    metrics["timing_s/gen"] = generating;
    metrics["perf/gen_throughput"] = drawn.completions / generating;
    metrics["perf/train_throughput"] = (trained.prompts + trained.completions) / updating;
    metrics["perf/total_num_tokens"] = drawn.prompts + drawn.completions;
    metrics["perf/throughput"] = (drawn.prompts + drawn.completions) / (generating + updating);
    return metrics;
  }

  // The server that samples gets the weights behind `step`, when that is due. The seconds it took.
  double HandOver(std::int64_t step) {
    const double start = Now();
    if (remote_) remote_->HandOver(step);
    return Now() - start;
  }

  // A critic may learn alone at first; the policy's schedule begins when it does.
  StepReport Learn(const std::vector<Group>& groups, std::int64_t step) {
    const std::int64_t steps = run_.config.train.steps, alone = run_.config.critic ? run_.config.critic->steps_alone : 0;
    const double critic_rate = run_.config.critic ? run_.config.critic->optimizer.RateAt(step, steps) : 0.0;
    if (step <= alone) return trainer().StepCritic(groups, algorithm_, critic_rate);
    return trainer().Step(groups, algorithm_, run_.config.optimizer.RateAt(step - alone, steps - alone), critic_rate);
  }

  static Metrics DescribeRollout(const std::vector<Group>& groups) {
    std::vector<double> rewards, lengths, turns, ended, group_stds;
    std::map<std::string, std::vector<double>> scores;
    double truncated = 0, unscorable = 0, flat = 0, all = 0;
    for (const Group& group : groups) {
      std::vector<double> own;
      for (const Trajectory& t : group.members) {
        ++all;
        lengths.push_back(t.CompletionTokens());
        turns.push_back(static_cast<double>(t.turns.size()));
        truncated += t.status == TrajectoryStatus::kTruncated;
        if (t.status == TrajectoryStatus::kDone) ended.push_back(t.CompletionTokens());
        if (t.status == TrajectoryStatus::kUnscorable) {
          ++unscorable;
          continue;
        }
        own.push_back(t.reward);
        for (const NamedScore& s : t.scores) scores[s.name].push_back(s.score);
      }
      rewards.insert(rewards.end(), own.begin(), own.end());
      const bool equal = std::all_of(own.begin(), own.end(), [&](double r) { return r == own.front(); });
      flat += equal;
      group_stds.push_back(own.size() > 1 ? Std(own) : 0.0);
    }
    const auto [shortest, longest] = std::minmax_element(lengths.begin(), lengths.end());
    Metrics m{{"completions/mean_length", Mean(lengths)}, {"completions/min_length", *shortest}, {"completions/max_length", *longest},
              {"num_turns/mean", Mean(turns)}, {"num_turns/max", *std::max_element(turns.begin(), turns.end())},
              {"completions/clipped_ratio", truncated / all}, {"unscorable_ratio", unscorable / all},
              {"frac_reward_zero_std", flat / static_cast<double>(groups.size())}, {"reward_std", Mean(group_stds)}};
    if (!rewards.empty()) m["reward"] = Mean(rewards);
    if (!ended.empty()) {
      m["completions/mean_terminated_length"] = Mean(ended);
      m["completions/min_terminated_length"] = *std::min_element(ended.begin(), ended.end());
      m["completions/max_terminated_length"] = *std::max_element(ended.begin(), ended.end());
    }
    for (const auto& [name, values] : scores) {
      m["rewards/" + name + "/mean"] = Mean(values);
      m["rewards/" + name + "/std"] = values.size() > 1 ? Std(values) : 0.0;
    }
    return m;
  }

  static bool IsUnscorable(const Group& group) {
    if (group.greedy && group.greedy->status == TrajectoryStatus::kUnscorable) return true;
    return std::any_of(group.members.begin(), group.members.end(), [](const Trajectory& t) { return t.status == TrajectoryStatus::kUnscorable; });
  }

  // A failure of ours is never a reward: its whole group takes no part, and too many end the run.
  void BoundUnscorable(const std::vector<Group>& drawn, Metrics& metrics, std::int64_t step) const {
    std::string cause;
    int broken = 0;
    for (const Group& group : drawn) {
      broken += IsUnscorable(group);
      for (const Trajectory& t : group.members) {
        if (t.status == TrajectoryStatus::kUnscorable) cause = t.cause;
      }
      if (group.greedy && group.greedy->status == TrajectoryStatus::kUnscorable) cause = group.greedy->cause;
    }
    if (broken == 0) return;
    LogWarn(fmt::format("step {}: {} groups were left out because a completion could not be scored; one cause: {}", step, broken, cause));
    if (metrics["unscorable_ratio"] > run_.config.rollout.max_unscorable) {
      throw InternalError(fmt::format("step {}: {:.0f}% of the completions could not be scored (rollout.max_unscorable is {:.0f}%); last cause: {}",
                                      step, 100 * metrics["unscorable_ratio"], 100 * run_.config.rollout.max_unscorable, cause));
    }
  }

  // A run whose first steps learn nothing from rewards may go on so to its end: said once.
  void WarnIfIdle(const Metrics& metrics, std::int64_t step) {
    constexpr int kSteps = 3;
    if (idle_ < 0) return;
    const auto idle = [&](const char* name) { return metrics.count(name) > 0 && metrics.at(name) == 0.0; };
    if (!idle("advantages/min") || !idle("advantages/max")) return (void)(idle_ = -1);
    if (++idle_ < kSteps) return;
    idle_ = -1;
    LogWarn(fmt::format("steps {} to {}: rewards taught nothing, for every advantage was 0: {}", step - kSteps + 1, step,
                        run_.config.rollout.group_size == 1 ? "rollout.group_size is 1, and the algorithm compares the completions of a group"
                                                            : "all completions of each group got the same reward. samples.jsonl shows what they got; tasks may be too hard or too "
                                                              "easy, or rollout.temperature too low for completions to differ"));
  }

  void LogSamples(const std::vector<Group>& groups, const std::vector<double>& advantages, std::int64_t step) const {
    std::size_t written = 0;
    for (const Group& group : groups) {
      for (const Trajectory& t : group.members) {
        if (written >= static_cast<std::size_t>(run_.config.train.samples_per_step)) return;
        log_.AddSample(MakeSample(step, t, advantages[written]));
        ++written;
      }
    }
  }

  std::string Describe(const Metrics& metrics) const override {
    const auto at = [&](const char* name) { return metrics.count(name) > 0 ? metrics.at(name) : 0.0; };
    return fmt::format("reward {:.2f}, accuracy {:.2f}, length {:.0f}", at("reward"), at("rewards/accuracy/mean"), at("completions/mean_length"));
  }

  const Algorithm& algorithm_;
  const Rubric& rubric_;
  std::optional<RemoteRollout> remote_;
  int idle_ = 0;  // steps since the start in which every advantage was 0; -1: no longer counted
};

}  // namespace

int Reinforce(Run& run, const Algorithm& algorithm, const Rubric& rubric, RunLog& log, std::int64_t from) {
  return ReinforceLoop(run, algorithm, rubric, log).Train(from);
}

}  // namespace cogent
