// A model in a GGUF file: its shape from the metadata, its tensors under the names of Hugging Face.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numbers>
#include <numeric>

#include "core/error.h"
#include "policies/dequantize.h"
#include "policies/weight_files.h"

namespace cogent {
namespace {

// model_type by the file's name of the architecture.
const std::map<std::string, std::string, std::less<>>& GgufArchitectures() {
  static const std::map<std::string, std::string, std::less<>> known = {{"llama", "llama"}, {"qwen2", "qwen2"}, {"qwen3", "qwen3"}, {"qwen3moe", "qwen3_moe"}};
  return known;
}

// Metadata of one architecture, with the file and the key in every message.
class Keys {
 public:
  explicit Keys(const GgufFile& file) : file_(file), prefix_(std::string(file.Text("general.architecture")) + ".") {}
  int Int(const std::string& key, int low = 1) const {
    const std::int64_t value = file_.Integer(prefix_ + key);
    if (value < low || value > (1ll << 31) - 1) throw DataError(fmt::format("{}: key '{}{}' is {}; wanted is a number of at least {}", file_.path(), prefix_, key, value, low));
    return static_cast<int>(value);
  }
  bool Has(const std::string& key) const { return file_.Has(prefix_ + key); }
  // The number that was meant: a file stores float32, so 1e-5 has digits behind it that nobody wrote.
  double Real(const std::string& key) const { return std::stod(fmt::format("{}", static_cast<float>(file_.Number(prefix_ + key)))); }
  std::string Text(const std::string& key) const { return std::string(file_.Text(prefix_ + key)); }
  const std::string& prefix() const { return prefix_; }

