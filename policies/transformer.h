// The decoder for training: packed rows in, hidden states out, differentiable. DeepSeek-V3's (arXiv 2412.19437, section 2),
// or with grouped attention one of Llama, Qwen2, Qwen3 and Qwen3-MoE; model_config.h says in what they differ.
// Decoding is policies/decoder.h; both read the same ParameterSet.
//
//   Transformer model(config, weights.Leaves(grad), weights.biases());
//   ForwardResult out = model.Forward({ids, segments}, {});
//   TokenStats stats = model.Logprobs(out.hidden, rows, targets, 1.0);
//   stats.logprobs.sum().backward();
//
// Legend as in ops.h. Thread rule: one object a thread; objects may share weights.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "policies/divergence.h"
#include "policies/model_config.h"
#include "policies/ops.h"

namespace cogent {

// Sequences end to end. Position of a row = its place in its segment, behind the parent's tokens.
struct PackedTokens {
  std::vector<std::int64_t> ids;   // [N]
  std::vector<Segment> segments;   // cover the rows
  // Experts that a rollout chose, to be chosen again: empty, or [N, mixture layers, K]; -1 = the router chooses.
  std::vector<std::int32_t> experts;
};

// Drops the padding of a batch: ids [B, T] with mask [B, T] (1 = a real token), padded on either side.
PackedTokens PackPadded(const at::Tensor& ids, const at::Tensor& mask);

struct ForwardOptions {
  // Weight of the complementary sequence-wise balance loss (report, equations 17-20), 0 = not computed.
  double balance_alpha = 0.0;
  // How the large products are made. Router and attention scores are always float32; the output head has products of its own (HeadProducts).
  Products products = Products::kFloat32;
  // Keep the input of each layer and compute the rest of it again in the backward pass: same gradients, less memory.
  bool gradient_checkpointing = false;
  bool merged_adapters = false;  // LowRank::merged
  // Tensors by the fixtures' names ("layers.0.attn_out"), filled when given.
  std::map<std::string, at::Tensor>* trace = nullptr;
};

struct ForwardResult {
  at::Tensor hidden;        // [N, D] after the final norm
  at::Tensor balance_loss;  // scalar, summed over layers, mean over segments; undefined when not asked for
  at::Tensor load;          // int64 [mixture layers, E]: (token, slot) pairs that chose each expert
};

// What sequences leave behind for decoding, on the weights' device: of each layer keys and values [slots, room, groups, size].
// Latent attention has keys alone, [slots, room, 1, kv_lora_rank + qk_rope_head_dim]: the normalised latent, which is the
// values, too, and the rotated shared key.
struct KeyValueCache {
  std::vector<at::Tensor> keys, values;
  Rotation rotation;  // of every position, [room, dr / 2]
};

// Rows to decode with what is cached: all of one new sequence, or one of each of the slots 0 ... N - 1.
struct CachedRows {
  KeyValueCache* cache = nullptr;
  int prompt_slot = -1;           // the new sequence's; its rows have positions 0 ... N - 1
  at::Tensor ids, positions;      // int64 [N]
  std::int64_t seen = 0;          // attention looks at so many positions of a slot; those behind a row's own are hidden
  std::vector<at::Tensor> experts;  // filled: of each mixture layer, int32 [N, K]
};

class Transformer {
 public:
  // `leaves` as ParameterSet::Leaves gives them; `biases` [mixture layers, E].
  Transformer(const ModelConfig& config, std::vector<at::Tensor> leaves, at::Tensor biases);

