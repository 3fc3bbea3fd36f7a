// The system calls that a run may make. What is not in the list gives EPERM; a second system-call table
// (32-bit, x32) ends the process.
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <stdexcept>

#include "sandbox/helper/helper.h"

namespace cogent::helper {
namespace {

// Memory, files, time, signals, waiting: what an interpreter or a compiled program lives on.
constexpr const char* kAllowed[] = {
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "open", "openat", "openat2",
    "close", "close_range", "creat", "stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2",
    "lseek", "dup", "dup2", "dup3", "pipe", "pipe2", "fcntl", "flock", "fsync", "fdatasync", "sync_file_range", "truncate", "ftruncate",
    "fallocate", "fadvise64", "readahead", "sendfile", "splice", "tee", "vmsplice", "copy_file_range", "getdents", "getdents64", "getcwd",
    "chdir", "fchdir", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "link", "linkat", "unlink", "unlinkat", "symlink",
    "symlinkat", "readlink", "readlinkat", "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "umask", "utime",
    "utimes", "futimesat", "utimensat", "getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr", "mknod", "mknodat",
    "mmap", "munmap", "mprotect", "mremap", "madvise", "brk", "msync", "mincore", "mlock", "munlock", "membarrier",
    "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
    "eventfd", "eventfd2", "timerfd_create", "timerfd_settime", "timerfd_gettime", "signalfd", "signalfd4", "inotify_init",
    "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
    "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "shutdown", "getsockname", "getpeername", "getsockopt",
    "setsockopt",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait", "rt_sigsuspend", "rt_sigqueueinfo",
    "rt_tgsigqueueinfo", "sigaltstack", "kill", "tkill", "tgkill", "pause", "alarm", "getitimer", "setitimer", "pidfd_open",
    "pidfd_send_signal",
    "fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "getpid", "getppid", "gettid", "getpgid", "getpgrp",
    "setpgid", "getsid", "setsid", "set_tid_address", "set_robust_list", "get_robust_list", "rseq", "futex", "futex_waitv",
    "restart_syscall", "arch_prctl", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid", "getresgid", "setuid",
    "setgid", "setreuid", "setregid", "setresuid", "setresgid", "capget", "getrlimit", "setrlimit", "getrusage", "times", "sysinfo",
    "uname", "getpriority", "sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max",
    "sched_get_priority_min", "sched_rr_get_interval", "sched_getattr", "getcpu", "getrandom", "gettimeofday", "time", "clock_gettime",
    "clock_getres", "clock_nanosleep", "nanosleep", "timer_create", "timer_settime", "timer_gettime", "timer_getoverrun",
    "timer_delete"};

// Denied by leaving them out, and worth knowing: unshare, setns, mount and its kin, pivot_root, chroot, ptrace, process_vm_*,
// process_madvise, pidfd_getfd, kcmp, bpf, perf_event_open, userfaultfd, io_uring_*, keyctl and its kin, memfd_create (its pages
// would be files outside of the storage limit), System V and POSIX queues, shared memory and semaphores, open_by_handle_at,
// personality, clock and module calls, socket, bind, connect, listen, accept (socketpair is all that programs need).

class Rules {
 public:
  Rules() : context_(seccomp_init(SCMP_ACT_ERRNO(EPERM)), seccomp_release) {
    if (!context_) throw std::runtime_error("seccomp_init failed");
    Must(seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
    Must(seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));  // a tree: 8 comparisons, not 200
  }
  template <typename... Conditions>
  void Add(std::uint32_t action, const char* name, Conditions... conditions) {
    const int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR) return;  // older than this library's table, or not of this processor
    const int result = seccomp_rule_add(context_.get(), action, call, sizeof...(conditions), conditions...);
    if (result != 0 && result != -EDOM) Must(result);
  }
  std::string Export() {
    const int fd = memfd_create("filter", MFD_CLOEXEC);
    if (fd < 0) throw std::runtime_error(Reason("memfd_create"));
    Must(seccomp_export_bpf(context_.get(), fd));
    std::string bytes(static_cast<std::size_t>(lseek(fd, 0, SEEK_END)), 0);
    const ssize_t got = pread(fd, bytes.data(), bytes.size(), 0);
    close(fd);
    if (got != static_cast<ssize_t>(bytes.size())) throw std::runtime_error(Reason("reading the filter"));
    return bytes;
  }

