#include "policies/parameters.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <numeric>
#include <set>

#include "core/file.h"
#include "policies/kernels.h"
#include "policies/safetensors.h"
#include "policies/weight_adapter.h"
#include "policies/weight_files.h"

namespace cogent {
namespace {

constexpr const char* kValueHead = "score.weight";
constexpr const char* kHead = "lm_head.weight";
constexpr const char* kEmbedding = "model.embed_tokens.weight";

std::int64_t Count(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::string ShapeText(const at::IntArrayRef shape) { return fmt::format("[{}]", fmt::join(shape.begin(), shape.end(), ", ")); }

bool AllFinite(const float* values, std::int64_t count) {
  float sum = 0.0f;  // 0 * x is 0 for every number and not a number for every other
  for (std::int64_t i = 0; i < count; ++i) sum += values[i] * 0.0f;
  return sum == 0.0f;
}

std::string PredictionPrefix(const ModelConfig& config) { return fmt::format("model.layers.{}.", config.num_hidden_layers); }

// What a prediction module behind the last layer is made of, with the embedding and the head that it repeats. A layer there that
// joins no two inputs is none.
std::set<std::string> PredictionNames(const WeightFiles& files, ModelConfig config) {
  const std::string prefix = PredictionPrefix(config);
  if (!config.IsLatent() || files.shapes().count(prefix + "eh_proj.weight") == 0) return {};
  config.num_nextn_predict_layers = 1;
  std::set<std::string> names = {prefix + "embed_tokens.weight", prefix + "shared_head.head.weight"};
  for (const Leaf& leaf : ParameterLayout(config)) {
    for (const Leaf::Part& part : leaf.parts) {
      if (part.name.starts_with(prefix)) names.insert(part.name);
    }
  }
  for (const Leaf::Part& part : BufferLayout(config)) {
    if (part.name.starts_with(prefix)) names.insert(part.name);
  }
  return names;
}

// Tensors that a checkpoint may carry without our having a place for them: a prediction module that is not used is one, other
// layers than config.json counts are not. A head beside a tied embedding is one only when it is equal to it (HeadIsTied).
bool MayBeIgnored(const std::string& name, const ModelConfig& config, const std::set<std::string>& prediction) {
  if (name.ends_with("rotary_emb.inv_freq")) return true;
  if ((config.tie_word_embeddings || config.value_head) && name == kHead) return true;
  return prediction.count(name) > 0;
}

// Walks through the adapters' flat tensor: a view of the next `shape` numbers.
class Cutter {
 public:
  explicit Cutter(const at::Tensor& flat) : flat_(flat) {}
  at::Tensor Next(const std::vector<std::int64_t>& shape) {
    const std::int64_t at = at_;
    at_ += Count(shape);
    return flat_.narrow(0, at, at_ - at).view(shape);
  }

 private:
  const at::Tensor& flat_;
  std::int64_t at_ = 0;
};

// The system would lend more than there is, and end the program once it is used. In double: the product of sizes may not fit an integer.
void CheckMemory(const ModelConfig& config, const std::vector<Leaf>& leaves) {
  constexpr double kGiB = 1 << 30;
  double needed = 0.0;
  for (const Leaf& leaf : leaves) needed += std::accumulate(leaf.shape.begin(), leaf.shape.end(), 4.0 / kGiB, std::multiplies<>());
  const double there = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE)) / kGiB;
  if (needed <= there) return;
  throw DataError(fmt::format("a {} of {} layers, hidden_size {} and vocab_size {} takes {:.1f} GiB in float32, and this machine has {:.1f} GiB of memory; check the "
                              "sizes in its config.json, or take a smaller model", config.model_type, config.num_hidden_layers, config.hidden_size, config.vocab_size,
                              needed, there));
}

// Whether a checkpoint's own head says the same as the embedding that its config.json ties it to. transformers takes both as
// they are when they differ (with a warning that config.json is wrong): a model that we would not be running.
bool HeadIsTied(const WeightFiles& files, const at::Tensor& embedding) {
  const auto head = files.shapes().find(kHead);
  if (head == files.shapes().end()) return true;
  if (head->second != embedding.sizes().vec()) return false;
  at::Tensor values = at::empty(embedding.sizes(), at::kFloat);
  files.Read(kHead, values.mutable_data_ptr<float>());
  return at::equal(values, embedding);
}

}  // namespace

