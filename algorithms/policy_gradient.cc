#include "algorithms/policy_gradient.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace cogent {

const std::vector<std::string> kGroupAdvantages = {"trl",       "trl_batch",      "verl",   "openrlhf", "nemo_rl", "mean_only", "verl_mean_only",
                                                   "leave_one", "verl_leave_one", "pass_k", "opo",      "gpg",       "gdpo", "normalize_then_sum"};

// ---- settings ----

void PolicyGradient::VisitFields(FieldVisitor& visit) {
  visit("average", average,
        "over tokens: paper (each completion's mean, then their mean), tokens (all alike), sequence_mean, sequence_sum, sequence_sum_norm, "
        "dr_grpo, luspo, bnpo, prompt_mean",
        OneOf{"paper", "tokens", "sequence_mean", "sequence_sum", "sequence_sum_norm", "dr_grpo", "luspo", "bnpo", "prompt_mean"});
  visit("length_scale", length_scale, "what dr_grpo and sequence_sum_norm divide by: the longest completion allowed; 0 = the longest of the step",
        {0, 1 << 30});
  visit("micro_batch", micro_batch, "completions that bnpo averages over at a time, as a peer's micro-batch", {1, 1 << 30});
  visit("mask_truncated", mask_truncated, "completions cut by the length limit add nothing to the loss");
  visit("reward_clip", reward_clip, "rewards are cut to this on either side of 0 first; 0 = not", {0.0, 1e9});
  visit("whiten_advantages", whiten_advantages, "advantages of all the rollout's tokens get mean 0 and variance 1");
  visit("kl_coef", kl_coef, "beta: weight of the KL to the reference; 0 = no reference is kept", {0.0, 100.0});
  visit("kl_estimator", kl_estimator, "k3 (>= 0, low variance), k1, k2, abs; k1+, k3+: with the gradient of k2",
        OneOf{"k1", "k2", "k3", "abs", "k1+", "k3+"});
  visit("kl_in", kl_in, "loss: a term of its own; reward: taken off each token's reward", OneOf{"loss", "reward"});
  visit("kl_limit", kl_limit, "the estimate of a token is cut to this on either side of 0; 0 = not", {0.0, 1e9});
  visit("kl_ratio", kl_ratio, "multiply the KL in the loss by the policy ratio (unbiased off policy)");
  visit("kl_target", kl_target, "adapt kl_coef until the KL of a token is this; 0 = kl_coef stays", {0.0, 1e6});
  visit("kl_horizon", kl_horizon, "completions in which an adapted kl_coef moves by a fifth at most", {1.0, 1e12});
  visit("entropy_coef", entropy_coef, "weight of the entropy bonus", {0.0, 100.0});
  visit("entropy_average", entropy_average, "of the bonus: tokens (mean over tokens), same (as `average`)", OneOf{"tokens", "same"});
  visit("entropy_target", entropy_target, "adapt entropy_coef by steps, and give the bonus while the entropy is below this; 0 = not", {0.0, 1e6});
  visit("entropy_step", entropy_step, "by which entropy_coef moves after each step", {0.0, 100.0});
  visit("entropy_max", entropy_max, "an adapted entropy_coef stays between 0 and this", {0.0, 100.0});
  visit("top_entropy", top_entropy, "only this share of a micro-batch's tokens, those of the highest entropy, teach; 1 = all", {0.0, 1.0});
  visit("importance", importance,
        "where another engine sampled, weigh by pi_old / pi_sampler of the token or of the sequence; outside the bounds truncate it or mask it out",
        OneOf{"none", "token_truncate", "token_mask", "sequence_truncate", "sequence_mask"});
  visit("importance_low", importance_low, "lower bound of that weight", {0.0, 1e9});
  visit("importance_high", importance_high, "upper bound of that weight", {0.0, 1e9});
  visit("importance_normalize", importance_normalize, "divide those weights by their mean over the rollout");
  visit("off_policy_threshold", off_policy_threshold,
        "completions of negative advantage whose mean log(pi_sampler / pi_theta) is above this teach nothing; 0 = all do", {0.0, 1e9});
  visit("rejection", rejection,
        "leave out where sampler and policy have come apart: token_, sequence_sum_, sequence_mean_ with k1, k2 or k3 of log(pi_old / pi_sampler), "
        "sequence_max_ with k2 or k3",
        OneOf{"none", "token_k1", "token_k2", "token_k3", "sequence_sum_k1", "sequence_sum_k2", "sequence_sum_k3", "sequence_mean_k1",
              "sequence_mean_k2", "sequence_mean_k3", "sequence_max_k2", "sequence_max_k3"});
  visit("rejection_low", rejection_low, "of k1: pi_sampler / pi_old below this is left out", {1e-9, 1e9});
  visit("rejection_high", rejection_high, "of k1: pi_sampler / pi_old above this; of k2 and k3: an estimate above this", {1e-9, 1e9});
}

