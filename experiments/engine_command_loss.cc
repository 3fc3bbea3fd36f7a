// cogent algorithm loss
#include <iostream>

#include "algorithms/batch_json.h"
#include "core/file.h"
#include "experiments/engine_commands.h"

namespace cogent {

int AlgorithmLossCommand(const AlgorithmRegistry& algorithms, const Command& command) {
  Choice choice{command.Get("name"), Node::Map({"command line", 0, 0}), {"command line", 0, 0}};
  for (const std::string& setting : command.arguments) {
    if (setting.find('=') == std::string::npos || setting.front() == '=') {
      throw ConfigError("'" + setting + "' is not a setting; write key=value, as in kl_coef=0");
    }
    ApplyOverride(choice.settings, setting);
  }
  Problems problems;
  const auto algorithm = algorithms.Make(choice, problems);
  problems.ThrowIfAny();
  const std::string path = command.Get("input");
  std::cout << LossOfBatch(*algorithm, ReadFile(path), path) << "\n";
  return kExitDone;
}

}  // namespace cogent
