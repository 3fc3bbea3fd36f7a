#include "policies/decoder.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"
#include "policies/decoder_attention.h"
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
void PackRows(PackedMatrix& packed, const Lookup& named, const std::vector<std::string>& names, Products products) {
  std::vector<float> stacked;
  int out = 0, in = 0;
  for (const std::string& name : names) {
    const at::Tensor t = named(name);
    in = static_cast<int>(t.size(1));
    out += static_cast<int>(t.size(0));
    stacked.insert(stacked.end(), t.const_data_ptr<float>(), t.const_data_ptr<float>() + t.numel());
  }
  packed.Pack(stacked.data(), out, in, in, products);
}

// What the cache holds of a position, for each group of heads: numbers of keys and of values.
struct CacheShape {
  int groups = 1, keys = 0, values = 0;
  std::size_t GroupNumbers(int longest) const {
    return static_cast<std::size_t>((longest + kLanes - 1) / kLanes) * kLanes * static_cast<std::size_t>(keys + values);
  }
};

CacheShape ShapeOf(const ModelConfig& c, Latents latents) {
  if (!c.IsLatent()) return {c.KeyValueHeads(), c.HeadDim(), c.HeadDim()};
  if (latents == Latents::kExpanded) return {c.num_attention_heads, c.qk_head_dim(), c.v_head_dim};
  return {1, c.kv_lora_rank + c.qk_rope_head_dim, 0};
}

}  // namespace

DecoderWeights::DecoderWeights(const ParameterSet& parameters, Products products, Latents latents)
    : config_(parameters.config()), products_(products), latents_(latents) {
  Update(parameters);
}

std::size_t DecoderWeights::MatrixBytes() const {
  std::size_t bytes = head_.bytes();
  for (const Layer& l : layers_) {
    for (const PackedMatrix* m : {&l.down, &l.q_up, &l.kv_up, &l.out, &l.gate_up, &l.mlp_down, &l.router}) bytes += m->bytes();
    for (const auto* several : {&l.key_up, &l.value_up, &l.experts_up, &l.experts_down}) {
      for (const PackedMatrix& m : *several) bytes += m.bytes();
    }
  }
  return bytes;
}

