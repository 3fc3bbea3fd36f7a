#include "experiments/engine_methods.h"

#include <fmt/format.h>

#include <algorithm>

namespace cogent {

Methods::Methods(const Parts& parts) : algorithms(BuiltinAlgorithms()), objectives(BuiltinObjectives()) {
  if (parts.add_algorithms) parts.add_algorithms(algorithms);
  if (parts.add_objectives) parts.add_objectives(objectives);
}

std::vector<std::string> Methods::Names() const {
  std::vector<std::string> names = algorithms.Names();
  for (const std::string& name : objectives.Names()) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

bool Methods::Check(Choice& algorithm, Problems& problems) const {
  if (algorithms.Has(algorithm.name)) {
    const auto made = algorithms.Make(algorithm, problems);
    if (made) algorithm.settings = algorithms.Resolve(algorithm);
    return made && made->NeedsCritic();
  }
  if (objectives.Has(algorithm.name)) {
    if (objectives.Make(algorithm, problems)) algorithm.settings = objectives.Resolve(algorithm);
  } else {
    const std::vector<std::string> known = Names();
    const auto near = Nearest(algorithm.name, known);
    problems.Add(algorithm.location, fmt::format("unknown algorithm '{}'.{} Known: {}.", algorithm.name, near ? " Did you mean '" + *near + "'?" : "", fmt::join(known, ", ")));
  }
  return false;
}

}  // namespace cogent
