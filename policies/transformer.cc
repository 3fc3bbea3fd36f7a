#include "policies/transformer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "policies/gradient.h"

namespace cogent {
namespace {

// Leaves by name, in the order of the layout.
std::map<std::string, at::Tensor> ByName(const ModelConfig& config, const std::vector<at::Tensor>& leaves) {
  std::map<std::string, at::Tensor> named;
  const auto layout = ParameterLayout(config);
  Check(layout.size() <= leaves.size(), "as many leaves as the layout has");
  for (std::size_t i = 0; i < layout.size(); ++i) named[layout[i].name] = leaves[i];
  return named;
}

// The adapters by the leaf that they belong to; their leaves follow those of the layout.
std::map<std::string, LowRank> AdaptersByLeaf(const ModelConfig& config, const std::vector<at::Tensor>& leaves) {
  std::map<std::string, LowRank> adapters;
  std::size_t next = ParameterLayout(config).size();
  for (const AdaptedLeaf& leaf : AdapterLayout(config)) {
    LowRank& own = adapters[leaf.leaf];
    own.scale = config.lora->Scale();
    own.down = leaves.at(next++);
    for (const auto& part : leaf.parts) own.first.push_back(part.first), own.up.push_back(leaves.at(next++));
  }
  Check(next == leaves.size(), "as many leaves as layout and adapters have");
  return adapters;
}

std::vector<std::int64_t> Positions(const PackedTokens& tokens) {
  std::vector<std::int64_t> positions(tokens.ids.size());
  for (const Segment& s : tokens.segments) {
    const int before = s.parent >= 0 ? tokens.segments[s.parent].size() : 0;
    for (int r = s.begin; r < s.end; ++r) positions[r] = before + r - s.begin;
  }
  return positions;
}

// Of the positions 0 ... count - 1, float32 on the CPU.
Rotation RotationOf(const ModelConfig& config, std::int64_t count) {
  const int dim = config.RopeDim();
  const RotationTable table = config.rope.Table(static_cast<int>(count), dim);
  return {at::tensor(table.cosines, at::kFloat).view({count, dim / 2}), at::tensor(table.sines, at::kFloat).view({count, dim / 2})};
}

at::Tensor ToHost(const at::Tensor& t) { return t.defined() ? t.to(at::kCPU, at::kFloat) : t; }

}  // namespace

PackedTokens PackPadded(const at::Tensor& ids, const at::Tensor& mask) {
  Check(ids.dim() == 2 && ids.sizes() == mask.sizes(), "ids and mask are [B, T]");
  const at::Tensor wide = ids.to(at::kLong).contiguous(), real = mask.to(at::kLong).contiguous();
  PackedTokens packed;
  for (std::int64_t b = 0, i = 0; b < ids.size(0); ++b) {
    Segment segment{static_cast<int>(packed.ids.size()), 0, -1};
    for (std::int64_t t = 0; t < ids.size(1); ++t, ++i) {
      if (real.const_data_ptr<std::int64_t>()[i] != 0) packed.ids.push_back(wide.const_data_ptr<std::int64_t>()[i]);
    }
    segment.end = static_cast<int>(packed.ids.size());
    packed.segments.push_back(segment);
  }
  return packed;
}

struct Transformer::Pass {
  const PackedTokens* tokens;
  const ForwardOptions* options;
  Rotation rotation;
  at::Tensor balance_loss, load;
  at::Tensor experts;  // int32 [N, mixture layers, K] of tokens->experts
  at::Tensor* chosen = nullptr;  // int32 [N, K]: where a layer that runs twice keeps its experts
  std::shared_ptr<const Kept> kept;  // with gradient checkpointing
  CachedRows* cached = nullptr;  // decoding

