#include "experiments/doctor.h"

#include <dlfcn.h>
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "experiments/version.h"

#ifndef COGENT_TORCH_DIR
#define COGENT_TORCH_DIR ""  // a build without the engine
#endif

namespace cogent {
namespace {

namespace fs = std::filesystem;

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Trimmed(std::string text) {
  text.erase(0, std::min(text.find_first_not_of(" \t\n\""), text.size()));
  text.erase(text.find_last_not_of(" \t\n\"") + 1);
  return text;
}

// What stands behind `key` and `separator` in the first line that begins with `key`.
std::string ValueOf(const std::string& text, const std::string& key, char separator) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find(separator);
    if (at != std::string::npos && Trimmed(line.substr(0, at)) == key) return Trimmed(line.substr(at + 1));
  }
  return {};
}

std::string Gibibytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", bytes / (1024.0 * 1024.0 * 1024.0));
  return text;
}

Finding OperatingSystem(const std::string& root) {
  const std::string name = ValueOf(ReadText(root + "/etc/os-release"), "PRETTY_NAME", '=');
  const std::string kernel = Trimmed(ReadText(root + "/proc/sys/kernel/osrelease"));
  return {FindingKind::kFact, "system", (name.empty() ? "unknown" : name) + ", kernel " + kernel, ""};
}

int UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

bool HasFlag(const std::string& flags, const std::string& flag) {
  return (" " + flags + " ").find(" " + flag + " ") != std::string::npos;
}

void AddProcessor(const std::string& root, std::vector<Finding>& findings) {
  const std::string cpuinfo = ReadText(root + "/proc/cpuinfo");
  const std::string flags = ValueOf(cpuinfo, "flags", ':');
  findings.push_back({FindingKind::kFact, "processor", ValueOf(cpuinfo, "model name", ':') + ", " +
                                                           std::to_string(UsableCores()) + " cores usable", ""});
  std::string have;
  for (const char* flag : {"avx2", "avx512f", "avx512_bf16", "amx_bf16"}) {
    if (HasFlag(flags, flag)) have += (have.empty() ? "" : " ") + std::string(flag);
  }
  findings.push_back({FindingKind::kFact, "instructions", have.empty() ? "none of avx2, avx512f, avx512_bf16, amx_bf16" : have, ""});
#if defined(__AVX512F__)
  const char* built_for = "avx512f";
#elif defined(__AVX2__)
  const char* built_for = "avx2";
#else
  const char* built_for = "";
#endif
  if (*built_for != 0 && !HasFlag(flags, built_for)) {
    findings.push_back({FindingKind::kMissing, "build", std::string("made for a processor with ") + built_for,
                        "build it on this machine: rm -rf build/release && ./setup.sh; or with -DCOGENT_NATIVE=OFF"});
  }
}

Finding Memory(const std::string& root) {
  const std::string meminfo = ReadText(root + "/proc/meminfo");
  const double total = std::atof(ValueOf(meminfo, "MemTotal", ':').c_str()) * 1024.0;
  const double free = std::atof(ValueOf(meminfo, "MemAvailable", ':').c_str()) * 1024.0;
  const auto limit = static_cast<double>(CgroupMemoryLimit(root));
  std::string value = Gibibytes(total) + ", " + Gibibytes(free) + " free";
  if (limit > 0) value += ", limited to " + Gibibytes(limit) + " by the control group";
  const double usable = limit > 0 ? std::min(limit, free) : free;
  if (usable < 1.5 * (1ull << 30)) {
    return {FindingKind::kNote, "memory", value, "the main job wants 1.5 GiB: close something, or raise the limit"};
  }
  return {FindingKind::kFact, "memory", value, ""};
}

Finding Disk() {
  std::error_code error;
  const fs::space_info space = fs::space(".", error);
  if (error) return {FindingKind::kNote, "disk here", error.message(), "go to a folder that can be read"};
  const std::string value = Gibibytes(static_cast<double>(space.available)) + " free";
  if (space.available < (1ull << 30)) {
    return {FindingKind::kNote, "disk here", value, "a run of the main job wants up to 1 GiB: make room, or run elsewhere"};
  }
  return {FindingKind::kFact, "disk here", value, ""};
}

// From LibTorch's header, so that nothing is loaded.
std::string TorchVersion(const fs::path& torch) {
  std::istringstream lines(ReadText((torch / "include/torch/headeronly/version.h").string()));
  std::string version;
  for (std::string line; std::getline(lines, line);) {
    for (const char* part : {"#define TORCH_VERSION_MAJOR ", "#define TORCH_VERSION_MINOR ", "#define TORCH_VERSION_PATCH "}) {
      if (line.rfind(part, 0) == 0) version += (version.empty() ? "" : ".") + Trimmed(line.substr(std::string(part).size()));
    }
  }
  return version;
}

