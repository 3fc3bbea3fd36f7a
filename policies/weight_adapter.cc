#include "policies/weight_adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "policies/dequantize.h"
#include "policies/kernels.h"
#include "policies/model_config.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view kPeftPrefix = "base_model.model.", kA = ".lora_A.weight", kB = ".lora_B.weight";

std::string AdapterConfig(const std::string& dir) { return dir + "/adapter_config.json"; }

OrderedJson ReadConfig(const std::string& dir) {
  const std::string path = AdapterConfig(dir);
  try {
    OrderedJson json = OrderedJson::parse(ReadFile(path));
    if (!json.is_object()) throw DataError(path + ": this is no JSON object");
    return json;
  } catch (const nlohmann::json::exception& error) {
    throw DataError(path + ": this is no JSON (" + error.what() + ")");
  }
}

double PositiveNumber(const OrderedJson& config, const std::string& path, const char* key, double most) {
  const auto found = config.find(key);
  if (found == config.end() || !found->is_number() || !(found->get<double>() > 0) || found->get<double>() > most) {
    throw DataError(fmt::format("{}: '{}' must be a number above 0, at most {:g}", path, key, most));
  }
  return found->get<double>();
}

bool Empty(const OrderedJson& value) { return value.empty() || value == false || value == "none" || value == ""; }  // null, {} and [] are empty()

// What would make the sum W + scale B A wrong.
void CheckPlain(const OrderedJson& config, const std::string& path) {
  const auto type = config.find("peft_type");
  if (type == config.end() || *type != "LORA") {
    throw DataError(fmt::format("{}: peft_type is {}; only \"LORA\" can be read", path, type == config.end() ? "missing" : type->dump()));
  }
  for (const char* key : {"use_dora", "fan_in_fan_out", "modules_to_save", "bias", "lora_bias", "rank_pattern", "alpha_pattern", "target_parameters",
                          "trainable_token_indices", "layer_replication"}) {
    const auto found = config.find(key);
    if (found != config.end() && !Empty(*found)) {
      throw DataError(fmt::format("{}: '{}' is {}, which is not supported; merge this adapter with PEFT (merge_and_unload) and take the model that it saves",
                                  path, key, found->dump()));
    }
  }
}

class AdapterSource final : public WeightFiles::Source {
 public:
  explicit AdapterSource(const std::string& dir) : base_(WeightFiles::Open(AdapterBase(dir))), adapter_(AdapterFiles::Open(dir)) {
    shapes = base_.shapes();
    for (const std::string& module : adapter_.modules()) {
      const std::string weight = module + ".weight";
      const auto found = shapes.find(weight);
      if (found == shapes.end() || found->second.size() != 2) {
        throw DataError(fmt::format("{}: there is an adapter for '{}', and the base model has no matrix of that name", dir, module));
      }
      adapted_.insert(weight);
    }
  }

  void Read(const std::string& name, float* out) const override {
    base_.Read(name, out);
    if (adapted_.count(name) == 0) return;
    const auto& shape = shapes.at(name);
    adapter_.AddTo(name.substr(0, name.rfind('.')), shape[0], shape[1], out);
  }

 private:
  WeightFiles base_;
  AdapterFiles adapter_;
  std::set<std::string> adapted_;
};

}  // namespace

bool IsAdapter(const std::string& path) {
  std::error_code ignored;
  const auto has = [&](const char* name) { return fs::exists(path + name, ignored); };
  return has("/adapter_config.json") && !has("/model.safetensors") && !has("/model.safetensors.index.json");
}

std::string AdapterBase(const std::string& dir) {
  const OrderedJson config = ReadConfig(dir);
  const auto found = config.find("base_model_name_or_path");
  if (found == config.end() || !found->is_string() || found->get<std::string>().empty()) {
    throw DataError(AdapterConfig(dir) + ": 'base_model_name_or_path' must say where the base model lies");
  }
  fs::path named = found->get<std::string>();
  if (!named.has_filename()) named = named.parent_path();
  const fs::path beside = fs::weakly_canonical(dir).parent_path() / named.filename();
  const bool has_name = named.filename() != "." && named.filename() != "..";
  const std::string base = has_name && IsCheckpoint(beside.string()) && !IsAdapter(beside.string()) ? beside.string() : named.string();
  if (!IsCheckpoint(base)) {
    throw DataError(fmt::format("{}: the base model '{}' is neither there nor at {}; put it there, or correct base_model_name_or_path", AdapterConfig(dir),
                                named.string(), beside.string()));
  }
  if (IsAdapter(base)) {
    throw DataError(fmt::format("{}: the base model {} is an adapter itself; merge it first: cogent model convert {} DIR", AdapterConfig(dir), base, base));
  }
  return base;
}

std::string LoraA(const std::string& module) { return fmt::format("{}{}{}", kPeftPrefix, module, kA); }
std::string LoraB(const std::string& module) { return fmt::format("{}{}{}", kPeftPrefix, module, kB); }