  at::Tensor Linear(const at::Tensor& x, const Projection& by) const {
    LowRank adapters = by.adapters;
    adapters.merged = options->merged_adapters;
    return ops::Linear(x, by.weight, by.bias, options->products, adapters);
  }
  void Trace(int layer, const char* what, const at::Tensor& value) const {
    if (options->trace) (*options->trace)["layers." + std::to_string(layer) + "." + what] = value.detach();
  }
};

// What a layer needs when it runs again, however long that is after the call.
struct Transformer::Kept {
  Transformer model;
  PackedTokens tokens;
};

std::vector<at::Tensor> Transformer::Layer::Leaves() const {
  std::vector<at::Tensor> leaves;
  for (const Projection* p : {&out, &down, &q_up, &kv_up, &qkv, &gate_up, &mlp_down}) {
    leaves.insert(leaves.end(), {p->weight, p->bias, p->adapters.down});
    leaves.insert(leaves.end(), p->adapters.up.begin(), p->adapters.up.end());
  }
  std::erase_if(leaves, [](const at::Tensor& leaf) { return !leaf.defined(); });
  return leaves;
}

at::Tensor Transformer::Stream::Whole() const { return branch.defined() ? trunk + branch : trunk; }

at::Tensor Transformer::Projection::Effective() const {
  if (!adapters.down.defined()) return weight;
  // Of every unit vector what the adapters make, transposed.
  return reference::AddAdapters(weight.t(), at::eye(weight.size(1), weight.options()), adapters).t();
}

Transformer::Transformer(const ModelConfig& config, std::vector<at::Tensor> leaves, at::Tensor biases)
    : config_(config), biases_(std::move(biases)) {
  const auto named = ByName(config, leaves);
  const auto adapters = AdaptersByLeaf(config, leaves);
  const auto maybe = [&](const std::string& name) {
    auto it = named.find(name);
    return it == named.end() ? at::Tensor() : it->second;
  };
  const auto projection = [&](const std::string& name) {
    const auto adapted = adapters.find(name + ".weight");
    return Projection{maybe(name + ".weight"), maybe(name + ".bias"), adapted == adapters.end() ? LowRank() : adapted->second};
  };
  int mixtures = 0;
  const auto layer = [&](int index) {
    const std::string p = "model.layers." + std::to_string(index) + ".", a = p + "self_attn.", m = p + "mlp.";
    Layer l;
    l.index = index;
    if (config.IsMoe(index)) l.mixture = mixtures++;
    l.input_norm = maybe(p + "input_layernorm.weight"), l.post_norm = maybe(p + "post_attention_layernorm.weight");
    l.down = projection(a + "down");
    if (config.IsLatent() && !l.down.bias.defined() && config.attention_bias) {  // direct queries have no bias; zeros stand for it
      const at::Tensor kv = maybe(a + "kv_a_proj_with_mqa.bias");
      l.down.bias = at::cat({at::zeros({l.down.weight.size(0) - kv.size(0)}, kv.options()), kv});
    }
    l.q_norm = maybe(a + "q_a_layernorm.weight"), l.q_up = projection(a + "q_b_proj");
    l.kv_norm = maybe(a + "kv_a_layernorm.weight"), l.kv_up = projection(a + "kv_b_proj");
    l.out = projection(a + "o_proj"), l.qkv = projection(a + "qkv");
    l.head_q_norm = maybe(a + "q_norm.weight"), l.head_k_norm = maybe(a + "k_norm.weight");
    const std::string mlp = l.mixture >= 0 ? m + "shared_experts." : m;
    l.gate_up = projection(mlp + "gate_up"), l.mlp_down = projection(mlp + "down_proj");
    l.router = maybe(m + "gate.weight"), l.experts_up = maybe(m + "experts.gate_up.weight");
    l.experts_down = maybe(m + "experts.down.weight");
    return l;
  };
  embedding_ = maybe("model.embed_tokens.weight");
  norm_ = maybe("model.norm.weight");
  head_ = config.value_head ? maybe("score.weight") : config.tie_word_embeddings ? embedding_ : maybe("lm_head.weight");
  for (int i = 0; i < config.num_hidden_layers; ++i) layers_.push_back(layer(i));
  if (config.num_nextn_predict_layers > 0) {
    const std::string p = "model.layers." + std::to_string(config.num_hidden_layers) + ".";
    prediction_ = layer(config.num_hidden_layers);
    embed_norm_ = maybe(p + "enorm.weight"), hidden_norm_ = maybe(p + "hnorm.weight");
    merge_ = maybe(p + "eh_proj.weight"), prediction_norm_ = maybe(p + "shared_head.norm.weight");
  }
}

Transformer::Pass Transformer::StartPass(const PackedTokens& tokens, const ForwardOptions& options) const {
  Pass pass{&tokens, &options, {}, {}, {}, {}, nullptr, {}, nullptr};
  if (options.gradient_checkpointing) pass.kept.reset(new Kept{*this, tokens});
  if (!tokens.experts.empty()) {
    const auto rows = static_cast<std::int64_t>(tokens.ids.size()), per_row = static_cast<std::int64_t>(tokens.experts.size()) / rows;
    pass.experts = at::tensor(tokens.experts, at::kInt).view({rows, per_row / config_.num_experts_per_tok, config_.num_experts_per_tok});
  }
  const std::vector<std::int64_t> positions = Positions(tokens);
  const Rotation all = RotationOf(config_, positions.empty() ? 0 : *std::max_element(positions.begin(), positions.end()) + 1);
  const at::Tensor rows = at::tensor(positions, at::kLong);
  pass.rotation = {all.cosines.index_select(0, rows).to(embedding_.device()), all.sines.index_select(0, rows).to(embedding_.device())};
  pass.load = at::zeros(biases_.sizes(), at::kLong);
  return pass;
}

at::Tensor Transformer::AttendLatent(const Layer& l, const at::Tensor& x, const Pass& pass) const {
  const auto& c = config_;
  const bool direct = c.q_lora_rank == 0;
  const std::int64_t q_width = direct ? c.num_attention_heads * c.qk_head_dim() : c.q_lora_rank;
  // One product makes the (compressed) queries, the latent and the shared rotary key.
  const auto parts = ops::NormParts(pass.Linear(x, l.down), {q_width, c.kv_lora_rank, c.qk_rope_head_dim}, {l.q_norm, l.kv_norm, {}}, ModelConfig::kLatentEps);
  const at::Tensor q = direct ? parts[0] : pass.Linear(parts[0], l.q_up);  // [N, H (dn + dr)]
  const at::Tensor& latent = parts[1];
  if (pass.cached) {
    const std::int64_t heads = c.num_attention_heads, dn = c.qk_nope_head_dim, dr = c.qk_rope_head_dim;
    const at::Tensor up = l.kv_up.Effective().reshape({heads, dn + c.v_head_dim, c.kv_lora_rank}), q3 = q.reshape({-1, heads, dn + dr});
    const at::Tensor absorbed = at::einsum("nhd,hdr->nhr", {q3.narrow(2, 0, dn), up.narrow(1, 0, dn)});
    const at::Tensor queries = at::cat({absorbed, device::Rotate(q3.narrow(2, dn, dr), pass.rotation, false)}, 2);
    const at::Tensor keys = at::cat({latent.unsqueeze(1), device::Rotate(parts[2].unsqueeze(1), pass.rotation, false)}, 2);
    const at::Tensor mixed = AttendCached(l, queries, keys, {}, pass);  // [N, H, rank]
    return pass.Linear(at::einsum("nhr,hvr->nhv", {mixed, up.narrow(1, dn, c.v_head_dim)}).flatten(1), l.out);
  }
  const at::Tensor kv = pass.Linear(latent, l.kv_up);  // [N, H (dn + dv)]
  const Heads heads{c.num_attention_heads, c.qk_nope_head_dim, c.qk_rope_head_dim, c.v_head_dim, c.SoftmaxScale()};
  const at::Tensor mixed = ops::Attention(q, kv, parts[2], pass.rotation, heads, pass.tokens->segments);  // [N, H dv]
  return pass.Linear(mixed, l.out);
}

at::Tensor Transformer::AttendGrouped(const Layer& l, const at::Tensor& x, const Pass& pass) const {
  const auto& c = config_;
  const std::int64_t size = c.HeadDim(), q_width = c.num_attention_heads * size, kv_width = c.KeyValueHeads() * size;
  const auto parts = ops::NormParts(pass.Linear(x, l.qkv), {q_width, kv_width, kv_width}, {l.head_q_norm, l.head_k_norm, {}}, c.rms_norm_eps);
  const at::Tensor &q = parts[0], &k = parts[1];
  if (pass.cached) {
    const at::Tensor queries = device::Rotate(q.reshape({-1, c.num_attention_heads, size}), pass.rotation, true);
    const at::Tensor keys = device::Rotate(k.reshape({-1, c.KeyValueHeads(), size}), pass.rotation, true);
    return pass.Linear(AttendCached(l, queries, keys, parts[2].reshape(keys.sizes()), pass).flatten(1), l.out);
  }
  const Heads heads{c.num_attention_heads, 0, c.HeadDim(), c.HeadDim(), c.SoftmaxScale(), c.KeyValueHeads()};
  const at::Tensor mixed = ops::Attention(q, parts[2], k, pass.rotation, heads, pass.tokens->segments);
  return pass.Linear(mixed, l.out);
}

// Caches the rows' keys and values [N, groups, size] and attends to all of their slots up to themselves. `values` undefined:
// they are the first kv_lora_rank numbers of the keys. Queries [N, H, size] -> [N, H, value size].
at::Tensor Transformer::AttendCached(const Layer& l, const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values, const Pass& pass) const {
  const CachedRows& rows = *pass.cached;
  const std::int64_t count = queries.size(0);
  const bool prompt = rows.prompt_slot >= 0;
  const auto cached = [&](const at::Tensor& cache, const at::Tensor& own) {  // what the rows see, [slots, groups, seen, size]
    const std::int64_t room = cache.size(1);
    const at::Tensor slots = prompt ? at::full_like(rows.positions, rows.prompt_slot) : at::arange(count, rows.positions.options());
    cache.view({-1, cache.size(2), cache.size(3)}).index_copy_(0, slots * room + rows.positions, own.to(cache.scalar_type()));
    return cache.narrow(0, prompt ? rows.prompt_slot : 0, prompt ? 1 : count).narrow(1, 0, rows.seen).transpose(1, 2);
  };
  const at::Tensor k = cached(rows.cache->keys[l.index], keys);
  const at::Tensor v = values.defined() ? cached(rows.cache->values[l.index], values) : k.narrow(3, 0, config_.kv_lora_rank);
  const at::Tensor q = prompt ? queries.transpose(0, 1).unsqueeze(0) : queries.unsqueeze(2);  // [1, H, N, size] or [N, H, 1, size]
  std::optional<at::Tensor> mask;
  if (!prompt) mask = at::arange(rows.seen, rows.positions.options()).unsqueeze(0).le(rows.positions.unsqueeze(1)).view({count, 1, 1, rows.seen});
  const at::Tensor mixed = at::scaled_dot_product_attention(q, k, v, mask, 0.0, prompt, config_.SoftmaxScale(), /*enable_gqa=*/true);
  return prompt ? mixed.squeeze(0).transpose(0, 1) : mixed.squeeze(2);
}

at::Tensor Transformer::Mlp(const Layer& l, const at::Tensor& x, const Pass& pass) const {
  return pass.Linear(ops::SwiGlu(pass.Linear(x, l.gate_up)), l.mlp_down);
}

at::Tensor Transformer::Mix(const Layer& l, const at::Tensor& x, Pass& pass) const {
  const auto& c = config_;
  const at::Tensor logits = ops::Linear(x.to(l.router.scalar_type()), l.router);  // [N, E]
  const RouterRule rule{c.n_routed_experts, c.num_experts_per_tok, c.n_group, c.topk_group, c.norm_topk_prob,
                        static_cast<float>(c.routed_scaling_factor), !c.IsLatent()};
  at::Tensor replayed;
  if (pass.chosen && pass.chosen->defined()) replayed = *pass.chosen;
  else if (!pass.tokens->experts.empty() && l.index < c.num_hidden_layers) replayed = pass.experts.select(1, l.mixture).contiguous();  // [N, K]
  const Routes routes = ops::Route(logits, biases_[l.mixture], rule, replayed);
  if (pass.chosen) *pass.chosen = routes.experts;
  if (pass.cached) pass.cached->experts.push_back(routes.experts);
  if (pass.load.defined()) pass.load[l.mixture] += at::bincount(routes.experts.flatten().cpu(), {}, c.n_routed_experts);
  if (pass.options->balance_alpha > 0) {
    const at::Tensor loss = BalanceLoss(routes.scores, routes.experts, pass.tokens->segments, pass.options->balance_alpha);
    pass.balance_loss = pass.balance_loss.defined() ? pass.balance_loss + loss : loss;
  }
  pass.Trace(l.index, "router_logits", logits);
  pass.Trace(l.index, "router_topk", routes.experts.to(at::kLong));
  pass.Trace(l.index, "router_weights", routes.weights);
  const at::Tensor shared = l.gate_up.weight.defined() ? Mlp(l, x, pass) : at::Tensor();
  return ops::Experts(x, routes, l.experts_up, l.experts_down, pass.options->products, shared);
}

// The second run, in the backward pass, has the experts of the first; it counts no load and leaves no trace.
at::Tensor Transformer::RunLayerTwice(const Layer& l, const at::Tensor& x, Pass& pass) const {
  struct Again {
    ForwardOptions options;
    at::Tensor load, chosen;
  };
  const auto again = std::make_shared<Again>(Again{*pass.options, pass.load, {}});
  again->options.gradient_checkpointing = false;
  const bool predicts = l.index >= config_.num_hidden_layers;
  const auto run = [kept = pass.kept, again, rotation = pass.rotation, experts = pass.experts, index = l.index, predicts](const at::Tensor& in) {
    const Transformer& model = kept->model;
    Pass own{&kept->tokens, &again->options, rotation, {}, again->load, experts, &again->chosen, {}, nullptr};
    std::vector<at::Tensor> outputs = {model.RunLayer(predicts ? model.prediction_ : model.layers_[static_cast<std::size_t>(index)], {in, {}}, own).Whole()};
    if (own.balance_loss.defined()) outputs.push_back(own.balance_loss);
    return outputs;
  };
  const auto outputs = Recomputed(run, x, l.Leaves());
  again->options.trace = nullptr;
  again->load = at::zeros_like(pass.load);
  if (outputs.size() > 1) pass.balance_loss = pass.balance_loss.defined() ? pass.balance_loss + outputs[1] : outputs[1];
  return outputs[0];
}

Transformer::Stream Transformer::RunLayer(const Layer& l, const Stream& x, Pass& pass) const {
  if (pass.options->gradient_checkpointing) return {RunLayerTwice(l, x.Whole(), pass), {}};
  const double eps = config_.rms_norm_eps;
  const Joined entering = ops::JoinAndNorm(x.trunk, x.branch, l.input_norm, eps);
  const at::Tensor attended = config_.IsLatent() ? AttendLatent(l, entering.normed, pass) : AttendGrouped(l, entering.normed, pass);
  pass.Trace(l.index, "attn_out", attended);
  const Joined between = ops::JoinAndNorm(entering.stream, attended, l.post_norm, eps);
  const Stream output{between.stream, l.mixture >= 0 ? Mix(l, between.normed, pass) : Mlp(l, between.normed, pass)};
  pass.Trace(l.index, "mlp_out", output.branch);
  if (pass.options->trace) pass.Trace(l.index, "output", output.Whole());
  return output;
}

ForwardResult Transformer::Forward(const PackedTokens& tokens, const ForwardOptions& options) const {
  Pass pass = StartPass(tokens, options);
  Stream x{ops::Embedding(embedding_, at::tensor(tokens.ids, at::kLong).to(embedding_.device())), {}};  // [N, D]
  if (options.trace) (*options.trace)["hidden.embed"] = x.trunk.detach();
  for (const Layer& layer : layers_) x = RunLayer(layer, x, pass);
  const at::Tensor hidden = ops::RmsNorm(x.Whole(), norm_, config_.rms_norm_eps);
  if (options.trace) (*options.trace)["hidden.norm"] = hidden.detach();
  return {hidden, ToHost(pass.balance_loss), pass.load};
}

KeyValueCache Transformer::MakeCache(int slots, int room) const {
  const bool latent = config_.IsLatent();
  const std::int64_t groups = latent ? 1 : config_.KeyValueHeads(), size = latent ? config_.kv_lora_rank + config_.qk_rope_head_dim : config_.HeadDim();
  const Rotation all = RotationOf(config_, room);
  KeyValueCache cache{{}, {}, {all.cosines.to(embedding_.device()), all.sines.to(embedding_.device())}};
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    cache.keys.push_back(at::zeros({slots, room, groups, size}, embedding_.options()));
    if (!latent) cache.values.push_back(at::zeros_like(cache.keys.back()));
  }
  return cache;
}

