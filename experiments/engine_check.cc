// What only the engine can check of a configuration, for commands of the front (experiments/load_engine.h).
#include "algorithms/algorithm.h"
#include "experiments/engine.h"

extern "C" __attribute__((visibility("default"))) void cogent_check_algorithm(const cogent::Parts& parts, cogent::Choice& choice,
                                                                             cogent::Problems& problems) {
  cogent::AlgorithmRegistry algorithms = cogent::BuiltinAlgorithms();
  if (parts.add_algorithms) parts.add_algorithms(algorithms);
  if (algorithms.Make(choice, problems)) choice.settings = algorithms.Resolve(choice);
}
