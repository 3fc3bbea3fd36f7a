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
//   the program   a copy of the zygote: rlimits, filter, then back to the interpreter or execve
//
// With namespaces, init works in the zygote's own memory, on a stack of its own, so that the interpreter is copied
// once a run and not twice. The zygote stands still until init has forked the program; from then on init touches nothing
// but its stack: no allocation, no errno (run.cc, Raw), unless the run has failed anyway (Fault). Nobody in the run can reach that memory: it may not be
// dumped or traced, and what a program could ask init for is a signal that init blocks.
//
// No C++ runtime here (only libc), and nothing of a request outlives it in memory: what a run could find
// in its copy of the zygote is its own program.
// Thread rule: one thread.
#pragma once

#include <setjmp.h>

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

// What init is given. It lies in the zygote's memory until init is gone.
struct Launch {
  Program program;
  Descriptors fds;
  const void* request;
  std::size_t request_bytes;
  jmp_buf back;         // the frame of the zygote in which the program's process goes on; it jumps with 1 + its mode
  std::uint32_t state;  // a futex: kStarting until init has forked its first process (kForked) or the kernel has buried it (0)
};
inline constexpr std::uint32_t kStarting = 1, kForked = 2;

// Init's whole life, for clone(); `launch` is a Launch. Returns nowhere: init exits, the program's process jumps.
int RunInit(void* launch);

inline bool Has(std::uint32_t layer) { return (GetSettings().config.without & layer) == 0; }

}  // namespace cogent::zygote
