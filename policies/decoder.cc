#include "policies/decoder.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"
#include "policies/parameters.h"

namespace cogent {
namespace {

using Lookup = DecoderWeights::Lookup;

std::vector<float> Copy(const Lookup& named, const std::string& name) {
  const at::Tensor t = named(name);
  if (!t.defined()) return {};
  const float* data = t.const_data_ptr<float>();
  return {data, data + t.numel()};
}

// Several vectors end to end; nothing where the first is not there.
std::vector<float> Join(const Lookup& named, const std::vector<std::string>& names) {
  std::vector<float> all;
  for (const std::string& name : names) {
    const auto one = Copy(named, name);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

const float* OrNull(const std::vector<float>& bias) { return bias.empty() ? nullptr : bias.data(); }

// Stacks matrices of equal width and packs them as one.
void PackRows(PackedMatrix& packed, const Lookup& named, const std::vector<std::string>& names) {
  std::vector<float> stacked;
  int out = 0, in = 0;
  for (const std::string& name : names) {
    const at::Tensor t = named(name);
    in = static_cast<int>(t.size(1));
    out += static_cast<int>(t.size(0));
    stacked.insert(stacked.end(), t.const_data_ptr<float>(), t.const_data_ptr<float>() + t.numel());
  }
  packed.Pack(stacked.data(), out, in, in);
}

template <typename T>
T* Room(std::vector<T>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer.resize(size);
  return buffer.data();
}

// Scores of H heads against all positions of a cache: lanes are positions; blocks of them lie `stride` apart.
template <int H>
void Scores(const float* cache, std::ptrdiff_t stride, const float* query, int width, int blocks, float* scores) {
  for (int b = 0; b < blocks; ++b, cache += stride) {
    Vec sum[H] = {};
    for (int d = 0; d < width; ++d) {
      const Vec keys = Load(cache + static_cast<std::ptrdiff_t>(d) * kLanes);
      for (int j = 0; j < H; ++j) sum[j] += query[j * width + d] * keys;
    }
    for (int j = 0; j < H; ++j) Store(scores + (static_cast<std::ptrdiff_t>(j) * blocks + b) * kLanes, sum[j]);
  }
}

// The mean of r columns of the cache under H heads' probabilities, [H, r].
template <int H>
void Mixed(const float* cache, std::ptrdiff_t stride, const float* scores, int blocks, int r, float* mixed) {
  for (int d = 0; d < r; ++d) {
    const float* column = cache + static_cast<std::ptrdiff_t>(d) * kLanes;
    Vec sum[H] = {};
    for (int b = 0; b < blocks; ++b) {
      const Vec values = Load(column + b * stride);
      for (int j = 0; j < H; ++j) sum[j] += Load(scores + (static_cast<std::ptrdiff_t>(j) * blocks + b) * kLanes) * values;
    }
    for (int j = 0; j < H; ++j) mixed[j * r + d] = Sum(sum[j]);
  }
}

}  // namespace

DecoderWeights::DecoderWeights(const ParameterSet& parameters) : config_(parameters.config()) { Update(parameters); }

void DecoderWeights::Update(const ParameterSet& parameters) {
  const ModelConfig& c = config_;
  const Lookup named = parameters.Effective();
  embedding_ = Copy(named, "model.embed_tokens.weight");
  norm_ = Copy(named, "model.norm.weight");
  speeds_ = c.rope.Frequencies(c.RopeDim());
  PackRows(head_, named, {c.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight"});
  layers_.resize(static_cast<std::size_t>(c.num_hidden_layers));
  for (int i = 0; i < c.num_hidden_layers; ++i) {
    Layer& l = layers_[i];
    const std::string p = "model.layers." + std::to_string(i) + ".", a = p + "self_attn.", m = p + "mlp.";
    l.mixture = c.IsMoe(i);
    l.input_norm = Copy(named, p + "input_layernorm.weight"), l.post_norm = Copy(named, p + "post_attention_layernorm.weight");
    PackRows(l.out, named, {a + "o_proj.weight"});
    l.out_bias = Copy(named, a + "o_proj.bias");
    if (c.IsLatent()) UpdateLatent(l, named, a);
    else UpdateGrouped(l, named, a);
    if (l.mixture) {
      PackRows(l.router, named, {m + "gate.weight"});
      l.correction = Copy(named, m + "gate.e_score_correction_bias");
      l.correction.resize(static_cast<std::size_t>(c.n_routed_experts));
      l.experts_up.resize(c.n_routed_experts), l.experts_down.resize(c.n_routed_experts);
      for (int e = 0; e < c.n_routed_experts; ++e) {
        const std::string q = m + "experts." + std::to_string(e) + ".";
        PackRows(l.experts_up[e], named, {q + "gate_proj.weight", q + "up_proj.weight"});
        PackRows(l.experts_down[e], named, {q + "down_proj.weight"});
      }
    }
    const std::string mlp = l.mixture ? m + "shared_experts." : m;
    if (!l.mixture || c.HasSharedExperts()) {
      PackRows(l.gate_up, named, {mlp + "gate_proj.weight", mlp + "up_proj.weight"});
      PackRows(l.mlp_down, named, {mlp + "down_proj.weight"});
      l.gate_up_bias = Join(named, {mlp + "gate_proj.bias", mlp + "up_proj.bias"});
      l.mlp_down_bias = Copy(named, mlp + "down_proj.bias");
    }
  }
}

void DecoderWeights::UpdateGrouped(Layer& l, const Lookup& named, const std::string& a) {
  PackRows(l.down, named, {a + "q_proj.weight", a + "k_proj.weight", a + "v_proj.weight"});
  l.down_bias = Join(named, {a + "q_proj.bias", a + "k_proj.bias", a + "v_proj.bias"});
  l.q_norm = Copy(named, a + "q_norm.weight"), l.kv_norm = Copy(named, a + "k_norm.weight");
}

void DecoderWeights::UpdateLatent(Layer& l, const Lookup& named, const std::string& a) {
  const ModelConfig& c = config_;
  l.q_norm = Copy(named, a + "q_a_layernorm.weight"), l.kv_norm = Copy(named, a + "kv_a_layernorm.weight");
  PackRows(l.down, named, {a + (c.q_lora_rank > 0 ? "q_a_proj.weight" : "q_proj.weight"), a + "kv_a_proj_with_mqa.weight"});
  if (c.attention_bias) {
    l.down_bias = c.q_lora_rank > 0 ? Copy(named, a + "q_a_proj.bias")
                                    : std::vector<float>(static_cast<std::size_t>(c.num_attention_heads) * c.qk_head_dim(), 0.0f);
    const auto kv = Copy(named, a + "kv_a_proj_with_mqa.bias");
    l.down_bias.insert(l.down_bias.end(), kv.begin(), kv.end());
  }
  if (c.q_lora_rank > 0) PackRows(l.q_up, named, {a + "q_b_proj.weight"});
  // kv_b is [H, dn + dv, r]: its key rows multiply the query from the left, its value rows the mixture.
  const at::Tensor whole = named(a + "kv_b_proj.weight");
  const float* kv_b = whole.const_data_ptr<float>();
  const int r = c.kv_lora_rank, dn = c.qk_nope_head_dim, dv = c.v_head_dim;
  l.key_up.resize(c.num_attention_heads), l.value_up.resize(c.num_attention_heads);
  for (int h = 0; h < c.num_attention_heads; ++h) {
    const float* rows = kv_b + static_cast<std::ptrdiff_t>(h) * (dn + dv) * r;
    l.key_up[h].PackTransposed(rows, dn, r, r);
    l.value_up[h].Pack(rows + static_cast<std::ptrdiff_t>(dn) * r, dv, r, r);
  }
}

Decoder::Decoder(const DecoderWeights& weights, int slots, int longest) : weights_(&weights), slots_(slots), longest_(longest) {
  const ModelConfig& c = weights.config_;
  slot_floats_ = static_cast<std::size_t>((longest + kLanes - 1) / kLanes) * kLanes * c.CacheWidth();
  cache_.assign(static_cast<std::size_t>(c.num_hidden_layers) * slots * slot_floats_, 0.0f);
  chosen_.resize(static_cast<std::size_t>(c.num_hidden_layers));
  const int pairs = c.RopeDim() / 2;
  const float amplitude = static_cast<float>(c.rope.Amplitude());
  for (int p = 0; p < longest; ++p) {
    for (int i = 0; i < pairs; ++i) {
      const float angle = static_cast<float>(p) * static_cast<float>(weights.speeds_[i]);
      cosines_.push_back(std::cos(angle) * amplitude);
      sines_.push_back(std::sin(angle) * amplitude);
    }
  }
}

std::size_t Decoder::CacheBytes(const ModelConfig& c, int slots, int longest) {
  return static_cast<std::size_t>((longest + kLanes - 1) / kLanes) * kLanes * c.CacheWidth() * c.num_hidden_layers * slots * sizeof(float);
}

void Decoder::AppendExperts(int row, std::vector<std::int32_t>& to) const {
  const ModelConfig& c = weights_->config_;
  for (int layer = 0; layer < c.num_hidden_layers; ++layer) {
    if (!c.IsMoe(layer)) continue;
    const auto first = chosen_[layer].begin() + static_cast<std::ptrdiff_t>(row) * c.num_experts_per_tok;
    to.insert(to.end(), first, first + c.num_experts_per_tok);
  }
}

void Decoder::CopySlot(int from, int to, int tokens) {
  const std::size_t count = static_cast<std::size_t>((tokens + kLanes - 1) / kLanes) * kLanes * weights_->config_.CacheWidth();
  for (int layer = 0; layer < weights_->config_.num_hidden_layers; ++layer) std::copy_n(Cache(layer, from), count, Cache(layer, to));
}

void Decoder::Run(const std::vector<DecodeRow>& rows, const std::vector<int>& wanted) {
  const ModelConfig& c = weights_->config_;
  const int n = static_cast<int>(rows.size()), width = c.hidden_size;
  float* x = Room(x_, static_cast<std::size_t>(n) * width);
  for (int r = 0; r < n; ++r) {
    Check(rows[r].position < longest_ && rows[r].slot < slots_, "a row outside the cache");
    Check(rows[r].token >= 0 && rows[r].token < c.vocab_size, "a token outside the vocabulary");
    std::copy_n(weights_->embedding_.data() + static_cast<std::ptrdiff_t>(rows[r].token) * width, width, x + static_cast<std::ptrdiff_t>(r) * width);
  }
  const float eps = static_cast<float>(c.rms_norm_eps);
  float* normed = Room(normed_, static_cast<std::size_t>(n) * width);
  for (int i = 0; i < c.num_hidden_layers; ++i) {
    const auto& layer = weights_->layers_[i];
    RmsNormRows(x, width, layer.input_norm.data(), eps, n, width, normed, width);
    if (c.IsLatent()) AttendLatent(layer, i, rows);
    else AttendGrouped(layer, i, rows);
    RmsNormRows(x, width, layer.post_norm.data(), eps, n, width, normed, width);
    if (layer.mixture) Mixture(layer, i, n);
    if (!layer.mixture || c.HasSharedExperts()) Mlp(layer, n);
  }
  const int m = static_cast<int>(wanted.size());
  float* last = Room(gathered_, static_cast<std::size_t>(m) * width);
  for (int i = 0; i < m; ++i) {
    RmsNormRows(x + static_cast<std::ptrdiff_t>(wanted[i]) * width, width, weights_->norm_.data(), eps, 1, width, last + static_cast<std::ptrdiff_t>(i) * width, width);
  }
  weights_->head_.Multiply(last, width, m, Room(logits_, static_cast<std::size_t>(m) * c.vocab_size), c.vocab_size);
}

void Decoder::AttendLatent(const DecoderWeights::Layer& l, int index, const std::vector<DecodeRow>& rows) {
  const ModelConfig& c = weights_->config_;
  const int n = static_cast<int>(rows.size()), h = c.num_attention_heads, dn = c.qk_nope_head_dim, dr = c.qk_rope_head_dim, dk = dn + dr;
  const int r = c.kv_lora_rank, rq = c.q_lora_rank, cache_width = r + dr, q_width = h * dk, first = rq > 0 ? rq : q_width;
  const int down_width = first + cache_width;
  constexpr float kLatentEps = 1e-6f;
  float* down = Room(down_, static_cast<std::size_t>(n) * down_width);
  l.down.Multiply(normed_.data(), c.hidden_size, n, down, down_width, PackedMatrix::Into::kReplace, OrNull(l.down_bias));
  float* query = down;
  std::ptrdiff_t q_stride = down_width;
  if (rq > 0) {
    float* latent = Room(latent_, static_cast<std::size_t>(n) * rq);
    RmsNormRows(down, down_width, l.q_norm.data(), kLatentEps, n, rq, latent, rq);
    query = Room(query_, static_cast<std::size_t>(n) * q_width);
    l.q_up.Multiply(latent, rq, n, query, q_width);
    q_stride = q_width;
  }
  RmsNormRows(down + first, down_width, l.kv_norm.data(), kLatentEps, n, r, down + first, down_width);
  for (int i = 0; i < n; ++i) {
    const float* cosines = cosines_.data() + static_cast<std::ptrdiff_t>(rows[i].position) * dr / 2;
    const float* sines = sines_.data() + static_cast<std::ptrdiff_t>(rows[i].position) * dr / 2;
    float* own = down + static_cast<std::ptrdiff_t>(i) * down_width + first;
    RotatePairs(own + r, cosines, sines, dr / 2);
    for (int j = 0; j < h; ++j) RotatePairs(query + i * q_stride + j * dk + dn, cosines, sines, dr / 2);
    float* cache = Cache(index, rows[i].slot) + static_cast<std::ptrdiff_t>(rows[i].position / kLanes) * kLanes * cache_width + rows[i].position % kLanes;
    for (int d = 0; d < cache_width; ++d) cache[static_cast<std::ptrdiff_t>(d) * kLanes] = own[d];
  }
  // Queries against the latent: q~ = q_nope Wk beside the rotated part, [n, H, r + dr].
  float* absorbed = Room(absorbed_, static_cast<std::size_t>(n) * h * cache_width);
  for (int j = 0; j < h; ++j) l.key_up[j].Multiply(query + j * dk, q_stride, n, absorbed + j * cache_width, static_cast<std::ptrdiff_t>(h) * cache_width);
  const float scale = static_cast<float>(c.SoftmaxScale());
  float* mixed = Room(mixed_, static_cast<std::size_t>(n) * h * r);
  for (int i = 0; i < n; ++i) {
    float* own = absorbed + static_cast<std::ptrdiff_t>(i) * h * cache_width;
    for (int j = 0; j < h; ++j) {
      std::copy_n(query + i * q_stride + j * dk + dn, dr, own + j * cache_width + r);
      for (int d = 0; d < cache_width; ++d) own[j * cache_width + d] *= scale;
    }
    AttendRow(Cache(index, rows[i].slot), {0, cache_width, 0, r, h}, own, rows[i].position, mixed + static_cast<std::ptrdiff_t>(i) * h * r);
  }
  const int dv = c.v_head_dim;
  float* heads = Room(heads_, static_cast<std::size_t>(n) * h * dv);
  for (int j = 0; j < h; ++j) l.value_up[j].Multiply(mixed + static_cast<std::ptrdiff_t>(j) * r, static_cast<std::ptrdiff_t>(h) * r, n, heads + j * dv, static_cast<std::ptrdiff_t>(h) * dv);
  l.out.Multiply(heads, static_cast<std::ptrdiff_t>(h) * dv, n, x_.data(), c.hidden_size, PackedMatrix::Into::kAccumulate, OrNull(l.out_bias));
}

void Decoder::AttendGrouped(const DecoderWeights::Layer& l, int index, const std::vector<DecodeRow>& rows) {
  const ModelConfig& c = weights_->config_;
  const int n = static_cast<int>(rows.size()), size = c.HeadDim(), heads = c.num_attention_heads, groups = c.KeyValueHeads(), each = heads / groups;
  const int q_width = heads * size, kv_width = groups * size, width = q_width + 2 * kv_width, cache_width = 2 * kv_width;
  const float eps = static_cast<float>(c.rms_norm_eps), scale = static_cast<float>(c.SoftmaxScale());
  float* qkv = Room(down_, static_cast<std::size_t>(n) * width);
  l.down.Multiply(normed_.data(), c.hidden_size, n, qkv, width, PackedMatrix::Into::kReplace, OrNull(l.down_bias));
  float* mixed = Room(mixed_, static_cast<std::size_t>(n) * q_width);
  for (int i = 0; i < n; ++i) {
    float *q = qkv + static_cast<std::ptrdiff_t>(i) * width, *k = q + q_width;
    if (!l.q_norm.empty()) {
      RmsNormRows(q, size, l.q_norm.data(), eps, heads, size, q, size);
      RmsNormRows(k, size, l.kv_norm.data(), eps, groups, size, k, size);
    }
    const float* cosines = cosines_.data() + static_cast<std::ptrdiff_t>(rows[i].position) * size / 2;
    const float* sines = sines_.data() + static_cast<std::ptrdiff_t>(rows[i].position) * size / 2;
    for (int j = 0; j < heads + groups; ++j) RotateHalves(q + j * size, cosines, sines, size / 2);
    for (int d = 0; d < q_width; ++d) q[d] *= scale;
    float* cache = Cache(index, rows[i].slot) + static_cast<std::ptrdiff_t>(rows[i].position / kLanes) * kLanes * cache_width + rows[i].position % kLanes;
    for (int d = 0; d < cache_width; ++d) cache[static_cast<std::ptrdiff_t>(d) * kLanes] = k[d];
  }
  for (int i = 0; i < n; ++i) {
    for (int g = 0; g < groups; ++g) {
      const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(g) * each * size;
      AttendRow(Cache(index, rows[i].slot), {g * size, size, kv_width + g * size, size, each}, qkv + static_cast<std::ptrdiff_t>(i) * width + first,
                rows[i].position, mixed + static_cast<std::ptrdiff_t>(i) * q_width + first);
    }
  }
  l.out.Multiply(mixed, q_width, n, x_.data(), c.hidden_size, PackedMatrix::Into::kAccumulate, OrNull(l.out_bias));
}

// One token against its cache: softmax(query K^T) V over positions 0..position, for every head that reads this part.
void Decoder::AttendRow(const float* cache, const CachePart& part, const float* query, int position, float* mixed) {
  const int h = part.heads, r = part.value_size, width = part.key_size, blocks = position / kLanes + 1;
  const std::ptrdiff_t stride = static_cast<std::ptrdiff_t>(kLanes) * weights_->config_.CacheWidth();
  const float *keys = cache + static_cast<std::ptrdiff_t>(part.keys) * kLanes, *values = cache + static_cast<std::ptrdiff_t>(part.values) * kLanes;
  float* scores = Room(scores_, static_cast<std::size_t>(h) * blocks * kLanes);
  const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(blocks) * kLanes;
  for (int j = 0; j < h; j += 4) {
    const float* q = query + static_cast<std::ptrdiff_t>(j) * width;
    switch (h - j) {
      case 1: Scores<1>(keys, stride, q, width, blocks, scores + j * row); break;
      case 2: Scores<2>(keys, stride, q, width, blocks, scores + j * row); break;
      case 3: Scores<3>(keys, stride, q, width, blocks, scores + j * row); break;
      default: Scores<4>(keys, stride, q, width, blocks, scores + j * row);
    }
  }
  for (int j = 0; j < h; ++j) {
    float* s = scores + static_cast<std::ptrdiff_t>(j) * blocks * kLanes;
    for (int p = position + 1; p < blocks * kLanes; ++p) s[p] = -std::numeric_limits<float>::max();
    Vec tops = Load(s);
    for (int b = 1; b < blocks; ++b) tops = Max(tops, Load(s + b * kLanes));
    const float top = Largest(tops);
    Vec sums{};
    for (int b = 0; b < blocks; ++b) {
      const Vec e = Exp(Load(s + b * kLanes) - top);
      Store(s + b * kLanes, e);
      sums += e;
    }
    const float inverse = 1.0f / Sum(sums);
    for (int b = 0; b < blocks; ++b) Store(s + b * kLanes, Load(s + b * kLanes) * inverse);
  }
  // Lanes past `position` hold zero probability; what the cache holds there is finite (zeros or old tokens).
  for (int j = 0; j < h; j += 4) {
    float* to = mixed + static_cast<std::ptrdiff_t>(j) * r;
    switch (h - j) {
      case 1: Mixed<1>(values, stride, scores + j * row, blocks, r, to); break;
      case 2: Mixed<2>(values, stride, scores + j * row, blocks, r, to); break;
      case 3: Mixed<3>(values, stride, scores + j * row, blocks, r, to); break;
      default: Mixed<4>(values, stride, scores + j * row, blocks, r, to);
    }
  }
}

void Decoder::Mlp(const DecoderWeights::Layer& l, int rows) {
  const int width = l.gate_up.out() / 2, hidden = weights_->config_.hidden_size;
  float* wide = Room(wide_, static_cast<std::size_t>(rows) * 2 * width);
  float* act = Room(act_, static_cast<std::size_t>(rows) * width);
  l.gate_up.Multiply(normed_.data(), hidden, rows, wide, 2 * width, PackedMatrix::Into::kReplace, OrNull(l.gate_up_bias));
  SwiGluRows(wide, 2 * width, rows, width, act, width);
  l.mlp_down.Multiply(act, width, rows, x_.data(), hidden, PackedMatrix::Into::kAccumulate, OrNull(l.mlp_down_bias));
}

void Decoder::Mixture(const DecoderWeights::Layer& l, int index, int rows) {
  const ModelConfig& c = weights_->config_;
  const int experts = c.n_routed_experts, chosen = c.num_experts_per_tok, hidden = c.hidden_size, width = c.moe_intermediate_size;
  const RouterRule rule{experts, chosen, c.n_group, c.topk_group, c.norm_topk_prob, static_cast<float>(c.routed_scaling_factor), !c.IsLatent()};
  float* logits = Room(router_, static_cast<std::size_t>(rows) * experts);
  float* weights = Room(route_weights_, static_cast<std::size_t>(rows) * chosen);
  float* affinities = Room(scores_, static_cast<std::size_t>(experts));
  std::vector<std::int32_t>& ids = chosen_[index];
  ids.resize(static_cast<std::size_t>(rows) * chosen);
  l.router.Multiply(normed_.data(), hidden, rows, logits, experts);
  for (int i = 0; i < rows; ++i) RouteToken(rule, logits + static_cast<std::ptrdiff_t>(i) * experts, l.correction.data(), ids.data() + i * chosen, weights + i * chosen, affinities);
  // Assignments in the order of experts; each row's sum runs over its experts in rising order.
  std::vector<int> begin(static_cast<std::size_t>(experts) + 1, 0);
  for (const std::int32_t e : ids) ++begin[e + 1];
  for (int e = 0; e < experts; ++e) begin[e + 1] += begin[e];
  std::int32_t* order = Room(routes_, ids.size());
  std::vector<int> next(begin.begin(), begin.end() - 1);
  for (std::size_t i = 0; i < ids.size(); ++i) order[next[ids[i]]++] = static_cast<std::int32_t>(i);
  float* sums = Room(sums_, static_cast<std::size_t>(rows) * hidden);
  std::fill_n(sums, static_cast<std::size_t>(rows) * hidden, 0.0f);
  for (int e = 0; e < experts; ++e) {
    const int n = begin[e + 1] - begin[e];
    if (n == 0) continue;
    float* xs = Room(gathered_, static_cast<std::size_t>(n) * hidden);
    float* wide = Room(wide_, static_cast<std::size_t>(n) * 2 * width);
    float* act = Room(act_, static_cast<std::size_t>(n) * width);
    for (int i = 0; i < n; ++i) std::copy_n(normed_.data() + static_cast<std::ptrdiff_t>(order[begin[e] + i] / chosen) * hidden, hidden, xs + static_cast<std::ptrdiff_t>(i) * hidden);
    l.experts_up[e].Multiply(xs, hidden, n, wide, 2 * width);
    SwiGluRows(wide, 2 * width, n, width, act, width);
    for (int i = 0; i < n; ++i) {
      const float w = weights[order[begin[e] + i]];
      for (int d = 0; d < width; ++d) act[static_cast<std::ptrdiff_t>(i) * width + d] *= w;
    }
    l.experts_down[e].Multiply(act, width, n, xs, hidden);
    for (int i = 0; i < n; ++i) {
      float* to = sums + static_cast<std::ptrdiff_t>(order[begin[e] + i] / chosen) * hidden;
      for (int d = 0; d < hidden; ++d) to[d] += xs[static_cast<std::ptrdiff_t>(i) * hidden + d];
    }
  }
  float* x = x_.data();
  for (std::ptrdiff_t i = 0; i < static_cast<std::ptrdiff_t>(rows) * hidden; ++i) x[i] += sums[i];
}

}  // namespace cogent
