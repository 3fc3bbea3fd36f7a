// `cogent doctor`: what this machine has, what it lacks, and how to get it.
//
//   std::vector<Finding> findings = ExamineMachine();
//   std::cout << FindingsText(findings);
//   return AllThere(findings) ? kExitDone : kExitMachine;
//
// LibTorch is looked at, not loaded. Thread rule: free functions that only read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cogent {

enum class FindingKind { kFact, kNote, kMissing };  // kMissing: the engine cannot run

struct Finding {
  FindingKind kind = FindingKind::kFact;
  std::string name;    // "memory"
  std::string value;   // "16.0 GiB, 12.1 GiB free"
  std::string remedy;  // what to do; empty for facts
};

// Reads /proc, /sys and /etc below `root` (another folder in tests).
std::vector<Finding> ExamineMachine(const std::string& root = "");
std::string FindingsText(const std::vector<Finding>& findings);
bool AllThere(const std::vector<Finding>& findings);

// The smallest memory limit of the control groups that this process is in, in bytes; 0 = none.
std::uint64_t CgroupMemoryLimit(const std::string& root = "");

}  // namespace cogent
