// How the CPU kernels see a tensor: rows of floats at a distance. Private to policies/ops*.cc.
#pragma once

#include <ATen/core/Tensor.h>

#include <initializer_list>

#include "core/error.h"

namespace cogent::ops {

// Float32 rows [rows, width]; keeps a contiguous copy alive where the last dimension was not dense.
struct Rows {
  explicit Rows(const at::Tensor& t) : held(t.dim() == 2 && (t.stride(1) == 1 || t.size(1) == 1) ? t : t.contiguous()) {
    Check(held.dim() == 2, "an operation on rows needs a matrix");
    data = held.const_data_ptr<float>();
    rows = static_cast<int>(held.size(0));
    width = static_cast<int>(held.size(1));
    stride = rows > 1 ? held.stride(0) : width;
  }
  at::Tensor held;
  const float* data = nullptr;
  std::ptrdiff_t stride = 0;
  int rows = 0, width = 0;
};

inline float* Data(const at::Tensor& t) { return t.mutable_data_ptr<float>(); }

// Our kernels take float32 on the CPU; everything else goes through device::, or the reference where that has nothing.
inline bool OnFastPath(std::initializer_list<at::Tensor> tensors) {
  for (const at::Tensor& t : tensors) {
    if (!t.is_cpu() || t.scalar_type() != at::kFloat) return false;
  }
  return true;
}

}  // namespace cogent::ops
