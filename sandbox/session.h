// A Python session whose state lasts from one call to the next, for tools of multi-turn environments.
//
//   PythonSession session(sandbox, {.limits = {.wall_seconds = 1}});
//   session.Call("x = 6");
//   session.Call("x * 7").run.out;   // "42\n": what a last expression gives is printed, as in Python's shell
//
// The state is the list of the calls that were kept. Each call is one run of the sandbox of its own, isolated and
// limited as every other, in which the kept calls are run again before it, their output put aside. So a session holds
// no process between its calls: thousands may be open, nothing is left when one is forgotten or the trainer is
// killed, and a call that takes the interpreter down takes no state with it. The price is the time of the calls
// before, at each call.
//   kept       the call came to its end, with or without an exception (then a traceback is in `err`, and the verdict is
//              kRuntimeError); sys.exit() ends the call alone
//   not kept   it went beyond a limit, was denied something, or ended its interpreter (os._exit); the state is the one before
// A kept call whose output is another when it is run again (it read a clock, or printed an address) may have left
// another state: `run.reason` then says which one.
// Thread rule: one thread at a time. Calls of several sessions may wait on one Sandbox from several threads.
#pragma once

#include <string>
#include <vector>

#include "sandbox/sandbox.h"

namespace cogent {

struct SessionOptions {
  Limits limits;               // of each call; its clocks leave room for the calls that are run again before it
  double replay_seconds = 10;  // wall time of all kept calls together; a session beyond it takes no more calls
  int max_calls = 64;          // kept ones
};

struct SessionResult {
  RunResult run;  // times and memory are those of the whole run, with the calls before
  bool kept = false;
};

class PythonSession {
 public:
  // REQUIRES that `sandbox` lives longer. Throws ConfigError for options that leave no call.
  PythonSession(Sandbox& sandbox, SessionOptions options = {});

  // Waits for the end of the call. `code` is UTF-8; what is no Python is the call's own error.
  SessionResult Call(const std::string& code);
  const std::vector<std::string>& kept_calls() const { return calls_; }

 private:
  std::string Full() const;
  Program ProgramOf(const std::string& code, const std::string& mark) const;
  Limits LimitsOfCall() const;

  Sandbox& sandbox_;
  SessionOptions options_;
  std::vector<std::string> calls_;
  std::vector<std::uint32_t> checksums_;  // CRC-32 of standard output and then standard error of each
  double replay_seconds_ = 0;             // of the last kept call's run
};

}  // namespace cogent