 private:
  const GgufFile& file_;
  std::string prefix_;
};

int TokenId(const GgufFile& file, const std::string& name, int otherwise) {
  const std::string key = "tokenizer.ggml." + name;
  if (!file.Has(key)) return otherwise;
  const std::int64_t id = file.Integer(key);
  if (id < 0 || id > (1ll << 31) - 1) throw DataError(fmt::format("{}: key '{}' is {}, which is no token", file.path(), key, id));
  return static_cast<int>(id);
}

bool DividesBy(const RopeConfig& plain, const RopeConfig& scaled, const std::vector<float>& divisors) {
  const int dim = 2 * static_cast<int>(divisors.size());
  const auto before = plain.Frequencies(dim), after = scaled.Frequencies(dim);
  for (std::size_t i = 0; i < divisors.size(); ++i) {
    if (!(std::abs(before[i] / after[i] / divisors[i] - 1) < 1e-4)) return false;
  }
  return true;
}

// Where the share of a pair's own speed is 0 and 1, in turns a token; it is linear between.
struct Ramp {
  double low = 0, high = 0;
};
Ramp FindRamp(const RopeConfig& plain, const std::vector<float>& divisors, double factor) {
  struct Point {
    double turns, share;
  };
  std::vector<Point> between;
  Point fast{0, 1}, slow{0, 0};  // the slowest of the fast pairs, the fastest of the slow ones
  const auto speeds = plain.Frequencies(2 * static_cast<int>(divisors.size()));
  for (std::size_t i = divisors.size(); i-- > 0;) {
    const Point point{speeds[i] / (2 * std::numbers::pi), (1 / static_cast<double>(divisors[i]) - 1 / factor) / (1 - 1 / factor)};
    if (point.share < 1e-5) slow = point;
    else if (point.share < 1 - 1e-5) between.push_back(point);
    else if (fast.turns == 0) fast = point;
  }
  if (between.size() > 1) {
    const double slope = (between.back().share - between.front().share) / (between.back().turns - between.front().turns);
    const double low = between.front().turns - between.front().share / slope;
    return {low, low + 1 / slope};
  }
  if (between.size() == 1) {  // one number for two: the ratio that Llama has
    const double low = between.front().turns / (1 + 3 * between.front().share);
    return {low, 4 * low};
  }
  return {std::cbrt(slow.turns * slow.turns * fast.turns), std::cbrt(slow.turns * fast.turns * fast.turns)};  // a step, anywhere between two pairs
}

// Llama 3's scaling is stored as what each pair's speed is divided by: 1 for fast ones, the factor for slow ones, and between
// them 1 / ((1 - s) / factor + s) with s linear in the speed. Its settings are found from that. Several say the same (only
// low / context and high / context count): taken are Llama's own where they fit, else the context whose low factor is 1, if
// that is a whole number. Where even the slowest pair is on the ramp, its divisor stands for the factor.
RopeConfig FromDivisors(const RopeConfig& plain, const std::vector<float>& divisors, const std::string& where) {
  if (DividesBy(plain, plain, divisors)) return plain;
  constexpr double kContext = 8192;
  RopeConfig rope = plain;
  rope.type = "llama3";
  const auto fits = [&](double factor, double context, double low, double high) {
    rope.factor = factor, rope.original_max_position_embeddings = context, rope.low_freq_factor = low, rope.high_freq_factor = high;
    return high > low && DividesBy(plain, rope, divisors);
  };
  for (const double factor : {8.0, 32.0, 16.0, 4.0, 2.0}) {
    if (fits(factor, kContext, 1, 4)) return rope;
  }
  const double factor = std::stod(fmt::format("{}", divisors.back()));
  if (std::isfinite(factor) && factor > 1) {
    RopeConfig linear = plain;
    linear.type = "linear", linear.factor = factor;
    if (DividesBy(plain, linear, divisors)) return linear;
    const Ramp ramp = FindRamp(plain, divisors, factor);
    const double context = std::round(1 / ramp.low);
    if (fits(factor, kContext, 1, 4) || fits(factor, context, 1, std::round(context * ramp.high * 1e3) / 1e3) ||
        fits(factor, kContext, kContext * ramp.low, kContext * ramp.high)) {
      return rope;
    }
  }
  throw DataError(where + ": 'rope_freqs.weight' is no scaling of frequencies that is known: neither Llama 3's with any factor and context, nor linear");
}

RopeConfig ReadRope(const GgufFile& file, const Keys& keys, int head_dim) {
  RopeConfig rope;
  if (keys.Has("rope.freq_base")) rope.theta = keys.Real("rope.freq_base");
  if (keys.Has("rope.dimension_count") && keys.Int("rope.dimension_count") != head_dim) {
    throw DataError(fmt::format("{}: key '{}rope.dimension_count' is {}, but a head has {}; a rotation of a part of it cannot be read", file.path(), keys.prefix(),
                                keys.Int("rope.dimension_count"), head_dim));
  }
  const std::string type = keys.Has("rope.scaling.type") ? keys.Text("rope.scaling.type") : "none";
  const auto divisors = file.tensors().find("rope_freqs.weight");
  if (divisors != file.tensors().end()) {
    if (type != "none") {
      throw DataError(fmt::format("{}: tensor 'rope_freqs.weight' stands beside key '{}rope.scaling.type' ('{}'); two scalings at once cannot be read", file.path(),
                                  keys.prefix(), type));
    }
    if (divisors->second.shape != std::vector<std::int64_t>{head_dim / 2} || !IsWeight(divisors->second.type)) {
      throw DataError(file.path() + ": tensor 'rope_freqs.weight' must have a number for each pair of a head");
    }
    std::vector<float> values(static_cast<std::size_t>(head_dim) / 2);
    DequantizeGguf(divisors->second.type, divisors->second.bytes, values.data());
    return FromDivisors(rope, values, file.path());
  }
  if (type == "none") return rope;
  if (type != "linear" && type != "yarn") {
    throw DataError(fmt::format("{}: key '{}rope.scaling.type' is '{}'. Known: none, linear, yarn", file.path(), keys.prefix(), type));
  }
  rope.type = type;
  rope.factor = keys.Real("rope.scaling.factor");
  if (!(rope.factor >= 1)) throw DataError(fmt::format("{}: key '{}rope.scaling.factor' must be at least 1", file.path(), keys.prefix()));
  if (type == "yarn") rope.original_max_position_embeddings = keys.Int("rope.scaling.original_context_length");
  return rope;
}

ModelConfig ReadConfig(const GgufFile& file) {
  const std::string architecture(file.Text("general.architecture"));
  const auto known = GgufArchitectures().find(architecture);
  if (known == GgufArchitectures().end()) {
    throw DataError(fmt::format("{}: general.architecture is '{}', which cannot be read from GGUF. Known: llama, qwen2, qwen3, qwen3moe", file.path(), architecture));
  }
  const Keys keys(file);
  ModelConfig c;
  c.model_type = known->second;
  const auto& embedding = file.Get("token_embd.weight");
  if (embedding.shape.size() != 2) throw DataError(file.path() + ": tensor 'token_embd.weight' is no matrix");
  c.vocab_size = static_cast<int>(std::min<std::int64_t>(embedding.shape[0], (1ll << 31) - 1));
  c.hidden_size = keys.Int("embedding_length");
  c.num_hidden_layers = keys.Int("block_count");
  c.num_attention_heads = keys.Int("attention.head_count");
  c.num_key_value_heads = keys.Has("attention.head_count_kv") ? keys.Int("attention.head_count_kv") : c.num_attention_heads;
  if (keys.Has("attention.key_length")) c.head_dim = keys.Int("attention.key_length");
  c.max_position_embeddings = keys.Int("context_length");
  c.rms_norm_eps = keys.Real("attention.layer_norm_rms_epsilon");
  c.tie_word_embeddings = file.tensors().count("output.weight") == 0;
  c.n_routed_experts = c.n_shared_experts = c.first_k_dense_replace = 0;
  if (keys.Has("feed_forward_length")) c.intermediate_size = keys.Int("feed_forward_length");
  if (c.model_type == "qwen3_moe") {
    c.n_routed_experts = keys.Int("expert_count");
    c.num_experts_per_tok = keys.Int("expert_used_count");
    c.moe_intermediate_size = keys.Int("expert_feed_forward_length");
    for (int i = 0; i < c.num_hidden_layers; ++i) {
      if (file.tensors().count(fmt::format("blk.{}.ffn_gate_inp.weight", i)) == 0) c.mlp_only_layers.push_back(i);
    }
  } else if (keys.Has("expert_count") && keys.Int("expert_count", 0) > 0) {
    throw DataError(fmt::format("{}: architecture '{}' with experts cannot be read from GGUF", file.path(), architecture));
  }
  // Llama's biases are no key of the file.
  c.attention_bias = c.model_type != "qwen2" && file.tensors().count("blk.0.attn_q.bias") > 0;
  c.mlp_bias = c.model_type == "llama" && file.tensors().count("blk.0.ffn_gate.bias") > 0;
  c.bos_token_id = TokenId(file, "bos_token_id", 0);
  c.eos_token_id = TokenId(file, "eos_token_id", -1);
  for (const char* name : {"eot_token_id", "eom_token_id"}) c.AddEnd(TokenId(file, name, -1));  // the end of a turn, of a message
  c.pad_token_id = TokenId(file, "padding_token_id", -1);
  Problems problems;
  c.Validate(problems, {file.path(), 0, 0});
  if (!problems.empty()) throw DataError(problems.lines().front());
  c.rope = ReadRope(file, keys, c.HeadDim());
  return c;
}

// Where a tensor of the checkpoint lies in the file.
struct Place {
  const GgufTensor* tensor = nullptr;
  std::string name;              // in the file
  std::size_t first = 0, bytes = 0;  // of the tensor's bytes: one expert of many, or all
  int rotated_heads = 0;         // 0: rows are as they should be; else they lie in the order of interleaved rotation
};

class GgufSource final : public WeightFiles::Source {
 public:
  explicit GgufSource(const std::string& path) : file_(GgufFile::Open(path)), config_(ReadConfig(file_)) {
    for (const auto& [name, tensor] : file_.tensors()) {
      if (name == "rope_freqs.weight") continue;
      if (!IsWeight(tensor.type)) throw DataError(fmt::format("{}: tensor '{}' has type {}; weights are no integers", file_.path(), name, BlockOf(tensor.type).name));
      Add(name, tensor);
    }
  }

