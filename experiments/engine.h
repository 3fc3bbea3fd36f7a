// The seam between the program's front, which has no LibTorch, and the engine, which has.
//
// The front parses the command line, sets the environment that threads need (OMP_NUM_THREADS=1,
// OMP_WAIT_POLICY=PASSIVE: the engine runs its own threads), loads libcogent_engine.so that lies
// beside libcogent.so, and calls `cogent_run_engine`. `cogent --help` thus costs no LibTorch.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "envs/env.h"
#include "verifiers/reward.h"

namespace cogent {

class AlgorithmRegistry;
class ObjectiveRegistry;

// What a program is made of. A user's main adds parts of its own to these and calls RunCli.
struct Parts {
  EnvRegistry envs = BuiltinEnvs();
  RewardRegistry rewards = BuiltinRewards();
  // Called with the engine's algorithms before a command runs; programs that set it link Cogent::engine.
  std::function<void(AlgorithmRegistry&)> add_algorithms;
  std::function<void(ObjectiveRegistry&)> add_objectives;  // those that learn from data
};

// One command line, parsed. `name` is the command ("train", "eval", "generate", "model forward",
// "list algorithms", "show algorithm"); `arguments` its positional words (config file, overrides),
// `options` its flags by long name without dashes ("resume" -> "latest"; a plain flag -> "").
struct Command {
  std::string name;
  std::vector<std::string> arguments;
  std::map<std::string, std::string> options;
  bool Has(const std::string& option) const { return options.count(option) > 0; }
  std::string Get(const std::string& option, const std::string& otherwise = {}) const {
    auto it = options.find(option);
    return it == options.end() ? otherwise : it->second;
  }
};

// Exit codes of the program.
inline constexpr int kExitDone = 0, kExitFailed = 1, kExitUserMistake = 2, kExitMachine = 3, kExitStopped = 130;

// Runs a command in the engine and returns the exit code; throws cogent::Error for the front to print.
// Exported from libcogent_engine.so under the plain name `cogent_run_engine`.
using EngineEntry = int (*)(const Parts& parts, const Command& command);

// The whole program: parses, runs, prints errors, returns the exit code. main() is:
//   int main(int argc, char** argv) { return cogent::RunCli(argc, argv, cogent::Parts{}); }
int RunCli(int argc, char** argv, Parts parts);

}  // namespace cogent
