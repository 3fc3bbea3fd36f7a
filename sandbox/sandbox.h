// Runs programs that nobody has read: isolated, limited, many at once, with nothing left behind.
//
//   Sandbox sandbox({.workers = 2});                      // throws MachineError where the level cannot be had
//   RunResult result = sandbox.Run({.source = "print(6 * 7)"});
//   result.verdict;                                       // Verdict kOk; result.out == "42\n"
//   auto later = sandbox.Submit({.source = source, .input = "3 4\n"}, {.wall_seconds = 1});
//   later.get();
//
// A Sandbox owns a small process (cogent-sandbox) that starts workers, each an interpreter inside
// namespaces of its own which forks for every run. What is promised: docs/sandbox.md.
// The outcome of a program, whatever it did, is data. A fault of the sandbox itself is a RunResult with
// kInternalError, which must never become a reward; what cannot even start throws MachineError.
// Thread rule: every member may be called from any thread. The destructor waits for no run: what still
// waits in the queue gets kInternalError.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace cogent {

// All of them hold at once; see docs/sandbox.md for what each becomes in the kernel.
struct Limits {
  double wall_seconds = 2.0;
  double cpu_seconds = 2.0;                  // of each process; a whole run beyond it is kTimeLimit, too
  std::uint64_t memory_bytes = 256ull << 20;  // of the whole run
  int processes = 16;                        // with threads
  std::uint64_t output_bytes = 64ull << 10;  // of each stream
  std::uint64_t file_bytes = 16ull << 20;    // one file
  std::uint64_t storage_bytes = 32ull << 20;  // all files
  int open_files = 64;
};

struct Program {
  std::string source;    // the program; in its folder as program.py, or as the language names it
  std::string input;     // standard input
  bool input_stays_open = false;  // no end of file behind the input
  std::string language = "python";
  std::vector<std::pair<std::string, std::string>> files;  // more files beside it: name without folders, bytes
};

enum class RunVerdict {
  kOk, kWrongAnswer, kRuntimeError, kTimeLimit, kMemoryLimit, kProcessLimit, kOutputLimit, kDenied,
  kInternalError  // a fault of the sandbox: never a reward
};
const char* Name(RunVerdict verdict);  // "ok", "wrong_answer", ...

struct RunResult {
  RunVerdict verdict = RunVerdict::kInternalError;
  int exit_code = -1;  // -1: ended by a signal
  int signal = 0;
  std::string out, err;                  // bytes as the program wrote them
  bool out_cut = false, err_cut = false;  // there was more
  double wall_seconds = 0, cpu_seconds = 0;
  std::uint64_t peak_bytes = 0;
  bool peak_is_of_whole_run = false;  // false: of the largest process (no control group)
  std::string level;                  // that it ran at
  std::string reason;                 // one line for people
  // One JSON object; bytes that are no UTF-8 become U+FFFD, control bytes are escaped.
  std::string ToJson() const;
};

// What the judge's process reads (zygote/judge.py); made by sandbox/judge.h, whose functions are the ones to call.
struct Tests {
  std::string json;
};
struct JudgedResult {
  RunResult candidate;         // its verdict is that of the whole: kOk only when every test passed
  int passed = 0, total = 0;
  std::string failure;         // of the first test that failed
  std::string broken;          // not empty: the tests themselves cannot be run, so this is no verdict
  double judge_cpu_seconds = 0;
};

enum class SandboxLevel { kFull, kReduced };

// How programs of a language are built and run, inside. None: by the interpreter of the worker.
struct Language {
  std::string file;                                // what the source is called in the program's folder
  std::vector<std::vector<std::string>> commands;  // words, run in order there; the last one is the program
};

struct SandboxOptions {
  int workers = 0;                 // 0: one a core
  SandboxLevel level = SandboxLevel::kFull;
  std::string python;              // empty: /usr/bin/python3, else the first on PATH
  bool control_group = true;       // use one where it can be had
  std::uint32_t without = 0;       // for tests of the layers: wire::Layer bits; named in every result's level
  int runs_per_worker = 20000;     // then it is replaced
  std::map<std::string, Language> languages;  // beside python and c++, by name
};

class Sandbox {
 public:
  explicit Sandbox(SandboxOptions options = {});
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  std::future<RunResult> Submit(Program program, Limits limits = {});
  // `done` is called from the sandbox's own thread; it must not throw or wait.
  void Submit(Program program, Limits limits, std::function<void(RunResult)> done);
  RunResult Run(Program program, Limits limits = {}) { return Submit(std::move(program), limits).get(); }
  // All of them, in order. `done` is called as each ends, from the sandbox's own thread.
  std::vector<RunResult> RunAll(std::vector<Program> programs, const Limits& limits,
                                const std::function<void(std::size_t, const RunResult&)>& done = {});
  std::future<JudgedResult> SubmitJudged(Program candidate, Tests tests, Limits limits = {});

  const std::string& level() const;  // "full", "reduced"; with what was left out
  bool has_control_group() const;
  int SpawnerProcess() const;  // its process id; all workers are its children

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What this machine grants, one line a primitive, and which level follows.
struct SandboxFinding {
  std::string state;   // ok, note, missing
  std::string needed;  // by which level: "full", "reduced", "both", "-"
  std::string name, value, remedy;
};
std::vector<SandboxFinding> ProbeSandbox(const std::string& python = {});
bool LevelIsThere(const std::vector<SandboxFinding>& findings, SandboxLevel level);
std::string FindingsText(const std::vector<SandboxFinding>& findings);

}  // namespace cogent
