// The CPU kernels of decoding and training: small, single-threaded, on plain memory. Threads are the
// caller's: each works on rows of its own.
//
// Every output element is summed in one fixed order that does not depend on how many rows stand
// beside it. So a token's logits are the same bits whatever the batch, the slot or the thread: that
// is what makes a completion depend on its own seed alone.
//
// Vectors are one register wide, by the compiler's vector extension: 16 floats with AVX-512, 8 with AVX, 4 elsewhere. Wider ones
// than the processor has are possible, too, but GCC takes them apart through memory, at a tenth of the speed.
// All matrices are row-major float32; `stride` is the distance of rows, in floats.
#pragma once

#ifdef __FMA__
#include <immintrin.h>
#endif

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

namespace cogent {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
#elif defined(__AVX__)
inline constexpr int kLanes = 8;
#else
inline constexpr int kLanes = 4;
#endif
// Vector registers of the processor: what a kernel may hold without spilling.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int kRegisters = 32;
#else
inline constexpr int kRegisters = 16;
#endif
typedef float Vec __attribute__((vector_size(4 * kLanes), aligned(4 * kLanes)));
typedef float LooseVec __attribute__((vector_size(4 * kLanes), aligned(4)));
typedef std::int32_t IntVec __attribute__((vector_size(4 * kLanes), aligned(4 * kLanes)));

inline Vec Load(const float* p) { return *reinterpret_cast<const LooseVec*>(p); }
inline void Store(float* p, Vec v) { *reinterpret_cast<LooseVec*>(p) = v; }
inline Vec Fill(float x) { return x - Vec{}; }  // a broadcast: less zero is nothing, also for -0, and plus zero is an addition
// The first n (< kLanes) floats, zeros behind.
inline Vec LoadPart(const float* p, int n) {
  alignas(64) float buffer[kLanes] = {};
  std::memcpy(buffer, p, static_cast<std::size_t>(n) * sizeof(float));
  return Load(buffer);
}
inline void StorePart(float* p, Vec v, int n) {
  alignas(64) float buffer[kLanes];
  Store(buffer, v);
  std::memcpy(p, buffer, static_cast<std::size_t>(n) * sizeof(float));
}
// y = x, and y += x, of n floats that are few enough for a call to count.
inline void CopyRow(const float* x, int n, float* y) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(y + i, Load(x + i));
  for (; i < n; ++i) y[i] = x[i];
}
inline void AddRow(const float* x, int n, float* y) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(y + i, Load(y + i) + Load(x + i));
  for (; i < n; ++i) y[i] += x[i];
}
// A tree of halves: of 16 lanes i and i + 8, then i + 4, i + 2, i + 1.
template <typename Merge>
inline float Fold(Vec v, const Merge& merge) {
  typedef float Eight __attribute__((vector_size(32)));
  typedef float Four __attribute__((vector_size(16)));
  Four four;
  if constexpr (kLanes == 4) {
    std::memcpy(&four, &v, sizeof four);
  } else {
    Eight eight;
    if constexpr (kLanes == 16) {
      Eight half[2];
      std::memcpy(half, &v, sizeof half);
      eight = merge(half[0], half[1]);
    } else {
      std::memcpy(&eight, &v, sizeof eight);
    }
    Four quarter[2];
    std::memcpy(quarter, &eight, sizeof quarter);
    four = merge(quarter[0], quarter[1]);
  }
  const float low = merge(four[0], four[2]), high = merge(four[1], four[3]);
  return merge(low, high);
}
inline float Sum(Vec v) {
  return Fold(v, [](auto a, auto b) { return a + b; });
}
inline float Largest(Vec v) {
  return Fold(v, [](auto a, auto b) { return a > b ? a : b; });
}
// Lanes of a and b in turns: of their lower halves, or of their upper ones.
template <int... kLane>
inline Vec Zip(Vec a, Vec b, std::integer_sequence<int, kLane...>, bool upper) {
  return upper ? __builtin_shufflevector(a, b, ((kLanes + kLane) / 2 + kLane % 2 * kLanes)...)
               : __builtin_shufflevector(a, b, (kLane / 2 + kLane % 2 * kLanes)...);
}
// Lane i: the sum of v[i], which it uses up. Two vectors become one of their sums of two lanes, until one is left.
template <int kHalf = kLanes / 2>
inline Vec SumEach(Vec (&v)[kLanes]) {
  constexpr std::make_integer_sequence<int, kLanes> lanes;
  for (int i = 0; i < kHalf; ++i) v[i] = Zip(v[i], v[i + kHalf], lanes, false) + Zip(v[i], v[i + kHalf], lanes, true);
  if constexpr (kHalf > 1) return SumEach<kHalf / 2>(v);
  else return v[0];
}
inline float Dot(const float* a, const float* b, int n) {
  Vec sums{};
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) sums += Load(a + i) * Load(b + i);
  if (i < n) sums += LoadPart(a + i, n - i) * LoadPart(b + i, n - i);
  return Sum(sums);
}
// sum + x w, rounded once where the processor can: left to the compiler it is so in one block and not in another, and a row's bits
// would depend on how many rows stand beside it.
inline Vec FusedSum(Vec sum, Vec x, Vec w) {
#if defined(__AVX512F__)
  return reinterpret_cast<Vec>(_mm512_fmadd_ps(reinterpret_cast<__m512>(x), reinterpret_cast<__m512>(w), reinterpret_cast<__m512>(sum)));
#elif defined(__FMA__)
  return reinterpret_cast<Vec>(_mm256_fmadd_ps(reinterpret_cast<__m256>(x), reinterpret_cast<__m256>(w), reinterpret_cast<__m256>(sum)));
#else
  return sum + x * w;
#endif
}
inline Vec Max(Vec a, Vec b) { return a > b ? a : b; }
// e^x within 2 units in the last place for x in [-87, 88]; 0 below, +inf is not produced.
inline Vec Exp(Vec x) {
  x = x > 88.0f ? Fill(88.0f) : x;
  const auto tiny = x < -87.0f;
  x = tiny ? Fill(-87.0f) : x;
  const float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  Vec n = x * 1.44269504088896341f + kRound;
  n -= kRound;
  Vec r = x - n * 0.693359375f;
  r -= n * -2.12194440e-4f;
  Vec p = Fill(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const IntVec power = (__builtin_convertvector(n, IntVec) + 127) << 23;
  Vec scale;
  std::memcpy(&scale, &power, sizeof scale);
  return tiny ? Vec{} : p * scale;
}
inline Vec Sigmoid(Vec x) { return 1.0f / (1.0f + Exp(-x)); }

// Memory that kernels read and write: it begins at a cache line, for a vector that lies across two costs twice, and what a size or
// resize() asks for without a value holds anything.
template <typename T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};
  LineAllocator() = default;
  template <typename U>
  LineAllocator(const LineAllocator<U>&) {}
  T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kLine)); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, kLine); }
  template <typename U, typename... Values>
  void construct(U* p, Values&&... values) {
    if constexpr (sizeof...(Values) == 0) ::new (static_cast<void*>(p)) U;
    else ::new (static_cast<void*>(p)) U(std::forward<Values>(values)...);
  }
  bool operator==(const LineAllocator&) const { return true; }
};
using Floats = std::vector<float, LineAllocator<float>>;
// `size` places of a buffer that grows as it must.
template <typename Buffer>
typename Buffer::value_type* Room(Buffer& buffer, std::size_t size) {
  if (buffer.size() < size) buffer.resize(size);
  return buffer.data();
}