void PolicyGradient::Validate(Problems& problems, const Node& section) const {
  if (importance_low > importance_high) {
    problems.Add(section.PlaceOf("importance_low"), "'importance_low' is above 'importance_high'; it is the lower bound of the weight.");
  }
  if (rejection.ends_with("k1") && rejection_low >= rejection_high) {
    problems.Add(section.PlaceOf("rejection_low"), "'rejection_low' is not below 'rejection_high': every token would be left out.");
  }
  if (kl_target > 0 && kl_coef == 0) {
    problems.Add(section.PlaceOf("kl_target"), "'kl_target' adapts 'kl_coef', which is 0 here and stays 0; give it a start, as 0.001.");
  }
  if (kl_ratio && kl_in == "reward") {
    problems.Add(section.PlaceOf("kl_ratio"), "'kl_ratio' is for the KL in the loss; with 'kl_in: reward' it has no effect.");
  }
}

void Clip::VisitFields(FieldVisitor& visit) {
  visit("clip_ratio", clip_ratio, "epsilon: the ratio counts between 1 - epsilon and 1 + epsilon", {0.0, 10.0});
  visit("clip_ratio_high", clip_ratio_high, "epsilon above 1, 0 = as clip_ratio (DAPO's clip-higher: 0.28)", {0.0, 1e9});
  visit("dual_clip", dual_clip, "where the advantage is negative the loss is at most this times -A; 0 = no bound (verl: 3)", {0.0, 1e9});
  visit("ratio_cap", ratio_cap, "delta: the unclipped ratio counts up to this; 0 = no bound (INTELLECT-2: 4)", {0.0, 1e9});
}

void Clip::Validate(Problems& problems, const Node& section) const {
  if (dual_clip > 0 && dual_clip <= 1) problems.Add(section.PlaceOf("dual_clip"), "'dual_clip' must be above 1 (or 0 for none).");
  if (ratio_cap > 0 && ratio_cap <= 1 + high()) {
    problems.Add(section.PlaceOf("ratio_cap"), "'ratio_cap' must be above 1 + clip_ratio_high (or 0 for none): below, it would be the clipping itself.");
  }
}

// ---- averages ----

namespace {

// Of a batch written by hand a part may be missing.
void Need(const at::Tensor& part, const char* name, const char* knob) {
  if (!part.defined()) throw DataError(std::string("'") + name + "' is missing, and '" + knob + "' needs it");
}

at::Tensor Like(const Batch& batch, const at::Tensor& values) { return values.to(batch.old_logprobs.scalar_type()); }

// [B] -> [P]: sums over groups; numbers that no trajectory has stay 0.
at::Tensor GroupSum(const Batch& batch, const at::Tensor& values) {
  const std::int64_t count = batch.groups.numel() > 0 ? batch.groups.max().item<std::int64_t>() + 1 : 0;
  return at::zeros({count}, values.options()).index_add(0, batch.groups, values);
}
at::Tensor OfGroup(const Batch& batch, const at::Tensor& per_group) { return per_group.index_select(0, batch.groups); }

}  // namespace

