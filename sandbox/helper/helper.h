// The parts of the program cogent-sandbox: spawner, workers, probe. Internal to sandbox/.
//
//   cogent-sandbox spawn           reads orders on descriptor 3, starts workers, cleans up behind them
//   cogent-sandbox work N          becomes a worker: namespaces, root, interpreter; N holds its order
//   cogent-sandbox probe           tries each primitive, prints a line each
//
// The spawner is small and lives as long as the library's Sandbox; when the caller dies, by whatever
// signal, the spawner ends all workers and removes their control groups.
// Thread rule: one thread a process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/wire.h"

namespace cogent::helper {

using wire::WorkerOrder;

// ---- system-call filter (filter.cc) ----
// The loaded form of the allow-list, for runs of many processes or of one. Throws std::runtime_error.
std::string CompileFilter(bool single_process, bool namespaces);

// ---- control groups (groups.cc) ----
// A control group for one worker's runs, below the group that this process is in.
struct Group {
  int version = 0;  // 0: none
  std::vector<std::string> folders;
  // Open files, -1 where there is none; in the order of wire::ZygoteConfig.
  int memory_procs = -1, pids_procs = -1, memory_limit = -1, swap_limit = -1, memory_peak = -1, memory_events = -1;
  int pids_limit = -1, pids_events = -1;
};
// Makes and opens one. `why_not` says what is missing when version is 0. REQUIRES: close with RemoveGroup.
Group MakeGroup(const std::string& name, std::string& why_not);
void CloseGroup(Group& group);
bool RemoveGroup(const Group& group);  // false: still in use
void SweepGroups();                    // of spawners that were killed

// ---- root and namespaces (isolate.cc); each throws std::runtime_error with the primitive's name ----
void BecomeNobody();                      // root only: to the user that the runs belong to
void EnterNamespaces(std::uint32_t without);
// A root of its own: system folders and the interpreter read-only, nothing else. `zygote` are the bytes
// of the library. Returns whether a fresh /proc can be had.
bool MakeRoot(const std::string& python_prefix, const std::string& zygote);
bool FreshProcWorks();
void KeepNamespaceCapabilities();         // over an execve: SYS_ADMIN and SETPCAP
// Reads below the system folders and the interpreter's, of `zygote`; writes below `folder`; nothing else.
void RestrictByLandlock(const std::string& python_prefix, const std::string& folder, const std::string& zygote);
int LandlockVersion();                    // 0: none

// ---- the three programs ----
void SweepFolders();  // of reduced workers whose spawner was killed
int Spawn();
int WorkFrom(int descriptor);  // what the spawner wrote for this worker
int Work(const WorkerOrder& order, const Group& group);
int Probe(const std::string& python, const std::string& zygote);

// What `python` says of itself: {prefix, version}. Nothing when it cannot be run or is older than 3.10.
struct Interpreter {
  std::string path, prefix, version;
};
std::optional<Interpreter> AskInterpreter(const std::string& python);

std::string Reason(const std::string& what);  // "what: Operation not permitted"

}  // namespace cogent::helper
