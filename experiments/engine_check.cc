// What only the engine can check of a configuration, for commands of the front (experiments/load_engine.h).
#include "algorithms/algorithm.h"
#include "experiments/engine.h"
#include "experiments/engine_train.h"

extern "C" __attribute__((visibility("default"))) bool cogent_check_algorithm(const cogent::Parts& parts, cogent::Choice& choice,
                                                                             cogent::Problems& problems) {
  cogent::AlgorithmRegistry algorithms = cogent::BuiltinAlgorithms();
  if (parts.add_algorithms) parts.add_algorithms(algorithms);
  return cogent::CheckAlgorithmChoice(algorithms, choice, problems);
}