  ForwardResult Forward(const PackedTokens& tokens, const ForwardOptions& options) const;
  // The prediction module (report, equations 21-25): from `hidden` of Forward to the hidden states whose
  // head predicts the token after the next. Row i reads id i + 1; the last row of a segment means nothing.
  ForwardResult Predict(const PackedTokens& tokens, const at::Tensor& hidden, const ForwardOptions& options) const;
  // Log-probability of targets[m] given hidden row rows[m].
  // On the CPU and float32, as all that leaves the network for the algorithms, wherever the weights are.
  TokenStats Logprobs(const at::Tensor& hidden, const std::vector<std::int64_t>& rows, const std::vector<std::int64_t>& targets,
                      double temperature, const HeadProducts& products = {}) const;
  at::Tensor Logits(const at::Tensor& hidden) const;  // [N, V]
  // Decoding on any device: hidden states [N, D] after the final norm, keys and values of the rows cached. Latent attention
  // runs absorbed (decoder.h). On the CPU, decoder.h is faster.
  at::Tensor Decode(CachedRows& rows) const;
  KeyValueCache MakeCache(int slots, int room) const;  // of the embedding's type
  // How far this distribution is from the teacher's at each hidden row rows[m], [M]. Both read the same tokens.
  at::Tensor DivergenceFrom(const Transformer& teacher, const at::Tensor& hidden, const at::Tensor& teacher_hidden,
                            const std::vector<std::int64_t>& rows, const Divergence& divergence) const;
  // With a value head: what each hidden row rows[m] is worth, [M], always in float32.
  at::Tensor Values(const at::Tensor& hidden, const std::vector<std::int64_t>& rows) const;

  const ModelConfig& config() const { return config_; }

 private:
  struct Layer;
  struct Pass;
  struct Kept;
  // Hidden states on their way from layer to layer: the last branch has not joined them yet, for who reads them norms them as it does.
  struct Stream {
    at::Tensor trunk, branch;  // [N, D]; branch undefined = there is none
    at::Tensor Whole() const;
  };
  Stream RunLayer(const Layer& layer, const Stream& x, Pass& pass) const;
  at::Tensor RunLayerTwice(const Layer& layer, const at::Tensor& x, Pass& pass) const;
  at::Tensor AttendLatent(const Layer& layer, const at::Tensor& x, const Pass& pass) const;
  at::Tensor AttendGrouped(const Layer& layer, const at::Tensor& x, const Pass& pass) const;
  at::Tensor AttendCached(const Layer& layer, const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values, const Pass& pass) const;
  at::Tensor Mlp(const Layer& layer, const at::Tensor& x, const Pass& pass) const;
  at::Tensor Mix(const Layer& layer, const at::Tensor& x, Pass& pass) const;
  Pass StartPass(const PackedTokens& tokens, const ForwardOptions& options) const;

  // A matrix with what belongs to it.
  struct Projection {
    at::Tensor weight, bias;
    LowRank adapters;
    at::Tensor Effective() const;  // the weight with its adapters added
  };
  struct Layer {
    int index = 0, mixture = -1;  // mixture: row of `biases`, -1 = dense
    at::Tensor input_norm, post_norm;
    Projection out;
    Projection down, q_up, kv_up;             // latent attention
    at::Tensor q_norm, kv_norm;
    Projection qkv;                           // grouped attention
    at::Tensor head_q_norm, head_k_norm;
    Projection gate_up, mlp_down;             // dense layers, or the shared experts
    at::Tensor router, experts_up, experts_down;
    std::vector<at::Tensor> Leaves() const;   // of its projections
  };
  ModelConfig config_;
  at::Tensor biases_, embedding_, norm_, head_;
  std::vector<Layer> layers_;
  Layer prediction_;
  at::Tensor embed_norm_, hidden_norm_, merge_, prediction_norm_;
};

// s_t / sum s_t averaged with the load of each sequence: alpha * sum_e f_e P_e, mean over segments.
// scores [N, E] (differentiable), experts int32 [N, K]: whatever counts as "chosen".
at::Tensor BalanceLoss(const at::Tensor& scores, const at::Tensor& experts, const std::vector<Segment>& segments, double alpha);
// bias_e += speed * sign(mean load - load_e), for each row. load [L, E].
void UpdateBiases(const at::Tensor& biases, const at::Tensor& load, double speed);

}  // namespace cogent
