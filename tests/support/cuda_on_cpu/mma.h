// Tensor cores, for cuda_runtime.h beside it: every thread of a warp has the whole square, where on a GPU each has a part of it.
#pragma once

#include <iterator>
#include <type_traits>

#include "cuda_bf16.h"
#include "cuda_runtime.h"

namespace nvcuda::wmma {

struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major };

template <typename Use, int M, int N, int K, typename T, typename Layout = void>
struct fragment {
  static_assert(M == 16 && N == 16 && K == 16);
  float at[16][16];  // row, column
};

template <typename F>
void fill_fragment(F& f, float value) {
  for (auto& row : f.at) std::fill(std::begin(row), std::end(row), value);
}

template <typename Use, typename T, typename Layout>
void load_matrix_sync(fragment<Use, 16, 16, 16, T, Layout>& f, const T* from, unsigned stride) {
  for (unsigned i = 0; i < 16; ++i) {
    for (unsigned j = 0; j < 16; ++j) f.at[i][j] = static_cast<float>(std::is_same_v<Layout, row_major> ? from[i * stride + j] : from[j * stride + i]);
  }
}

template <typename A, typename B, typename C>
void mma_sync(C& to, const A& a, const B& b, const C& c) {
  C sum = c;
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 16; ++j) {
      for (int k = 0; k < 16; ++k) sum.at[i][j] += a.at[i][k] * b.at[k][j];
    }
  }
  to = sum;
}

template <typename F>
void store_matrix_sync(float* to, const F& f, unsigned stride, layout_t) {
  if (threadIdx.x % 32 != 0) return;
  for (unsigned i = 0; i < 16; ++i) std::copy(f.at[i], f.at[i] + 16, to + i * stride);
}

}  // namespace nvcuda::wmma
