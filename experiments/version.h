// Which Cogent this is. version.cc is written by the build (cmake/version.cmake).
//
//   RunEnvironment environment{.version = Version(), .commit = SourceCommit()};
#pragma once

#include <string>

namespace cogent {

std::string Version();       // "0.1.0"
std::string SourceCommit();  // "1a2b3c4d5e6f", with "-dirty" behind it; empty when built outside of git

}  // namespace cogent
