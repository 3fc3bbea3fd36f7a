// What an algorithm is: advantages from rewards, and a loss from log-probabilities.
//
// Legend: P prompts, G completions a prompt, B = P * G trajectories, M tokens that the policy chose in
// all of them, m <= M of one micro-batch. Everything per token is flat, [M]: trajectory 0's tokens, then
// trajectory 1's. There is no padding to mask, and tokens that the policy did not choose are not there:
// what is carried from token to token (values, returns) passes over them.
//
// A loss is a sum over tokens of weight * something, with `weight` fixed for the whole optimizer step
// before it begins. So it is the same number however the step is cut into micro-batches, in whatever
// order, on however many threads. A micro-batch holds whole trajectories.
//
//   class Reinforce final : public Algorithm {
//    public:
//     struct Config { void VisitFields(FieldVisitor&) {} };
//     explicit Reinforce(const Config&) {}
//     at::Tensor Advantages(const Batch& batch) const override { return batch.PerToken(batch.rewards); }
//     at::Tensor Weights(const Batch& batch) const override { return TokenMean(batch); }
//     Loss ComputeLoss(const Batch& b, const at::Tensor& logprobs, const at::Tensor&) const override {
//       return {-(b.weights * b.advantages * logprobs).sum()};
//     }
//   };
//
// Thread rule: const; ComputeLoss and ComputeValueLoss are called from several threads at once. What
// changes from step to step is in Batch::state, which the trainer keeps and its checkpoints hold.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agents/trajectory.h"
#include "core/registry.h"

namespace cogent {

// Named numbers that an algorithm carries from step to step, as an adaptive coefficient.
using AlgorithmState = std::map<std::string, double>;

struct Batch {
  // A trajectory each.
  at::Tensor rewards;    // float64 [B]
  at::Tensor accuracy;   // float64 [B], the environment's own verdict before weights and penalties; NaN = unknown
  at::Tensor groups;     // int64 [B], 0..P-1, members of a group stand together
  at::Tensor lengths;    // int64 [B], chosen tokens
  at::Tensor truncated;  // bool [B]
  at::Tensor components;         // float64 [B, K], the rewards that `rewards` is the weighted sum of; undefined = unknown
  at::Tensor component_weights;  // float64 [K]
  at::Tensor greedy_rewards;     // float64 [B], of a greedy completion of the prompt; undefined when no algorithm needs it
  // A token each.
  at::Tensor sequence;          // int64 [M], its trajectory
  at::Tensor old_logprobs;      // float32 [M], of the policy at the start of the step, by the trainer
  at::Tensor sampler_logprobs;  // float32 [M], of the distribution that was drawn from, by the engine that sampled
  at::Tensor ref_logprobs;      // float32 [M], of the reference policy; undefined when no algorithm needs it
  at::Tensor token_rewards;     // float64 [M], summing to `rewards`; undefined = the whole reward at the last token
  at::Tensor old_values;        // float32 [M], of the critic at the start of the step; undefined without one
  at::Tensor advantages;        // float32 [M], from Advantages()
  at::Tensor returns;           // float32 [M], from Returns(): what the critic learns
  at::Tensor importance;        // float32 [M], from Importance(); undefined = 1
  at::Tensor weights;           // float32 [M], from Weights(): what each token counts in the loss
  double counted_tokens = 0.0;  // tokens of the whole optimizer step whose weight is not 0
  AlgorithmState state;         // as it stood before the step

  std::int64_t size() const { return rewards.size(0); }
  // [B] -> [M]: each trajectory's value at each of its tokens.
  at::Tensor PerToken(const at::Tensor& per_trajectory) const;
  // [M] -> [B]: the sum over each trajectory's tokens. Differentiable.
  at::Tensor PerTrajectory(const at::Tensor& per_token) const;
  // The trajectories first..last-1 with their tokens; `sequence` counts from 0 again, groups keep their numbers.
  Batch Slice(std::int64_t first, std::int64_t last) const;
};

// The environment's own verdict, before weights and penalties, where the trajectory has one.
std::optional<double> Accuracy(const Trajectory& trajectory);

// Trajectories of all groups in order. Tokens: lengths, sequence and old_logprobs from the sampler.
Batch MakeBatch(const std::vector<Group>& groups);

struct Loss {
  at::Tensor value;  // scalar; micro-batches add up to the step's loss
  // Sums over the tokens given, by metric name; the trainer divides by the step's M.
  std::map<std::string, at::Tensor> token_sums = {};
  // The terms that `value` is the sum of, by metric name, detached; may be left out.
  std::map<std::string, at::Tensor> parts = {};
};

// An algorithm of one's own writes the first three and leaves the rest.
class Algorithm {
 public:
  virtual ~Algorithm() = default;
  virtual at::Tensor Advantages(const Batch& batch) const = 0;  // [M], of all trajectories of the rollout
  virtual at::Tensor Weights(const Batch& batch) const = 0;     // [M], of one optimizer step's trajectories
  // `logprobs` and `entropy` [m] are differentiable; `batch` holds the same m tokens.
  virtual Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const = 0;

  // ref_logprobs are wanted: a copy of the starting policy is kept and asked.
  virtual bool NeedsReference() const { return false; }
  // The reference must be another model, named by the run: a teacher. With NeedsReference().
  virtual bool NeedsTeacher() const { return false; }
  // greedy_rewards are wanted: the rollout draws a greedy completion a prompt, which is not learned from.
  virtual bool NeedsGreedy() const { return false; }
  // old_values are wanted: a critic is trained beside the policy, on Returns and by ComputeValueLoss.
  virtual bool NeedsCritic() const { return false; }
  virtual at::Tensor Returns(const Batch&) const { return {}; }  // [M], of all trajectories; with a critic
  // `values` [m] are differentiable, of the critic as it is now; `batch` as for ComputeLoss. With a critic.
  virtual Loss ComputeValueLoss(const Batch& batch, const at::Tensor& values) const;
  // [M], of all trajectories: what a token's policy term is multiplied by where another engine sampled.
  virtual at::Tensor Importance(const Batch&) const { return {}; }
  // False: this group teaches nothing; it is left out, and the rollout goes on until the step is full.
  virtual bool Keep(const Group&) const { return true; }
  // The state of the next step, from this one's whole batch and the means that were logged.
  virtual AlgorithmState NextState(const Batch& batch, const std::map<std::string, double>& /*metrics*/) const { return batch.state; }
};

class AlgorithmRegistry : public Registry<Algorithm> {
 public:
  AlgorithmRegistry() : Registry<Algorithm>("algorithm") {}
};
AlgorithmRegistry BuiltinAlgorithms();

// What is fixed once for a rollout: importance, advantages and, with a critic, returns. REQUIRES the state,
// ref_logprobs where NeedsReference(), old_values where NeedsCritic().
void FixTargets(Batch& batch, const Algorithm& algorithm);
// The trajectories first..last-1 as one optimizer step: weights and counted_tokens.
Batch OptimizerStep(const Batch& batch, const Algorithm& algorithm, std::int64_t first, std::int64_t last);

// Weights of the two ways to average. TokenMean: 1 / M for each token. SequenceMean: the mean over
// trajectories of each one's mean over its tokens, 1 / (B |o_i|).
at::Tensor TokenMean(const Batch& batch);
at::Tensor SequenceMean(const Batch& batch);

}  // namespace cogent