void DecoderWeights::Update(const ParameterSet& parameters) {
  const ModelConfig& c = config_;
  const Lookup named = parameters.Effective();
  embedding_ = Copy(named, "model.embed_tokens.weight");
  norm_ = Copy(named, "model.norm.weight");
  PackRows(head_, named, {c.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight"}, products_);
  layers_.resize(static_cast<std::size_t>(c.num_hidden_layers));
  for (int i = 0; i < c.num_hidden_layers; ++i) {
    Layer& l = layers_[i];
    const std::string p = "model.layers." + std::to_string(i) + ".", a = p + "self_attn.", m = p + "mlp.";
    l.mixture = c.IsMoe(i);
    l.input_norm = Copy(named, p + "input_layernorm.weight"), l.post_norm = Copy(named, p + "post_attention_layernorm.weight");
    PackRows(l.out, named, {a + "o_proj.weight"}, products_);
    l.out_bias = Copy(named, a + "o_proj.bias");
    if (c.IsLatent()) UpdateLatent(l, named, a);
    else UpdateGrouped(l, named, a);
    if (l.mixture) {
      PackRows(l.router, named, {m + "gate.weight"}, Products::kFloat32);
      l.correction = Copy(named, m + "gate.e_score_correction_bias");
      l.correction.resize(static_cast<std::size_t>(c.n_routed_experts));
      l.experts_up.resize(c.n_routed_experts), l.experts_down.resize(c.n_routed_experts);
      for (int e = 0; e < c.n_routed_experts; ++e) {
        const std::string q = m + "experts." + std::to_string(e) + ".";
        PackRows(l.experts_up[e], named, {q + "gate_proj.weight", q + "up_proj.weight"}, products_);
        PackRows(l.experts_down[e], named, {q + "down_proj.weight"}, products_);
      }
    }
    const std::string mlp = l.mixture ? m + "shared_experts." : m;
    if (!l.mixture || c.HasSharedExperts()) {
      PackRows(l.gate_up, named, {mlp + "gate_proj.weight", mlp + "up_proj.weight"}, products_);
      PackRows(l.mlp_down, named, {mlp + "down_proj.weight"}, products_);
      l.gate_up_bias = Join(named, {mlp + "gate_proj.bias", mlp + "up_proj.bias"});
      l.mlp_down_bias = Copy(named, mlp + "down_proj.bias");
    }
  }
}

void DecoderWeights::UpdateGrouped(Layer& l, const Lookup& named, const std::string& a) {
  PackRows(l.down, named, {a + "q_proj.weight", a + "k_proj.weight", a + "v_proj.weight"}, products_);
  l.down_bias = Join(named, {a + "q_proj.bias", a + "k_proj.bias", a + "v_proj.bias"});
  l.q_norm = Copy(named, a + "q_norm.weight"), l.kv_norm = Copy(named, a + "k_norm.weight");
}

void DecoderWeights::UpdateLatent(Layer& l, const Lookup& named, const std::string& a) {
  const ModelConfig& c = config_;
  l.q_norm = Copy(named, a + "q_a_layernorm.weight"), l.kv_norm = Copy(named, a + "kv_a_layernorm.weight");
  PackRows(l.down, named, {a + (c.q_lora_rank > 0 ? "q_a_proj.weight" : "q_proj.weight"), a + "kv_a_proj_with_mqa.weight"}, products_);
  if (c.attention_bias) {
    l.down_bias = c.q_lora_rank > 0 ? Copy(named, a + "q_a_proj.bias")
                                    : std::vector<float>(static_cast<std::size_t>(c.num_attention_heads) * c.qk_head_dim(), 0.0f);
    const auto kv = Copy(named, a + "kv_a_proj_with_mqa.bias");
    l.down_bias.insert(l.down_bias.end(), kv.begin(), kv.end());
  }
  if (c.q_lora_rank > 0) PackRows(l.q_up, named, {a + "q_b_proj.weight"}, products_);
  if (latents_ == Latents::kExpanded) return PackRows(l.kv_up, named, {a + "kv_b_proj.weight"}, products_);
  // kv_b is [H, dn + dv, r]: its key rows multiply the query from the left, its value rows the mixture.
  const at::Tensor whole = named(a + "kv_b_proj.weight");
  const float* kv_b = whole.const_data_ptr<float>();
  const int r = c.kv_lora_rank, dn = c.qk_nope_head_dim, dv = c.v_head_dim;
  l.key_up.resize(c.num_attention_heads), l.value_up.resize(c.num_attention_heads);
  for (int h = 0; h < c.num_attention_heads; ++h) {
    const float* rows = kv_b + static_cast<std::ptrdiff_t>(h) * (dn + dv) * r;
    l.key_up[h].PackTransposed(rows, dn, r, r, products_);
    l.value_up[h].Pack(rows + static_cast<std::ptrdiff_t>(dn) * r, dv, r, r, products_);
  }
}

Decoder::Decoder(const DecoderWeights& weights, int slots, int longest, Team* team, Cached cached)
    : weights_(&weights), team_(team), slots_(slots), longest_(longest), cached_(cached) {
  const ModelConfig& c = weights.config_;
  const CacheShape shape = ShapeOf(c, weights.latents_);
  groups_ = shape.groups, key_size_ = shape.keys, value_size_ = shape.values;
  group_numbers_ = shape.GroupNumbers(longest);
  const std::size_t numbers = static_cast<std::size_t>(c.num_hidden_layers) * slots * groups_ * group_numbers_;
  cached == Cached::kFloat32 ? cache_.assign(numbers, 0.0f) : half_cache_.assign(numbers, 0);
  chosen_.resize(static_cast<std::size_t>(c.num_hidden_layers));
  rotation_ = c.rope.Table(longest, c.RopeDim());
}

std::size_t Decoder::CacheBytes(const ModelConfig& c, int slots, int longest, Latents latents, Cached cached) {
  const CacheShape shape = ShapeOf(c, latents);
  return shape.GroupNumbers(longest) * shape.groups * c.num_hidden_layers * slots * (cached == Cached::kFloat32 ? sizeof(float) : sizeof(Bfloat16));
}

void Decoder::AppendExperts(int row, std::vector<std::int32_t>& to) {
  const ModelConfig& c = weights_->config_;
  for (int layer = 0; layer < c.num_hidden_layers; ++layer) {
    if (!c.IsMoe(layer)) continue;
    const auto first = chosen_[layer].begin() + static_cast<std::ptrdiff_t>(row) * c.num_experts_per_tok;
    to.insert(to.end(), first, first + c.num_experts_per_tok);
  }
}

void Decoder::CopySlot(int from, int to, int tokens) {
  const std::size_t keys = static_cast<std::size_t>((tokens + kLanes - 1) / kLanes) * kLanes * key_size_, values = static_cast<std::size_t>(tokens) * value_size_;
  InCache([&](auto* cache) {
    for (int layer = 0; layer < weights_->config_.num_hidden_layers; ++layer) {
      for (int g = 0; g < groups_; ++g) {
        std::copy_n(cache + KeysAt(layer, from, g), keys, cache + KeysAt(layer, to, g));
        std::copy_n(cache + ValuesAt(layer, from, g), values, cache + ValuesAt(layer, to, g));
      }
    }
  });
}

void Decoder::Multiply(const PackedMatrix& by, const float* x, int rows, float* y, PackedMatrix::Into into, const float* bias) {
  constexpr int kPanel = PackedMatrix::kPanel, kWorthMeeting = 1 << 16;  // multiplications
  const float* left = x;
  const int units = by.units();
  if (by.products() == Products::kBfloat16) {
    float* pairs = Room(pairs_, static_cast<std::size_t>(rows) * units);
    Share(rows, 16, [&](int first, int last) {
      by.Narrow(x + static_cast<std::ptrdiff_t>(first) * by.in(), by.in(), last - first, pairs + static_cast<std::ptrdiff_t>(first) * units);
    });
    left = pairs;
  }
  const long long panel = static_cast<long long>(rows) * units * kPanel;
  Share((by.out() + kPanel - 1) / kPanel, static_cast<int>(kWorthMeeting / std::max(1ll, panel)) + 1, [&](int first, int last) {
    by.MultiplyUnits(left, units, rows, y, by.out(), into, bias, {.first = first * kPanel, .columns = last * kPanel});
  });
}

void Decoder::Normalize(const float* x, std::ptrdiff_t x_stride, const std::vector<float>& weight, double eps, int rows, float* y) const {
  const int width = static_cast<int>(weight.size());
  Share(rows, 8, [&](int first, int last) {
    RmsNormRows(x + first * x_stride, x_stride, weight.data(), static_cast<float>(eps), last - first, width, y + static_cast<std::ptrdiff_t>(first) * width, width);
  });
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
  float* normed = Room(normed_, static_cast<std::size_t>(n) * width);
  for (int i = 0; i < c.num_hidden_layers; ++i) {
    const auto& layer = weights_->layers_[i];
    Normalize(x, width, layer.input_norm, c.rms_norm_eps, n, normed);
    if (!c.IsLatent()) AttendGrouped(layer, i, rows);
    else if (weights_->latents_ == Latents::kExpanded) AttendExpanded(layer, i, rows);
    else AttendLatent(layer, i, rows);
    Normalize(x, width, layer.post_norm, c.rms_norm_eps, n, normed);
    if (layer.mixture) Mixture(layer, i, n);
    else Mlp(layer, n, x, PackedMatrix::Into::kAccumulate);
  }
  const int m = static_cast<int>(wanted.size());
  float* last = Room(last_, static_cast<std::size_t>(m) * width);
  for (int i = 0; i < m; ++i) CopyRow(x + static_cast<std::ptrdiff_t>(wanted[i]) * width, width, last + static_cast<std::ptrdiff_t>(i) * width);
  Normalize(last, width, weights_->norm_, c.rms_norm_eps, m, last);
  Multiply(weights_->head_, last, m, Room(logits_, static_cast<std::size_t>(m) * c.vocab_size));
}

Decoder::LatentRows Decoder::ProjectLatent(const DecoderWeights::Layer& l, int n) {
  const ModelConfig& c = weights_->config_;
  const int rq = c.q_lora_rank, q_width = c.num_attention_heads * c.qk_head_dim(), first = rq > 0 ? rq : q_width;
  const int down_width = first + c.kv_lora_rank + c.qk_rope_head_dim;
  float* down = Room(down_, static_cast<std::size_t>(n) * down_width);
  Multiply(l.down, normed_.data(), n, down, PackedMatrix::Into::kReplace, OrNull(l.down_bias));
  if (rq == 0) return {down, down, down_width, down_width, first};
  float* latent = Room(latent_, static_cast<std::size_t>(n) * rq);
  Normalize(down, down_width, l.q_norm, ModelConfig::kLatentEps, n, latent);
  float* query = Room(query_, static_cast<std::size_t>(n) * q_width);
  Multiply(l.q_up, latent, n, query);
  return {down, query, down_width, q_width, first};
}

void Decoder::AttendLatent(const DecoderWeights::Layer& l, int index, const std::vector<DecodeRow>& rows) {
  const ModelConfig& c = weights_->config_;
  const int n = static_cast<int>(rows.size()), h = c.num_attention_heads, dn = c.qk_nope_head_dim, dr = c.qk_rope_head_dim, dk = dn + dr;
  const int r = c.kv_lora_rank, cache_width = r + dr, dv = c.v_head_dim;
  const LatentRows parts = ProjectLatent(l, n);
  float* const query = parts.query;
  const std::ptrdiff_t q_stride = parts.query_stride;
  Share(n, 8, [&](int begin, int end) {
    float* const latents = parts.down + begin * parts.down_width + parts.first;
    RmsNormRows(latents, parts.down_width, l.kv_norm.data(), static_cast<float>(ModelConfig::kLatentEps), end - begin, r, latents, parts.down_width);
    for (int i = begin; i < end; ++i) {
      float* own = parts.down + i * parts.down_width + parts.first;
      Rotate(rows[i].position, own + r, 1, 0);
      Rotate(rows[i].position, query + i * q_stride + dn, h, dk);
      StoreKey(index, rows[i], 0, 0, own, cache_width);
    }
  });
  float* absorbed = Room(absorbed_, static_cast<std::size_t>(n) * h * cache_width);
  float* mixed = Room(mixed_, static_cast<std::size_t>(n) * h * r);
  float* heads = Room(heads_, static_cast<std::size_t>(n) * h * dv);
  const float scale = static_cast<float>(c.SoftmaxScale());
  const std::ptrdiff_t absorbed_stride = static_cast<std::ptrdiff_t>(h) * cache_width, mixed_stride = static_cast<std::ptrdiff_t>(h) * r;
  const std::vector<int> runs = Runs(rows);
  Share((h + 3) / 4, 1, [&](int begin, int end) {
    begin *= 4, end = std::min(4 * end, h);
    // Queries against the latent: q~ = q_nope Wk beside the rotated part, [n, H, r + dr].
    for (int j = begin; j < end; ++j) l.key_up[j].Multiply(query + j * dk, q_stride, n, absorbed + j * cache_width, absorbed_stride);
    for (int i = 0; i < n; ++i) {
      float* own = absorbed + i * absorbed_stride;
      for (int j = begin; j < end; ++j) {
        CopyRow(query + i * q_stride + j * dk + dn, dr, own + j * cache_width + r);
        for (int d = 0; d < cache_width; ++d) own[j * cache_width + d] *= scale;
      }
    }
    for (std::size_t run = 0; run + 1 < runs.size(); ++run) {
      const int i = runs[run], next = std::min(runs[run + 1], n - 1);
      InCache([&]<typename Number>(Number* cache) {
        AttendRun<Number>({.keys = cache + KeysAt(index, rows[i].slot), .next = cache + KeysAt(index, rows[next].slot), .key_size = cache_width, .value_size = r, .heads = end - begin},
                          absorbed + i * absorbed_stride + begin * cache_width, absorbed_stride, runs[run + 1] - i, rows[i].position,
                          mixed + i * mixed_stride + static_cast<std::ptrdiff_t>(begin) * r, mixed_stride);
      });
    }
    for (int j = begin; j < end; ++j) {
      l.value_up[j].Multiply(mixed + static_cast<std::ptrdiff_t>(j) * r, mixed_stride, n, heads + j * dv, static_cast<std::ptrdiff_t>(h) * dv);
    }
  });
  Multiply(l.out, heads, n, x_.data(), PackedMatrix::Into::kAccumulate, OrNull(l.out_bias));
}

void Decoder::AttendExpanded(const DecoderWeights::Layer& l, int index, const std::vector<DecodeRow>& rows) {
  const ModelConfig& c = weights_->config_;
  const int n = static_cast<int>(rows.size()), h = c.num_attention_heads, dn = c.qk_nope_head_dim, dr = c.qk_rope_head_dim, dk = dn + dr, dv = c.v_head_dim;
  const int r = c.kv_lora_rank, kv_width = h * (dn + dv);
  const float scale = static_cast<float>(c.SoftmaxScale());
  const LatentRows parts = ProjectLatent(l, n);
  float* latent = Room(latent_, static_cast<std::size_t>(n) * r);
  Normalize(parts.down + parts.first, parts.down_width, l.kv_norm, ModelConfig::kLatentEps, n, latent);
  float* kv = Room(absorbed_, static_cast<std::size_t>(n) * kv_width);
  Multiply(l.kv_up, latent, n, kv);
  Share(n, 4, [&](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      float *q = parts.query + i * parts.query_stride, *key_rope = parts.down + i * parts.down_width + parts.first + r;
      Rotate(rows[i].position, key_rope, 1, 0);
      Rotate(rows[i].position, q + dn, h, dk);
      for (int d = 0; d < h * dk; ++d) q[d] *= scale;
      for (int j = 0; j < h; ++j) {
        const float* own = kv + static_cast<std::ptrdiff_t>(i) * kv_width + j * (dn + dv);
        StoreKey(index, rows[i], j, 0, own, dn);
        StoreKey(index, rows[i], j, dn, key_rope, dr);
        StoreValue(index, rows[i], j, own + dn);
      }
    }
  });
  AttendCache(l, index, rows, parts.query, parts.query_stride);
}

void Decoder::AttendGrouped(const DecoderWeights::Layer& l, int index, const std::vector<DecodeRow>& rows) {
  const ModelConfig& c = weights_->config_;
  const int n = static_cast<int>(rows.size()), size = c.HeadDim(), heads = c.num_attention_heads, groups = c.KeyValueHeads();
  const int q_width = heads * size, kv_width = groups * size, width = q_width + 2 * kv_width;
  const float eps = static_cast<float>(c.rms_norm_eps), scale = static_cast<float>(c.SoftmaxScale());
  float* qkv = Room(down_, static_cast<std::size_t>(n) * width);
  Multiply(l.down, normed_.data(), n, qkv, PackedMatrix::Into::kReplace, OrNull(l.down_bias));
  Share(n, 4, [&](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      float *q = qkv + static_cast<std::ptrdiff_t>(i) * width, *k = q + q_width, *v = k + kv_width;
      if (!l.q_norm.empty()) {
        RmsNormRows(q, size, l.q_norm.data(), eps, heads, size, q, size);
        RmsNormRows(k, size, l.kv_norm.data(), eps, groups, size, k, size);
      }
      Rotate(rows[i].position, q, heads + groups, size);
      for (int d = 0; d < q_width; ++d) q[d] *= scale;
      for (int g = 0; g < groups; ++g, k += size, v += size) {
        StoreKey(index, rows[i], g, 0, k, size);
        StoreValue(index, rows[i], g, v);
      }
    }
  });
  AttendCache(l, index, rows, qkv, width);
}

