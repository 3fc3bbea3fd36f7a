// Experts on a GPU: pairs of token and expert in the order of experts, and products in which each expert has rows of its own. Raw
// pointers and a stream, no LibTorch. Nothing waits for the host, so that a CUDA graph can hold them. The CPU twins stand in
// ops_device.cc.
//
// All pointers are device memory; `stream` is a cudaStream_t. Functions return a cudaError_t as int. `begin`, int32 [groups + 1], says
// where each expert's rows begin. Sums run in one order, so the same input has the same bits.
#pragma once

#include <cstdint>

namespace cogent::cuda {

enum class Element { kFloat32, kBfloat16 };

// What stands p-th when the pairs stand by expert, those of one expert as they came: order[p] = i and place_of[i] = p, both int64
// [pairs]. `experts`, int32 [pairs], from 0 to below `groups`.
int SortByExpert(const std::int32_t* experts, int pairs, int groups, std::int64_t* order, std::int64_t* place_of, std::int32_t* begin, void* stream);

// The shapes of a layer's experts: x [rows, in], weight [groups, out, in], y [rows, out].
struct Grouped {
  Element element;  // of what is multiplied; results are float32
  const std::int32_t* begin;
  int groups, rows, in, out;
};

// y[p] = weight[e] x[p]
int GroupedProduct(const Grouped& shapes, const void* x, const void* weight, float* y, void* stream);
// dx[p] = weight[e]^T dy[p]
int GroupedInputGradient(const Grouped& shapes, const void* dy, const void* weight, float* dx, void* stream);
// dweight[e] = sum over p of dy[p] x[p]^T; zeros for an expert without rows
int GroupedWeightGradient(const Grouped& shapes, const void* dy, const void* x, float* dweight, void* stream);

}  // namespace cogent::cuda
