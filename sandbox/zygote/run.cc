// Init and the program's process: from a fresh clone of the zygote to the program.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

#include "sandbox/zygote/zygote.h"

namespace cogent::zygote {
namespace {

constexpr std::uint64_t kInodes = 4096;

// A system call that leaves errno alone, which init shares with the zygote. Gives -errno when it fails.
long Raw(long number, long a = 0, long b = 0, long c = 0, long d = 0) {
#if defined(__x86_64__)
  long result;
  register long fourth asm("r10") = d;
  asm volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = 0;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
#else
#error "sandbox/zygote/run.cc: write Raw() for this processor"
#endif
}
long Address(const void* pointer) { return reinterpret_cast<long>(pointer); }

[[noreturn]] void Fault(int report, const char* what) {
  InitReport text{};
  const int length = snprintf(text.fault, sizeof text.fault, "%s: %s", what, strerror(errno));
  text.fault_bytes = static_cast<std::uint32_t>(length < static_cast<int>(sizeof text.fault) ? length : static_cast<int>(sizeof text.fault) - 1);
  (void)!write(report, &text, sizeof text);
  _exit(127);
}

// ---- files ----------------------------------------------------------------------------------------

// A name without folders: the caller's own, but a bug of ours must not become a path.
bool PlainName(const char* name, std::size_t bytes) {
  if (bytes == 0 || bytes > 200 || name[0] == '.') return false;
  return memchr(name, '/', bytes) == nullptr && memchr(name, 0, bytes) == nullptr;
}

void WriteFiles(const Program& program, int report) {
  const char* at = program.files;
  for (std::uint32_t i = 0; i < program.head.files; ++i) {
    wire::FileHead head;
    memcpy(&head, at, sizeof head);
    at += sizeof head;
    char name[256] = {};
    errno = EINVAL;
    if (!PlainName(at, head.name_bytes)) Fault(report, "a file of the program has a name with folders in it");
    memcpy(name, at, head.name_bytes);
    at += head.name_bytes;
    const int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) Fault(report, "a file of the program cannot be made");
    for (std::uint64_t done = 0; done < head.bytes;) {
      const ssize_t wrote = write(fd, at + done, head.bytes - done);
      if (wrote <= 0) Fault(report, "the program's files do not fit into its storage limit");
      done += static_cast<std::uint64_t>(wrote);
    }
    close(fd);
    at += head.bytes;
  }
}

void MountBox(const wire::Limits& limits, int report) {
  char options[128];
  snprintf(options, sizeof options, "size=%llu,nr_inodes=%llu,mode=0755",
           static_cast<unsigned long long>(limits.storage_bytes), static_cast<unsigned long long>(kInodes));
  if (mount("tmpfs", GetSettings().config.folder, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) Fault(report, "tmpfs of the run");
  if (GetSettings().config.has_proc != 0 && Has(wire::kPids) &&
      mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid") != 0) {
    Fault(report, "/proc of the run");
  }
}

// Removes what is in the folder `fd`, following no link. `fd` is closed.
void Empty(int fd) {
  DIR* folder = fdopendir(fd);
  if (folder == nullptr) return (void)close(fd);
  while (const dirent* entry = readdir(folder)) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (unlinkat(fd, entry->d_name, 0) == 0) continue;
    fchmodat(fd, entry->d_name, 0700, AT_SYMLINK_NOFOLLOW);
    const int inner = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner >= 0) Empty(inner);
    unlinkat(fd, entry->d_name, AT_REMOVEDIR);
  }
  closedir(folder);
}

// A tmpfs goes with its namespace; without namespaces the files are the host's and go here.
void RemoveFiles() {
  if (GetSettings().config.namespaces != 0) return;
  const int folder = open(GetSettings().config.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) Empty(folder);
}

// ---- privileges -----------------------------------------------------------------------------------