at::Tensor Transformer::Decode(CachedRows& rows) const {
  static const PackedTokens kNone;
  static const ForwardOptions kPlain;
  const auto at_rows = [&](const at::Tensor& of_position) { return of_position.index_select(0, rows.positions); };
  Pass pass{&kNone, &kPlain, {at_rows(rows.cache->rotation.cosines), at_rows(rows.cache->rotation.sines)}, {}, {}, {}, nullptr, {}, &rows};
  rows.experts.clear();
  Stream x{at::embedding(embedding_, rows.ids), {}};
  for (const Layer& layer : layers_) x = RunLayer(layer, x, pass);
  return ops::RmsNorm(x.Whole(), norm_, config_.rms_norm_eps);
}

ForwardResult Transformer::Predict(const PackedTokens& tokens, const at::Tensor& hidden, const ForwardOptions& options) const {
  Check(merge_.defined(), "the model has no prediction module");
  Pass pass = StartPass(tokens, options);
  std::vector<std::int64_t> next(tokens.ids.begin() + 1, tokens.ids.end());
  next.push_back(tokens.ids.back());
  const double eps = config_.rms_norm_eps;
  const at::Tensor ahead = ops::Embedding(embedding_, at::tensor(next, at::kLong).to(embedding_.device()));
  const at::Tensor merged = at::cat({ops::RmsNorm(ahead, embed_norm_, eps), ops::RmsNorm(hidden, hidden_norm_, eps)}, 1);  // [N, 2 D]
  const at::Tensor x = RunLayer(prediction_, {pass.Linear(merged, {merge_, {}, {}}), {}}, pass).Whole();
  return {ops::RmsNorm(x, prediction_norm_, eps), ToHost(pass.balance_loss), pass.load};
}

