// The zygote's loop: one request at a time, of one program or of a candidate and its judge.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <initializer_list>

#include "sandbox/zygote/zygote.h"

// The interpreter's own preparations for a fork; absent where no interpreter is around.
extern "C" {
void PyOS_BeforeFork() __attribute__((weak));
void PyOS_AfterFork_Parent() __attribute__((weak));
void PyOS_AfterFork_Child() __attribute__((weak));
}

namespace cogent::zygote {
namespace {

constexpr std::size_t kInitStack = 64 << 10;
constexpr double kSetUpSeconds = 10;    // for init to mount, write files and fork; then it is killed
constexpr double kGraceSeconds = 0.04;  // for init to end the run and count; then it is killed itself

Settings settings;

double Now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

[[noreturn]] void GiveUp(const char* what) {
  char text[300];
  const int length = snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
  wire::ReplyHead head{wire::kWireVersion, wire::ReplyKind::kFailed, 0, 0, 0, static_cast<std::uint64_t>(length)};
  (void)!write(wire::kControlDescriptor, &head, sizeof head);
  (void)!write(wire::kControlDescriptor, text, static_cast<std::size_t>(length));
  _exit(1);
}

// ---- memory that a fork does not inherit ----------------------------------------------------------

struct Region {
  char* data = nullptr;
  std::size_t capacity = 0;
};

void Reserve(Region& region, std::size_t bytes, bool inherited) {
  if (region.capacity >= bytes) return;
  if (region.data != nullptr) munmap(region.data, region.capacity);
  region.capacity = (bytes + 0xFFFFF) & ~static_cast<std::size_t>(0xFFFFF);
  void* data = mmap(nullptr, region.capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) GiveUp("memory for a request");
  if (!inherited) madvise(data, region.capacity, MADV_DONTFORK);
  region.data = static_cast<char*>(data);
}

void Forget(Region& region) {
  if (region.data != nullptr) madvise(region.data, region.capacity, MADV_DONTNEED);
}

// ---- the control socket ---------------------------------------------------------------------------

void ReadExactly(void* to, std::size_t bytes) {
  auto* at = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = read(wire::kControlDescriptor, at, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) _exit(0);  // the caller is gone
    at += got;
    bytes -= static_cast<std::size_t>(got);
  }
}

void WriteExactly(const void* from, std::size_t bytes) {
  auto* at = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t wrote = send(wire::kControlDescriptor, at, bytes, MSG_NOSIGNAL);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) _exit(0);
    at += wrote;
    bytes -= static_cast<std::size_t>(wrote);
  }
}

// ---- control group --------------------------------------------------------------------------------

// The number behind `key` in a file of the control group; the first number without a key.
std::uint64_t GroupNumber(int fd, const char* key = nullptr) {
  if (fd < 0) return 0;
  char text[1024];
  const ssize_t got = pread(fd, text, sizeof text - 1, 0);
  if (got <= 0) return 0;
  text[got] = 0;
  if (key == nullptr) return strtoull(text, nullptr, 10);
  const std::size_t length = strlen(key);
  for (char* line = text; line != nullptr; line = strchr(line, '\n')) {
    while (*line == '\n') ++line;
    if (strncmp(line, key, length) == 0 && line[length] == ' ') return strtoull(line + length, nullptr, 10);
  }
  return 0;
}

void SetGroupNumber(int fd, std::uint64_t value) {
  if (fd < 0) return;
  char text[32];
  const int length = snprintf(text, sizeof text, "%llu", static_cast<unsigned long long>(value));
  if (pwrite(fd, text, static_cast<std::size_t>(length), 0) != length) GiveUp("setting a limit of the control group");
}

struct GroupCounts {
  std::uint64_t kills, refusals;
};

GroupCounts CountGroup() {
  const wire::ZygoteConfig& config = settings.config;
  return {GroupNumber(config.memory_events, "oom_kill"), GroupNumber(config.pids_events, "max")};
}

