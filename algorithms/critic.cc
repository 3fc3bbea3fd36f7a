#include "algorithms/critic.h"

#include <ATen/core/Tensor.h>

#include "core/error.h"

namespace cogent {

namespace {

ParameterSet Fresh(const std::string& dir, at::Device device) {
  ParameterSet parameters(ValueModel(LoadModelConfig(dir)));
  parameters.MoveTo(device);
  return parameters;
}

}  // namespace

Critic::Critic(const std::string& dir, const OptimizerConfig& config, at::Device device) : parameters(Fresh(dir, device)), optimizer(parameters, config) {
  const auto notes = parameters.Load(dir, Rng(0));
  if (!notes.empty() && LoadModelConfig(dir).value_head) {
    throw DataError(dir + ": config.json says that this model has a value head, but score.weight is missing; the checkpoint is damaged");
  }
}

}  // namespace cogent
