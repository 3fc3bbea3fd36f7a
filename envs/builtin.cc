// The environments this library ships.
#include "envs/arithmetic.h"
#include "envs/code.h"
#include "envs/env.h"
#include "envs/signs.h"
#include "envs/tools.h"

namespace cogent {

EnvRegistry BuiltinEnvs() {
  EnvRegistry envs("environment");
  RegisterArithmetic(envs);
  RegisterCode(envs);
  RegisterSigns(envs);
  RegisterTools(envs);
  return envs;
}

}  // namespace cogent