AdapterFiles AdapterFiles::Open(const std::string& dir) {
  const std::string path = AdapterConfig(dir);
  const OrderedJson config = ReadConfig(dir);
  CheckPlain(config, path);
  AdapterFiles files(dir, SafetensorsFile::Open(dir + "/adapter_model.safetensors"));
  files.alpha_ = PositiveNumber(config, path, "lora_alpha", 1e6);
  files.rank_ = static_cast<int>(PositiveNumber(config, path, "r", 1 << 16));
  const auto stabilized = config.find("use_rslora");
  files.scale_ = stabilized != config.end() && *stabilized == true ? files.alpha_ / std::sqrt(files.rank_) : files.alpha_ / files.rank_;
  for (const auto& [name, view] : files.file_.tensors()) {
    if (name.starts_with(kPeftPrefix) && name.ends_with(kA)) {
      const std::string module = name.substr(kPeftPrefix.size(), name.size() - kPeftPrefix.size() - kA.size());
      if (!files.file_.Has(LoraB(module))) throw DataError(fmt::format("{}: '{}' has no lora_B beside it", files.file_.path(), name));
      files.modules_.push_back(module);
      continue;
    }
    const bool is_b = name.starts_with(kPeftPrefix) && name.ends_with(kB);
    if (!is_b || !files.file_.Has(LoraA(name.substr(kPeftPrefix.size(), name.size() - kPeftPrefix.size() - kB.size())))) {
      throw DataError(fmt::format("{}: '{}' is no part of a LoRA adapter of projections", files.file_.path(), name));
    }
  }
  return files;
}

std::vector<float> AdapterFiles::Read(const std::string& name, const std::vector<std::int64_t>& shape) const {
  const TensorView& view = file_.Get(name);
  if (view.shape != shape) {
    throw DataError(fmt::format("{}: '{}' is [{}], and must be [{}]", file_.path(), name, fmt::join(view.shape, ", "), fmt::join(shape, ", ")));
  }
  if (!IsFloat(view.dtype)) throw DataError(fmt::format("{}: '{}' has type {}; weights are floats", file_.path(), name, NameOf(view.dtype)));
  std::vector<float> values(view.bytes.size() / SizeOf(view.dtype));
  WidenFloats(view.dtype, view.bytes, values.data());
  if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
    throw DataError(fmt::format("{}: '{}' holds a number that is none, or is infinite", file_.path(), name));
  }
  return values;
}

void AdapterFiles::AddTo(const std::string& module, std::int64_t rows, std::int64_t width, float* weight) const {
  const std::vector<float> a = Read(LoraA(module), {rank_, width}), b = Read(LoraB(module), {rows, rank_});
  AddLowRank(a.data(), b.data(), static_cast<int>(rows), static_cast<int>(width), rank_, static_cast<float>(scale_), weight);
}

std::string AdapterConfigJson(const ModelConfig& config, const std::string& base) {
  Check(config.lora.has_value(), "an adapter has settings");
  std::set<std::string> targets;  // the last names; PEFT finds the same modules by them
  for (const AdaptedLeaf& leaf : AdapterLayout(config)) {
    for (const auto& part : leaf.parts) targets.insert(part.module.substr(part.module.rfind('.') + 1));
  }
  // A target that picks some modules of a name (mlp.down_proj, layers.3.self_attn.q_proj) is written as it is.
  std::vector<std::string> written(targets.begin(), targets.end());
  const auto& given = config.lora->targets;
  const bool picks = std::any_of(given.begin(), given.end(), [](const std::string& target) { return target.find('.') != std::string::npos; });
  if (picks && std::find(given.begin(), given.end(), kAllLinear) == given.end()) written = given;
  OrderedJson j;
  j["peft_type"] = "LORA";
  j["task_type"] = "CAUSAL_LM";
  j["auto_mapping"] = nullptr;
  j["base_model_name_or_path"] = base;
  j["revision"] = nullptr;
  j["inference_mode"] = true;
  j["r"] = config.lora->rank;
  j["lora_alpha"] = config.lora->alpha;
  j["lora_dropout"] = 0.0;
  j["target_modules"] = written;
  j["exclude_modules"] = nullptr;
  j["bias"] = "none";
  j["fan_in_fan_out"] = false;
  j["init_lora_weights"] = true;
  j["use_rslora"] = false;
  j["use_dora"] = false;
  j["modules_to_save"] = nullptr;
  j["layers_to_transform"] = nullptr;
  j["layers_pattern"] = nullptr;
  j["rank_pattern"] = OrderedJson::object();
  j["alpha_pattern"] = OrderedJson::object();
  return j.dump(2) + "\n";
}

std::unique_ptr<WeightFiles::Source> OpenAdapterWeights(const std::string& dir) { return std::make_unique<AdapterSource>(dir); }

}  // namespace cogent
