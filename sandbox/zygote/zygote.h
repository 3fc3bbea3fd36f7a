// Inside a worker: runs programs by forking the process that this code lives in. Internal to sandbox/.
//
// Loaded into the interpreter of a worker (libcogent_zygote.so), whose one call, cogent_serve(), returns
// only in the processes of programs; what it returns is the wire::Mode to go on with. The interpreter's
// process itself stays in there: reads a request, makes a run, watches its clock and output, replies.
//
// Processes of a run, each the child of the one before:
//   the zygote    outside of the run; holds the clock, the pipes, the control group's files
//   init          first process of the run's namespaces; mounts, gives up all privileges, reaps, reports
//                 the main process's status, ends everybody else; runs nothing of the program
//   the program   rlimits, filter, then back to the interpreter or execve
//
// No C++ runtime here (only libc), and nothing of a request outlives it in memory: what a run could find
// in its copy of the zygote is its own program.
// Thread rule: one thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sandbox/wire.h"

namespace cogent::zygote {

// One program of a request, as views into the request's bytes.
struct Program {
  wire::ProgramHead head;
  const char* files = nullptr;
  const char* commands = nullptr;
  const char* input = nullptr;
  const char* end = nullptr;
};

// What init reports through its pipe: once when a program was built and begins to run, once at the end.
inline constexpr std::uint32_t kBuilt = ~0u;  // as InitReport::command
struct InitReport {
  std::int32_t wait_status;
  std::uint32_t command;
  double cpu_seconds;
  std::uint64_t largest_process_bytes;
  std::uint32_t fault_bytes;  // > 0: the run could not be set up
  char fault[200];
};

struct Descriptors {
  int in, out, err;
  int channel;  // -1: none
  int report;
};

// The worker's settings, read once from wire::kConfigDescriptor.
struct Settings {
  wire::ZygoteConfig config;
  const void* filter;
  const void* single_filter;
};
const Settings& GetSettings();

// In init, which was just cloned. Returns in the program's process only, with the mode to go on with.
int RunInit(const Program& program, const Descriptors& fds, const void* request, std::size_t request_bytes);

inline bool Has(std::uint32_t layer) { return (GetSettings().config.without & layer) == 0; }

}  // namespace cogent::zygote