void DropPrivileges(int report) {
  if (!Has(wire::kPrivileges)) return;
  if (GetSettings().config.namespaces == 0) {  // nothing to drop, as an ordinary user
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) Fault(report, "no new privileges");
    return;
  }
  // The others were dropped once, by the zygote.
  for (const int capability : {CAP_SYS_ADMIN, CAP_SETPCAP}) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) Fault(report, "dropping capabilities");
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) Fault(report, "clearing ambient capabilities");
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  if (syscall(SYS_capset, &header, none) != 0) Fault(report, "dropping capabilities");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) Fault(report, "no new privileges");
}

// Without a pid namespace: signals reach nobody outside of the program, as the worker is of its user.
void ScopeSignals(int report) {
  if (GetSettings().config.namespaces != 0) return;
  // Of Landlock's version 6, by numbers, since a system's headers may be older than its kernel.
  const struct { std::uint64_t files, network, scoped; } attributes{0, 0, 1 | 2};
  const long ruleset = syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  if (ruleset < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) Fault(report, "Landlock's scope of signals");
  close(static_cast<int>(ruleset));
}

void LoadFilter(bool single, int report) {
  if (!Has(wire::kFilter)) return;
  const Settings& settings = GetSettings();
  const std::size_t bytes = single ? settings.config.single_filter_bytes : settings.config.filter_bytes;
  sock_fprog filter{static_cast<unsigned short>(bytes / sizeof(sock_filter)),
                    const_cast<sock_filter*>(static_cast<const sock_filter*>(single ? settings.single_filter : settings.filter))};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) Fault(report, "loading the system-call filter");
}

// ---- the program's process ------------------------------------------------------------------------

void SetLimit(int resource, std::uint64_t value, int report) {
  const rlimit limit{value, value};
  if (setrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0) Fault(report, "setting a resource limit");
}

void SetLimits(const wire::Limits& limits, int report) {
  if (!Has(wire::kRlimits)) return;
  const bool grouped = GetSettings().config.group_version != 0;
  const auto cpu = static_cast<std::uint64_t>(limits.cpu_seconds);
  SetLimit(RLIMIT_CPU, cpu + (static_cast<double>(cpu) < limits.cpu_seconds ? 1 : 0), report);
  SetLimit(RLIMIT_FSIZE, limits.file_bytes, report);
  SetLimit(RLIMIT_NOFILE, limits.open_files, report);
  SetLimit(RLIMIT_CORE, 0, report);
  SetLimit(RLIMIT_STACK, 8ull << 20, report);
  // With a control group, address space is only a backstop: libraries reserve much more than they use.
  SetLimit(RLIMIT_AS, grouped ? limits.memory_bytes + (8ull << 30) : limits.memory_bytes + (64ull << 20), report);
  SetLimit(RLIMIT_MEMLOCK, 65536, report);
  SetLimit(RLIMIT_MSGQUEUE, 0, report);
  SetLimit(RLIMIT_NICE, 0, report);
  SetLimit(RLIMIT_RTPRIO, 0, report);
  // Counted for the user in the worker's user namespace, where the worker's own processes (the zygote,
  // two inits, a judge) are, too. The control group's count is exact, so it comes first where there is one.
  SetLimit(RLIMIT_NPROC, limits.processes + 4 + (grouped ? 64 : 0), report);
}

void JoinGroup(int report) {
  const wire::ZygoteConfig& config = GetSettings().config;
  if (config.group_version == 0 || !Has(wire::kGroup)) return;
  if (write(config.memory_procs, "0", 1) != 1) Fault(report, "joining the memory control group");
  if (config.pids_procs >= 0 && write(config.pids_procs, "0", 1) != 1) Fault(report, "joining the process control group");
}

void CloseAllBut(int kept, unsigned first) {
  const auto keep = static_cast<unsigned>(kept);
  if (keep > first) Raw(SYS_close_range, first, keep - 1, 0);
  Raw(SYS_close_range, keep + 1, ~0u, 0);
}