// What is multiplied. kBfloat16 rounds both factors to bfloat16 and sums in float32: half the memory, and faster on processors
// that have instructions for it: matrix tiles (AMX, tiles.h) or AVX512_BF16. Tiles and vectors add in different orders, so bits differ
// between such processors; on one, a row's bits are the same among any number of rows.
enum class Products { kFloat32, kBfloat16 };
// What gains time where memory is not what counts: kFloat32 for kBfloat16 on processors without the instruction.
Products Supported(Products wanted);

// A weight matrix, rearranged so that a product streams through it. Columns of the product come in
// panels of two vectors, the last of one when that is enough.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  // The product will be x * weight^T: `weight` is [out, in] as in a checkpoint, rows `stride` apart.
  void Pack(const float* weight, int out, int in, std::ptrdiff_t stride, Products products = Products::kFloat32) {
    PackAny(weight, 1, stride, in, out, products);
  }
  // The product will be x * weight: `weight` is [in, out], rows `stride` apart.
  void PackTransposed(const float* weight, int in, int out, std::ptrdiff_t stride, Products products = Products::kFloat32) {
    PackAny(weight, stride, 1, in, out, products);
  }
  int out() const { return out_; }
  int in() const { return in_; }
  std::size_t bytes() const { return panels_.size() * sizeof(float); }

  static constexpr int kPanel = 2 * kLanes;  // columns
  enum class Into { kReplace, kAccumulate };
  // A part of a product: columns `first`, a multiple of kPanel, to `columns`, rounded up to a panel (-1: out), and of x and the matrix
  // only the first `depth` of k, as if the rest of x were zeros (-1: in; float32 only). Threads may share a product: every element is the
  // same bits as in a whole one.
  struct Part {
    int first = 0, columns = -1, depth = -1;
  };
  // y[rows, out] = x[rows, in] * packed, plus bias if given, plus what y held if kAccumulate.
  void Multiply(const float* x, std::ptrdiff_t x_stride, int rows, float* y, std::ptrdiff_t y_stride,
                Into into = Into::kReplace, const float* bias = nullptr, Part part = {0, -1, -1}) const;

  // The same in two steps, where several threads make parts of one product: each row is rounded once, to `units()` floats (of
  // two bfloat16 each; for float32 Narrow has nothing to do and MultiplyUnits takes x).
  int units() const { return products_ == Products::kBfloat16 ? (in_ + 1) / 2 : in_; }
  Products products() const { return products_; }
  void Narrow(const float* x, std::ptrdiff_t x_stride, int rows, float* units) const;
  void MultiplyUnits(const float* units, std::ptrdiff_t units_stride, int rows, float* y, std::ptrdiff_t y_stride, Into into, const float* bias,
                     Part part) const;

 private:
  void PackAny(const float* base, std::ptrdiff_t k_stride, std::ptrdiff_t o_stride, int in, int out, Products products);

  int out_ = 0, in_ = 0;
  Products products_ = Products::kFloat32;
  Floats panels_;  // [panel][in][two vectors or one], zeros behind the last column
};

