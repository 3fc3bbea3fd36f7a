// REINFORCE++: no critic and no groups; returns whitened over the whole batch.
// Source: Hu et al., arXiv 2501.03262, section 3.
//
//   r_t = [last token] r - beta log(pi_old / pi_ref)                  KL in the reward, k1             (equations 5, 6)
//   R_t = r_t + gamma R_{t+1}                                         over the tokens the policy chose
//   A_t = (R_t - mean(R)) / std(R)                                    over all tokens of the batch     (equation 8)
//   J   = mean over all tokens of min(rho A, clip(rho, 1 - eps, 1 + eps) A)                            (equation 7)
//
// What the paper leaves open, and our defaults: whitening as verl (Bessel, + 1e-8 under the root), discount 1, beta
// 0.001 (verl's kl_coef), token mean.
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"

namespace cogent {
namespace {

struct ReinforcePpConfig {
  double discount = 1.0;
  Clip clip;
  PolicyGradient shared = {.average = "tokens", .whiten_advantages = true, .kl_estimator = "k1", .kl_in = "reward"};

  void VisitFields(FieldVisitor& visit) {
    clip.VisitFields(visit);
    visit("discount", discount, "gamma: what a reward is worth one token earlier", {0.0, 1.0});
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const {
    clip.Validate(problems, section);
    shared.Validate(problems, section);
  }
};

class ReinforcePp final : public WithKnobs<ReinforcePpConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    return config_.shared.Finish(batch, DiscountedReturns(batch, config_.shared.TokenRewards(batch), config_.discount));  // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor ratio = LogRatio(batch, logprobs).exp();                                                 // [m]
    return config_.shared.Total(batch, config_.clip.Surrogate(ratio, batch.advantages), ratio, logprobs, entropy);
  }
};

}  // namespace

void RegisterReinforcePp(AlgorithmRegistry& algorithms) {
  algorithms.Add<ReinforcePp>("reinforce_pp", "returns whitened over the batch, no groups (Hu et al., 2025)");
}

}  // namespace cogent