Finding LibTorch() {
  const fs::path torch = COGENT_TORCH_DIR;
  const std::string remedy = "./setup.sh puts it into .venv and builds the engine";
  if (torch.empty()) return {FindingKind::kMissing, "LibTorch", "this build has no engine", remedy};
  for (const char* file : {"lib/libtorch_cpu.so", "lib/libc10.so"}) {
    if (!fs::exists(torch / file)) return {FindingKind::kMissing, "LibTorch", (torch / file).string() + " is not there", remedy};
  }
  // The wheel's CPU part is linked against these two small libraries of CUDA, GPU or not.
  for (const char* file : {"libcudart.so.13", "libcupti.so.13"}) {
    if (!fs::exists(torch.parent_path() / "nvidia/cu13/lib" / file) && !fs::exists(torch / "lib" / file)) {
      return {FindingKind::kMissing, "LibTorch", std::string(file) + " is not beside it",
              ".venv/bin/pip install --no-deps nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85"};
    }
  }
  return {FindingKind::kFact, "LibTorch", TorchVersion(torch) + " in " + torch.string(), ""};
}

Finding Engine() {
  Dl_info info{};
  std::error_code error;
  fs::path folder;
  if (dladdr(reinterpret_cast<void*>(&ExamineMachine), &info) != 0 && info.dli_fname != nullptr) {
    folder = fs::canonical(info.dli_fname, error).parent_path();
  }
  const fs::path engine = folder / "libcogent_engine.so";
  if (fs::exists(engine)) return {FindingKind::kFact, "engine", engine.string(), ""};
  return {FindingKind::kMissing, "engine", engine.string() + " is not there",
          "./setup.sh, or: cmake --preset release && cmake --build --preset release"};
}

Finding Gpu(const std::string& root) {
  std::error_code error;
  std::string names;
  for (const auto& entry : fs::directory_iterator(root + "/proc/driver/nvidia/gpus", error)) {
    const std::string name = ValueOf(ReadText((entry.path() / "information").string()), "Model", ':');
    names += (names.empty() ? "" : ", ") + (name.empty() ? "unknown" : name);
  }
  return {FindingKind::kFact, "GPU", names.empty() ? "none (not needed)" : names, ""};
}

Finding CudaCompiler() {
  std::istringstream folders(std::string(std::getenv("PATH") ? std::getenv("PATH") : "") + ":/usr/local/cuda/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::error_code error;
    if (!folder.empty() && fs::exists(folder + "/nvcc", error)) {
      return {FindingKind::kFact, "nvcc", folder + "/nvcc", ""};
    }
  }
  return {FindingKind::kFact, "nvcc", "none (not needed; ./setup.sh --cuda gets one)", ""};
}

// A limit file's number; 0 for "max", for none, and for version 1's number that means none.
std::uint64_t LimitIn(const std::string& path) {
  const std::uint64_t limit = std::strtoull(ReadText(path).c_str(), nullptr, 10);
  return limit >= (1ull << 62) ? 0 : limit;
}

}  // namespace

std::uint64_t CgroupMemoryLimit(const std::string& root) {
  std::uint64_t smallest = std::numeric_limits<std::uint64_t>::max();
  std::istringstream lines(ReadText(root + "/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version2 = controllers.empty();
    if (!version2 && controllers.find("memory") == std::string::npos) continue;
    const fs::path base = root + (version2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory");
    const char* file = version2 ? "memory.max" : "memory.limit_in_bytes";
    // The limits of all groups above count, too; inside a container only the top can be seen.
    fs::path group = fs::path(line.substr(second + 1)).relative_path();
    while (true) {
      if (const std::uint64_t limit = LimitIn((base / group / file).string())) smallest = std::min(smallest, limit);
      if (group.empty()) break;
      group = group.parent_path();
    }
  }
  return smallest == std::numeric_limits<std::uint64_t>::max() ? 0 : smallest;
}

std::vector<Finding> ExamineMachine(const std::string& root) {
  const std::string commit = SourceCommit();
  std::vector<Finding> findings;
  findings.push_back({FindingKind::kFact, "cogent", Version() + (commit.empty() ? "" : " (" + commit + ")"), ""});
  findings.push_back(OperatingSystem(root));
  AddProcessor(root, findings);
  findings.push_back(Memory(root));
  findings.push_back(Disk());
  findings.push_back(LibTorch());
  findings.push_back(Engine());
  findings.push_back(Gpu(root));
  findings.push_back(CudaCompiler());
  return findings;
}

std::string FindingsText(const std::vector<Finding>& findings) {
  std::size_t width = 0;
  for (const Finding& finding : findings) width = std::max(width, finding.name.size());
  std::string text;
  for (const Finding& finding : findings) {
    const char* mark = finding.kind == FindingKind::kMissing ? "MISSING " : finding.kind == FindingKind::kNote ? "note    " : "ok      ";
    text += mark + finding.name + std::string(width + 2 - finding.name.size(), ' ') + finding.value + "\n";
    if (!finding.remedy.empty()) text += std::string(8, ' ') + "-> " + finding.remedy + "\n";
  }
  text += AllThere(findings) ? "All that the engine needs is there.\n" : "The engine cannot run until what is MISSING is there.\n";
  return text;
}

bool AllThere(const std::vector<Finding>& findings) {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& finding) { return finding.kind == FindingKind::kMissing; });
}

}  // namespace cogent
