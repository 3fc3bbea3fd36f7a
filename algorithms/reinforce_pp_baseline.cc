// REINFORCE++-baseline: the group's mean as baseline, whitened over the whole batch.
// Source: Hu et al., arXiv 2501.03262, section 3.
//
//   A'_i = r_i - mean(r)                                              over the G completions of one prompt
//   A_t  = (A' - mean(A')) / std(A')                                  over all tokens of the batch
//   J    = mean over all tokens of min(rho A, clip(rho, 1 - eps, 1 + eps) A) - beta KL,   KL = log(pi_theta / pi_ref)^2 / 2
//
// The mean removes what is easy or hard about a prompt; one std for the batch, not one a group, leaves groups of rare
// success their weight. Statistics are over tokens, so long completions weigh more in them (verl).
//
// What the paper leaves open, and our defaults: KL in the loss by k2 with 0.001; a group of one keeps its reward (verl).
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"

namespace cogent {
namespace {

struct ReinforcePpBaselineConfig {
  Clip clip;
  PolicyGradient shared = {.average = "tokens", .whiten_advantages = true, .kl_estimator = "k2"};

  void VisitFields(FieldVisitor& visit) {
    clip.VisitFields(visit);
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const {
    clip.Validate(problems, section);
    shared.Validate(problems, section);
  }
};

class ReinforcePpBaseline final : public WithKnobs<ReinforcePpBaselineConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    const at::Tensor centered = GroupAdvantages("verl_mean_only", batch, config_.shared.Outcomes(batch));     // [B]
    return config_.shared.Finish(batch, batch.PerToken(centered));                                            // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor ratio = LogRatio(batch, logprobs).exp();                                                 // [m]
    return config_.shared.Total(batch, config_.clip.Surrogate(ratio, batch.advantages), ratio, logprobs, entropy);
  }
};

}  // namespace

void RegisterReinforcePpBaseline(AlgorithmRegistry& algorithms) {
  algorithms.Add<ReinforcePpBaseline>("reinforce_pp_baseline", "the group's mean, whitened over the batch (Hu et al., 2025)");
}

}  // namespace cogent
