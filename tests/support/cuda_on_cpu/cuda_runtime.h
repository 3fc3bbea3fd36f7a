// CUDA's kernels on the CPU: what policies/*.cu need of the toolkit's header of this name, so that a test can run them where neither
// a toolkit nor a GPU is. The threads of a block take turns, each up to the next __syncthreads(), first to last and then last to
// first, so that what a barrier is missing for comes out wrong; block runs after block. __shared__ is memory of the block at hand.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#define __global__
#define __device__
#define __shared__ static

struct dim3 {
  dim3(unsigned x_size = 1, unsigned y_size = 1, unsigned z_size = 1) : x(x_size), y(y_size), z(z_size) {}
  unsigned x, y, z;
};

using cudaStream_t = void*;
constexpr int cudaSuccess = 0;

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

using std::max;
using std::min;

inline dim3 gridDim, blockDim, blockIdx, threadIdx;

struct CudaBlock {
  std::function<void()> kernel;
  std::vector<ucontext_t> threads;
  std::vector<char> over;
  ucontext_t scheduler;
};
inline CudaBlock cuda_block;

inline void __syncthreads() { swapcontext(&cuda_block.threads[threadIdx.x], &cuda_block.scheduler); }

inline void RunCudaThread() {
  cuda_block.kernel();
  cuda_block.over[threadIdx.x] = 1;
}

constexpr std::size_t kCudaStack = std::size_t{256} << 10;  // bytes of a thread

inline void MakeCudaThread(ucontext_t& thread, char* stack) {
  getcontext(&thread);
  thread.uc_stack.ss_sp = stack, thread.uc_stack.ss_size = kCudaStack;
  thread.uc_link = &cuda_block.scheduler;
  makecontext(&thread, RunCudaThread, 0);
}

template <typename... Parameters, typename... Arguments>
int cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...), Arguments... arguments) {
  gridDim = config->gridDim, blockDim = config->blockDim;
  const unsigned size = blockDim.x;
  const auto stacks = std::make_unique_for_overwrite<char[]>(size * kCudaStack);
  cuda_block.kernel = [=] { kernel(arguments...); };
  cuda_block.threads.resize(size);
  for (unsigned block = 0; block < gridDim.x * gridDim.y * gridDim.z; ++block) {
    blockIdx = dim3(block % gridDim.x, block / gridDim.x % gridDim.y, block / gridDim.x / gridDim.y);
    cuda_block.over.assign(size, 0);
    for (unsigned t = 0; t < size; ++t) MakeCudaThread(cuda_block.threads[t], stacks.get() + t * kCudaStack);
    for (bool rising = true; std::count(cuda_block.over.begin(), cuda_block.over.end(), 0) > 0; rising = !rising) {
      for (unsigned i = 0; i < size; ++i) {
        threadIdx.x = rising ? i : size - 1 - i;
        if (cuda_block.over[threadIdx.x] == 0) swapcontext(&cuda_block.scheduler, &cuda_block.threads[threadIdx.x]);
      }
    }
  }
  return cudaSuccess;
}
