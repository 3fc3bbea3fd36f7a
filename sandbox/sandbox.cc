// The queue, the workers' sockets and their faults, on one thread of its own.
#include "sandbox/sandbox.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstring>
#include <deque>
#include <list>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "sandbox/locate.h"
#include "sandbox/messages.h"

namespace cogent {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr double kSlackSeconds = 10;  // past its limits, a worker that says nothing is given up
constexpr double kBuildSeconds = 30;
constexpr int kStartAttempts = 3;

struct Job {
  std::string request;
  double patience_seconds = 0;
  int attempts = 0;
  std::function<void(std::vector<Outcome>, const std::string& fault)> done;  // a fault, or outcomes
};

struct Worker {
  explicit Worker(asio::io_context& context) : socket(context), timer(context) {}
  asio::local::stream_protocol::socket socket;
  asio::steady_timer timer;
  wire::ReplyHead head{};
  std::string body;
  std::unique_ptr<Job> job;
  bool ready = false;
  int runs = 0;
};

void CopyPath(char (&to)[400], const std::string& path) {
  if (path.size() >= sizeof to) throw ConfigError("a path is longer than 399 bytes: " + path);
  std::memcpy(to, path.c_str(), path.size() + 1);
}

}  // namespace

class Sandbox::Impl {
 public:
  explicit Impl(const SandboxOptions& options) : options_(options) {
    if (options_.workers <= 0) options_.workers = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    if (options_.python.empty()) options_.python = FindPython();
    level_ = options_.level == SandboxLevel::kFull ? "full" : "reduced";
    if (options_.without != 0) level_ += " without layers " + std::to_string(options_.without);
    StartSpawner();
    for (int i = 0; i < options_.workers; ++i) StartWorker();
    thread_ = std::thread([this] { context_.run(); });
    const std::string reason = first_.get_future().get();
    if (reason.empty()) return;
    Stop();
    throw MachineError("the sandbox cannot start at level '" + level_ + "': " + reason +
                       "\n  `cogent sandbox doctor` says what this machine lacks and how to get it; a weaker level must be asked for by name");
  }

  ~Impl() { Stop(); }

  void Add(std::unique_ptr<Job> job) {
    asio::post(context_, [this, job = std::move(job)]() mutable {
      queue_.push_back(std::move(job));
      Dispatch();
    });
  }

  const std::string& level() const { return level_; }
  const LanguageTable& languages() const { return options_.languages; }
  bool has_group() const { return has_group_; }
  pid_t spawner() const { return spawner_; }

