// Dr. GRPO, GRPO done right: no division by the group's std, none by a completion's length.
// Source: Liu et al., "Understanding R1-Zero-Like Training", arXiv 2503.20783, section 3.2.
//
//   A_i = r_i - mean(r)                                 over the G completions of one prompt
//   J   = 1/B sum_i sum_t [ min(rho A, clip(rho, 1 - eps, 1 + eps) A) ] / L
//
// Both divisions bias GRPO: by std, towards prompts that are nearly always or nearly never solved; by length, towards
// short right completions and long wrong ones.
//
// What the paper leaves open, and our defaults:
//   L          a constant, `length_scale`: the longest completion allowed (TRL: max_completion_length; verl:
//              loss_scale_factor). 0 takes the longest of the step, which then moves from step to step
//   KL         none, as the paper
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"

namespace cogent {
namespace {

struct DrGrpoConfig {
  Clip clip;
  PolicyGradient shared = {.average = "dr_grpo", .kl_coef = 0.0};

  void VisitFields(FieldVisitor& visit) {
    clip.VisitFields(visit);
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const {
    clip.Validate(problems, section);
    shared.Validate(problems, section);
  }
};

class DrGrpo final : public WithKnobs<DrGrpoConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    const at::Tensor advantages = GroupAdvantages("mean_only", batch, config_.shared.Outcomes(batch));        // [B]
    return config_.shared.Finish(batch, batch.PerToken(advantages));                                          // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor ratio = LogRatio(batch, logprobs).exp();                                                 // [m]
    return config_.shared.Total(batch, config_.clip.Surrogate(ratio, batch.advantages), ratio, logprobs, entropy);
  }
};

}  // namespace

void RegisterDrGrpo(AlgorithmRegistry& algorithms) {
  algorithms.Add<DrGrpo>("dr_grpo", "GRPO without its divisions by std and by length (Liu et al., 2025)");
}

}  // namespace cogent
