#include "sandbox/messages.h"

#include <sys/wait.h>

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/error.h"

namespace cogent {
namespace {

const LanguageTable& Languages() {
  static const LanguageTable table = {
      {"python", {"program.py", {}}},
      {"c++", {"program.cc", {{"/usr/bin/g++", "-std=c++17", "-O2", "-o", "program", "program.cc"}, {"./program"}}}},
  };
  return table;
}

void Append(std::string& bytes, const void* data, std::size_t size) { bytes.append(static_cast<const char*>(data), size); }

void AppendFile(std::string& bytes, const std::string& name, const std::string& text) {
  const wire::FileHead head{static_cast<std::uint32_t>(name.size()), 0, text.size()};
  Append(bytes, &head, sizeof head);
  bytes += name + text;
}

wire::Limits OnWire(const Limits& limits) {
  return {limits.wall_seconds, limits.cpu_seconds, limits.memory_bytes, limits.output_bytes, limits.file_bytes,
          limits.storage_bytes, static_cast<std::uint64_t>(limits.processes), static_cast<std::uint64_t>(limits.open_files)};
}

// A compiler is not the program, and needs more than one.
wire::Limits BuildLimits() { return {30, 30, 2ull << 30, 64 << 10, 64ull << 20, 256ull << 20, 64, 256}; }

std::string Seconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g s", seconds);
  return text;
}

// Verdict and reason of a run that was set up and ended. A source that does not compile is the program's
// error, whatever the compiler ran into.
std::pair<RunVerdict, std::string> Judge(const wire::OutcomeHead& head, const Limits& limits) {
  using enum RunVerdict;
  if (head.building != 0) return {kRuntimeError, "it does not compile"};
  switch (head.ended_by) {
    case wire::EndedBy::kWall: return {kTimeLimit, "still running after " + Seconds(limits.wall_seconds)};
    case wire::EndedBy::kOutput: return {kOutputLimit, "more than " + std::to_string(limits.output_bytes) + " bytes of output"};
    default: break;
  }
  if (head.cpu_seconds >= limits.cpu_seconds) return {kTimeLimit, "more than " + Seconds(limits.cpu_seconds) + " of CPU time"};
  if (WIFEXITED(head.wait_status) && WEXITSTATUS(head.wait_status) == 0) return {kOk, "ended with status 0"};
  if (head.memory_kills > 0) return {kMemoryLimit, "more than " + std::to_string(limits.memory_bytes >> 20) + " MiB of memory"};
  if (WIFSIGNALED(head.wait_status) && WTERMSIG(head.wait_status) == SIGSYS) return {kDenied, "a system call that ends the run"};
  if (head.process_refusals > 0) return {kProcessLimit, "more than " + std::to_string(limits.processes) + " processes and threads"};
  if (WIFSIGNALED(head.wait_status)) return {kRuntimeError, std::string("ended by signal ") + std::to_string(WTERMSIG(head.wait_status))};
  return {kRuntimeError, "ended with status " + std::to_string(WEXITSTATUS(head.wait_status))};
}

}  // namespace

const char* Name(RunVerdict verdict) {
  static const char* const names[] = {"ok", "wrong_answer", "runtime_error", "time_limit", "memory_limit", "process_limit",
                                      "output_limit", "denied", "internal_error"};
  return names[static_cast<int>(verdict)];
}

const Language& FindLanguage(const std::string& name, const LanguageTable& more) {
  std::vector<std::string> known;
  for (const LanguageTable* table : {&more, &Languages()}) {
    const auto found = table->find(name);
    if (found != table->end()) return found->second;
    for (const auto& [one, language] : *table) known.push_back(one);
  }
  const auto near = Nearest(name, known);
  std::string text = "unknown language '" + name + "'." + (near ? " Did you mean '" + *near + "'?" : "") + " Known:";
  for (const std::string& one : known) text += (text.back() == ':' ? " " : ", ") + one;
  throw ConfigError(text);
}

