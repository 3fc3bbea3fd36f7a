#include "policies/model_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace cogent {
namespace {

// g(m) of YaRN: how much attention is sharpened for a context stretched by `factor`.
double YarnScale(double factor, double m) {
  return factor > 1.0 ? 0.1 * m * std::log(factor) + 1.0 : 1.0;
}

std::int64_t Product(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

}  // namespace

std::vector<double> RopeConfig::Frequencies(int dim) const {
  std::vector<double> speed(static_cast<std::size_t>(dim) / 2);
  for (std::size_t i = 0; i < speed.size(); ++i) speed[i] = std::pow(theta, -2.0 * static_cast<double>(i) / dim);
  if (type == "linear") {
    for (double& s : speed) s /= factor;
  } else if (type == "llama3") {
    // Llama 3.1: short waves keep their speed, long ones are divided, between them a mean of both.
    for (double& s : speed) {
      const double turns = original_max_position_embeddings * s / (2 * std::numbers::pi);  // in the original context
      const double smooth = std::clamp((turns - low_freq_factor) / (high_freq_factor - low_freq_factor), 0.0, 1.0);
      s = (1 - smooth) * s / factor + smooth * s;
    }
  } else if (type == "yarn") {
    // YaRN, arXiv 2309.00071: fast pairs keep their speed, slow ones are divided, a ramp between.
    const auto pair_of = [&](double turns) {
      return dim * std::log(original_max_position_embeddings / (2 * std::numbers::pi * turns)) / (2 * std::log(theta));
    };
    double low = pair_of(beta_fast), high = pair_of(beta_slow);
    if (truncate) low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0), high = std::min(high, dim - 1.0);
    if (low == high) high += 0.001;
    for (std::size_t i = 0; i < speed.size(); ++i) {
      const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
      speed[i] = speed[i] / factor * ramp + speed[i] * (1 - ramp);
    }
  }
  return speed;
}

RotationTable RopeConfig::Table(int positions, int dim) const {
  const std::vector<double> speeds = Frequencies(dim);
  const float amplitude = static_cast<float>(Amplitude());
  RotationTable table;
  for (int p = 0; p < positions; ++p) {
    for (const double speed : speeds) {
      const float angle = static_cast<float>(p) * static_cast<float>(speed);
      table.cosines.push_back(std::cos(angle) * amplitude);
      table.sines.push_back(std::sin(angle) * amplitude);
    }
  }
  return table;
}

double RopeConfig::Amplitude() const {
  if (type != "yarn") return 1.0;
  if (attention_factor != 0) return attention_factor;
  if (mscale != 0 && mscale_all_dim != 0) return YarnScale(factor, mscale) / YarnScale(factor, mscale_all_dim);
  return YarnScale(factor, 1.0);
}

double RopeConfig::ScaleCorrection() const {
  return type != "default" && mscale_all_dim != 0 ? YarnScale(factor, mscale_all_dim) : 1.0;
}

double ModelConfig::SoftmaxScale() const {
  if (!IsLatent()) return 1.0 / std::sqrt(static_cast<double>(HeadDim()));
  const double m = rope.ScaleCorrection();
  return m * m / std::sqrt(static_cast<double>(qk_head_dim()));
}

bool ModelConfig::IsMoe(int layer) const {
  if (!HasExperts()) return false;
  if (IsLatent()) return layer >= first_k_dense_replace;
  return (layer + 1) % decoder_sparse_step == 0 && std::find(mlp_only_layers.begin(), mlp_only_layers.end(), layer) == mlp_only_layers.end();
}

int ModelConfig::MixtureLayers() const {
  int count = 0;
  for (int layer = 0; layer < num_hidden_layers; ++layer) count += IsMoe(layer);
  return count;
}

