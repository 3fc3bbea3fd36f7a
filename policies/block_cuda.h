// What kernels of one block a task share: a launch, and sums and largest values over the threads of a block, in a fixed order.
// For .cu files only. Where no GPU is, tests/support/cuda_on_cpu runs the same kernels on the CPU.
#pragma once

#include <cuda_runtime.h>

#include <utility>

namespace cogent::cuda {

constexpr int kThreads = 256;  // of a block

// Starts `kernel` on `grid` blocks of kThreads threads in the stream. Returns a cudaError_t as int.
template <typename... Parameters, typename... Arguments>
int Launch(void (*kernel)(Parameters...), dim3 grid, void* stream, Arguments&&... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(kThreads);
  config.stream = static_cast<cudaStream_t>(stream);
  return cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...);
}

struct Add {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Larger {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

// One value a thread, joined; every thread gets the result. Every thread of the block must call it.
template <typename T, typename Join>
__device__ T Reduce(T value, Join join) {
  __shared__ T shared[kThreads];
  shared[threadIdx.x] = value;
  __syncthreads();
  for (unsigned width = kThreads / 2; width > 0; width /= 2) {
    if (threadIdx.x < width) shared[threadIdx.x] = join(shared[threadIdx.x], shared[threadIdx.x + width]);
    __syncthreads();
  }
  const T result = shared[0];
  __syncthreads();
  return result;
}

// The sums of the values of the threads up to this one, without (`before`) and with (`with`) its own.
template <typename T>
struct RunningSum {
  T before, with, total;
};

template <typename T>
__device__ RunningSum<T> Accumulate(T value) {
  __shared__ T shared[kThreads];
  shared[threadIdx.x] = value;
  __syncthreads();
  for (unsigned step = 1; step < kThreads; step *= 2) {
    const T left = threadIdx.x >= step ? shared[threadIdx.x - step] : T{};
    __syncthreads();
    shared[threadIdx.x] += left;
    __syncthreads();
  }
  const RunningSum<T> sums = {threadIdx.x > 0 ? shared[threadIdx.x - 1] : T{}, shared[threadIdx.x], shared[kThreads - 1]};
  __syncthreads();
  return sums;
}

}  // namespace cogent::cuda
