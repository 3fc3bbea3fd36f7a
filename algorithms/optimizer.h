// AdamW over one flat tensor, by LibTorch's fused operator, with clipping and schedules.
//
// Source: Loshchilov and Hutter, arXiv 1711.05101. Weight decay applies to matrices alone.
// Thread rule: one thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "algorithms/optimizer_config.h"
#include "policies/parameters.h"

namespace cogent {

class AdamW {
 public:
  AdamW(const ParameterSet& parameters, const OptimizerConfig& config);

  // One step with `grad` (float32, the layout of parameters.trained(); scaled in place when its norm is above
  // max_grad_norm). Returns the norm before clipping. A norm that is not finite changes nothing.
  double Step(const at::Tensor& grad, double learning_rate);
  bool Clips(double norm) const { return norm > config_.max_grad_norm; }
  std::int64_t steps() const { return steps_; }

  // optimizer.safetensors: both moments under "exp_avg.NAME" and "exp_avg_sq.NAME", and the step count.
  void Save(const std::string& path) const;
  void Load(const std::string& path);

 private:
  const ParameterSet* parameters_;
  OptimizerConfig config_;
  at::Tensor first_, second_;  // moments, as trained()
  std::int64_t steps_ = 0;
};

}  // namespace cogent