 private:
  void StartSpawner() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) throw SandboxError("the sandbox: socketpair failed");
    orders_ = ends[0];
    const std::string helper = HelperPath();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], wire::kControlDescriptor);
    posix_spawn_file_actions_addclosefrom_np(&actions, wire::kControlDescriptor + 1);
    char* const argv[] = {const_cast<char*>(helper.c_str()), const_cast<char*>("spawn"), nullptr};
    char* const environment[] = {nullptr};
    const int failed = posix_spawn(&spawner_, helper.c_str(), &actions, nullptr, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (failed != 0) throw MachineError(helper + " cannot be started: " + std::strerror(failed) + "; build it: ninja cogent_sandbox_program");
  }

  // Whoever ended the spawner ended its workers with it; a new one sweeps up what they left.
  void KeepSpawner() {
    if (waitpid(spawner_, nullptr, WNOHANG) != spawner_) return;
    close(orders_);
    StartSpawner();
  }

  void StartWorker() {
    KeepSpawner();
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw SandboxError("the sandbox: socketpair failed");
    wire::WorkerOrder order{wire::kWireVersion, options_.level == SandboxLevel::kReduced, options_.without, options_.control_group, {}, {}};
    CopyPath(order.python, options_.python);
    CopyPath(order.zygote, ZygotePath());
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    iovec data{&order, sizeof order};
    msghdr message{};
    message.msg_iov = &data, message.msg_iovlen = 1;
    message.msg_control = control, message.msg_controllen = sizeof control;
    cmsghdr* passed = CMSG_FIRSTHDR(&message);
    passed->cmsg_level = SOL_SOCKET, passed->cmsg_type = SCM_RIGHTS, passed->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(passed), &ends[1], sizeof(int));
    (void)sendmsg(orders_, &message, MSG_NOSIGNAL);  // where it fails, the worker's socket closes
    close(ends[1]);
    workers_.push_back(std::make_unique<Worker>(context_));
    Worker& worker = *workers_.back();
    worker.socket.assign(asio::local::stream_protocol(), ends[0]);
    Listen(worker);
  }

  void Listen(Worker& worker) {
    asio::async_read(worker.socket, asio::buffer(&worker.head, sizeof worker.head), [this, &worker](const error_code& error, std::size_t) {
      if (error == asio::error::operation_aborted && stopping_) return;
      if (error || worker.head.version != wire::kWireVersion) return Lose(worker, "a worker of the sandbox ended");
      worker.body.resize(worker.head.total_bytes);
      asio::async_read(worker.socket, asio::buffer(worker.body), [this, &worker](const error_code& inner, std::size_t) {
        if (inner) return Lose(worker, "a worker of the sandbox ended");
        Take(worker);
      });
    });
  }

  void Take(Worker& worker) {
    if (worker.head.kind == wire::ReplyKind::kFailed) return Lose(worker, worker.body);
    if (worker.head.kind == wire::ReplyKind::kReady) {
      worker.ready = true;
      failures_ = 0;
      has_group_ = worker.head.outcomes != 0;
      Announce("");
    } else {
      worker.timer.cancel();
      const auto job = std::move(worker.job);
      ++worker.runs;
      try {
        job->done(DecodeOutcomes(worker.body, worker.head.outcomes), "");
      } catch (const SandboxError& error) {
        return Lose(worker, error.what());
      }
      if (worker.runs >= options_.runs_per_worker) return Replace(worker);
    }
    Listen(worker);
    Dispatch();
  }

  void Dispatch() {
    for (const auto& worker : workers_) {
      if (queue_.empty()) return;
      if (!worker->ready || worker->job) continue;
      worker->job = std::move(queue_.front());
      queue_.pop_front();
      Send(*worker);
    }
  }

  void Send(Worker& worker) {
    worker.timer.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(
        std::chrono::duration<double>(worker.job->patience_seconds)));
    worker.timer.async_wait([&worker](const error_code& error) {
      if (!error) worker.socket.shutdown(asio::local::stream_protocol::socket::shutdown_both);
    });
    // A failed write shows as the end of the reading side.
    asio::async_write(worker.socket, asio::buffer(worker.job->request), [](const error_code&, std::size_t) {});
  }

  // A worker is gone. Its run is tried once more: the fault was not the program's.
  void Lose(Worker& worker, const std::string& reason) {
    if (stopping_) return;
    if (worker.job) {
      if (++worker.job->attempts < 2) {
        queue_.push_front(std::move(worker.job));
      } else {
        worker.job->done({}, reason);
      }
    }
    if (!worker.ready && ++failures_ >= kStartAttempts) {
      Announce(reason);
      for (auto& job : queue_) job->done({}, reason);
      queue_.clear();
      failures_ = 0;
      if (!announced_well_) return;  // the constructor throws
    }
    Replace(worker);
  }

  void Replace(Worker& worker) {
    error_code ignored;
    worker.timer.cancel();
    worker.socket.close(ignored);
    asio::post(context_, [this, gone = &worker] {
      workers_.remove_if([gone](const auto& one) { return one.get() == gone; });
      if (stopping_) return;
      StartWorker();
      Dispatch();
    });
  }

  void Announce(const std::string& reason) {
    if (announced_) return;
    announced_ = true;
    announced_well_ = reason.empty();
    first_.set_value(reason);
  }

  void Stop() {
    asio::post(context_, [this] {
      stopping_ = true;
      for (auto& worker : workers_) {
        if (worker->job) worker->job->done({}, "the sandbox was closed");
      }
      for (auto& job : queue_) job->done({}, "the sandbox was closed");
      workers_.clear();
      queue_.clear();
      context_.stop();
    });
    thread_.join();
    close(orders_);
    waitpid(spawner_, nullptr, 0);  // until it has ended its workers and removed their groups
  }

  SandboxOptions options_;
  std::string level_;
  pid_t spawner_ = -1;
  int orders_ = -1;
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
  std::list<std::unique_ptr<Worker>> workers_;
  std::deque<std::unique_ptr<Job>> queue_;
  int failures_ = 0;
  bool stopping_ = false, announced_ = false, announced_well_ = false;
  std::atomic<bool> has_group_{false};
  std::promise<std::string> first_;
  std::thread thread_;
};

Sandbox::Sandbox(SandboxOptions options) : impl_(std::make_unique<Impl>(options)) {}
Sandbox::~Sandbox() = default;

const std::string& Sandbox::level() const { return impl_->level(); }
bool Sandbox::has_control_group() const { return impl_->has_group(); }
int Sandbox::SpawnerProcess() const { return impl_->spawner(); }

std::future<RunResult> Sandbox::Submit(Program program, Limits limits) {
  auto promise = std::make_shared<std::promise<RunResult>>();
  Submit(std::move(program), limits, [promise](RunResult result) { promise->set_value(std::move(result)); });
  return promise->get_future();
}

