#include "algorithms/builtin.h"

namespace cogent {

AlgorithmRegistry BuiltinAlgorithms() {
  AlgorithmRegistry algorithms;
  RegisterGrpo(algorithms);
  return algorithms;
}

}  // namespace cogent
