// The machine around the sandbox: bait, victims, listeners, and looking at it.
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "tests/attacks/checks.h"

namespace cogent::attacks {
namespace {

namespace fs = std::filesystem;

std::string ReadLive(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();  // a process may end while its file is read
  return text.str();
}

void Replace(std::string& text, const std::string& what, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) text.replace(at, what.size(), by);
}

int BoundSocket(int domain, int type, int& port) {
  const int fd = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) throw std::runtime_error("no port at loopback");
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

int UnixListener(const std::string& name, bool abstract) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + (abstract ? 1 : 0), name.data(), std::min(name.size(), sizeof address.sun_path - 2));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + 1);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd, 8) != 0) throw std::runtime_error("no UNIX listener at " + name);
  return fd;
}

// Value of a line of /proc/PID/status, in its own unit.
std::string StatusLine(const std::string& status, const std::string& key) {
  const std::size_t at = status.find("\n" + key + ":");
  if (at == std::string::npos) return "";
  const std::size_t begin = at + key.size() + 2;
  return status.substr(begin, status.find('\n', begin) - begin);
}

std::int64_t Kib(const std::string& status, const std::string& key) { return std::atoll(StatusLine(status, key).c_str()) * 1024; }

struct Seen {
  int pid, parent;
  std::string status;
};

std::vector<Seen> AllProcesses() {
  std::vector<Seen> all;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const int pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    const std::string status = ReadLive(entry.path() / "status");
    if (!status.empty()) all.push_back({pid, std::atoi(StatusLine(status, "PPid").c_str()), status});
  }
  return all;
}

std::string NameOf(const Seen& one) { return one.status.substr(6, one.status.find('\n') - 6); }

std::set<int> WithAllBelow(const std::vector<Seen>& all, std::set<int> found) {
  for (std::size_t before = ~std::size_t{0}; before != found.size();) {
    before = found.size();
    for (const Seen& one : all) {
      if (found.count(one.parent) > 0) found.insert(one.pid);
    }
  }
  return found;
}

int CountLines(const fs::path& path) {
  const std::string text = ReadLive(path);
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

int CountGroups(int spawner) {
  const std::string prefix = "cogent-sandbox-" + std::to_string(spawner) + "-";
  int count = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it("/sys/fs/cgroup", fs::directory_options::skip_permission_denied, error), end; it != end; it.increment(error)) {
    if (error) break;
    if (it.depth() > 4) it.disable_recursion_pending();
    if (it->path().filename().string().rfind(prefix, 0) == 0) ++count;
  }
  return count;
}

std::int64_t UsedDisk(const char* path) {
  struct statvfs about {};
  if (statvfs(path, &about) != 0) return 0;
  return static_cast<std::int64_t>(about.f_blocks - about.f_bfree) * static_cast<std::int64_t>(about.f_frsize);
}

}  // namespace

