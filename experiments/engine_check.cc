// What only the engine can check of a configuration, for commands of the front (experiments/load_engine.h).
#include "experiments/engine_methods.h"

extern "C" __attribute__((visibility("default"))) bool cogent_check_algorithm(const cogent::Parts& parts, cogent::RunConfig& config,
                                                                             cogent::Purpose purpose, cogent::Problems& problems) {
  return cogent::Methods(parts).Check(config, purpose, problems);
}
