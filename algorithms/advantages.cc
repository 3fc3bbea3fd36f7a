// Advantages within groups, whitening, returns and generalized advantage estimation.
#include <ATen/ATen.h>

#include "algorithms/policy_gradient.h"
#include "core/error.h"

namespace cogent {
namespace {

// What a kind needs to know of the groups. P groups; numbers that no trajectory has have count 0.
struct Groups {
  const Batch& batch;
  at::Tensor counts;  // float64 [P]

  explicit Groups(const Batch& b) : batch(b), counts(at::bincount(b.groups).to(at::kDouble)) {}
  at::Tensor Sum(const at::Tensor& x) const { return at::zeros_like(counts).index_add(0, batch.groups, x); }  // [B] -> [P]
  at::Tensor Each(const at::Tensor& per_group) const { return per_group.index_select(0, batch.groups); }      // [P] -> [B]
  at::Tensor Mean(const at::Tensor& x) const { return Sum(x) / counts.clamp_min(1); }
  at::Tensor Alone() const { return Each(counts).eq(1); }                                                     // [B]
  // With Bessel's correction; 0 of a group of one.
  at::Tensor Std(const at::Tensor& x) const {
    return (Sum((x - Each(Mean(x))).square()) / (counts - 1).clamp_min(1)).sqrt();
  }
};

at::Tensor PassK(const Groups& groups, const at::Tensor& rewards) {
  const at::Tensor std = groups.Std(rewards);
  at::Tensor advantages = at::zeros_like(rewards);
  for (std::int64_t g = 0; g < groups.counts.size(0); ++g) {
    const at::Tensor members = groups.batch.groups.eq(g).nonzero().squeeze(1);
    if (members.numel() < 2) continue;
    const auto [best, index] = rewards.index_select(0, members).topk(2);
    advantages.index_put_({members[index[0]]}, (best[0] - best[1]) / (std[g] + 1e-6));
  }
  return advantages;
}

// By component, each normalized in its group before they are summed: none drowns another.
at::Tensor ByComponent(const std::string& kind, const Batch& batch) {
  if (!batch.components.defined()) throw DataError("'components' is missing, and 'advantage: " + kind + "' needs it");
  at::Tensor sum = at::zeros_like(batch.rewards);
  for (std::int64_t k = 0; k < batch.components.size(1); ++k) {
    sum += batch.component_weights[k] * GroupAdvantages(kind == "gdpo" ? "verl" : "trl", batch, batch.components.select(1, k));
  }
  if (kind == "gdpo") return sum;
  return (sum - sum.mean()) / ((sum.numel() > 1 ? sum.std() : at::zeros({}, at::kDouble)) + 1e-4);
}

}  // namespace

at::Tensor GroupAdvantages(const std::string& kind, const Batch& batch, const at::Tensor& outcomes) {
  if (!batch.groups.defined()) throw DataError("'group' is missing: this algorithm compares the completions of a group");
  const Groups groups(batch);
  const at::Tensor& r = outcomes;                                                            // [B]
  const at::Tensor centered = r - groups.Each(groups.Mean(r));
  // verl takes the mean of a group of one as 0: the reward itself is what stays.
  const at::Tensor centered_verl = at::where(groups.Alone(), r, centered);
  if (kind == "trl") return centered / (groups.Each(groups.Std(r)) + 1e-4);
  if (kind == "trl_batch") return centered / ((r.numel() > 1 ? r.std() : at::zeros({}, at::kDouble)) + 1e-4);
  if (kind == "verl") return centered_verl / (at::where(groups.Alone(), 1.0, groups.Each(groups.Std(r))) + 1e-6);
  if (kind == "openrlhf") return centered / (groups.Each(groups.Std(r)) + 1e-9);
  if (kind == "mean_only") return centered;
  if (kind == "verl_mean_only") return centered_verl;
  // r - mean of the others = (r - mean) G / (G - 1)
  const at::Tensor counts = groups.Each(groups.counts);
  const at::Tensor leave_one = centered * counts / (counts - 1).clamp_min(1);
  if (kind == "leave_one") return leave_one;
  if (kind == "verl_leave_one") return at::where(groups.Alone(), r, leave_one);
  if (kind == "nemo_rl") {
    const at::Tensor std = groups.Each(groups.Std(r));
    return at::where(std.gt(0), leave_one / (std + 1e-6), leave_one);
  }
  if (kind == "pass_k") return PassK(groups, r);
  if (kind == "gdpo" || kind == "normalize_then_sum") return ByComponent(kind, batch);
  if (kind == "opo") {
    const at::Tensor lengths = batch.lengths.to(at::kDouble);
    return at::where(groups.Alone(), r, r - groups.Each(groups.Sum(lengths * r) / groups.Sum(lengths).clamp_min(1)));
  }
  Check(kind == "gpg", "an advantage's kind that is not in kGroupAdvantages");
  return centered_verl * static_cast<double>(r.numel()) / r.ne(0).sum().clamp_min(1);
}

at::Tensor TokenCovariance(const at::Tensor& advantages, const at::Tensor& logprobs) {
  return (advantages - advantages.mean()) * (logprobs - logprobs.mean());
}

at::Tensor Whiten(const at::Tensor& x, bool keep_mean) {
  if (x.numel() < 2) return keep_mean ? x : at::zeros_like(x);
  const at::Tensor mean = x.mean(), whitened = (x - mean) * (x.var() + 1e-8).rsqrt();
  return keep_mean ? whitened + mean : whitened;
}

at::Tensor DiscountedReturns(const Batch& batch, const at::Tensor& token_rewards, double discount) {
  return Gae(batch, token_rewards, at::zeros_like(token_rewards), discount, 1.0);
}

at::Tensor Gae(const Batch& batch, const at::Tensor& token_rewards, const at::Tensor& values, double discount, double gae_lambda) {
  const at::Tensor r = token_rewards.to(at::kDouble).contiguous(), v = values.to(at::kDouble).contiguous(), of = batch.sequence.contiguous();
  at::Tensor advantages = at::empty_like(r);
  const double *reward = r.const_data_ptr<double>(), *value = v.const_data_ptr<double>();
  const std::int64_t* sequence = of.const_data_ptr<std::int64_t>();
  double* out = advantages.mutable_data_ptr<double>();
  double next_value = 0, running = 0;
  for (std::int64_t t = r.size(0) - 1; t >= 0; --t) {
    if (t + 1 == r.size(0) || sequence[t] != sequence[t + 1]) next_value = running = 0;  // a trajectory's last token
    const double delta = reward[t] + discount * next_value - value[t];
    out[t] = running = delta + discount * gae_lambda * running;
    next_value = value[t];
  }
  return advantages;
}

}  // namespace cogent
