// config.json in both published layouts, read and written; one part for each architecture.
#include <fmt/format.h>

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "policies/atomic_file.h"
#include "policies/model_config.h"
#include "policies/weight_adapter.h"
#include "policies/weight_files.h"

namespace cogent {
namespace {

using nlohmann::json;

// What transformers 5 writes for the names that the models were published with.
constexpr std::pair<const char*, const char*> kRenamed[] = {
    {"num_experts", "num_local_experts"}, {"n_routed_experts", "num_local_experts"}, {"num_nextn_predict_layers", "num_mtp_layers"}};

// Reads keys of one JSON object and names the file and the key when a value cannot be used.
class ConfigKeys {
 public:
  ConfigKeys(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

  bool Has(const char* key) const { return object_.contains(key) && !object_[key].is_null(); }
  // The name that stands here for a key that transformers has renamed. Both may stand here when they say the same.
  const char* Name(const char* key) const {
    for (const auto& [published, other] : kRenamed) {
      if (std::string_view(published) != key || !Has(other)) continue;
      if (!Has(key)) return other;
      if (object_[key] != object_[other]) {
        throw DataError(fmt::format("{}: keys '{}' ({}) and '{}' ({}) mean the same and differ; remove the wrong one", where_, key, object_[key].dump(), other,
                                    object_[other].dump()));
      }
    }
    return key;
  }

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
  // A null is no default here: Python takes it for false.
  void Bool(const char* key, bool& value) const {
    if (!object_.contains(key)) return;
    if (Has(key) && !object_[key].is_boolean()) Fail(key, "true or false", object_[key]);
    value = Has(key) && object_[key].get<bool>();
  }
  void Text(const char* key, std::string& value) const {
    if (!Has(key)) return;
    if (!object_[key].is_string()) Fail(key, "a string", object_[key]);
    value = object_[key].get<std::string>();
  }
  // The value must be this one, or be left out. A null is false, as to Python.
  template <typename T>
  void Only(const char* key, const T& allowed) const {
    if (!object_.contains(key)) return;
    if ((Has(key) ? object_[key] : json(false)) != json(allowed)) Fail(key, json(allowed).dump(), object_[key]);
  }
  [[noreturn]] void Fail(const char* key, const std::string& wanted, const json& found) const {
    throw DataError(fmt::format("{}: key '{}' must be {}, found {}", where_, key, wanted, found.dump()));
  }
  const json& operator[](const char* key) const { return object_[key]; }

 private:
  const json& object_;
  std::string where_;
};

RopeConfig ReadRope(const ConfigKeys& keys, const std::string& name) {
  RopeConfig rope;
  keys.Real("rope_theta", rope.theta, 1);
  // Where both stand, transformers takes the older one as a whole, unless it is empty.
  const bool older = keys.Has("rope_scaling") && !keys["rope_scaling"].empty();
  const char* section = older ? "rope_scaling" : "rope_parameters";
  if (!keys.Has(section)) return rope;
  if (!keys[section].is_object()) keys.Fail(section, "an object or null", keys[section]);
  const ConfigKeys inner(keys[section], name + ": " + section);
  inner.Text("type", rope.type);
  inner.Text("rope_type", rope.type);
  inner.Real("rope_theta", rope.theta, 1);
  inner.Real("factor", rope.factor, 1);
  inner.Real("original_max_position_embeddings", rope.original_max_position_embeddings, 1);
  inner.Real("low_freq_factor", rope.low_freq_factor);
  inner.Real("high_freq_factor", rope.high_freq_factor);
  inner.Real("beta_fast", rope.beta_fast);
  inner.Real("beta_slow", rope.beta_slow);
  inner.Real("mscale", rope.mscale);
  inner.Real("mscale_all_dim", rope.mscale_all_dim);
  inner.Real("attention_factor", rope.attention_factor);
  inner.Bool("truncate", rope.truncate);
  if (rope.type != "default" && rope.type != "linear" && rope.type != "llama3" && rope.type != "yarn") {
    inner.Fail("rope_type", "default, linear, llama3 or yarn", json(rope.type));
  }
  std::vector<const char*> needed;
  if (rope.type != "default") needed.push_back("factor");
  if (rope.type == "llama3") needed.insert(needed.end(), {"low_freq_factor", "high_freq_factor"});
  if (rope.type == "llama3" || rope.type == "yarn") needed.push_back("original_max_position_embeddings");
  for (const char* key : needed) {
    if (!inner.Has(key)) throw DataError(fmt::format("{}: {}: key '{}' is missing", name, section, key));
  }
  if (rope.type == "llama3" && rope.high_freq_factor <= rope.low_freq_factor) {
    inner.Fail("high_freq_factor", fmt::format("more than low_freq_factor ({})", rope.low_freq_factor), json(rope.high_freq_factor));
  }
  if (rope.type != "yarn") return rope;
  // To transformers a beta of 0 is one that is not given.
  if (rope.beta_fast == 0) rope.beta_fast = RopeConfig().beta_fast;
  if (rope.beta_slow == 0) rope.beta_slow = RopeConfig().beta_slow;
  if (rope.beta_fast < 0) inner.Fail("beta_fast", "a number of at least 0", json(rope.beta_fast));
  if (rope.beta_slow < 0) inner.Fail("beta_slow", "a number of at least 0", json(rope.beta_slow));
  if (inner.Has("attention_factor") && rope.attention_factor <= 0) inner.Fail("attention_factor", "more than 0, or null", json(rope.attention_factor));
  if (rope.theta <= 1) (inner.Has("rope_theta") ? inner : keys).Fail("rope_theta", "more than 1 for yarn", json(rope.theta));
  return rope;
}

json ParseObject(const std::string& text, const std::string& name) {
  json object;
  try {
    object = json::parse(text);
  } catch (const json::exception& error) {
    throw DataError(name + ": not valid JSON: " + error.what());
  }
  if (!object.is_object()) throw DataError(name + ": must be a JSON object");
  return object;
}

// One id, or a list of which the first is taken; the others go to `more` where it is given.
void Ids(const ConfigKeys& keys, const char* key, int& value, std::vector<int>* more = nullptr) {
  if (!keys.Has(key)) return;
  if (!keys[key].is_array()) return keys.Int(key, value, -1);
  for (std::size_t i = 0; i < keys[key].size(); ++i) {
    const json& one = keys[key][i];
    if (!one.is_number_integer() || one < 0 || one > (1ll << 31) - 1) keys.Fail(key, "an id or a list of ids", keys[key]);
    if (i == 0) value = one;
    else if (more != nullptr) more->push_back(one);
  }
}

// DeepSeek's FP8 releases are read (policies/weight_files.h); nothing else that is packed is.
void CheckQuantization(const ConfigKeys& keys, const std::string& name) {
  constexpr const char* kSection = "quantization_config";
  if (!keys.Has(kSection)) return;
  if (!keys[kSection].is_object()) keys.Fail(kSection, "an object or null", keys[kSection]);
  const ConfigKeys inner(keys[kSection], name + ": " + kSection);
  if (!inner.Has("quant_method")) throw DataError(fmt::format("{}: {}: key 'quant_method' is missing", name, kSection));
  inner.Only("quant_method", "fp8");
  inner.Only("weight_block_size", std::vector<int>{128, 128});
}

void ReadLatent(const ConfigKeys& keys, ModelConfig& c) {
  keys.Only("scoring_func", "sigmoid");
  keys.Only("topk_method", "noaux_tc");
  keys.Only("rope_interleave", true);
  keys.Only("moe_layer_freq", 1);
  keys.Int(keys.Name("n_routed_experts"), c.n_routed_experts, 0);
  keys.Int("n_shared_experts", c.n_shared_experts, 0);
  keys.Int("n_group", c.n_group, 1);
  keys.Int("topk_group", c.topk_group, 1);
  keys.Int("first_k_dense_replace", c.first_k_dense_replace, 0);
  keys.Real("routed_scaling_factor", c.routed_scaling_factor);
  c.q_lora_rank = 0;
  keys.Int("q_lora_rank", c.q_lora_rank, 0);
  keys.Int("kv_lora_rank", c.kv_lora_rank, 1);
  keys.Int("qk_nope_head_dim", c.qk_nope_head_dim, 1);
  keys.Int("qk_rope_head_dim", c.qk_rope_head_dim, 2);
  keys.Int("v_head_dim", c.v_head_dim, 1);
  const char* predictions = keys.Name("num_nextn_predict_layers");
  keys.Int(predictions, c.num_nextn_predict_layers, 0);
  if (c.num_nextn_predict_layers > 1) keys.Fail(predictions, "0 or 1", keys[predictions]);
}

void ReadGrouped(const ConfigKeys& keys, ModelConfig& c) {
  keys.Int("num_key_value_heads", c.num_key_value_heads, 1);
  keys.Int("head_dim", c.head_dim, 1);
  keys.Only("use_sliding_window", false);
  if (c.model_type == "llama") keys.Bool("mlp_bias", c.mlp_bias);
  c.n_routed_experts = c.n_shared_experts = c.first_k_dense_replace = 0;
  if (c.model_type != "qwen3_moe") return;
  keys.Int(keys.Name("num_experts"), c.n_routed_experts, 1);
  keys.Int("decoder_sparse_step", c.decoder_sparse_step, 1);
  if (!keys.Has("mlp_only_layers")) return;
  const json& layers = keys["mlp_only_layers"];
  for (const json& layer : layers.is_array() ? layers : json::array({layers})) {
    if (!layer.is_number_integer()) keys.Fail("mlp_only_layers", "a list of layers", layers);
    c.mlp_only_layers.push_back(layer);
  }
}

// What an architecture is called in config.json, by model_type.
struct Architecture {
  const char* type;
  const char* name;                          // NAMEForCausalLM, NAMEForSequenceClassification
  // ConfigKeys without a default that makes sense. Those among them that no tensor's shape gives away would otherwise be a default of
  // ours where transformers has another one: wrong logits without a word.
  std::vector<const char*> needed;
  void (*read)(const ConfigKeys& keys, ModelConfig& c);
};
const std::vector<Architecture>& Architectures() {
  static const std::vector<Architecture> all = {
      {"deepseek_v3", "DeepseekV3",
       {"kv_lora_rank", "n_routed_experts", "n_shared_experts", "num_experts_per_tok", "n_group", "topk_group", "first_k_dense_replace", "routed_scaling_factor",
        "norm_topk_prob"},
       ReadLatent},
      {"llama", "Llama", {"intermediate_size"}, ReadGrouped},
      {"qwen2", "Qwen2", {"intermediate_size"}, ReadGrouped},
      {"qwen3", "Qwen3", {"intermediate_size", "head_dim"}, ReadGrouped},
      {"qwen3_moe", "Qwen3Moe", {"num_experts", "num_experts_per_tok", "norm_topk_prob", "moe_intermediate_size", "head_dim"}, ReadGrouped},
  };
  return all;
}

const Architecture& FindArchitecture(const std::string& type, const std::string& name) {
  std::string known;
  for (const Architecture& one : Architectures()) {
    if (type == one.type) return one;
    known += (known.empty() ? "" : ", ") + std::string(one.type);
  }
  throw DataError(fmt::format("{}: model_type '{}' is an architecture that cannot be read. Known: {}", name, type, known));
}

std::string ArchitectureName(const ModelConfig& c) {
  return FindArchitecture(c.model_type, "the model").name + std::string(c.value_head ? "ForSequenceClassification" : "ForCausalLM");
}

// A file is held to the ranges that hold for a model from scratch: a slip of the pen asks for no terabyte.
void CheckRanges(ModelConfig c, const Location& where, Problems& problems) {
  const auto fields = [&](FieldVisitor& visit) { c.VisitFields(visit); };
  Node node = DumpFields(fields);
  for (auto& [key, value] : node.entries) value.location = where;
  ReadFields(node, "the file", fields, problems);
}

}  // namespace

ModelConfig ParseModelConfig(const std::string& text, const std::string& name) {
  const json object = ParseObject(text, name);
  const ConfigKeys keys(object, name);
  ModelConfig c;
  c.model_type = "";
  keys.Text("model_type", c.model_type);
  const Architecture& architecture = FindArchitecture(c.model_type, name);
  std::vector<const char*> needed = {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"};
  needed.insert(needed.end(), architecture.needed.begin(), architecture.needed.end());
  for (const char* key : needed) {
    if (!keys.Has(keys.Name(key))) throw DataError(fmt::format("{}: key '{}' is missing", name, key));
  }
  keys.Only("hidden_act", "silu");
  keys.Only("is_causal", true);
  keys.Int("vocab_size", c.vocab_size, 1);
  keys.Int("hidden_size", c.hidden_size, 1);
  keys.Int("intermediate_size", c.intermediate_size, 1);
  keys.Int("moe_intermediate_size", c.moe_intermediate_size, 1);
  keys.Int("num_hidden_layers", c.num_hidden_layers, 1);
  keys.Int("num_attention_heads", c.num_attention_heads, 1);
  keys.Int("num_experts_per_tok", c.num_experts_per_tok, 1);
  keys.Bool("norm_topk_prob", c.norm_topk_prob);
  keys.Bool("attention_bias", c.attention_bias);
  keys.Bool("tie_word_embeddings", c.tie_word_embeddings);
  keys.Int("max_position_embeddings", c.max_position_embeddings, 1);
  keys.Real("rms_norm_eps", c.rms_norm_eps, 0);
  keys.Real("initializer_range", c.initializer_range, 0);
  c.bos_token_id = c.eos_token_id = -1;
  Ids(keys, "bos_token_id", c.bos_token_id);
  Ids(keys, "eos_token_id", c.eos_token_id, &c.more_eos_token_ids);
  Ids(keys, "pad_token_id", c.pad_token_id);
  CheckQuantization(keys, name);
  architecture.read(keys, c);
  c.rope = ReadRope(keys, name);
  if (object.value("architectures", json::array()) == json::array({architecture.name + std::string("ForSequenceClassification")})) c = ValueModel(c);
  Problems problems;
  CheckRanges(c, {name, 0, 0}, problems);
  if (problems.empty()) c.Validate(problems, {name, 0, 0});
  if (problems.empty()) return c;
  std::string what = problems.lines().front();
  const std::string ours = "n_routed_experts";  // the file may have another name for it
  if (const auto at = what.find(ours); at != std::string::npos) what.replace(at, ours.size(), keys.Name(c.IsLatent() ? ours.c_str() : "num_experts"));
  throw DataError(what);
}

namespace {

bool IsThere(const std::filesystem::path& file) {
  std::error_code ignored;
  return std::filesystem::exists(file, ignored);
}

// Generation stops at what generation_config.json names, where it is; chat models have ids there that config.json lacks.
void AddGenerationEnds(const std::filesystem::path& file, ModelConfig& c) {
  if (!IsThere(file)) return;
  const json object = ParseObject(ReadWholeFile(file.string()), file.string());
  int first = -1;
  std::vector<int> others;
  Ids(ConfigKeys(object, file.string()), "eos_token_id", first, &others);
  c.AddEnd(first);
  for (const int id : others) c.AddEnd(id);
}

}  // namespace

ModelConfig LoadModelConfig(const std::string& path) {
  if (IsGguf(path)) return GgufModelConfig(path);
  if (IsAdapter(path)) return LoadModelConfig(AdapterBase(path));
  const std::filesystem::path given(path);
  const bool folder = std::filesystem::is_directory(given);
  const auto file = folder ? given / "config.json" : given;
  if (!IsThere(file)) throw DataError(file.string() + ": cannot be opened; a model directory has a config.json");
  ModelConfig config = ParseModelConfig(ReadWholeFile(file.string()), file.string());
  if (folder) AddGenerationEnds(given / "generation_config.json", config);
  return config;
}

ModelConfig ValueModel(ModelConfig config) {
  config.value_head = true;
  config.num_nextn_predict_layers = 0;
  return config;
}

ModelConfig LoadPolicyConfig(const std::string& path) {
  ModelConfig config = LoadModelConfig(path);
  if (!config.value_head) return config;
  throw DataError(path + ": this is a critic or a reward model (" + ArchitectureName(config) + "): it gives a text a value and cannot continue one. The policy "
                         "of a training step lies one directory above its critic/");
}

namespace {

void WriteLatent(const ModelConfig& c, nlohmann::ordered_json& j) {
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
}

void WriteGrouped(const ModelConfig& c, nlohmann::ordered_json& j) {
  j["head_dim"] = c.HeadDim();
  if (c.model_type != "qwen2") j["attention_bias"] = c.attention_bias;
  if (c.model_type == "llama") j["mlp_bias"] = c.mlp_bias;
  if (c.model_type != "llama") j["use_sliding_window"] = false;
  if (!c.HasExperts()) return;
  j["num_experts"] = c.n_routed_experts;
  j["num_experts_per_tok"] = c.num_experts_per_tok;
  j["norm_topk_prob"] = c.norm_topk_prob;
  j["decoder_sparse_step"] = c.decoder_sparse_step;
  j["mlp_only_layers"] = c.mlp_only_layers;
}

void WriteRope(const RopeConfig& rope, nlohmann::ordered_json& j) {
  j["rope_theta"] = rope.theta;
  auto& r = j["rope_scaling"];
  r = nullptr;
  if (rope.type == "default") return;
  r = {{rope.type == "llama3" ? "rope_type" : "type", rope.type}, {"factor", rope.factor}};
  // They sharpen latent attention with every kind of scaling (ScaleCorrection).
  if (rope.mscale != 0) r["mscale"] = rope.mscale;
  if (rope.mscale_all_dim != 0) r["mscale_all_dim"] = rope.mscale_all_dim;
  if (rope.type == "linear") return;
  r["original_max_position_embeddings"] = static_cast<std::int64_t>(rope.original_max_position_embeddings);
  if (rope.type == "llama3") {
    r["low_freq_factor"] = rope.low_freq_factor;
    r["high_freq_factor"] = rope.high_freq_factor;
    return;
  }
  r["beta_fast"] = rope.beta_fast;
  r["beta_slow"] = rope.beta_slow;
  if (rope.attention_factor != 0) r["attention_factor"] = rope.attention_factor;
  if (!rope.truncate) r["truncate"] = false;
}

nlohmann::ordered_json IdOrNull(int id) { return id < 0 ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(id); }

nlohmann::ordered_json EosIds(const ModelConfig& c) {
  if (c.more_eos_token_ids.empty()) return IdOrNull(c.eos_token_id);
  std::vector<int> all = {c.eos_token_id};
  all.insert(all.end(), c.more_eos_token_ids.begin(), c.more_eos_token_ids.end());
  return all;
}

}  // namespace

std::string ModelConfigJson(const ModelConfig& c) {
  nlohmann::ordered_json j;
  j["architectures"] = {ArchitectureName(c)};
  j["model_type"] = c.model_type;
  j["vocab_size"] = c.vocab_size;
  j["hidden_size"] = c.hidden_size;
  j["intermediate_size"] = c.intermediate_size;
  if (c.IsLatent() || c.HasExperts()) j["moe_intermediate_size"] = c.moe_intermediate_size;
  j["num_hidden_layers"] = c.num_hidden_layers;
  j["num_attention_heads"] = c.num_attention_heads;
  j["num_key_value_heads"] = c.IsLatent() ? c.num_attention_heads : c.KeyValueHeads();
  c.IsLatent() ? WriteLatent(c, j) : WriteGrouped(c, j);
  j["attention_dropout"] = 0.0;
  j["tie_word_embeddings"] = c.tie_word_embeddings;
  if (c.IsLatent()) j["num_nextn_predict_layers"] = c.num_nextn_predict_layers;
  j["max_position_embeddings"] = c.max_position_embeddings;
  j["rms_norm_eps"] = c.rms_norm_eps;
  j["initializer_range"] = c.initializer_range;
  j["hidden_act"] = "silu";
  if (c.IsLatent()) j["rope_interleave"] = true;
  WriteRope(c.rope, j);
  j["bos_token_id"] = IdOrNull(c.bos_token_id);
  j["eos_token_id"] = EosIds(c);
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

std::string GenerationConfigJson(const ModelConfig& c) {
  nlohmann::ordered_json j{{"bos_token_id", IdOrNull(c.bos_token_id)}, {"eos_token_id", EosIds(c)}};
  if (c.pad_token_id >= 0) j["pad_token_id"] = c.pad_token_id;
  return j.dump(2) + "\n";
}

}  // namespace cogent
