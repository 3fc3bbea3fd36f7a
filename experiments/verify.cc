#include "experiments/verify.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <thread>

#include "core/error.h"
#include "core/progress.h"
#include "experiments/line_stream.h"
#include "verifiers/extract.h"
#include "verifiers/language.h"

namespace cogent {
namespace {

// ---- the verifiers --------------------------------------------------------------------------------

LineValue OrNull(const std::optional<std::string>& text) {
  return text ? LineValue(*text) : LineValue(nullptr);
}

LineVerifier FormatVerifier(const Command&) {
  return {[](const LineObject& line) -> LineResult {
    const std::string completion = line.Text("completion");
    return {{"format_ok", FormatOk(completion)}, {"answer", OrNull(Extract(completion).text)}};
  }};
}

// The text of a line; a run's samples have it as their completion.
LineVerifier LanguageVerifier(const Command& command) {
  const std::string otherwise = command.Get("target");
  if (!otherwise.empty() && LanguageIndex(otherwise) == kLanguages.size()) {
    throw ConfigError("--target '" + otherwise + "' is no language that is told apart. Known: " + LanguageList());
  }
  return {[otherwise](const LineObject& line) -> LineResult {
    const std::string target = line.FindText("target").value_or(otherwise);
    if (target.empty()) throw DataError("'target' is missing; one of " + LanguageList() + " is wanted, or --target for all lines");
    if (LanguageIndex(target) == kLanguages.size()) throw DataError("'target' is '" + target + "'; one of " + LanguageList() + " is wanted");
    const auto text = line.FindText("text");
    return {{"fraction", LanguageFraction(text ? *text : line.Text("completion"), target)}};
  }};
}

using MakeVerifier = LineVerifier (*)(const Command&);
const std::map<std::string, MakeVerifier> kMakers = {
    {"verify format", FormatVerifier},
    {"verify language", LanguageVerifier},
};

// ---- one line -------------------------------------------------------------------------------------

struct Counts {
  std::int64_t lines = 0, malformed = 0, failed = 0;
};

// What a chunk came to.
struct Outcome {
  std::string out;                     // for the output
  std::vector<std::string> complaints;  // for standard error
  Counts counts;
};

bool IsBlank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

// A line that got no verdict keeps its place in the output.
void Complain(Outcome& outcome, std::int64_t number, const LineValue& id, const std::string& what) {
  LineResult fields = {{"line", number}, {"error", what}};
  if (!std::holds_alternative<std::nullptr_t>(id)) fields.insert(fields.begin(), {"id", id});
  outcome.out += ToJsonLine(fields) + "\n";
  outcome.complaints.push_back("line " + std::to_string(number) + ": " + what);
}

void VerifyLine(const LineVerifier& verifier, std::string_view text, std::int64_t number, Outcome& outcome) {
  LineValue id = nullptr;
  try {
    const LineObject line(text);
    id = line.Id();
    LineResult fields = verifier.verify(line);
    fields.insert(fields.begin(), {"id", std::holds_alternative<std::nullptr_t>(id) ? LineValue(number) : id});
    outcome.out += ToJsonLine(fields) + "\n";
  } catch (const DataError& error) {
    ++outcome.counts.malformed;
    Complain(outcome, number, id, error.what());
  } catch (const std::exception& error) {
    ++outcome.counts.failed;
    Complain(outcome, number, id, std::string("the verifier failed: ") + error.what());
  }
}

Outcome VerifyChunk(const LineVerifier& verifier, const LineChunk& chunk) {
  Outcome outcome;
  std::size_t long_ones = 0;
  for (std::size_t i = 0; i < chunk.lines.size(); ++i) {
    const std::int64_t number = chunk.first + static_cast<std::int64_t>(i);
    std::string_view line = chunk.lines[i];
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    if (long_ones < chunk.too_long.size() && chunk.too_long[long_ones] == i) {
      ++long_ones;
      ++outcome.counts.malformed;
      Complain(outcome, number, nullptr, "longer than " + std::to_string(LineReader::kMaxLineBytes >> 20) + " MiB");
    } else if (!IsBlank(line)) {
      VerifyLine(verifier, line, number, outcome);
    } else {
      continue;
    }
    ++outcome.counts.lines;
  }
  return outcome;
}

// ---- all lines ------------------------------------------------------------------------------------

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
      if (count_ == kMost) progress_.Print("(no more of these are printed; the output has each as an \"error\")");
    }
  }

 private:
  static constexpr int kMost = 100;
  Progress& progress_;
  std::int64_t count_ = 0;
};

std::string Number(std::int64_t count) {  // 1,234,567
  std::string text = std::to_string(count);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

std::string Summary(const std::string& name, const Counts& counts, double seconds, int threads) {
  char time[32];
  std::snprintf(time, sizeof time, "%.2f", seconds);
  const double rate = seconds > 0 ? static_cast<double>(counts.lines) / seconds : 0.0;
  std::string text = name + ": " + Number(counts.lines) + " lines in " + time + " s, " +
                     Number(static_cast<std::int64_t>(rate)) + " a second on " + std::to_string(threads) +
                     (threads == 1 ? " thread" : " threads");
  if (counts.malformed > 0) text += "; " + Number(counts.malformed) + " malformed";
  if (counts.failed > 0) text += "; the verifier failed on " + Number(counts.failed);
  return text;
}

struct Input {
  int descriptor = STDIN_FILENO;
  std::string name = "standard input";
  explicit Input(const std::string& path) {
    if (path == "-") return;
    name = path;
    descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) throw DataError("cannot read " + path + ": " + std::strerror(errno));
  }
  ~Input() {
    if (descriptor != STDIN_FILENO) ::close(descriptor);
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
};

int ThreadsOf(const Command& command) {
  if (command.Has("threads")) return std::stoi(command.Get("threads"));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

int VerifyLines(const LineVerifier& verifier, const Command& command) {
  const auto begin = std::chrono::steady_clock::now();
  const int threads = ThreadsOf(command);
  Input input(command.Get("input", "-"));
  ResultFile output(command.Get("output", "-"));
  std::signal(SIGINT, OnStopSignal);
  std::signal(SIGTERM, OnStopSignal);
  LineReader reader(input.descriptor, input.name, &stop_wanted);
  Counts total;
  {
    Progress progress(command.name, 0, "lines");
    Complaints complaints(progress);
    ForEachChunk(reader, {.threads = threads, .lines_at_once = verifier.lines_at_once}, [&](const LineChunk& chunk) {
      return [&, outcome = VerifyChunk(verifier, chunk)] {
        output.Write(outcome.out);
        complaints.Print(outcome.complaints);
        total.lines += outcome.counts.lines;
        total.malformed += outcome.counts.malformed;
        total.failed += outcome.counts.failed;
        progress.Advance(outcome.counts.lines);
      };
    });
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const std::string summary = Summary(command.name, total, seconds, threads);
  if (stop_wanted) {
    std::cerr << summary << "; stopped, what was done is in " << output.name() << std::endl;
    return kExitStopped;
  }
  output.Commit();
  std::cerr << summary << std::endl;
  if (total.failed > 0) return kExitFailed;
  return total.malformed > 0 ? kExitUserMistake : kExitDone;
}

int RunVerify(const Parts&, const Command& command) {
  const auto maker = kMakers.find(command.name);
  Check(maker != kMakers.end(), "a verify command without its verifier");
  return VerifyLines(maker->second(command), command);
}

}  // namespace cogent