at::Tensor OnHost(const at::Tensor& t) { return t.to(at::kCPU, at::kFloat).contiguous(); }

void WriteOnHost(const at::Tensor& view, const std::function<void(float*)>& write) {
  const at::Tensor host = OnHost(view);
  write(host.mutable_data_ptr<float>());
  if (!host.is_same(view)) view.copy_(host);
}

void SaveTensors(const std::string& path, const std::map<std::string, at::Tensor>& named, const std::map<std::string, std::string>& metadata) {
  std::map<std::string, TensorView> views;
  std::vector<at::Tensor> kept;
  for (const auto& [name, tensor] : named) {
    kept.push_back(OnHost(tensor));
    views[name] = {DType::kF32, tensor.sizes().vec(), {static_cast<const std::byte*>(kept.back().const_data_ptr()), static_cast<std::size_t>(kept.back().nbytes())}};
  }
  WriteSafetensors(path, views, metadata);
}

ParameterSet::ParameterSet(const ModelConfig& config) : config_(config), leaves_(ParameterLayout(config)) {
  CheckMemory(config_, leaves_);
  offsets_.resize(leaves_.size());
  std::int64_t at = 0;
  for (const bool matrix : {true, false}) {
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
      if (leaves_[i].matrix != matrix) continue;
      offsets_[i] = at;
      at += Count(leaves_[i].shape);
    }
    if (matrix) matrix_size_ = at;
  }
  flat_ = at::zeros({at}, at::kFloat);
  const int mixtures = config.MixtureLayers() + (config.HasExperts() ? config.num_nextn_predict_layers : 0);
  biases_ = at::zeros({mixtures, std::max(config.n_routed_experts, 1)}, at::kFloat);
  for (auto& [name, view] : Named()) {
    if (name.ends_with("norm.weight")) view.fill_(1.0);
  }
}

void ParameterSet::Initialize(const Rng& rng) {
  for (auto& [name, view] : Named()) InitializeOne(name, view, rng);
}

void ParameterSet::InitializeOne(const std::string& name, const at::Tensor& view, const Rng& rng) const {
  if (view.dim() < 2 || name == kValueHead) return;  // a critic's first word is 0, not noise
  Rng draws = rng.Fork(name);
  WriteOnHost(view, [&](float* values) {
    for (std::int64_t i = 0; i < view.numel(); ++i) values[i] = static_cast<float>(draws.Normal() * config_.initializer_range);
  });
}

void ParameterSet::MoveTo(at::Device device, at::ScalarType type) {
  flat_ = flat_.to(device, type);
  biases_ = biases_.to(device, type);
  if (adapters_.defined()) adapters_ = adapters_.to(device, type);
}

void ParameterSet::Attach(const LoraConfig& lora, const std::string& base, const Rng& rng) {
  Check(!config_.lora && !config_.value_head, "adapters are attached once, to a language model");
  config_.lora = lora;
  adapted_ = AdapterLayout(config_);
  adapters_ = at::zeros({AdapterSize(config_)}, flat_.options());
  base_ = base;
  for (auto& [name, view] : NamedTrained(adapters_)) {
    if (!name.ends_with("lora_A.weight")) continue;
    // Kaiming's uniform draw with a = sqrt(5), the one of a plain linear layer: the bound is 1 / sqrt(in).
    const double bound = 1.0 / std::sqrt(static_cast<double>(view.size(1)));
    Rng draws = rng.Fork(name);
    WriteOnHost(view, [&, count = view.numel()](float* values) {
      for (std::int64_t i = 0; i < count; ++i) values[i] = static_cast<float>((2.0 * draws.Uniform() - 1.0) * bound);
    });
  }
}

ParameterSet ParameterSet::Base() const {
  ParameterSet base = *this;
  base.config_.lora.reset();
  base.adapted_.clear();
  base.adapters_ = at::Tensor();
  return base;
}