void Sandbox::Submit(Program program, Limits limits, std::function<void(RunResult)> done) {
  auto job = std::make_unique<Job>();
  job->request = EncodeRequest(0, {EncodeProgram(program, limits, wire::kScript, impl_->languages())});
  job->patience_seconds = limits.wall_seconds + kSlackSeconds + (program.language == "python" ? 0 : kBuildSeconds);
  job->done = [limits, level = level(), done = std::move(done)](std::vector<Outcome> outcomes, const std::string& fault) {
    RunResult result = fault.empty() ? ResultOf(std::move(outcomes.at(0)), limits) : InternalFault(fault);
    result.level = level;
    done(std::move(result));
  };
  impl_->Add(std::move(job));
}

std::vector<RunResult> Sandbox::RunAll(std::vector<Program> programs, const Limits& limits,
                                       const std::function<void(std::size_t, const RunResult&)>& done) {
  std::vector<std::future<RunResult>> waiting;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    auto promise = std::make_shared<std::promise<RunResult>>();
    waiting.push_back(promise->get_future());
    Submit(std::move(programs[i]), limits, [promise, i, &done](RunResult result) {
      if (done) done(i, result);
      promise->set_value(std::move(result));
    });
  }
  std::vector<RunResult> results;
  for (auto& one : waiting) results.push_back(one.get());
  return results;
}

namespace {

// The candidate's run and the judge's report, as one.
JudgedResult Combine(RunResult candidate, const RunResult& judge, bool candidate_ended_itself) {
  JudgedResult result;
  result.judge_cpu_seconds = judge.cpu_seconds;
  const auto report = nlohmann::json::parse(judge.out, nullptr, false);
  const bool reported = judge.verdict == RunVerdict::kOk && report.is_object() && !judge.out_cut;
  if (reported) {
    result.passed = report.value("passed", 0);
    result.total = report.value("total", 0);
    result.failure = report.value("failure", "");
    result.broken = report.value("broken", "");
  }
  RunVerdict& verdict = candidate.verdict;
  const bool limited = verdict != RunVerdict::kOk && verdict != RunVerdict::kRuntimeError;
  const bool all = reported && result.broken.empty() && result.total > 0 && result.passed == result.total;
  if (judge.verdict == RunVerdict::kInternalError || verdict == RunVerdict::kInternalError) {
    if (verdict != RunVerdict::kInternalError) candidate = judge;
  } else if (all && !limited) {
    verdict = RunVerdict::kOk;
    candidate.reason = "all " + std::to_string(result.total) + " tests passed";
  } else if (!limited && !reported) {
    verdict = judge.verdict == RunVerdict::kTimeLimit ? RunVerdict::kTimeLimit : RunVerdict::kWrongAnswer;
    candidate.reason = "the tests did not come to an end: " + judge.reason;
  } else if (!limited && (verdict == RunVerdict::kOk || !candidate_ended_itself)) {
    verdict = RunVerdict::kWrongAnswer;
    candidate.reason = std::to_string(result.passed) + " of " + std::to_string(result.total) + " tests passed: " + result.failure;
  }
  result.candidate = std::move(candidate);
  return result;
}

}  // namespace

std::future<JudgedResult> Sandbox::SubmitJudged(Program candidate, Tests tests, Limits limits) {
  auto promise = std::make_shared<std::promise<JudgedResult>>();
  Limits judge_limits = limits;  // the tests' own work, on values of a bounded size
  judge_limits.cpu_seconds += 5, judge_limits.memory_bytes = 1ull << 30, judge_limits.processes = 64;
  judge_limits.output_bytes = 64 << 10, judge_limits.open_files = 256;
  judge_limits.wall_seconds += 0.2;  // a candidate over its limit is found so first
  auto job = std::make_unique<Job>();
  job->request = EncodeRequest(0, {EncodeProgram(candidate, limits, wire::kCandidate, impl_->languages()),
                                   EncodeProgram({.input = std::move(tests.json)}, judge_limits, wire::kJudge)});
  job->patience_seconds = judge_limits.wall_seconds + kSlackSeconds;
  job->done = [promise, limits, judge_limits, level = level()](std::vector<Outcome> outcomes, const std::string& fault) {
    JudgedResult result;
    if (!fault.empty()) {
      result.candidate = InternalFault(fault);
    } else {
      const bool itself = outcomes.at(0).head.ended_by != wire::EndedBy::kPartner;
      const RunResult judge = ResultOf(std::move(outcomes.at(1)), judge_limits);
      result = Combine(ResultOf(std::move(outcomes.at(0)), limits), judge, itself);
    }
    result.candidate.level = level;
    promise->set_value(std::move(result));
  };
  auto future = promise->get_future();
  impl_->Add(std::move(job));
  return future;
}

}  // namespace cogent
