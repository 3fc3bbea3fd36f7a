// VESPO, variational sequence-level soft policy optimization.
// Source: Shen et al., arXiv 2602.10693; numbers as TRL's `loss_type: vespo`.
//
//   w_i   = pi_theta(o_i) / pi_old(o_i)                      one ratio a completion, the product over its tokens
//   phi_i = w^k exp(lambda (1 - w))                          1 at w = 1, falling on both sides
//   L     = - 1 / sum_i |o_i| sum_i sum_t sg(phi_i) A_i log pi_theta
//
// A smooth weight in the place of a clip, on the whole completion's ratio: no division by length, no bound on one side
// alone. k and lambda differ with the sign of A.
//
// What the paper leaves open, and our defaults:
//   k, lambda     2 and 3 where A >= 0, 3 and 2 elsewhere (TRL)
//   overflow      a token's log-ratio counts between -20 and 20, the sum between log 1e-8 and 20 (TRL)
//   importance    weights of another engine's tokens are part of w, so only those of single tokens make sense
#include <ATen/ATen.h>

#include <cmath>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"

namespace cogent {
namespace {

struct VespoConfig {
  std::string advantage = "trl";
  double k_pos = 2.0;
  double lambda_pos = 3.0;
  double k_neg = 3.0;
  double lambda_neg = 2.0;
  PolicyGradient shared = {.average = "tokens", .kl_coef = 0.0};

  void VisitFields(FieldVisitor& visit) {
    visit("k_pos", k_pos, "exponent of the ratio where the advantage is not negative", {0.0, 100.0});
    visit("lambda_pos", lambda_pos, "how fast the weight falls with the ratio there", {1e-4, 100.0});
    visit("k_neg", k_neg, "exponent of the ratio elsewhere", {0.0, 100.0});
    visit("lambda_neg", lambda_neg, "how fast the weight falls elsewhere", {1e-4, 100.0});
    visit("advantage", advantage, "what becomes of a group's rewards: trl, verl, mean_only, ...", OneOf{kGroupAdvantages});
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const {
    shared.Validate(problems, section);
    if (shared.importance.starts_with("sequence")) {
      problems.Add(section.PlaceOf("importance"), "vespo multiplies the weights of single tokens into its ratio; choose token_truncate or token_mask.");
    }
  }
};

class Vespo final : public WithKnobs<VespoConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    const at::Tensor advantages = GroupAdvantages(config_.advantage, batch, config_.shared.Outcomes(batch));  // [B]
    return config_.shared.Finish(batch, batch.PerToken(advantages));                                          // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor log_ratio = (logprobs.detach() - batch.old_logprobs).clamp(-kLargestLogRatio, kLargestLogRatio);  // [m]
    at::Tensor log_w = batch.PerTrajectory(log_ratio);                                                                 // [B]
    const double least = std::log(1e-8);
    if (batch.importance.defined()) log_w = log_w + batch.PerTrajectory(batch.importance.log().clamp(least, kLargestLogRatio));
    log_w = batch.PerToken(log_w.clamp(least, kLargestLogRatio));                                                      // [m]
    const at::Tensor good = batch.advantages.ge(0);
    const auto by_sign = [&](double positive, double negative) { return at::where(good, positive, negative).to(log_w.scalar_type()); };
    const at::Tensor k = by_sign(config_.k_pos, config_.k_neg), lambda = by_sign(config_.lambda_pos, config_.lambda_neg);
    const at::Tensor phi = (lambda + k * log_w - lambda * log_w.exp()).exp();                                          // [m], sg(phi_i)
    Batch weighed = batch;  // the other engine's weights are in phi
    weighed.importance = at::Tensor();
    return config_.shared.Total(weighed, {-phi * batch.advantages * logprobs, {{"vespo/phi_seq_mean", phi.sum()}}}, LogRatio(batch, logprobs).exp(), logprobs, entropy);
  }
};

}  // namespace

void RegisterVespo(AlgorithmRegistry& algorithms) {
  algorithms.Add<Vespo>("vespo", "a smooth weight of the completion's ratio (Shen et al., 2026)");
}

}  // namespace cogent
