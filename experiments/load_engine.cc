#include "experiments/load_engine.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/error.h"

namespace cogent {
namespace {

constexpr char kEngineFile[] = "libcogent_engine.so";

// The folder that this library was loaded from.
std::filesystem::path OwnFolder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&LoadEngine), &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code ignored;
  return std::filesystem::canonical(info.dli_fname, ignored).parent_path();
}

bool SetUnlessSet(const char* name, const char* value) {
  if (std::getenv(name) != nullptr) return false;
  setenv(name, value, 1);
  return true;
}

// A function of the engine, which is loaded if it is not yet.
void* FindInEngine(const char* name) {
  const std::filesystem::path beside = OwnFolder() / kEngineFile;
  const std::string path = std::filesystem::exists(beside) ? beside.string() : kEngineFile;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    throw MachineError(std::string("the engine cannot be loaded: ") + (reason ? reason : path) +
                       "\n  ./setup.sh puts LibTorch into .venv and builds it (ninja -C build/release "
                       "cogent_engine); `cogent doctor` says what is missing");
  }
  void* entry = dlsym(library, name);
  if (entry == nullptr) {
    throw MachineError(path + " has no " + name + "; it is of another version: build it again "
                       "(ninja -C build/release cogent_engine)");
  }
  return entry;
}

}  // namespace

void PrepareEngine(char** argv) {
  bool changed = SetUnlessSet("OMP_NUM_THREADS", "1");
  changed |= SetUnlessSet("OMP_WAIT_POLICY", "PASSIVE");
  changed |= std::getenv("MKL_CBWR") != nullptr;
  unsetenv("MKL_CBWR");  // would choose other kernels, and so other rounding, than the same run elsewhere
  if (!changed) return;
  void* openmp = dlopen("libgomp.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (openmp == nullptr) return;
  dlclose(openmp);
  if (argv != nullptr) execv("/proc/self/exe", argv);  // where this fails, the run is slower, not wrong
}

EngineEntry LoadEngine() { return reinterpret_cast<EngineEntry>(FindInEngine("cogent_run_engine")); }

AlgorithmCheckEntry LoadAlgorithmCheck() {
  return reinterpret_cast<AlgorithmCheckEntry>(FindInEngine("cogent_check_algorithm"));
}

}  // namespace cogent