std::string EncodeProgram(const Program& program, const Limits& limits, wire::Mode mode, const LanguageTable& more) {
  const Language& language = FindLanguage(program.language, more);
  std::string body;
  wire::ProgramHead head{};
  if (!program.source.empty() || mode != wire::kJudge) AppendFile(body, language.file, program.source);
  head.files = static_cast<std::uint32_t>((body.empty() ? 0 : 1) + program.files.size());
  for (const auto& [name, text] : program.files) AppendFile(body, name, text);
  head.mode = language.commands.empty() ? mode : wire::kCommand;
  if (head.mode == wire::kCommand) head.commands = static_cast<std::uint32_t>(language.commands.size());
  for (const auto& command : language.commands) {
    const auto words = static_cast<std::uint32_t>(command.size());
    Append(body, &words, sizeof words);
    for (const std::string& word : command) {
      const auto bytes = static_cast<std::uint32_t>(word.size());
      Append(body, &bytes, sizeof bytes);
      body += word;
    }
  }
  body += program.input;
  head.keep_stdin_open = program.input_stays_open ? 1 : 0;
  head.stdin_bytes = program.input.size();
  head.total_bytes = body.size();
  head.limits = OnWire(limits);
  head.build_limits = BuildLimits();
  return std::string(reinterpret_cast<const char*>(&head), sizeof head) + body;
}

std::string EncodeRequest(std::uint64_t id, const std::vector<std::string>& programs) {
  wire::RequestHead head{wire::kWireVersion, static_cast<std::uint32_t>(programs.size()), id, 0};
  for (const std::string& program : programs) head.total_bytes += program.size();
  if (head.total_bytes > wire::kMaxRequestBytes) throw DataError("a program with its input and files may have 256 MiB in all");
  std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
  for (const std::string& program : programs) bytes += program;
  return bytes;
}

std::vector<Outcome> DecodeOutcomes(const std::string& body, std::uint32_t count) {
  std::vector<Outcome> outcomes;
  std::size_t at = 0;
  const auto take = [&](std::uint64_t bytes) {
    if (bytes > body.size() - at) throw SandboxError("a worker's reply is cut short");
    at += bytes;
    return body.substr(at - bytes, bytes);
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    Outcome outcome;
    std::memcpy(&outcome.head, take(sizeof outcome.head).data(), sizeof outcome.head);
    outcome.out = take(outcome.head.out_bytes);
    outcome.err = take(outcome.head.err_bytes);
    outcome.fault = take(outcome.head.fault_bytes);
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

RunResult ResultOf(Outcome outcome, const Limits& limits) {
  const wire::OutcomeHead& head = outcome.head;
  if (!outcome.fault.empty()) return InternalFault(outcome.fault);
  RunResult result;
  std::tie(result.verdict, result.reason) = Judge(head, limits);
  if (WIFEXITED(head.wait_status)) result.exit_code = WEXITSTATUS(head.wait_status);
  if (WIFSIGNALED(head.wait_status)) result.signal = WTERMSIG(head.wait_status);
  result.out = std::move(outcome.out), result.err = std::move(outcome.err);
  result.out_cut = head.out_cut != 0, result.err_cut = head.err_cut != 0;
  result.wall_seconds = head.wall_seconds, result.cpu_seconds = head.cpu_seconds;
  result.peak_bytes = head.peak_bytes;
  result.peak_is_of_whole_run = head.whole_run_peak != 0;
  return result;
}

RunResult InternalFault(const std::string& reason) {
  RunResult result;
  result.verdict = RunVerdict::kInternalError;
  result.reason = reason;
  return result;
}

std::string RunResult::ToJson() const {
  nlohmann::ordered_json json = {{"verdict", Name(verdict)}, {"reason", reason}, {"exit_code", exit_code}, {"signal", signal},
                                 {"stdout", out}, {"stderr", err}, {"stdout_cut", out_cut}, {"stderr_cut", err_cut},
                                 {"wall_seconds", wall_seconds}, {"cpu_seconds", cpu_seconds}, {"peak_bytes", peak_bytes},
                                 {"peak_of", peak_is_of_whole_run ? "run" : "process"}, {"level", level}};
  std::string text = json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  for (std::size_t at = 0; (at = text.find('\x7f', at)) != std::string::npos; at += 6) text.replace(at, 1, "\\u007f");
  return text;
}

}  // namespace cogent
