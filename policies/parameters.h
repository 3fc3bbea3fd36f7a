// All weights of a model in one flat tensor, with the checkpoint's names as views into it.
//
// One tensor means one optimizer call, one norm for clipping and one buffer to reduce over threads.
// Matrices come first and everything else behind, so that weight decay is a range. The parts of a
// leaf (policies/model_config.h) lie one behind another, so projections of the same input are one
// product, while each keeps its Hugging Face name on disk.
//
//   ParameterSet weights(config);
//   weights.Initialize(Rng(seed).Fork("init"));       // or weights.Load("checkpoints/latest")
//   std::vector<at::Tensor> leaves = weights.Leaves(grad);   // for one thread: autograd adds into `grad`
//   weights.Save("checkpoints/step-000100");
//
// With adapters (model_adapter.h) these weights are the base and stay; what learns is a second flat tensor of A and B:
//
//   weights.Attach({.rank = 8}, "checkpoints/base", Rng(seed).Fork("lora"));
//   AdamW optimizer(weights, config);                        // moments of trained() alone
//
// Thread rule: views share memory; nobody writes while others read.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/rng.h"
#include "policies/model_config.h"

namespace cogent {

// A float32 copy on the CPU, or the tensor itself where it is one.
at::Tensor OnHost(const at::Tensor& t);
// Calls write(float32 values of the view, in order) and keeps what it wrote, wherever the view is.
void WriteOnHost(const at::Tensor& view, const std::function<void(float* values)>& write);
// The same tensors as a safetensors file; `metadata` as its header has it.
void SaveTensors(const std::string& path, const std::map<std::string, at::Tensor>& named, const std::map<std::string, std::string>& metadata);

class ParameterSet {
 public:
  explicit ParameterSet(const ModelConfig& config);  // zeros; norms one

  // Matrices from N(0, initializer_range^2), biases 0, norms 1, a value head 0. A weight depends on its name
  // and the seed alone.
  void Initialize(const Rng& rng);
  // Reads config-shaped weights from a checkpoint directory or a GGUF file in any float type (policies/weight_files.h).
  // DataError lists missing, unexpected, misshapen and not finite tensors by name. A missing prediction module or value head is initialised and
  // said so in the returned notes; a head that the model has no place for is dropped.
  std::vector<std::string> Load(const std::string& dir, const Rng& rng_for_missing);
  // An adapter's directory gives the sum; with adapters attached, base and adapters each in their place. DataError when the
  // stored adapters are of another shape or scale than the attached ones.
  // Writes config.json, model.safetensors and, of a language model, generation_config.json into `dir`; with adapters,
  // adapter_config.json and adapter_model.safetensors in PEFT's layout instead.
  void Save(const std::string& dir) const;

  // Adds adapters: A uniform within 1 / sqrt(in), each from its name and the seed alone, B zero, so that at first nothing
  // changes. `base` is where these weights lie, for adapter_config.json. REQUIRES none yet, and no value head.
  // ConfigError when a target names nothing.
  void Attach(const LoraConfig& lora, const std::string& base, const Rng& rng);
  // The same weights in the same memory, without the adapters.
  ParameterSet Base() const;

  // Moves all of it, adapters too: to a GPU, or to another float type, which tests of precision want. Views taken before keep
  // the old memory. Loading and saving go through the CPU and float32 wherever the weights are.
  void MoveTo(at::Device device, at::ScalarType type = at::kFloat);

  bool OnFastPath() const { return flat_.is_cpu() && flat_.scalar_type() == at::kFloat; }  // where our CPU kernels can read them

  const ModelConfig& config() const { return config_; }
  const at::Tensor& flat() const { return flat_; }        // [size], float32 if not moved to another type
  std::int64_t size() const { return flat_.numel(); }
  std::int64_t matrix_size() const { return matrix_size_; }  // the first part of flat: its matrices
  // What an optimizer moves: flat(), or the adapters. Weight decay applies to the first `decayed()` numbers.
  const at::Tensor& trained() const { return config_.lora ? adapters_ : flat_; }
  std::int64_t decayed() const { return config_.lora ? adapters_.numel() : matrix_size_; }
  const at::Tensor& biases() const { return biases_; }    // float32 [mixture layers, experts], correction biases; zeros where there are none

  // Views of every leaf in the order of ParameterLayout(config), then of each adapted leaf's A, [parts rank, in], and of each
  // of its B. If `grad` (float32, as trained()) is given, those of trained() need gradients and autograd adds into it.
  std::vector<at::Tensor> Leaves(const at::Tensor& grad = {}) const;
  // Every checkpoint tensor as a view of `flat` (this set's own weights, or an optimizer state or
  // gradient of the same layout). Correction biases are added when `flat` is this set's own.
  std::map<std::string, at::Tensor> Named(const at::Tensor& flat) const;
  std::map<std::string, at::Tensor> Named() const { return Named(flat_); }
  // The same of trained(), or of what has its layout, by the names that Save gives.
  std::map<std::string, at::Tensor> NamedTrained(const at::Tensor& like) const;
  // A weight as it multiplies in the end, float32 on the CPU: a view, or where it has an adapter the sum, made anew at each
  // call; undefined where there is none of the name.
  std::function<at::Tensor(const std::string&)> Effective() const;

 private:
  void LoadAdapters(const std::string& dir);
  void InitializeOne(const std::string& name, const at::Tensor& view, const Rng& rng) const;

  ModelConfig config_;
  std::vector<Leaf> leaves_;
  std::vector<std::int64_t> offsets_;  // of each leaf in flat
  std::int64_t matrix_size_ = 0;
  at::Tensor flat_, biases_;
  std::vector<AdaptedLeaf> adapted_;
  at::Tensor adapters_;  // of each adapted leaf all A, then all B
  std::string base_;
};

}  // namespace cogent
