// The engine's door: one function that the front finds by name and hands a command.
#include <algorithm>
#include <array>
#include <iostream>

#include "core/memory.h"
#include "experiments/engine.h"
#include "experiments/engine_chat.h"
#include "experiments/engine_commands.h"
#include "experiments/engine_reward_model.h"
#include "experiments/engine_train.h"

namespace cogent {
namespace {

int ListAlgorithms(const Methods& methods) {
  std::size_t width = 0;
  for (const std::string& name : methods.Names()) width = std::max(width, name.size());
  std::cout << "algorithms\n";  // the shape of the front's own lists
  for (const std::string& name : methods.Names()) {
    const std::string& summary = methods.algorithms.Has(name) ? methods.algorithms.Summary(name) : methods.objectives.Summary(name);
    std::cout << "  " << name << std::string(width + 2 - name.size(), ' ') << summary << "\n";
  }
  return kExitDone;
}

int ShowAlgorithm(const Methods& methods, const std::string& name) {
  Problems problems;
  Choice choice{name, Node::Map(), {"command line", 0, 0}};
  methods.Settle(choice, problems);
  problems.ThrowIfAny();
  if (methods.algorithms.Has(name)) std::cout << name << ": " << methods.algorithms.Summary(name) << "\n" << methods.algorithms.Describe(name);
  else std::cout << name << ": " << methods.objectives.Summary(name) << "\n" << methods.objectives.Describe(name);
  return kExitDone;
}

int ShowConfig(const Parts& parts, const Methods& methods, const Command& command) {
  std::cout << LoadChecked(parts, methods, command.arguments.at(0), {command.arguments.begin() + 1, command.arguments.end()}).resolved;
  return kExitDone;
}

int RunEngine(const Parts& parts, const Command& command) {
  // Where a command runs long: large pages take longer to come than small ones, a second of a short answer's three.
  constexpr std::array kLong = {"train", "eval", "sample", "judge", "rewrite", "serve", "bench"};
  if (std::find(kLong.begin(), kLong.end(), command.name) != kLong.end()) KeepMemory();
  SetRewardModels(AskLoadedModel);
  const Methods methods(parts);
  if (command.name == "train") return TrainCommand(parts, methods, command);
  if (command.name == "eval") return EvalCommand(parts, methods, command);
  if (command.name == "sample") return SampleCommand(parts, methods, command);
  if (command.name == "judge") return JudgeCommand(parts, methods, command);
  if (command.name == "rewrite") return RewriteCommand(parts, methods, command);
  if (command.name == "generate") return GenerateCommand(parts, methods, command);
  if (command.name == "chat") return ChatCommand(command);
  if (command.name == "serve") return ServeCommand(command);
  if (command.name == "bench") return BenchCommand(command);
  if (command.name == "model forward") return ModelForwardCommand(command);
  if (command.name == "model convert") return ModelConvertCommand(command);
  if (command.name == "algorithm loss") return AlgorithmLossCommand(methods.algorithms, command);
  if (command.name == "list algorithms") return ListAlgorithms(methods);
  if (command.name == "show algorithm") return ShowAlgorithm(methods, command.arguments.at(0));
  if (command.name == "show config") return ShowConfig(parts, methods, command);
  throw InternalError("the engine has no command '" + command.name + "'");
}

}  // namespace
}  // namespace cogent

extern "C" __attribute__((visibility("default"))) int cogent_run_engine(const cogent::Parts& parts, const cogent::Command& command) {
  return cogent::RunEngine(parts, command);
}
