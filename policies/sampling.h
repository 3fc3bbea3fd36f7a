// How a token is drawn from logits. No LibTorch.
//
//   SampledToken token = SampleToken(logits, vocabulary, {.temperature = 0.6, .top_p = 0.95}, draws.UniformAt(n));
//
// Thread rule: free functions and plain values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/config.h"

namespace cogent {

// The order of application is that of transformers: repetition penalty, temperature, top-k, top-p, min-p. Greedy choice
// knows the penalty alone.
struct Sampling {
  double temperature = 1.0;  // divides the logits; 0 = greedy
  int top_k = 0;             // keep the k likeliest, 0 = all
  double top_p = 1.0;        // keep the likeliest until their sum reaches p
  double min_p = 0.0;        // keep those that have at least this share of the likeliest one's probability, 0 = all
  // Of each token that stands in the prompt or the completion so far: a positive logit is divided by it, a negative one
  // multiplied (CTRL, arXiv 1909.05858, section 4.1; for negative logits as transformers does). 1 = none.
  double repetition_penalty = 1.0;
  int max_new_tokens = 128;  // the end of sequence counts
  // Reasoning that is open behind so many tokens of it is closed by force: `thinking_end` is put there token by token, and
  // the completion goes on. 0 = no limit. Forced tokens are not the policy's: nothing may be learned from them as if they were.
  int max_thinking_tokens = 0;
  std::string thinking_start = "<think>", thinking_end = "</think>";
  std::vector<std::string> stop;  // a completion ends behind the first of these texts
  bool ignore_eos = false;   // go on behind the end of sequence (benchmarks, fixtures)

  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Location& where) const;
};

// One draw from a row of logits [vocabulary]: token, its log-probability by the logits as they are, and by the
// distribution that it was drawn from. Ties in greedy choice go to the smaller id. `uniform` is in [0, 1). `context` is
// prompt and completion so far, which only a repetition penalty looks at; ids outside the vocabulary do no harm.
struct SampledToken {
  std::int32_t id = 0;
  float logprob = 0.0f, sampled_logprob = 0.0f;
};
SampledToken SampleToken(const float* logits, int vocabulary, const Sampling& sampling, double uniform,
                         std::span<const std::int32_t> context = {});

}  // namespace cogent
