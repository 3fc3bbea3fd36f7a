// cogent model convert
#include <fmt/format.h>

#include <filesystem>
#include <iostream>

#include "core/error.h"
#include "experiments/engine_commands.h"
#include "policies/weight_adapter.h"
#include "policies/weight_files.h"

namespace cogent {

int ModelConvertCommand(const Command& command) {
  namespace fs = std::filesystem;
  const std::string &from = command.arguments.at(0), &to = command.arguments.at(1);
  if (fs::exists(to) && (!fs::is_directory(to) || !fs::is_empty(to))) throw ConfigError(to + " is there already; name a directory that is not, or an empty one");
  StoredPolicy policy = LoadPolicy(from);
  // A prediction module that config.json counts and the files do not hold was drawn at random: none of the model that is converted.
  ModelConfig config = policy.parameters.config();
  const std::string joins = fmt::format("model.layers.{}.eh_proj.weight", config.num_hidden_layers);
  if (config.num_nextn_predict_layers > 0 && WeightFiles::Open(IsAdapter(from) ? AdapterBase(from) : from).shapes().count(joins) == 0) {
    if (IsAdapter(from)) throw DataError(AdapterBase(from) + ": config.json counts a prediction module, and there is none; set num_nextn_predict_layers to 0 in it");
    config.num_nextn_predict_layers = 0;
    policy.parameters = ParameterSet(config);
    policy.parameters.Load(from, Rng(0));
  }
  // Under another name until it is whole.
  const std::string unfinished = to + ".unfinished";
  try {
    fs::remove_all(unfinished);
    policy.parameters.Save(unfinished);
    policy.tokenizer.Save(unfinished + "/tokenizer.json");
    fs::remove(to);
    fs::rename(unfinished, to);
  } catch (const fs::filesystem_error& error) {
    throw DataError(to + ": cannot be written: " + error.code().message() + "; name a directory in a folder that can be");
  }
  std::cout << to << ": " << policy.parameters.config().model_type << ", " << ShortNumber(static_cast<double>(policy.parameters.size())) << " parameters in float32\n";
  return kExitDone;
}

}  // namespace cogent
