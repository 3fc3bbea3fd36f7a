// One block a row; a thread has a run of neighbouring ids to draw from. Passes for the largest logits and for the sums, and the thread
// whose run holds the draw walks it.
#include <cuda_runtime.h>

#include <cmath>

#include "policies/block_cuda.h"
#include "policies/sampling_cuda.h"

namespace cogent::cuda {
namespace {

__global__ void DrawKernel(const float* logits, int width, int vocabulary, float cold, const double* uniforms, std::int64_t* ids,
                           float* logprobs, float* sampled_logprobs) {
  const float* row = logits + static_cast<std::int64_t>(blockIdx.x) * width;
  const int run = (vocabulary + kThreads - 1) / kThreads;
  const int begin = min(static_cast<int>(threadIdx.x) * run, vocabulary), end = min(begin + run, vocabulary);
  float top = -INFINITY;
  for (int i = begin; i < end; ++i) top = fmaxf(top, row[i]);
  top = Reduce(top, Larger());
  float top_of_all = top;
  for (int i = vocabulary + static_cast<int>(threadIdx.x); i < width; i += kThreads) top_of_all = fmaxf(top_of_all, row[i]);
  top_of_all = Reduce(top_of_all, Larger());
  double all = 0.0, own = 0.0;
  for (int i = static_cast<int>(threadIdx.x); i < width; i += kThreads) all += expf(row[i] - top_of_all);
  for (int i = begin; i < end; ++i) own += expf((row[i] - top) * cold);
  all = Reduce(all, Add());
  const RunningSum<double> sums = Accumulate(own);
  const auto take = [&](int id) {
    ids[blockIdx.x] = id;
    logprobs[blockIdx.x] = row[id] - top_of_all - static_cast<float>(log(all));
    sampled_logprobs[blockIdx.x] = (row[id] - top) * cold - static_cast<float>(log(sums.total));
  };
  if (!(sums.total > 0.0)) {  // not a number
    if (threadIdx.x == 0) take(0);
    return;
  }
  // The first thread whose share goes beyond the draw, or the last that has one: the sums of two threads are rounded differently.
  const double draw = uniforms[blockIdx.x] * sums.total;
  const int thread = static_cast<int>(threadIdx.x), claim = own == 0.0 ? -1 : sums.with > draw ? 2 * kThreads - thread : thread;
  if (claim != Reduce(claim, Larger())) return;
  double passed = sums.before;
  int id = begin;
  for (int i = begin; i < end; ++i) {
    const float share = expf((row[i] - top) * cold);
    if (share == 0.0f) continue;
    id = i;
    passed += share;
    if (passed > draw) break;
  }
  take(id);
}

}  // namespace

int DrawTokens(const float* logits, int rows, int width, int vocabulary, float temperature, const double* uniforms, std::int64_t* ids,
               float* logprobs, float* sampled_logprobs, void* stream) {
  if (rows == 0) return cudaSuccess;
  return Launch(DrawKernel, dim3(rows), stream, logits, width, vocabulary, 1.0f / temperature, uniforms, ids, logprobs, sampled_logprobs);
}

}  // namespace cogent::cuda