std::vector<at::Tensor> ParameterSet::Leaves(const at::Tensor& grad) const {
  std::vector<at::Tensor> views;
  const auto learn = [](at::Tensor view, const at::Tensor& own_grad) {
    view.requires_grad_(true);
    view.mutable_grad() = own_grad;
    return view;
  };
  const bool all = grad.defined() && !config_.lora;
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    const auto cut = [&](const at::Tensor& flat) { return flat.narrow(0, offsets_[i], Count(leaves_[i].shape)).view(leaves_[i].shape); };
    const at::Tensor view = cut(flat_).detach();
    views.push_back(all ? learn(view, cut(grad)) : view);
  }
  if (!config_.lora) return views;
  Cutter values(adapters_), grads(grad);
  const auto next = [&](const std::vector<std::int64_t>& shape) {
    const at::Tensor view = values.Next(shape).detach();
    views.push_back(grad.defined() ? learn(view, grads.Next(shape)) : view);
  };
  for (const AdaptedLeaf& leaf : adapted_) {
    next({static_cast<std::int64_t>(leaf.parts.size()) * config_.lora->rank, leaf.width});
    for (const auto& part : leaf.parts) next({part.rows, config_.lora->rank});
  }
  return views;
}

std::map<std::string, at::Tensor> ParameterSet::NamedTrained(const at::Tensor& like) const {
  if (!config_.lora) return Named(like);
  std::map<std::string, at::Tensor> named;
  Cutter values(like);
  for (const AdaptedLeaf& leaf : adapted_) {
    for (const auto& part : leaf.parts) named[LoraA(part.module)] = values.Next({config_.lora->rank, leaf.width});
    for (const auto& part : leaf.parts) named[LoraB(part.module)] = values.Next({part.rows, config_.lora->rank});
  }
  return named;
}

std::function<at::Tensor(const std::string&)> ParameterSet::Effective() const {
  const double scale = config_.lora ? config_.lora->Scale() : 0.0;
  std::map<std::string, at::Tensor> adapters;
  if (config_.lora) adapters = NamedTrained(OnHost(adapters_));
  return [named = Named(), adapters = std::move(adapters), scale](const std::string& name) -> at::Tensor {
    const auto found = named.find(name);
    if (found == named.end()) return {};
    const std::string module = name.substr(0, name.rfind('.'));
    const auto down = adapters.find(LoraA(module));
    if (down == adapters.end() || !name.ends_with(".weight")) return OnHost(found->second);  // a bias of the same module stays
    const at::Tensor sum = OnHost(found->second).clone();
    AddLowRank(down->second.const_data_ptr<float>(), adapters.at(LoraB(module)).const_data_ptr<float>(), static_cast<int>(sum.size(0)),
               static_cast<int>(sum.size(1)), static_cast<int>(down->second.size(0)), static_cast<float>(scale), sum.mutable_data_ptr<float>());
    return sum;
  };
}

std::map<std::string, at::Tensor> ParameterSet::Named(const at::Tensor& flat) const {
  std::map<std::string, at::Tensor> named;
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    std::int64_t at = offsets_[i];
    for (const Leaf::Part& part : leaves_[i].parts) {
      named[part.name] = flat.narrow(0, at, Count(part.shape)).view(part.shape);
      at += Count(part.shape);
    }
  }
  if (flat.is_same(flat_)) {
    const auto buffers = BufferLayout(config_);
    for (std::size_t i = 0; i < buffers.size(); ++i) named[buffers[i].name] = biases_[static_cast<std::int64_t>(i)];
  }
  return named;
}