std::string Token() {
  unsigned char bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) throw std::runtime_error("getrandom");
  std::string text = "RLTOKEN-";
  for (const unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

Host::Host(const std::vector<std::string>& needs) {
  if (const char* secret = std::getenv("COGENT_ATTACK_SECRET")) tokens_.push_back(secret);
  for (const std::string& need : needs) {
    if (need == "canary_dir") MakeCanary();
    if (need == "victim_process") MakeVictim();
    if (need.ends_with("_listener")) Listen(need.substr(0, need.size() - 9));
    if (need == "free_port") {
      close(BoundSocket(AF_INET, SOCK_STREAM, free_port_));
      values_["FREE_PORT"] = std::to_string(free_port_);
    }
  }
}

Host::~Host() {
  for (const auto& [kind, fd] : listeners_) close(fd);
  if (victim_ > 0) {
    kill(victim_, SIGKILL);
    waitpid(victim_, nullptr, 0);
    close(victim_pipe_);
  }
  std::error_code ignored;
  if (!canary_.empty()) fs::remove_all(canary_, ignored);
}

void Host::MakeCanary() {
  if (!canary_.empty()) return;
  char name[] = "/tmp/attack-canary-XXXXXX";
  if (mkdtemp(name) == nullptr) throw std::runtime_error("no canary folder");
  canary_ = name;
  chmod(name, 0777);
  tokens_.push_back(Token());
  contents_[(canary_ / "secret.txt").string()] = tokens_.back() + "\n";
  contents_[(canary_ / "victim.txt").string()] = "nobody may change this\n";
  for (const auto& [path, text] : contents_) {
    std::ofstream(path) << text;
    chmod(path.c_str(), 0666);
  }
  values_["CANARY_DIR"] = name;
}

void Host::Listen(const std::string& kind) {
  int port = 0;
  if (kind == "tcp" || kind == "udp") {
    listeners_[kind] = BoundSocket(AF_INET, kind == "tcp" ? SOCK_STREAM : SOCK_DGRAM, port);
    if (kind == "tcp") listen(listeners_[kind], 8);
    values_[kind == "tcp" ? "TCP_PORT" : "UDP_PORT"] = std::to_string(port);
  } else if (kind == "abstract") {
    values_["ABSTRACT_NAME"] = "attack-" + Token();
    listeners_[kind] = UnixListener(values_["ABSTRACT_NAME"], true);
  } else {
    MakeCanary();
    listeners_[kind] = UnixListener((canary_ / "listen.sock").string(), false);
    chmod((canary_ / "listen.sock").c_str(), 0777);
  }
}

// Counts SIGURG and sends each through a pipe; has a mark in its command line, a token in its memory and
// one behind descriptor 50. Belongs to the user that the runs belong to.
void Host::MakeVictim() {
  const std::string mark = "mark-" + Token();
  tokens_.push_back(Token());
  int ends[2], secret[2], ready[2];
  if (pipe2(ends, O_CLOEXEC) != 0 || pipe(secret) != 0 || pipe2(ready, O_CLOEXEC) != 0) throw std::runtime_error("pipes");
  (void)!write(secret[1], tokens_.back().data(), tokens_.back().size());
  victim_ = fork();
  if (victim_ == 0) {
    dup2(secret[0], 50);
    dup2(ends[1], 51);
    if (geteuid() == 0) (void)!setresuid(65534, 65534, 65534);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    const std::string script = "T=" + tokens_.back() + "; trap 'echo u >&51' URG; echo r >&51; while :; do sleep 0.05; done # ";
    execl("/bin/bash", "bash", "-c", script.c_str(), mark.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]), close(secret[0]), close(secret[1]), close(ready[0]), close(ready[1]);
  victim_pipe_ = ends[0];
  char byte;
  for (int i = 0; i < 2; ++i) (void)!read(victim_pipe_, &byte, 1);  // "r\n": the trap is set
  fcntl(victim_pipe_, F_SETFL, O_NONBLOCK);
  values_["VICTIM_PID"] = std::to_string(victim_);
  values_["VICTIM_MARK"] = mark;
  values_["HOST_PID"] = std::to_string(getpid());
}

std::string Host::Filled(std::string text) const {
  for (const auto& [name, value] : values_) Replace(text, "@@" + name + "@@", value);
  return text;
}

bool Host::Connected(const std::string& listener) const {
  const auto found = listeners_.find(listener);
  if (found == listeners_.end()) throw std::runtime_error("no listener '" + listener + "' was prepared");
  char byte;
  if (listener == "udp") return recv(found->second, &byte, 1, MSG_DONTWAIT) >= 0;
  const int fd = accept4(found->second, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

bool Host::PortReachable() const {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(free_port_));
  const bool reachable = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return reachable;
}

int Host::VictimSignals() const {
  int signals = 0;
  char byte;
  while (victim_pipe_ >= 0 && read(victim_pipe_, &byte, 1) == 1) signals += byte == 'u';
  const bool alive = victim_ <= 0 || kill(victim_, 0) == 0;
  return alive ? signals : signals + 1;
}

Sight Look(int spawner) {
  Sight sight;
  const std::vector<Seen> all = AllProcesses();
  const auto nested = [](const std::string& status) {
    std::istringstream numbers(StatusLine(status, "NSpid"));
    int depth = 0;
    for (std::string word; numbers >> word;) ++depth;
    return depth > 1;
  };
  const std::set<int> below = WithAllBelow(all, {spawner});
  std::set<int> others;  // sandboxes of other programs on this machine
  for (const Seen& one : all) {
    if (NameOf(one) == "cogent-sandbox" && below.count(one.pid) == 0) others.insert(one.pid);
  }
  others = WithAllBelow(all, others);
  for (const Seen& one : all) {
    if (one.pid != spawner && (below.count(one.pid) > 0 || (nested(one.status) && others.count(one.pid) == 0))) {
      // Threads count against the same table.
      sight.processes += std::max(1, std::atoi(StatusLine(one.status, "Threads").c_str()));
      sight.run_memory += Kib(one.status, "RssAnon") + Kib(one.status, "RssShmem");
    }
    sight.names.push_back(NameOf(one));
  }
  sight.disk = UsedDisk("/");
  struct stat root {}, other {};
  stat("/", &root);
  for (const char* path : {"/tmp", "."}) {
    if (stat(path, &other) == 0 && other.st_dev != root.st_dev) sight.disk += UsedDisk(path);
  }
  sight.own_memory = Kib("\n" + ReadLive("/proc/self/status"), "VmRSS");
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) ++sight.descriptors;
  sight.mounts = CountLines("/proc/self/mounts");
  sight.groups = CountGroups(spawner);
  return sight;
}

std::vector<std::string> Leftovers() {
  std::vector<std::string> found;
  for (const char* folder : {"/tmp", "/dev/shm", "/var/tmp", "."}) {
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      struct stat about {};
      if (lstat(it->path().c_str(), &about) != 0) continue;
      const bool set_id = S_ISREG(about.st_mode) && (about.st_mode & (S_ISUID | S_ISGID)) != 0;
      if (name.rfind("rlatk-", 0) == 0 || name == "core" || name.rfind("core.", 0) == 0 || set_id) found.push_back(it->path().string());
    }
  }
  return found;
}

}  // namespace cogent::attacks
