// SAPO, soft adaptive policy optimization.
// Source: Gao et al., arXiv 2511.20347, section 3.
//
//   J = mean_i mean_t f(rho) A,   f(rho) = 4 / tau * sigmoid(tau (rho - 1)),   tau = tau_pos if A > 0 else tau_neg
//
// A smooth gate in the place of a clip: at rho = 1 its slope is 1, as the ratio's own, and it falls on both sides. tau_neg
// above tau_pos damps tokens of negative advantage more.
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"

namespace cogent {
namespace {

struct SapoConfig {
  std::string advantage = "trl";
  double tau_pos = 1.0;
  double tau_neg = 1.05;
  PolicyGradient shared = {.average = "paper", .kl_coef = 0.0};

  void VisitFields(FieldVisitor& visit) {
    visit("tau_pos", tau_pos, "temperature of the gate where the advantage is positive", {1e-6, 1e6});
    visit("tau_neg", tau_neg, "temperature of the gate elsewhere", {1e-6, 1e6});
    visit("advantage", advantage, "what becomes of a group's rewards: trl, verl, mean_only, ...", OneOf{kGroupAdvantages});
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const { shared.Validate(problems, section); }
};

class Sapo final : public WithKnobs<SapoConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    const at::Tensor advantages = GroupAdvantages(config_.advantage, batch, config_.shared.Outcomes(batch));  // [B]
    return config_.shared.Finish(batch, batch.PerToken(advantages));                                          // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor ratio = LogRatio(batch, logprobs).exp();                                                 // [m]
    const at::Tensor tau = at::where(batch.advantages.gt(0), config_.tau_pos, config_.tau_neg).to(ratio.scalar_type());
    const at::Tensor gate = 4.0 / tau * (tau * (ratio - 1.0)).sigmoid();                                      // [m], f(rho)
    return config_.shared.Total(batch, {-gate * batch.advantages, {}}, ratio, logprobs, entropy);
  }
};

}  // namespace

void RegisterSapo(AlgorithmRegistry& algorithms) {
  algorithms.Add<Sapo>("sapo", "a smooth gate instead of a clip (Gao et al., 2025)");
}

}  // namespace cogent
