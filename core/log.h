// What the program says on stderr beside its results. For the program only: libraries return values
// or throw, and never print.
//
//   LogInfo("resuming from step 400");
//   LogWarn("the disk has 2 GB left");
//
// COGENT_LOG_LEVEL is one of debug, info (the default), warn, error, off. NO_COLOR switches colours
// off, as does a stderr that is not a terminal. Thread rule: may be called from any thread.
#pragma once

#include <string>

namespace cogent {

void LogDebug(const std::string& message);
void LogInfo(const std::string& message);
void LogWarn(const std::string& message);
void LogError(const std::string& message);

}  // namespace cogent