TokenStats Transformer::Logprobs(const at::Tensor& hidden, const std::vector<std::int64_t>& rows, const std::vector<std::int64_t>& targets,
                                double temperature, const HeadProducts& products) const {
  const TokenStats stats = ops::TokenLogprobs(hidden, head_, rows, targets, temperature, products);
  return {ToHost(stats.logprobs), ToHost(stats.entropy)};
}

at::Tensor Transformer::Logits(const at::Tensor& hidden) const { return ops::Linear(hidden, head_); }

at::Tensor Transformer::DivergenceFrom(const Transformer& teacher, const at::Tensor& hidden, const at::Tensor& teacher_hidden,
                                      const std::vector<std::int64_t>& rows, const Divergence& divergence) const {
  return ToHost(TokenDivergence(hidden, head_, teacher_hidden, teacher.head_, rows, divergence));
}

at::Tensor Transformer::Values(const at::Tensor& hidden, const std::vector<std::int64_t>& rows) const {
  Check(config_.value_head, "values need a value head");
  return ToHost(ops::Linear(hidden, head_).squeeze(1).index_select(0, at::tensor(rows, at::kLong).to(hidden.device())));
}

at::Tensor BalanceLoss(const at::Tensor& scores, const at::Tensor& experts, const std::vector<Segment>& segments, double alpha) {
  const std::int64_t count = scores.size(1), chosen = experts.size(1);
  const at::Tensor affinity = scores / scores.sum(-1, true);                                    // [N, E]
  const at::Tensor picked = at::zeros_like(scores).scatter_(1, experts.to(at::kLong), 1.0);      // [N, E]
  std::vector<std::int64_t> segment_of(static_cast<std::size_t>(scores.size(0)));
  std::vector<double> lengths;
  std::size_t covered = 0;
  for (const Segment& segment : segments) covered += static_cast<std::size_t>(segment.size());
  Check(covered == segment_of.size(), "segments must cover all rows");
  for (std::size_t i = 0; i < segments.size(); ++i) {
    std::fill(segment_of.begin() + segments[i].begin, segment_of.begin() + segments[i].end, static_cast<std::int64_t>(i));
    lengths.push_back(segments[i].size());
  }
  const at::Tensor where = at::tensor(segment_of, at::kLong).to(scores.device());                // [N]
  const at::Tensor length = at::tensor(lengths, at::kDouble).to(scores.device()).unsqueeze(1).to(scores.scalar_type());
  const at::Tensor counts = at::zeros({length.size(0), count}, scores.options()).index_add_(0, where, picked);  // [S, E]
  const at::Tensor f = counts / length * (static_cast<double>(count) / static_cast<double>(chosen));
  // sum_e f_e P_e of each segment, written as a sum over its tokens.
  return (affinity * (f / length).detach().index_select(0, where)).sum() * (alpha / static_cast<double>(segments.size()));
}

void UpdateBiases(const at::Tensor& biases, const at::Tensor& load, double speed) {
  if (biases.size(0) == 0) return;
  const at::Tensor counts = load.to(at::kDouble);
  biases.add_((counts.mean(-1, true) - counts).sign().to(biases.device(), biases.scalar_type()), speed);
}

}  // namespace cogent