// `heads` of them, `stride` apart, for the position of a token.
void Decoder::Rotate(int position, float* x, int heads, int stride) const {
  const int pairs = weights_->config_.RopeDim() / 2;
  const float *cosines = rotation_.cosines.data() + static_cast<std::ptrdiff_t>(position) * pairs, *sines = rotation_.sines.data() + static_cast<std::ptrdiff_t>(position) * pairs;
  const auto rotate = weights_->config_.IsLatent() ? RotatePairs : RotateHalves;
  for (int j = 0; j < heads; ++j) rotate(x + static_cast<std::ptrdiff_t>(j) * stride, cosines, sines, pairs);
}

// Numbers first ... first + count - 1 of a token's key.
void Decoder::StoreKey(int layer, const DecodeRow& row, int group, int first, const float* key, int count) {
  InCache([&](auto* cache) {
    auto* to = cache + KeysAt(layer, row.slot, group) + (static_cast<std::ptrdiff_t>(row.position / kLanes) * key_size_ + first) * kLanes + row.position % kLanes;
    for (int d = 0; d < count; ++d) Keep(key[d], to + static_cast<std::ptrdiff_t>(d) * kLanes);
  });
}

void Decoder::StoreValue(int layer, const DecodeRow& row, int group, const float* value) {
  InCache([&](auto* cache) {
    auto* to = cache + ValuesAt(layer, row.slot, group) + static_cast<std::ptrdiff_t>(row.position) * value_size_;
    for (int d = 0; d < value_size_; ++d) Keep(value[d], to + d);
  });
}

