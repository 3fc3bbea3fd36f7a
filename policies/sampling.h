// How a token is drawn from logits. No LibTorch.
//
//   SampledToken token = SampleToken(logits, vocabulary, {.temperature = 0.6, .top_p = 0.95}, draws.UniformAt(n));
//
// Thread rule: free functions and plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.h"

namespace cogent {

// The order of application is temperature, top-k, top-p (as in transformers).
struct Sampling {
  double temperature = 1.0;  // divides the logits; 0 = greedy
  int top_k = 0;             // keep the k likeliest, 0 = all
  double top_p = 1.0;        // keep the likeliest until their sum reaches p
  int max_new_tokens = 128;  // the end of sequence counts
  std::vector<std::string> stop;  // a completion ends behind the first of these texts
  bool ignore_eos = false;   // go on behind the end of sequence (benchmarks, fixtures)

  void VisitFields(FieldVisitor& visit);
};

// One draw from a row of logits [vocabulary]: token and both log-probabilities. Ties in greedy choice go
// to the smaller id. `uniform` is in [0, 1).
struct SampledToken {
  std::int32_t id = 0;
  float logprob = 0.0f, sampled_logprob = 0.0f;
};
SampledToken SampleToken(const float* logits, int vocabulary, const Sampling& sampling, double uniform);
// log sum exp of `count` logits: a token's log-probability at temperature 1 is its logit less this.
float LogSumExp(const float* logits, int count);

}  // namespace cogent