void PlaceDescriptors(const Descriptors& fds, int report) {
  if (dup2(fds.in, 0) < 0 || dup2(fds.out, 1) < 0 || dup2(fds.err, 2) < 0) Fault(report, "standard streams");
  if (fds.channel >= 0 && dup2(fds.channel, 3) < 0) Fault(report, "the channel");
  // The report pipe is above 3 (the control socket has that place in the zygote); it goes last.
  CloseAllBut(fds.report, fds.channel >= 0 ? 4 : 3);
}

void ResetSignals() {
  struct sigaction action {};
  for (int number = 1; number < NSIG; ++number) {
    if (number == SIGKILL || number == SIGSTOP) continue;
    struct sigaction old {};
    if (sigaction(number, nullptr, &old) != 0) continue;
    // The interpreter's own handlers stay in a fork of it; execve resets them.
    if (old.sa_handler == SIG_IGN && number != SIGPIPE && number != SIGXFSZ) {
      action.sa_handler = SIG_DFL;
      sigaction(number, &action, nullptr);
    }
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// The words of command `index` from the request, in memory of its own: a command's process is forked while the zygote
// goes on, so that what malloc knows need not be whole.
char** WordsOf(const Program& program, std::uint32_t index, int report) {
  const char* at = program.commands;
  // A pointer for at most each fourth byte, and an end behind each word.
  const auto bytes = 4 * static_cast<std::size_t>(program.input - program.commands) + 64;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) Fault(report, "memory for a command");
  for (std::uint32_t i = 0;; ++i) {
    std::uint32_t words;
    memcpy(&words, at, sizeof words);
    at += sizeof words;
    auto** argv = static_cast<char**>(memory);
    char* text = static_cast<char*>(memory) + (words + 1) * sizeof(char*);
    for (std::uint32_t w = 0; w < words; ++w) {
      std::uint32_t length;
      memcpy(&length, at, sizeof length);
      at += sizeof length;
      if (i == index) {
        argv[w] = text;
        memcpy(text, at, length);
        text += length + 1;
      }
      at += length;
    }
    if (i == index) return argv;
  }
}

void EnterProgram(const Program& program, const Descriptors& fds, bool single, bool last) {
  setsid();
  umask(022);
  ResetSignals();
  // The group's limits are the program's; building has its own, and a judge is no program.
  if (last && program.head.mode != wire::kJudge) JoinGroup(fds.report);
  SetLimits(last ? program.head.limits : program.head.build_limits, fds.report);
  ScopeSignals(fds.report);
  PlaceDescriptors(fds, fds.report);
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  LoadFilter(single, fds.report);
}

[[noreturn]] void Execute(char** argv, int report) {
  static const char* const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC", "HOME=/tmp", "TMPDIR=/tmp",
                                            "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "MKL_NUM_THREADS=1", nullptr};
  fcntl(report, F_SETFD, FD_CLOEXEC);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGXFSZ, SIG_DFL);
  execve(argv[0], argv, const_cast<char* const*>(environment));
  Fault(report, argv[0]);
}

// ---- init -----------------------------------------------------------------------------------------

double Seconds(const timeval& time) { return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec); }

// Of the processes that ended, with those that they had waited for.
struct Used {
  double cpu_seconds = 0;
  std::uint64_t largest_bytes = 0;
};

// -ECHILD when there is nobody to wait for.
long Reap(int* status, int options, Used& used) {
  rusage usage{};
  const long pid = Raw(SYS_wait4, -1, Address(status), options, Address(&usage));
  if (pid <= 0) return pid;
  used.cpu_seconds += Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
  const std::uint64_t bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  if (bytes > used.largest_bytes) used.largest_bytes = bytes;
  return pid;
}

// Ends everybody else in the namespace and takes their CPU time into the account. Without a namespace the
// run is one process.
void EndAll(pid_t main, Used& used) {
  const bool alone = GetSettings().config.namespaces == 0;
  for (int round = 0; round < 1000; ++round) {
    if (!alone) Raw(SYS_kill, -1, SIGKILL);
    if (alone && main > 0) Raw(SYS_kill, main, SIGKILL);
    bool any = false;
    long got;
    while ((got = Reap(nullptr, 0, used)) > 0) any = true;
    if (!any && got == -ECHILD) return;
  }
}

