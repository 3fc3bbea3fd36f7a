// Which tensors a model is made of, by the names of its checkpoint.
#include "policies/model_config.h"

namespace cogent {
namespace {

// Collects the leaves of a model; each function below is one block of the architecture.
class Layout {
 public:
  explicit Layout(const ModelConfig& config) : c_(config) {}
  std::vector<Leaf> leaves;

  void Single(const std::string& name, std::vector<std::int64_t> shape, bool matrix = true) {
    leaves.push_back({name, shape, {{name, shape}}, matrix});
  }
  // Projections of the same input lie in one matrix, so that they are one product.
  void GroupedAttention(const std::string& p) {
    const std::int64_t h = c_.hidden_size, d = c_.HeadDim(), q = c_.num_attention_heads * d, kv = c_.KeyValueHeads() * d;
    leaves.push_back({p + "qkv.weight", {q + 2 * kv, h},
                      {{p + "q_proj.weight", {q, h}}, {p + "k_proj.weight", {kv, h}}, {p + "v_proj.weight", {kv, h}}}, true});
    if (c_.HasQueryBias()) {
      leaves.push_back({p + "qkv.bias", {q + 2 * kv}, {{p + "q_proj.bias", {q}}, {p + "k_proj.bias", {kv}}, {p + "v_proj.bias", {kv}}}, false});
    }
    if (c_.HasHeadNorms()) {
      Single(p + "q_norm.weight", {d}, false);
      Single(p + "k_norm.weight", {d}, false);
    }
    Single(p + "o_proj.weight", {h, q});
    if (c_.HasOutputBias()) Single(p + "o_proj.bias", {h}, false);
  }
  void LatentAttention(const std::string& p) {
    const std::int64_t h = c_.hidden_size, heads = c_.num_attention_heads, rq = c_.q_lora_rank;
    const std::int64_t q_rows = heads * c_.qk_head_dim(), kv_a = c_.kv_lora_rank + c_.qk_rope_head_dim;
    const std::string down = rq > 0 ? "q_a_proj" : "q_proj";
    const std::int64_t down_rows = rq > 0 ? rq : q_rows;
    leaves.push_back({p + "down.weight", {down_rows + kv_a, h},
                      {{p + down + ".weight", {down_rows, h}}, {p + "kv_a_proj_with_mqa.weight", {kv_a, h}}}, true});
    if (c_.attention_bias && rq > 0) {
      leaves.push_back({p + "down.bias", {down_rows + kv_a},
                        {{p + "q_a_proj.bias", {rq}}, {p + "kv_a_proj_with_mqa.bias", {kv_a}}}, false});
    } else if (c_.attention_bias) {
      Single(p + "kv_a_proj_with_mqa.bias", {kv_a}, false);
    }
    if (rq > 0) {
      Single(p + "q_a_layernorm.weight", {rq}, false);
      Single(p + "q_b_proj.weight", {q_rows, rq});
    }
    Single(p + "kv_a_layernorm.weight", {c_.kv_lora_rank}, false);
    Single(p + "kv_b_proj.weight", {heads * (c_.qk_nope_head_dim + c_.v_head_dim), c_.kv_lora_rank});
    Single(p + "o_proj.weight", {h, heads * c_.v_head_dim});
    if (c_.attention_bias) Single(p + "o_proj.bias", {h}, false);
  }
  void Mlp(const std::string& p, std::int64_t width) {
    const std::int64_t h = c_.hidden_size;
    leaves.push_back({p + "gate_up.weight", {2 * width, h},
                      {{p + "gate_proj.weight", {width, h}}, {p + "up_proj.weight", {width, h}}}, true});
    Single(p + "down_proj.weight", {h, width});
    if (!c_.mlp_bias) return;
    leaves.push_back({p + "gate_up.bias", {2 * width}, {{p + "gate_proj.bias", {width}}, {p + "up_proj.bias", {width}}}, false});
    Single(p + "down_proj.bias", {h}, false);
  }
  void Experts(const std::string& p) {
    const std::int64_t h = c_.hidden_size, width = c_.moe_intermediate_size, experts = c_.n_routed_experts;
    Single(p + "gate.weight", {experts, h});
    Leaf gate_up{p + "experts.gate_up.weight", {experts, 2 * width, h}, {}, true};
    Leaf down{p + "experts.down.weight", {experts, h, width}, {}, true};
    for (std::int64_t e = 0; e < experts; ++e) {
      const std::string q = p + "experts." + std::to_string(e) + ".";
      gate_up.parts.push_back({q + "gate_proj.weight", {width, h}});
      gate_up.parts.push_back({q + "up_proj.weight", {width, h}});
      down.parts.push_back({q + "down_proj.weight", {h, width}});
    }
    leaves.push_back(std::move(gate_up));
    leaves.push_back(std::move(down));
    if (c_.HasSharedExperts()) Mlp(p + "shared_experts.", width * c_.n_shared_experts);
  }
  void Layer(int index, bool moe) {
    const std::string p = "model.layers." + std::to_string(index) + ".";
    Single(p + "input_layernorm.weight", {c_.hidden_size}, false);
    c_.IsLatent() ? LatentAttention(p + "self_attn.") : GroupedAttention(p + "self_attn.");
    Single(p + "post_attention_layernorm.weight", {c_.hidden_size}, false);
    moe ? Experts(p + "mlp.") : Mlp(p + "mlp.", c_.intermediate_size);
  }
  void Prediction(int index) {
    const std::string p = "model.layers." + std::to_string(index) + ".";
    const std::int64_t h = c_.hidden_size;
    Single(p + "enorm.weight", {h}, false);
    Single(p + "hnorm.weight", {h}, false);
    Single(p + "eh_proj.weight", {h, 2 * h});
    Layer(index, c_.HasExperts());
    Single(p + "shared_head.norm.weight", {h}, false);
  }

 private:
  const ModelConfig& c_;
};

}  // namespace

std::vector<Leaf> ParameterLayout(const ModelConfig& config) {
  Layout layout(config);
  layout.Single("model.embed_tokens.weight", {config.vocab_size, config.hidden_size});
  for (int i = 0; i < config.num_hidden_layers; ++i) layout.Layer(i, config.IsMoe(i));
  layout.Single("model.norm.weight", {config.hidden_size}, false);
  if (config.value_head) layout.Single("score.weight", {1, config.hidden_size});
  else if (!config.tie_word_embeddings) layout.Single("lm_head.weight", {config.vocab_size, config.hidden_size});
  for (int i = 0; i < config.num_nextn_predict_layers; ++i) layout.Prediction(config.num_hidden_layers + i);
  return std::move(layout.leaves);
}

std::vector<Leaf::Part> BufferLayout(const ModelConfig& config) {
  std::vector<Leaf::Part> buffers;
  if (!config.HasCorrection()) return buffers;
  const int layers = config.num_hidden_layers + config.num_nextn_predict_layers;
  for (int i = 0; i < layers; ++i) {
    if (!config.IsMoe(i)) continue;
    buffers.push_back({"model.layers." + std::to_string(i) + ".mlp.gate.e_score_correction_bias", {config.n_routed_experts}});
  }
  return buffers;
}

}  // namespace cogent
