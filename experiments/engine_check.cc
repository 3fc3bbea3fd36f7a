// What only the engine can check of a configuration: for training itself, and for commands of the front
// (experiments/load_engine.h).
#include "algorithms/algorithm.h"
#include "experiments/engine_train.h"

namespace cogent {

void CheckTrainable(const AlgorithmRegistry& algorithms, Choice& algorithm, Problems& problems) {
  const auto made = algorithms.Make(algorithm, problems);
  if (!made) return;
  if (made->NeedsCritic()) {
    problems.Add(algorithm.location, "algorithm '" + algorithm.name + "' learns from a critic, and runs train none yet: choose another algorithm "
                 "(cogent list). Its numbers can be had from 'cogent algorithm loss --name " + algorithm.name + "'.");
  }
  algorithm.settings = algorithms.Resolve(algorithm);
}

}  // namespace cogent

extern "C" __attribute__((visibility("default"))) void cogent_check_algorithm(const cogent::Parts& parts, cogent::Choice& choice,
                                                                             cogent::Problems& problems) {
  cogent::AlgorithmRegistry algorithms = cogent::BuiltinAlgorithms();
  if (parts.add_algorithms) parts.add_algorithms(algorithms);
  cogent::CheckTrainable(algorithms, choice, problems);
}
