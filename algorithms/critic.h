// A critic: what the policy may still expect at each of its tokens. The trunk of a policy with a value head
// (policies/model_config.h: ValueModel) and an optimizer of its own; no weights are shared with the policy.
//
//   Critic critic("runs/r1_zero/checkpoints/base", {.learning_rate = 1e-3});
//   Trainer trainer(policy, nullptr, optimizer, config, &critic);
//
// Thread rule: as ParameterSet.
#pragma once

#include <string>

#include "algorithms/optimizer.h"
#include "policies/parameters.h"

namespace cogent {

struct Critic {
  // From a checkpoint directory: a language model gives its trunk, and the value head starts at 0, the value of
  // every token; a value model gives its head, too. DataError as ParameterSet::Load.
  Critic(const std::string& dir, const OptimizerConfig& config, at::Device device = at::kCPU);
  Critic(const Critic&) = delete;  // the optimizer points at the weights
  Critic& operator=(const Critic&) = delete;

  ParameterSet parameters;
  AdamW optimizer;
};

}  // namespace cogent
