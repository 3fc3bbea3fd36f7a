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

// A llama's metadata with an embedding, and what frequencies are divided by.
std::string WriteLlama(const std::string& path, double theta, const std::vector<float>& divisors, const std::string& scaling = {}) {
  const auto pairs = static_cast<std::uint32_t>(divisors.size());
  GgufWriter file = GgufHeader(2, scaling.empty() ? 9 : 11);
  const auto number = [&](const std::string& key, std::uint32_t value) { file.Key(key, 4).Put(value); };
  file.Key("general.architecture", 8).Text("llama");
  number("llama.embedding_length", 2 * pairs), number("llama.block_count", 1), number("llama.attention.head_count", 1);
  number("llama.context_length", 131072), number("llama.feed_forward_length", 8), number("tokenizer.ggml.eot_token_id", 1);
  file.Key("llama.attention.layer_norm_rms_epsilon", 6).Put(1e-5f).Key("llama.rope.freq_base", 6).Put(static_cast<float>(theta));
  if (!scaling.empty()) file.Key("llama.rope.scaling.type", 8).Text(scaling).Key("llama.rope.scaling.factor", 6).Put(2.0f);
  const std::size_t embedding = (2 * pairs * 2 * 4 + 31) / 32 * 32;
  file.Tensor("token_embd.weight", {2 * pairs, 2}, 0, 0).Tensor("rope_freqs.weight", {pairs}, 0, embedding);
  file.Data(32, embedding);
  for (const float divisor : divisors) file.Put(divisor);
  WriteText(path, file.bytes());
  return path;
}

// As llama.cpp's converter writes them: float32.
std::vector<float> Divisors(const RopeConfig& rope, int pairs) {
  RopeConfig plain = rope;
  plain.type = "default";
  const auto before = plain.Frequencies(2 * pairs), after = rope.Frequencies(2 * pairs);
  std::vector<float> divisors;
  for (std::size_t i = 0; i < before.size(); ++i) divisors.push_back(static_cast<float>(before[i] / after[i]));
  return divisors;
}

RopeConfig Llama3(double theta, double factor, double original, double low, double high) {
  RopeConfig rope;
  rope.type = "llama3", rope.theta = theta, rope.factor = factor, rope.original_max_position_embeddings = original;
  rope.low_freq_factor = low, rope.high_freq_factor = high;
  return rope;
}

TEST(GgufModel, TheScalingOfLlama3IsFoundFromItsDivisors) {
  const ScratchFolder folder;
  struct Case {
    RopeConfig rope;
    int pairs;
    bool same_settings;  // or others that rotate alike
  };
  const std::vector<Case> cases = {
      {Llama3(5e5, 8, 8192, 1, 4), 64, true},      // Llama 3.1
      {Llama3(5e5, 32, 8192, 1, 4), 32, true},     // Llama 3.2
      {Llama3(1e4, 3.5, 4096, 1, 4), 64, true},    // nobody's
      {Llama3(1e5, 64, 2048, 1, 16), 48, true},
      {Llama3(5e5, 8, 16384, 2, 4), 64, false},    // the same as 8192 with 1 and 2
      {Llama3(1e6, 5, 10000, 1.5, 7), 40, false},  // no whole context
      {Llama3(1e4, 8, 8192, 1, 4), 4, true},       // few pairs
      {Llama3(1e4, 6, 8192, 1, 4), 4, false},      // even the slowest is not divided by the whole factor
      {Llama3(5e5, 8, 4096, 1, 4), 6, false},
      {Llama3(1e4, 6, 1000, 1, 1.01), 8, false},   // a step between two pairs
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    const auto& [rope, pairs, same] = cases[i];
    const RopeConfig read = GgufModelConfig(WriteLlama(folder / "m.gguf", rope.theta, Divisors(rope, pairs))).rope;
    EXPECT_EQ(read.type, "llama3");
    const auto want = rope.Frequencies(2 * pairs), got = read.Frequencies(2 * pairs);
    for (std::size_t p = 0; p < want.size(); ++p) EXPECT_NEAR(got[p] / want[p], 1, 1e-4) << p;
    if (!same) continue;
    EXPECT_EQ(read.factor, rope.factor);
    EXPECT_EQ(read.original_max_position_embeddings, rope.original_max_position_embeddings);
    EXPECT_EQ(read.low_freq_factor, rope.low_freq_factor);
    EXPECT_EQ(read.high_freq_factor, rope.high_freq_factor);
  }
  RopeConfig linear = Llama3(1e4, 4, 1, 1, 1);
  linear.type = "linear";
  EXPECT_EQ(GgufModelConfig(WriteLlama(folder / "m.gguf", 1e4, Divisors(linear, 16))).rope.type, "linear");
  EXPECT_EQ(GgufModelConfig(WriteLlama(folder / "m.gguf", 1e4, std::vector<float>(16, 1.0f))).rope.type, "default");
}

TEST(GgufModel, AnotherScalingOfFrequenciesIsRefusedByName) {
  const ScratchFolder folder;
  const auto refusal = [&](const std::vector<float>& divisors, const std::string& scaling = {}) {
    WriteLlama(folder / "m.gguf", 1e4, divisors, scaling);
    return DataErrorOf([&] { GgufModelConfig(folder / "m.gguf"); });
  };
  std::vector<float> divisors = Divisors(Llama3(5e5, 8, 8192, 1, 4), 64);
  for (const float other : {0.0f, -1.0f, 5.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    for (const std::size_t at : {std::size_t{3}, divisors.size() - 1}) {
      auto broken = divisors;
      broken[at] = other;
      EXPECT_THAT(refusal(broken), HasSubstr("m.gguf: 'rope_freqs.weight' is no scaling of frequencies that is known")) << other << " at " << at;
    }
  }
  std::vector<float> rising;  // as longrope's, not linear in the frequency
  for (int i = 0; i < 32; ++i) rising.push_back(1.0f + 0.2f * static_cast<float>(i));
  EXPECT_THAT(refusal(rising), HasSubstr("'rope_freqs.weight'"));
  EXPECT_THAT(refusal(divisors, "linear"), HasSubstr("stands beside key 'llama.rope.scaling.type' ('linear')"));
}

TEST(GgufModel, TheEndOfATurnEndsACompletionToo) {
  const ScratchFolder folder;
  const ModelConfig config = GgufModelConfig(WriteLlama(folder / "m.gguf", 1e4, {1.0f, 1.0f}));
  EXPECT_EQ(config.eos_token_id, 1) << "the only one that the file names";
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
