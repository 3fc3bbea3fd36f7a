// One block a row: a pass for the largest logit, one for the sums; the gradient needs a single pass.
#include <cuda_runtime.h>

#include <cmath>

#include "policies/block_cuda.h"
#include "policies/head_cuda.h"

namespace cogent::cuda {
namespace {

__global__ void ForwardKernel(const float* logits, const std::int64_t* targets, int vocabulary, float cold, float* logprobs, float* entropy,
                              float* log_sums) {
  const float* row = logits + static_cast<std::int64_t>(blockIdx.x) * vocabulary;
  float top = -INFINITY;
  for (int i = threadIdx.x; i < vocabulary; i += kThreads) top = fmaxf(top, row[i]);
  top = Reduce(top, Larger()) * cold;
  float sum = 0.0f, weighted = 0.0f;
  for (int i = threadIdx.x; i < vocabulary; i += kThreads) {
    const float x = row[i] * cold - top, e = expf(x);
    sum += e;
    weighted += e * x;
  }
  sum = Reduce(sum, Add());
  weighted = Reduce(weighted, Add());
  if (threadIdx.x != 0) return;
  const float log_sum = top + logf(sum);
  log_sums[blockIdx.x] = log_sum;
  logprobs[blockIdx.x] = row[targets[blockIdx.x]] * cold - log_sum;
  entropy[blockIdx.x] = log_sum - (top + weighted / sum);
}

// d logprob / d logit_j = [j = t] - p_j;  d entropy / d logit_j = -p_j (log p_j + entropy).
__global__ void BackwardKernel(float* logits, const std::int64_t* targets, int vocabulary, float cold, const float* log_sums,
                               const float* entropy, const float* d_logprobs, const float* d_entropy) {
  float* row = logits + static_cast<std::int64_t>(blockIdx.x) * vocabulary;
  const float log_sum = log_sums[blockIdx.x], h = entropy[blockIdx.x];
  const float gl = d_logprobs[blockIdx.x] * cold, ge = d_entropy[blockIdx.x] * cold;
  const std::int64_t target = targets[blockIdx.x];
  for (int i = threadIdx.x; i < vocabulary; i += kThreads) {
    const float log_p = row[i] * cold - log_sum, p = expf(log_p);
    row[i] = (i == target ? gl : 0.0f) - p * (gl + ge * (log_p + h));
  }
}

}  // namespace

int TokenLogprobs(const float* logits, const std::int64_t* targets, int rows, int vocabulary, float temperature, float* logprobs,
                  float* entropy, float* log_sums, void* stream) {
  if (rows == 0) return cudaSuccess;
  return Launch(ForwardKernel, dim3(rows), stream, logits, targets, vocabulary, 1.0f / temperature, logprobs, entropy, log_sums);
}

int TokenLogprobsBackward(float* logits, const std::int64_t* targets, int rows, int vocabulary, float temperature, const float* log_sums,
                          const float* entropy, const float* d_logprobs, const float* d_entropy, void* stream) {
  if (rows == 0) return cudaSuccess;
  return Launch(BackwardKernel, dim3(rows), stream, logits, targets, vocabulary, 1.0f / temperature, log_sums, entropy, d_logprobs, d_entropy);
}

}  // namespace cogent::cuda
