// What each algorithm's file offers to the list of those we ship.
#pragma once

#include "algorithms/algorithm.h"

namespace cogent {

void RegisterGrpo(AlgorithmRegistry& algorithms);

}  // namespace cogent
