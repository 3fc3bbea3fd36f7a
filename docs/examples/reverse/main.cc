#include "experiments/engine.h"
#include "reverse_env.h"

int main(int argc, char** argv) {
  cogent::Parts parts;
  parts.envs.Add<ReverseEnv>("reverse", "spell a word backwards");
  return cogent::RunCli(argc, argv, parts);
}
