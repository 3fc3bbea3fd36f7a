// The run directory `runs/NAME/`: what a run leaves behind, in formats that other tools open.
//
//   config.yaml         the resolved configuration, can be run again
//   environment.json    version, commit, machine, seed, threads, resumes
//   metrics.jsonl       one flat object a step: step, time, then the metrics by name
//   samples.jsonl       step, split, task, prompt, completion, rewards by name, advantage, ...
//   eval.jsonl          one flat object an evaluation: step, time, eval (its name), then its
//   numbers events.out.tfevents.*  the same numbers for TensorBoard summary.json        before and
//   after, written at the end
//
//   RunLog log = RunLog::Create("runs/first", DumpYaml(resolved), {.version = "0.1.0", .seed = 7});
//   log.AddMetrics(1, {{"reward", 0.4}});          // metrics.jsonl and TensorBoard, on disk at
//   once log.AddSample(MakeSample(1, trajectory, advantage)); log.AddEval(0, "sampled", {{"pass@1",
//   0.31}, {"mean_length", 27.0}}); log.WriteSummary({.before = {...}, .after = {...}, .run =
//   {{"steps", 200}}});
//
// Resuming: write the records of a step before its checkpoint. Resume(dir, step) cuts every .jsonl
// file to its whole lines of steps <= `step`, so that the files of a killed and resumed run equal
// those of an uninterrupted one, but for times. NaN and infinities are written as null; text that
// is not UTF-8 gets U+FFFD in the place of each broken part.
//
// Thread rule: one thread at a time. One process at a time: a second one is refused.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agents/trajectory.h"
#include "experiments/metrics.h"

namespace cogent {

// What environment.json says beside what it finds out about the machine by itself (processor,
// cores, memory, operating system, compiler).
struct RunEnvironment {
  std::string version = {};   // of Cogent
  std::string commit = {};    // of the source, "-dirty" behind it where that is so; may be empty
  std::string libtorch = {};  // version; empty when none is loaded
  std::string command = {};   // the command line
  std::uint64_t seed = 0;
  int threads = 0;
};

// One line of samples.jsonl.
struct SampleRecord {
  std::int64_t step = 0;
  std::string split = "train";          // "train" or "test": where the task comes from
  std::string task = {};                // the question, Task::prompt
  std::string answer = {};              // the known answer; may be empty
  std::string prompt = {};              // what the policy read
  std::string completion = {};          // what it wrote; turns are joined by a line break
  std::vector<NamedScore> scores = {};  // by reward; weight and reason are kept
  double reward = 0.0;
  double advantage = 0.0;  // NaN (null in the file) where none was computed, as in an evaluation
  int length = 0;          // tokens the policy chose
  TrajectoryStatus status = TrajectoryStatus::kDone;
  std::string cause = {};  // why it is unscorable
};

// The record of a trajectory. `advantage` as SampleRecord says.
SampleRecord MakeSample(std::int64_t step, const Trajectory& trajectory, double advantage);

// What a claim about the run rests on. `before` and `after` share their names: pass@1, mean_length.
struct RunSummary {
  Metrics before = {};
  Metrics after = {};
  Metrics run = {};                              // steps, seconds, parameters, ...
  std::map<std::string, std::string> text = {};  // anything that is not a number
};

class RunLog {
 public:
  // Makes the directory and its parents, writes config.yaml and environment.json. Throws
  // ConfigError when `dir` exists and is not empty, DataError when it cannot be written. `clock`
  // gives Unix time in seconds (the system's when empty).
  static RunLog Create(const std::string& dir, const std::string& config_yaml,
                       const RunEnvironment& environment, std::function<double()> clock = {});
  // Goes on with a run whose newest checkpoint is of `step`. Throws ConfigError when `dir` holds no
  // run or another process writes to it, DataError when a file cannot be read or cut.
  static RunLog Resume(const std::string& dir, std::int64_t step,
                       std::function<double()> clock = {});
  RunLog(RunLog&&) noexcept;
  RunLog& operator=(RunLog&&) noexcept;
  ~RunLog();

  // Each is in the file when the call returns, whole; when the disk is full it throws DataError and
  // the file stays as it was. Steps must not go down. `step` and `time` are not allowed as names.
  void AddMetrics(std::int64_t step, const Metrics& metrics);
  void AddSample(const SampleRecord& sample);
  // `name` tells evaluations of one step apart: "sampled", "greedy".
  void AddEval(std::int64_t step, const std::string& name, const Metrics& metrics);
  // Replaces summary.json as a whole.
  void WriteSummary(const RunSummary& summary);
  // Forces everything to the disk; call it before a checkpoint is made final.
  void Sync();

  const std::string& dir() const;

 private:
  struct State;
  explicit RunLog(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cogent
