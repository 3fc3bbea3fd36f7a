// A shell line and what came of it. For tests of the built program.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <string>

namespace cogent {

struct Outcome {
  int code = -1;
  std::string out;  // with standard error behind it where the line says 2>&1
};

inline Outcome Shell(const std::string& line) {
  Outcome outcome;
  FILE* pipe = popen(line.c_str(), "r");
  if (pipe == nullptr) return outcome;
  char buffer[4096];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    outcome.out.append(buffer, n);
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

}  // namespace cogent