 private:
  static void Must(int result) {
    if (result == 0) return;
    errno = -result;
    throw std::runtime_error(Reason("libseccomp"));
  }
  std::unique_ptr<void, void (*)(void*)> context_;
};

void AddArguments(Rules& rules, bool single_process) {
  // 32 bits are compared: the kernel looks at no more, and a number with other bits above would pass by.
  const auto low = [](unsigned argument, std::uint64_t mask, std::uint64_t value) {
    return scmp_arg_cmp{argument, SCMP_CMP_MASKED_EQ, mask, value};
  };
  constexpr std::uint64_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  if (single_process) {
    rules.Add(SCMP_ACT_ALLOW, "clone", low(0, kNewNamespaces | CLONE_THREAD, CLONE_THREAD));
    // What the kernel says at its own limit of processes.
    rules.Add(SCMP_ACT_ERRNO(EAGAIN), "clone", low(0, kNewNamespaces | CLONE_THREAD, 0));
    rules.Add(SCMP_ACT_ERRNO(EAGAIN), "fork");
    rules.Add(SCMP_ACT_ERRNO(EAGAIN), "vfork");
  } else {
    rules.Add(SCMP_ACT_ALLOW, "clone", low(0, kNewNamespaces, 0));
  }
  rules.Add(SCMP_ACT_ERRNO(ENOSYS), "clone3");  // its flags are out of sight; libraries then use clone
  rules.Add(SCMP_ACT_ALLOW, "socketpair", low(0, 0xFFFFFFFF, AF_UNIX));
  // Others' limits, niceness and processors: init is of the same user.
  rules.Add(SCMP_ACT_ALLOW, "prlimit64", low(0, 0xFFFFFFFF, 0));
  rules.Add(SCMP_ACT_ALLOW, "setpriority", low(0, 0xFFFFFFFF, PRIO_PROCESS), low(1, 0xFFFFFFFF, 0));
  rules.Add(SCMP_ACT_ALLOW, "sched_setaffinity", low(0, 0xFFFFFFFF, 0));
  // Everything that asks about a terminal or a file, nothing that types into one or draws on it.
  for (const std::uint64_t request : {TCGETS, TIOCGWINSZ, TIOCGPGRP, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, FIOASYNC}) {
    rules.Add(SCMP_ACT_ALLOW, "ioctl", low(1, 0xFFFFFFFF, request));
  }
  for (const std::uint64_t option : {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_SET_PDEATHSIG, PR_GET_PDEATHSIG,
                                     PR_CAPBSET_READ, PR_GET_NO_NEW_PRIVS, PR_SET_NO_NEW_PRIVS, PR_GET_SECCOMP, PR_SET_VMA,
                                     PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SET_THP_DISABLE, PR_GET_THP_DISABLE}) {
    rules.Add(SCMP_ACT_ALLOW, "prctl", low(0, 0xFFFFFFFF, option));
  }
}

}  // namespace

std::string CompileFilter(bool single_process, bool namespaces) {
  Rules rules;
  for (const char* name : kAllowed) {
    const std::string call = name;
    if (single_process && (call == "fork" || call == "vfork")) continue;
    // Without a root of its own, a device node or another owner would be on the host's disk.
    if (!namespaces && (call == "mknod" || call == "mknodat" || call.find("chown") != std::string::npos)) continue;
    rules.Add(SCMP_ACT_ALLOW, name);
  }
  AddArguments(rules, single_process);
  return rules.Export();
}

}  // namespace cogent::helper