// Rotated and scaled queries against keys and values of the cache, and the output's product, which joins the stream.
void Decoder::AttendCache(const DecoderWeights::Layer& l, int index, const std::vector<DecodeRow>& rows, const float* query, std::ptrdiff_t query_stride) {
  const int heads = weights_->config_.num_attention_heads, each = heads / groups_;
  const std::ptrdiff_t mixed_stride = static_cast<std::ptrdiff_t>(heads) * value_size_;
  float* mixed = Room(mixed_, rows.size() * static_cast<std::size_t>(mixed_stride));
  const std::vector<int> runs = Runs(rows);
  const int count = static_cast<int>(runs.size()) - 1;
  Share(count * groups_, 1, [&](int begin, int end) {
    for (int at = begin; at < end; ++at) {
      // Runs from the front and from behind by turns: in a prompt the last ones see most, and each member gets its share of them.
      const int turn = at / groups_, g = at % groups_, run = turn % 2 == 0 ? turn / 2 : count - 1 - turn / 2, i = runs[run];
      const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(g) * each;
      InCache([&]<typename Number>(Number* cache) {
        AttendRun<Number>({.keys = cache + KeysAt(index, rows[i].slot, g), .values = cache + ValuesAt(index, rows[i].slot, g), .key_size = key_size_, .value_size = value_size_, .heads = each},
                          query + i * query_stride + first * key_size_, query_stride, runs[run + 1] - i, rows[i].position, mixed + i * mixed_stride + first * value_size_, mixed_stride);
      });
    }
  });
  Multiply(l.out, mixed, static_cast<int>(rows.size()), x_.data(), PackedMatrix::Into::kAccumulate, OrNull(l.out_bias));
}