std::vector<std::string> ParameterSet::Load(const std::string& dir, const Rng& rng_for_missing) {
  const bool own_adapters = config_.lora && IsAdapter(dir);
  const WeightFiles files = WeightFiles::Open(own_adapters ? AdapterBase(dir) : dir);
  std::vector<std::string> wrong, notes, fresh;
  std::set<std::string> known;
  const std::string prediction = PredictionPrefix(config_);
  bool has_prediction = false;
  for (auto& [name, view] : Named()) {
    known.insert(name);
    const auto found = files.shapes().find(name);
    if (found == files.shapes().end() && name == kValueHead) {
      notes.push_back("the checkpoint has no value head; it starts at zero");
      continue;
    }
    if (found == files.shapes().end()) {
      (name.starts_with(prediction) ? fresh : wrong).push_back(fmt::format("missing: {} {}", name, ShapeText(view.sizes())));
      InitializeOne(name, view, rng_for_missing);
      continue;
    }
    has_prediction = has_prediction || name.starts_with(prediction);
    if (found->second != view.sizes().vec()) {
      wrong.push_back(fmt::format("misshapen: {} is {}, must be {}", name, ShapeText(found->second), ShapeText(view.sizes())));
      continue;
    }
    bool finite = true;
    WriteOnHost(view, [&, &name = name, count = view.numel()](float* values) {
      files.Read(name, values);
      finite = AllFinite(values, count);
    });
    if (!finite) wrong.push_back(fmt::format("not finite: {} holds a number that is none, or is infinite", name));
  }
  const std::set<std::string> unused = PredictionNames(files, config_);
  for (const auto& [name, shape] : files.shapes()) {
    if (!known.count(name) && !MayBeIgnored(name, config_, unused)) wrong.push_back("unexpected: " + name);
  }
  const bool tied = config_.tie_word_embeddings && !config_.value_head && files.shapes().count(kEmbedding) > 0;
  if (tied && wrong.empty() && !HeadIsTied(files, Named().at(kEmbedding))) {
    wrong.push_back(fmt::format("not tied: {} differs from {}, which config.json ties it to; if the head is meant to be its own, write \"tie_word_embeddings\": false there",
                                kHead, kEmbedding));
  }
  // A prediction module may be missing as a whole; a part of one is damage.
  if (has_prediction) wrong.insert(wrong.end(), fresh.begin(), fresh.end());
  if (!wrong.empty()) {
    const std::size_t shown = std::min<std::size_t>(wrong.size(), 12);
    std::string text = fmt::format("{}: the weights do not fit config.json ({} problems):", dir, wrong.size());
    for (std::size_t i = 0; i < shown; ++i) text += "\n  " + wrong[i];
    if (shown < wrong.size()) text += fmt::format("\n  and {} more", wrong.size() - shown);
    throw DataError(text);
  }
  if (!fresh.empty()) notes.push_back("the checkpoint has no prediction module; it starts from fresh weights");
  if (own_adapters) LoadAdapters(dir);
  return notes;
}

void ParameterSet::LoadAdapters(const std::string& dir) {
  const AdapterFiles files = AdapterFiles::Open(dir);
  const auto named = NamedTrained(adapters_);
  std::set<std::string> own;
  for (const auto& [name, view] : named) own.insert(name);
  for (const std::string& module : files.modules()) own.erase(LoraA(module)), own.erase(LoraB(module));
  if (files.rank() != config_.lora->rank || files.scale() != config_.lora->Scale() || !own.empty() || files.modules().size() * 2 != named.size()) {
    throw DataError(fmt::format("{}: these adapters have rank {}, alpha {:g} and {} modules; policy.lora asks for rank {}, alpha {:g} and {}. Go on with the "
                                "settings that they were made with, or start a new run from them: policy.checkpoint={}", dir, files.rank(), files.alpha(),
                                files.modules().size(), config_.lora->rank, config_.lora->alpha, named.size() / 2, dir));
  }
  for (const auto& [name, view] : named) {
    const std::vector<float> values = files.Read(name, view.sizes().vec());
    WriteOnHost(view, [&](float* to) { std::copy(values.begin(), values.end(), to); });
  }
}

void ParameterSet::Save(const std::string& dir) const {
  std::filesystem::create_directories(dir);
  if (config_.lora) {
    WriteFileAtomic(dir + "/adapter_config.json", AdapterConfigJson(config_, base_));
    return SaveTensors(dir + "/adapter_model.safetensors", NamedTrained(adapters_), {{"format", "pt"}});
  }
  WriteFileAtomic(dir + "/config.json", ModelConfigJson(config_));
  if (!config_.value_head) WriteFileAtomic(dir + "/generation_config.json", GenerationConfigJson(config_));
  SaveTensors(dir + "/model.safetensors", Named(), {{"format", "pt"}});
}

}  // namespace cogent
