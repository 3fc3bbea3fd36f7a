// The shape of a decoder, by the keys of its Hugging Face config.json, and what follows from it without
// allocating anything: the list of parameters, how many there are, how many a token touches, and how large
// the decoding cache is.
//
// Architectures, by model_type: deepseek_v3 (latent attention, experts), llama (SmolLM2 is one), qwen2, qwen3 and qwen3_moe
// (grouped attention; of these the last has experts). docs/models.md says how to add one.
//
//   ModelConfig config = LoadModelConfig("checkpoints/latest");       // a directory or a config.json
//   for (const Leaf& leaf : ParameterLayout(config)) ...              // names and shapes
//   std::string text = DescribeModel("deepseek-v3/config.json");      // what `cogent model describe` prints
//
// Keys have the meaning of section 2 of the DeepSeek-V3 report (arXiv 2412.19437) and of the model types of
// transformers; unknown extra keys are ignored, a missing one takes the default below where that is the family's, and is refused
// where it may not be and no tensor's shape would tell (the list is in model_json.cc). Where another architecture has
// its own name for a thing (`num_experts`), the field has the name that deepseek_v3 gives it.
// Both layouts of the rotary settings are read: `rope_theta` with `rope_scaling`, and the newer
// `rope_parameters`; where both stand, `rope_scaling` holds. Thread rule: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "policies/model_adapter.h"

namespace cogent {

// What turns the pairs of each position: cosines and sines times the amplitude, [positions, dim / 2].
struct RotationTable {
  std::vector<float> cosines, sines;
};

struct RopeConfig {
  std::string type = "default";  // default, linear, llama3, yarn
  double theta = 10000.0;
  double factor = 1.0;
  double original_max_position_embeddings = 4096;
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  // llama3
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  double mscale = 0.0;           // 0 = not given
  double mscale_all_dim = 0.0;   // 0 = not given
  double attention_factor = 0.0; // 0 = not given
  bool truncate = true;

  // Rotation speed of each pair, [dim / 2], radians a position.
  std::vector<double> Frequencies(int dim) const;
  // Multiplies both cosine and sine.
  double Amplitude() const;
  // Of the positions 0 ... positions - 1: the one table of sampling and training.
  RotationTable Table(int positions, int dim) const;
  // m of the softmax scale: scale = (qk_nope_head_dim + qk_rope_head_dim)^-0.5 * m^2.
  double ScaleCorrection() const;
};

struct ModelConfig {
  std::string model_type = "deepseek_v3";
  int vocab_size = 512;
  int hidden_size = 128;
  int intermediate_size = 384;
  int moe_intermediate_size = 64;
  int num_hidden_layers = 4;
  int num_attention_heads = 4;
  int num_key_value_heads = 0;  // grouped attention: 0 = as many as heads
  int head_dim = 0;             // grouped attention: 0 = hidden_size / num_attention_heads
  int n_routed_experts = 8;  // 0 = every layer dense
  int n_shared_experts = 1;
  int num_experts_per_tok = 2;
  int n_group = 1;
  int topk_group = 1;
  int first_k_dense_replace = 1;         // deepseek_v3
  int decoder_sparse_step = 1;           // qwen3_moe: every such layer has experts
  std::vector<int> mlp_only_layers;      // qwen3_moe: but not these
  double routed_scaling_factor = 1.0;
  bool norm_topk_prob = true;
  int q_lora_rank = 48;  // 0 = direct query projection (null in the file)
  int kv_lora_rank = 32;
  int qk_nope_head_dim = 16;
  int qk_rope_head_dim = 16;
  int v_head_dim = 16;
  bool attention_bias = false;
  bool mlp_bias = false;  // llama
  bool tie_word_embeddings = false;
  int num_nextn_predict_layers = 0;
  int max_position_embeddings = 512;
  double rms_norm_eps = 1e-6;
  static constexpr double kLatentEps = 1e-6;  // of the norms inside latent attention, whatever rms_norm_eps says
  double initializer_range = 0.02;
  int bos_token_id = 0;
  int eos_token_id = 1;                 // -1 = the checkpoint names none
  std::vector<int> more_eos_token_ids;  // where it names several: any of them ends a completion
  int pad_token_id = -1;  // -1 = none
  bool value_head = false;  // one number a row in the place of logits: a critic or a reward model; no key of a run
  std::optional<LoraConfig> lora;  // adapters learn and the weights stay; no key of config.json
  RopeConfig rope;

  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Location& where) const;
  void AddEnd(int id);  // one more id that ends a completion; nothing changes when it is known or -1

