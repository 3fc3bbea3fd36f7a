// What the sandbox costs: runs a second by number of workers, time of a run under full load, what a run costs over a bare
// fork, how late a verdict comes after its limit, start and memory of a worker.
//
//   build/release/sandbox_bench                       # an empty program
//   build/release/sandbox_bench HumanEval.jsonl       # and each problem with its canonical solution and tests
//   build/release/sandbox_bench HumanEval.jsonl --check     # all solutions pass, all broken ones fail, also with many workers
//   build/release/sandbox_bench --soak 100000         # what so many runs leave behind
//
// Figures are of the whole machine: processor time is what /proc/stat counts while they are taken, so nothing else should run.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "sandbox/sandbox.h"
#include "sandbox/session.h"

namespace cogent {
namespace {

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Seconds in which a processor of the machine was busy.
double BusySeconds() {
  std::ifstream stat("/proc/stat");
  std::string name;
  double user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0;
  stat >> name >> user >> nice >> system >> idle >> wait >> irq >> soft;
  return (user + nice + system + irq + soft) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::vector<Program> Programs(const std::string& path) {
  std::vector<Program> programs;
  std::ifstream file(path);
  if (!file) throw DataError(path + ": cannot be opened");
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    const auto problem = nlohmann::json::parse(line);
    Program program;
    program.source = problem.at("prompt").get<std::string>() + problem.at("canonical_solution").get<std::string>() + "\n" +
                     problem.at("test").get<std::string>() + "\ncheck(" + problem.at("entry_point").get<std::string>() + ")\n";
    programs.push_back(std::move(program));
  }
  return programs;
}

struct Load {
  double rate = 0, cpu_milliseconds = 0, middle = 0, late = 0;  // milliseconds of a run: median, 99th percentile
  std::size_t not_ok = 0;
};

// The programs over and over, `count` runs, as many at once as there are workers.
Load Measure(Sandbox& sandbox, const std::vector<Program>& programs, std::size_t count) {
  std::vector<Program> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(programs[i % programs.size()]);
  std::vector<double> times;
  Load load;
  const double begin = Now(), busy = BusySeconds();
  for (const RunResult& result : sandbox.RunAll(std::move(all), {.wall_seconds = 10, .cpu_seconds = 10})) {
    times.push_back(1e3 * result.wall_seconds);
    load.not_ok += result.verdict != RunVerdict::kOk;
  }
  const double seconds = Now() - begin;
  std::sort(times.begin(), times.end());
  load.rate = static_cast<double>(count) / seconds;
  load.cpu_milliseconds = 1e3 * (BusySeconds() - busy) / static_cast<double>(count);
  load.middle = times[times.size() / 2], load.late = times[times.size() * 99 / 100];
  return load;
}

double BareForkMilliseconds(int count) {
  const double begin = Now();
  for (int i = 0; i < count; ++i) {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, nullptr, 0);
  }
  return 1e3 * (Now() - begin) / count;
}

// What a process and its descendants hold.
struct Held {
  int processes = 0, descriptors = 0;
  double megabytes = 0;
};
void Count(int process, Held& held) {
  const std::string folder = fmt::format("/proc/{}", process);
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) return;
  ++held.processes;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/fd", error)) held.descriptors += !entry.path().empty();
  std::ifstream status(folder + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) held.megabytes += std::stod(line.substr(8)) / 1024;
  }
  std::ifstream children(folder + "/task/" + std::to_string(process) + "/children");
  for (int child; children >> child;) Count(child, held);
}

int Soak(std::size_t runs) {
  Sandbox sandbox({.workers = 2});
  const std::vector<Program> programs = {{.source = "open('left.txt', 'w').write('x')\n"}, {.source = "import os\nif os.fork() == 0:\n  while True: pass\n"},
                                         {.source = "print(6 * 7)\n"}};
  Measure(sandbox, programs, 600);
  const auto held = [] {
    Held all;
    Count(getpid(), all);
    return all;
  };
  const Held before = held();
  std::size_t not_ok = 0;
  for (std::size_t done = 0; done < runs; done += 1000) not_ok += Measure(sandbox, programs, std::min<std::size_t>(1000, runs - done)).not_ok;
  const Held after = held();
  fmt::print("{} runs, a third of which leave a file and a third a process; {} not ok\nprocesses {} then {}, descriptors {} then {}, memory {:.1f} MB then {:.1f} MB\n", runs, not_ok,
             before.processes, after.processes, before.descriptors, after.descriptors, before.megabytes, after.megabytes);
  return not_ok == 0 && after.processes <= before.processes && after.descriptors <= before.descriptors ? 0 : 1;
}

