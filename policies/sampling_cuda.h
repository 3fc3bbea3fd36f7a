// One draw for each row of logits on a GPU: raw pointers and a stream, no LibTorch. The CPU twin is SampleToken (sampling.h), and of
// its ways the one without cuts (top-k, top-p, min-p), repetition penalty or greedy choice; device_decoder.cc has the others.
#pragma once

#include <cstdint>

namespace cogent::cuda {

// For each of `rows` rows of logits [rows, width], of which the first `vocabulary` may be drawn: the token in whose share of their
// softmax(logits / temperature), ids rising, uniforms[row] of [0, 1) falls; its log-probability in nats under the softmax of the whole
// row of logits, and under what it was drawn from. Id 0 with logprobs of NaN where a logit is none. All pointers are device memory;
// `stream` is a cudaStream_t. REQUIRES temperature > 0. Returns a cudaError_t as int.
int DrawTokens(const float* logits, int rows, int width, int vocabulary, float temperature, const double* uniforms, std::int64_t* ids,
               float* logprobs, float* sampled_logprobs, void* stream);

}  // namespace cogent::cuda
