// Control groups of version 2 where they are delegated, of version 1 where they are writable.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sandbox/helper/helper.h"

namespace cogent::helper {
namespace {

namespace fs = std::filesystem;

constexpr char kPrefix[] = "cogent-sandbox-";

std::string ReadText(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool HasWord(const std::string& text, const std::string& word, char separator) {
  std::istringstream words(text);
  for (std::string one; std::getline(words, one, separator);) {
    if (one == word) return true;
  }
  return false;
}

// The folders of this process's own groups that hold memory and pids.
struct Place {
  int version = 0;
  fs::path memory, pids;
};

// Where a hierarchy is mounted, by /proc/self/mounts: of version 2, or the one of a controller.
fs::path MountOf(const std::string& controller) {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string device, path, type, options;
    words >> device >> path >> type >> options;
    if (controller.empty() ? type == "cgroup2" : type == "cgroup" && HasWord(options, controller, ',')) return path;
  }
  return {};
}

// This process's group below the mount; a container may show only its own part, at the top.
fs::path OwnGroup(const fs::path& mount, const std::string& group) {
  const fs::path whole = mount / fs::path(group).relative_path();
  return fs::exists(whole) ? whole : mount;
}

Place FindPlace() {
  Place place;
  std::ifstream groups("/proc/self/cgroup");
  std::string unified;
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers.empty()) unified = group;
    for (const char* controller : {"memory", "pids"}) {
      const fs::path mount = HasWord(controllers, controller, ',') ? MountOf(controller) : fs::path();
      if (!mount.empty()) (controller[0] == 'm' ? place.memory : place.pids) = OwnGroup(mount, group);
    }
  }
  if (!place.memory.empty() && !place.pids.empty()) {
    place.version = 1;
    return place;
  }
  const fs::path mount = MountOf("");
  if (mount.empty() || unified.empty()) return {};
  const fs::path own = OwnGroup(mount, unified);
  const std::string controllers = ReadText(own / "cgroup.controllers");
  std::string spaced = controllers.substr(0, controllers.find('\n'));
  if (!HasWord(spaced, "memory", ' ') || !HasWord(spaced, "pids", ' ')) return {};
  return {2, own, own};
}

int Open(const fs::path& file, int flags) { return open(file.c_str(), flags | O_CLOEXEC); }

void OpenFirst(Group& group, const fs::path& memory, const fs::path& pids) {
  // A process of one thread may join by `tasks`, which spares it the lock that `cgroup.procs` takes on all forks of the
  // machine: up to 10 ms when nobody joined a group just before.
  group.memory_procs = Open(memory / "tasks", O_WRONLY);
  group.pids_procs = Open(pids / "tasks", O_WRONLY);
  group.memory_limit = Open(memory / "memory.limit_in_bytes", O_WRONLY);
  group.swap_limit = Open(memory / "memory.memsw.limit_in_bytes", O_WRONLY);
  group.memory_peak = Open(memory / "memory.max_usage_in_bytes", O_RDWR);
  group.memory_events = Open(memory / "memory.oom_control", O_RDONLY);
  group.pids_limit = Open(pids / "pids.max", O_WRONLY);
  group.pids_events = Open(pids / "pids.events", O_RDONLY);
}

void OpenSecond(Group& group, const fs::path& folder) {
  group.memory_procs = Open(folder / "cgroup.procs", O_WRONLY);
  group.memory_limit = Open(folder / "memory.max", O_WRONLY);
  group.swap_limit = Open(folder / "memory.swap.max", O_WRONLY);
  group.memory_peak = Open(folder / "memory.peak", O_RDWR);  // older kernels let it be read only
  if (group.memory_peak < 0) group.memory_peak = Open(folder / "memory.peak", O_RDONLY);
  group.memory_events = Open(folder / "memory.events", O_RDONLY);
  group.pids_limit = Open(folder / "pids.max", O_WRONLY);
  group.pids_events = Open(folder / "pids.events", O_RDONLY);
}

}  // namespace

Group MakeGroup(const std::string& name, std::string& why_not) {
  const Place place = FindPlace();
  Group group;
  if (place.version == 0) {
    why_not = "no control group with memory and pids is in sight; with systemd: systemd-run --user --scope -p Delegate=yes COMMAND";
    return group;
  }
  if (place.version == 2) {
    std::ofstream(place.memory / "cgroup.subtree_control") << "+memory +pids";
    std::string enabled = ReadText(place.memory / "cgroup.subtree_control");
    enabled = enabled.substr(0, enabled.find('\n'));
    if (!HasWord(enabled, "memory", ' ') || !HasWord(enabled, "pids", ' ')) {
      why_not = place.memory.string() + " does not pass memory and pids on; it must be delegated and hold no process itself: "
                "systemd-run --user --scope -p Delegate=yes sh -c 'mkdir $G/main; echo $$ >$G/main/cgroup.procs; exec COMMAND', G its folder";
      return group;
    }
  }
  const fs::path memory = place.memory / (kPrefix + name), pids = place.pids / (kPrefix + name);
  for (const fs::path& folder : {memory, pids}) {
    if (folder == pids && pids == memory) continue;
    if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
      why_not = Reason("making " + folder.string()) + "; as an ordinary user: systemd-run --user --scope -p Delegate=yes COMMAND";
      RemoveGroup(group);
      return {};
    }
    group.folders.push_back(folder.string());
  }
  place.version == 1 ? OpenFirst(group, memory, pids) : OpenSecond(group, memory);
  if (group.memory_procs < 0 || group.memory_limit < 0 || group.pids_limit < 0) {
    why_not = Reason("opening the limits in " + memory.string());
    CloseGroup(group);
    RemoveGroup(group);
    return {};
  }
  group.version = place.version;
  return group;
}

void CloseGroup(Group& group) {
  for (int* fd : {&group.memory_procs, &group.pids_procs, &group.memory_limit, &group.swap_limit, &group.memory_peak,
                  &group.memory_events, &group.pids_limit, &group.pids_events}) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
}

bool RemoveGroup(const Group& group) {
  bool gone = true;
  for (const std::string& folder : group.folders) gone &= rmdir(folder.c_str()) == 0 || errno == ENOENT;
  return gone;
}

void SweepGroups() {
  const Place place = FindPlace();
  for (const fs::path& parent : {place.memory, place.pids}) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(parent, error)) {
      const std::string name = entry.path().filename().string();
      if (name.rfind(kPrefix, 0) != 0) continue;
      const pid_t owner = std::atoi(name.c_str() + sizeof kPrefix - 1);  // the spawner's process
      if (owner > 0 && kill(owner, 0) != 0 && errno == ESRCH) rmdir(entry.path().c_str());
    }
  }
}

}  // namespace cogent::helper
