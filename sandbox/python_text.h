// The Python files of sandbox/zygote as texts inside the programs. Internal to sandbox/.
//
//   PythonText("judge")   // zygote/judge.py
//
// The build writes python_text.cc. Thread rule: a pure function.
#pragma once

#include <string>

namespace cogent {

// "driver", "values", "candidate", "judge" or "session"; throws std::out_of_range for another name.
std::string PythonText(const std::string& name);

}  // namespace cogent
