// The spawner: starts workers on order and outlives nobody. One thread, since a worker's parent-death
// signal follows the thread that started it.
#define BOOST_PROCESS_V2_SEPARATE_COMPILATION
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/process/v2.hpp>
#include <chrono>
#include <list>
#include <memory>

#include "sandbox/helper/helper.h"

namespace cogent::helper {
namespace {

namespace asio = boost::asio;
namespace process = boost::process::v2;
using boost::system::error_code;

// What a worker process finds behind the descriptor that its command line names.
struct WorkerStart {
  WorkerOrder order;
  std::int32_t control;
  std::int32_t group_version;
  std::int32_t group[8];
};

void ForEachFile(Group& group, std::int32_t (&numbers)[8], bool store) {
  int* const files[] = {&group.memory_procs, &group.pids_procs, &group.memory_limit, &group.swap_limit,
                        &group.memory_peak, &group.memory_events, &group.pids_limit, &group.pids_events};
  for (int i = 0; i < 8; ++i) (store ? numbers[i] : *files[i]) = store ? *files[i] : numbers[i];
}

// Boost 1.81 closes too few descriptors in the child (its loop compares an index with itself), so the
// child marks all of them and then spares the ones that it is given. The environment is empty.
struct OnlyThese {
  std::vector<int> kept;
  template <typename Launcher>
  error_code on_setup(Launcher& launcher, const process::filesystem::path&, const char* const*&) {
    static const char* const empty[] = {nullptr};
    launcher.env = const_cast<decltype(launcher.env)>(empty);
    for (const int fd : kept) launcher.fd_whitelist.push_back(fd);
    return {};
  }
  template <typename Launcher>
  error_code on_exec_setup(Launcher&, const process::filesystem::path&, const char* const*&) {
    syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
    for (const int fd : kept) fcntl(fd, F_SETFD, 0);
    return {};
  }
};

class Spawner {
 public:
  Spawner() : orders_(context_, wire::kControlDescriptor), retry_(context_) {}

  int Run() {
    SweepGroups();
    SweepFolders();
    Listen();
    context_.run();
    return 0;
  }

 private:
  struct Worker {
    process::process handle;
    Group group;
  };

  void Listen() {
    orders_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const error_code& error) {
      if (error || !TakeOrder()) return EndAll();
      Listen();
    });
  }

  // False when the caller is gone.
  bool TakeOrder() {
    WorkerOrder order;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec data{&order, sizeof order};
    msghdr message{};
    message.msg_iov = &data, message.msg_iovlen = 1;
    message.msg_control = control, message.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(wire::kControlDescriptor, &message, MSG_CMSG_CLOEXEC);
    const cmsghdr* passed = CMSG_FIRSTHDR(&message);
    if (got != static_cast<ssize_t>(sizeof order) || passed == nullptr || order.version != wire::kWireVersion) return false;
    int socket = -1;
    memcpy(&socket, CMSG_DATA(passed), sizeof socket);
    Start(order, socket);
    close(socket);
    return true;
  }

  void Start(const WorkerOrder& order, int socket) {
    std::string why_not;
    Group group;
    if (order.want_group != 0) group = MakeGroup(std::to_string(getpid()) + "-" + std::to_string(++count_), why_not);
    WorkerStart start{order, socket, group.version, {}};
    ForEachFile(group, start.group, true);
    const int settings = memfd_create("order", MFD_CLOEXEC);
    if (settings < 0 || write(settings, &start, sizeof start) != static_cast<ssize_t>(sizeof start)) return;
    OnlyThese only{{socket, settings}};
    for (const int fd : start.group) {
      if (fd >= 0) only.kept.push_back(fd);
    }
    error_code error;
    process::default_process_launcher launcher;
    auto worker = std::make_unique<Worker>(Worker{
        launcher(context_, error, "/proc/self/exe", std::vector<std::string>{"work", std::to_string(settings)}, only), group});
    close(settings);
    CloseGroup(worker->group);
    if (error) return (void)RemoveGroup(worker->group);
    workers_.push_back(std::move(worker));
    const auto place = std::prev(workers_.end());
    (*place)->handle.async_wait([this, place](const error_code&, int) {
      leftover_.push_back(std::move((*place)->group));
      workers_.erase(place);
      CleanUp();
    });
  }

  // A group can be removed when the last process in it is gone, which may be a moment later.
  void CleanUp() {
    leftover_.remove_if([](const Group& group) { return RemoveGroup(group); });
    if (ending_ && --patience_ == kKillAt) {
      for (const auto& worker : workers_) kill(worker->handle.id(), SIGKILL);
    }
    const bool done = leftover_.empty() && (!ending_ || workers_.empty());
    if (done || patience_ < 0) {
      if (ending_) context_.stop();
      return;
    }
    retry_.expires_after(std::chrono::milliseconds(5));
    retry_.async_wait([this](const error_code& error) {
      if (!error) CleanUp();
    });
  }

  // The caller's end of each worker's socket is closed, too, which ends the worker; a signal is for what
  // does not hear that.
  void EndAll() {
    ending_ = true;
    CleanUp();
  }

  asio::io_context context_{1};
  asio::posix::stream_descriptor orders_;
  asio::steady_timer retry_;
  std::list<std::unique_ptr<Worker>> workers_;
  std::list<Group> leftover_;
  int count_ = 0;
  static constexpr int kPatience = 400, kKillAt = 340;  // looks, 5 ms apart
  int patience_ = kPatience;
  bool ending_ = false;
};

}  // namespace

int Spawn() {
  setsid();  // Ctrl-C at the caller's terminal is the caller's to act on
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  // A worker puts its settings at this number; nothing that is passed to it may stand there.
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0 && null != wire::kConfigDescriptor) dup3(null, wire::kConfigDescriptor, O_CLOEXEC);
  signal(SIGPIPE, SIG_IGN);
  return Spawner().Run();
}

int WorkFrom(int descriptor) {
  WorkerStart start;
  if (pread(descriptor, &start, sizeof start, 0) != static_cast<ssize_t>(sizeof start)) return 2;
  close(descriptor);
  if (start.control != wire::kControlDescriptor) {
    dup2(start.control, wire::kControlDescriptor);
    close(start.control);
  }
  Group group;
  group.version = start.group_version;
  ForEachFile(group, start.group, false);
  return Work(start.order, group);
}

}  // namespace cogent::helper
