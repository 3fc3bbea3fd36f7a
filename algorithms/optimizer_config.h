// Settings of AdamW and of its learning rate; no LibTorch, so that a run's YAML can be checked without it.
#pragma once

#include <cstdint>
#include <string>

#include "core/config.h"

namespace cogent {

struct OptimizerConfig {
  double learning_rate = 1e-4;
  int warmup_steps = 0;
  std::string schedule = "constant";  // constant, linear, cosine: to `final_share` of the rate at the last step
  double final_share = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  double max_grad_norm = 1.0;

  void VisitFields(FieldVisitor& visit);
  // Rate of optimizer step `step` (from 1) of `total`.
  double RateAt(std::int64_t step, std::int64_t total) const;
};

}  // namespace cogent
