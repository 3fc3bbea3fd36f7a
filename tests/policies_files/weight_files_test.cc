// Weights in every form that they are stored in, against the reference's numbers.
#include "policies/weight_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "policies/dequantize.h"
#include "policies/gguf.h"
#include "policies/safetensors.h"
#include "tests/policies_files/files_test_util.h"

namespace cogent {
namespace {

using ::testing::HasSubstr;

std::vector<float> Floats(const TensorView& view) {
  std::vector<float> values(view.bytes.size() / 4);
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

TEST(Dequantize, EveryBlockTypeGivesTheReferencesBits) {
  const GgufFile file = GgufFile::Open(Stored("parity/gguf/blocks.gguf"));
  const auto expected = SafetensorsFile::Open(Stored("parity/gguf/blocks.expected.safetensors"));
  int compared = 0;
  for (const auto& [name, tensor] : file.tensors()) {
    const std::vector<float> wanted = Floats(expected.Get(name));
    std::vector<float> values(wanted.size());
    DequantizeGguf(tensor.type, tensor.bytes, values.data());
    EXPECT_EQ(std::memcmp(values.data(), wanted.data(), 4 * wanted.size()), 0) << name << " of " << BlockOf(tensor.type).name;
    ++compared;
  }
  EXPECT_GE(compared, 11);
}

float Wide(DType dtype, std::uint16_t bits) {
  float value = 0;
  WidenFloats(dtype, std::as_bytes(std::span(&bits, 1)).subspan(0, SizeOf(dtype)), &value);
  return value;
}

// The definition of a small float, in double.
double Value(unsigned bits, int exponent_bits, int mantissa_bits) {
  const unsigned mantissa = bits & ((1u << mantissa_bits) - 1), exponent = bits >> mantissa_bits & ((1u << exponent_bits) - 1);
  const double sign = bits >> (exponent_bits + mantissa_bits) & 1 ? -1.0 : 1.0;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp(1.0 + std::ldexp(mantissa, -mantissa_bits), static_cast<int>(exponent) - bias);
}

TEST(WidenFloats, EveryHalfAndEveryEightBitFloatKeepsItsValue) {
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const float half = Wide(DType::kF16, static_cast<std::uint16_t>(bits));
    if ((bits & 0x7C00) == 0x7C00) EXPECT_EQ(std::isinf(half), (bits & 0x3FF) == 0) << bits;
    else EXPECT_EQ(half, Value(bits, 5, 10)) << bits;
  }
  for (unsigned bits = 0; bits < 0x100; ++bits) {
    const float narrow = Wide(DType::kF8E4M3, static_cast<std::uint16_t>(bits)), wide = Wide(DType::kF8E5M2, static_cast<std::uint16_t>(bits));
    if ((bits & 0x7F) == 0x7F) EXPECT_TRUE(std::isnan(narrow)) << bits;
    else EXPECT_EQ(narrow, Value(bits, 4, 3)) << bits;
    if ((bits & 0x7C) != 0x7C) EXPECT_EQ(wide, Value(bits, 5, 2)) << bits;
    else EXPECT_EQ(std::isinf(wide), (bits & 3) == 0) << bits;
  }
  EXPECT_EQ(Wide(DType::kBF16, 0x3FC0), 1.5f);
}

TEST(GgufModel, TensorsHaveTheNamesAndTheRowsOfTheCheckpoint) {
  const std::string path = Stored("parity/gguf/tiny_llama.gguf");
  const WeightFiles files = WeightFiles::Open(path);
  const auto expected = SafetensorsFile::Open(Stored("parity/gguf/tiny_llama.expected.safetensors"));
  int compared = 0;
  for (const auto& [name, view] : expected.tensors()) {
    if (!name.starts_with("weight.")) continue;
    const std::string own = name.substr(7);
    ASSERT_TRUE(files.shapes().count(own)) << own;
    const auto& shape = files.shapes().at(own);
    std::vector<float> values(static_cast<std::size_t>(shape[0] * shape[1]));
    files.Read(own, values.data());
    // The fixture holds a part of the rows of a long matrix.
    const std::vector<float> wanted = Floats(view);
    ASSERT_LE(wanted.size(), values.size());
    EXPECT_EQ(std::memcmp(values.data(), wanted.data(), 4 * wanted.size()), 0) << own;
    ++compared;
  }
  EXPECT_EQ(compared, 4);
  const ModelConfig config = GgufModelConfig(path);
  EXPECT_EQ(config.model_type, "llama");
  EXPECT_EQ(config.vocab_size, 903);
  EXPECT_EQ(config.rms_norm_eps, 1e-5) << "the number that was meant, not its float32";
  const auto layout = ParameterLayout(config);
  std::size_t parts = 0;
  for (const Leaf& leaf : layout) {
    for (const Leaf::Part& part : leaf.parts) {
      ASSERT_TRUE(files.shapes().count(part.name)) << part.name;
      EXPECT_EQ(files.shapes().at(part.name), part.shape) << part.name;
      ++parts;
    }
  }
  EXPECT_EQ(parts, files.shapes().size());
}

TEST(WeightFiles, EightBitWeightsAreScaledBlockByBlock) {
  const ScratchFolder folder;
  const std::string dir = folder.path();
  const int rows = 130, columns = 200;
  std::vector<std::uint8_t> bits(static_cast<std::size_t>(rows) * columns);
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<std::uint8_t>(i * 37 % 0x7F);
  const std::vector<float> scales = {2.0f, 0.5f, -1.0f, 3.0f};
  const auto bytes = [](const auto& values) { return std::as_bytes(std::span(values)); };
  const TensorView weight{DType::kF8E4M3, {rows, columns}, bytes(bits)};
  WriteSafetensors(dir + "/model.safetensors", {{"a.weight", weight}, {"a.weight_scale_inv", {DType::kF32, {2, 2}, bytes(scales)}}});
  const WeightFiles files = WeightFiles::Open(dir);
  EXPECT_EQ(files.shapes().size(), 1u);
  std::vector<float> values(bits.size());
  files.Read("a.weight", values.data());
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      const auto at = static_cast<std::size_t>(r * columns + c);
      ASSERT_EQ(values[at], static_cast<float>(Value(bits[at], 4, 3)) * scales[static_cast<std::size_t>(r / 128 * 2 + c / 128)]);
    }
  }
  WriteSafetensors(dir + "/model.safetensors", {{"a.weight", weight}});
  EXPECT_THAT(DataErrorOf([&] { WeightFiles::Open(dir); }), HasSubstr("has no 'a.weight_scale_inv' beside it"));
  WriteSafetensors(dir + "/model.safetensors", {{"a.weight", weight}, {"a.weight_scale_inv", {DType::kF32, {4}, bytes(scales)}}});
  EXPECT_THAT(DataErrorOf([&] { WeightFiles::Open(dir); }), HasSubstr("'a.weight_scale_inv' is no scale for each block"));
  const std::vector<std::int64_t> whole = {1, 2};
  WriteSafetensors(dir + "/model.safetensors", {{"a.weight", {DType::kI64, {2}, bytes(whole)}}});
  EXPECT_THAT(DataErrorOf([&] { WeightFiles::Open(dir); }), HasSubstr("tensor 'a.weight' has type I64; weights are floats"));
}

}  // namespace
}  // namespace cogent
