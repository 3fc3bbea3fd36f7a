// A worker: from a fresh process of the spawner to the interpreter that serves runs.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "sandbox/helper/helper.h"
#include "sandbox/python_text.h"

namespace cogent::helper {
namespace {

// The caller reads this where it waits for the worker to be ready.
void Report(const std::string& text) {
  const wire::ReplyHead head{wire::kWireVersion, wire::ReplyKind::kFailed, 0, 0, 0, text.size()};
  (void)!send(wire::kControlDescriptor, &head, sizeof head, MSG_NOSIGNAL);
  (void)!send(wire::kControlDescriptor, text.data(), text.size(), MSG_NOSIGNAL);
}

void PlaceSettings(const wire::ZygoteConfig& config, const std::string& filter, const std::string& single) {
  const int fd = memfd_create("settings", 0);
  std::string bytes(reinterpret_cast<const char*>(&config), sizeof config);
  bytes += filter + single;
  if (fd < 0 || write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error(Reason("the worker's settings"));
  }
  if (fd == wire::kConfigDescriptor) return;
  dup2(fd, wire::kConfigDescriptor);
  close(fd);
}

[[noreturn]] void BecomeInterpreter(const std::string& python, const std::string& zygote, const std::string& folder) {
  const std::string home = "HOME=" + folder, temporary = "TMPDIR=" + folder;
  const std::string place = "COGENT_ZYGOTE=" + zygote;
  const std::string driver = PythonText("driver") + PythonText("values") + PythonText("candidate") + PythonText("judge") + "\nmain()\n";
  const char* const argv[] = {python.c_str(), "-B", "-s", "-c", driver.c_str(), nullptr};
  // Written out, not inherited: the caller's environment stays with the caller.
  const char* const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC", home.c_str(), temporary.c_str(),
                                     "PYTHONHASHSEED=0", "PYTHONUTF8=1", "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1",
                                     "MKL_NUM_THREADS=1", place.c_str(), nullptr};
  const int null = open("/dev/null", O_RDWR);
  for (const int fd : {0, 1, 2}) dup2(null, fd);
  if (null > 2) close(null);
  execve(python.c_str(), const_cast<char* const*>(argv), const_cast<char* const*>(environment));
  throw std::runtime_error(Reason("starting " + python));
}

constexpr char kFolderPrefix[] = "/tmp/cogent-sandbox-";  // then the spawner's process

std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(Reason(path));
  return {std::istreambuf_iterator<char>(file), {}};
}

wire::ZygoteConfig ConfigOf(const WorkerOrder& order, const Group& group, const std::string& folder) {
  wire::ZygoteConfig config{};
  config.version = wire::kWireVersion;
  config.without = order.without;
  config.namespaces = order.reduced == 0;
  folder.copy(config.folder, sizeof config.folder - 1);
  config.group_version = static_cast<std::uint32_t>(group.version);
  config.memory_procs = group.memory_procs, config.pids_procs = group.pids_procs;
  config.memory_limit = group.memory_limit, config.swap_limit = group.swap_limit;
  config.memory_peak = group.memory_peak, config.memory_events = group.memory_events;
  config.pids_limit = group.pids_limit, config.pids_events = group.pids_events;
  return config;
}

// Without namespaces: Landlock around the interpreter and all runs. The folder goes when the worker does.
void WorkReduced(const WorkerOrder& order, const Interpreter& interpreter) {
  BecomeNobody();
  std::string folder = kFolderPrefix + std::to_string(getppid()) + "-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error(Reason("a folder for the runs in /tmp"));
  const pid_t zygote = fork();
  if (zygote < 0) throw std::runtime_error(Reason("forking the zygote"));
  if (zygote > 0) {
    close(wire::kControlDescriptor);
    while (waitpid(zygote, nullptr, 0) < 0 && errno == EINTR) continue;
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    return;
  }
  wire::ZygoteConfig config = ConfigOf(order, {}, folder);
  const std::string filter = CompileFilter(false, false), single = CompileFilter(true, false);
  config.filter_bytes = static_cast<std::uint32_t>(filter.size());
  config.single_filter_bytes = static_cast<std::uint32_t>(single.size());
  PlaceSettings(config, filter, single);
  RestrictByLandlock(interpreter.prefix, folder, order.zygote);
  BecomeInterpreter(interpreter.path, order.zygote, folder);
}

