#include "algorithms/optimizer.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "policies/safetensors.h"

namespace cogent {

AdamW::AdamW(const ParameterSet& parameters, const OptimizerConfig& config)
    : parameters_(&parameters), config_(config), first_(at::zeros_like(parameters.trained())), second_(at::zeros_like(parameters.trained())) {}

double AdamW::Step(const at::Tensor& grad, double learning_rate) {
  const double norm = grad.norm().item<double>();
  if (!std::isfinite(norm)) return norm;
  if (Clips(norm)) grad.mul_(config_.max_grad_norm / (norm + 1e-6));
  ++steps_;
  const auto part = [&](std::int64_t begin, std::int64_t end, double decay) {
    if (begin == end) return;
    const auto cut = [&](const at::Tensor& t) { return std::vector<at::Tensor>{t.narrow(0, begin, end - begin)}; };
    std::vector<at::Tensor> values = cut(parameters_->trained()), grads = cut(grad), first = cut(first_), second = cut(second_);
    at::_fused_adamw_(values, grads, first, second, {}, {at::full({}, static_cast<double>(steps_), grad.options().dtype(at::kFloat))}, learning_rate,
                      config_.beta1, config_.beta2, decay, config_.epsilon, /*amsgrad=*/false, /*maximize=*/false);
  };
  part(0, parameters_->decayed(), config_.weight_decay);
  part(parameters_->decayed(), parameters_->trained().numel(), 0.0);
  return norm;
}

void AdamW::Save(const std::string& path) const {
  std::map<std::string, at::Tensor> named;
  for (const auto& [name, t] : parameters_->NamedTrained(first_)) named["exp_avg." + name] = t;
  for (const auto& [name, t] : parameters_->NamedTrained(second_)) named["exp_avg_sq." + name] = t;
  SaveTensors(path, named, {{"step", std::to_string(steps_)}});
}

void AdamW::Load(const std::string& path) {
  const auto file = SafetensorsFile::Open(path);
  const auto take = [&](const std::string& prefix, const at::Tensor& moments) {
    for (auto& [name, t] : parameters_->NamedTrained(moments)) {
      const TensorView& view = file.Get(prefix + name);
      if (view.dtype != DType::kF32 || view.shape != t.sizes().vec()) {
        throw DataError(fmt::format("{}: tensor '{}{}' does not fit the model; the optimizer belongs to another one", path, prefix, name));
      }
      WriteOnHost(t, [&](float* values) { std::memcpy(values, view.bytes.data(), view.bytes.size()); });
    }
  };
  take("exp_avg.", first_);
  take("exp_avg_sq.", second_);
  const auto step = file.metadata().find("step");
  if (step == file.metadata().end()) throw DataError(path + ": metadata 'step' is missing; this is no optimizer state");
  steps_ = std::stoll(step->second);
}

}  // namespace cogent
