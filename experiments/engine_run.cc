#include "experiments/engine_run.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <iostream>
#include <thread>

#include "core/error.h"
#include "experiments/version.h"

namespace cogent {
namespace {

std::atomic<int> g_signal{0};
void OnSignal(int signal) {
  g_signal = signal;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void CatchStopSignals() {
  std::signal(SIGINT, OnSignal);
  std::signal(SIGTERM, OnSignal);
}

bool StopRequested() { return g_signal != 0; }

int Run::Stopped(const std::string& where) const {
  std::cerr << fmt::format("\nStopped {}; everything is saved. Go on with:\n  cogent train {}/config.yaml --resume\n", where, config.Directory());
  return kExitStopped;
}

int Threads(const RunConfig& config) {
  return config.threads > 0 ? config.threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

Products ReadProducts(const std::string& name, const std::string& text) {
  if (text == "float32") return Products::kFloat32;
  if (text == "bfloat16") return Products::kBfloat16;
  throw ConfigError(name + ": '" + text + "' is neither float32 nor bfloat16");
}

Generator::Options SamplerOptions(const RolloutSettings& rollout, int threads) {
  const bool short_cache = ReadProducts("rollout.cache", rollout.cache) == Products::kBfloat16;
  return {.threads = threads, .weights = ReadProducts("rollout.weights", rollout.weights), .cache = short_cache ? Cached::kBfloat16 : Cached::kFloat32};
}

RunEnvironment Environment(const RunConfig& config) {
  return {.version = Version(), .commit = SourceCommit(), .libtorch = TORCH_VERSION, .command = "cogent train", .seed = config.seed,
          .threads = Threads(config)};
}

TrainerConfig MakeTrainerConfig(const RunConfig& config, const MixtureSettings& mixture) {
  TrainerConfig t;
  const bool cpu = config.device == "cpu";
  t.lanes = cpu ? Threads(config) : 1;
  t.micro_batch_tokens = config.train.micro_batch_tokens;
  const Products products = ReadProducts("train.products", config.train.products);
  t.deterministic = config.deterministic;
  t.products = cpu && !config.deterministic ? Supported(products) : products;
  t.sampler_differs = config.rollout.weights == "bfloat16" || config.rollout.cache == "bfloat16" || config.rollout.remote || !cpu;
  t.gradient_checkpointing = config.train.gradient_checkpointing;
  t.replay_experts = config.train.replay_experts;
  t.epochs = config.train.epochs;
  t.minibatches = config.train.minibatches;
  t.temperature = config.rollout.sampling.temperature;
  t.balance_alpha = mixture.balance_alpha;
  t.bias_speed = mixture.bias_speed;
  return t;
}

}  // namespace cogent