at::Tensor PolicyGradient::Counted(const Batch& batch) const {
  at::Tensor counted = at::ones({batch.sequence.size(0)}, at::kBool);
  if (mask_truncated) counted = batch.PerToken(batch.truncated).logical_not();
  if (rejection == "none") return counted;
  Need(batch.sampler_logprobs, "sampler_logprobs", "rejection");
  const bool k1 = rejection.ends_with("k1");
  const at::Tensor log_ratio = (batch.sampler_logprobs - batch.old_logprobs).clamp(-kLargestLogRatio, kLargestLogRatio).to(at::kDouble);
  at::Tensor apart = KlEstimate(rejection.substr(rejection.size() - 2), log_ratio, at::zeros_like(log_ratio));  // [M]
  if (rejection.starts_with("sequence_max")) {
    apart = batch.PerToken(at::zeros({batch.size()}, at::kDouble).scatter_reduce(0, batch.sequence, apart, "amax"));
  } else if (rejection.starts_with("sequence")) {
    at::Tensor of_sequence = batch.PerTrajectory(apart);
    if (rejection.starts_with("sequence_mean")) of_sequence = of_sequence / batch.lengths.clamp_min(1);
    apart = batch.PerToken(of_sequence);
  }
  const at::Tensor kept = k1 ? apart.ge(std::log(rejection_low)).logical_and(apart.le(std::log(rejection_high))) : apart.le(rejection_high);
  return counted.logical_and(kept);
}

at::Tensor PolicyGradient::Weights(const Batch& batch) const {
  const at::Tensor kept = Counted(batch).to(at::kDouble);                                      // [M]
  const at::Tensor tokens = batch.PerTrajectory(kept);                                         // [B]
  const at::Tensor all = at::full({}, static_cast<double>(std::max<std::int64_t>(batch.size(), 1)), at::kDouble);
  const at::Tensor counted = tokens.gt(0).sum().to(at::kDouble).clamp_min(1);                  // completions with tokens that count
  const double longest = batch.size() > 0 ? batch.lengths.max().item<double>() : 0.0;
  const double scale = length_scale > 0 ? length_scale : std::max(longest, 1.0);
  at::Tensor share;  // [B], or a number
  if (average == "paper") {
    share = 1 / (all * tokens.clamp_min(1));
  } else if (average == "tokens") {
    share = 1 / tokens.sum().clamp_min(1);
  } else if (average == "sequence_mean") {
    share = 1 / (counted * tokens.clamp_min(1));
  } else if (average == "sequence_sum") {
    share = 1 / counted;
  } else if (average == "sequence_sum_norm") {
    share = 1 / (counted * scale);
  } else if (average == "luspo") {
    share = 1 / all;
  } else if (average == "dr_grpo") {
    share = 1 / (all * scale);
  } else if (average == "prompt_mean") {
    Need(batch.groups, "group", "average: prompt_mean");
    const at::Tensor own = GroupSum(batch, tokens);                                            // [P]
    share = 1 / (own.gt(0).sum().clamp_min(1) * OfGroup(batch, own).clamp_min(1));
  } else {  // bnpo
    const at::Tensor piece = at::arange(batch.size(), at::kLong).div(micro_batch, "floor");    // [B]
    const std::int64_t pieces = (batch.size() + micro_batch - 1) / micro_batch;
    const at::Tensor own = at::zeros({pieces}, at::kDouble).index_add(0, piece, tokens);
    share = 1 / (static_cast<double>(std::max<std::int64_t>(pieces, 1)) * own.index_select(0, piece).clamp_min(1));
  }
  return Like(batch, kept * batch.PerToken(share.expand({batch.size()})));
}

// ---- rewards and advantages ----

at::Tensor PolicyGradient::TokenRewards(const Batch& batch) const {
  at::Tensor rewards = batch.token_rewards;  // [M]
  if (!rewards.defined()) {
    const at::Tensor some = batch.lengths.gt(0).nonzero().squeeze(1);
    const at::Tensor last = (batch.lengths.cumsum(0) - 1).index_select(0, some);
    rewards = at::zeros({batch.sequence.size(0)}, at::kDouble).index_put({last}, batch.rewards.index_select(0, some));
  }
  if (reward_clip > 0) rewards = rewards.clamp(-reward_clip, reward_clip);
  return PenaltyInReward() ? rewards - Penalty(batch) : rewards;
}

at::Tensor PolicyGradient::Outcomes(const Batch& batch) const {
  const at::Tensor rewards = reward_clip > 0 ? batch.rewards.clamp(-reward_clip, reward_clip) : batch.rewards;  // [B]
  return PenaltyInReward() ? rewards - batch.PerTrajectory(Penalty(batch)) : rewards;
}

at::Tensor PolicyGradient::Penalty(const Batch& batch) const {
  return KlCoef(batch) * KlEstimate(kl_estimator, batch.old_logprobs, batch.ref_logprobs, kl_limit).to(at::kDouble);
}