void ModelConfig::VisitFields(FieldVisitor& visit) {
  const Between size{1, 1 << 24};
  visit("model_type", model_type, "the architecture", OneOf{"deepseek_v3", "llama", "qwen2", "qwen3", "qwen3_moe"});
  visit("vocab_size", vocab_size, "tokens; 0 = as many as the tokenizer has", {0, 1 << 24});
  visit("hidden_size", hidden_size, "width of the residual stream", size);
  visit("intermediate_size", intermediate_size, "width of the dense layers' MLP", size);
  visit("moe_intermediate_size", moe_intermediate_size, "width of one expert", size);
  visit("num_hidden_layers", num_hidden_layers, "layers", {1, 10000});
  visit("num_attention_heads", num_attention_heads, "attention heads", {1, 4096});
  visit("num_key_value_heads", num_key_value_heads, "llama, qwen: heads of keys and values; 0 = num_attention_heads", {0, 4096});
  visit("head_dim", head_dim, "llama, qwen: size of a head; 0 = hidden_size / num_attention_heads", {0, 1 << 16});
  visit("n_routed_experts", n_routed_experts, "experts a router chooses from; 0 = dense model", {0, 65536});
  visit("n_shared_experts", n_shared_experts, "experts that are always on", {0, 1024});
  visit("num_experts_per_tok", num_experts_per_tok, "experts chosen for each token", {1, 1024});
  visit("n_group", n_group, "groups that the experts form", {1, 1024});
  visit("topk_group", topk_group, "groups that a token may choose from", {1, 1024});
  visit("first_k_dense_replace", first_k_dense_replace, "first layers with a dense MLP", {0, 10000});
  visit("routed_scaling_factor", routed_scaling_factor, "multiplies the experts' weights", {0, 1000});
  visit("norm_topk_prob", norm_topk_prob, "chosen experts' weights are divided by their sum");
  visit("q_lora_rank", q_lora_rank, "rank of the compressed query; 0 = not compressed", {0, 1 << 20});
  visit("kv_lora_rank", kv_lora_rank, "rank of the compressed keys and values", {1, 1 << 20});
  visit("qk_nope_head_dim", qk_nope_head_dim, "key size a head without position", {1, 1 << 16});
  visit("qk_rope_head_dim", qk_rope_head_dim, "key size with rotary position, shared by all heads", {2, 1 << 16});
  visit("v_head_dim", v_head_dim, "value size a head", {1, 1 << 16});
  visit("attention_bias", attention_bias, "biases on q_a, kv_a and o projections");
  visit("tie_word_embeddings", tie_word_embeddings, "output head shares the embedding");
  visit("num_nextn_predict_layers", num_nextn_predict_layers, "multi-token-prediction modules", {0, 1});
  visit("max_position_embeddings", max_position_embeddings, "longest context, tokens", {1, 1 << 28});
  visit("rms_norm_eps", rms_norm_eps, "epsilon of the norms", {0, 1});
  visit("initializer_range", initializer_range, "standard deviation of fresh weights", {0, 10});
  visit("rope_theta", rope.theta, "base of the rotary frequencies", {1, 1e12});
}

void ModelConfig::Validate(Problems& problems, const Location& where) const {
  const auto need = [&](bool holds, const std::string& what) { if (!holds) problems.Add(where, what); };
  if (IsLatent()) {
    need(qk_rope_head_dim % 2 == 0, fmt::format("qk_rope_head_dim must be even, found {}", qk_rope_head_dim));
  } else {
    const bool even = head_dim > 0 || hidden_size % num_attention_heads == 0;
    need(even, fmt::format("hidden_size ({}) must be a multiple of num_attention_heads ({}), or head_dim be given", hidden_size, num_attention_heads));
    need(!even || HeadDim() % 2 == 0, fmt::format("the size of a head must be even, found {}", HeadDim()));
    need(num_attention_heads % KeyValueHeads() == 0,
         fmt::format("num_attention_heads ({}) must be a multiple of num_key_value_heads ({})", num_attention_heads, KeyValueHeads()));
    need(num_nextn_predict_layers == 0, "num_nextn_predict_layers is for deepseek_v3; other architectures have no prediction module");
  }
  if (!HasExperts()) return;
  need(num_experts_per_tok <= n_routed_experts,
       fmt::format("num_experts_per_tok ({}) must not be more than n_routed_experts ({})", num_experts_per_tok, n_routed_experts));
  if (!IsLatent()) return;
  need(n_routed_experts % n_group == 0,
       fmt::format("n_routed_experts ({}) must be a multiple of n_group ({})", n_routed_experts, n_group));
  need(topk_group <= n_group, fmt::format("topk_group ({}) must not be more than n_group ({})", topk_group, n_group));
  if (n_routed_experts % n_group == 0 && topk_group <= n_group) {
    need(num_experts_per_tok <= n_routed_experts / n_group * topk_group,
         fmt::format("num_experts_per_tok ({}) must fit into topk_group ({}) groups of {} experts", num_experts_per_tok,
                     topk_group, n_routed_experts / n_group));
    need(n_group == 1 || n_routed_experts / n_group >= 2, "each group needs at least two experts");
  }
}

