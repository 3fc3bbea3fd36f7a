// What ruff says of programs: the Python linter that is one binary (PyPI: ruff).
//
//   std::string ruff = FindRuff("");                          // empty: on PATH
//   std::vector<int> findings = RuffFindings(ruff, sources);  // one number for each, in order
//
// All sources are read by one process, which only parses them; nothing of them is run. Rules are ruff's defaults of
// today by name (kRuffRules), so that another version's defaults change no score; settings that lie around
// and `# noqa` in a source do not count.
// Thread rule: free functions, callable from any thread.
#pragma once

#include <string>
#include <vector>

namespace cogent {

// Imports in the wrong place, comparisons and statements that are mistakes, names unused or unknown.
inline constexpr char kRuffRules[] = "E4,E7,E9,F";

// The program's path: `named` if it can be run, else the first on PATH; empty when there is none.
std::string FindRuff(const std::string& named);

// Throws MachineError when `ruff` does not run, or takes a minute or more.
std::vector<int> RuffFindings(const std::string& ruff, const std::vector<std::string>& sources);

}  // namespace cogent