at::Tensor PolicyGradient::Finish(const Batch& batch, const at::Tensor& advantages) const {
  return Like(batch, whiten_advantages ? Whiten(advantages) : advantages);
}

// ---- another engine ----

at::Tensor PolicyGradient::Importance(const Batch& batch) const {
  if (importance == "none") return {};
  Need(batch.sampler_logprobs, "sampler_logprobs", "importance");
  const bool by_sequence = importance.starts_with("sequence");
  at::Tensor log_weight = batch.old_logprobs - batch.sampler_logprobs;                         // [M]
  if (by_sequence) log_weight = batch.PerToken(batch.PerTrajectory(log_weight));
  at::Tensor weight = log_weight.clamp(-kLargestLogRatio, kLargestLogRatio).exp();
  if (importance.ends_with("truncate")) {
    weight = weight.clamp(importance_low, importance_high);
  } else {
    weight = weight * weight.ge(importance_low).logical_and(weight.le(importance_high));
  }
  if (!importance_normalize || weight.numel() == 0) return weight;
  // The mean over tokens, or over sequences: each has one weight, however long it is.
  const at::Tensor mean = by_sequence ? (weight * batch.PerToken(1 / batch.lengths.to(weight.scalar_type()))).sum() / batch.lengths.gt(0).sum()
                                      : weight.mean();
  return mean.item<double>() > 1e-8 ? weight / mean : weight;
}

// ---- the loss ----

at::Tensor LogRatio(const Batch& batch, const at::Tensor& logprobs, RatioLevel level, double largest) {
  at::Tensor log_ratio = logprobs - batch.old_logprobs;                                        // [m]
  if (level != RatioLevel::kToken) {
    at::Tensor of_sequence = batch.PerTrajectory(log_ratio);                                   // [B]
    if (level == RatioLevel::kSequenceMean) of_sequence = of_sequence / batch.lengths.clamp_min(1);
    log_ratio = batch.PerToken(of_sequence);
  }
  return log_ratio.clamp_max(largest);
}

TokenLoss Clip::Surrogate(const at::Tensor& ratio, const at::Tensor& advantages) const {
  const at::Tensor clipped = ratio.clamp(1.0 - clip_ratio, 1.0 + high());                      // [m]
  const at::Tensor unclipped = ratio_cap > 0 ? ratio.clamp_max(ratio_cap) : ratio;
  at::Tensor objective = at::minimum(unclipped * advantages, clipped * advantages);
  if (dual_clip > 0) objective = at::where(advantages.lt(0), at::maximum(objective, dual_clip * advantages), objective);
  const at::Tensor low_cut = ratio.lt(1.0 - clip_ratio).logical_and(advantages.lt(0));
  const at::Tensor high_cut = ratio.gt(1.0 + high()).logical_and(advantages.gt(0));
  return {-objective, {{"clip_ratio/low_mean", low_cut.sum()},
                       {"clip_ratio/high_mean", high_cut.sum()},
                       {"clip_ratio/region_mean", low_cut.logical_or(high_cut).sum()}}};
}

at::Tensor KlEstimate(const std::string& estimator, const at::Tensor& logprobs, const at::Tensor& ref_logprobs, double limit) {
  const at::Tensor k1 = logprobs - ref_logprobs;
  const bool mixed = estimator.ends_with('+');
  const std::string base = estimator.substr(0, estimator.size() - mixed);
  at::Tensor value = k1;
  if (base == "k2") value = k1.square() / 2;
  if (base == "abs") value = k1.abs();
  if (base == "k3") {
    const at::Tensor log_ratio = (-k1).clamp_max(kLargestLogRatio);
    value = at::expm1(log_ratio) - log_ratio;
  }
  if (limit > 0) value = value.clamp(-limit, limit);
  if (!mixed) return value;
  const at::Tensor k2 = k1.square() / 2;
  return k2 - k2.detach() + value.detach();
}

at::Tensor PolicyGradient::TopEntropy(const at::Tensor& entropy) const {
  if (entropy.numel() == 0) return at::zeros_like(entropy, at::kBool);
  return entropy.ge(at::quantile(entropy.to(at::kFloat), 1 - top_entropy));
}

