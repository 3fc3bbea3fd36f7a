#include "algorithms/builtin.h"

namespace cogent {

AlgorithmRegistry BuiltinAlgorithms() {
  AlgorithmRegistry algorithms;
  RegisterGrpo(algorithms);
  RegisterDrGrpo(algorithms);
  RegisterDapo(algorithms);
  RegisterGspo(algorithms);
  RegisterCispo(algorithms);
  RegisterSapo(algorithms);
  RegisterRloo(algorithms);
  RegisterReinforcePp(algorithms);
  RegisterReinforcePpBaseline(algorithms);
  RegisterVespo(algorithms);
  RegisterGmpo(algorithms);
  RegisterDppo(algorithms);
  RegisterClipCov(algorithms);
  RegisterKlCov(algorithms);
  RegisterRemax(algorithms);
  RegisterDistill(algorithms);
  RegisterPpo(algorithms);
  return algorithms;
}

}  // namespace cogent
