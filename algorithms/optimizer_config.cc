#include "algorithms/optimizer_config.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cogent {

// With a decay of 1 a moment stays 0 and is divided by 0, and so is a gradient of 0 without epsilon.
constexpr double kBelowOne = 0.9999999;

void OptimizerConfig::VisitFields(FieldVisitor& visit) {
  visit("learning_rate", learning_rate, "highest learning rate", {0.0, 10.0});
  visit("warmup_steps", warmup_steps, "steps over which the rate rises from 0", {0, 1 << 30});
  visit("schedule", schedule, "what follows the warm-up: constant, or falling to final_share at the last step",
        OneOf{"constant", "linear", "cosine"});
  visit("final_share", final_share, "share of learning_rate at the last step", {0.0, 1.0});
  visit("beta1", beta1, "decay of the first moment", {0.0, kBelowOne});
  visit("beta2", beta2, "decay of the second moment", {0.0, kBelowOne});
  visit("epsilon", epsilon, "added to the root of the second moment", {1e-30, 1.0});
  visit("weight_decay", weight_decay, "decay of matrices, each step learning_rate * weight_decay", {0.0, 10.0});
  visit("max_grad_norm", max_grad_norm, "gradients with a larger norm are scaled down to it", {1e-9, 1e9});
}

double OptimizerConfig::RateAt(std::int64_t step, std::int64_t total) const {
  if (step <= warmup_steps) return learning_rate * static_cast<double>(step) / std::max(warmup_steps, 1);
  if (schedule == "constant" || total <= warmup_steps) return learning_rate;
  const double done = std::min(1.0, static_cast<double>(step - warmup_steps) / static_cast<double>(total - warmup_steps));
  const double left = schedule == "linear" ? 1.0 - done : 0.5 * (1.0 + std::cos(std::numbers::pi * done));
  return learning_rate * (final_share + (1.0 - final_share) * left);
}

}  // namespace cogent
