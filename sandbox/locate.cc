#include "sandbox/locate.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "core/error.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;

std::string Beside(const std::string& name) {
  Dl_info info{};
  std::error_code error;
  fs::path folder;
  if (dladdr(reinterpret_cast<void*>(&HelperPath), &info) != 0 && info.dli_fname != nullptr) {
    folder = fs::canonical(info.dli_fname, error).parent_path();
  }
  for (const fs::path& path : {folder / name, folder / "cogent" / name}) {
    if (fs::exists(path, error)) return path.string();
  }
  throw MachineError((folder / name).string() + " is not there; build it with: ninja -C build/release cogent_sandbox_program");
}

}  // namespace

std::string HelperPath() { return Beside("cogent-sandbox"); }
std::string ZygotePath() { return Beside("libcogent_zygote.so"); }

std::string FindPython() {
  const char* path = std::getenv("PATH");
  std::istringstream folders(std::string("/usr/bin:") + (path != nullptr ? path : ""));
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = folder + "/python3";
    if (!folder.empty() && access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  throw MachineError("no python3 in /usr/bin or on PATH; on Debian: apt-get install python3");
}

}  // namespace cogent
