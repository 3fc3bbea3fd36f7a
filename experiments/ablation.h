// An ablation: one experiment in several versions (arms), each with several seeds.
//
//   extends: r1_zero.yaml
//   name: algorithms
//   ablate:
//     seeds: [1, 2, 3, 4, 5]
//     arms: {grpo: {algorithm: grpo}, ppo: {algorithm: {name: ppo}}}       # named sets of settings
//     grid: {rollout.group_size: [4, 8, 16], algorithm.kl_coef: [0, 0.001]}  # every combination
//
//   Ablation ablation = LoadAblation("ablation.yaml", {}, parts, check_algorithm);
//   for (const PlannedRun& run : PlanRuns(ablation, 1)) run.directory;   // runs/algorithms/arms/grpo/seed-1
//
// Keys are dotted paths into the file; a value is laid over the file's own as `extends` lays one file over
// another (core/config.h, MergeYaml). With arms and grid both, every arm goes through the whole grid. Each
// arm's configuration is checked in full before anything runs: ConfigError with the place in the file.
//
// Arms whose configurations say the same of everything that pre-training depends on start from one base model
// a seed: a run without steps of training, under base-K/, whose checkpoints/base they take as
// policy.checkpoint. They end with the same bits as if each had made its own.
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/config.h"
#include "experiments/engine.h"
#include "experiments/run_config.h"

namespace cogent {

// What `ablate:` says, with the arms and the grid multiplied out.
struct AblationSettings {
  struct Setting {
    std::string key;
    Node value;
    Location where;  // of the key
  };
  struct ArmSettings {
    std::string name;
    std::vector<Setting> settings;
  };
  std::vector<std::uint64_t> seeds;
  std::vector<ArmSettings> arms;
  bool share_base = true;
  std::string against;  // the arm that all others are compared to; empty: every pair
};

// Reads the section alone; whether the keys exist is not known here. What is wrong goes to `problems`.
AblationSettings ReadAblationSettings(const Node& ablate, Problems& problems);

struct Arm {
  std::string name;
  std::string settings;  // on one line, as the file says them
  RunConfig config;      // but for name, output and seed
  int base = -1;         // which base model it starts from, -1: it makes its own
};

struct Ablation {
  std::string name;
  std::string directory;  // output/name
  std::string resolved;   // YAML that can be run again, with the section `ablate`
  std::vector<std::uint64_t> seeds;
  std::vector<Arm> arms;
  std::vector<RunConfig> bases;  // what each base model is made by
};

// Reads the file and checks every arm. Throws ConfigError with all mistakes.
Ablation LoadAblation(const std::string& path, const std::vector<std::string>& overrides, const Parts& parts,
                      const CheckAlgorithm& check_algorithm);

struct PlannedRun {
  std::string name;       // "grpo/seed-1", "base-1/seed-1"
  std::string arm;        // empty for a base model
  std::uint64_t seed = 0;
  std::string directory;
  RunConfig config;
  int needs = -1;         // the run that has to be finished first
};

// Base models first, then seed by seed through all arms, so that an ablation that is not finished is even.
std::vector<PlannedRun> PlanRuns(const Ablation& ablation, int threads);

}  // namespace cogent
