// TOPR, tapered off-policy REINFORCE.
// Source: Le Roux et al., arXiv 2503.14286, section 3.
//
//   A_i   = r_i - mean(r)                                      over the G completions of one prompt
//   rho_i = pi_theta(o_i) / pi_old(o_i)                        one ratio a completion, the product over its tokens
//   w_i   = 1 if A_i >= 0, else min(rho_i, 1)                  the taper
//   L     = - sum over tokens of weight * sg(w_i) A_i log pi_theta
//
// What is right is learned wherever it came from; what is wrong is unlearned only while the policy would still write it,
// so that no number of steps on old completions drives the loss to minus infinity.
#pragma once

#include <ATen/ATen.h>

#include "algorithms/algorithm.h"

class Topr final : public cogent::Algorithm {
 public:
  struct Config {
    double taper = 1.0;
    void VisitFields(cogent::FieldVisitor& visit) {
      visit("taper", taper, "the largest weight of a completion with negative advantage", {0.0, 10.0});
    }
  };
  explicit Topr(const Config& config) : config_(config) {}

  at::Tensor Advantages(const cogent::Batch& batch) const override {
    const at::Tensor counts = at::bincount(batch.groups).to(at::kDouble);                                // [P]
    const at::Tensor means = at::zeros_like(counts).index_add(0, batch.groups, batch.rewards) / counts;  // [P]
    return batch.PerToken(batch.rewards - means.index_select(0, batch.groups)).to(at::kFloat);           // [M]
  }
  at::Tensor Weights(const cogent::Batch& batch) const override { return cogent::TokenMean(batch); }     // [M]

  cogent::Loss ComputeLoss(const cogent::Batch& batch, const at::Tensor& logprobs, const at::Tensor&) const override {
    const at::Tensor log_ratio = batch.PerTrajectory(logprobs.detach() - batch.old_logprobs);            // [B]
    const at::Tensor taper = batch.PerToken(log_ratio.clamp_max(20.0).exp().clamp_max(config_.taper));   // [m]
    const at::Tensor weight = at::where(batch.advantages.ge(0), at::ones_like(taper), taper);            // [m], sg(w)
    const at::Tensor tapered = batch.advantages.lt(0).logical_and(taper.lt(config_.taper));
    return {-(batch.weights * weight * batch.advantages * logprobs).sum(), {{"topr/tapered", tapered.sum()}}};
  }

 private:
  Config config_;
};
