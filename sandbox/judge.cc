#include "sandbox/judge.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/ascii.h"
#include "core/error.h"

namespace cogent {
namespace {

// The next word of `text`, taken off it; empty at the end.
std::string_view TakeToken(std::string_view& text) {
  std::size_t begin = 0;
  while (begin < text.size() && IsSpace(text[begin])) ++begin;
  std::size_t end = begin;
  while (end < text.size() && !IsSpace(text[end])) ++end;
  const std::string_view token = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return token;
}

// A finite number. What is longer than any number that is meant is not read at all.
std::optional<double> Number(std::string_view token) {
  if (!token.empty() && token[0] == '+') token.remove_prefix(1);
  if (token.empty() || token.size() > 64) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (error != std::errc() || end != token.data() + token.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

bool SameToken(std::string_view expected, std::string_view given, const CompareRule& rule) {
  if (rule.kind != CompareKind::kFloat) return expected == given;
  const auto wanted = Number(expected);
  if (!wanted) return expected == given && given != "nan" && given != "inf" && given != "-inf";
  const auto value = Number(given);
  if (!value) return false;
  return std::abs(*value - *wanted) <= rule.tolerance * std::max(1.0, std::abs(*wanted));
}

std::string_view WithoutTrailingSpace(std::string_view text) {
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

bool SameLines(std::string_view expected, std::string_view given) {
  expected = WithoutTrailingSpace(expected), given = WithoutTrailingSpace(given);
  while (true) {
    const std::size_t one = std::min(expected.find('\n'), expected.size()), other = std::min(given.find('\n'), given.size());
    if (WithoutTrailingSpace(expected.substr(0, one)) != WithoutTrailingSpace(given.substr(0, other))) return false;
    if (one == expected.size() || other == given.size()) return one == expected.size() && other == given.size();
    expected.remove_prefix(one + 1), given.remove_prefix(other + 1);
  }
}

Tests OnWire(const FunctionTests& tests) {
  static const char* const styles[] = {"asserts", "statements", "unittest"};
  const nlohmann::json json = {{"style", styles[static_cast<int>(tests.style)]}, {"entry_point", tests.entry_point}, {"test", tests.text},
                               {"tests", tests.statements}, {"setup", tests.setup}};
  return {json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)};
}

void AddUp(RunResult& sum, RunResult one) {
  one.wall_seconds += sum.wall_seconds;
  one.cpu_seconds += sum.cpu_seconds;
  one.peak_bytes = std::max(one.peak_bytes, sum.peak_bytes);
  sum = std::move(one);
}

}  // namespace

bool SameOutput(std::string_view expected, std::string_view given, const CompareRule& rule) {
  if (rule.kind == CompareKind::kExact) return expected == given;
  if (rule.kind == CompareKind::kLines) return SameLines(expected, given);
  while (true) {
    const std::string_view wanted = TakeToken(expected), token = TakeToken(given);
    if (wanted.empty() || token.empty()) return wanted.empty() && token.empty();
    if (!SameToken(wanted, token, rule)) return false;
  }
}

std::future<JudgedResult> StartJudging(Sandbox& sandbox, Program candidate, const FunctionTests& tests, const Limits& limits) {
  return sandbox.SubmitJudged(std::move(candidate), OnWire(tests), limits);
}

JudgedResult Judge(Sandbox& sandbox, Program candidate, const FunctionTests& tests, const Limits& limits) {
  return StartJudging(sandbox, std::move(candidate), tests, limits).get();
}

JudgedResult Judge(Sandbox& sandbox, const Program& candidate, const OutputTests& tests, const Limits& limits) {
  JudgedResult result;
  result.total = static_cast<int>(tests.cases.size());
  if (tests.cases.empty()) result.broken = "there are no tests";
  std::optional<RunResult> failed;
  for (std::size_t i = 0; i < tests.cases.size(); ++i) {
    Program program = candidate;
    program.input = tests.cases[i].input;
    RunResult run = sandbox.Run(std::move(program), limits);
    if (run.verdict == RunVerdict::kOk && (run.out_cut || !SameOutput(tests.cases[i].expected, run.out, tests.rule))) {
      run.verdict = RunVerdict::kWrongAnswer;
      run.reason = "test " + std::to_string(i + 1) + ": another output";
    }
    const bool passed = run.verdict == RunVerdict::kOk;
    result.passed += passed;
    const bool internal = run.verdict == RunVerdict::kInternalError;
    AddUp(result.candidate, std::move(run));
    if (!passed && !failed) failed = result.candidate, result.failure = result.candidate.reason;
    if (internal) return result;
    if (failed && !tests.all_cases) break;
  }
  if (failed) {
    failed->cpu_seconds = result.candidate.cpu_seconds, failed->wall_seconds = result.candidate.wall_seconds;
    result.candidate = *failed;
  }
  return result;
}

}  // namespace cogent
