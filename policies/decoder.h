// Decoding: batched, cached, without autograd or LibTorch's operators.
//
// Latent attention runs in its absorbed form (DeepSeek-V2, arXiv 2405.04434, section 2.1.2): the cache holds the
// normalised latent and the rotated shared key, kv_lora_rank + qk_rope_head_dim numbers a token and layer, whatever the
// number of heads. Grouped attention holds the rotated keys of all groups and then their values.
//
// Rows of a call are independent: a token's logits are the same bits whatever stands beside it and however many
// threads share a step (see kernels.h). Cost grows with the rows and the experts chosen, not with the experts held.
//
// Expanded, as training computes it, latent attention has keys and values of every head in the cache, H (dn + dr + dv) numbers a token. All
// else is as in training anyhow: log-probabilities are then the trainer's to the bit (of grouped attention without adapters they always are), with weights in bfloat16
// where both have the same products, the trainer's logits among them; not with a cache in bfloat16, which training does not have.
//
// Weights are float32, or bfloat16: then the matrices, but the routers', hold half the bytes, and their products are those
// that training makes with `Products::kBfloat16` (both factors rounded, sums in float32), for one row as for many. The cache is float32, or
// bfloat16: keys and values are rounded when they are stored, and prompts, too, read what is stored. All else (norms, rotation, queries, softmax, sums)
// is float32.
//
//   DecoderWeights weights(parameters);            // packed once for each rollout; shared by decoders
//   Team team(threads);
//   Decoder decoder(weights, slots, longest, &team);  // or without a team: on the caller's thread alone
//   decoder.Run({{slot, position, token}, ...}, {row indices whose logits are wanted});
//   const float* logits = decoder.Logits(0);       // [V] of the first wanted row
//   decoder.CopySlot(from, to, tokens);            // a prompt's cache for every member of its group
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "policies/kernels.h"
#include "policies/model_config.h"
#include "policies/sampling.h"
#include "policies/team.h"

namespace at {
class Tensor;
}
namespace cogent {

class ParameterSet;

// How latent attention is computed.
enum class Latents { kAbsorbed, kExpanded };
// What the cache holds its numbers in.
enum class Cached { kFloat32, kBfloat16 };

// All weights, rearranged for products with few rows.
class DecoderWeights {
 public:
  using Lookup = std::function<at::Tensor(const std::string& name)>;  // a weight; undefined where there is none
  explicit DecoderWeights(const ParameterSet& parameters, Products products = Products::kFloat32, Latents latents = Latents::kAbsorbed);
  // Takes over changed weights. REQUIRES the same shapes.
  void Update(const ParameterSet& parameters);
  const ModelConfig& config() const { return config_; }
  // Of all matrices: what a step reads, where every expert is chosen.
  std::size_t MatrixBytes() const;

 private:
  friend class Decoder;
  struct Layer {
    bool mixture = false;
    std::vector<float> input_norm, post_norm, out_bias, gate_up_bias, mlp_down_bias, correction;
    std::vector<float> q_norm, kv_norm;                    // latent: of the compressed rows; grouped: of each query, of each key
    std::vector<float> down_bias;
    PackedMatrix down;                                     // all projections of the input: latent q_a and kv_a, grouped q, k, v
    PackedMatrix q_up, out, gate_up, mlp_down, router;
    std::vector<PackedMatrix> key_up, value_up;            // latent, absorbed, of each head: q~ = q_nope * Wk, o = o_c * Wv^T
    PackedMatrix kv_up;                                    // latent, expanded
    std::vector<PackedMatrix> experts_up, experts_down;
  };
  void UpdateLatent(Layer& layer, const Lookup& named, const std::string& prefix);
  void UpdateGrouped(Layer& layer, const Lookup& named, const std::string& prefix);

  ModelConfig config_;
  Products products_;
  Latents latents_;
  std::vector<float> embedding_, norm_;
  PackedMatrix head_;
  std::vector<Layer> layers_;
};

// One token to run: where it is cached and what it is.
struct DecodeRow {
  int slot = 0;
  int position = 0;
  std::int32_t token = 0;
};

// What generation needs of a decoder: this one, or another device's (device_decoder.h).
class BatchDecoder {
 public:
  virtual ~BatchDecoder() = default;
  // Runs the rows through all layers and caches them. Logits are computed for `wanted` rows.
  virtual void Run(const std::vector<DecodeRow>& rows, const std::vector<int>& wanted) = 0;
  // Logits [vocab_size] of the i-th wanted row of the last Run.
  virtual const float* Logits(int i) = 0;
  // Adds the experts chosen for one row of the last Run, [mixture layers, K], rising.
  virtual void AppendExperts(int row, std::vector<std::int32_t>& to) = 0;
  // Copies the first `tokens` positions of a slot's cache.
  virtual void CopySlot(int from, int to, int tokens) = 0;
  // Draws a token for each wanted row of the last Run as SampleToken does among the first `vocabulary` ids, its plain
  // log-probability over all of them. Empty where that is the caller's to do.
  virtual std::vector<SampledToken> Draw(const Sampling&, int /*vocabulary*/, const std::vector<double>& /*uniforms*/) { return {}; }
};

class Decoder final : public BatchDecoder {
 public:
  // `slots` sequences of at most `longest` tokens each, their keys and values held as `cached` says. Weights and team must outlive the decoder.
  Decoder(const DecoderWeights& weights, int slots, int longest, Team* team = nullptr, Cached cached = Cached::kFloat32);

