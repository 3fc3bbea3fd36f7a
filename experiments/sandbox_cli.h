// `cogent sandbox run` and `cogent sandbox doctor`.
//
//   int code = SandboxRun({"sandbox run", {"program.py"}, {{"time-limit", "2s"}}});
//   ParseSeconds("500ms") == 0.5;  ParseBytes("64KiB") == 65536;
//
// Thread rule: call from the main thread.
#pragma once

#include <cstdint>
#include <string>

#include "experiments/engine.h"

namespace cogent {

// Runs the file, prints what it printed and, on standard error, the verdict; with --json one object on
// standard output instead. kExitDone when the verdict is ok, kExitFailed otherwise.
int SandboxRun(const Command& command);
int SandboxDoctor();

// `what` names the option in the ConfigError.
double ParseSeconds(const std::string& text, const std::string& what = "a time");
std::uint64_t ParseBytes(const std::string& text, const std::string& what = "a size");

}  // namespace cogent
