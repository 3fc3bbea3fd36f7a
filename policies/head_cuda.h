// The output head's reduction on a GPU: raw pointers and a stream, no LibTorch, so that it compiles in a
// second wherever an nvcc is. The CPU twin is ops_head.cc; tests/policies/gpu_test.cc holds one
// against the other on machines that have a GPU.
//
// All pointers are device memory; `stream` is a cudaStream_t. Functions return a cudaError_t as int.
#pragma once

#include <cstdint>

namespace cogent::cuda {

// For each of `rows` rows of logits [rows, vocabulary]: log-probability of its target, entropy and
// log-sum-exp, in nats, under softmax(logits / temperature).
int TokenLogprobs(const float* logits, const std::int64_t* targets, int rows, int vocabulary, float temperature, float* logprobs,
                  float* entropy, float* log_sums, void* stream);

// Replaces `logits` by the gradient of sum(d_logprobs * logprobs + d_entropy * entropy).
int TokenLogprobsBackward(float* logits, const std::int64_t* targets, int rows, int vocabulary, float temperature, const float* log_sums,
                          const float* entropy, const float* d_logprobs, const float* d_entropy, void* stream);

}  // namespace cogent::cuda
