// KL-Cov: tokens of the highest covariance are held back.
// Source: Cui et al., "The entropy mechanism of reinforcement learning", arXiv 2505.22617, section 4.3; numbers as verl's
// `kl_cov`.
//
//   C_t = (A_t - mean A) (log pi_theta - mean log pi_theta)            over the tokens of the micro-batch
//
// Entropy falls by the covariance of advantage and log-probability, and few tokens carry most of it. The `share` of the tokens
// with the highest C, one at least, pays cov_coef |log(pi_theta / pi_old)| on top of -rho A; there is no clip.
//
// What the paper leaves open, and our defaults:
//   share, cov_coef     0.0002 and 0.1 (verl)
//   means      of the micro-batch, as verl's: the result depends on how the step is cut, on purpose
//   sign       only tokens of positive covariance pay; where no advantage differs from the others, none does
//   overflow   a log-ratio above 20 counts as 20 in the ratio
#include <ATen/ATen.h>

#include <algorithm>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"

namespace cogent {
namespace {

struct KlCovConfig {
  std::string advantage = "trl";
  double share = 0.0002;
  double cov_coef = 0.1;
  PolicyGradient shared = {.average = "tokens", .kl_coef = 0.0};

  void VisitFields(FieldVisitor& visit) {
    visit("share", share, "of the tokens, how many are held back", {0.0, 1.0});
    visit("cov_coef", cov_coef, "what they pay for each unit of the log-ratio", {0.0, 1e6});
    visit("advantage", advantage, "what becomes of a group's rewards: trl, verl, mean_only, ...", OneOf{kGroupAdvantages});
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const { shared.Validate(problems, section); }
};

class KlCov final : public WithKnobs<KlCovConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    const at::Tensor advantages = GroupAdvantages(config_.advantage, batch, config_.shared.Outcomes(batch));  // [B]
    return config_.shared.Finish(batch, batch.PerToken(advantages));                                          // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor ratio = LogRatio(batch, logprobs).exp();                                                 // [m]
    const at::Tensor cov = TokenCovariance(batch.advantages, logprobs.detach());                              // [m], C
    const std::int64_t count = cov.numel() == 0 ? 0 : std::max<std::int64_t>(1, static_cast<std::int64_t>(config_.share * static_cast<double>(cov.numel())));
    const at::Tensor held = at::zeros_like(cov).index_fill(0, std::get<1>(cov.topk(count)), 1.0) * cov.gt(0);
    const at::Tensor price = config_.cov_coef * (logprobs - batch.old_logprobs).abs();
    const TokenLoss policy{-ratio * batch.advantages + held * price, {{"cov/held_back", held.sum()}}};
    return config_.shared.Total(batch, policy, ratio, logprobs, entropy);
  }
};

}  // namespace

void RegisterKlCov(AlgorithmRegistry& algorithms) {
  algorithms.Add<KlCov>("kl_cov", "tokens of the highest covariance pay for moving (Cui et al., 2025)");
}

}  // namespace cogent
