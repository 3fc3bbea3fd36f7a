// Everything that a run may name as its `algorithm`: those that learn from rewards, and those that learn from data.
//
// Thread rule: const after construction.
#pragma once

#include <string>
#include <vector>

#include "algorithms/algorithm.h"
#include "algorithms/objective.h"
#include "experiments/run_config.h"

namespace cogent {

struct Methods {
  AlgorithmRegistry algorithms;  // from rewards
  ObjectiveRegistry objectives;  // from data

  explicit Methods(const Parts& parts);  // ours and the program's own
  std::vector<std::string> Names() const;
  // Adds to `problems` when the name or a setting is unknown; else writes the defaults into the settings. True when it
  // learns from a critic.
  bool Settle(Choice& algorithm, Problems& problems) const;
  // The same of a run's, and whether the run has what it learns from: CheckAlgorithm (run_config.h).
  bool Check(RunConfig& config, Purpose purpose, Problems& problems) const;
  // The network that such a run trains has a value head. REQUIRES a checked one.
  bool LearnsValues(const Choice& algorithm) const;
};

}  // namespace cogent