Loss PolicyGradient::Total(const Batch& batch, const TokenLoss& policy, const at::Tensor& ratio, const at::Tensor& logprobs,
                           const at::Tensor& entropy) const {
  at::Tensor token_loss = policy.loss;                                                         // [m]
  if (off_policy_threshold > 0) {
    const at::Tensor& sampler = batch.sampler_logprobs.defined() ? batch.sampler_logprobs : batch.old_logprobs;
    const at::Tensor drift = batch.PerTrajectory(sampler - logprobs.detach()) / batch.lengths.clamp_min(1);
    token_loss = token_loss * batch.advantages.ge(0).logical_or(batch.PerToken(drift).le(off_policy_threshold));
  }
  at::Tensor acting;  // bool [m], tokens that top_entropy leaves
  if (top_entropy < 1) {
    Need(entropy, "entropies", "top_entropy");
    acting = TopEntropy(entropy.detach());
    token_loss = token_loss * acting;
  }
  if (batch.importance.defined()) token_loss = token_loss * batch.importance;
  Loss loss;
  loss.value = (batch.weights * token_loss).sum();
  loss.parts["policy_loss"] = loss.value.detach();
  loss.token_sums = policy.token_sums;
  loss.token_sums["ratio/mean"] = ratio.detach().sum();
  if (NeedsReference()) {
    const at::Tensor now = PenaltyInReward() ? logprobs.detach() : logprobs;
    at::Tensor kl = KlEstimate(kl_estimator, now, batch.ref_logprobs, kl_limit);               // [m]
    loss.token_sums["kl"] = kl.detach().sum();
    if (!PenaltyInReward()) {
      if (kl_ratio) kl = kl * ratio;
      const at::Tensor term = KlCoef(batch) * (batch.weights * kl).sum();
      loss.value = loss.value + term;
      loss.parts["kl_loss"] = term.detach();
    }
  }
  if (const double coef = EntropyCoef(batch); coef > 0) {
    Need(entropy, "entropies", "entropy_coef");
    at::Tensor share = entropy_average == "same" ? batch.weights : batch.weights.ne(0) / std::max(batch.counted_tokens, 1.0);
    if (acting.defined()) share = share * acting * (static_cast<double>(acting.numel()) / std::max(acting.sum().item<double>(), 1.0));
    const at::Tensor term = -coef * (share * entropy).sum();
    loss.value = loss.value + term;
    loss.parts["entropy_loss"] = term.detach();
  }
  return loss;
}

// ---- coefficients that adapt ----

double PolicyGradient::KlCoef(const Batch& batch) const {
  const auto found = batch.state.find("kl_coef");
  return found != batch.state.end() ? found->second : kl_coef;
}

// The bonus is given in a step whose predecessor's entropy was at or below the target.
double PolicyGradient::EntropyCoef(const Batch& batch) const {
  if (entropy_target == 0) return entropy_coef;
  const auto coef = batch.state.find("entropy_coef"), last = batch.state.find("entropy");
  if (coef == batch.state.end() || last == batch.state.end()) return 0.0;
  return last->second <= entropy_target ? coef->second : 0.0;
}

AlgorithmState PolicyGradient::NextState(const Batch& batch, const std::map<std::string, double>& metrics) const {
  AlgorithmState next = batch.state;
  if (kl_target > 0) {  // Ziegler et al., arXiv 1909.08593, section 2.2
    const at::Tensor kl = KlEstimate(kl_estimator, batch.old_logprobs, batch.ref_logprobs, kl_limit).to(at::kDouble);
    const double mean = (batch.PerTrajectory(kl) / batch.lengths.clamp_min(1)).mean().item<double>();
    const double error = std::clamp(mean / kl_target - 1, -0.2, 0.2);
    next["kl_coef"] = KlCoef(batch) * (1 + error * static_cast<double>(batch.size()) / kl_horizon);
  }
  if (const auto entropy = metrics.find("entropy"); entropy_target > 0 && entropy != metrics.end()) {
    const auto coef = batch.state.find("entropy_coef");
    const double old = coef != batch.state.end() ? coef->second : entropy_coef;
    next["entropy_coef"] = std::clamp(old + (entropy->second <= entropy_target ? entropy_step : -entropy_step), 0.0, entropy_max);
    next["entropy"] = entropy->second;
  }
  return next;
}

}  // namespace cogent
