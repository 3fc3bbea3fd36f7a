// What only the engine can check of a configuration: for training itself, and for commands of the front
// (experiments/load_engine.h).
#include "algorithms/algorithm.h"
#include "experiments/engine.h"
#include "experiments/engine_train.h"

namespace cogent {

bool CheckAlgorithmChoice(const AlgorithmRegistry& algorithms, Choice& choice, Problems& problems) {
  const auto made = algorithms.Make(choice, problems);
  if (made) choice.settings = algorithms.Resolve(choice);
  return made && made->NeedsCritic();
}

}  // namespace cogent

extern "C" __attribute__((visibility("default"))) bool cogent_check_algorithm(const cogent::Parts& parts, cogent::Choice& choice,
                                                                             cogent::Problems& problems) {
  cogent::AlgorithmRegistry algorithms = cogent::BuiltinAlgorithms();
  if (parts.add_algorithms) parts.add_algorithms(algorithms);
  return cogent::CheckAlgorithmChoice(algorithms, choice, problems);
}
