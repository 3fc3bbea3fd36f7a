#include "experiments/engine_reward_model.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>

#include "core/error.h"
#include "envs/template.h"
#include "policies/parameters.h"
#include "policies/tokenizer.h"
#include "policies/transformer.h"
#include "policies/weight_adapter.h"
#include "policies/weight_files.h"

namespace cogent {
namespace {

constexpr std::size_t kRowsAtOnce = 4096;

struct LoadedModel {
  ParameterSet parameters;
  Tokenizer tokenizer;
  std::filesystem::file_time_type written;
};

std::shared_ptr<const LoadedModel> Load(const std::string& dir) {
  namespace fs = std::filesystem;
  static std::mutex guard;
  static std::map<std::string, std::shared_ptr<const LoadedModel>> loaded;
  if (!IsCheckpoint(dir)) throw DataError(dir + ": there is no such directory; a reward model is a checkpoint of `algorithm: reward_model`");
  const std::lock_guard lock(guard);
  const std::string place = fs::canonical(dir).string();
  const auto written = fs::last_write_time(!fs::is_directory(place) ? place : place + (IsAdapter(place) ? "/adapter_config.json" : "/config.json"));
  auto& entry = loaded[place];
  if (entry && entry->written == written) return entry;
  const ModelConfig config = LoadModelConfig(place);
  if (!config.value_head) throw DataError(dir + ": this is a language model; a reward model gives a text a number (`algorithm: reward_model` makes one)");
  ParameterSet parameters(config);
  parameters.Load(place, Rng(0));
  return entry = std::make_shared<const LoadedModel>(LoadedModel{std::move(parameters), Tokenizer::Load(place), written});
}

}  // namespace

std::vector<double> AskLoadedModel(const RewardModelQuestion& question) {
  const auto model = Load(question.checkpoint);
  const ModelConfig& config = model->parameters.config();
  const std::string prompt_template = TemplateText(question.prompt_template);
  c10::NoGradGuard no_grad;
  const Transformer network(config, model->parameters.Leaves(), model->parameters.biases());
  std::vector<double> values;
  PackedTokens packed;
  std::vector<std::int64_t> ends;
  const auto ask = [&] {
    if (ends.empty()) return;
    const at::Tensor said = network.Values(network.Forward(packed, {}).hidden, ends);
    for (std::int64_t i = 0; i < said.numel(); ++i) values.push_back(said[i].item<double>());
    packed = {}, ends.clear();
  };
  for (const auto& [prompt, completion] : question.texts) {
    std::vector<std::int32_t> ids = model->tokenizer.EncodePrompt(RenderPrompt(prompt_template, {{Role::kUser, prompt}}));
    const auto rest = model->tokenizer.Encode(completion);
    ids.insert(ids.end(), rest.begin(), rest.end());
    ids.push_back(model->tokenizer.eos_id());
    if (static_cast<int>(ids.size()) > config.max_position_embeddings) {
      throw DataError(fmt::format("{}: a text has {} tokens, and the reward model's context is {}", question.checkpoint, ids.size(), config.max_position_embeddings));
    }
    const int begin = static_cast<int>(packed.ids.size());
    packed.ids.insert(packed.ids.end(), ids.begin(), ids.end());
    packed.segments.push_back({begin, static_cast<int>(packed.ids.size()), -1});
    ends.push_back(static_cast<std::int64_t>(packed.ids.size()) - 1);
    if (packed.ids.size() >= kRowsAtOnce) ask();
  }
  ask();
  return values;
}

}  // namespace cogent
