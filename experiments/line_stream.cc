#include "experiments/line_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "core/error.h"
#include "core/file.h"

namespace cogent {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 16;
constexpr int kLookForStopMilliseconds = 100;

std::string Reason() { return std::strerror(errno); }

}  // namespace

// ---- reading ------------------------------------------------------------------------------------

LineReader::LineReader(int descriptor, std::string name, const std::atomic<bool>* stop)
    : descriptor_(descriptor), name_(std::move(name)), stop_(stop) {}

// More bytes, waiting for them; false at the end.
bool LineReader::Fill() {
  if (ended_) return false;
  buffer_.resize(kReadBytes);
  used_ = 0;
  while (true) {
    // A signal may reach any thread, so the one that waits here has to look by itself.
    pollfd waiting{descriptor_, POLLIN, 0};
    const int ready = stop_ ? ::poll(&waiting, 1, kLookForStopMilliseconds) : 1;
    if (stop_ && stop_->load()) break;
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    const ssize_t count = ::read(descriptor_, buffer_.data(), buffer_.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw DataError("cannot read " + name_ + ": " + Reason());
    if (count == 0) break;
    buffer_.resize(static_cast<std::size_t>(count));
    if (number_ == 1 && line_.empty()) RefusePacked(buffer_, name_, descriptor_ == STDIN_FILENO ? "FILE" : name_);
    return true;
  }
  ended_ = true;
  buffer_.clear();
  return false;
}

void LineReader::TakeLine(LineChunk& chunk, std::string_view end_of_line) {
  if (line_.size() + end_of_line.size() > kMaxLineBytes) long_line_ = true;
  if (long_line_) {
    chunk.too_long.push_back(chunk.lines.size());
    chunk.lines.emplace_back();
  } else {
    line_ += end_of_line;
    chunk.lines.push_back(std::move(line_));
  }
  line_.clear();
  long_line_ = false;
  ++number_;
}

LineChunk LineReader::Next(std::size_t most) {
  LineChunk chunk;
  chunk.first = number_;
  while (chunk.lines.size() < most) {
    if (used_ == buffer_.size() && (!chunk.lines.empty() || !Fill())) break;
    const std::string_view rest = std::string_view(buffer_).substr(used_);
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) {
      if (line_.size() + rest.size() > kMaxLineBytes) {
        long_line_ = true;
        line_ = {};
      }
      if (!long_line_) line_ += rest;
      used_ = buffer_.size();
    } else {
      TakeLine(chunk, rest.substr(0, end));
      used_ += end + 1;
    }
  }
  // The last line may lack its line break. Where the work was stopped, it may be half a line.
  const bool stopped = stop_ && stop_->load();
  if (chunk.lines.empty() && ended_ && !stopped && (!line_.empty() || long_line_))
    TakeLine(chunk, "");
  return chunk;
}

// ---- threads ------------------------------------------------------------------------------------

namespace {

class ChunkThreads {
 public:
  ChunkThreads(LineReader& reader, ChunkOptions options,
           const std::function<std::function<void()>(const LineChunk&)>& work)
      : reader_(reader), options_(options), work_(work) {}

  void Run() {
    std::vector<std::thread> threads;
    try {
      for (int i = 1; i < options_.threads; ++i) threads.emplace_back([this] { Loop(); });
    } catch (const std::system_error&) {  // the machine gives no more of them: those there are do
    }
    Loop();
    for (std::thread& thread : threads) thread.join();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void Loop() {
    try {
      std::int64_t place = 0;
      for (LineChunk chunk; Take(chunk, place);) Deliver(place, work_(chunk));
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      ended_ = true;
      room_.notify_all();
    }
  }

  // The next chunk and its place in the order; false at the end.
  bool Take(LineChunk& chunk, std::int64_t& place) {
    const std::lock_guard reading(reading_);
    {
      std::unique_lock lock(mutex_);
      room_.wait(lock, [&] { return ended_ || taken_ - delivered_ < 4 * options_.threads; });
      if (ended_) return false;
    }
    chunk = reader_.Next(options_.lines_at_once);
    const std::lock_guard lock(mutex_);
    if (chunk.lines.empty()) ended_ = true;
    if (ended_) return false;
    place = taken_++;
    return true;
  }

  // Calls what is next in order, as long as that is there; one thread does so at a time.
  void Deliver(std::int64_t place, std::function<void()> result) {
    std::unique_lock lock(mutex_);
    waiting_[place] = std::move(result);
    if (delivering_) return;
    delivering_ = true;
    while (!waiting_.empty() && waiting_.begin()->first == delivered_) {
      const auto next = std::move(waiting_.begin()->second);
      waiting_.erase(waiting_.begin());
      lock.unlock();
      next();
      lock.lock();
      ++delivered_;
      room_.notify_all();
    }
    delivering_ = false;
  }

  LineReader& reader_;
  const ChunkOptions options_;
  const std::function<std::function<void()>(const LineChunk&)>& work_;
  std::mutex reading_;  // taken before mutex_
  std::mutex mutex_;    // for all below
  std::condition_variable room_;
  std::int64_t taken_ = 0, delivered_ = 0;
  std::map<std::int64_t, std::function<void()>> waiting_;
  bool delivering_ = false, ended_ = false;
  std::exception_ptr failure_;
};

}  // namespace

void ForEachChunk(LineReader& reader, ChunkOptions options,
                  const std::function<std::function<void()>(const LineChunk&)>& work) {
  Check(options.threads >= 1 && options.lines_at_once >= 1, "a chunk needs a thread and a line");
  ChunkThreads(reader, options, work).Run();
}

// ---- writing ------------------------------------------------------------------------------------

ResultFile::ResultFile(const std::string& path) : path_(path), written_(path) {
  if (path == "-") {
    written_ = "standard output";
    descriptor_ = ::dup(STDOUT_FILENO);
  } else {
    struct stat status {};
    const bool special = ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
    if (!special) written_ += ".part";
    descriptor_ = ::open(written_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  }
  if (descriptor_ < 0) throw DataError("cannot write " + written_ + ": " + Reason());
}

ResultFile::~ResultFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void ResultFile::Write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor_, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw DataError("cannot write " + written_ + ": " + Reason());
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void ResultFile::Commit() {
  if (written_ != path_ + ".part") return;
  if (::fsync(descriptor_) != 0 || std::rename(written_.c_str(), path_.c_str()) != 0) {
    throw DataError("cannot write " + path_ + ": " + Reason() + " (its lines are in " + written_ +
                    ")");
  }
  written_ = path_;
}

}  // namespace cogent