void WorkOrThrow(const WorkerOrder& order, const Group& group) {
  const std::string zygote = ReadBytes(order.zygote);
  const auto interpreter = AskInterpreter(order.python);
  if (!interpreter) throw std::runtime_error(std::string(order.python) + " is no Python of 3.10 or newer");
  if (order.reduced != 0) return WorkReduced(order, *interpreter);
  wire::ZygoteConfig config = ConfigOf(order, group, "/tmp");
  const std::string filter = CompileFilter(false, true), single = CompileFilter(true, true);
  config.filter_bytes = static_cast<std::uint32_t>(filter.size());
  config.single_filter_bytes = static_cast<std::uint32_t>(single.size());
  BecomeNobody();
  EnterNamespaces(order.without);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // a change of user or capabilities forgets it
  const pid_t zygote_process = fork();  // first of the worker's pid namespace
  if (zygote_process < 0) throw std::runtime_error(Reason("forking the zygote"));
  if (zygote_process > 0) {
    close(wire::kControlDescriptor);
    while (waitpid(zygote_process, nullptr, 0) < 0 && errno == EINTR) continue;
    return;
  }
  const bool own_root = (order.without & wire::kRoot) == 0;
  if (own_root) config.has_proc = MakeRoot(interpreter->prefix, zygote) ? 1 : 0;
  // In tests of what that layer is for: one place to write for all runs.
  if ((order.without & wire::kMounts) != 0 && mount("tmpfs", "/tmp", "tmpfs", 0, nullptr) != 0) throw std::runtime_error(Reason("/tmp"));
  PlaceSettings(config, filter, single);
  KeepNamespaceCapabilities();
  BecomeInterpreter(interpreter->path, own_root ? "/cogent/libcogent_zygote.so" : order.zygote, "/tmp");
}

}  // namespace

int Work(const WorkerOrder& order, const Group& group) {
  try {
    WorkOrThrow(order, group);
    return 0;
  } catch (const std::exception& error) {
    Report(error.what());
    return 1;
  }
}

void SweepFolders() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/tmp", error)) {
    const std::string path = entry.path().string();
    if (path.rfind(kFolderPrefix, 0) != 0) continue;
    const pid_t owner = std::atoi(path.c_str() + sizeof kFolderPrefix - 1);
    if (owner > 0 && kill(owner, 0) != 0 && errno == ESRCH) std::filesystem::remove_all(entry.path(), error);
  }
}

std::optional<Interpreter> AskInterpreter(const std::string& python) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 1);
    const char* question = "import os,sys;print(os.path.realpath(sys.executable));print(os.path.realpath(sys.base_prefix));print('%d.%d.%d'%sys.version_info[:3]);sys.exit(sys.version_info<(3,10))";
    const char* const argv[] = {python.c_str(), "-I", "-S", "-c", question, nullptr};
    const char* const environment[] = {"PATH=/usr/bin:/bin", nullptr};
    execve(python.c_str(), const_cast<char* const*>(argv), const_cast<char* const*>(environment));
    _exit(127);
  }
  close(ends[1]);
  std::string text;
  char buffer[512];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 1;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) return std::nullopt;
  Interpreter found;
  std::istringstream lines(text);
  std::getline(lines, found.path);
  std::getline(lines, found.prefix);
  std::getline(lines, found.version);
  if (found.version.empty()) return std::nullopt;
  return found;
}

}  // namespace cogent::helper
