// `cogent train`: makes a base model where the configuration asks for one, then trains it by rewards.
#pragma once

#include "algorithms/algorithm.h"
#include "experiments/run_config.h"

namespace cogent {

// Returns the exit code: done, or stopped by a signal after saving.
int TrainCommand(const Parts& parts, const AlgorithmRegistry& algorithms, const Command& command);

// The name and the settings of an algorithm, its defaults written out. True when it learns from a critic.
bool CheckAlgorithmChoice(const AlgorithmRegistry& algorithms, Choice& choice, Problems& problems);

// The configuration that a command names, checked in all its parts.
LoadedConfig LoadChecked(const Parts& parts, const AlgorithmRegistry& algorithms, const std::string& path,
                         const std::vector<std::string>& overrides);

}  // namespace cogent
