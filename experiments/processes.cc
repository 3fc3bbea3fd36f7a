#include "experiments/processes.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/stdio.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "core/error.h"
#include "experiments/text.h"

namespace cogent {
namespace {

namespace asio = boost::asio;
namespace process = boost::process::v2;
using Clock = std::chrono::steady_clock;

// Boost 1.81 leaves descriptors open in the child; and what a child of an ablation needs before it starts.
struct Detached {
  pid_t parent = getpid();
  template <typename Launcher>
  process::error_code on_exec_setup(Launcher&, const process::filesystem::path&, const char* const*) const {
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(128 + SIGTERM);  // it died before the line above
    return {};
  }
};

class Children {
 public:
  explicit Children(const ChildPlan& plan) : plan_(plan), signals_(io_, SIGINT, SIGTERM), timer_(io_) {}

  bool Run() {
    Listen();
    Tick();
    StartSome();
    io_.run();
    if (failure_) std::rethrow_exception(failure_);
    return !stopping_;
  }

 private:
  struct Child {
    Child(process::process handle, int job) : running(std::move(handle)), id(job) {}
    process::process running;
    int id;
    Clock::time_point begin = Clock::now();
  };

  void Listen() {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (error) return;
      Stop();
      Listen();
    });
  }
  void Tick() {
    timer_.expires_after(std::chrono::milliseconds(500));
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      Guarded([this] { plan_.tick(); });
      Tick();
    });
  }

  void Stop() {
    stopping_ = true;
    for (const auto& [key, child] : children_) kill(child->running.id(), SIGTERM);
    EndWhenIdle();
  }
  // An error in a call of the plan stops everything; it is thrown when all have ended.
  void Guarded(const std::function<void()>& call) {
    try {
      call();
    } catch (...) {
      if (!failure_) failure_ = std::current_exception();
      Stop();
    }
  }

  void StartSome() {
    Guarded([this] {
      while (!stopping_ && static_cast<int>(children_.size()) < plan_.at_once) {
        const std::optional<ChildJob> job = plan_.next();
        if (!job) break;
        Start(*job);
      }
    });
    EndWhenIdle();
  }
  void EndWhenIdle() {
    if (!children_.empty()) return;
    timer_.cancel();
    signals_.cancel();
    io_.stop();
  }

  void Start(const ChildJob& job) {
    std::filesystem::create_directories(std::filesystem::path(job.log).parent_path());
    const int log = open(job.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log < 0) throw DataError(job.log + ": cannot be opened: " + std::strerror(errno));
    process::error_code error;
    const process::filesystem::path self = process::filesystem::read_symlink("/proc/self/exe", error);
    process::process started(io_);
    if (!error) {
      // Inputs first: its on_exec_setup puts the log in place before Detached closes all else.
      started = process::default_process_launcher()(io_.get_executor(), error, self, job.words,
                                                    process::process_stdio{nullptr, log, log}, Detached{});
    }
    close(log);
    if (error) throw MachineError("a process cannot be started: " + error.message() + "; is there memory left, and room for processes (ulimit -u)?");
    const int key = next_key_++;
    Child& child = *children_.emplace(key, std::make_unique<Child>(std::move(started), job.id)).first->second;
    child.running.async_wait([this, key](const boost::system::error_code&, int) { Ended(key); });
  }

  void Ended(int key) {
    const auto found = children_.find(key);
    const int status = found->second->running.native_exit_code();
    ChildEnd end{.id = found->second->id};
    end.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    end.seconds = std::chrono::duration<double>(Clock::now() - found->second->begin).count();
    children_.erase(found);
    Guarded([&] { plan_.ended(end); });
    StartSome();
  }

  const ChildPlan& plan_;
  asio::io_context io_;
  asio::signal_set signals_;
  asio::steady_timer timer_;
  std::map<int, std::unique_ptr<Child>> children_;
  int next_key_ = 0;
  bool stopping_ = false;
  std::exception_ptr failure_;
};

}  // namespace

bool RunChildren(const ChildPlan& plan) { return Children(plan).Run(); }

std::string LastLine(const std::string& log, std::uintmax_t begin) {
  std::ifstream file(log, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(begin));
  std::string last;
  for (std::string line; std::getline(file, line);) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) last = line;
  }
  return ToValidUtf8(last);
}

}  // namespace cogent
