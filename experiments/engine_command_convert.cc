// cogent model convert
#include <filesystem>
#include <iostream>

#include "core/error.h"
#include "experiments/engine_commands.h"

namespace cogent {

int ModelConvertCommand(const Command& command) {
  namespace fs = std::filesystem;
  const std::string &from = command.arguments.at(0), &to = command.arguments.at(1);
  if (fs::exists(to) && (!fs::is_directory(to) || !fs::is_empty(to))) throw ConfigError(to + " is there already; name a directory that is not, or an empty one");
  const StoredPolicy policy = LoadPolicy(from);
  // Under another name until it is whole.
  const std::string unfinished = to + ".unfinished";
  fs::remove_all(unfinished);
  policy.parameters.Save(unfinished);
  policy.tokenizer.Save(unfinished + "/tokenizer.json");
  fs::remove(to);
  fs::rename(unfinished, to);
  std::cout << to << ": " << policy.parameters.config().model_type << ", " << ShortNumber(static_cast<double>(policy.parameters.size())) << " parameters in float32\n";
  return kExitDone;
}

}  // namespace cogent
