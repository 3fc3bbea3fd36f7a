// Runs this very program several times at once, and stops the copies so that they can save.
//
//   ChildPlan plan;
//   plan.at_once = 2;
//   plan.next = [&]() -> std::optional<ChildJob> { ... };      // what to start, when there is room
//   plan.ended = [&](const ChildEnd& end) { ... };
//   if (!RunChildren(plan)) return kExitStopped;
//
// Ctrl-C or SIGTERM: no more are started, those that run get SIGTERM, and RunChildren returns false when all
// have ended; a second signal is passed on, too, which ends them at once. Children are in process groups of
// their own, so that a terminal's Ctrl-C reaches them once and through here, and get SIGTERM when this process
// dies. They inherit nothing but standard input (empty) and output (the log).
// Source: Boost.Process v2. Thread rule: main thread; sets the handlers of SIGINT and SIGTERM while it runs.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cogent {

struct ChildJob {
  int id = 0;
  std::vector<std::string> words;  // behind the program's name
  std::string log;                 // standard output and error are appended to this file
};

struct ChildEnd {
  int id = 0;
  int exit_code = 0;  // -1 when a signal ended it
  int signal = 0;
  double seconds = 0.0;
};

struct ChildPlan {
  int at_once = 1;
  // Nothing when no job can start now; asked again whenever one has ended.
  std::function<std::optional<ChildJob>()> next;
  std::function<void(const ChildEnd&)> ended;
  std::function<void()> tick;  // twice a second
};

// Until nothing runs and `next` has nothing: true; false when it was stopped. Throws DataError when a log cannot
// be opened, MachineError when a process cannot be started; those that run are then stopped and waited for.
bool RunChildren(const ChildPlan& plan);

// What a child said last, from `begin` on in its log; empty where it said nothing.
std::string LastLine(const std::string& log, std::uintmax_t begin);

}  // namespace cogent
