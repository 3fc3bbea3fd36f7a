// `cogent train`: makes a base model where the configuration asks for one, then trains it by rewards.
#pragma once

#include "algorithms/algorithm.h"
#include "experiments/run_config.h"

namespace cogent {

// Returns the exit code: done, or stopped by a signal after saving.
int TrainCommand(const Parts& parts, const AlgorithmRegistry& algorithms, const Command& command);

// Whether a run can train by this algorithm with these settings, which are then written out with their defaults; what is
// wrong goes to `problems`. True when it learns from a critic.
bool CheckAlgorithmChoice(const AlgorithmRegistry& algorithms, Choice& choice, Problems& problems);

// The configuration that a command names, checked in all its parts.
LoadedConfig LoadChecked(const Parts& parts, const AlgorithmRegistry& algorithms, const std::string& path,
                         const std::vector<std::string>& overrides);

}  // namespace cogent
