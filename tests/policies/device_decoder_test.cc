// Decoding by LibTorch's operators beside our own: the same tokens, log-probabilities and experts. Without a GPU (parity.h) what that
// adds, its memory and recorded graphs, is not tried.
#include "policies/device_decoder.h"

#include <cmath>

#include "core/error.h"
#include "policies/device.h"
#include "policies/generate.h"
#include "tests/policies/parity.h"
#include "tests/policies/tiny_model.h"

namespace cogent {
namespace {

using Ids = std::vector<std::int32_t>;

ParameterSet Elsewhere(ParameterSet weights) {
  parity::MoveElsewhere(weights);
  return weights;
}

void ExpectClose(const std::vector<float>& got, const std::vector<float>& want, float tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], tolerance) << "token " << i;
}

// The same prompts by both; every completion has a draw of its own.
void ExpectSameCompletions(const ParameterSet& weights, const std::vector<Ids>& prompts, const Sampling& sampling) {
  const Tokenizer tokenizer = tiny::Characters();
  const Generator::Options options{.slots = 3, .record_experts = true};
  std::vector<Rng> draws;
  for (std::size_t i = 0; i < prompts.size(); ++i) draws.push_back(Rng(5).Fork(i));
  const auto want = Generator(weights, tokenizer, options).Generate(prompts, draws, sampling);
  const auto got = Generator(Elsewhere(weights), tokenizer, options).Generate(prompts, draws, sampling);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    SCOPED_TRACE("completion " + std::to_string(i));
    EXPECT_EQ(got[i].ids, want[i].ids);
    EXPECT_EQ(got[i].experts, want[i].experts);
    EXPECT_EQ(got[i].truncated, want[i].truncated);
    EXPECT_EQ(got[i].forced, want[i].forced);
    ExpectClose(got[i].logprobs, want[i].logprobs, 1e-4f);
    ExpectClose(got[i].sampled_logprobs, want[i].sampled_logprobs, 1e-4f);
  }
}

ModelConfig Grouped() {
  ModelConfig c = tiny::Config(60);
  c.model_type = "qwen3_moe", c.n_shared_experts = 0, c.n_group = 1, c.topk_group = 1;
  c.num_attention_heads = 4, c.num_key_value_heads = 2, c.head_dim = 8;
  return c;
}

ParameterSet RandomWeights(const ModelConfig& config) {
  ParameterSet weights = tiny::Weights(config, 3);
  if (!config.HasCorrection()) weights.biases().zero_();  // there are none
  return weights;
}

class DeviceGeneration : public ::testing::TestWithParam<int> {
 protected:
  static ParameterSet Weights() { return RandomWeights(GetParam() < tiny::kVariants ? tiny::Variant(GetParam()) : Grouped()); }
  static std::vector<Ids> Prompts() {
    Rng rng(7);
    std::vector<Ids> prompts;
    for (const int size : {1, 9, 4, 17}) prompts.push_back(tiny::Ids(rng, size, 40));
    prompts.insert(prompts.begin() + 1, 3, prompts[0]);  // a group, read once
    return prompts;
  }
};
INSTANTIATE_TEST_SUITE_P(Models, DeviceGeneration, ::testing::Range(0, tiny::kVariants + 1));

TEST_P(DeviceGeneration, SampledCompletionsAreThoseOfOurKernels) {
  ExpectSameCompletions(Weights(), Prompts(), {.temperature = 1.0, .max_new_tokens = 30});
  ExpectSameCompletions(Weights(), Prompts(), {.temperature = 0.7, .top_k = 20, .top_p = 0.9, .min_p = 0.01, .max_new_tokens = 30});
}

