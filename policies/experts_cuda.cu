// A block makes tiles of 64 columns and 16 or 64 rows of a result: float32 by each thread's own sums, bfloat16 on tensor cores.
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <mma.h>

#include "policies/block_cuda.h"
#include "policies/experts_cuda.h"

namespace cogent::cuda {
namespace {

constexpr int kColumns = 64, kDepth = 32;  // of a tile: of the result, of the factors held at a time
// Strides in shared memory, so that what a warp reads at once lies in many banks; tensor cores want them in multiples of 16 bytes.
template <typename T>
constexpr int kWide = sizeof(T) == 4 ? kDepth + 1 : kDepth + 8;
constexpr int kRow = kColumns + 4;

// A matrix as a kernel reads it: element (i, j) stands at data[i * row + j * column].
template <typename T>
struct View {
  const T* data;
  std::int64_t row, column;
};

// rows x kDepth numbers of `from` from column k on, zeros beyond its edges. Threads run along what is contiguous.
template <int kRows, typename T>
__device__ void Fetch(T (*to)[kWide<T>], const View<T>& from, int rows, int k, int depth) {
  const bool along_columns = from.column == 1;
  for (int n = threadIdx.x; n < kRows * kDepth; n += kThreads) {
    const int i = along_columns ? n / kDepth : n % kRows, j = along_columns ? n % kDepth : n / kRows;
    to[i][j] = i < rows && k + j < depth ? from.data[i * from.row + (k + j) * from.column] : T(0.0f);
  }
}

// The sums of one thread or warp over a tile's depth, and what becomes of them.
template <typename T, int kRows>
struct Sums;

template <int kRows>
struct Sums<float, kRows> {  // 16 threads a row of threads; each has kRows / 16 by 4 sums
  static constexpr int kOwn = kRows / 16;
  float sums[kOwn][4] = {};

  __device__ void Multiply(float (*a)[kWide<float>], float (*b)[kWide<float>]) {
    const int row = threadIdx.x / 16, column = threadIdx.x % 16;
    for (int k = 0; k < kDepth; ++k) {
      for (int i = 0; i < kOwn; ++i) {
        for (int j = 0; j < 4; ++j) sums[i][j] += a[row + 16 * i][k] * b[column + 16 * j][k];
      }
    }
  }
  __device__ void Store(float (*to)[kRow]) const {
    const int row = threadIdx.x / 16, column = threadIdx.x % 16;
    for (int i = 0; i < kOwn; ++i) {
      for (int j = 0; j < 4; ++j) to[row + 16 * i][column + 16 * j] = sums[i][j];
    }
  }
};

template <int kRows>
struct Sums<__nv_bfloat16, kRows> {  // squares of 16 by 16, four beside one another, dealt to eight warps; of 16 rows four have none
  static constexpr int kSquares = kRows / 16 * 4, kWarps = kThreads / 32, kOwn = (kSquares + kWarps - 1) / kWarps;
  nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float> sums[kOwn];