void PrepareGroup(const wire::Limits& limits) {
  const wire::ZygoteConfig& config = settings.config;
  if (config.group_version == 0 || !Has(wire::kGroup)) return;
  static std::uint64_t memory = 0, processes = 0;
  if (memory != limits.memory_bytes) {
    // Memory with swap may not be below memory, so the order depends on the direction.
    if (config.group_version == 2) {
      SetGroupNumber(config.memory_limit, limits.memory_bytes);
      SetGroupNumber(config.swap_limit, 0);
    } else if (limits.memory_bytes > memory && memory != 0) {
      SetGroupNumber(config.swap_limit, limits.memory_bytes);
      SetGroupNumber(config.memory_limit, limits.memory_bytes);
    } else {
      SetGroupNumber(config.memory_limit, limits.memory_bytes);
      SetGroupNumber(config.swap_limit, limits.memory_bytes);
    }
    memory = limits.memory_bytes;
  }
  if (processes != limits.processes) SetGroupNumber(config.pids_limit, limits.processes);
  processes = limits.processes;
  if (config.memory_peak >= 0) (void)!pwrite(config.memory_peak, "0", 1, 0);
}

// ---- one program of a request ---------------------------------------------------------------------

struct Stream {
  int fd = -1;
  char* data = nullptr;
  std::uint64_t size = 0, limit = 0;
  bool cut = false;
};

struct Run {
  Program program;
  Launch launch;
  pid_t init = -1;
  int pidfd = -1, report = -1, input = -1;
  std::uint64_t input_done = 0;
  Stream out, err;
  double started = 0, told = 0;  // told: when init was asked to end the run; 0 = not
  double allowed = 0;  // seconds from `started`
  bool alive = false, reported = false, building = false;
  wire::OutcomeHead outcome{};
  InitReport init_report{};
};

