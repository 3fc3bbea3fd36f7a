#include "brevity.h"
#include "calm.h"
#include "experiments/engine.h"
#include "topr.h"
#include "variety.h"

int main(int argc, char** argv) {
  cogent::Parts parts;
  parts.rewards.Add<Brevity>("brevity", "pays for short completions");
  parts.rewards.Add<Calm>("calm", "pays for completions without exclamation marks");
  parts.rewards.Add<Variety>("variety", "pays for completions that differ");
  parts.add_algorithms = [](cogent::AlgorithmRegistry& algorithms) {
    algorithms.Add<Topr>("topr", "tapered off-policy REINFORCE");
  };
  return cogent::RunCli(argc, argv, parts);
}
