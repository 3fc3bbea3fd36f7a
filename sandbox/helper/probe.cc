// Tries each primitive for real: a version number says little about what a container allows.
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>

#include "sandbox/helper/helper.h"

namespace cogent::helper {
namespace {

// One line a finding: state, level that needs it, name, value, remedy; tabs between.
void Print(const char* state, const char* needed, const std::string& name, const std::string& value, const std::string& remedy = "") {
  std::printf("%s\t%s\t%s\t%s\t%s\n", state, needed, name.c_str(), value.c_str(), remedy.c_str());
}

// Runs `attempt` in a child; empty when it went well, else its reason.
std::string Try(const std::function<void()>& attempt) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Reason("pipe");
  const pid_t child = fork();
  if (child == 0) {
    std::string reason;
    try {
      attempt();
    } catch (const std::exception& error) {
      reason = error.what();
    }
    (void)!write(ends[1], reason.data(), reason.size());
    _exit(reason.empty() ? 0 : 1);
  }
  close(ends[1]);
  std::string reason;
  char buffer[512];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;) reason.append(buffer, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 1;
  waitpid(child, &status, 0);
  if (status != 0 && reason.empty()) reason = "ended by signal " + std::to_string(WTERMSIG(status));
  return reason;
}

void Line(const char* needed, const std::string& name, const std::string& remedy, const std::function<void()>& attempt) {
  const std::string reason = Try(attempt);
  Print(reason.empty() ? "ok" : "missing", needed, name, reason.empty() ? "works" : reason, reason.empty() ? "" : remedy);
}

void InChildOfNamespaces(const std::function<void()>& attempt) {
  BecomeNobody();
  EnterNamespaces(0);
  const std::string reason = Try(attempt);
  if (!reason.empty()) throw std::runtime_error(reason);
}

std::string UserNamespaceRemedy() {
  const auto value = [](const char* path) {
    std::ifstream file(path);
    std::string text;
    std::getline(file, text);
    return text;
  };
  if (value("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1") {
    return "Ubuntu's AppArmor forbids it: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with `userns,` for cogent-sandbox";
  }
  if (value("/proc/sys/kernel/unprivileged_userns_clone") == "0") return "sudo sysctl kernel.unprivileged_userns_clone=1";
  if (value("/proc/sys/user/max_user_namespaces") == "0") return "sudo sysctl user.max_user_namespaces=10000";
  return "in Docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined (or --cap-add SYS_ADMIN); in Slurm ask for a node that allows user namespaces";
}

void ProbeGroup() {
  std::string why_not;
  Group group = MakeGroup(std::to_string(getpid()) + "-probe", why_not);
  if (group.version == 0) {
    Print("note", "-", "control group", "none: memory is bounded process by process, and a run is one process", why_not);
    return;
  }
  Print("ok", "-", "control group", "version " + std::to_string(group.version) + ", " + group.folders[0]);
  CloseGroup(group);
  RemoveGroup(group);
}

}  // namespace

int Probe(const std::string& python, const std::string& zygote) {
  const auto interpreter = AskInterpreter(python);
  Print(interpreter ? "ok" : "missing", "both", "Python", interpreter ? interpreter->version + ", " + interpreter->path : python + " cannot be run, or is older than 3.10",
        interpreter ? "" : "install python3 of 3.10 or newer, or name one with `python:`");
  Line("both", "system-call filter", "a kernel with CONFIG_SECCOMP_FILTER", [] {
    const std::string filter = CompileFilter(true, true);
    sock_fprog program{static_cast<unsigned short>(filter.size() / 8), reinterpret_cast<sock_filter*>(const_cast<char*>(filter.data()))};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) throw std::runtime_error(Reason("seccomp"));
    if (unshare(CLONE_NEWUSER) == 0 || errno != EPERM) throw std::runtime_error("loaded, but it does not deny");
  });
  Line("both", "close_range", "Linux 5.11 or newer", [] {
    if (syscall(SYS_close_range, 900, ~0u, CLOSE_RANGE_CLOEXEC) != 0) throw std::runtime_error(Reason("close_range"));
  });
  Line("both", "process descriptors", "Linux 5.3 or newer", [] {
    if (syscall(SYS_pidfd_open, getpid(), 0) < 0) throw std::runtime_error(Reason("pidfd_open"));
  });
  Line("full", "user, pid, net, ipc, uts, cgroup namespaces", UserNamespaceRemedy(), [] { InChildOfNamespaces([] {}); });
  Line("full", "a root of its own", "Linux 5.12 or newer; in a container, no masks below /usr", [&] {
    if (!interpreter) throw std::runtime_error("no interpreter to put into it");
    InChildOfNamespaces([&] { MakeRoot(interpreter->prefix, zygote); });
  });
  const std::string proc = Try([&] {
    InChildOfNamespaces([] {
      if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 || !FreshProcWorks()) throw std::runtime_error("it cannot be mounted");
    });
  });
  Print(proc.empty() ? "ok" : "note", "-", "/proc of its own", proc.empty() ? "works" : proc + ": runs have no /proc",
        proc.empty() ? "" : "where a container masks /proc: --security-opt systempaths=unconfined (Podman: unmask=/proc/*)");
  const int landlock = LandlockVersion();
  Print(landlock >= 6 ? "ok" : "note", "reduced", "Landlock", landlock == 0 ? "none" : "version " + std::to_string(landlock),
        landlock >= 6 ? "" : "Linux 6.12 or newer with landlock in `lsm=`; only the level `reduced` wants it");
  ProbeGroup();
  return 0;
}

}  // namespace cogent::helper
