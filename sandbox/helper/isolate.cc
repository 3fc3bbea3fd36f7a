// From a process of the caller's user to the first process of a worker's namespaces.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "sandbox/helper/helper.h"

namespace cogent::helper {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;
constexpr char kOld[] = "/old";

[[noreturn]] void Fail(const std::string& what) { throw std::runtime_error(Reason(what)); }

void WriteText(const std::string& path, const std::string& text, mode_t mode = 0644) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) Fail(path);
  const ssize_t wrote = write(fd, text.data(), text.size());
  close(fd);
  if (wrote != static_cast<ssize_t>(text.size())) Fail(path);
}

void MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) Fail("making " + path);
}

// Makes what is mounted at `path` read-only with all below it.
void Protect(const std::string& path, std::uint64_t more) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | more;
  if (syscall(SYS_mount_setattr, AT_FDCWD, path.c_str(), AT_RECURSIVE, &attributes, sizeof attributes) != 0) {
    Fail("making " + path + " read-only (mount_setattr)");
  }
}

void Bind(const std::string& path) {
  const std::string from = kOld + path;
  if (mount(from.c_str(), path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) Fail("binding " + path);
}

void BindFolder(const std::string& path) {
  std::error_code error;
  const fs::path from = kOld + path;
  if (fs::is_symlink(from, error)) {
    fs::create_symlink(fs::read_symlink(from), path, error);
    return;
  }
  if (!fs::is_directory(from, error)) return;
  fs::create_directories(path, error);
  Bind(path);
  Protect(path, MOUNT_ATTR_NODEV);
}

void BindFile(const std::string& path) {
  if (access((kOld + path).c_str(), F_OK) != 0) return;
  WriteText(path, "");
  Bind(path);
  Protect(path, 0);
}

void FillRoot(const std::string& python_prefix, const std::string& zygote) {
  for (const char* folder : {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"}) BindFolder(folder);
  if (python_prefix.rfind("/usr", 0) != 0) BindFolder(python_prefix);
  for (const char* folder : {"/etc", "/dev", "/proc", "/tmp", "/run", "/var", "/cogent"}) MakeFolder(folder);
  for (const char* file : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}) BindFile(file);
  BindFile("/etc/ld.so.cache");
  BindFolder("/etc/alternatives");
  WriteText("/etc/passwd", "run:x:1000:1000:run:/tmp:/bin/sh\n");
  WriteText("/etc/group", "run:x:1000:\n");
  WriteText("/etc/hosts", "127.0.0.1 localhost\n");
  const std::pair<const char*, const char*> links[] = {{"/tmp", "/dev/shm"}, {"/tmp", "/var/tmp"}, {"/proc/self/fd", "/dev/fd"},
      {"/proc/self/fd/0", "/dev/stdin"}, {"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"}};
  for (const auto& [to, name] : links) {
    if (symlink(to, name) != 0) Fail(name);
  }
  WriteText("/cogent/libcogent_zygote.so", zygote, 0444);
}

}  // namespace

std::string Reason(const std::string& what) { return what + ": " + strerror(errno); }

void BecomeNobody() {
  if (geteuid() != 0) return;
  if (setgroups(0, nullptr) != 0 || setresgid(kNobody, kNobody, kNobody) != 0 || setresuid(kNobody, kNobody, kNobody) != 0) {
    Fail("becoming user 65534");
  }
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // or /proc/self/uid_map is not ours to write
}

void EnterNamespaces(std::uint32_t without) {
  const uid_t user = geteuid();
  const gid_t group = getegid();
  int flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWPID;
  if ((without & wire::kNetwork) == 0) flags |= CLONE_NEWNET;
  if (unshare(flags) != 0) Fail("user and other namespaces (unshare)");
  WriteText("/proc/self/setgroups", "deny");
  WriteText("/proc/self/uid_map", "1000 " + std::to_string(user) + " 1");
  WriteText("/proc/self/gid_map", "1000 " + std::to_string(group) + " 1");
  if (sethostname("sandbox", 7) != 0) Fail("naming the host of the uts namespace");
}

// Tried in a child: a new pid namespace's proc, in a mount namespace of its own.
bool FreshProcWorks() {
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS | CLONE_NEWPID) != 0) _exit(1);
    const pid_t inner = fork();
    if (inner == 0) _exit(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid") == 0 ? 0 : 1);
    int status = 1;
    waitpid(inner, &status, 0);
    _exit(status == 0 ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  return status == 0;
}

bool MakeRoot(const std::string& python_prefix, const std::string& zygote) {
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) Fail("private mounts");
  if (mount("root", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=4m,nr_inodes=512,mode=0755") != 0) Fail("tmpfs of the root");
  MakeFolder(std::string("/tmp") + kOld);
  if (syscall(SYS_pivot_root, "/tmp", (std::string("/tmp") + kOld).c_str()) != 0) Fail("pivot_root");
  if (chdir("/") != 0) Fail("/");
  FillRoot(python_prefix, zygote);
  // The kernel gives a new proc only to who sees one already, whole: the old root's, which allows this
  // one, which allows those of the runs. They lie on top of it; where they cannot, it goes.
  bool proc = mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0;
  if (umount2(kOld, MNT_DETACH) != 0 || rmdir(kOld) != 0) Fail("leaving the old root");
  if (proc && !FreshProcWorks()) {
    if (umount2("/proc", MNT_DETACH) != 0) Fail("leaving /proc");
    proc = false;
  }
  if (mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, nullptr) != 0) Fail("a read-only root");
  return proc;
}

void KeepNamespaceCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  constexpr unsigned kKept = 1u << CAP_SYS_ADMIN | 1u << CAP_SETPCAP;
  data[0].effective = data[0].permitted = data[0].inheritable = kKept;
  if (syscall(SYS_capset, &header, data) != 0) Fail("keeping the namespace's capabilities");
  for (const int capability : {CAP_SYS_ADMIN, CAP_SETPCAP}) {
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) Fail("ambient capabilities");
  }
}

void RestrictByLandlock(const std::string& python_prefix, const std::string& folder, const std::string& zygote) {
  if (LandlockVersion() < 6) throw std::runtime_error("Landlock of version 6 (Linux 6.12) is not there; it is what bounds files and signals at the level reduced");
  // All rights of version 6, by their bits: a system's headers may be older than its kernel.
  constexpr std::uint64_t kAllFiles = 0xFFFF, kAllNetwork = 3, kRead = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  constexpr std::uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE, kWriteFile = LANDLOCK_ACCESS_FS_WRITE_FILE;
  const struct { std::uint64_t files, network, scoped; } attributes{kAllFiles, kAllNetwork, 3};
  const int ruleset = static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0));
  if (ruleset < 0) Fail("Landlock");
  const auto allow = [&](const std::string& path, std::uint64_t rights) {
    landlock_path_beneath_attr rule{};
    rule.allowed_access = rights;
    rule.parent_fd = open(path.c_str(), O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0) return;  // what is not there needs no rule
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) Fail("Landlock's rule for " + path);
    close(rule.parent_fd);
  };
  for (const std::string path : {"/usr", "/bin", "/lib", "/lib64"}) allow(path, kRead);
  allow(python_prefix, kRead);
  allow(zygote, kReadFile | LANDLOCK_ACCESS_FS_EXECUTE);
  allow("/etc/ld.so.cache", kReadFile);
  for (const std::string path : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}) allow(path, kReadFile | kWriteFile);
  allow(folder, kAllFiles);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) Fail("Landlock");
  close(ruleset);
}

int LandlockVersion() {
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 0 ? 0 : static_cast<int>(version);
}

}  // namespace cogent::helper
