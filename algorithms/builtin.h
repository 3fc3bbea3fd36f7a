// What each algorithm's file offers to the list of those we ship.
#pragma once

#include "algorithms/algorithm.h"
#include "algorithms/objective.h"

namespace cogent {

void RegisterGrpo(AlgorithmRegistry& algorithms);
void RegisterDrGrpo(AlgorithmRegistry& algorithms);
void RegisterDapo(AlgorithmRegistry& algorithms);
void RegisterGspo(AlgorithmRegistry& algorithms);
void RegisterCispo(AlgorithmRegistry& algorithms);
void RegisterSapo(AlgorithmRegistry& algorithms);
void RegisterRloo(AlgorithmRegistry& algorithms);
void RegisterReinforcePp(AlgorithmRegistry& algorithms);
void RegisterReinforcePpBaseline(AlgorithmRegistry& algorithms);
void RegisterVespo(AlgorithmRegistry& algorithms);
void RegisterGmpo(AlgorithmRegistry& algorithms);
void RegisterDppo(AlgorithmRegistry& algorithms);
void RegisterClipCov(AlgorithmRegistry& algorithms);
void RegisterKlCov(AlgorithmRegistry& algorithms);
void RegisterRemax(AlgorithmRegistry& algorithms);
void RegisterDistill(AlgorithmRegistry& algorithms);
void RegisterPpo(AlgorithmRegistry& algorithms);

void RegisterSft(ObjectiveRegistry& objectives);
void RegisterDpo(ObjectiveRegistry& objectives);
void RegisterRewardModel(ObjectiveRegistry& objectives);
void RegisterProcessReward(ObjectiveRegistry& objectives);
void RegisterKto(ObjectiveRegistry& objectives);
void RegisterGkd(ObjectiveRegistry& objectives);

}  // namespace cogent