// Waits for `main`; true when it ended by itself, false when the zygote said to end the run.
bool WaitFor(pid_t main, int* status, Used& used) {
  const std::uint64_t watched = 1ull << (SIGCHLD - 1) | 1ull << (SIGUSR1 - 1);
  while (true) {
    int ended;
    for (long pid; (pid = Reap(&ended, WNOHANG, used)) > 0;) {
      if (pid == main) {
        *status = ended;
        return true;
      }
    }
    siginfo_t info;
    // The zygote (0 where it is outside of the namespace). A program may send the signal, too.
    if (Raw(SYS_rt_sigtimedwait, Address(&watched), Address(&info), 0, sizeof watched) == SIGUSR1 && info.si_pid == Raw(SYS_getppid)) return false;
  }
}

bool SingleProcess() { return GetSettings().config.group_version == 0 || !Has(wire::kGroup); }

// From here on the request is gone: the judge's tests must not be in the candidate's memory.
[[noreturn]] void GoOn(Launch& launch) {
  close(launch.fds.report);
  munmap(const_cast<void*>(launch.request), launch.request_bytes);
  longjmp(launch.back, 1 + static_cast<int>(launch.program.head.mode));
}

// Lets the zygote go on, whose memory has been copied.
void TellForked(Launch& launch) {
  __atomic_store_n(&launch.state, kForked, __ATOMIC_RELEASE);
  Raw(SYS_futex, Address(&launch.state), FUTEX_WAKE, 1);
}

[[noreturn]] void RunCommands(Launch& launch) {
  const Program& program = launch.program;
  const Descriptors& fds = launch.fds;
  const bool in_interpreter = program.head.mode != wire::kCommand;
  const std::uint32_t commands = in_interpreter ? 1 : program.head.commands;
  InitReport report{};
  Used used;
  pid_t child = -1;
  for (std::uint32_t i = 0; i < commands; ++i) {
    const bool last = i + 1 == commands;
    // Building runs no code of the program, and a compiler is several processes.
    const bool single = SingleProcess() && last && program.head.mode != wire::kJudge;
    if (last && commands > 1) {
      used = {};
      report.command = kBuilt;
      Raw(SYS_write, fds.report, Address(&report), sizeof report);
    }
    // The library's fork puts its own books in order for a process that goes on with it.
    child = in_interpreter ? fork() : static_cast<pid_t>(Raw(SYS_clone, SIGCHLD));
    if (child < 0) {
      if (!in_interpreter) errno = -child;
      Fault(fds.report, "forking the program");
    }
    if (child == 0) {
      EnterProgram(program, fds, single, last);
      if (in_interpreter) GoOn(launch);
      Execute(WordsOf(program, i, fds.report), fds.report);
    }
    if (i == 0) TellForked(launch);
    // An end of a pipe or of the channel held here would hide its closing from the other side.
    if (last) CloseAllBut(fds.report, 3);
    report.command = i;
    report.wait_status = SIGKILL;
    const bool by_itself = WaitFor(child, &report.wait_status, used);
    if (by_itself) child = -1;
    if (!by_itself || last || report.wait_status != 0) break;
  }
  EndAll(child, used);
  RemoveFiles();
  report.cpu_seconds = used.cpu_seconds;
  report.largest_process_bytes = used.largest_bytes;
  Raw(SYS_write, fds.report, Address(&report), sizeof report);
  _exit(0);
}

}  // namespace

int RunInit(void* argument) {
  Launch& launch = *static_cast<Launch*>(argument);
  const int report = launch.fds.report;
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (GetSettings().config.namespaces != 0 && Has(wire::kMounts)) MountBox(launch.program.head.limits, report);
  umask(022);
  if (chdir(GetSettings().config.folder) != 0 || (mkdir("run", 0755) != 0 && errno != EEXIST) || chdir("run") != 0) {
    Fault(report, "the run's folder");
  }
  WriteFiles(launch.program, report);
  DropPrivileges(report);
  RunCommands(launch);
}

}  // namespace cogent::zygote
