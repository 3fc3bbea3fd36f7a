// An adapter's directory in PEFT's layout: adapter_config.json, which names the base model, and
// adapter_model.safetensors with "base_model.model.MODULE.lora_A.weight" [rank, in] and "... .lora_B.weight" [out, rank].
// No LibTorch.
//
//   if (IsAdapter(dir)) config = LoadModelConfig(AdapterBase(dir));
//   const AdapterFiles adapter = AdapterFiles::Open(dir);
//
// WeightFiles::Open(dir) gives the base's tensors with the adapter added to them, so whatever reads a checkpoint reads an
// adapter, too. What cannot be added as it is (DoRA, trained biases, a rank for each module) is refused by name.
// Thread rule: read-only after Open.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "policies/model_adapter.h"
#include "policies/safetensors.h"
#include "policies/weight_files.h"

namespace cogent {

// A directory with adapter_config.json and no weights of its own.
bool IsAdapter(const std::string& path);
// Where the base model lies: beside the adapter under the last part of its name, as in a run's checkpoints, else where the
// name says. DataError when it is in neither place, or an adapter itself.
std::string AdapterBase(const std::string& dir);

std::string LoraA(const std::string& module);  // tensor names of a module's matrices
std::string LoraB(const std::string& module);

class AdapterFiles {
 public:
  // DataError when the settings cannot be used or a tensor has no pair.
  static AdapterFiles Open(const std::string& dir);

  int rank() const { return rank_; }
  double alpha() const { return alpha_; }
  double scale() const { return scale_; }  // of B A
  const std::vector<std::string>& modules() const { return modules_; }  // in alphabetical order
  // As float32, row-major. DataError when the tensor is missing, of another shape, or holds a number that is none.
  std::vector<float> Read(const std::string& name, const std::vector<std::int64_t>& shape) const;
  // weight [rows, width] += scale * B A. DataError when the module's matrices do not fit.
  void AddTo(const std::string& module, std::int64_t rows, std::int64_t width, float* weight) const;

 private:
  AdapterFiles(std::string dir, SafetensorsFile file) : dir_(std::move(dir)), file_(std::move(file)) {}
  std::string dir_;
  SafetensorsFile file_;
  int rank_ = 0;
  double alpha_ = 0, scale_ = 0;
  std::vector<std::string> modules_;
};

// adapter_config.json of config.lora on the base model at this path.
std::string AdapterConfigJson(const ModelConfig& config, const std::string& base);
// The base's tensors with the adapter added.
std::unique_ptr<WeightFiles::Source> OpenAdapterWeights(const std::string& dir);

}  // namespace cogent