// Each with settings of its own that say the same of a draw: all are drawn where the logits are, and so to the bits of Generate.
TEST_P(DeviceGeneration, WhatIsAskedForOneByOneIsDrawnThereToo) {
  const ParameterSet weights = Elsewhere(Weights());
  const Tokenizer tokenizer = tiny::Characters();
  const Generator generator(weights, tokenizer, {});
  const std::vector<Ids> prompts = Prompts();
  std::vector<Rng> draws;
  std::vector<Sampling> samplings;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    draws.push_back(Rng(5).Fork(i));
    samplings.push_back({.top_p = 0.95, .max_new_tokens = 30, .stop = {"stop " + std::to_string(i)}, .ignore_eos = true});
  }
  const auto want = generator.Generate(prompts, draws, samplings[0]);
  std::vector<Generated> got(prompts.size());
  std::size_t given = 0;
  generator.Serve({.next = [&](bool) -> std::optional<Asked> {
                     if (given == prompts.size()) return std::nullopt;
                     const std::size_t i = given++;
                     return Asked{i, &prompts[i], &samplings[i], draws[i]};
                   },
                   .done = [&](std::size_t i, Generated completion) { got[i] = std::move(completion); }},
                  static_cast<int>(prompts.size()), weights.config().max_position_embeddings);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(got[i].ids, want[i].ids) << i;
    EXPECT_EQ(got[i].logprobs, want[i].logprobs) << i;
    EXPECT_EQ(got[i].sampled_logprobs, want[i].sampled_logprobs) << i;
  }
}

TEST_P(DeviceGeneration, GreedyAndPenalizedCompletionsAndThoseWithLimitedReasoningAreThoseOfOurKernels) {
  ExpectSameCompletions(Weights(), Prompts(), {.temperature = 0.0, .max_new_tokens = 20});
  ExpectSameCompletions(Weights(), Prompts(), {.repetition_penalty = 1.3, .max_new_tokens = 20});
  ExpectSameCompletions(Weights(), Prompts(), {.max_new_tokens = 20, .max_thinking_tokens = 4, .thinking_start = "a", .thinking_end = "b"});
}

TEST_P(DeviceGeneration, Bfloat16WeightsGiveNearlyTheSameLogits) {
  const ParameterSet weights = Weights();
  const auto logits = [&](Products products) {
    const DeviceWeights packed(weights, products);
    DeviceDecoder decoder(packed, 2, 40);
    decoder.Run({{1, 0, 3}, {1, 1, 8}, {1, 2, 5}}, {});
    decoder.Run({{1, 3, 11}}, {0});
    return std::vector<float>(decoder.Logits(0), decoder.Logits(0) + weights.config().vocab_size);
  };
  const auto exact = logits(Products::kFloat32), rounded = logits(Products::kBfloat16);
  double gap = 0.0, size = 0.0;
  for (std::size_t i = 0; i < exact.size(); ++i) gap += std::pow(exact[i] - rounded[i], 2), size += std::pow(exact[i], 2);
  EXPECT_GT(gap, 0.0);
  EXPECT_LT(std::sqrt(gap / size), 0.1);
}

TEST(DeviceDecoder, TakesOverChangedWeights) {
  ParameterSet weights = Elsewhere(tiny::Weights(tiny::Variant(0), 3));
  const Tokenizer tokenizer = tiny::Characters();
  Generator generator(weights, tokenizer, {});
  const auto before = generator.GreedyWithLogits({3, 4, 5}, 2).logits;
  weights.Initialize(Rng(99));
  generator.Refresh(weights);
  const auto after = generator.GreedyWithLogits({3, 4, 5}, 2).logits;
  EXPECT_NE(before, after);
  EXPECT_EQ(after, Generator(weights, tokenizer, {}).GreedyWithLogits({3, 4, 5}, 2).logits);
}

TEST(DeviceDecoder, WithAdaptersDecodesTheirSumWithTheBase) {
  for (ModelConfig config : {tiny::Variant(0), Grouped()}) {
    ParameterSet weights = RandomWeights(config);
    weights.Attach({.rank = 3, .alpha = 8}, "base", Rng(1));
    Rng rng(2);
    float* values = weights.trained().mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < weights.trained().numel(); ++i) values[i] += static_cast<float>(0.2 * rng.Normal());
    ExpectSameCompletions(weights, {{3, 4, 5}, {8, 9}}, {.max_new_tokens = 12});
  }
}

