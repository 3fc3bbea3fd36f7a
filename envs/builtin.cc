// The environments this library ships.
#include "envs/arithmetic.h"
#include "envs/env.h"
#include "envs/signs.h"

namespace cogent {

EnvRegistry BuiltinEnvs() {
  EnvRegistry envs("environment");
  RegisterArithmetic(envs);
  RegisterSigns(envs);
  return envs;
}

}  // namespace cogent
