// The environments this library ships.
#include "envs/arithmetic.h"
#include "envs/benchmark.h"
#include "envs/code.h"
#include "envs/countdown.h"
#include "envs/env.h"
#include "envs/mixture.h"
#include "envs/signs.h"
#include "envs/small_talk.h"
#include "envs/tools.h"
#include "envs/word_problems.h"

namespace cogent {

EnvRegistry BuiltinEnvs() {
  EnvRegistry envs("environment");
  RegisterArithmetic(envs);
  RegisterBenchmark(envs);
  RegisterCode(envs);
  RegisterCountdown(envs);
  RegisterMixture(envs);
  RegisterSigns(envs);
  RegisterSmallTalk(envs);
  RegisterTools(envs);
  RegisterWordProblems(envs);
  return envs;
}

}  // namespace cogent