  // Rows of one slot may stand in one call (a prompt) in rising position, each sees the positions up to its own.
  void Run(const std::vector<DecodeRow>& rows, const std::vector<int>& wanted) override;
  const float* Logits(int i) override { return logits_.data() + static_cast<std::size_t>(i) * weights_->config_.vocab_size; }
  // Experts chosen in the last Run: row * K of mixture layer `layer`, rising.
  const std::vector<std::int32_t>& Experts(int layer) const { return chosen_[static_cast<std::size_t>(layer)]; }
  void AppendExperts(int row, std::vector<std::int32_t>& to) override;
  void CopySlot(int from, int to, int tokens) override;
  static std::size_t CacheBytes(const ModelConfig& config, int slots, int longest, Latents latents = Latents::kAbsorbed, Cached cached = Cached::kFloat32);

 private:
  // What the input's product makes of latent attention: queries, still unrotated, and in `down` from column `first` on the latent and the
  // shared key of each row.
  struct LatentRows {
    float *down, *query;
    std::ptrdiff_t down_width, query_stride;
    int first;
  };
  LatentRows ProjectLatent(const DecoderWeights::Layer& layer, int rows);
  void AttendLatent(const DecoderWeights::Layer& layer, int index, const std::vector<DecodeRow>& rows);
  void AttendExpanded(const DecoderWeights::Layer& layer, int index, const std::vector<DecodeRow>& rows);
  void AttendGrouped(const DecoderWeights::Layer& layer, int index, const std::vector<DecodeRow>& rows);
  void AttendCache(const DecoderWeights::Layer& layer, int index, const std::vector<DecodeRow>& rows, const float* query, std::ptrdiff_t query_stride);
  void Rotate(int position, float* x, int heads, int stride) const;
  void StoreKey(int layer, const DecodeRow& row, int group, int first, const float* key, int count);
  void StoreValue(int layer, const DecodeRow& row, int group, const float* value);
  static std::vector<int> Runs(const std::vector<DecodeRow>& rows);
  // work(first, last) for all of 0..count, by the team where there is one (Team::Share).
  template <typename Work>
  void Share(int count, int least, const Work& work) const {
    team_ ? team_->Share(count, least, work) : work(0, count);
  }
  // The whole product, its panels shared.
  void Multiply(const PackedMatrix& by, const float* x, int rows, float* y, PackedMatrix::Into into = PackedMatrix::Into::kReplace,
                const float* bias = nullptr);
  void Normalize(const float* x, std::ptrdiff_t x_stride, const std::vector<float>& weight, double eps, int rows, float* y) const;
  void Mlp(const DecoderWeights::Layer& layer, int rows, float* y, PackedMatrix::Into into);
  void Mixture(const DecoderWeights::Layer& layer, int index, int rows);
  // Where in the cache they begin, of a slot and, where there are several, of one group of heads: keys, [block of kLanes positions]
  // [key size][kLanes], lanes are positions, so that scores are sums of vectors; behind them values, [position][value size], so that means
  // of them are. Absorbed latent attention has keys alone.
  std::size_t KeysAt(int layer, int slot, int group = 0) const { return ((static_cast<std::size_t>(layer) * slots_ + slot) * groups_ + group) * group_numbers_; }
  std::size_t ValuesAt(int layer, int slot, int group) const {
    return KeysAt(layer, slot, group) + group_numbers_ / static_cast<std::size_t>(key_size_ + value_size_) * static_cast<std::size_t>(key_size_);
  }
  // work(cache), whichever of the two it is.
  template <typename Work>
  void InCache(const Work& work) {
    cached_ == Cached::kFloat32 ? work(cache_.data()) : work(half_cache_.data());
  }

  const DecoderWeights* weights_;
  Team* team_;
  int slots_, longest_;
  int groups_, key_size_, value_size_;  // of a position: groups of keys and values, and the numbers of each
  std::size_t group_numbers_;
  Cached cached_;
  Floats cache_;  // [layer][slot][group]; one of the two is empty
  std::vector<std::uint16_t, LineAllocator<std::uint16_t>> half_cache_;
  RotationTable rotation_;
  // Work space, [rows, ...].
  Floats x_, normed_, down_, latent_, query_, absorbed_, mixed_, heads_, wide_, act_, router_, route_weights_, last_, logits_,
      outputs_, shared_, pairs_;
  std::vector<std::vector<std::int32_t>> chosen_;
};

}  // namespace cogent
