// Everything that a run's YAML may say, with defaults that run.
//
//   LoadedConfig loaded = LoadRunConfig("experiments/configs/r1_zero.yaml", {"optimizer.learning_rate=3e-4"}, parts, check_algorithm, Purpose::kTrain);
//   loaded.config.train.steps;
//   loaded.resolved;                 // YAML with every value written out: a run that can be repeated
//
// All mistakes are reported at once with file, line and column, before anything is allocated:
// ConfigError. Thread rule: plain values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agents/judge.h"
#include "agents/remote_agent.h"
#include "algorithms/optimizer_config.h"
#include "core/config.h"
#include "experiments/engine.h"
#include "experiments/rejection.h"
#include "policies/model_config.h"
#include "policies/sampling.h"

namespace cogent {

struct TokenizerConfig {
  std::string kind = "bytes";
  std::string alphabet;
  std::string path;
  int vocab_size = 512;
  int documents = 2000;
  bool split_digits = true;
  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Node& section) const;
};

struct PolicyConfig {
  std::string checkpoint;
  ModelConfig model;
  std::optional<LoraConfig> lora;
  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Node& section) const;
};

struct MixtureSettings {
  double bias_speed = 0.001;
  double balance_alpha = 0.0;
  void VisitFields(FieldVisitor& visit);
};

struct PretrainConfig {
  int steps = 1000;
  int tokens_per_step = 2048;
  double prediction_weight = 0.1;
  int checkpoint_every = 500;
  int log_every = 20;
  OptimizerConfig optimizer;
  MixtureSettings mixture;
  void VisitFields(FieldVisitor& visit);
};

// A server that samples in the policy's place, `rollout.remote`, with what only a sampler to be learned from needs.
struct RemoteSampler : RemoteSettings {
  std::string logprobs_mode = "raw_logprobs";
  std::string reload = "sglang";
  int reload_every = 1;
  RemoteSampler() { api = "completions"; }
  void VisitFields(FieldVisitor& visit);
};

struct RolloutSettings {
  int prompts = 16;
  int group_size = 8;
  Sampling sampling;
  std::string weights = "float32", cache = "float32";
  int max_turns = 8;
  double max_unscorable = 0.2;
  int max_batches = 10;
  std::string when_exhausted = "train";
  std::optional<RemoteSampler> remote;
  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Node& section) const;
};

struct TrainSettings {
  int steps = 100;
  int patience = 0;
  int epochs = 1;
  int minibatches = 1;
  int micro_batch_tokens = 1024;
  std::string products = "float32";
  bool replay_experts = true;
  bool gradient_checkpointing = false;
  int samples_per_step = 4;
  MixtureSettings mixture;
  void VisitFields(FieldVisitor& visit);
};

struct EvalSettings {
  int every = 20;
  int tasks = 200;
  int samples = 1;
  int final_tasks = 1000;
  std::vector<double> k = {1.0};
  bool greedy = true;
  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Node& section) const;
};

struct CheckpointSettings {
  int every = 20;
  int keep = 2;
  void VisitFields(FieldVisitor& visit);
};

// The critic of an algorithm that learns from one; written out for these, and a mistake for others.
struct CriticSettings {
  OptimizerConfig optimizer{.learning_rate = 5e-4, .warmup_steps = 5, .beta2 = 0.95};
  int steps_alone = 5;
  std::string checkpoint;
  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Node& section) const;
};

// Labelled examples, for algorithms that learn from data instead of rewards.
struct DataSettings {
  std::vector<std::string> paths;
  int gold = 0;
  double held_out = 0.05;
  int examples = 16;
  double epochs = 0.0;
  std::string too_long = "error";
  std::string step_separator = "\n";
  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Node& section) const;
};

struct RunConfig {
  std::string name = "run";
  std::string output = "runs";
  std::uint64_t seed = 1;
  int threads = 0;
  std::string device = "cpu";
  bool deterministic = false;
  Choice env;
  std::vector<Choice> rewards;
  std::string prompt_template = "r1_zero";
  TokenizerConfig tokenizer;
  PolicyConfig policy;
  std::optional<PretrainConfig> pretrain;
  Choice algorithm;
  std::optional<CriticSettings> critic;
  std::optional<DataSettings> data;
  std::string reference;
  RolloutSettings rollout;
  OptimizerConfig optimizer;
  TrainSettings train;
  SampleSettings sample;
  JudgeSettings judge;
  RewriteSettings rewrite;
  EvalSettings eval;
  CheckpointSettings checkpoint;
  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Node& section) const;
  std::string Directory() const { return output + "/" + name; }
};

struct LoadedConfig {
  RunConfig config;
  std::string resolved;  // YAML
};

// What the settings are for: a run that trains, or a policy that is asked (measured, sampled from) and learns nothing.
enum class Purpose { kTrain, kAsk };

// Checks what needs the engine, too (the algorithm, its settings, and whether the run has what it learns from), and writes out its
// defaults. True when the algorithm learns from a critic.
using CheckAlgorithm = std::function<bool(RunConfig& config, Purpose purpose, Problems& problems)>;

// What any source says of a run, checked: every part by name, every rule between values. What is wrong goes to
// `problems`; `what` names the source in messages. REQUIRES no `extends` and no `ablate` in `root`.
RunConfig CheckRunConfig(const Node& root, const std::string& what, const Parts& parts,
                         const CheckAlgorithm& check_algorithm, Purpose purpose, Problems& problems);
// Every value written out, as config.yaml of a run holds it.
std::string ResolvedYaml(RunConfig config);
// The keys of a resolved configuration, dotted, with their values on one line; a list is one value.
std::map<std::string, std::string> FlatConfig(const std::string& yaml);

// Reads the file, applies `key=value` overrides, checks every part by name.
LoadedConfig LoadRunConfig(const std::string& path, const std::vector<std::string>& overrides, const Parts& parts,
                           const CheckAlgorithm& check_algorithm, Purpose purpose);

}  // namespace cogent