  void Read(const std::string& name, float* out) const override {
    const Place& place = places_.at(name);
    DequantizeGguf(place.tensor->type, place.tensor->bytes.subspan(place.first, place.bytes), out);
    if (place.rotated_heads > 0) Unrotate(shapes.at(name), place.rotated_heads, out);
  }

 private:
  void Add(const std::string& name, const GgufTensor& tensor) {
    static const std::map<std::string, std::string> whole = {{"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};
    static const std::map<std::string, std::string> layer = {
        {"attn_norm", "input_layernorm"}, {"ffn_norm", "post_attention_layernorm"}, {"attn_q", "self_attn.q_proj"}, {"attn_k", "self_attn.k_proj"},
        {"attn_v", "self_attn.v_proj"}, {"attn_output", "self_attn.o_proj"}, {"attn_q_norm", "self_attn.q_norm"}, {"attn_k_norm", "self_attn.k_norm"},
        {"ffn_gate", "mlp.gate_proj"}, {"ffn_up", "mlp.up_proj"}, {"ffn_down", "mlp.down_proj"}, {"ffn_gate_inp", "mlp.gate"}};
    static const std::map<std::string, std::string> experts = {{"ffn_gate_exps", "gate_proj"}, {"ffn_up_exps", "up_proj"}, {"ffn_down_exps", "down_proj"}};
    const std::size_t dot = name.rfind('.');
    const std::string stem = name.substr(0, dot), kind = dot == std::string::npos ? "" : name.substr(dot);
    if (const auto found = whole.find(stem); found != whole.end()) return Put(found->second + kind, tensor.shape, {&tensor, name, 0, tensor.bytes.size(), 0});
    const std::size_t second = stem.find('.', 4);
    if (!stem.starts_with("blk.") || second == std::string::npos) return Put(name, tensor.shape, {&tensor, name, 0, tensor.bytes.size(), 0});
    const std::string prefix = "model.layers." + stem.substr(4, second - 4) + ".", part = stem.substr(second + 1);
    if (const auto found = layer.find(part); found != layer.end()) {
      const bool llama = config_.model_type == "llama";
      const int heads = !llama ? 0 : part == "attn_q" ? config_.num_attention_heads : part == "attn_k" ? config_.KeyValueHeads() : 0;
      return Put(prefix + found->second + kind, tensor.shape, {&tensor, name, 0, tensor.bytes.size(), heads});
    }
    const auto found = experts.find(part);
    if (found == experts.end() || tensor.shape.size() != 3 || tensor.shape[0] == 0) return Put(name, tensor.shape, {&tensor, name, 0, tensor.bytes.size(), 0});
    const std::size_t each = tensor.bytes.size() / static_cast<std::size_t>(tensor.shape[0]);
    for (std::int64_t e = 0; e < tensor.shape[0]; ++e) {
      Put(fmt::format("{}mlp.experts.{}.{}{}", prefix, e, found->second, kind), {tensor.shape[1], tensor.shape[2]}, {&tensor, name, static_cast<std::size_t>(e) * each, each, 0});
    }
  }

  void Put(const std::string& name, std::vector<std::int64_t> shape, Place place) {
    if (place.rotated_heads > 0 && (shape.empty() || shape[0] % (2 * place.rotated_heads) != 0)) {
      throw DataError(fmt::format("{}: tensor '{}' has no whole heads", file_.path(), place.name));
    }
    shapes[name] = std::move(shape);
    places_[name] = std::move(place);
  }

  // Within each head, row 2i + p of the file is row i + p D / 2.
  static void Unrotate(const std::vector<std::int64_t>& shape, int heads, float* rows) {
    const std::int64_t size = shape[0] / heads, width = shape.size() > 1 ? shape[1] : 1;
    std::vector<float> head(static_cast<std::size_t>(size * width));
    for (int h = 0; h < heads; ++h, rows += size * width) {
      std::memcpy(head.data(), rows, head.size() * sizeof(float));
      for (std::int64_t i = 0; i < size; ++i) {
        const std::int64_t to = i / 2 + i % 2 * (size / 2);
        std::memcpy(rows + to * width, head.data() + i * width, static_cast<std::size_t>(width) * sizeof(float));
      }
    }
  }

  GgufFile file_;
  ModelConfig config_;
  std::map<std::string, Place> places_;
};

}  // namespace

ModelConfig GgufModelConfig(const std::string& path) { return ReadConfig(GgufFile::Open(path)); }
std::unique_ptr<WeightFiles::Source> OpenGgufWeights(const std::string& path) { return std::make_unique<GgufSource>(path); }

}  // namespace cogent
