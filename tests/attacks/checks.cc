// One case: prepare, run, look, judge.
#include "tests/attacks/checks.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <set>
#include <stdexcept>
#include <thread>

namespace cogent::attacks {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string ReadText(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path.string() + " cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

Limits LimitsOf(const Json& json) {
  Limits limits;
  limits.wall_seconds = json.value("wall_s", limits.wall_seconds);
  limits.cpu_seconds = json.value("cpu_s", limits.cpu_seconds);
  limits.memory_bytes = json.value("memory_mb", 256ull) << 20;
  limits.processes = json.value("processes", limits.processes);
  limits.output_bytes = json.value("output_bytes", limits.output_bytes);
  limits.file_bytes = json.value("file_mb", 16ull) << 20;
  limits.storage_bytes = json.value("storage_mb", 32ull) << 20;
  limits.open_files = json.value("open_files", limits.open_files);
  return limits;
}

std::string InputOf(const Json& json) {
  if (json.contains("stdin")) return json["stdin"];
  if (json.contains("stdin_bytes")) return std::string(json["stdin_bytes"].get<std::size_t>(), 'x');
  std::string input;
  if (json.contains("stdin_pattern")) {
    const std::string line = json["stdin_pattern"].value("line", "") + "\n";
    for (std::size_t i = json["stdin_pattern"].value("lines", 0u); i > 0; --i) input += line;
  }
  return input;
}

// What a case left to look at: all runs of it, oldest first.
struct Evidence {
  std::vector<RunResult> runs;  // for graded cases the candidate's, with the whole's verdict
  bool graded_passed = false;
  double judge_seconds = 0, wall_seconds = 0, cleanup_seconds = 0;
  Sight before, most, after;
  bool port_reached = false;
  std::vector<std::string> leftovers_before, leftovers_after;
};

// Looks at the machine until stopped, and keeps the most of everything.
class Watcher {
 public:
  Watcher(int spawner, const Host& host, bool port, Evidence& evidence) : evidence_(evidence) {
    thread_ = std::thread([this, spawner, &host, port] {
      while (!stop_) {
        const Sight now = Look(spawner);
        Sight& most = evidence_.most;
        most.processes = std::max(most.processes, now.processes);
        most.run_memory = std::max(most.run_memory, now.run_memory);
        most.disk = std::max(most.disk, now.disk);
        most.own_memory = std::max(most.own_memory, now.own_memory);
        if (port && host.PortReachable()) evidence_.port_reached = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    });
  }
  ~Watcher() {
    stop_ = true;
    thread_.join();
  }

 private:
  Evidence& evidence_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

JudgedResult Grade(Harness& harness, const Json& task, const Program& program, const Limits& limits) {
  const std::string style = task["style"];
  if (style == "stdio") {
    OutputTests tests;
    for (const Json& test : task["tests"]) tests.cases.push_back({test["stdin"], test["expected"]});
    tests.rule.kind = task.value("compare", "tokens") == "float" ? CompareKind::kFloat : CompareKind::kTokens;
    tests.rule.tolerance = task.value("tolerance", 1e-6);
    return Judge(harness.sandbox, program, tests, limits);
  }
  FunctionTests tests;
  tests.style = style == "unittest" ? TestStyle::kUnittest : TestStyle::kAsserts;
  tests.entry_point = task["entry_point"];
  tests.text = task["test"];
  return Judge(harness.sandbox, program, tests, limits);
}

// Time spent on answers outside of the run.
double TimeToCompare(const Json& task, const RunResult& run) {
  const auto start = Clock::now();
  if (task["style"] == "stdio") {
    CompareRule rule{task.value("compare", "tokens") == "float" ? CompareKind::kFloat : CompareKind::kTokens, task.value("tolerance", 1e-6)};
    for (const Json& test : task["tests"]) (void)SameOutput(test["expected"].get<std::string>(), run.out, rule);
  }
  return SecondsSince(start);
}

Program ProgramOf(const Case& one, const Host& host, const std::string& file) {
  Program program;
  program.source = host.Filled(ReadText(one.folder / file));
  program.input = InputOf(one.json);
  program.input_stays_open = one.json.value("stdin_mode", "") == "open_and_silent";
  return program;
}

int Repeats(const Case& one) {
  int times = 1;
  for (const Json& check : one.json["checks"]) {
    const std::string type = check["type"];
    if (type == "repeat" || type == "same_output_when_repeated") times = std::max(times, check.value("times", 1));
  }
  return times;
}

void RunPrograms(Harness& harness, const Case& one, const Host& host, Evidence& evidence) {
  const Limits limits = LimitsOf(one.json["limits"]);
  const auto names = one.json.value("sequence", one.json.value("concurrent", std::vector<std::string>{"attack.py"}));
  for (int turn = 0; turn < Repeats(one); ++turn) {
    if (one.json["mode"] == "graded") {
      JudgedResult judged = Grade(harness, one.json["task"], ProgramOf(one, host, names[0]), limits);
      evidence.graded_passed |= judged.candidate.verdict == RunVerdict::kOk;
      evidence.judge_seconds = std::max(evidence.judge_seconds, judged.judge_cpu_seconds + TimeToCompare(one.json["task"], judged.candidate));
      evidence.runs.push_back(std::move(judged.candidate));
    } else if (one.json.contains("concurrent")) {
      std::vector<Program> programs;
      for (const std::string& name : names) programs.push_back(ProgramOf(one, host, name));
      for (RunResult& run : harness.sandbox.RunAll(std::move(programs), limits)) evidence.runs.push_back(std::move(run));
    } else {
      for (const std::string& name : names) evidence.runs.push_back(harness.sandbox.Run(ProgramOf(one, host, name), limits));
    }
  }
}

// ---- checks: each says why it does not hold, or nothing -------------------------------------------

std::string Output(const Evidence& evidence) {
  std::string text;
  for (const RunResult& run : evidence.runs) text += run.out + "\n" + run.err + "\n";
  return text;
}

bool Contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string FileCheck(const std::string& type, const Json& check, const Host& host) {
  const std::string path = host.Filled(check.value("path", ""));
  if (type == "path_absent") return fs::exists(path) ? path + " exists" : "";
  const auto known = host.contents().find(path);
  if (known == host.contents().end()) return path + " is no file of the harness";
  return ReadText(path) == known->second ? "" : path + " was changed";
}

std::string OutputCheck(const std::string& type, const Json& check, const Evidence& evidence, const Host& host) {
  const std::string output = Output(evidence), text = host.Filled(check.value("text", ""));
  if (type == "output_lacks") {
    if (!Contains(output, text)) return "";
    const std::size_t at = output.find(text);
    return "the output has '" + output.substr(at, output.find('\n', at) - at) + "'";
  }
  const RunResult& last = evidence.runs.back();
  if (type == "stdout_contains") return Contains(last.out, text) ? "" : "standard output lacks '" + text + "'";
  if (type == "stderr_contains") return Contains(last.err, text) ? "" : "standard error lacks '" + text + "'";
  if (type == "stdout_equals") return last.out == text ? "" : "standard output is '" + last.out.substr(0, 80) + "'";
  for (const std::string& token : host.tokens()) {
    if (Contains(output, token)) return "a token of the host is in the output";
  }
  return "";
}

std::string GrowthCheck(const std::string& type, const Json& check, const Evidence& evidence) {
  const auto measured = [&](const char* what, std::int64_t growth, std::int64_t limit) {
    return growth < limit ? std::string() : std::string(what) + " grew by " + std::to_string(growth) + ", not under " + std::to_string(limit);
  };
  const std::int64_t bytes = check.value("mb", 0ll) << 20;
  const Sight &before = evidence.before, &most = evidence.most;
  if (type == "host_process_growth_under") return measured("processes", most.processes - before.processes, check["count"].get<int>());
  if (type == "host_memory_growth_under") return measured("memory of the run", most.run_memory - before.run_memory, bytes);
  if (type == "host_disk_growth_under") return measured("the disk's use", most.disk - before.disk, bytes);
  return measured("the caller's memory", most.own_memory - before.own_memory, bytes);
}

std::string RecordCheck(const std::string& type, const Json& check, const Evidence& evidence) {
  for (const RunResult& run : evidence.runs) {
    const std::string record = run.ToJson();
    if (type == "result_bytes_under" && record.size() >= check["bytes"].get<std::size_t>() &&
        run.out.size() + run.err.size() >= check["bytes"].get<std::size_t>()) {
      return "the record has " + std::to_string(record.size()) + " bytes";
    }
    if (type == "result_record_valid" && Json::parse(record, nullptr, false).is_discarded()) return "the record is no JSON";
    const bool control = std::any_of(record.begin(), record.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; });
    if (type == "log_has_no_control_bytes" && control) return "the record has control bytes";
  }
  return "";
}

std::string FigureCheck(const std::string& type, const Json& check, const Evidence& evidence) {
  const RunResult& run = evidence.runs.back();
  const auto differs = [](const char* what, double value) { return std::string("reported ") + what + " is " + std::to_string(value); };
  if (type == "reported_exit_code") return run.exit_code == check["code"].get<int>() ? "" : differs("exit code", run.exit_code);
  if (type == "reported_signal") return run.signal == check["signal"].get<int>() ? "" : differs("signal", run.signal);
  if (type == "reported_cpu_at_least") return run.cpu_seconds >= check["seconds"].get<double>() ? "" : differs("CPU time", run.cpu_seconds);
  if (type == "reported_wall_at_least") return run.wall_seconds >= check["seconds"].get<double>() ? "" : differs("wall time", run.wall_seconds);
  const Json range = check.contains("mb") ? check["mb"] : check["range_mb"];
  const double mb = static_cast<double>(run.peak_bytes) / (1 << 20);
  return mb >= range[0].get<double>() && mb <= range[1].get<double>() ? "" : differs("peak memory in MB", mb);
}

std::string TimeCheck(const std::string& type, const Json& check, const Evidence& evidence) {
  const double limit = check["seconds"];
  const auto late = [&](const char* what, double value) { return value < limit ? "" : std::string(what) + " took " + std::to_string(value) + " s"; };
  if (type == "wall_under") return late("the verdict", evidence.wall_seconds);
  if (type == "cleanup_under") return late("cleaning up", evidence.cleanup_seconds);
  return late("comparing answers", evidence.judge_seconds);
}

std::string ProcessCheck(const std::string& type, const Json& check, const Evidence& evidence) {
  if (type == "no_process_named") {
    const std::string name = check["comm"];
    const auto& names = evidence.after.names;
    return std::find(names.begin(), names.end(), name) == names.end() ? "" : "process " + name + " is still there";
  }
  // Fewer are no harm: what somebody else on this machine had before has ended since.
  return evidence.after.processes <= evidence.before.processes ? "" : "processes before: " + std::to_string(evidence.before.processes) + ", after: " + std::to_string(evidence.after.processes);
}

std::string DigestCheck(const Json& check, const Evidence& evidence) {
  for (const std::string path : check["paths"]) {
    const std::string digest = Sha256OfFile(path);
    if (!digest.empty() && Contains(Output(evidence), digest)) return "the output has the digest of " + path;
  }
  return "";
}

std::string LeftoverCheck(const Evidence& evidence) {
  for (const std::string& path : evidence.leftovers_after) {
    if (std::count(evidence.leftovers_before.begin(), evidence.leftovers_before.end(), path) == 0) return path + " was left behind";
  }
  return "";
}

std::string OneCheck(const Json& check, const Evidence& evidence, const Host& host) {
  const std::string type = check["type"];
  if (type == "output_lacks" || type.rfind("stdout_", 0) == 0 || type.rfind("stderr_", 0) == 0 || type == "output_lacks_token" ||
      type == "artifacts_lack_token") {
    return OutputCheck(type, check, evidence, host);
  }
  if (type == "output_lacks_sha256_of") return DigestCheck(check, evidence);
  if (type == "file_unchanged" || type == "path_absent") return FileCheck(type, check, host);
  if (type == "no_connection") return host.Connected(check["listener"]) ? "something arrived at the listener" : "";
  if (type == "port_unreachable_during_run") return evidence.port_reached ? "the port could be reached" : "";
  if (type == "no_process_named" || type == "no_process_left") return ProcessCheck(type, check, evidence);
  if (type.find("_growth_under") != std::string::npos) return GrowthCheck(type, check, evidence);
  if (type == "no_sysv_left") return ReadText("/proc/sysvipc/shm").find("rlatk") == std::string::npos ? "" : "a System V object is left";
  if (type == "no_core_file" || type == "no_setuid_file" || type == "workspace_removed") return LeftoverCheck(evidence);
  if (type == "wall_under" || type == "cleanup_under" || type == "judge_time_under") return TimeCheck(type, check, evidence);
  if (type.rfind("result_", 0) == 0 || type == "log_has_no_control_bytes") return RecordCheck(type, check, evidence);
  if (type.rfind("reported_", 0) == 0) return FigureCheck(type, check, evidence);
  if (type == "passed") return evidence.graded_passed ? "" : "not passed: " + evidence.runs.back().reason;
  if (type == "not_passed") return evidence.graded_passed ? "passed" : "";
  if (type == "victim_got_no_signal") return host.VictimSignals() == 0 ? "" : "the victim got a signal";
  if (type == "same_output_when_repeated") {
    for (const RunResult& run : evidence.runs) {
      if (run.out != evidence.runs[0].out) return "another output when repeated";
    }
    return "";
  }
  // These hold by being here at all, or are looked at after every case.
  if (type == "caller_alive" || type == "next_run_ok" || type == "repeat" || type == "run_under_terminal") return "";
  throw std::runtime_error("unknown check '" + type + "'");
}

bool Applies(const Json& check, const Evidence& evidence, bool group) {
  if (check.contains("when") && check["when"] != Name(evidence.runs.back().verdict)) return false;
  return check.value("needs", "") != "cgroup" || group;
}

// ---- after every case ------------------------------------------------------------------------------

std::string HarmlessRun(Harness& harness) {
  const auto start = Clock::now();
  const RunResult run = harness.sandbox.Run({.source = "print(sum(range(10)))"}, {.wall_seconds = 5});
  if (run.verdict != RunVerdict::kOk || run.out != "45\n") return "the next run gave " + run.ToJson();
  return run.wall_seconds < 1.0 || SecondsSince(start) < 1.0 ? "" : "the next run took over a second";
}

std::string Unchanged(const Sight& before, const Sight& after) {
  const auto differs = [](const char* what, int one, int other) {
    return std::string(what) + " before: " + std::to_string(one) + ", after: " + std::to_string(other);
  };
  if (before.processes != after.processes) return differs("processes", before.processes, after.processes);
  if (before.descriptors != after.descriptors) return differs("descriptors", before.descriptors, after.descriptors);
  if (before.mounts != after.mounts) return differs("mounts", before.mounts, after.mounts);
  return before.groups == after.groups ? "" : differs("control groups", before.groups, after.groups);
}

// The machine once what ran before has ended: the same three times in a row, or as it is after three seconds.
Sight LookWhenQuiet(int spawner) {
  const auto start = Clock::now();
  Sight last = Look(spawner);
  for (int same = 0; same < 2 && SecondsSince(start) < 3.0;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const Sight now = Look(spawner);
    same = Unchanged(last, now).empty() ? same + 1 : 0;
    last = now;
  }
  return last;
}

// The moment after a verdict, until the machine looks as before; at most three seconds.
void WaitForQuiet(int spawner, Evidence& evidence) {
  const auto start = Clock::now();
  do {
    evidence.after = Look(spawner);
    evidence.cleanup_seconds = SecondsSince(start);
    if (Unchanged(evidence.before, evidence.after).empty()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  } while (SecondsSince(start) < 3.0);
}

}  // namespace

std::string Sha256OfFile(const std::string& path) {
  if (access(path.c_str(), R_OK) != 0) return "";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(("sha256sum '" + path + "'").c_str(), "r"), pclose);
  char digest[65] = {};
  return pipe && std::fread(digest, 1, 64, pipe.get()) == 64 ? digest : "";
}

Case LoadCase(const fs::path& folder) {
  Case one{folder.filename().string(), folder, Json::parse(ReadText(folder / "case.json"), nullptr, false)};
  if (one.json.is_discarded()) throw std::runtime_error((folder / "case.json").string() + " is no JSON");
  for (const Json& check : one.json["checks"]) {
    const std::string type = check["type"];
    one.under_terminal |= type == "run_under_terminal";
    one.looks_at_host |= type == "host_disk_growth_under" || type == "wall_under" || type == "judge_time_under" ||
                         type == "reported_cpu_at_least";
  }
  return one;
}

std::string RunCase(Harness& harness, const Case& one) {
  const auto needs = one.json.value("needs", std::vector<std::string>{});
  const Host host(needs);
  const int spawner = harness.sandbox.SpawnerProcess();
  const bool port = std::count(needs.begin(), needs.end(), "free_port") > 0;
  if (const std::string bad = HarmlessRun(harness); !bad.empty()) return "before the case: " + bad;
  Evidence evidence;
  evidence.before = evidence.most = LookWhenQuiet(spawner);
  evidence.leftovers_before = Leftovers();
  {
    const Watcher watcher(spawner, host, port, evidence);
    const auto start = Clock::now();
    RunPrograms(harness, one, host, evidence);
    evidence.wall_seconds = SecondsSince(start) / Repeats(one);
  }
  WaitForQuiet(spawner, evidence);
  evidence.leftovers_after = Leftovers();
  const auto expected = one.json["expected_verdict"].get<std::vector<std::string>>();
  for (const RunResult& run : evidence.runs) {
    if (std::count(expected.begin(), expected.end(), Name(run.verdict)) == 0) return std::string("verdict ") + Name(run.verdict) + " (" + run.reason + ") " + run.err.substr(0, 200);
  }
  for (const Json& check : one.json["checks"]) {
    if (!Applies(check, evidence, harness.sandbox.has_control_group())) continue;
    if (const std::string why = OneCheck(check, evidence, host); !why.empty()) return why;
  }
  if (const std::string why = LeftoverCheck(evidence); !why.empty()) return why;
  if (const std::string why = Unchanged(evidence.before, evidence.after); !why.empty()) return why;
  return HarmlessRun(harness);
}

}  // namespace cogent::attacks
