// Numbers of checkpoints, in whatever form they are stored, as float32. No LibTorch.
//
//   WidenFloats(DType::kBF16, view.bytes, out);          // out: one float a stored number
//   DequantizeGguf(GgufType::kQ4_K, tensor.bytes, out);  // whole blocks
//
// Halves, bfloat16 and float8 become the float32 of the same value; blocks are computed in float32 in the order that
// their description writes (docs/models.md). Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <span>

#include "policies/gguf.h"
#include "policies/safetensors.h"

namespace cogent {

// REQUIRES a float type (F64, F32, F16, BF16, F8_E4M3, F8_E5M2).
void WidenFloats(DType dtype, std::span<const std::byte> bytes, float* out);
bool IsFloat(DType dtype);

// REQUIRES whole blocks and a type other than the integers.
void DequantizeGguf(GgufType type, std::span<const std::byte> bytes, float* out);
bool IsWeight(GgufType type);

}  // namespace cogent
