#include "policies/weight_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "policies/dequantize.h"
#include "policies/safetensors.h"
#include "policies/weight_adapter.h"

namespace cogent {
namespace {

constexpr std::int64_t kScaleBlock = 128;
constexpr const char* kScaleSuffix = "_scale_inv";

std::int64_t Blocks(std::int64_t size) { return (size + kScaleBlock - 1) / kScaleBlock; }

class SafetensorsSource final : public WeightFiles::Source {
 public:
  explicit SafetensorsSource(const std::string& dir) : dir_(dir), files_(SafetensorsDir::Open(dir)) {
    for (const auto& [name, view] : files_.tensors()) {
      if (IsScale(name)) continue;
      if (!IsFloat(view.dtype)) throw DataError(fmt::format("{}: tensor '{}' has type {}; weights are floats", dir_, name, NameOf(view.dtype)));
      CheckScale(name, view);
      shapes[name] = view.shape;
    }
  }

  void Read(const std::string& name, float* out) const override {
    const TensorView& view = files_.tensors().at(name);
    WidenFloats(view.dtype, view.bytes, out);
    const auto scale = files_.tensors().find(name + kScaleSuffix);
    if (scale == files_.tensors().end()) return;
    const std::int64_t rows = view.shape[0], columns = view.shape[1], across = Blocks(columns);
    std::vector<float> scales(static_cast<std::size_t>(Blocks(rows) * across));
    WidenFloats(scale->second.dtype, scale->second.bytes, scales.data());
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) {
        out[r * columns + c] *= scales[static_cast<std::size_t>(r / kScaleBlock * across + c / kScaleBlock)];
      }
    }
  }

 private:
  // X.weight_scale_inv belongs to X.weight.
  bool IsScale(const std::string& name) const {
    return name.ends_with(kScaleSuffix) && files_.tensors().count(name.substr(0, name.size() - std::char_traits<char>::length(kScaleSuffix))) > 0;
  }

  void CheckScale(const std::string& name, const TensorView& view) const {
    const bool eight_bits = view.dtype == DType::kF8E4M3 || view.dtype == DType::kF8E5M2;
    const auto scale = files_.tensors().find(name + kScaleSuffix);
    if (scale == files_.tensors().end()) {
      if (eight_bits) throw DataError(fmt::format("{}: tensor '{}' is {} and has no '{}{}' beside it", dir_, name, NameOf(view.dtype), name, kScaleSuffix));
      return;
    }
    const std::vector<std::int64_t> wanted = view.shape.size() == 2 ? std::vector<std::int64_t>{Blocks(view.shape[0]), Blocks(view.shape[1])} : std::vector<std::int64_t>{};
    if (view.shape.size() != 2 || scale->second.shape != wanted || !IsFloat(scale->second.dtype)) {
      throw DataError(fmt::format("{}: tensor '{}{}' is no scale for each block of {} by {} of '{}'", dir_, name, kScaleSuffix, kScaleBlock, kScaleBlock, name));
    }
  }

  std::string dir_;
  SafetensorsDir files_;
};

}  // namespace

WeightFiles::WeightFiles(std::unique_ptr<Source> source) : source_(std::move(source)) {}
WeightFiles::~WeightFiles() = default;
WeightFiles::WeightFiles(WeightFiles&&) noexcept = default;

WeightFiles WeightFiles::Open(const std::string& path) {
  if (IsGguf(path)) return WeightFiles(OpenGgufWeights(path));
  if (IsAdapter(path)) return WeightFiles(OpenAdapterWeights(path));
  return WeightFiles(std::make_unique<SafetensorsSource>(path));
}

const std::map<std::string, std::vector<std::int64_t>>& WeightFiles::shapes() const { return source_->shapes; }
void WeightFiles::Read(const std::string& name, float* out) const { source_->Read(name, out); }

bool IsGguf(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  if (path.ends_with(".gguf")) return true;
  char magic[4] = {};
  std::ifstream(path, std::ios::binary).read(magic, 4);
  return std::string_view(magic, 4) == "GGUF";
}

bool IsCheckpoint(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored) || IsGguf(path);
}

}  // namespace cogent
