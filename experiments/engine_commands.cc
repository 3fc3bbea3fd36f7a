#include "experiments/engine_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "core/scalar.h"
#include "experiments/engine_run.h"
#include "experiments/engine_train.h"
#include "experiments/text.h"
#include "policies/device.h"
#include "policies/generate.h"
#include "policies/weight_files.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;

std::string NewestCheckpoint(const std::string& run_dir) {
  const std::string latest = run_dir + "/checkpoints/latest";
  if (!fs::is_directory(latest)) {
    throw ConfigError(fmt::format("{} has no checkpoint (checkpoints/latest) yet; train first, or name one by --checkpoint DIR", run_dir));
  }
  return latest;
}

// The directory that a link like checkpoints/latest stands for now: later it may stand for other weights.
std::string WithoutLink(const std::string& checkpoint) {
  std::error_code none;
  const fs::path path = fs::path(checkpoint) / "", link = path.parent_path();  // a slash at the end hides a link
  const fs::path target = fs::is_directory(path, none) ? fs::read_symlink(link, none) : fs::path();
  return none || target.empty() ? checkpoint : (link.parent_path() / target).string();
}

}  // namespace

NamedPolicy FindPolicy(const Parts& parts, const Methods& methods, const Command& command, std::vector<std::string> overrides, const std::string& section) {
  const std::string& given = command.arguments.at(0);
  std::string path = given, checkpoint = command.Get("checkpoint");
  if (fs::is_directory(given)) {
    path = given + "/config.yaml";
    if (!fs::exists(path)) {
      throw ConfigError(given + " is no run directory: there is no config.yaml in it; give runs/NAME, or an experiment's file with --checkpoint DIR");
    }
  }
  if (fs::is_regular_file(path)) {
    Node root = ParseYamlFile(path);
    for (const std::string& override : overrides) ApplyOverride(root, override);
    // How a policy was trained need not stand in a file that only asks it; the name is not used then.
    if (root.Find("algorithm") == nullptr) overrides.insert(overrides.begin(), "algorithm=grpo");
    const Node* own = section.empty() ? nullptr : root.Find(section);
    const Node* remote = own == nullptr ? nullptr : own->Find("remote");
    if (remote != nullptr && remote->kind == Node::Kind::kMap) return {LoadChecked(parts, methods, path, overrides), ""};
  }
  if (checkpoint.empty()) checkpoint = NewestCheckpoint(fs::is_directory(given) ? given : LoadChecked(parts, methods, path, overrides).config.Directory());
  if (!IsCheckpoint(checkpoint)) throw ConfigError("--checkpoint: there is no directory or GGUF file '" + checkpoint + "'");
  checkpoint = WithoutLink(checkpoint);
  overrides.push_back(QuotedOverride("policy.checkpoint", checkpoint));
  overrides.push_back("pretrain=null");  // it lies behind: another environment may have no corpus for it
  return {LoadChecked(parts, methods, path, overrides), checkpoint};
}

ParameterSet LoadWeights(const std::string& dir) {
  if (!IsCheckpoint(dir)) {
    throw DataError(fmt::format("{}: there is no such directory or GGUF file; a checkpoint is a directory with config.json and model.safetensors, as in "
                                "runs/NAME/checkpoints/latest", dir));
  }
  ParameterSet parameters(LoadPolicyConfig(dir));
  for (const std::string& note : parameters.Load(dir, Rng(0))) LogWarn(note);
  return parameters;
}

StoredPolicy LoadPolicy(const std::string& dir, const std::string& device) {
  const at::Device where = DeviceNamed(device);
  ParameterSet parameters = LoadWeights(dir);
  parameters.MoveTo(where);
  Tokenizer tokenizer = Tokenizer::Load(dir);
  if (tokenizer.vocab_size() > parameters.config().vocab_size) {
    throw DataError(fmt::format("{}: the tokenizer has {} ids, but the model a vocabulary of {}; they belong to different models",
                                dir, tokenizer.vocab_size(), parameters.config().vocab_size));
  }
  return {std::move(parameters), std::move(tokenizer)};
}

int DifferingIds(const Tokenizer& a, const Tokenizer& b) {
  int differing = 0;
  for (int id = 0; id < std::max(a.vocab_size(), b.vocab_size()); ++id) {
    differing += id >= a.vocab_size() || id >= b.vocab_size() || a.TokenBytes(id) != b.TokenBytes(id);
  }
  return differing;
}

Sampling ReadSampling(const Command& command, const Sampling& base) {
  Sampling sampling = base;
  Node node = DumpFields([&](FieldVisitor& v) { sampling.VisitFields(v); });
  for (const char* option : {"temperature", "top-k", "top-p", "min-p", "repetition-penalty", "max-new-tokens", "max-thinking-tokens"}) {
    if (!command.Has(option)) continue;
    std::string key = option;
    std::replace(key.begin(), key.end(), '-', '_');
    node.Set(key, Node::Scalar(command.Get(option), {std::string("--") + option, 0, 0}));
  }
  Problems problems;
  sampling = ReadConfig<Sampling>(node, problems, "command line");
  problems.ThrowIfAny();
  if (command.Has("stop")) {
    if (command.Get("stop").empty()) throw ConfigError("--stop: the text is empty; leave it away, or give the text that ends a completion");
    sampling.stop = {command.Get("stop")};
  }
  return sampling;
}

Generator::Options ReadSampler(const Command& command, const RolloutSettings& base, int threads) {
  RolloutSettings said = base;
  said.weights = command.Get("weights", base.weights), said.cache = command.Get("cache", base.cache);
  ReadProducts("--weights", said.weights), ReadProducts("--cache", said.cache);
  return SamplerOptions(said, threads);
}

Screen::Screen(const StoredPolicy& policy)
    : tokenizer_(&policy.tokenizer), ends_(EndIds(policy.parameters.config(), policy.tokenizer)), stream_(policy.tokenizer) {}

void Screen::Add(std::int32_t id) {
  if (!std::binary_search(ends_.begin(), ends_.end(), id)) std::cout << ForTerminal(stream_.Add(id)) << std::flush;
}

void Screen::Finish() {
  std::cout << ForTerminal(stream_.Finish()) << "\n" << std::flush;
  stream_ = StreamDecoder(*tokenizer_);
}

int WholeNumber(const std::string& name, const std::string& text, int low, int high) {
  const auto parsed = ParseInteger(text);
  if (!parsed.ok() || parsed.value < low || parsed.value > high) {
    throw ConfigError(fmt::format("{}: {} is no whole number from {} to {}", name, Quoted(text), low, high));
  }
  return static_cast<int>(parsed.value);
}

std::uint64_t Seed(const Command& command) {
  const std::string text = command.Get("seed", "0");
  const auto parsed = ParseUnsigned(text);
  if (!parsed.ok()) throw ConfigError("--seed: " + Quoted(text) + " is no whole number from 0 to 18446744073709551615");
  return parsed.value;
}

int ThreadsOr(int wanted) { return wanted > 0 ? wanted : std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

std::string QuotedOverride(const std::string& key, const std::string& value) { return key + "=" + nlohmann::json(value).dump(); }

}  // namespace cogent