TEST(DeviceDecoder, SaysWhatItsCacheTakes) {
  const Tokenizer tokenizer = tiny::Characters();
  for (const ModelConfig& config : {tiny::Config(60), Grouped()}) {
    const ParameterSet here = RandomWeights(config), there = Elsewhere(RandomWeights(config));
    for (const Products products : {Products::kFloat32, Products::kBfloat16}) {
      const DeviceWeights own(there, products);
      std::size_t bytes = 0;
      const KeyValueCache cache = own.model().MakeCache(3, 11);
      for (const auto* tensors : {&cache.keys, &cache.values}) {
        for (const at::Tensor& t : *tensors) bytes += t.nbytes();
      }
      EXPECT_EQ(DeviceDecoder::CacheBytes(own, 3, 10), bytes);
      EXPECT_EQ(Generator(there, tokenizer, {.weights = products}).CacheBytes(2, 10), bytes) << "and one for the prompt that was read last";
    }
    EXPECT_EQ(Generator(here, tokenizer, {.threads = 2}).CacheBytes(4, 16), 2 * Decoder::CacheBytes(config, 3, 16)) << "each thread has slots of its own";
  }
}

TEST(DeviceDecoder, RefusesRowsThatNoStepCanHold) {
  const ParameterSet weights = tiny::Weights(tiny::Variant(0), 3);
  const DeviceWeights own(weights);
  DeviceDecoder decoder(own, 2, 8);
  EXPECT_ANY_THROW(decoder.Run({}, {}));
  EXPECT_ANY_THROW(decoder.Run({{2, 0, 1}}, {}));
  EXPECT_ANY_THROW(decoder.Run({{0, 8, 1}}, {}));
  EXPECT_ANY_THROW(decoder.Run({{0, 0, 4100}}, {}));
  EXPECT_ANY_THROW(decoder.Run({{0, 0, 1}, {1, 0, 1}}, {}));  // two new sequences
  EXPECT_ANY_THROW(decoder.Run({{0, 3, 1}, {0, 4, 1}}, {}));  // two rows of a slot
}

TEST(Device, IsNamedAndRefusedWhereThereIsNone) {
  EXPECT_TRUE(DeviceNamed("cpu").is_cpu());
  EXPECT_THROW(DeviceNamed("gpu"), ConfigError);
#ifndef COGENT_CUDA
  EXPECT_THROW(DeviceNamed("cuda"), MachineError);
#endif
}

TEST(DrawTokens, ChoosesWhatSampleTokenChoosesWithTheSameNumbers) {
  Rng rng(11);
  constexpr int kRows = 60, kTokens = 50, kKnown = 47;
  for (const Sampling& sampling : {Sampling{}, Sampling{.temperature = 0.4}, Sampling{.temperature = 0.0}, Sampling{.top_k = 1}, Sampling{.top_k = 7}, Sampling{.top_p = 0.8},
                                   Sampling{.top_p = 0.0}, Sampling{.min_p = 0.1}, Sampling{.temperature = 1.5, .top_k = 20, .top_p = 0.7, .min_p = 0.05}}) {
    const at::Tensor logits = at::empty({kRows, kTokens}, at::kFloat);
    float* values = logits.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < logits.numel(); ++i) values[i] = static_cast<float>(2 * rng.Normal());
    std::vector<double> uniforms;
    for (int r = 0; r < kRows; ++r) uniforms.push_back(rng.Uniform());
    const auto got = DrawTokens(logits, kKnown, sampling, uniforms);
    for (int r = 0; r < kRows; ++r) {
      const SampledToken want = SampleToken(values + r * kTokens, kKnown, sampling, uniforms[r]);
      EXPECT_EQ(got[r].id, want.id);
      EXPECT_NEAR(got[r].logprob, values[r * kTokens + want.id] - SumLogits(values + r * kTokens, kTokens, 1.0f).log_sum, 1e-5);
      EXPECT_NEAR(got[r].sampled_logprob, want.sampled_logprob, 1e-5);
    }
  }
}

}  // namespace
}  // namespace cogent
