// A checkpoint's tensors by their Hugging Face names, wherever they lie: a directory of safetensors (one file or shards;
// any float type, DeepSeek's FP8 with a scale for each block of 128 by 128), one GGUF file, or an adapter (weight_adapter.h) and
// the base that it names, as their sum. No LibTorch.
//
//   const WeightFiles files = WeightFiles::Open("models/smollm2.gguf");
//   for (const auto& [name, shape] : files.shapes()) ...      // "model.layers.0.self_attn.q_proj.weight", [576, 576]
//   files.Read(name, out);                                    // float32, row-major
//
// Files are mapped and read tensor by tensor, so loading needs little more memory than what it fills. Everything that is
// wrong with the files themselves is a DataError that names the file and the tensor.
// Thread rule: read-only after Open.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "policies/model_config.h"

namespace cogent {

class WeightFiles {
 public:
  static WeightFiles Open(const std::string& path);
  ~WeightFiles();
  WeightFiles(WeightFiles&&) noexcept;

  const std::map<std::string, std::vector<std::int64_t>>& shapes() const;
  // REQUIRES a name of shapes(). `out` has room for the shape's product.
  void Read(const std::string& name, float* out) const;

  // How the reader of one format offers its tensors.
  class Source {
   public:
    virtual ~Source() = default;
    virtual void Read(const std::string& name, float* out) const = 0;
    std::map<std::string, std::vector<std::int64_t>> shapes;
  };

 private:
  explicit WeightFiles(std::unique_ptr<Source> source);
  std::unique_ptr<Source> source_;
};

// Whether the path is a file of that format (by its name or its first bytes).
bool IsGguf(const std::string& path);
// Whether weights can be looked for there: a directory, or a GGUF file.
bool IsCheckpoint(const std::string& path);
// The shape of a model in a GGUF file, of architecture llama, qwen2, qwen3 or qwen3moe.
ModelConfig GgufModelConfig(const std::string& path);

// Its tensors under Hugging Face names: query and key rows in the order of half-split rotation, experts one by one.
std::unique_ptr<WeightFiles::Source> OpenGgufWeights(const std::string& path);

}  // namespace cogent
