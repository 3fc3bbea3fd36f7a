#include "experiments/metrics.h"

#include <algorithm>

namespace cogent {
namespace {

// True when `name` is `pattern` with its one `*` replaced by at least one character.
bool Fits(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  const std::string_view head = pattern.substr(0, star);
  const std::string_view tail = pattern.substr(star + 1);
  return name.size() > head.size() + tail.size() && name.starts_with(head) && name.ends_with(tail);
}

std::string_view WithoutEvalPrefix(std::string_view name) {
  for (const std::string_view prefix : {"eval_", "eval/"}) {
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  }
  return name;
}

const MetricInfo* Find(std::string_view name) {
  const std::vector<MetricInfo>& table = MetricTable();
  const auto exact = std::find_if(table.begin(), table.end(),
                                  [&](const MetricInfo& info) { return info.name == name; });
  if (exact != table.end()) return &*exact;
  const auto pattern = std::find_if(table.begin(), table.end(),
                                    [&](const MetricInfo& info) { return Fits(info.name, name); });
  return pattern != table.end() ? &*pattern : nullptr;
}

}  // namespace

const std::vector<MetricInfo>& MetricTable() {
  static const std::vector<MetricInfo> table = {
      // Where the run is.
      {"step", "steps", "optimizer steps of the outer loop done; 0 is before the first"},
      {"time", "s", "Unix time at which the line was written"},
      {"epoch", "epochs", "passes over the training tasks, where their number is known"},
      {"num_tokens", "tokens", "prompt and completion tokens drawn for training so far, refused groups included"},
      {"learning_rate", "1", "of the optimizer at this step"},
      {"grad_norm", "1", "L2 norm of all gradients before clipping"},
      {"grad_clipped", "share", "optimizer steps of this step whose gradient was clipped"},

      // What is optimised.
      {"loss", "1", "the number that is minimised, over all its terms"},
      {"policy_loss", "1", "the policy's term of the loss alone"},
      {"kl_loss", "1", "the KL's term of the loss, with its coefficient"},
      {"reverse_kl", "nats", "distill: mean of log(policy / teacher) over the tokens that were drawn"},
      {"on_policy", "0 or 1", "gkd: whether the policy wrote the step's completions"},
      {"accuracy", "share", "reward models: pairs whose better completion got more, or steps that were judged right"},
      {"margin", "1", "reward_model: what the better completion gets more"},
      {"mean_reward", "1", "reward models: mean of what they give"},
      {"drift_loss", "1", "dppo: the squared distance to the sampler, with its coefficient"},
      {"entropy_loss", "1", "the entropy bonus, with its coefficient and its sign turned"},
      {"nll", "nats", "supervised: mean negative log-probability of the tokens that are learned"},
      {"held_out/*", "1", "the metric of that name on examples that are never learned from"},
      {"aux_loss", "1", "sequence-wise balance loss of the experts, with its coefficient"},
      {"mtp_loss", "nats",
       "cross-entropy of the multi-token prediction module, with its coefficient"},

      // The critic of an algorithm that has one.
      {"losses/value_loss", "1", "the critic's loss: half the squared error of its values, clipping and coefficient in it"},
      {"losses/explained_variance", "1",
       "1 - Var(returns - values) / Var(returns), values of before the step: 1 = foreseen, 0 = no better than a constant, below 0 = worse"},
      {"losses/clipfrac", "share", "values whose error clipping changed"},
      {"critic/values/mean", "1", "mean value of a completion token before the step"},
      {"critic/returns/mean", "1", "mean of what the critic should have said"},
      {"critic/grad_norm", "1", "L2 norm of the critic's gradients before clipping"},
      {"critic/grad_clipped", "share", "optimizer steps of the critic whose gradient was clipped"},
      {"critic/learning_rate", "1", "of the critic's optimizer at this step"},

      // Rewards.
      {"reward", "1", "mean reward of the step's completions, all weighted components together"},
      {"reward_std", "1", "standard deviation of the reward within a group, mean over groups"},
      {"rewards/*/mean", "1", "mean score of one reward component, before its weight"},
      {"rewards/*/std", "1",
       "standard deviation of one reward component over the step's completions"},
      {"rewards/chosen", "1", "dpo: beta times the log-ratio to the reference of the chosen completion, mean over pairs"},
      {"rewards/rejected", "1", "dpo: the same of the rejected completion"},
      {"rewards/margins", "1", "dpo: rewards/chosen less rewards/rejected"},
      {"rewards/accuracies", "share", "dpo: pairs whose chosen completion has the larger reward"},
      {"logps/chosen", "nats", "dpo: log-probability of the chosen completion, mean over pairs"},
      {"logps/rejected", "nats", "dpo: log-probability of the rejected completion, mean over pairs"},
      {"frac_reward_zero_std", "share", "groups whose rewards are all equal: no signal"},
      {"unscorable_ratio", "share",
       "trajectories set aside because a verifier, sandbox or endpoint broke"},
      {"groups_left_out", "groups",
       "groups not trained on: unscorable or refused by the algorithm"},
      {"groups_refused", "groups", "groups that the algorithm refused: all right or all wrong (dynamic sampling)"},
      {"rollout_batches", "rollouts", "rollouts it took to fill the step"},
      {"advantages/mean", "1", "mean advantage over completion tokens"},
      {"advantages/std", "1", "standard deviation of the advantage over completion tokens"},
      {"advantages/min", "1", "smallest advantage"},
      {"advantages/max", "1", "largest advantage"},

      // Completions.
      {"completions/mean_length", "tokens", "mean length, end of sequence included"},
      {"completions/min_length", "tokens", "shortest completion"},
      {"completions/max_length", "tokens", "longest completion"},
      {"completions/clipped_ratio", "share", "completions cut by the length limit"},
      {"completions/mean_terminated_length", "tokens",
       "mean length of those that ended themselves"},
      {"completions/min_terminated_length", "tokens", "shortest that ended itself"},
      {"completions/max_terminated_length", "tokens", "longest that ended itself"},
      {"num_turns/mean", "turns", "mean number of turns of a trajectory"},
      {"num_turns/max", "turns", "most turns of a trajectory"},

      // The policy against itself and its reference.
      {"entropy", "nats", "mean entropy of the next-token distribution at completion tokens"},
      {"kl", "nats", "estimate of KL(policy, reference) a token, by the estimator of the run"},
      {"kl_coef", "1", "where it adapts: the coefficient of the KL in the step that follows"},
      {"entropy_coef", "1", "where it adapts: the coefficient of the entropy bonus in the step that follows"},
      {"ratio/mean", "1", "mean of pi_theta / pi_old over completion tokens"},
      {"ratio/min", "1", "smallest ratio of a token"},
      {"ratio/max", "1", "largest ratio of a token"},
      {"clip_ratio/low_mean", "share", "tokens clipped at the lower border (negative advantage)"},
      {"clip_ratio/high_mean", "share", "tokens clipped at the upper border (positive advantage)"},
      {"clip_ratio/region_mean", "share", "tokens clipped at either border"},
      {"cispo_clip_ratio", "share", "cispo: tokens of positive advantage whose weight was cut"},
      {"vespo/phi_seq_mean", "1", "vespo: the weight of a completion, mean over tokens"},
      {"cov/left_out", "share", "clip_cov: tokens that were drawn to get no gradient"},
      {"cov/held_back", "share", "kl_cov: tokens that pay for moving"},
      {"clip_ratio/low_min", "share", "smallest low_mean of an optimizer step"},
      {"clip_ratio/high_max", "share", "largest high_mean of an optimizer step"},

      // Does the generator agree with the trainer?
      {"sampling/sampling_logp_difference/mean", "nats",
       "mean |difference| of a token's log-probability, trainer against generator; at another temperature than 1, of the distribution that was drawn from"},
      {"sampling/sampling_logp_difference/max", "nats", "the largest such difference of the step"},
      {"sampling/importance_sampling_ratio/min", "1",
       "smallest trainer / generator probability of a token (or sequence), truncated or masked as `importance` says"},
      {"sampling/importance_sampling_ratio/mean", "1",
       "mean trainer / generator probability of a token"},
      {"sampling/importance_sampling_ratio/max", "1",
       "largest trainer / generator probability of a token"},
      {"sampling/staleness", "steps", "rollout.remote: steps since the weights that the server samples with; 0: it has those that are trained"},

      // Experts.
      {"moe/expert_load/*/max", "1",
       "load of a layer's busiest expert over the mean load (1 = even)"},
      {"moe/expert_load/*/min", "1", "load of a layer's idlest expert over the mean load"},
      {"moe/expert_load/*", "share", "share of a layer's routed tokens that went to one expert"},
      {"moe/max_violation", "1", "largest (load - mean load) / mean load of any expert: MaxVio"},
      {"moe/bias_max", "1", "largest |bias| of a router's affinities"},
      {"moe/dead_experts", "experts", "experts of all layers that no token of the step chose"},

      // Evaluation on held-out tasks; in TensorBoard under `eval/`.
      {"cons@*_low", "share", "lower border of the 95% bootstrap interval of cons@k"},
      {"cons@*_high", "share", "upper border of the 95% bootstrap interval of cons@k"},
      {"cons@*", "share", "tasks of which the answer that most of k completions give is right (majority vote), mean over tasks"},
      {"pass@*_low", "share", "lower border of the 95% bootstrap interval of pass@k"},
      {"pass@*_high", "share", "upper border of the 95% bootstrap interval of pass@k"},
      {"pass@*", "share", "chance that one of k completions is right, unbiased, mean over tasks"},
      {"greedy_accuracy", "share", "tasks right with the most probable token at each place"},
      {"mean_length", "tokens", "mean completion length in the evaluation"},
      {"mean_length_correct", "tokens", "mean length of right completions"},
      {"mean_length_wrong", "tokens", "mean length of wrong completions"},
      {"clipped_ratio", "share", "completions of the evaluation cut by the length limit"},
      {"tasks", "tasks", "tasks of the evaluation"},
      {"samples_per_task", "completions", "completions a task in the evaluation"},

      // Time and speed.
      {"step_time", "s", "the whole step"},
      {"timing_s/gen", "s", "the rollout: generation of the completions, environments, rewards"},
      {"timing_s/ref", "s", "log-probabilities of the reference policy"},
      {"timing_s/old_log_prob", "s", "log-probabilities of the policy before its update"},
      {"timing_s/values", "s", "values of the critic"},
      {"timing_s/adv", "s", "advantages"},
      {"timing_s/update_actor", "s", "forward, backward and optimizer of the policy"},
      {"timing_s/update_weights", "s", "rollout.remote: writing the weights, and their loading by the server"},
      {"timing_s/update_critic", "s", "forward, backward and optimizer of the critic"},
      {"timing_s/testing", "s", "evaluation on held-out tasks"},
      {"timing_s/step", "s", "the whole step, evaluation and checkpoint included"},
      {"timing_s/*", "s", "one phase of the step"},
      {"perf/total_num_tokens", "tokens", "prompt and completion tokens of this step"},
      {"perf/throughput", "tokens/s", "tokens of the step over the time of the step"},
      {"perf/gen_throughput", "tokens/s", "completion tokens over the time of generation"},
      {"perf/train_throughput", "tokens/s", "trained tokens over the time of the update"},
      {"perf/max_memory_gb", "GB", "most memory the process has held"},
  };
  return table;
}

const MetricInfo* FindMetric(std::string_view name) {
  if (const MetricInfo* found = Find(name)) return found;
  return Find(WithoutEvalPrefix(name));
}

bool IsTimeMetric(std::string_view name) {
  const MetricInfo* info = FindMetric(name);
  if (!info) return false;
  return info->unit == "s" || info->unit == "GB" || info->unit.ends_with("/s");
}

std::string MetricTableMarkdown() {
  std::string text = "| metric | unit | meaning |\n| --- | --- | --- |\n";
  for (const MetricInfo& info : MetricTable()) {
    text += "| `";
    text += info.name;
    text += "` | ";
    text += info.unit;
    text += " | ";
    for (const char c : info.meaning) {
      if (c == '|') text += '\\';  // a bar would end the cell
      text += c;
    }
    text += " |\n";
  }
  return text;
}

}  // namespace cogent
