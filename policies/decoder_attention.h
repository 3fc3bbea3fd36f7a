// Attention over the decoder's cache, whose numbers are float32 or bfloat16: one thread's kernels. Private to decoder.cc.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "policies/kernels.h"

namespace cogent {

using Bfloat16 = std::uint16_t;  // the upper half of a float's bits

// To nearest, ties to even. A NaN may become infinite.
inline void Keep(float x, float* to) { *to = x; }
inline void Keep(float x, Bfloat16* to) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  *to = static_cast<Bfloat16>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}
inline Vec Load(const Bfloat16* p) {
  typedef Bfloat16 Halves __attribute__((vector_size(2 * kLanes), aligned(2)));
  typedef std::uint32_t Bits __attribute__((vector_size(4 * kLanes)));
  return reinterpret_cast<Vec>(__builtin_convertvector(*reinterpret_cast<const Halves*>(p), Bits) << 16);
}
inline Vec LoadPart(const Bfloat16* p, int n) {
  Bfloat16 buffer[kLanes] = {};
  std::memcpy(buffer, p, static_cast<std::size_t>(n) * sizeof(Bfloat16));
  return Load(buffer);
}

// Keys and values that some heads read, laid out as decoder.h says. `values` null: they are the first value_size numbers of the keys, and
// the run behind this one will read `next`.
template <typename Number>
struct CachePart {
  const Number *keys = nullptr, *values = nullptr, *next = nullptr;
  int key_size = 0, value_size = 0, heads = 0;
};

// Tokens of one sequence against its cache, the first of them at `position`: softmax(query K^T) V over the positions up to each one's
// own, for every head that reads this part. query [tokens, heads, key_size] and mixed [tokens, heads, value_size], rows strides apart. The keys are
// read once for eight queries, and a query's bits do not depend on the others. Number is float or Bfloat16.
template <typename Number>
void AttendRun(const CachePart<Number>& part, const float* query, std::ptrdiff_t query_stride, int tokens, int position, float* mixed,
               std::ptrdiff_t mixed_stride);

}  // namespace cogent
