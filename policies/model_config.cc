#include "policies/model_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>
#include <numeric>
#include <sstream>

namespace cogent {
namespace {

using nlohmann::json;

// g(m) of YaRN: how much attention is sharpened for a context stretched by `factor`.
double YarnScale(double factor, double m) {
  return factor > 1.0 ? 0.1 * m * std::log(factor) + 1.0 : 1.0;
}

// Reads keys of one JSON object and names the file and the key when a value cannot be used.
class Keys {
 public:
  Keys(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

  bool Has(const char* key) const { return object_.contains(key) && !object_[key].is_null(); }

  void Int(const char* key, int& value, int low) const {
    if (!Has(key)) return;
    const json& v = object_[key];
    if (!v.is_number_integer()) Fail(key, "an integer", v);
    const auto wide = v.get<std::int64_t>();
    if (wide < low || wide > (1ll << 31) - 1) Fail(key, fmt::format("an integer of at least {}", low), v);
    value = static_cast<int>(wide);
  }
  void Real(const char* key, double& value, double low = -std::numeric_limits<double>::infinity()) const {
    if (!Has(key)) return;
    if (!object_[key].is_number()) Fail(key, "a number", object_[key]);
    if (object_[key].get<double>() < low) Fail(key, fmt::format("a number of at least {}", low), object_[key]);
    value = object_[key].get<double>();
  }
  void Bool(const char* key, bool& value) const {
    if (!Has(key)) return;
    if (!object_[key].is_boolean()) Fail(key, "true or false", object_[key]);
    value = object_[key].get<bool>();
  }
  void Text(const char* key, std::string& value) const {
    if (!Has(key)) return;
    if (!object_[key].is_string()) Fail(key, "a string", object_[key]);
    value = object_[key].get<std::string>();
  }
  // The value must be this one, or be left out.
  template <typename T>
  void Only(const char* key, const T& allowed) const {
    if (Has(key) && object_[key] != json(allowed)) Fail(key, json(allowed).dump(), object_[key]);
  }
  [[noreturn]] void Fail(const char* key, const std::string& wanted, const json& found) const {
    throw DataError(fmt::format("{}: key '{}' must be {}, found {}", where_, key, wanted, found.dump()));
  }
  const json& operator[](const char* key) const { return object_[key]; }

 private:
  const json& object_;
  std::string where_;
};

RopeConfig ReadRope(const Keys& keys, const std::string& name) {
  RopeConfig rope;
  keys.Real("rope_theta", rope.theta, 1);
  const char* section = keys.Has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  if (!keys.Has(section)) return rope;
  if (!keys[section].is_object()) keys.Fail(section, "an object or null", keys[section]);
  const Keys inner(keys[section], name + ": " + section);
  inner.Text("type", rope.type);
  inner.Text("rope_type", rope.type);
  inner.Real("rope_theta", rope.theta, 1);
  inner.Real("factor", rope.factor, 1);
  inner.Real("original_max_position_embeddings", rope.original_max_position_embeddings, 1);
  inner.Real("beta_fast", rope.beta_fast);
  inner.Real("beta_slow", rope.beta_slow);
  inner.Real("mscale", rope.mscale);
  inner.Real("mscale_all_dim", rope.mscale_all_dim);
  inner.Real("attention_factor", rope.attention_factor);
  inner.Bool("truncate", rope.truncate);
  if (rope.type != "default" && rope.type != "linear" && rope.type != "yarn") {
    inner.Fail("rope_type", "default, linear or yarn", json(rope.type));
  }
  return rope;
}

void FirstId(const Keys& keys, const char* key, int& value) {
  if (!keys.Has(key)) return;
  if (keys[key].is_array() && !keys[key].empty() && keys[key][0].is_number_integer()) {
    value = keys[key][0].get<int>();
  } else {
    keys.Int(key, value, -1);
  }
}

std::int64_t Product(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

// Collects the leaves of a model; each function below is one block of the architecture.
class Layout {
 public:
  explicit Layout(const ModelConfig& config) : c_(config) {}
  std::vector<Leaf> leaves;

  void Single(const std::string& name, std::vector<std::int64_t> shape, bool matrix = true) {
    leaves.push_back({name, shape, {{name, shape}}, matrix});
  }
  void Attention(const std::string& p) {
    const std::int64_t h = c_.hidden_size, heads = c_.num_attention_heads, rq = c_.q_lora_rank;
    const std::int64_t q_rows = heads * c_.qk_head_dim(), kv_a = c_.kv_lora_rank + c_.qk_rope_head_dim;
    const std::string down = rq > 0 ? "q_a_proj" : "q_proj";
    const std::int64_t down_rows = rq > 0 ? rq : q_rows;
    // Queries first, so that both projections of the input are one product.
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
    if (c_.n_shared_experts > 0) Mlp(p + "shared_experts.", width * c_.n_shared_experts);
  }
  void Layer(int index, bool moe) {
    const std::string p = "model.layers." + std::to_string(index) + ".";
    Single(p + "input_layernorm.weight", {c_.hidden_size}, false);
    Attention(p + "self_attn.");
    Single(p + "post_attention_layernorm.weight", {c_.hidden_size}, false);
    moe ? Experts(p + "mlp.") : Mlp(p + "mlp.", c_.intermediate_size);
  }
  void Prediction(int index) {
    const std::string p = "model.layers." + std::to_string(index) + ".";
    const std::int64_t h = c_.hidden_size;
    Single(p + "enorm.weight", {h}, false);
    Single(p + "hnorm.weight", {h}, false);
    Single(p + "eh_proj.weight", {h, 2 * h});
    Layer(index, c_.n_routed_experts > 0);
    Single(p + "shared_head.norm.weight", {h}, false);
  }

 private:
  const ModelConfig& c_;
};

constexpr const char* kValueArchitecture = "DeepseekV3ForSequenceClassification";

}  // namespace

std::vector<double> RopeConfig::Frequencies(int dim) const {
  std::vector<double> speed(static_cast<std::size_t>(dim) / 2);
  for (std::size_t i = 0; i < speed.size(); ++i) speed[i] = std::pow(theta, -2.0 * static_cast<double>(i) / dim);
  if (type == "linear") {
    for (double& s : speed) s /= factor;
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
  const double m = rope.ScaleCorrection();
  return m * m / std::sqrt(static_cast<double>(qk_head_dim()));
}

void ModelConfig::VisitFields(FieldVisitor& visit) {
  const Between size{1, 1 << 24};
  visit("vocab_size", vocab_size, "tokens; 0 = as many as the tokenizer has", {0, 1 << 24});
  visit("hidden_size", hidden_size, "width of the residual stream", size);
  visit("intermediate_size", intermediate_size, "width of the dense layers' MLP", size);
  visit("moe_intermediate_size", moe_intermediate_size, "width of one expert", size);
  visit("num_hidden_layers", num_hidden_layers, "layers", {1, 10000});
  visit("num_attention_heads", num_attention_heads, "attention heads", {1, 4096});
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
  need(qk_rope_head_dim % 2 == 0, fmt::format("qk_rope_head_dim must be even, found {}", qk_rope_head_dim));
  if (n_routed_experts == 0) return;
  need(num_experts_per_tok <= n_routed_experts,
       fmt::format("num_experts_per_tok ({}) must not be more than n_routed_experts ({})", num_experts_per_tok, n_routed_experts));
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

ModelConfig ParseModelConfig(const std::string& text, const std::string& name) {
  json object;
  try {
    object = json::parse(text);
  } catch (const json::exception& error) {
    throw DataError(name + ": not valid JSON: " + error.what());
  }
  if (!object.is_object()) throw DataError(name + ": must be a JSON object");
  const Keys keys(object, name);
  ModelConfig c;
  c.model_type = "";
  keys.Text("model_type", c.model_type);
  if (c.model_type != "deepseek_v3") {
    throw DataError(fmt::format("{}: model_type '{}' is another architecture; this version reads 'deepseek_v3'", name,
                                c.model_type));
  }
  for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "kv_lora_rank"}) {
    if (!keys.Has(key)) throw DataError(fmt::format("{}: key '{}' is missing", name, key));
  }
  keys.Only("hidden_act", "silu");
  keys.Only("scoring_func", "sigmoid");
  keys.Only("topk_method", "noaux_tc");
  keys.Only("rope_interleave", true);
  keys.Only("moe_layer_freq", 1);
  keys.Int("vocab_size", c.vocab_size, 1);
  keys.Int("hidden_size", c.hidden_size, 1);
  keys.Int("intermediate_size", c.intermediate_size, 1);
  keys.Int("moe_intermediate_size", c.moe_intermediate_size, 1);
  keys.Int("num_hidden_layers", c.num_hidden_layers, 1);
  keys.Int("num_attention_heads", c.num_attention_heads, 1);
  keys.Int("n_routed_experts", c.n_routed_experts, 0);
  keys.Int("n_shared_experts", c.n_shared_experts, 0);
  keys.Int("num_experts_per_tok", c.num_experts_per_tok, 1);
  keys.Int("n_group", c.n_group, 1);
  keys.Int("topk_group", c.topk_group, 1);
  keys.Int("first_k_dense_replace", c.first_k_dense_replace, 0);
  keys.Real("routed_scaling_factor", c.routed_scaling_factor);
  keys.Bool("norm_topk_prob", c.norm_topk_prob);
  c.q_lora_rank = 0;
  keys.Int("q_lora_rank", c.q_lora_rank, 0);
  keys.Int("kv_lora_rank", c.kv_lora_rank, 1);
  keys.Int("qk_nope_head_dim", c.qk_nope_head_dim, 1);
  keys.Int("qk_rope_head_dim", c.qk_rope_head_dim, 2);
  keys.Int("v_head_dim", c.v_head_dim, 1);
  keys.Bool("attention_bias", c.attention_bias);
  keys.Bool("tie_word_embeddings", c.tie_word_embeddings);
  keys.Int("num_nextn_predict_layers", c.num_nextn_predict_layers, 0);
  if (c.num_nextn_predict_layers > 1) keys.Fail("num_nextn_predict_layers", "0 or 1", keys["num_nextn_predict_layers"]);
  keys.Int("max_position_embeddings", c.max_position_embeddings, 1);
  keys.Real("rms_norm_eps", c.rms_norm_eps, 0);
  keys.Real("initializer_range", c.initializer_range, 0);
  FirstId(keys, "bos_token_id", c.bos_token_id);
  FirstId(keys, "eos_token_id", c.eos_token_id);
  FirstId(keys, "pad_token_id", c.pad_token_id);
  c.rope = ReadRope(keys, name);
  if (object.value("architectures", json::array()) == json::array({kValueArchitecture})) c = ValueModel(c);
  Problems problems;
  c.Validate(problems, {name, 0, 0});
  if (!problems.empty()) throw DataError(problems.lines().front());
  return c;
}

ModelConfig LoadModelConfig(const std::string& path) {
  const std::filesystem::path given(path);
  const auto file = std::filesystem::is_directory(given) ? given / "config.json" : given;
  std::ifstream in(file, std::ios::binary);
  if (!in) throw DataError(file.string() + ": cannot be opened; a model directory has a config.json");
  std::ostringstream text;
  text << in.rdbuf();
  return ParseModelConfig(text.str(), file.string());
}

ModelConfig ValueModel(ModelConfig config) {
  config.value_head = true;
  config.num_nextn_predict_layers = 0;
  return config;
}

ModelConfig LoadPolicyConfig(const std::string& path) {
  ModelConfig config = LoadModelConfig(path);
  if (!config.value_head) return config;
  throw DataError(path + ": this is a critic or a reward model (" + kValueArchitecture + "): it gives a text a value and cannot continue one. The policy "
                         "of a training step lies one directory above its critic/");
}

std::string ModelConfigJson(const ModelConfig& c) {
  nlohmann::ordered_json j;
  j["architectures"] = {c.value_head ? kValueArchitecture : "DeepseekV3ForCausalLM"};
  j["model_type"] = c.model_type;
  j["vocab_size"] = c.vocab_size;
  j["hidden_size"] = c.hidden_size;
  j["intermediate_size"] = c.intermediate_size;
  j["moe_intermediate_size"] = c.moe_intermediate_size;
  j["num_hidden_layers"] = c.num_hidden_layers;
  j["num_attention_heads"] = c.num_attention_heads;
  j["num_key_value_heads"] = c.num_attention_heads;
  j["n_routed_experts"] = c.n_routed_experts;
  j["n_shared_experts"] = c.n_shared_experts;
  j["num_experts_per_tok"] = c.num_experts_per_tok;
  j["n_group"] = c.n_group;
  j["topk_group"] = c.topk_group;
  j["first_k_dense_replace"] = c.n_routed_experts > 0 ? c.first_k_dense_replace : c.num_hidden_layers;
  j["moe_layer_freq"] = 1;
  j["routed_scaling_factor"] = c.routed_scaling_factor;
  j["norm_topk_prob"] = c.norm_topk_prob;
  j["scoring_func"] = "sigmoid";
  j["topk_method"] = "noaux_tc";
  j["q_lora_rank"] = c.q_lora_rank > 0 ? nlohmann::ordered_json(c.q_lora_rank) : nlohmann::ordered_json(nullptr);
  j["kv_lora_rank"] = c.kv_lora_rank;
  j["qk_nope_head_dim"] = c.qk_nope_head_dim;
  j["qk_rope_head_dim"] = c.qk_rope_head_dim;
  j["v_head_dim"] = c.v_head_dim;
  j["attention_bias"] = c.attention_bias;
  j["attention_dropout"] = 0.0;
  j["tie_word_embeddings"] = c.tie_word_embeddings;
  j["num_nextn_predict_layers"] = c.num_nextn_predict_layers;
  j["max_position_embeddings"] = c.max_position_embeddings;
  j["rms_norm_eps"] = c.rms_norm_eps;
  j["initializer_range"] = c.initializer_range;
  j["hidden_act"] = "silu";
  j["rope_interleave"] = true;
  j["rope_theta"] = c.rope.theta;
  if (c.rope.type == "default") {
    j["rope_scaling"] = nullptr;
  } else {
    auto& r = j["rope_scaling"];
    r["type"] = c.rope.type;
    r["factor"] = c.rope.factor;
    if (c.rope.type == "yarn") {
      r["original_max_position_embeddings"] = static_cast<std::int64_t>(c.rope.original_max_position_embeddings);
      r["beta_fast"] = c.rope.beta_fast;
      r["beta_slow"] = c.rope.beta_slow;
      if (c.rope.mscale != 0) r["mscale"] = c.rope.mscale;
      if (c.rope.mscale_all_dim != 0) r["mscale_all_dim"] = c.rope.mscale_all_dim;
      if (c.rope.attention_factor != 0) r["attention_factor"] = c.rope.attention_factor;
      if (!c.rope.truncate) r["truncate"] = false;
    }
  }
  j["bos_token_id"] = c.bos_token_id;
  j["eos_token_id"] = c.eos_token_id;
  if (c.pad_token_id >= 0) j["pad_token_id"] = c.pad_token_id;
  if (c.value_head) {
    j["num_labels"] = 1;
    j["id2label"] = {{"0", "value"}};
    j["label2id"] = {{"value", 0}};
  }
  j["torch_dtype"] = "float32";
  j["use_cache"] = true;
  return j.dump(2) + "\n";
}

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
  const int layers = config.num_hidden_layers + config.num_nextn_predict_layers;
  for (int i = 0; i < layers; ++i) {
    if (!config.IsMoe(i)) continue;
    buffers.push_back({"model.layers." + std::to_string(i) + ".mlp.gate.e_score_correction_bias", {config.n_routed_experts}});
  }
  return buffers;
}

ParameterCount CountParameters(const ModelConfig& config) {
  ParameterCount count;
  const std::string predictions = "model.layers." + std::to_string(config.num_hidden_layers) + ".";
  const double share = config.n_routed_experts > 0
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
  const int dense = c.n_routed_experts > 0 ? std::min(c.first_k_dense_replace, c.num_hidden_layers) : c.num_hidden_layers;
  const double full = static_cast<double>(c.num_attention_heads) * (c.qk_head_dim() + c.v_head_dim);
  std::string text;
  const auto line = [&](const std::string& label, const std::string& value) { text += fmt::format("{:<22}{}\n", label, value); };
  line("architecture", c.model_type);
  if (c.value_head) line("head", "a value: critic or reward model");
  line("parameters", fmt::format("{} in all ({:.0f})", ShortNumber(count.total), count.total));
  line("active a token", fmt::format("{} ({:.0f})", ShortNumber(count.active), count.active));
  if (count.prediction > 0) line("prediction module", fmt::format("{} more, not used in decoding", ShortNumber(count.prediction)));
  line("layers", fmt::format("{}, of which {} dense", c.num_hidden_layers, dense));
  if (c.n_routed_experts > 0) {
    line("experts a layer", fmt::format("{} routed in {} group{}, {} shared; {} chosen from {} group{}", c.n_routed_experts, c.n_group,
                                        c.n_group == 1 ? "" : "s", c.n_shared_experts, c.num_experts_per_tok, c.topk_group,
                                        c.topk_group == 1 ? "" : "s"));
  }
  line("width", fmt::format("{} hidden, {} heads, vocabulary {}", c.hidden_size, c.num_attention_heads, c.vocab_size));
  line("context", fmt::format("{} tokens, rope {}", c.max_position_embeddings, c.rope.type));
  line("decoding cache", fmt::format("{} numbers a token and layer ({} + {}); {} bytes a token in bfloat16 over {} layers, "
                                     "{:.1f} times less than full keys and values",
                                     c.CacheWidth(), c.kv_lora_rank, c.qk_rope_head_dim,
                                     2ll * c.CacheWidth() * c.num_hidden_layers, c.num_hidden_layers, full / c.CacheWidth()));
  return text;
}

}  // namespace cogent
