// The environments this library ships.
#include "envs/arithmetic.h"
#include "envs/code.h"
#include "envs/env.h"
#include "envs/signs.h"

namespace cogent {

EnvRegistry BuiltinEnvs() {
  EnvRegistry envs("environment");
  RegisterArithmetic(envs);
  RegisterCode(envs);
  RegisterSigns(envs);
  return envs;
}

}  // namespace cogent