  __device__ Sums() {
    for (auto& square : sums) nvcuda::wmma::fill_fragment(square, 0.0f);
  }
  __device__ void Multiply(__nv_bfloat16 (*a)[kWide<__nv_bfloat16>], __nv_bfloat16 (*b)[kWide<__nv_bfloat16>]) {
    using namespace nvcuda::wmma;
    fragment<matrix_a, 16, 16, 16, __nv_bfloat16, row_major> left;
    fragment<matrix_b, 16, 16, 16, __nv_bfloat16, col_major> right;
    for (int own = 0, square = threadIdx.x / 32; own < kOwn && square < kSquares; ++own, square += kWarps) {
      for (int k = 0; k < kDepth; k += 16) {
        load_matrix_sync(left, &a[square / 4 * 16][k], kWide<__nv_bfloat16>);
        load_matrix_sync(right, &b[square % 4 * 16][k], kWide<__nv_bfloat16>);
        mma_sync(sums[own], left, right, sums[own]);
      }
    }
  }
  __device__ void Store(float (*to)[kRow]) const {
    for (int own = 0, square = threadIdx.x / 32; own < kOwn && square < kSquares; ++own, square += kWarps) {
      nvcuda::wmma::store_matrix_sync(&to[square / 4 * 16][square % 4 * 16], sums[own], kRow, nvcuda::wmma::mem_row_major);
    }
  }
};

// c[i, j] = sum over k of a(i, k) b(j, k) for i < rows <= kRows, j < columns, of which kColumns at most are made.
template <int kRows, typename T>
__device__ void MakeTile(const View<T>& a, int rows, const View<T>& b, int columns, int depth, float* c, std::int64_t stride) {
  alignas(32) __shared__ T left[kRows][kWide<T>];
  alignas(32) __shared__ T right[kColumns][kWide<T>];
  alignas(32) __shared__ float result[kRows][kRow];
  Sums<T, kRows> sums;
  for (int k = 0; k < depth; k += kDepth) {
    Fetch<kRows>(left, a, rows, k, depth);
    Fetch<kColumns>(right, b, columns, k, depth);
    __syncthreads();
    sums.Multiply(left, right);
    __syncthreads();
  }
  sums.Store(result);
  __syncthreads();
  for (int n = threadIdx.x; n < kRows * kColumns; n += kThreads) {
    const int i = n / kColumns, j = n % kColumns;
    if (i < rows && j < columns) c[i * stride + j] = result[i][j];
  }
}

// Columns by blockIdx.x, an expert by blockIdx.y; its tiles of rows are dealt to the blocks of blockIdx.z. `weight` is the view of
// the first expert's matrix, [columns, depth].
template <int kRows, typename T>
__global__ void RowsKernel(View<T> x, View<T> weight, std::int64_t matrix, const std::int32_t* begin, int columns, int depth, float* y) {
  const int first = begin[blockIdx.y], last = begin[blockIdx.y + 1], column = blockIdx.x * kColumns;
  weight.data += blockIdx.y * matrix + column * weight.row;
  for (int row = first + static_cast<int>(blockIdx.z) * kRows; row < last; row += static_cast<int>(gridDim.z) * kRows) {
    MakeTile<kRows, T>({x.data + row * x.row, x.row, x.column}, min(last - row, kRows), weight, columns - column, depth,
                       y + static_cast<std::int64_t>(row) * columns + column, columns);
  }
}

// Columns of dweight by blockIdx.x, rows by blockIdx.y, an expert by blockIdx.z.
template <typename T>
__global__ void WeightKernel(const T* dy, const T* x, const std::int32_t* begin, int out, int in, float* dweight) {
  const int first = begin[blockIdx.z], count = begin[blockIdx.z + 1] - first, row = blockIdx.y * 64, column = blockIdx.x * kColumns;
  const std::int64_t at = first;
  MakeTile<64, T>({dy + at * out + row, 1, out}, min(out - row, 64), {x + at * in + column, 1, in}, in - column, count,
                  dweight + (static_cast<std::int64_t>(blockIdx.z) * out + row) * in + column, in);
}

// A block an expert; a thread has a run of neighbouring pairs.
__global__ void SortKernel(const std::int32_t* experts, int pairs, std::int64_t* order, std::int64_t* place_of, std::int32_t* begin) {
  const int own = blockIdx.x, run = (pairs + kThreads - 1) / kThreads;
  const int from = min(static_cast<int>(threadIdx.x) * run, pairs), to = min(from + run, pairs);
  int mine = 0, smaller = 0;
  for (int i = from; i < to; ++i) mine += experts[i] == own, smaller += experts[i] < own;
  const int first = Reduce(smaller, Add());
  int place = first + Accumulate(mine).before;
  for (int i = from; i < to; ++i) {
    if (experts[i] != own) continue;
    order[place] = i;
    place_of[i] = place++;
  }
  if (threadIdx.x == 0) begin[own] = first;
  if (threadIdx.x == 0 && own + 1 == static_cast<int>(gridDim.x)) begin[gridDim.x] = pairs;
}

unsigned Tiles(int count, int size) { return static_cast<unsigned>((count + size - 1) / size); }

template <typename T>
int MultiplyRows(const Grouped& s, const void* x, int depth, const void* weight, int columns, bool transposed, float* y, void* stream) {
  if (s.rows == 0) return cudaSuccess;
  const View<T> left = {static_cast<const T*>(x), depth, 1};
  const View<T> right = {static_cast<const T*>(weight), transposed ? 1 : depth, transposed ? columns : 1};
  const auto launch = [&](auto kernel, int rows) {  // as many blocks an expert as rows that lie evenly would fill, and one more
    const dim3 grid(Tiles(columns, kColumns), static_cast<unsigned>(s.groups), Tiles(s.rows, rows * s.groups) + 1);
    return Launch(kernel, grid, stream, left, right, static_cast<std::int64_t>(s.in) * s.out, s.begin, columns, depth, y);
  };
  return s.rows / s.groups < 32 ? launch(RowsKernel<16, T>, 16) : launch(RowsKernel<64, T>, 64);
}

}  // namespace

int SortByExpert(const std::int32_t* experts, int pairs, int groups, std::int64_t* order, std::int64_t* place_of, std::int32_t* begin, void* stream) {
  return Launch(SortKernel, dim3(static_cast<unsigned>(groups)), stream, experts, pairs, order, place_of, begin);
}

int GroupedProduct(const Grouped& s, const void* x, const void* weight, float* y, void* stream) {
  return s.element == Element::kFloat32 ? MultiplyRows<float>(s, x, s.in, weight, s.out, false, y, stream)
                                        : MultiplyRows<__nv_bfloat16>(s, x, s.in, weight, s.out, false, y, stream);
}

int GroupedInputGradient(const Grouped& s, const void* dy, const void* weight, float* dx, void* stream) {
  return s.element == Element::kFloat32 ? MultiplyRows<float>(s, dy, s.out, weight, s.in, true, dx, stream)
                                        : MultiplyRows<__nv_bfloat16>(s, dy, s.out, weight, s.in, true, dx, stream);
}

int GroupedWeightGradient(const Grouped& s, const void* dy, const void* x, float* dweight, void* stream) {
  const dim3 grid(Tiles(s.in, kColumns), Tiles(s.out, 64), static_cast<unsigned>(s.groups));
  const auto launch = [&](auto kernel, const auto* left, const auto* right) { return Launch(kernel, grid, stream, left, right, s.begin, s.out, s.in, dweight); };
  if (s.element == Element::kFloat32) return launch(WeightKernel<float>, static_cast<const float*>(dy), static_cast<const float*>(x));
  return launch(WeightKernel<__nv_bfloat16>, static_cast<const __nv_bfloat16*>(dy), static_cast<const __nv_bfloat16*>(x));
}

}  // namespace cogent::cuda
