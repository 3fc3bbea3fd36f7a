// Reads the parity fixtures (tests/data/parity) and compares with their tolerances.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "policies/transformer.h"
#include "policies/parameters.h"
#include "policies/safetensors.h"

namespace cogent::parity {

// COGENT_PARITY names another folder of the same form.
inline std::string Root() {
  const char* other = std::getenv("COGENT_PARITY");
  return other != nullptr ? other : std::string(COGENT_SOURCE_DIR) + "/tests/data/parity";
}
inline nlohmann::json ReadJson(const std::string& path) {
  std::ifstream in(path);
  return nlohmann::json::parse(in);
}
inline std::vector<std::string> Models() {
  std::vector<std::string> names;
  const nlohmann::json index = ReadJson(Root() + "/index.json");
  for (const auto& model : index["models"]) names.push_back(model["dir"]);
  return names;
}

inline at::Tensor ToTensor(const TensorView& view) {
  const auto type = view.dtype == DType::kF32 ? at::kFloat : view.dtype == DType::kI64 ? at::kLong : at::kInt;
  at::Tensor t = at::empty(view.shape, at::TensorOptions(type));
  std::memcpy(t.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
  return t;
}

// Where our CPU kernels cannot read them: on a GPU where this build and this machine have one, else in float64, which takes the
// same way through the code.
inline void MoveElsewhere(ParameterSet& weights) {
#ifdef COGENT_CUDA
  if (at::globalContext().hasCUDA()) return weights.MoveTo(at::kCUDA);
#endif
  weights.MoveTo(at::kCPU, at::kDouble);
}

struct Fixture {
  explicit Fixture(const std::string& name, bool elsewhere = false)
      : dir(Root() + "/" + name), config(LoadModelConfig(dir)), weights(config),
        expected(SafetensorsFile::Open(dir + "/expected.safetensors")), summary(ReadJson(dir + "/expected.json")) {
    weights.Load(dir, Rng(0));
    if (elsewhere) MoveElsewhere(weights);
  }
  at::Tensor Get(const std::string& name) const { return ToTensor(expected.Get(name)); }
  std::vector<std::int64_t> Ids(const std::string& name) const {
    const at::Tensor t = Get(name).to(at::kLong).flatten();
    return {t.const_data_ptr<std::int64_t>(), t.const_data_ptr<std::int64_t>() + t.numel()};
  }
  double Tolerance(const char* key) const { return summary["tolerance"][key].get<double>(); }
  Transformer Model(const at::Tensor& grad = {}) const { return Transformer(config, weights.Leaves(grad), weights.biases()); }

  std::string dir;
  ModelConfig config;
  ParameterSet weights;
  SafetensorsFile expected;
  nlohmann::json summary;
};

// |got - want| <= atol + rtol |want|, everywhere.
inline ::testing::AssertionResult Near(const at::Tensor& anywhere, const at::Tensor& want, double atol, double rtol) {
  const at::Tensor got = anywhere.cpu();
  if (got.sizes() != want.sizes()) return ::testing::AssertionFailure() << "shape " << got.sizes() << ", wanted " << want.sizes();
  const at::Tensor over = ((got - want).abs() - rtol * want.abs()).max();
  if (over.item<double>() <= atol) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "largest excess " << over.item<double>() << " over tolerance " << atol;
}

}  // namespace cogent::parity
