// What an ablation has done, what is left, how many runs at once, and what that costs.
//
//   const JobRoom room = FindRoom(ablation, "");
//   std::cout << PlanText(ablation, PlanRuns(ablation, room.threads), room, parts);
//
// Everything is read off the run directories and outcomes.jsonl. Thread rule: free functions on files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/ablation.h"

namespace cogent {

enum class RunState { kNew, kStopped, kRunning, kFinished, kFailed };
// Of a run that nobody runs now: finished with a summary, stopped with a config.yaml, else new.
RunState StateOf(const std::string& directory);

// How each run ended, in that order; nothing when the directory has no outcomes.jsonl.
struct RunOutcome {
  std::string run;  // "grpo/seed-1"
  int exit_code = 0;
  double seconds = 0.0;
  std::string error;  // empty when it was done or stopped
};
std::vector<RunOutcome> ReadOutcomes(const std::string& ablation_dir);

struct JobRoom {
  int jobs = 1;
  int threads = 1;  // of each run
};
// `wanted` runs at once; where it is empty, as many as cores and memory allow. All runs of an ablation get the same
// number of threads: what the file says, else the cores divided.
JobRoom FindRoom(const Ablation& ablation, const std::string& wanted);

// The arms, their runs by state, tokens at most, time by the finished runs; a note where arms cannot be compared.
std::string PlanText(const Ablation& ablation, const std::vector<PlannedRun>& runs, const JobRoom& room, const Parts& parts);

// The step of the last whole line of a metrics.jsonl, 0 where there is none. Reads the end of the file alone.
std::int64_t LastStep(const std::string& path);

}  // namespace cogent
