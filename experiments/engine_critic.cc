#include "experiments/engine_critic.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <filesystem>

#include "core/error.h"

namespace cogent {
namespace {

std::string Folder(const std::string& checkpoint) { return checkpoint + "/critic"; }

}  // namespace

std::unique_ptr<Critic> FirstCritic(const Run& run) {
  const CriticSettings& settings = *run.config.critic;
  const std::string source = settings.checkpoint.empty() ? run.checkpoints.BasePath() : settings.checkpoint;
  auto critic = std::make_unique<Critic>(source, settings.optimizer, run.parameters.flat().device());
  const int own = critic->parameters.config().vocab_size, policy = run.parameters.config().vocab_size;
  if (own != policy) {
    throw DataError(fmt::format("{}: this critic reads {} token ids and the policy writes {}; both must have one tokenizer", source, own, policy));
  }
  return critic;
}

std::unique_ptr<Critic> StoredCritic(const Run& run, std::int64_t step) {
  const std::string checkpoint = run.checkpoints.Path("step", step), dir = Folder(checkpoint);
  if (!std::filesystem::is_directory(dir)) {
    throw DataError(checkpoint + ": there is no critic in this checkpoint; the run began with an algorithm that has none. Start a new run from its policy: "
                    "policy.checkpoint=" + checkpoint);
  }
  auto critic = std::make_unique<Critic>(dir, run.config.critic->optimizer, run.parameters.flat().device());
  critic->optimizer.Load(dir + "/optimizer.safetensors");
  return critic;
}

void SaveCritic(const Critic& critic, const std::string& checkpoint) {
  critic.parameters.Save(Folder(checkpoint));
  critic.optimizer.Save(Folder(checkpoint) + "/optimizer.safetensors");
}

}  // namespace cogent
