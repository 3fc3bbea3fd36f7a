#pragma once

#include <memory>
#include <string>

#include "core/config.h"
#include "envs/env.h"

namespace cogent {

// The environment of this name with the settings of a YAML mapping, "{a: 1}". What is wrong with them is added to `problems`, or thrown.
inline std::unique_ptr<Env> Make(const std::string& name, const std::string& settings, Problems& problems) {
  return BuiltinEnvs().Make(Choice{name, ParseYaml(settings, "test.yaml"), {}}, problems);
}
inline std::unique_ptr<Env> Make(const std::string& name, const std::string& settings) {
  Problems problems;
  auto env = Make(name, settings, problems);
  problems.ThrowIfAny();
  return env;
}

}  // namespace cogent
