// Generation: many prompts at once, each token's log-probability with it.
//
// Prompts are dealt to threads; each thread keeps a fixed number of sequences going and starts the next
// one in the place of one that ended. Equal prompts that stand together (a group) are read once. A
// completion depends on its prompt, its draws and the weights alone: not on its place, the number of
// threads or what stands beside it (kernels.h says why), so a run can be repeated token by token.
//
//   Generator generator(parameters, tokenizer, {.threads = 2});
//   auto out = generator.Generate(prompts, draws, {.temperature = 1.0, .max_new_tokens = 128});
//   generator.Refresh(parameters);                     // after the weights changed
//
// Thread rule: one call at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/rng.h"
#include "policies/decoder.h"
#include "policies/sampling.h"
#include "policies/tokenizer.h"

namespace cogent {

struct Generated {
  std::vector<std::int32_t> ids;        // the end of sequence included
  std::vector<float> logprobs;          // at temperature 1, nats
  std::vector<float> sampled_logprobs;  // under the distribution that was drawn from
  bool truncated = false;               // a length limit cut it
  int forced = 0;                       // tokens that closed the reasoning and were not drawn (max_thinking_tokens); sampled_logprobs 0
  // With Options::record_experts: [rows, mixture layers, K], a row for each token of prompt and completion but the last,
  // which no layer has seen.
  std::vector<std::int32_t> experts;
};

// Every id that ends a completion: the tokenizer's end of sequence and all that the checkpoint names (config.json,
// generation_config.json, GGUF metadata). Rising. DataError when the tokenizer names no end.
std::vector<std::int32_t> EndIds(const ModelConfig& config, const Tokenizer& tokenizer);

class Generator {
 public:
  struct Options {
    int threads = 1;
    int slots = 64;  // sequences a thread keeps going
    bool record_experts = false;
    // Called with the completion's number and each token when it is drawn, by the thread that drew it.
    std::function<void(std::size_t, std::int32_t)> on_token = {};
  };
  // The tokenizer must outlive the generator; ids it does not know are never sampled.
  Generator(const ParameterSet& parameters, const Tokenizer& tokenizer, const Options& options);
  void Refresh(const ParameterSet& parameters);

  // draws[i] seeds the i-th completion: its n-th token uses draws[i].UniformAt(n). DataError when a prompt
  // is empty or leaves no room in the model's context, or when reasoning is limited and the tokenizer cannot write its end.
  std::vector<Generated> Generate(const std::vector<std::vector<std::int32_t>>& prompts, const std::vector<Rng>& draws,
                                  const Sampling& sampling) const;
  // Greedy continuation with the logits each token was taken from, [count][V]; ends are ignored.
  struct Greedy {
    std::vector<std::int32_t> ids;
    std::vector<float> logits;
  };
  Greedy GreedyWithLogits(const std::vector<std::int32_t>& prompt, int count) const;
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  bool Ends(std::int32_t id) const;  // whether it ends a completion
  const ModelConfig& config() const { return weights_.config(); }

 private:
  struct Job;
  void Work(Job& job) const;

  DecoderWeights weights_;
  const Tokenizer* tokenizer_;
  Options options_;
  std::vector<std::int32_t> ends_;
};

}  // namespace cogent
