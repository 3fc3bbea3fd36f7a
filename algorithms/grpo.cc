// GRPO, group relative policy optimization.
// Sources: DeepSeekMath, arXiv 2402.03300, section 4.1; DeepSeek-R1, arXiv 2501.12948, section 2.2.1.
//
//   A_i  = (r_i - mean(r)) / (std(r) + 1e-4)   over the G completions of one prompt       (advantage)
//   rho  = pi_theta / pi_old                   of each token that was sampled             (ratio)
//   J    = mean_i mean_t [ min(rho A, clip(rho, 1 - eps, 1 + eps) A) - beta KL ]          (objective)
//   KL   = pi_ref / pi_theta - log(pi_ref / pi_theta) - 1                                 (k3, >= 0)
//
// What the paper leaves open, and our defaults:
//   std           with Bessel's correction plus 1e-4, as TRL (`advantage: trl`); others by name, docs/algorithms.md
//   average       each completion's token mean, then the mean over completions, as the paper
//                 (`average: paper`); `tokens` is the mean over all tokens (DAPO; TRL's and verl's default)
//   truncated     completions cut by the length limit count, unless `mask_truncated`
//   clip          eps below and above alike unless `clip_ratio_high` is set; no dual clip
//   overflow      a log-ratio above 20 counts as 20 (verl): exp of more would soon be infinite, and 0 times that NaN
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"

namespace cogent {
namespace {

struct GrpoConfig {
  std::string advantage = "trl";
  Clip clip;
  PolicyGradient shared;

  void VisitFields(FieldVisitor& visit) {
    clip.VisitFields(visit);
    visit("advantage", advantage, "what becomes of a group's rewards: trl ((r - mean) / (std + 1e-4)), verl (+ 1e-6), mean_only, ...",
          OneOf{kGroupAdvantages});
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const {
    clip.Validate(problems, section);
    shared.Validate(problems, section);
  }
};

class Grpo final : public WithKnobs<GrpoConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    const at::Tensor advantages = GroupAdvantages(config_.advantage, batch, config_.shared.Outcomes(batch));  // [B]
    return config_.shared.Finish(batch, batch.PerToken(advantages));                                          // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor ratio = LogRatio(batch, logprobs).exp();                                                 // [m]
    return config_.shared.Total(batch, config_.clip.Surrogate(ratio, batch.advantages), ratio, logprobs, entropy);
  }
};

}  // namespace

void RegisterGrpo(AlgorithmRegistry& algorithms) {
  algorithms.Add<Grpo>("grpo", "group relative policy optimization (DeepSeekMath, DeepSeek-R1)");
}

}  // namespace cogent