// Where runs begin, and the end: rows of one slot whose positions follow each other, as a prompt's do, at most eight.
std::vector<int> Decoder::Runs(const std::vector<DecodeRow>& rows) {
  constexpr int kMost = 8;
  std::vector<int> begins;
  for (int i = 0; i < static_cast<int>(rows.size()); ++i) {
    const bool joins = i > 0 && rows[i].slot == rows[i - 1].slot && rows[i].position == rows[i - 1].position + 1 && i - begins.back() < kMost;
    if (!joins) begins.push_back(i);
  }
  begins.push_back(static_cast<int>(rows.size()));
  return begins;
}

void Decoder::Mlp(const DecoderWeights::Layer& l, int rows, float* y, PackedMatrix::Into into) {
  const int width = l.gate_up.out() / 2;
  float* wide = Room(wide_, static_cast<std::size_t>(rows) * 2 * width);
  float* act = Room(act_, static_cast<std::size_t>(rows) * width);
  Multiply(l.gate_up, normed_.data(), rows, wide, PackedMatrix::Into::kReplace, OrNull(l.gate_up_bias));
  Share(rows, 2, [&](int first, int last) {
    SwiGluRows(wide + static_cast<std::ptrdiff_t>(first) * 2 * width, 2 * width, last - first, width, act + static_cast<std::ptrdiff_t>(first) * width, width);
  });
  Multiply(l.mlp_down, act, rows, y, into, OrNull(l.mlp_down_bias));
}

