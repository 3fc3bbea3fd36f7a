// GMPO, geometric-mean policy optimization.
// Source: Zhao et al., arXiv 2507.20673, section 3; numbers as verl's `geo_mean`.
//
//   J     = mean_i A_i exp( mean_t c_t )                                the ratios' geometric mean over a completion
//   c_t   = min(x, clip(x, -eps_low, eps_high)) where A > 0, max(...) where A < 0,   x = log(pi_theta / pi_old)
//
// A geometric mean is moved far less by one token with an extreme ratio than GRPO's arithmetic one, so its clip range can be
// wider. The bounds are of the *logarithm* of the ratio.
//
// What the paper leaves open, and our defaults:
//   clip       0.4 below and above, as section 4 (verl takes its general 0.2)
//   average    completions alike, as the paper; another `average` weighs them by length
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"

namespace cogent {
namespace {

struct GmpoConfig {
  std::string advantage = "trl";
  double log_clip = 0.4;
  double log_clip_high = 0.4;
  PolicyGradient shared = {.average = "paper", .kl_coef = 0.0};

  void VisitFields(FieldVisitor& visit) {
    visit("log_clip", log_clip, "the log-ratio of a token counts down to minus this", {0.0, 20.0});
    visit("log_clip_high", log_clip_high, "and up to this", {0.0, 20.0});
    visit("advantage", advantage, "what becomes of a group's rewards: trl, verl, mean_only, ...", OneOf{kGroupAdvantages});
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const { shared.Validate(problems, section); }
};

class Gmpo final : public WithKnobs<GmpoConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    const at::Tensor advantages = GroupAdvantages(config_.advantage, batch, config_.shared.Outcomes(batch));  // [B]
    return config_.shared.Finish(batch, batch.PerToken(advantages));                                          // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor log_ratio = logprobs - batch.old_logprobs;                                               // [m], x
    const at::Tensor clipped = log_ratio.clamp(-config_.log_clip, config_.log_clip_high);
    const at::Tensor counted = at::where(batch.advantages.gt(0), at::minimum(log_ratio, clipped), at::maximum(log_ratio, clipped));
    const at::Tensor mean = batch.PerTrajectory(counted.clamp_max(kLargestLogRatio)) / batch.lengths.clamp_min(1);  // [B], of c_t
    const at::Tensor ratio = batch.PerToken(mean.exp());                                                      // [m]
    const at::Tensor cut = log_ratio.ne(clipped);
    const TokenLoss policy{-ratio * batch.advantages,
                           {{"clip_ratio/low_mean", cut.logical_and(batch.advantages.lt(0)).sum()},
                            {"clip_ratio/high_mean", cut.logical_and(batch.advantages.gt(0)).sum()}}};
    return config_.shared.Total(batch, policy, ratio, logprobs, entropy);
  }
};

}  // namespace

void RegisterGmpo(AlgorithmRegistry& algorithms) {
  algorithms.Add<Gmpo>("gmpo", "the geometric mean of a completion's ratios (Zhao et al., 2025)");
}

}  // namespace cogent