  // What the architectures differ in.
  bool IsLatent() const { return model_type == "deepseek_v3"; }        // else grouped attention, rotated by halves
  bool HasExperts() const { return (IsLatent() || model_type == "qwen3_moe") && n_routed_experts > 0; }
  bool IsMoe(int layer) const;
  bool HasSharedExperts() const { return IsLatent() && n_shared_experts > 0; }
  bool HasCorrection() const { return IsLatent(); }                    // biases of the router, moved by rule
  bool HasHeadNorms() const { return model_type == "qwen3" || model_type == "qwen3_moe"; }
  bool HasQueryBias() const { return model_type == "qwen2" || attention_bias; }  // grouped: of q, k and v
  bool HasOutputBias() const { return model_type != "qwen2" && attention_bias; }

  int qk_head_dim() const { return qk_nope_head_dim + qk_rope_head_dim; }
  int KeyValueHeads() const { return num_key_value_heads > 0 ? num_key_value_heads : num_attention_heads; }
  int HeadDim() const { return head_dim > 0 ? head_dim : hidden_size / num_attention_heads; }
  int RopeDim() const { return IsLatent() ? qk_rope_head_dim : HeadDim(); }
  int MixtureLayers() const;
  double SoftmaxScale() const;
  // Numbers a token keeps in each layer's decoding cache: the latent and the shared key, or keys and values of all groups.
  int CacheWidth() const { return IsLatent() ? kv_lora_rank + qk_rope_head_dim : 2 * KeyValueHeads() * HeadDim(); }
};

// Reads config.json, DIR/config.json with the end-of-sequence ids of DIR/generation_config.json, a GGUF file, or of an adapter's directory its base. DataError
// names the file and the key that cannot be used.
ModelConfig LoadModelConfig(const std::string& path);
ModelConfig ParseModelConfig(const std::string& json, const std::string& name);
// The same trunk with a value head: "score.weight" [1, hidden_size], as transformers' sequence classification with one label.
ModelConfig ValueModel(ModelConfig config);
// LoadModelConfig of a model that writes texts. DataError when it has a value head: that says what a text is worth.
ModelConfig LoadPolicyConfig(const std::string& path);
// The config.json that LoadModelConfig and transformers read back.
std::string ModelConfigJson(const ModelConfig& config);
// The generation_config.json beside it: the ids that begin, end and pad.
std::string GenerationConfigJson(const ModelConfig& config);

// One tensor that is trained as a whole. Parts lie one behind another in it and have the names and
// shapes of the checkpoint: q_a_proj and kv_a_proj_with_mqa, say, are one matrix to multiply by.
struct Leaf {
  struct Part {
    std::string name;                  // "model.layers.0.self_attn.q_a_proj.weight"
    std::vector<std::int64_t> shape;   // as in the checkpoint
  };
  std::string name;                    // of the whole, for our use
  std::vector<std::int64_t> shape;
  std::vector<Part> parts;
  bool matrix = true;                  // weight decay applies to matrices alone
};
std::vector<Leaf> ParameterLayout(const ModelConfig& config);
// Router correction biases, one a mixture layer where the architecture has them: [n_routed_experts], moved by rule,
// not by gradient.
std::vector<Leaf::Part> BufferLayout(const ModelConfig& config);

struct ParameterCount {
  double total = 0;   // without the prediction modules
  double active = 0;  // touched by one token; of the embedding one row counts
  double prediction = 0;  // the multi-token-prediction modules' own
};
ParameterCount CountParameters(const ModelConfig& config);
std::string DescribeModel(const std::string& path);
// "671B", "1.07M", "960".
std::string ShortNumber(double value);

}  // namespace cogent
