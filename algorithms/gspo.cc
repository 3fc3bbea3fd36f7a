// GSPO, group sequence policy optimization.
// Source: Zheng et al., arXiv 2507.18071, section 4.
//
//   s_i = exp( mean_t log(pi_theta / pi_old) )                        one ratio a completion         (equation 7)
//   J   = mean_i min(s_i A_i, clip(s_i, 1 - eps_low, 1 + eps_high) A_i)                              (equation 5)
//
// A ratio of the whole completion has far less variance than a token's, so its clip range is far narrower; and for
// mixtures of experts it does not depend on which experts a single token's two passes chose.
//
// What the paper leaves open, and our defaults:
//   clip       3e-4 below and 4e-4 above, as section 5.1
//   advantage  with std + 1e-4 (`trl`)
//   overflow   a log-ratio counts up to `largest_log_ratio`: 20; verl: 10; TRL: no bound
// The gradient is that of verl's token form, sg(s) pi_theta / sg(pi_theta), too: with one advantage a completion both agree.
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"

namespace cogent {
namespace {

struct GspoConfig {
  std::string advantage = "trl";
  double largest_log_ratio = kLargestLogRatio;
  Clip clip = {.clip_ratio = 3e-4, .clip_ratio_high = 4e-4};
  PolicyGradient shared = {.average = "paper", .kl_coef = 0.0};

  void VisitFields(FieldVisitor& visit) {
    clip.VisitFields(visit);
    visit("largest_log_ratio", largest_log_ratio, "log-ratios count up to this (verl: 10)", {0.0, 80.0});
    visit("advantage", advantage, "what becomes of a group's rewards: trl, verl, mean_only, ...", OneOf{kGroupAdvantages});
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const {
    clip.Validate(problems, section);
    shared.Validate(problems, section);
  }
};

class Gspo final : public WithKnobs<GspoConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    const at::Tensor advantages = GroupAdvantages(config_.advantage, batch, config_.shared.Outcomes(batch));  // [B]
    return config_.shared.Finish(batch, batch.PerToken(advantages));                                          // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor ratio = LogRatio(batch, logprobs, RatioLevel::kSequenceMean, config_.largest_log_ratio).exp();  // [m], s_i
    return config_.shared.Total(batch, config_.clip.Surrogate(ratio, batch.advantages), ratio, logprobs, entropy);
  }
};

}  // namespace

void RegisterGspo(AlgorithmRegistry& algorithms) {
  algorithms.Add<Gspo>("gspo", "one ratio a completion (Zheng et al., 2025)");
}

}  // namespace cogent