void ModelConfig::AddEnd(int id) {
  auto& more = more_eos_token_ids;
  if (id < 0 || id == eos_token_id || std::find(more.begin(), more.end(), id) != more.end()) return;
  if (eos_token_id < 0) eos_token_id = id;
  else more.push_back(id);
}

ParameterCount CountParameters(const ModelConfig& config) {
  ParameterCount count;
  const std::string predictions = "model.layers." + std::to_string(config.num_hidden_layers) + ".";
  const double share = config.HasExperts()
                           ? static_cast<double>(config.num_experts_per_tok) / config.n_routed_experts : 1.0;
  for (const Leaf& leaf : ParameterLayout(config)) {
    const double size = static_cast<double>(Product(leaf.shape));
    if (leaf.name.starts_with(predictions)) {
      count.prediction += size;
      continue;
    }
    count.total += size;
    if (leaf.name == "model.embed_tokens.weight" && !config.tie_word_embeddings) {
      count.active += config.hidden_size;
    } else {
      count.active += leaf.name.find(".experts.") == std::string::npos ? size : size * share;
    }
  }
  for (const auto& buffer : BufferLayout(config)) {
    const bool prediction = buffer.name.starts_with(predictions);
    (prediction ? count.prediction : count.total) += static_cast<double>(Product(buffer.shape));
    if (!prediction) count.active += static_cast<double>(Product(buffer.shape));
  }
  return count;
}

std::string ShortNumber(double value) {
  for (const auto& [unit, name] : {std::pair{1e9, "B"}, std::pair{1e6, "M"}, std::pair{1e3, "K"}}) {
    if (value >= unit) return fmt::format("{:.{}f}{}", value / unit, value >= 10 * unit ? 0 : 2, name);
  }
  return fmt::format("{:.0f}", value);
}

std::string DescribeModel(const std::string& path) {
  const ModelConfig c = LoadModelConfig(path);
  const ParameterCount count = CountParameters(c);
  const int dense = c.num_hidden_layers - c.MixtureLayers();
  std::string text;
  const auto line = [&](const std::string& label, const std::string& value) { text += fmt::format("{:<22}{}\n", label, value); };
  line("architecture", c.model_type);
  if (c.value_head) line("head", "a value: critic or reward model");
  line("parameters", fmt::format("{} in all ({:.0f})", ShortNumber(count.total), count.total));
  line("active a token", fmt::format("{} ({:.0f})", ShortNumber(count.active), count.active));
  if (count.prediction > 0) line("prediction module", fmt::format("{} more, not used in decoding", ShortNumber(count.prediction)));
  line("layers", fmt::format("{}, of which {} dense", c.num_hidden_layers, dense));
  if (c.HasExperts() && !c.IsLatent()) {
    line("experts a layer", fmt::format("{} routed; {} chosen", c.n_routed_experts, c.num_experts_per_tok));
  } else if (c.HasExperts()) {
    line("experts a layer", fmt::format("{} routed in {} group{}, {} shared; {} chosen from {} group{}", c.n_routed_experts, c.n_group,
                                        c.n_group == 1 ? "" : "s", c.n_shared_experts, c.num_experts_per_tok, c.topk_group,
                                        c.topk_group == 1 ? "" : "s"));
  }
  const std::string groups = c.IsLatent() ? "" : fmt::format(" of {} in {} group{}", c.HeadDim(), c.KeyValueHeads(), c.KeyValueHeads() == 1 ? "" : "s");
  line("width", fmt::format("{} hidden, {} heads{}, vocabulary {}", c.hidden_size, c.num_attention_heads, groups, c.vocab_size));
  line("context", fmt::format("{} tokens, rope {}", c.max_position_embeddings, c.rope.type));
  const long long bytes = 2ll * c.CacheWidth() * c.num_hidden_layers;
  if (c.IsLatent()) {
    const double full = static_cast<double>(c.num_attention_heads) * (c.qk_head_dim() + c.v_head_dim);
    line("decoding cache", fmt::format("{} numbers a token and layer ({} + {}); {} bytes a token in bfloat16 over {} layers, "
                                       "{:.1f} times less than full keys and values",
                                       c.CacheWidth(), c.kv_lora_rank, c.qk_rope_head_dim, bytes, c.num_hidden_layers, full / c.CacheWidth()));
  } else {
    line("decoding cache", fmt::format("{} numbers a token and layer (keys and values of {} heads); {} bytes a token in bfloat16 over {} layers",
                                       c.CacheWidth(), c.KeyValueHeads(), bytes, c.num_hidden_layers));
  }
  return text;
}

}  // namespace cogent
