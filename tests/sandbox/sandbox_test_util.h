// One sandbox for all tests of this folder, and looking at processes from outside.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "sandbox/sandbox.h"
#include "sandbox/wire.h"

namespace cogent {

inline Sandbox& Shared() {
  static Sandbox sandbox({.workers = 2});
  return sandbox;
}

inline RunResult RunPython(const std::string& source, const Limits& limits = {.wall_seconds = 10, .cpu_seconds = 10}) {
  return Shared().Run({.source = source}, limits);
}

// What a program prints in a sandbox without some layers; "" for none left out.
inline RunResult RunWithout(std::uint32_t layers, const std::string& source, const Limits& limits = {.wall_seconds = 10, .cpu_seconds = 10}) {
  Sandbox sandbox({.workers = 1, .without = layers});
  return sandbox.Run({.source = source}, limits);
}

inline std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();  // a process may end while its file is read
  return text.str();
}

// Process ids whose parent chain reaches `root`.
inline std::vector<int> Below(int root) {
  std::vector<int> found = {root};
  for (std::size_t before = 0; before != found.size();) {
    before = found.size();
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const int pid = std::atoi(entry.path().filename().c_str());
      if (pid <= 0 || std::count(found.begin(), found.end(), pid) > 0) continue;
      const std::string status = ReadAll(entry.path().string() + "/status");
      const std::size_t at = status.find("\nPPid:");
      if (at == std::string::npos) continue;
      if (std::count(found.begin(), found.end(), std::atoi(status.c_str() + at + 6)) > 0) found.push_back(pid);
    }
  }
  return {found.begin() + 1, found.end()};
}

}  // namespace cogent
