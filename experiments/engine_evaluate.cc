#include "experiments/engine_evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "agents/policy_agent.h"
#include "core/error.h"
#include "experiments/statistics.h"
#include "verifiers/extract.h"

namespace cogent {
namespace {

constexpr std::size_t kPartOfProgress = 256;  // completions between two calls of EvaluationPlan::progress

}  // namespace

MakeEnv EnvFactory(const RunConfig& config, const Parts& parts) {
  return [&config, &parts] {
    Problems problems;
    auto env = parts.envs.Make(config.env, problems);
    problems.ThrowIfAny();
    return env;
  };
}

void RefuseBenchmark(const RunConfig& config, const Parts& parts) {
  if (EnvFactory(config, parts)()->ListedTasks() == 0) return;
  throw ConfigError(fmt::format("environment '{}' is a benchmark, whose problems are all held out: there is nothing to learn from. Train on another "
                                "environment, and then `cogent eval FILE --checkpoint DIR` with this one", config.env.name));
}

std::vector<TaskId> TrainTasks(const RunConfig& config, std::uint64_t first) {
  std::vector<TaskId> tasks;
  for (int i = 0; i < config.rollout.prompts; ++i) {
    tasks.push_back({Split::kTrain, config.seed, first + static_cast<std::uint64_t>(i)});
  }
  return tasks;
}

std::vector<TaskId> TestTasks(const RunConfig& config, int count) {
  std::vector<TaskId> tasks;
  for (int i = 0; i < count; ++i) tasks.push_back({Split::kTest, config.seed, static_cast<std::uint64_t>(i)});
  return tasks;
}

Evaluation Evaluate(const RunConfig& config, const Parts& parts, const Generator& generator, const EvaluationPlan& plan, const Rng& rng) {
  Problems problems;
  const Rubric rubric = Rubric::Make(config.rewards, parts.rewards, problems);
  problems.ThrowIfAny();
  PolicyAgent agent(generator, config.prompt_template, plan.sampling);
  Evaluation out;
  const std::vector<TaskId> tasks = TestTasks(config, plan.tasks);
  // In parts only where somebody watches; draws belong to tasks, so that the numbers are the same.
  const std::size_t part = plan.progress ? std::max<std::size_t>(1, kPartOfProgress / static_cast<std::size_t>(plan.samples)) : tasks.size();
  for (std::size_t first = 0; first < tasks.size(); first += part) {
    const std::size_t last = std::min(first + part, tasks.size());
    auto groups = CollectGroups({plan.samples, config.rollout.max_turns, first}, EnvFactory(config, parts), rubric, agent,
                                {tasks.begin() + static_cast<std::ptrdiff_t>(first), tasks.begin() + static_cast<std::ptrdiff_t>(last)}, rng);
    std::move(groups.begin(), groups.end(), std::back_inserter(out.groups));
    if (plan.progress) plan.progress(static_cast<int>(last - first));
  }
  std::vector<TaskCount> counts;
  double length = 0, right_length = 0, truncated = 0, all = 0, right = 0, unscorable = 0;
  std::map<std::string, std::vector<double>> scores;
  std::string cause;
  std::vector<double> majorities;
  const double most = plan.k.empty() ? 1.0 : *std::max_element(plan.k.begin(), plan.k.end());
  for (const Group& group : out.groups) {
    TaskCount count;
    std::vector<Vote> votes;
    for (const Trajectory& t : group.members) {
      ++all;
      length += t.CompletionTokens();
      truncated += t.status == TrajectoryStatus::kTruncated;
      if (t.status == TrajectoryStatus::kUnscorable) {
        ++unscorable;
        cause = t.cause;
        continue;
      }
      for (const NamedScore& score : t.scores) scores[score.name].push_back(score.score);
      const bool correct = t.scores.front().score >= 1.0;
      votes.push_back({t.answer.empty() ? Extract(t.turns.back().text).text.value_or("") : t.answer, correct});
      ++count.samples;
      count.correct += correct;
      right += correct;
      if (correct) right_length += t.CompletionTokens();
    }
    if (count.samples > 0) majorities.push_back(MajorityScore(votes));
    if (static_cast<double>(count.samples) >= most) counts.push_back(count);  // else too few could be scored
  }
  if (unscorable / all > config.rollout.max_unscorable || counts.empty()) {
    throw InternalError(fmt::format("evaluation: {:.0f}% of the completions could not be scored (rollout.max_unscorable is {:.0f}%); last cause: {}",
                                    100 * unscorable / all, 100 * config.rollout.max_unscorable, cause));
  }
  const auto add = [&](const std::string& name, const Estimate& estimate) {
    out.metrics[name] = estimate.mean;
    out.metrics[name + "_low"] = estimate.low;
    out.metrics[name + "_high"] = estimate.high;
  };
  const Rng draws = Rng(config.seed).Fork("bootstrap");
  for (const double k : plan.k) add(fmt::format("pass@{}", static_cast<int>(k)), MeanPassAtK(counts, static_cast<int>(k), draws));
  if (plan.samples > 1) add(fmt::format("cons@{}", plan.samples), BootstrapMean(majorities, draws));
  out.metrics["mean_length"] = length / all;
  if (right > 0) out.metrics["mean_length_correct"] = right_length / right;
  if (right < all) out.metrics["mean_length_wrong"] = (length - right_length) / (all - right);
  out.metrics["clipped_ratio"] = truncated / all;
  out.metrics["tasks"] = plan.tasks;
  out.metrics["samples_per_task"] = plan.samples;
  out.metrics["unscorable_ratio"] = unscorable / all;
  for (const auto& [name, values] : scores) out.metrics["rewards/" + name + "/mean"] = Mean(values);
  return out;
}

EvaluationPlan SampledPlan(const RunConfig& config, int tasks) {
  return {tasks, config.eval.samples, config.eval.k, config.rollout.sampling};
}

Metrics FullEvaluation(const Run& run, RunLog& log, const Generator& generator, std::int64_t step) {
  const Rng rng = run.rng.Fork("eval").Fork(static_cast<std::uint64_t>(step));
  Evaluation sampled = Evaluate(run.config, run.parts, generator, SampledPlan(run.config, run.config.eval.final_tasks), rng);
  log.AddEval(step, "sampled", sampled.metrics);
  constexpr std::size_t kShown = 8;
  for (std::size_t i = 0; i < std::min(kShown, sampled.groups.size()); ++i) {
    SampleRecord record = MakeSample(step, sampled.groups[i].members.front(), std::numeric_limits<double>::quiet_NaN());
    record.split = "test";
    log.AddSample(record);
  }
  if (run.config.eval.greedy) {
    Sampling greedy = run.config.rollout.sampling;
    greedy.temperature = 0;
    EvaluationPlan plan{run.config.eval.final_tasks, 1, {1.0}, greedy};
    const Evaluation likeliest = Evaluate(run.config, run.parts, generator, plan, rng);
    log.AddEval(step, "greedy", likeliest.metrics);
    sampled.metrics["greedy_accuracy"] = likeliest.metrics.at("pass@1");
  }
  return sampled.metrics;
}

}  // namespace cogent
