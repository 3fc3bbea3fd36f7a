// What an algorithm is: advantages from rewards, and a loss from log-probabilities.
//
// Legend: P prompts, G completions a prompt, B = P * G trajectories, M tokens that the policy chose in
// all of them, m <= M of one micro-batch. Everything per token is flat, [M]: trajectory 0's tokens, then
// trajectory 1's. There is no padding to mask.
//
// A loss is a sum over tokens of weight * something, with `weight` fixed for the whole optimizer step
// before it begins. So it is the same number however the step is cut into micro-batches, in whatever
// order, on however many threads.
//
//   class Reinforce final : public Algorithm {
//    public:
//     struct Config { void VisitFields(FieldVisitor&) {} };
//     explicit Reinforce(const Config&) {}
//     at::Tensor Advantages(const Batch& batch) const override { return batch.PerToken(batch.rewards); }
//     at::Tensor Weights(const Batch& batch) const override { return TokenMean(batch); }
//     Loss ComputeLoss(const Batch& b, const at::Tensor& logprobs, const at::Tensor&) const override {
//       return {-(b.weights * b.advantages * logprobs).sum(), {}};
//     }
//   };
//
// Thread rule: const; ComputeLoss is called from several threads at once.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agents/trajectory.h"
#include "core/registry.h"

namespace cogent {

struct Batch {
  // A trajectory each.
  at::Tensor rewards;    // float64 [B]
  at::Tensor groups;     // int64 [B], 0..P-1, members of a group stand together
  at::Tensor lengths;    // int64 [B], chosen tokens
  at::Tensor truncated;  // bool [B]
  // A token each.
  at::Tensor sequence;      // int64 [M], its trajectory
  at::Tensor old_logprobs;  // float32 [M], of the policy that sampled, at the trainer's temperature
  at::Tensor ref_logprobs;  // float32 [M], of the reference policy; undefined when no algorithm needs it
  at::Tensor advantages;    // float32 [M], from Advantages()
  at::Tensor weights;       // float32 [M], from Weights(): what each token counts in the loss

  std::int64_t size() const { return rewards.size(0); }
  // [B] -> [M]: each trajectory's value at each of its tokens.
  at::Tensor PerToken(const at::Tensor& per_trajectory) const;
  // The trajectories first..last-1 with their tokens; `sequence` counts from 0 again.
  Batch Slice(std::int64_t first, std::int64_t last) const;
};

// Trajectories of all groups in order. Tokens: lengths, sequence and old_logprobs from the sampler.
Batch MakeBatch(const std::vector<Group>& groups);

struct Loss {
  at::Tensor value;  // scalar; micro-batches add up to the step's loss
  // Sums over the tokens given, by metric name; the trainer divides by the step's M.
  std::map<std::string, at::Tensor> token_sums;
};

class Algorithm {
 public:
  virtual ~Algorithm() = default;
  virtual at::Tensor Advantages(const Batch& batch) const = 0;  // [M]
  virtual at::Tensor Weights(const Batch& batch) const = 0;     // [M]
  // `logprobs` and `entropy` [m] are differentiable; `batch` holds the same m tokens.
  virtual Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const = 0;
  virtual bool NeedsReference() const { return false; }
};

class AlgorithmRegistry : public Registry<Algorithm> {
 public:
  AlgorithmRegistry() : Registry<Algorithm>("algorithm") {}
};
AlgorithmRegistry BuiltinAlgorithms();

// Ratios of probabilities are taken up to e^20: further ones would overflow, and teach nothing that this does not.
inline constexpr double kLargestLogRatio = 20.0;

// The k3 estimate of KL(policy || reference) per token: q/p - log(q/p) - 1 >= 0, unbiased under p
// (Schulman, "Approximating KL divergence", 2020; DeepSeekMath equation 4).
at::Tensor KlEstimateK3(const at::Tensor& logprobs, const at::Tensor& ref_logprobs);

// Weights of the two ways to average. TokenMean: 1 / M for each token. SequenceMean: the mean over
// trajectories of each one's mean over its tokens, 1 / (B |o_i|).
at::Tensor TokenMean(const Batch& batch);
at::Tensor SequenceMean(const Batch& batch);

}  // namespace cogent