// Canonical solutions, and the same with a body that does nothing.
int CheckSolutions(const std::string& path) {
  std::vector<Program> broken;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    const auto problem = nlohmann::json::parse(line);
    broken.push_back({.source = problem.at("prompt").get<std::string>() + "    return None\n" + problem.at("test").get<std::string>() + "\ncheck(" +
                                problem.at("entry_point").get<std::string>() + ")\n"});
  }
  int wrong = 0;
  for (const int workers : {0, 4 * static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN))}) {
    Sandbox sandbox({.workers = workers});
    const std::vector<Program> right = Programs(path);
    const Load good = Measure(sandbox, right, right.size()), bad = Measure(sandbox, broken, broken.size());
    fmt::print("{}: {} of {} solutions pass, {} of {} broken ones fail\n", workers == 0 ? "one worker a core" : "four workers a core", right.size() - good.not_ok,
               right.size(), bad.not_ok, broken.size());
    wrong += static_cast<int>(good.not_ok + broken.size() - bad.not_ok);
  }
  return wrong == 0 ? 0 : 1;
}

void Report(const std::string& path) {
  std::vector<std::pair<std::string, std::vector<Program>>> sets = {{"empty", {Program{.source = "pass\n"}}}};
  if (!path.empty()) sets.emplace_back("human-eval", Programs(path));
  fmt::print("| programs | workers | runs/s | CPU, ms a run | median, ms | 99th percentile, ms | not ok |\n| :-- | --: | --: | --: | --: | --: | --: |\n");
  for (const auto& [name, programs] : sets) {
    for (const int workers : {1, 2, 8}) {
      Sandbox sandbox({.workers = workers});
      Measure(sandbox, programs, static_cast<std::size_t>(20 * workers));  // all of them are up
      const Load load = Measure(sandbox, programs, 2000);
      fmt::print("| {} | {} | {:.0f} | {:.2f} | {:.2f} | {:.2f} | {} |\n", name, workers, load.rate, load.cpu_milliseconds, load.middle, load.late, load.not_ok);
    }
  }
  const double starting = Now();
  Sandbox sandbox({.workers = 1});
  sandbox.Run(sets[0].second[0]);
  fmt::print("\nlevel: {}\nfirst result after {:.0f} ms; a bare fork of this program {:.2f} ms\n", sandbox.level(), 1e3 * (Now() - starting), BareForkMilliseconds(300));
  double latest = 0;
  for (int i = 0; i < 5; ++i) {
    const double begin = Now();
    sandbox.Run({.source = "while True: pass\n"}, {.wall_seconds = 0.3});
    latest = std::max(latest, Now() - begin - 0.3);
  }
  fmt::print("a verdict at most {:.0f} ms after its limit\n", 1e3 * latest);
  const int calls = 20;
  PythonSession session(sandbox, {.max_calls = calls});
  const double opened = Now();
  for (int i = 0; i < calls; ++i) session.Call("x = " + std::to_string(i));
  fmt::print("a call of a session of {} small ones: {:.1f} ms\n", calls, 1e3 * (Now() - opened) / calls);
}

}  // namespace
}  // namespace cogent

int main(int argc, char** argv) try {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 2 && words[0] == "--soak") return cogent::Soak(std::stoul(words[1]));
  if (words.size() == 2 && words[1] == "--check") return cogent::CheckSolutions(words[0]);
  if (words.size() > 1 || (words.size() == 1 && words[0].starts_with("-"))) throw cogent::ConfigError("unknown words");
  cogent::Report(words.empty() ? "" : words[0]);
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "sandbox_bench: {}\nUsage: sandbox_bench [HumanEval.jsonl [--check] | --soak RUNS]\n", error.what());
  return 2;
}
