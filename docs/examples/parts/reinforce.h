// REINFORCE with the other completions' mean as its baseline (RLOO; Kool, van Hoof and Welling, 2019).
//   A_i = r_i - mean of the rewards of the group's other members         (advantage)
//   L   = - sum over tokens of weight * A * log pi_theta                 (loss)
#pragma once

#include <ATen/ATen.h>

#include "algorithms/algorithm.h"

class Reinforce final : public cogent::Algorithm {
 public:
  struct Config {
    bool baseline = true;
    void VisitFields(cogent::FieldVisitor& visit) { visit("baseline", baseline, "subtract the mean of the others"); }
  };
  explicit Reinforce(const Config& config) : config_(config) {}

  at::Tensor Advantages(const cogent::Batch& batch) const override {
    if (!config_.baseline) return batch.PerToken(batch.rewards).to(at::kFloat);
    const at::Tensor counts = at::bincount(batch.groups).to(at::kDouble);                                // [P]
    const at::Tensor sums = at::zeros_like(counts).index_add(0, batch.groups, batch.rewards);            // [P]
    const at::Tensor others = sums.index_select(0, batch.groups) - batch.rewards;                        // [B]
    const at::Tensor number = (counts.index_select(0, batch.groups) - 1).clamp_min(1);                   // [B]
    return batch.PerToken(batch.rewards - others / number).to(at::kFloat);                               // [M]
  }
  at::Tensor Weights(const cogent::Batch& batch) const override { return cogent::TokenMean(batch); }     // [M]
  cogent::Loss ComputeLoss(const cogent::Batch& batch, const at::Tensor& logprobs, const at::Tensor&) const override {
    return {-(batch.weights * batch.advantages * logprobs).sum(), {}};
  }

 private:
  Config config_;
};
