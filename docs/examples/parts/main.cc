#include "brevity.h"
#include "calm.h"
#include "experiments/engine.h"
#include "reinforce.h"
#include "variety.h"

int main(int argc, char** argv) {
  cogent::Parts parts;
  parts.rewards.Add<Brevity>("brevity", "pays for short completions");
  parts.rewards.Add<Calm>("calm", "pays for completions without exclamation marks");
  parts.rewards.Add<Variety>("variety", "pays for completions that differ");
  parts.add_algorithms = [](cogent::AlgorithmRegistry& algorithms) {
    algorithms.Add<Reinforce>("reinforce", "policy gradient, the other completions as baseline");
  };
  return cogent::RunCli(argc, argv, parts);
}
