// DPPO, divergence proximal policy optimization.
// Source: Qi et al., arXiv 2602.04879, section 4; numbers as verl's `dppo_tv` and `dppo_kl`.
//
//   L = - sum_t weight * sg(min(rho, ratio_max)) M A log pi_theta,   rho = pi_theta / pi_old = p / o
//   M = 0 where A > 0, p > o and D > high;  0 where A <= 0, p < o and D > low;  else 1
//   D = |p - o|                                                     `divergence: tv`, of the sampled token against the rest
//     = o log(o / p) + (1 - o) log((1 - o) / (1 - p))               `divergence: kl`
//
// A ratio says little of how far two distributions are apart: from 1e-5 to 1e-4 it is 10 and nothing has happened. What
// is bounded here is the divergence itself, of the two outcomes "this token" and "any other".
//
// What the paper leaves open, and our defaults:
//   thresholds  0.2 on either side (prime-rl)
//   ratio_max   20 (verl)
//   drift_coef  prime-rl adds 1e-3 (log pi_theta - log pi_sampler)^2 on every token; 0 here
//   anchor      `old`: the trainer's own log-probabilities (verl); `sampler`: those of the engine that sampled (prime-rl)
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"
#include "core/error.h"

namespace cogent {
namespace {

struct DppoConfig {
  std::string advantage = "trl";
  std::string divergence = "tv";
  std::string anchor = "old";
  double low = 0.2;
  double high = 0.2;
  double ratio_max = 20.0;
  double drift_coef = 0.0;
  PolicyGradient shared = {.average = "tokens", .kl_coef = 0.0};

  void VisitFields(FieldVisitor& visit) {
    visit("divergence", divergence, "of sampled token against the rest: tv (difference of probabilities) or kl", OneOf{"tv", "kl"});
    visit("low", low, "where the advantage is not positive, a token whose probability has fallen by more divergence is left out", {0.0, 1e9});
    visit("high", high, "where the advantage is positive, one whose probability has risen by more is left out", {0.0, 1e9});
    visit("ratio_max", ratio_max, "the ratio counts up to this", {1.0, 1e9});
    visit("anchor", anchor, "what ratio and divergence compare with: old (the trainer's own), sampler (the engine's that sampled)", OneOf{"old", "sampler"});
    visit("drift_coef", drift_coef, "weight of the squared log-ratio to the sampler, on every token (prime-rl: 1e-3)", {0.0, 100.0});
    visit("advantage", advantage, "what becomes of a group's rewards: trl, verl, mean_only, ...", OneOf{kGroupAdvantages});
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const { shared.Validate(problems, section); }
};

class Dppo final : public WithKnobs<DppoConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    const at::Tensor advantages = GroupAdvantages(config_.advantage, batch, config_.shared.Outcomes(batch));  // [B]
    return config_.shared.Finish(batch, batch.PerToken(advantages));                                          // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    if (!batch.sampler_logprobs.defined() && (config_.anchor == "sampler" || config_.drift_coef > 0)) {
      throw DataError("'sampler_logprobs' is missing, and 'anchor: sampler' and 'drift_coef' need it");
    }
    const at::Tensor& anchor = config_.anchor == "sampler" ? batch.sampler_logprobs : batch.old_logprobs;
    const at::Tensor now = logprobs.detach();
    const at::Tensor ratio = (now - anchor).clamp(-kLargestLogRatio, kLargestLogRatio).exp();                 // [m], rho
    const at::Tensor p = now.exp(), o = anchor.exp();
    at::Tensor up, down;                                                                                      // [m], too far
    if (config_.divergence == "tv") {
      up = (p - o).gt(config_.high);
      down = (p - o).lt(-config_.low);
    } else {
      const at::Tensor kl = o * (anchor - now) + (1 - o) * ((1 - o + 1e-8) / (1 - p + 1e-8)).log();
      up = kl.gt(config_.high).logical_and(p.gt(o));
      down = kl.gt(config_.low).logical_and(p.lt(o));
    }
    const at::Tensor out = at::where(batch.advantages.gt(0), up, down);
    const at::Tensor weight = ratio.clamp_max(config_.ratio_max) * out.logical_not();
    Loss loss = config_.shared.Total(batch, {-weight * batch.advantages * logprobs, {{"clip_ratio/region_mean", out.sum()}}}, ratio, logprobs, entropy);
    if (config_.drift_coef > 0) {
      const at::Tensor drift = (logprobs - batch.sampler_logprobs).clamp(-1e3, 1e3).square();
      const at::Tensor term = config_.drift_coef * (batch.weights * drift).sum();
      loss.value = loss.value + term;
      loss.parts["drift_loss"] = term.detach();
    }
    return loss;
  }
};

}  // namespace

void RegisterDppo(AlgorithmRegistry& algorithms) {
  algorithms.Add<Dppo>("dppo", "a bound on the divergence instead of the ratio (Qi et al., 2026)");
}

}  // namespace cogent
