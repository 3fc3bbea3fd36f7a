#include "sandbox/session.h"

#include <algorithm>
#include <boost/crc.hpp>
#include <cinttypes>
#include <cstdio>

#include "core/error.h"
#include "core/rng.h"
#include "sandbox/python_text.h"

namespace cogent {
namespace {

std::string InTenths(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", seconds);
  return text;
}

// Stands before and behind what a call writes to standard error.
std::string MarkOf(std::size_t calls, const std::string& code) {
  char text[40];
  std::snprintf(text, sizeof text, "[session-%016" PRIx64 "]", Rng(0).Fork("session").Fork(calls).Fork(code).Next());
  return text;
}

std::uint32_t Checksum(const RunResult& run) {
  boost::crc_32_type sum;
  sum.process_bytes(run.out.data(), run.out.size());
  sum.process_bytes(run.err.data(), run.err.size());
  return sum.checksum();
}

// What the run said between and behind its marks.
struct Said {
  bool began = false, ended = false;
  int other = 0;  // the first kept call whose output was another
};

Said TakeMarks(RunResult& run, const std::string& mark) {
  Said said;
  if (!run.err.starts_with(mark)) {
    run.err.clear();  // of the calls before, if anything
    return said;
  }
  said.began = true;
  run.err.erase(0, mark.size());
  const std::size_t end = run.err.rfind(mark);
  if (end == std::string::npos) return said;
  said.ended = true;
  said.other = std::atoi(run.err.c_str() + end + mark.size());
  run.err.resize(end);
  return said;
}

}  // namespace

PythonSession::PythonSession(Sandbox& sandbox, SessionOptions options) : sandbox_(sandbox), options_(options) {
  if (options_.max_calls < 1) throw ConfigError("a session needs max_calls of at least 1");
  if (!(options_.replay_seconds > 0)) throw ConfigError("a session needs replay_seconds above 0");
}

std::string PythonSession::Full() const {
  if (static_cast<int>(calls_.size()) >= options_.max_calls) {
    return "the session has kept " + std::to_string(calls_.size()) + " calls and takes no more";
  }
  if (replay_seconds_ > options_.replay_seconds) {
    return "the session's calls take " + InTenths(replay_seconds_) + " together, more than its " + InTenths(options_.replay_seconds) + ", and it takes no more";
  }
  return {};
}

Program PythonSession::ProgramOf(const std::string& code, const std::string& mark) const {
  Program program{.source = PythonText("session")};
  std::string sums = mark;
  for (const std::uint32_t sum : checksums_) sums += "\n" + std::to_string(sum);
  program.files.emplace_back("session", sums);
  for (std::size_t i = 0; i <= calls_.size(); ++i) {
    program.files.emplace_back("call_" + std::to_string(i + 1), i < calls_.size() ? calls_[i] : code);
  }
  return program;
}

// The calls before took their time once; half as much more is for a busy machine.
Limits PythonSession::LimitsOfCall() const {
  Limits limits = options_.limits;
  const double again = calls_.empty() ? 0.0 : 0.1 + 1.5 * replay_seconds_;
  limits.wall_seconds += again, limits.cpu_seconds += again;
  const std::uint64_t aside = 2 * limits.output_bytes;
  limits.storage_bytes += aside, limits.file_bytes = std::max(limits.file_bytes, limits.output_bytes);
  limits.output_bytes += 128;  // the marks
  limits.open_files += 4;
  return limits;
}

SessionResult PythonSession::Call(const std::string& code) {
  SessionResult result;
  RunResult& run = result.run;
  if (std::string full = Full(); !full.empty()) {
    run.verdict = RunVerdict::kTimeLimit, run.reason = std::move(full), run.level = sandbox_.level();
    return result;
  }
  const std::string mark = MarkOf(calls_.size(), code);
  run = sandbox_.Run(ProgramOf(code, mark), LimitsOfCall());
  const Said said = TakeMarks(run, mark);
  if (run.verdict == RunVerdict::kInternalError) return result;
  const bool at_end = run.verdict == RunVerdict::kOk || run.verdict == RunVerdict::kRuntimeError;
  if (!said.began) {
    if (at_end) run.verdict = RunVerdict::kRuntimeError;
    run.reason = "while the calls before were run again, for they do not do the same twice: " + run.reason;
  } else if (at_end && !said.ended) {
    run.verdict = RunVerdict::kRuntimeError;
    run.reason = "the call ended its interpreter; the state is the one before it";
  } else if (at_end) {
    result.kept = true;
    if (said.other > 0) run.reason += "; call " + std::to_string(said.other) + " printed something else when it was run again, so the state may be another";
    calls_.push_back(code);
    checksums_.push_back(Checksum(run));
    replay_seconds_ = run.wall_seconds;
  }
  return result;
}

}  // namespace cogent