void Decoder::Mixture(const DecoderWeights::Layer& l, int index, int rows) {
  const ModelConfig& c = weights_->config_;
  const int experts = c.n_routed_experts, chosen = c.num_experts_per_tok, hidden = c.hidden_size, width = c.moe_intermediate_size;
  const RouterRule rule{experts, chosen, c.n_group, c.topk_group, c.norm_topk_prob, static_cast<float>(c.routed_scaling_factor), !c.IsLatent()};
  float* logits = Room(router_, static_cast<std::size_t>(rows) * experts);
  float* weights = Room(route_weights_, static_cast<std::size_t>(rows) * chosen);
  std::vector<float> affinities(static_cast<std::size_t>(experts));
  std::vector<std::int32_t>& ids = chosen_[index];
  ids.resize(static_cast<std::size_t>(rows) * chosen);
  Multiply(l.router, normed_.data(), rows, logits);
  for (int i = 0; i < rows; ++i) {
    RouteToken(rule, logits + static_cast<std::ptrdiff_t>(i) * experts, l.correction.data(), ids.data() + i * chosen, weights + i * chosen, affinities.data());
  }
  // Assignments in the order of experts, and the experts that have some.
  std::vector<int> begin(static_cast<std::size_t>(experts) + 1, 0), busy;
  for (const std::int32_t e : ids) ++begin[e + 1];
  for (int e = 0; e < experts; ++e) {
    if (begin[e + 1] > 0) busy.push_back(e);
    begin[e + 1] += begin[e];
  }
  std::vector<int> order(ids.size()), next(begin.begin(), begin.end() - 1);
  for (std::size_t i = 0; i < ids.size(); ++i) order[next[ids[i]]++] = static_cast<int>(i);
  float* outputs = Room(outputs_, ids.size() * hidden);  // of each assignment, [rows, K, hidden]
  Share(static_cast<int>(busy.size()), 1, [&](int first, int last) {
    thread_local Floats in, wide_room, act_room;
    for (int at = first; at < last; ++at) {
      const int e = busy[at], n = begin[e + 1] - begin[e], *assigned = order.data() + begin[e];
      float* xs = Room(in, static_cast<std::size_t>(n) * hidden);
      float* wide = Room(wide_room, static_cast<std::size_t>(n) * 2 * width);
      float* act = Room(act_room, static_cast<std::size_t>(n) * width);
      for (int i = 0; i < n; ++i) std::copy_n(normed_.data() + static_cast<std::ptrdiff_t>(assigned[i] / chosen) * hidden, hidden, xs + static_cast<std::ptrdiff_t>(i) * hidden);
      l.experts_up[e].Multiply(xs, hidden, n, wide, 2 * width);
      SwiGluRows(wide, 2 * width, n, width, act, width);
      for (int i = 0; i < n; ++i) {
        for (int d = 0; d < width; ++d) act[static_cast<std::ptrdiff_t>(i) * width + d] *= weights[assigned[i]];
      }
      l.experts_down[e].Multiply(act, width, n, xs, hidden);
      for (int i = 0; i < n; ++i) std::copy_n(xs + static_cast<std::ptrdiff_t>(i) * hidden, hidden, outputs + static_cast<std::ptrdiff_t>(assigned[i]) * hidden);
    }
  });
  // Each row's sum runs over the shared experts and then its own in rising order, and joins the stream as one: as training adds them.
  float* sums = Room(shared_, static_cast<std::size_t>(rows) * hidden);
  if (c.HasSharedExperts()) Mlp(l, rows, sums, PackedMatrix::Into::kReplace);
  Share(rows, 8, [&](int first, int last) {
    for (int i = first; i < last; ++i) {
      float* sum = sums + static_cast<std::ptrdiff_t>(i) * hidden;
      if (!c.HasSharedExperts()) std::fill_n(sum, hidden, 0.0f);
      for (int k = 0; k < chosen; ++k) AddRow(outputs + (static_cast<std::ptrdiff_t>(i) * chosen + k) * hidden, hidden, sum);
      AddRow(sum, hidden, x_.data() + static_cast<std::ptrdiff_t>(i) * hidden);
    }
  });
}

}  // namespace cogent
