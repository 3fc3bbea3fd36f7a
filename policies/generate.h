// Generation: many prompts at once, each token's log-probability with it.
//
// A fixed number of sequences is kept going, and the next one starts in the place of one that ended. Of a small model, prompts
// are dealt to threads, each with sequences of its own; of a model that is larger than a core's cache all threads
// share every step, so that the weights come from memory once for all sequences, and one sequence has all threads. Equal
// prompts that stand together (a group) are read once. A completion depends on its prompt, its draws and the weights alone:
// not on its place, the number of threads or what stands beside it (kernels.h says why), so a run can be repeated token by token.
// Where the parameters lie on a GPU it decodes there (device_decoder.h), and that holds but for rounding.
//
//   Generator generator(parameters, tokenizer, {.threads = 2});
//   auto out = generator.Generate(prompts, draws, {.temperature = 1.0, .max_new_tokens = 128});
//   generator.Refresh(parameters);                     // after the weights changed
//   generator.Serve({.next = ..., .done = ...}, 16, 4096);  // as they are asked for, each in its own way: what a server needs
//
// Thread rule: one call at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/rng.h"
#include "policies/decoder.h"
#include "policies/device_decoder.h"
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

// A completion that is asked for on its own. What it points to lasts until it is done.
struct Asked {
  std::size_t number = 0;  // by which a Service speaks of it
  const std::vector<std::int32_t>* prompt = nullptr;
  const Sampling* sampling = nullptr;
  Rng draws{0};            // the n-th token uses draws.UniformAt(n)
};

// Where completions that are asked for one by one come from, and where they go. Calls come from several threads where
// the model is small (Generator::Options::share_from).
struct Service {
  // The next one to begin, or none for now. With `wait` none is under way: it may wait for one, and none then ends the service.
  std::function<std::optional<Asked>(bool wait)> next;
  // Each token when it is drawn. False: nobody wants the rest; it is `done` with what there is.
  std::function<bool(std::size_t number, const SampledToken& token)> on_token = {};
  std::function<void(std::size_t number, Generated completion)> done;
  // A thread met what Serve will throw: `next` must give none from here on.
  std::function<void()> failed = {};
};

class Generator {
 public:
  struct Options {
    int threads = 1;
    int slots = 64;  // sequences kept going for each thread; on a GPU 128 at least
    bool record_experts = false;
    // Called with the completion's number and each token when it is drawn; from several threads where prompts are dealt.
    std::function<void(std::size_t, std::int32_t)> on_token = {};
    // kBfloat16: the matrices are held in bfloat16 (decoder.h).
    Products weights = Products::kFloat32;
    // kExpanded: log-probabilities are the trainer's to the bit (decoder.h). Of decoding on the CPU.
    Latents latents = Latents::kAbsorbed;
    // Of the keys and values. On a GPU they are what the weights are.
    Cached cache = Cached::kFloat32;
    // Matrices of so many bytes and more are too large for a core's cache: threads share steps.
    std::size_t share_from = std::size_t{8} << 20;
  };
  // How well the places for sequences were used, over all steps: `rows` of `slots` had a token to run.
  struct Usage {
    std::int64_t steps = 0, rows = 0, slots = 0;
  };
  // The tokenizer must outlive the generator; ids it does not know are never sampled. ConfigError for options that the device does not have.
  Generator(const ParameterSet& parameters, const Tokenizer& tokenizer, const Options& options);
  void Refresh(const ParameterSet& parameters);

  // draws[i] seeds the i-th completion: its n-th token uses draws[i].UniformAt(n). DataError when a prompt
  // is empty or leaves no room in the model's context, or when reasoning is limited and the tokenizer cannot write its end.
  std::vector<Generated> Generate(const std::vector<std::vector<std::int32_t>>& prompts, const std::vector<Rng>& draws,
                                  const Sampling& sampling, Usage* usage = nullptr) const;
  // Until service.next(true) gives none: at most `slots` completions under way, the next begins when a place is free, whatever the
  // others are doing. A completion is the one that Generate gives for its prompt, draws and sampling, but cut where prompt and
  // completion are `longest` tokens. REQUIRES prompts of 1..longest-1 tokens that the model has.
  void Serve(const Service& service, int slots, int longest) const;
  std::size_t CacheBytes(int slots, int longest) const;  // memory of Serve's keys and values, where the model is
  // Greedy continuation with the logits each token was taken from, [count][V]; ends are ignored.
  struct Greedy {
    std::vector<std::int32_t> ids;
    std::vector<float> logits;
  };
  Greedy GreedyWithLogits(const std::vector<std::int32_t>& prompt, int count) const;
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  bool Ends(std::int32_t id) const;  // whether it ends a completion
  const ModelConfig& config() const { return config_; }

 private:
  struct Job;
  // How many of the threads have sequences of their own, where there are so many to be had.
  int ThreadsFor(int sequences) const { return Shares() ? 1 : std::max(1, std::min(options_.threads, sequences)); }
  bool Shares() const { return options_.threads > 1 && weights_->MatrixBytes() >= options_.share_from; }
  void Run(Job& job, int threads) const;
  void Work(Job& job, Team* team) const;
  std::unique_ptr<BatchDecoder> MakeDecoder(int slots, int longest, Team* team) const;

  ModelConfig config_;
  std::optional<DecoderWeights> weights_;       // on the CPU
  std::optional<DeviceWeights> device_weights_;  // elsewhere
  const Tokenizer* tokenizer_;
  Options options_;
  std::vector<std::int32_t> ends_;
};

}  // namespace cogent
