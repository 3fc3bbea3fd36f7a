// CISPO, clipped importance sampling policy optimization.
// Source: MiniMax-M1, arXiv 2506.13585, section 3.1.
//
//   J = 1 / sum_i |o_i| sum_i sum_t sg(rho') A log pi_theta                                          (equation 4)
//   rho' = clip(rho, 1 - eps_low, 1 + eps_high)                                                      (equation 5)
//
// The weight is clipped, not the update: every token keeps a gradient. The paper sets no lower bound and does not tell
// eps_high. Two conventions are in use, and both are here:
//   convention: trl    rho' = min(rho, ratio_max)             `ratio_max` is the cap itself (TRL's epsilon_high, SkyRL): 5
//   convention: verl   rho' = clip(rho, 1 - clip_ratio, 1 + clip_ratio_high)                         0.2 and 0.2
// With the same number for both the two differ by 1 above, and verl's raises small weights to 1 - clip_ratio.
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"

namespace cogent {
namespace {

struct CispoConfig {
  std::string advantage = "trl";
  std::string convention = "trl";
  double ratio_max = 5.0;
  double clip_ratio = 0.2;
  double clip_ratio_high = 0.2;
  PolicyGradient shared = {.average = "tokens", .kl_coef = 0.0};

  void VisitFields(FieldVisitor& visit) {
    visit("convention", convention, "trl: weights up to ratio_max; verl: between 1 - clip_ratio and 1 + clip_ratio_high", OneOf{"trl", "verl"});
    visit("ratio_max", ratio_max, "convention trl: the largest weight of a token (TRL's epsilon_high)", {0.0, 1e9});
    visit("clip_ratio", clip_ratio, "convention verl: epsilon below 1", {0.0, 1.0});
    visit("clip_ratio_high", clip_ratio_high, "convention verl: epsilon above 1", {0.0, 1e9});
    visit("advantage", advantage, "what becomes of a group's rewards: trl, verl, mean_only, ...", OneOf{kGroupAdvantages});
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const { shared.Validate(problems, section); }
};

class Cispo final : public WithKnobs<CispoConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    const at::Tensor advantages = GroupAdvantages(config_.advantage, batch, config_.shared.Outcomes(batch));  // [B]
    return config_.shared.Finish(batch, batch.PerToken(advantages));                                          // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor ratio = LogRatio(batch, logprobs).exp();                                                 // [m]
    const bool trl = config_.convention == "trl";
    const double low = trl ? 0.0 : 1.0 - config_.clip_ratio, high = trl ? config_.ratio_max : 1.0 + config_.clip_ratio_high;
    const at::Tensor weight = ratio.detach().clamp(low, high);                                                // [m], sg(rho')
    const at::Tensor capped = ratio.gt(high).logical_and(batch.advantages.gt(0));
    return config_.shared.Total(batch, {-weight * batch.advantages * logprobs, {{"cispo_clip_ratio", capped.sum()}}}, ratio, logprobs, entropy);
  }
};

}  // namespace

void RegisterCispo(AlgorithmRegistry& algorithms) {
  algorithms.Add<Cispo>("cispo", "the weight is clipped, every token learns (MiniMax-M1)");
}

}  // namespace cogent
