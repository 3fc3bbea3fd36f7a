#include "experiments/sandbox_cli.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/error.h"
#include "core/file.h"
#include "sandbox/sandbox.h"

namespace cogent {
namespace {

// "1.5s" to 1.5 and its unit's factor. ConfigError with the known units.
double ParseWithUnit(const std::string& text, const std::string& what, const std::vector<std::pair<std::string, double>>& units) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size() - end);
  std::string known;
  for (const auto& [name, factor] : units) {
    if (error == std::errc() && unit == name && std::isfinite(number) && number > 0) return number * factor;
    if (!name.empty()) known += (known.empty() ? "" : ", ") + name;
  }
  throw ConfigError(what + " '" + text + "' is not a number above 0 with one of the units " + known);
}

Limits LimitsOf(const Command& command) {
  Limits limits;
  if (command.Has("time-limit")) limits.wall_seconds = limits.cpu_seconds = ParseSeconds(command.Get("time-limit"), "--time-limit");
  if (command.Has("memory-limit")) limits.memory_bytes = ParseBytes(command.Get("memory-limit"), "--memory-limit");
  if (command.Has("output-limit")) limits.output_bytes = ParseBytes(command.Get("output-limit"), "--output-limit");
  if (command.Has("processes")) limits.processes = std::stoi(command.Get("processes"));
  if (limits.wall_seconds > 86400) throw ConfigError("--time-limit is a day at most");
  if (limits.memory_bytes < (16ull << 20)) throw ConfigError("--memory-limit is 16MiB at least: an interpreter needs that");
  if (limits.output_bytes > (64ull << 20)) throw ConfigError("--output-limit is 64MiB at most");
  if (limits.processes > 4096) throw ConfigError("--processes is 4096 at most");
  return limits;
}

// One entry of a file of languages.
struct LanguageEntry {
  std::string file;
  std::vector<std::string> build, run;
  void VisitFields(FieldVisitor& visit) {
    visit("file", file, "what a source is called in its folder, as program.pl");
    visit("build", build, "words of the command that builds it; left out = none");
    visit("run", run, "words of the command that runs it, as [/usr/bin/perl, program.pl]");
  }
};

std::map<std::string, Language> ReadLanguages(const std::string& path) {
  const Node root = ParseYamlFile(path);
  Problems problems;
  std::map<std::string, Language> languages;
  if (root.kind != Node::Kind::kMap) problems.Add(root.location, "languages by name are wanted: `perl: {file: program.pl, run: [/usr/bin/perl, program.pl]}`");
  for (const auto& [name, node] : root.entries) {
    LanguageEntry read = ReadConfig<LanguageEntry>(node, problems, "language '" + name + "'");
    if (read.file.empty() || read.file.find('/') != std::string::npos) problems.Add(node.location, "'file' must be a name without folders, as program.pl");
    if (read.run.empty()) problems.Add(node.location, "'run' is missing: the words of the command that runs the program");
    Language& language = languages[name];
    language.file = read.file;
    if (!read.build.empty()) language.commands.push_back(read.build);
    language.commands.push_back(read.run);
  }
  problems.ThrowIfAny();
  return languages;
}

// By the ending of the file's name.
std::string LanguageOf(const std::string& path, const std::map<std::string, Language>& languages) {
  const std::string extension = std::filesystem::path(path).extension().string();
  for (const auto& [name, language] : languages) {
    if (std::filesystem::path(language.file).extension().string() == extension) return name;
  }
  return extension == ".cc" || extension == ".cpp" || extension == ".cxx" ? "c++" : "python";
}

void PrintResult(const RunResult& result) {
  std::cout << result.out << std::flush;
  std::cerr << result.err;
  if (!result.err.empty() && result.err.back() != '\n') std::cerr << '\n';
  char figures[160];
  std::snprintf(figures, sizeof figures, "%.3f s, %.3f s of CPU time, %.1f MiB", result.wall_seconds, result.cpu_seconds,
                static_cast<double>(result.peak_bytes) / (1 << 20));
  std::cerr << Name(result.verdict) << ": " << result.reason << " (" << figures << (result.peak_is_of_whole_run ? "" : " in one process")
            << ", level " << result.level << ")" << (result.out_cut ? "; standard output was cut" : "") << "\n";
}

}  // namespace

double ParseSeconds(const std::string& text, const std::string& what) {
  return ParseWithUnit(text, what, {{"", 1}, {"ms", 1e-3}, {"s", 1}, {"min", 60}});
}

std::uint64_t ParseBytes(const std::string& text, const std::string& what) {
  const double bytes = ParseWithUnit(text, what, {{"", 1}, {"KiB", 1024}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}});
  if (bytes > 1e15) throw ConfigError(what + " '" + text + "' is more than any machine has");
  return static_cast<std::uint64_t>(bytes);
}

int SandboxRun(const Command& command) {
  const std::string& path = command.arguments[0];
  constexpr std::uint64_t kLongest = 64ull << 20;
  SandboxOptions options;
  if (command.Has("languages")) options.languages = ReadLanguages(command.Get("languages"));
  Program program{.source = ReadFile(path, kLongest), .language = command.Get("language", LanguageOf(path, options.languages))};
  if (command.Has("stdin")) program.input = ReadFile(command.Get("stdin"), kLongest);
  const Limits limits = LimitsOf(command);
  options.workers = 1;
  const std::string level = command.Get("level", "full");
  if (level != "full" && level != "reduced") throw ConfigError("--level '" + level + "' is none. Known: full, reduced");
  if (level == "reduced") options.level = SandboxLevel::kReduced;
  Sandbox sandbox(options);
  const RunResult result = sandbox.Run(std::move(program), limits);
  if (command.Has("json")) {
    std::cout << result.ToJson() << "\n";
  } else {
    PrintResult(result);
  }
  return result.verdict == RunVerdict::kOk ? kExitDone : kExitFailed;
}

int SandboxDoctor() {
  const std::vector<SandboxFinding> findings = ProbeSandbox();
  std::cout << FindingsText(findings);
  return LevelIsThere(findings, SandboxLevel::kFull) ? kExitDone : kExitMachine;
}

}  // namespace cogent
