// Where the sandbox's own parts and the interpreter are. Internal to sandbox/.
//
// cogent-sandbox and libcogent_zygote.so lie beside libcogent.so, or in the folder cogent/ beside it.
// Thread rule: free functions that only read.
#pragma once

#include <string>

namespace cogent {

std::string HelperPath();  // these two throw MachineError when the file is not there
std::string ZygotePath();
// /usr/bin/python3, else the first python3 on PATH. Throws MachineError when there is none.
std::string FindPython();

}  // namespace cogent
