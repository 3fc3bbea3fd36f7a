#include "experiments/engine.h"

int main(int argc, char** argv) { return cogent::RunCli(argc, argv, cogent::Parts{}); }
