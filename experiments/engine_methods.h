// Everything that a run may name as its `algorithm`: those that learn from rewards, and those that learn from data.
//
// Thread rule: const after construction.
#pragma once

#include <string>
#include <vector>

#include "algorithms/algorithm.h"
#include "algorithms/objective.h"
#include "experiments/engine.h"

namespace cogent {

struct Methods {
  AlgorithmRegistry algorithms;  // from rewards
  ObjectiveRegistry objectives;  // from data

  explicit Methods(const Parts& parts);  // ours and the program's own
  std::vector<std::string> Names() const;
  // Adds to `problems` when the name or a setting is unknown; else writes the defaults into the settings. True when it
  // learns from a critic.
  bool Check(Choice& algorithm, Problems& problems) const;
};

}  // namespace cogent
