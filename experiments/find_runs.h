// Which run directories a command line means: run directories, ablations, patterns of these.
//
//   FoundRuns found = FindRuns({"runs/algorithms", "runs/try?"});
//   found.runs[0].dir;   // "runs/algorithms/arms/grpo/seed-1"
//
// Thread rule: free functions on files.
#pragma once

#include <string>
#include <vector>

namespace cogent {

struct FoundRun {
  std::string dir;
  std::string arm;  // the ablation's name for it; empty for other runs
};

struct FoundRuns {
  std::vector<FoundRun> runs;      // each directory once; those of an ablation in the order of its file
  std::string against;             // what an ablation compares to; may be empty
  std::vector<std::string> notes;  // what failed or has not begun, a sentence each
};

// Throws DataError when a path is nothing of these, or no run is found at all.
FoundRuns FindRuns(const std::vector<std::string>& paths);

// The last part of a path, with or without a slash behind it.
std::string LastPart(const std::string& dir);

}  // namespace cogent
