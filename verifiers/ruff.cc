#include "verifiers/ruff.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "core/file.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;

constexpr int kPatienceSeconds = 60;

// A folder of its own, gone at the end.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "cogent-ruff-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw MachineError(name + " cannot be made: " + std::strerror(errno));
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

int WaitFor(pid_t child) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(kPatienceSeconds);
  auto pause = std::chrono::microseconds(200);
  int status = 0;
  while (true) {
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child) return status;
    if (ended < 0 && errno != EINTR) return -1;
    if (std::chrono::steady_clock::now() > end) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return status;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::microseconds(5000));
  }
}

// By posix_spawn: a fork of a process that holds weights would copy its page tables.
int RunRuff(const std::string& ruff, const fs::path& folder, const fs::path& messages) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, messages.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  std::vector<std::string> words = {ruff, "check", "--isolated", "--no-cache", "--ignore-noqa", "--quiet", "--select", kRuffRules,
                                    "--output-format", "json", "--output-file", (folder / "findings.json").string(), (folder / "sources").string()};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  char* const environment[] = {nullptr};
  pid_t child = -1;
  const int failed = posix_spawn(&child, ruff.c_str(), &actions, nullptr, argv.data(), environment);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw MachineError("ruff cannot be started as '" + ruff + "': " + std::strerror(failed) + "; pip install ruff, and put it on PATH");
  return WaitFor(child);
}

}  // namespace

std::string FindRuff(const std::string& named) {
  if (!named.empty()) return access(named.c_str(), X_OK) == 0 && fs::is_regular_file(named) ? named : "";
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string candidate = folder + "/ruff";
    if (!folder.empty() && access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return {};
}

std::vector<int> RuffFindings(const std::string& ruff, const std::vector<std::string>& sources) {
  std::vector<int> findings(sources.size(), 0);
  if (sources.empty()) return findings;
  const Folder folder;
  fs::create_directory(folder.path() / "sources");
  for (std::size_t i = 0; i < sources.size(); ++i) {
    std::ofstream file(folder.path() / "sources" / (std::to_string(i) + ".py"), std::ios::binary);
    if (!(file << sources[i]).flush()) throw MachineError(folder.path().string() + " cannot be written to; is the disk full?");
  }
  const fs::path messages = folder.path() / "messages.txt";
  const int status = RunRuff(ruff, folder.path(), messages);
  // 0: nothing found, 1: findings; anything else is a fault.
  std::ifstream file(folder.path() / "findings.json");
  const auto json = nlohmann::json::parse(file, nullptr, false);
  if (!WIFEXITED(status) || WEXITSTATUS(status) > 1 || !json.is_array()) {
    throw MachineError("'" + ruff + " check' failed: " + ReadFile(messages.string()).substr(0, 500));
  }
  for (const auto& one : json) {
    const std::string name = fs::path(one.value("filename", "")).stem().string();
    const std::size_t index = std::strtoul(name.c_str(), nullptr, 10);
    if (index < findings.size()) ++findings[index];
  }
  return findings;
}

}  // namespace cogent
