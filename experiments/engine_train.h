// `cogent train`: makes a base model where the configuration asks for one, then trains it by rewards or on data.
#pragma once

#include "experiments/engine_methods.h"
#include "experiments/run_config.h"

namespace cogent {

// Returns the exit code: done, or stopped by a signal after saving.
int TrainCommand(const Parts& parts, const Methods& methods, const Command& command);

// The configuration that a command names, checked in all its parts.
LoadedConfig LoadChecked(const Parts& parts, const Methods& methods, const std::string& path,
                         const std::vector<std::string>& overrides, Purpose purpose = Purpose::kAsk);

}  // namespace cogent
