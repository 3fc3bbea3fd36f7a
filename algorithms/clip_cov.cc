// Clip-Cov: tokens of high covariance are left out.
// Source: Cui et al., "The entropy mechanism of reinforcement learning", arXiv 2505.22617, section 4.2; numbers as verl's
// `clip_cov`.
//
//   C_t = (A_t - mean A) (log pi_theta - mean log pi_theta)            over the tokens of the micro-batch
//
// Entropy falls by the covariance of advantage and log-probability, and few tokens carry most of it. Of those with C between
// cov_low and cov_high that the clip has left alone, `share` of all tokens are drawn, one at least, and get no gradient.
//
// What the paper leaves open, and our defaults:
//   share, cov_low, cov_high    0.0002, 1 and 5, as the paper
//   draw       by a seed made from the micro-batch's old log-probabilities, so that a run repeats bit for bit
//   means      of the micro-batch, as verl's: the result depends on how the step is cut, on purpose
#include <ATen/ATen.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"
#include "core/rng.h"

namespace cogent {
namespace {

struct ClipCovConfig {
  std::string advantage = "trl";
  double share = 0.0002;
  double cov_low = 1.0;
  double cov_high = 5.0;
  Clip clip;
  PolicyGradient shared = {.average = "tokens", .kl_coef = 0.0};

  void VisitFields(FieldVisitor& visit) {
    visit("share", share, "of the tokens, how many get no gradient", {0.0, 1.0});
    visit("cov_low", cov_low, "drawn are tokens whose covariance is above this", {-1e9, 1e9});
    visit("cov_high", cov_high, "and below this", {-1e9, 1e9});
    clip.VisitFields(visit);
    visit("advantage", advantage, "what becomes of a group's rewards: trl, verl, mean_only, ...", OneOf{kGroupAdvantages});
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const {
    clip.Validate(problems, section);
    shared.Validate(problems, section);
    if (cov_low >= cov_high) problems.Add(section.PlaceOf("cov_low"), "'cov_low' is not below 'cov_high': no token would be between them.");
  }
};

class ClipCov final : public WithKnobs<ClipCovConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    const at::Tensor advantages = GroupAdvantages(config_.advantage, batch, config_.shared.Outcomes(batch));  // [B]
    return config_.shared.Finish(batch, batch.PerToken(advantages));                                          // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor ratio = LogRatio(batch, logprobs).exp();                                                 // [m]
    TokenLoss policy = config_.clip.Surrogate(ratio, batch.advantages);
    const at::Tensor unclipped = -batch.advantages * ratio.detach();
    const at::Tensor left_alone = policy.loss.detach().le(unclipped);
    const at::Tensor cov = TokenCovariance(batch.advantages, logprobs.detach());                              // [m], C
    const at::Tensor band = cov.gt(config_.cov_low).logical_and(cov.lt(config_.cov_high)).logical_and(left_alone);
    const at::Tensor kept = at::ones_like(unclipped).index_fill(0, Draw(batch, band.nonzero().squeeze(1)), 0.0);
    policy.loss = policy.loss * kept;
    policy.token_sums["cov/left_out"] = kept.eq(0).sum();
    return config_.shared.Total(batch, policy, ratio, logprobs, entropy);
  }

 private:
  // Some of the candidates, without replacement.
  at::Tensor Draw(const Batch& batch, const at::Tensor& candidates) const {
    const auto wanted = std::max<std::int64_t>(1, static_cast<std::int64_t>(config_.share * static_cast<double>(batch.old_logprobs.numel())));
    if (candidates.numel() <= wanted) return candidates;
    const at::Tensor bits = batch.old_logprobs.to(at::kFloat).contiguous().view(at::kInt);
    Rng rng(static_cast<std::uint64_t>((bits.to(at::kLong) * at::arange(1, bits.numel() + 1, at::kLong)).sum().item<std::int64_t>()));
    std::vector<std::int64_t> order(static_cast<std::size_t>(candidates.numel()));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
    for (std::size_t i = 0; i < static_cast<std::size_t>(wanted); ++i) {
      std::swap(order[i], order[static_cast<std::size_t>(rng.Range(static_cast<std::int64_t>(i), static_cast<std::int64_t>(order.size()) - 1))]);
    }
    order.resize(static_cast<std::size_t>(wanted));
    return candidates.index_select(0, at::tensor(order, at::kLong));
  }
};

}  // namespace

void RegisterClipCov(AlgorithmRegistry& algorithms) {
  algorithms.Add<ClipCov>("clip_cov", "tokens of high covariance get no gradient (Cui et al., 2025)");
}

}  // namespace cogent
