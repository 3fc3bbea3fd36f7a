#include "experiments/engine_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "core/scalar.h"

namespace cogent {

ParameterSet LoadWeights(const std::string& dir) {
  if (!std::filesystem::is_directory(dir)) {
    throw DataError(fmt::format("{}: there is no such directory; a checkpoint is one with config.json and model.safetensors, as in "
                                "runs/NAME/checkpoints/latest", dir));
  }
  ParameterSet parameters(LoadPolicyConfig(dir));
  for (const std::string& note : parameters.Load(dir, Rng(0))) LogWarn(note);
  return parameters;
}

StoredPolicy LoadPolicy(const std::string& dir) {
  ParameterSet parameters = LoadWeights(dir);
  Tokenizer tokenizer = Tokenizer::Load(dir + "/tokenizer.json");
  if (tokenizer.vocab_size() > parameters.config().vocab_size) {
    throw DataError(fmt::format("{}: tokenizer.json has {} ids, but config.json says vocab_size {}; they belong to different models",
                                dir, tokenizer.vocab_size(), parameters.config().vocab_size));
  }
  return {std::move(parameters), std::move(tokenizer)};
}

int WholeNumber(const std::string& name, const std::string& text, int low, int high) {
  const auto parsed = ParseInteger(text);
  if (!parsed.ok() || parsed.value < low || parsed.value > high) {
    throw ConfigError(fmt::format("{}: {} is no whole number from {} to {}", name, Quoted(text), low, high));
  }
  return static_cast<int>(parsed.value);
}

int ThreadsOr(int wanted) { return wanted > 0 ? wanted : std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

std::string QuotedOverride(const std::string& key, const std::string& value) { return key + "=" + nlohmann::json(value).dump(); }

}  // namespace cogent
