// Small random models and tokenizers for tests.
#pragma once

#include <string>
#include <vector>

#include "policies/transformer.h"
#include "policies/parameters.h"
#include "policies/tokenizer.h"

namespace cogent::tiny {

// A model whose logits spread over a few nats: wide fresh weights, correction biases that matter.
inline ParameterSet Weights(const ModelConfig& config, std::uint64_t seed) {
  ParameterSet weights(config);
  weights.Initialize(Rng(seed));
  Rng draws = Rng(seed).Fork("biases");
  float* bias = weights.biases().mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < weights.biases().numel(); ++i) bias[i] = static_cast<float>(draws.Normal() * 0.05);
  for (auto& [name, view] : weights.Named()) {  // norms and biases other than their start values, too
    if (view.dim() != 1 || name.ends_with("correction_bias")) continue;
    Rng own = draws.Fork(name);
    float* values = view.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < view.numel(); ++i) values[i] += static_cast<float>(own.Normal() * 0.1);
  }
  return weights;
}

inline ModelConfig Config(int vocabulary) {
  ModelConfig c;
  c.vocab_size = vocabulary;
  c.hidden_size = 32, c.intermediate_size = 48, c.moe_intermediate_size = 20;
  c.num_hidden_layers = 3, c.num_attention_heads = 2, c.n_routed_experts = 6, c.num_experts_per_tok = 2;
  c.n_group = 3, c.topk_group = 2, c.routed_scaling_factor = 1.5;
  c.q_lora_rank = 12, c.kv_lora_rank = 10, c.qk_nope_head_dim = 6, c.qk_rope_head_dim = 4, c.v_head_dim = 5;
  c.max_position_embeddings = 96;
  c.initializer_range = 0.3;
  return c;
}

// Configurations that differ in every choice the architecture has; `which` counts from 0 to 4.
inline ModelConfig Variant(int which) {
  ModelConfig c = Config(41 + 13 * which);
  switch (which) {
    case 0: break;
    case 1:  // direct queries, biases, tied head, no groups, weights not normalised
      c.q_lora_rank = 0, c.attention_bias = true, c.tie_word_embeddings = true;
      c.n_group = 1, c.topk_group = 1, c.norm_topk_prob = false, c.num_attention_heads = 3;
      break;
    case 2:  // dense
      c.n_routed_experts = 0, c.n_shared_experts = 0, c.hidden_size = 29, c.intermediate_size = 33;
      break;
    case 3:  // no shared experts, only mixtures, YaRN
      c.n_shared_experts = 0, c.first_k_dense_replace = 0, c.attention_bias = true;
      c.rope.type = "yarn", c.rope.factor = 4, c.rope.original_max_position_embeddings = 24;
      c.rope.mscale = 1, c.rope.mscale_all_dim = 0.7;
      break;
    default:  // several shared experts, many heads, linear scaling
      c.n_shared_experts = 2, c.num_attention_heads = 9, c.v_head_dim = 17, c.n_routed_experts = 12, c.num_experts_per_tok = 5;
      c.rope.type = "linear", c.rope.factor = 2.5;
      break;
  }
  return c;
}
inline constexpr int kVariants = 5;

// Those, and one with grouped attention and experts.
inline constexpr int kGrouped = kVariants, kShapes = kVariants + 1;
inline ModelConfig Shape(int which) {
  if (which != kGrouped) return Variant(which);
  ModelConfig c = Config(37);
  c.model_type = "qwen3_moe", c.num_attention_heads = 4, c.num_key_value_heads = 2, c.mlp_only_layers = {0};
  return c;
}

inline std::vector<std::int32_t> Ids(Rng& rng, int count, int vocabulary) {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
  for (auto& id : ids) id = static_cast<std::int32_t>(rng.Range(0, vocabulary - 1));
  return ids;
}

// A token a character: digits, letters, blanks; <|pad|> is 0 and <|end|> is 1.
inline Tokenizer Characters() {
  return Tokenizer::Train({}, {.added_tokens = {{"<|pad|>", true}, {"<|end|>", true}}, .alphabet = "abcdefghijklmnopqrstuvwxyz0123456789 \n:+=?"});
}

}  // namespace cogent::tiny
