#include "experiments/verify_lines.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <optional>
#include <thread>

#include "core/error.h"
#include "core/progress.h"

namespace cogent {
namespace {

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

void Complain(LineOutcome& outcome, std::int64_t number, const LineValue& id,
              const std::string& what) {
  LineResult fields = {{"line", number}, {"error", what}};
  if (!std::holds_alternative<std::nullptr_t>(id)) fields.insert(fields.begin(), {"id", id});
  outcome.out += ToJsonLine(fields) + "\n";
  outcome.complaints.push_back("line " + std::to_string(number) + ": " + what);
}

void TakeLine(std::string_view text, std::int64_t number, LineOutcome& outcome,
              const std::function<void(const LineObject&, std::int64_t)>& each) {
  LineValue id = nullptr;
  try {
    const LineObject line(text);
    id = line.Id();
    each(line, number);
  } catch (const DataError& error) {
    ++outcome.counts.malformed;
    Complain(outcome, number, id, error.what());
  } catch (const std::exception& error) {
    FailLine(outcome, number, id, error.what());
  }
}

}  // namespace

void FailLine(LineOutcome& outcome, std::int64_t number, const LineValue& id,
              const std::string& what) {
  ++outcome.counts.failed;
  Complain(outcome, number, id, "the verifier failed: " + what);
}

void ForEachLine(const LineChunk& chunk, LineOutcome& outcome,
                 const std::function<void(const LineObject&, std::int64_t)>& each) {
  std::size_t long_ones = 0;
  for (std::size_t i = 0; i < chunk.lines.size(); ++i) {
    const std::int64_t number = chunk.first + static_cast<std::int64_t>(i);
    std::string_view line = chunk.lines[i];
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    if (long_ones < chunk.too_long.size() && chunk.too_long[long_ones] == i) {
      ++long_ones;
      ++outcome.counts.malformed;
      Complain(outcome, number, nullptr,
               "longer than " + std::to_string(LineReader::kMaxLineBytes >> 20) + " MiB");
    } else if (!IsBlank(line)) {
      TakeLine(line, number, outcome, each);
    } else {
      continue;
    }
    ++outcome.counts.lines;
  }
}

LineValue IdOrNumber(const LineObject& line, std::int64_t number) {
  LineValue id = line.Id();
  return std::holds_alternative<std::nullptr_t>(id) ? LineValue(number) : id;
}

std::string WithCommas(std::int64_t count) {
  std::string text = std::to_string(count);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

namespace {

std::atomic<bool> stop_wanted = false;  // the one state that a signal handler can reach
extern "C" void OnStopSignal(int signal) {
  stop_wanted = true;
  std::signal(signal, SIG_DFL);  // a second one ends the program at once
}

// Prints the first complaints, so that a wrong file does not flood the terminal.
class Complaints {
 public:
  explicit Complaints(Progress& progress) : progress_(progress) {}
  void Print(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      ++count_;
      if (count_ <= kMost) progress_.Print(line);
      if (count_ == kMost)
        progress_.Print("(no more of these are printed; the output has each as an \"error\")");
    }
  }

 private:
  static constexpr int kMost = 100;
  Progress& progress_;
  std::int64_t count_ = 0;
};

std::string SummaryOf(const std::string& name, const LineCounts& counts, double seconds,
                      int threads) {
  char time[32];
  std::snprintf(time, sizeof time, "%.2f", seconds);
  const double rate = seconds > 0 ? static_cast<double>(counts.lines) / seconds : 0.0;
  std::string text = name + ": " + WithCommas(counts.lines) + " lines in " + time + " s, " +
                     WithCommas(static_cast<std::int64_t>(rate)) + " a second on " +
                     std::to_string(threads) + (threads == 1 ? " thread" : " threads");
  if (counts.malformed > 0) text += "; " + WithCommas(counts.malformed) + " malformed";
  if (counts.failed > 0) text += "; the verifier failed on " + WithCommas(counts.failed);
  return text;
}

struct LineInput {
  int descriptor = STDIN_FILENO;
  std::string name = "standard input";
  explicit LineInput(const std::string& path) {
    if (path == "-") return;
    name = path;
    descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) throw DataError("cannot read " + path + ": " + std::strerror(errno));
  }
  ~LineInput() {
    if (descriptor != STDIN_FILENO) ::close(descriptor);
  }
  LineInput(const LineInput&) = delete;
  LineInput& operator=(const LineInput&) = delete;
};

int ThreadsOf(const Command& command) {
  constexpr int kMost = 1024;
  const std::string text = command.Get("threads");
  if (text.empty())
    return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMost);
  int threads = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
  if (error != std::errc() || threads > kMost)
    throw ConfigError("--threads " + text + " is too many; at most " + std::to_string(kMost));
  return threads;
}

}  // namespace

int RunLines(const Command& command, const std::string& output, std::size_t lines_at_once,
             const std::function<LineOutcome(const LineChunk&)>& work) {
  const auto begin = std::chrono::steady_clock::now();
  const int threads = ThreadsOf(command);
  LineInput input(command.Get("input", "-"));
  std::optional<ResultFile> file;
  if (!output.empty()) file.emplace(output);
  std::signal(SIGINT, OnStopSignal);
  std::signal(SIGTERM, OnStopSignal);
  LineReader reader(input.descriptor, input.name, &stop_wanted);
  LineCounts total;
  {
    Progress progress(command.name, 0, "lines");
    Complaints complaints(progress);
    ForEachChunk(reader, {.threads = threads, .lines_at_once = lines_at_once},
                 [&](const LineChunk& chunk) {
                   return [&, outcome = work(chunk)] {
                     if (file) file->Write(outcome.out);
                     complaints.Print(outcome.complaints);
                     if (outcome.in_order) outcome.in_order();
                     total.lines += outcome.counts.lines;
                     total.malformed += outcome.counts.malformed;
                     total.failed += outcome.counts.failed;
                     progress.Advance(outcome.counts.lines);
                   };
                 });
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const std::string summary = SummaryOf(command.name, total, seconds, threads);
  if (stop_wanted) {
    std::cerr << summary << "; stopped"
              << (file ? ", what was done is in " + file->name() : std::string()) << std::endl;
    return kExitStopped;
  }
  if (file) file->Commit();
  std::cerr << summary << std::endl;
  if (total.failed > 0) return kExitFailed;
  return total.malformed > 0 ? kExitUserMistake : kExitDone;
}

}  // namespace cogent