void CloseIt(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

void End(Run& run, wire::EndedBy why) {
  if (run.told != 0 || !run.alive) return;
  run.outcome.ended_by = why;
  run.told = Now();
  kill(run.init, SIGUSR1);
}

void Collect(Run& run, Stream& stream) {
  static char beyond[65536];
  while (stream.fd >= 0) {
    const std::uint64_t room = stream.limit - stream.size;
    const ssize_t got = room > 0 ? read(stream.fd, stream.data + stream.size, room) : read(stream.fd, beyond, sizeof beyond);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return;
    if (got == 0) return CloseIt(stream.fd);
    if (room > 0) {
      stream.size += static_cast<std::uint64_t>(got);
    } else {
      stream.cut = true;
      return End(run, wire::EndedBy::kOutput);
    }
  }
}

void Feed(Run& run) {
  const std::uint64_t left = run.program.head.stdin_bytes - run.input_done;
  if (left > 0) {
    const ssize_t wrote = write(run.input, run.program.input + run.input_done, left);
    if (wrote < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (wrote < 0) return CloseIt(run.input);  // the program does not read: its own affair
    run.input_done += static_cast<std::uint64_t>(wrote);
  }
  if (run.input_done == run.program.head.stdin_bytes && run.program.head.keep_stdin_open == 0) CloseIt(run.input);
}

// A report of init, if one is there.
void Hear(Run& run) {
  InitReport report;
  while (run.report >= 0) {
    const ssize_t got = read(run.report, &report, sizeof report);
    if (got == 0) CloseIt(run.report);
    if (got != static_cast<ssize_t>(sizeof report)) return;
    if (report.command == kBuilt) {
      run.started = Now();
      run.allowed = run.program.head.limits.wall_seconds;
      run.building = false;
    } else if (run.init_report.fault_bytes == 0) {  // a fault stands, whatever is said after it
      run.init_report = report;
      run.reported = true;
    }
  }
}

// init is dead, and with it all of the run.
void Finish(Run& run) {
  Collect(run, run.out);
  Collect(run, run.err);
  CloseIt(run.out.fd);
  CloseIt(run.err.fd);
  CloseIt(run.input);
  run.alive = false;
  run.outcome.wall_seconds = Now() - run.started;
  rusage used{};
  int status = 0;
  while (wait4(run.init, &status, 0, &used) < 0 && errno == EINTR) continue;
  Hear(run);
  CloseIt(run.report);
  CloseIt(run.pidfd);
  if (!run.reported) {
    // Killed after the grace, or by the control group: no report, so the kernel's own account of init.
    run.init_report = {};
    run.init_report.wait_status = SIGKILL;
    run.init_report.cpu_seconds = static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                                  1e-6 * static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    run.init_report.largest_process_bytes = static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
  }
  run.outcome.wait_status = run.init_report.wait_status;
  run.outcome.building = run.building;
  run.outcome.cpu_seconds = run.init_report.cpu_seconds;
  run.outcome.peak_bytes = run.init_report.largest_process_bytes;
}

long Futex(std::uint32_t& word, int operation, std::uint32_t value, const timespec* timeout) {
  return syscall(SYS_futex, &word, operation, value, timeout, nullptr, 0);
}

// Until init has forked: a copy of this memory is being made, so it has to stand still.
void AwaitFork(Run& run) {
  const timespec moment{0, 100'000'000};
  while (__atomic_load_n(&run.launch.state, __ATOMIC_ACQUIRE) == kStarting) {
    if (Futex(run.launch.state, FUTEX_WAIT, kStarting, &moment) == 0 || errno != ETIMEDOUT) continue;
    if (Now() < run.started + kSetUpSeconds) continue;
    kill(run.init, SIGKILL);
    run.reported = true;
    run.init_report.fault_bytes = static_cast<std::uint32_t>(
        snprintf(run.init_report.fault, sizeof run.init_report.fault, "the run was not set up within %.0f s", kSetUpSeconds));
  }
}

// Clones init of a run. Returns the mode in the program's process, -1 in the zygote.
int Start(Run& run, int channel, const Region& request, const Region& stack) {
  int in[2], out[2], err[2], report[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) {
    GiveUp("pipes of a run");
  }
  int flags = CLONE_PIDFD | CLONE_CHILD_CLEARTID | SIGCHLD;
  if (settings.config.namespaces != 0) {
    flags |= CLONE_VM;
    if (Has(wire::kMounts)) flags |= CLONE_NEWNS;
    if (Has(wire::kPids)) flags |= CLONE_NEWPID;
    if (Has(wire::kIpc)) flags |= CLONE_NEWIPC | CLONE_NEWUTS;
  }
  run.started = Now();
  run.launch.program = run.program;
  run.launch.fds = {in[0], out[1], err[1], channel, report[1]};
  run.launch.request = request.data, run.launch.request_bytes = request.capacity;
  run.launch.state = kStarting;
  if (PyOS_BeforeFork != nullptr) PyOS_BeforeFork();
  if (const int jumped = setjmp(run.launch.back); jumped != 0) {
    if (PyOS_AfterFork_Child != nullptr) PyOS_AfterFork_Child();
    return jumped - 1;
  }
  int pidfd = -1;
  run.init = clone(RunInit, stack.data + stack.capacity, flags, &run.launch, &pidfd, nullptr, &run.launch.state);
  if (run.init < 0) GiveUp("cloning a run");
  if ((flags & CLONE_VM) != 0) AwaitFork(run);
  if (PyOS_AfterFork_Parent != nullptr) PyOS_AfterFork_Parent();
  close(in[0]), close(out[1]), close(err[1]), close(report[1]);
  run.pidfd = pidfd;
  run.input = in[1], run.out.fd = out[0], run.err.fd = err[0], run.report = report[0];
  for (const int fd : {run.input, run.out.fd, run.err.fd, run.report}) fcntl(fd, F_SETFL, O_NONBLOCK);
  run.alive = true;
  run.building = run.program.head.mode == wire::kCommand && run.program.head.commands > 1;
  run.allowed = (run.building ? run.program.head.build_limits : run.program.head.limits).wall_seconds;
  return -1;
}

// ---- watching -------------------------------------------------------------------------------------

// Seconds until something of the run is due.
double Due(Run& run) {
  const double now = Now();
  if (run.told != 0) {
    const double left = run.told + kGraceSeconds - now;
    if (left <= 0) kill(run.init, SIGKILL);
    return left <= 0 ? 1.0 : left;
  }
  const double left = run.started + run.allowed - now;
  if (!Has(wire::kClock)) return 1.0;
  if (left <= 0) {
    End(run, wire::EndedBy::kWall);
    return kGraceSeconds;
  }
  return left;
}

void Watch(Run* runs, std::uint32_t count) {
  while (true) {
    pollfd fds[2 * 5 + 1];
    int* sources[2 * 5 + 1];
    nfds_t used = 0;
    double wait = 3600;
    bool any = false;
    for (std::uint32_t i = 0; i < count; ++i) {
      Run& run = runs[i];
      if (!run.alive) continue;
      any = true;
      const double due = Due(run);
      if (due < wait) wait = due;
      for (int* fd : {&run.pidfd, &run.out.fd, &run.err.fd, &run.report}) {
        if (*fd >= 0) sources[used] = fd, fds[used++] = {*fd, POLLIN, 0};
      }
      const bool feeding = run.input >= 0 && run.input_done < run.program.head.stdin_bytes;
      if (feeding) sources[used] = &run.input, fds[used++] = {run.input, POLLOUT, 0};
    }
    if (!any) return;
    sources[used] = nullptr;
    fds[used++] = {wire::kControlDescriptor, POLLRDHUP, 0};
    const auto seconds = static_cast<time_t>(wait);
    const timespec timeout{seconds, static_cast<long>((wait - static_cast<double>(seconds)) * 1e9)};
    if (ppoll(fds, used, &timeout, nullptr) < 0 && errno != EINTR) GiveUp("poll");
    if (fds[used - 1].revents != 0) _exit(0);  // the caller is gone, and every run with this process
    for (std::uint32_t i = 0; i < count; ++i) {
      Run& run = runs[i];
      bool dead = false;
      for (nfds_t k = 0; k + 1 < used; ++k) {
        if (fds[k].revents == 0) continue;
        if (sources[k] == &run.out.fd) Collect(run, run.out);
        if (sources[k] == &run.err.fd) Collect(run, run.err);
        if (sources[k] == &run.input) Feed(run);
        if (sources[k] == &run.report) Hear(run);
        if (sources[k] == &run.pidfd) dead = true;
      }
      if (dead) {
        Finish(run);
        // The judge is the last program; what it has not asked by now, nobody asks.
        if (i + 1 == count && count > 1) End(runs[0], wire::EndedBy::kPartner);
      }
    }
  }
}

// ---- requests -------------------------------------------------------------------------------------

const char* Skip(const char* at, std::uint64_t bytes, const char* end) {
  if (bytes > static_cast<std::uint64_t>(end - at)) {
    errno = EPROTO;
    GiveUp("a request is cut short");
  }
  return at + bytes;
}

const char* Parse(const char* at, const char* end, Program& program) {
  const char* body = Skip(at, sizeof program.head, end);
  memcpy(&program.head, at, sizeof program.head);
  end = Skip(body, program.head.total_bytes, end);
  program.files = body;
  for (std::uint32_t i = 0; i < program.head.files; ++i) {
    wire::FileHead head;
    const char* name = Skip(body, sizeof head, end);
    memcpy(&head, body, sizeof head);
    body = Skip(Skip(name, head.name_bytes, end), head.bytes, end);
  }
  program.commands = body;
  for (std::uint32_t i = 0; i < program.head.commands; ++i) {
    std::uint32_t words, bytes;
    const char* next = Skip(body, sizeof words, end);
    memcpy(&words, body, sizeof words);
    for (std::uint32_t w = 0; w < words; ++w) {
      body = Skip(next, sizeof bytes, end);
      memcpy(&bytes, next, sizeof bytes);
      next = Skip(body, bytes, end);
    }
    body = next;
  }
  program.input = body;
  program.end = Skip(body, program.head.stdin_bytes, end);
  return end;
}

void Reply(std::uint64_t id, Run* runs, std::uint32_t count, const GroupCounts& before) {
  wire::ReplyHead head{wire::kWireVersion, wire::ReplyKind::kResult, id, count, 0, 0};
  const GroupCounts after = CountGroup();
  for (std::uint32_t i = 0; i < count; ++i) {
    Run& run = runs[i];
    wire::OutcomeHead& outcome = run.outcome;
    if (run.program.head.mode != wire::kJudge) {
      outcome.memory_kills = after.kills - before.kills;
      outcome.process_refusals = after.refusals - before.refusals;
      if (settings.config.memory_peak >= 0 && Has(wire::kGroup)) {
        outcome.peak_bytes = GroupNumber(settings.config.memory_peak);
        outcome.whole_run_peak = 1;
      }
    }
    outcome.out_bytes = run.out.size, outcome.err_bytes = run.err.size;
    outcome.out_cut = run.out.cut, outcome.err_cut = run.err.cut;
    outcome.fault_bytes = run.init_report.fault_bytes;
    head.total_bytes += sizeof outcome + outcome.out_bytes + outcome.err_bytes + outcome.fault_bytes;
  }
  WriteExactly(&head, sizeof head);
  for (std::uint32_t i = 0; i < count; ++i) {
    const Run& run = runs[i];
    WriteExactly(&run.outcome, sizeof run.outcome);
    WriteExactly(run.out.data, run.out.size);
    WriteExactly(run.err.data, run.err.size);
    WriteExactly(run.init_report.fault, run.init_report.fault_bytes);
  }
}

// One request. Returns the mode in the process of a program, -1 in the zygote.
int ServeOne(Region& request, Region& output, Region* stacks) {
  wire::RequestHead head;
  ReadExactly(&head, sizeof head);
  errno = EPROTO;
  if (head.version != wire::kWireVersion || head.programs < 1 || head.programs > wire::kMaxPrograms ||
      head.total_bytes > wire::kMaxRequestBytes) {
    GiveUp("a request of another version");
  }
  Reserve(request, head.total_bytes, true);
  ReadExactly(request.data, head.total_bytes);
  Run runs[wire::kMaxPrograms];
  const char* at = request.data;
  std::size_t room = 0;
  for (std::uint32_t i = 0; i < head.programs; ++i) {
    at = Parse(at, request.data + head.total_bytes, runs[i].program);
    room += 2 * runs[i].program.head.limits.output_bytes;
  }
  Reserve(output, room, false);
  char* place = output.data;
  for (std::uint32_t i = 0; i < head.programs; ++i) {
    for (Stream* stream : {&runs[i].out, &runs[i].err}) {
      stream->limit = runs[i].program.head.limits.output_bytes;
      stream->data = place;
      place += stream->limit;
    }
  }
  PrepareGroup(runs[0].program.head.limits);
  const GroupCounts before = CountGroup();
  int channel[2] = {-1, -1};
  if (head.programs == 2 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0) GiveUp("the channel of a judge");
  for (std::uint32_t i = 0; i < head.programs; ++i) {
    Reserve(stacks[i], kInitStack, true);
    const int mode = Start(runs[i], channel[i], request, stacks[i]);
    if (mode >= 0) return mode;
  }
  for (int& fd : channel) CloseIt(fd);
  for (std::uint32_t i = 0; i < head.programs; ++i) Feed(runs[i]);
  Watch(runs, head.programs);
  Reply(head.id, runs, head.programs, before);
  for (Region* used : {&request, &output, &stacks[0], &stacks[1]}) Forget(*used);
  return -1;
}

void ReadSettings() {
  struct stat about {};
  if (fstat(wire::kConfigDescriptor, &about) != 0) GiveUp("the worker's settings");
  const auto bytes = static_cast<std::size_t>(about.st_size);
  void* data = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, wire::kConfigDescriptor, 0);
  if (data == MAP_FAILED || bytes < sizeof settings.config) GiveUp("the worker's settings");
  memcpy(&settings.config, data, sizeof settings.config);
  errno = EPROTO;
  if (settings.config.version != wire::kWireVersion) GiveUp("the worker's settings are of another version");
  settings.filter = static_cast<const char*>(data) + sizeof settings.config;
  settings.single_filter = static_cast<const char*>(settings.filter) + settings.config.filter_bytes;
  close(wire::kConfigDescriptor);
}

}  // namespace

const Settings& GetSettings() { return settings; }

}  // namespace cogent::zygote

extern "C" __attribute__((visibility("default"))) int cogent_serve() {
  using namespace cogent;
  using namespace cogent::zygote;
  // Nobody may read this process's memory or descriptors through /proc, of the same user or not.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  ReadSettings();
  for (int capability = 0; settings.config.namespaces != 0 && capability <= 63; ++capability) {
    if (capability == CAP_SYS_ADMIN || capability == CAP_SETPCAP) continue;  // init's, which drops them
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL) GiveUp("dropping capabilities");
  }
  const wire::ReplyHead ready{wire::kWireVersion, wire::ReplyKind::kReady, 0, settings.config.group_version, 0, 0};
  WriteExactly(&ready, sizeof ready);
  Region request, output, stacks[wire::kMaxPrograms];
  while (true) {
    const int mode = ServeOne(request, output, stacks);
    if (mode >= 0) return mode;
  }
}
