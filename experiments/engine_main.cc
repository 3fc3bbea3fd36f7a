// The engine's door: one function that the front finds by name and hands a command.
#include <algorithm>
#include <iostream>

#include "algorithms/algorithm.h"
#include "experiments/engine.h"
#include "experiments/engine_commands.h"
#include "experiments/engine_train.h"

namespace cogent {
namespace {

int ListAlgorithms(const AlgorithmRegistry& algorithms) {
  std::size_t width = 0;
  for (const std::string& name : algorithms.Names()) width = std::max(width, name.size());
  std::cout << "algorithms\n";  // the shape of the front's own lists
  for (const std::string& name : algorithms.Names()) {
    std::cout << "  " << name << std::string(width + 2 - name.size(), ' ') << algorithms.Summary(name) << "\n";
  }
  return kExitDone;
}

int ShowAlgorithm(const AlgorithmRegistry& algorithms, const std::string& name) {
  if (!algorithms.Has(name)) {
    Problems problems;
    algorithms.Make({name, Node::Map(), {"command line", 0, 0}}, problems);
    problems.ThrowIfAny();
  }
  std::cout << name << ": " << algorithms.Summary(name) << "\n" << algorithms.Describe(name);
  return kExitDone;
}

int ShowConfig(const Parts& parts, const AlgorithmRegistry& algorithms, const Command& command) {
  std::cout << LoadChecked(parts, algorithms, command.arguments.at(0), {command.arguments.begin() + 1, command.arguments.end()}).resolved;
  return kExitDone;
}

int RunEngine(const Parts& parts, const Command& command) {
  AlgorithmRegistry algorithms = BuiltinAlgorithms();
  if (parts.add_algorithms) parts.add_algorithms(algorithms);
  if (command.name == "train") return TrainCommand(parts, algorithms, command);
  if (command.name == "eval") return EvalCommand(parts, algorithms, command);
  if (command.name == "generate") return GenerateCommand(parts, algorithms, command);
  if (command.name == "bench") return BenchCommand(command);
  if (command.name == "model forward") return ModelForwardCommand(command);
  if (command.name == "algorithm loss") return AlgorithmLossCommand(algorithms, command);
  if (command.name == "list algorithms") return ListAlgorithms(algorithms);
  if (command.name == "show algorithm") return ShowAlgorithm(algorithms, command.arguments.at(0));
  if (command.name == "show config") return ShowConfig(parts, algorithms, command);
  throw InternalError("the engine has no command '" + command.name + "'");
}

}  // namespace
}  // namespace cogent

extern "C" __attribute__((visibility("default"))) int cogent_run_engine(const cogent::Parts& parts, const cogent::Command& command) {
  return cogent::RunEngine(parts, command);
}
