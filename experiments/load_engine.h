// Loads libcogent_engine.so, which brings LibTorch, when a command needs it.
//
//   PrepareEngine(argv);                        // thread settings; may start the program over
//   int code = LoadEngine()(parts, command);
//
// Thread rule: main thread, before any other thread is started.
#pragma once

#include "experiments/run_config.h"

namespace cogent {

// Sets what OpenMP reads when it is loaded: one thread inside an operation, and idle threads that
// sleep. Where a program has linked the engine directly, it is loaded already and the settings would
// come too late: then the program is started over with the same `argv`, once.
void PrepareEngine(char** argv);

// The engine that lies beside this library, else one that the loader finds. Throws MachineError that
// says what to build.
EngineEntry LoadEngine();

// Checks a run's algorithm and what it learns from and writes out its defaults (CheckAlgorithm), as `train` does before it begins.
// Exported from libcogent_engine.so as `cogent_check_algorithm`. Throws MachineError as LoadEngine does.
using AlgorithmCheckEntry = bool (*)(const Parts& parts, RunConfig& config, Purpose purpose, Problems& problems);
AlgorithmCheckEntry LoadAlgorithmCheck();

}  // namespace cogent
