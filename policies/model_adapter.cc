#include "policies/model_adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "policies/model_config.h"

namespace cogent {
namespace {

constexpr std::string_view kWeight = ".weight", kProjection = "_proj";

// Every matrix that can have an adapter. In a model with experts that is attention alone: there PEFT takes gate_proj, up_proj
// and down_proj for the routed experts, also where they name a dense layer (0.21, with transformers 5).
std::vector<AdaptedLeaf> Candidates(const ModelConfig& config) {
  std::vector<AdaptedLeaf> candidates;
  const std::string prediction = fmt::format("model.layers.{}.", config.num_hidden_layers);
  for (const Leaf& leaf : ParameterLayout(config)) {
    if (leaf.shape.size() != 2 || leaf.name.starts_with(prediction) || (config.HasExperts() && leaf.name.find(".mlp.") != std::string::npos)) continue;
    AdaptedLeaf candidate{leaf.name, leaf.shape[1], {}};
    std::int64_t first = 0;
    for (const Leaf::Part& part : leaf.parts) {
      const std::string module = part.name.substr(0, part.name.size() - kWeight.size());
      if (module.find(kProjection, module.rfind('.') + 1) != std::string::npos) candidate.parts.push_back({module, first, part.shape[0]});
      first += part.shape[0];
    }
    if (!candidate.parts.empty()) candidates.push_back(std::move(candidate));
  }
  return candidates;
}

bool Matches(const std::string& module, const std::string& target) { return target == kAllLinear || module == target || module.ends_with("." + target); }

}  // namespace

void LoraConfig::VisitFields(FieldVisitor& visit) {
  visit("rank", rank, "r: rows of every A", {1, 1 << 16});
  visit("alpha", alpha, "what the adapter adds is multiplied by alpha / rank", {1e-3, 1e6});
  visit("targets", targets, "matrices that get an adapter, by the end of their names (q_proj, mlp.down_proj); all-linear = every projection of attention "
        "and, in a model without experts, of its dense layers. Embedding, head, router and experts have none");
}

std::vector<std::string> AdapterTargets(const ModelConfig& config) {
  std::set<std::string> names;
  for (const AdaptedLeaf& leaf : Candidates(config)) {
    for (const auto& part : leaf.parts) names.insert(part.module.substr(part.module.rfind('.') + 1));
  }
  return {names.begin(), names.end()};
}

std::vector<AdaptedLeaf> AdapterLayout(const ModelConfig& config) {
  if (!config.lora) return {};
  std::set<std::string> unused(config.lora->targets.begin(), config.lora->targets.end());
  std::vector<AdaptedLeaf> adapted;
  for (AdaptedLeaf& leaf : Candidates(config)) {
    std::vector<AdaptedLeaf::Part> parts;
    for (auto& part : leaf.parts) {
      bool wanted = false;
      for (const std::string& target : config.lora->targets) {
        if (!Matches(part.module, target)) continue;
        wanted = true;
        unused.erase(target);
      }
      if (wanted) parts.push_back(std::move(part));
    }
    leaf.parts = std::move(parts);
    if (!leaf.parts.empty()) adapted.push_back(std::move(leaf));
  }
  if (!unused.empty() || adapted.empty()) {
    throw ConfigError(fmt::format("lora.targets: {} no projection of a {} that can have an adapter; there are {}, and {} for all of them",
                                  unused.empty() ? "the list is empty and names" : fmt::format("'{}' names", *unused.begin()), config.model_type,
                                  fmt::join(AdapterTargets(config), ", "), kAllLinear));
  }
  return adapted;
}

std::int64_t AdapterSize(const ModelConfig& config) {
  std::int64_t size = 0;
  for (const AdaptedLeaf& leaf : AdapterLayout(config)) {
    for (const auto& part : leaf.parts) size += config.lora->rank * (leaf.width + part.rows);
  }
  return size;
}

}  // namespace cogent