// A weight as it lies in memory: [out, in], or [in, out] if `turned`, rows `stride` apart.
struct MatrixView {
  const float* data;
  int out, in;
  std::ptrdiff_t stride;
  bool turned = false;
};
// As PackedMatrix's Multiply, to the bit, of a weight that is used once: columns are packed as many at a time as stay in the second
// cache level.
void MultiplyOnce(const float* x, std::ptrdiff_t x_stride, int rows, const MatrixView& weight, Products products, float* y, std::ptrdiff_t y_stride,
                  PackedMatrix::Into into = PackedMatrix::Into::kReplace, const float* bias = nullptr);

// c[m, n] += a[rows, m]^T * b[rows, n]: the gradient of a weight from its output's and its input.
void AccumulateOuter(const float* a, std::ptrdiff_t a_stride, int m, const float* b, std::ptrdiff_t b_stride, int n, int rows,
                     float* c, std::ptrdiff_t c_stride, Products products = Products::kFloat32);

// weight[rows, width] += scale * up[rows, rank] * down[rank, width], all of them dense: an adapter becomes part of its matrix.
void AddLowRank(const float* down, const float* up, int rows, int width, int rank, float scale, float* weight);

// y = x / sqrt(mean(x^2) + eps) * weight for each row. Returns 1 / sqrt(...) of each row in `scale` if given.
void RmsNormRows(const float* x, std::ptrdiff_t x_stride, const float* weight, float eps, int rows, int width,
                 float* y, std::ptrdiff_t y_stride, float* scale = nullptr);
// y[i] = silu(gate_up[i]) * gate_up[width + i] for each row of 2 * width.
void SwiGluRows(const float* gate_up, std::ptrdiff_t stride, int rows, int width, float* y, std::ptrdiff_t y_stride);
// Gradient of SwiGluRows: d_gate_up from dy; reads gate_up again.
void SwiGluBackwardRows(const float* gate_up, std::ptrdiff_t stride, const float* dy, std::ptrdiff_t dy_stride, int rows, int width,
                        float* d_gate_up, std::ptrdiff_t d_stride);
// What the gradient of RmsNormRows reads: its input, weight and `scale` as it returned it, its output's gradient, and rows that join the
// input's gradient, if given.
struct NormGradient {
  const float* x;
  std::ptrdiff_t x_stride;
  const float *weight, *scale, *dy;
  std::ptrdiff_t dy_stride;
  const float* others = nullptr;
  std::ptrdiff_t others_stride = 0;
};
// dx (replaced) and d_weight (added to).
void RmsNormBackwardRows(const NormGradient& of, int rows, int width, float* dx, std::ptrdiff_t dx_stride, float* d_weight);
// Of a row of logits times `scale`: the log of the sum of their exponentials, and their mean under the probabilities.
struct LogitSums {
  float log_sum, mean;
};
LogitSums SumLogits(const float* logits, int count, float scale);
// log p of one of them; the same bits wherever a token is drawn or learned from.
inline float LogProbability(float logit, float scale, float log_sum) { return std::fma(logit, scale, -log_sum); }
// Rotates pairs (x[2i], x[2i+1]) by the cosines and sines of one position, in place, interleaved order kept.
void RotatePairs(float* x, const float* cosines, const float* sines, int pairs);
// The same for pairs (x[i], x[pairs + i]).
void RotateHalves(float* x, const float* cosines, const float* sines, int pairs);

// The router of one token: from E logits to K experts and their weights. Scores are sigmoids (DeepSeek-V3 report, equations
// 12-16 with groups) or, with `softmax`, probabilities over all experts (Qwen3-MoE). Experts come in rising order; ties go
// to the smaller id.
struct RouterRule {
  int experts = 0, chosen = 0, groups = 1, kept_groups = 1;
  bool normalize = true;
  float scale = 1.0f;
  bool softmax = false;
};
void RouteToken(const RouterRule& rule, const float* logits, const float* bias, std::int32_t* experts, float* weights,
                float* scores);
// The weights of experts that are chosen already, as RouteToken gives them: a rollout's routing, replayed.
void WeighExperts(const RouterRule& rule, const float* logits, const std::int32_t* experts, float* weights, float* scores);

}  // namespace cogent
