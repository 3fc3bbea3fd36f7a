#include "experiments/find_runs.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "core/error.h"
#include "experiments/ablation_plan.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;

bool IsRun(const std::string& dir) { return fs::exists(dir + "/config.yaml") || fs::exists(dir + "/metrics.jsonl"); }

std::vector<std::string> Expanded(const std::string& pattern) {
  if (pattern.find_first_of("*?[") == std::string::npos || fs::exists(pattern)) return {pattern};
  glob_t found{};
  std::vector<std::string> paths;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  if (paths.empty()) throw DataError("'" + pattern + "': nothing fits this pattern");
  return paths;
}

std::vector<std::string> FoldersIn(const std::string& dir) {
  std::vector<std::string> folders;
  if (!fs::is_directory(dir)) return folders;
  for (const auto& entry : fs::directory_iterator(dir)) {
    if (entry.is_directory()) folders.push_back(entry.path().string());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

// The runs of an ablation in the order of its file; what failed becomes a note.
void AddAblation(const std::string& dir, FoundRuns& out) {
  Problems ignored;
  const Node file = ParseYamlFile(dir + "/ablation.yaml");
  const AblationSettings settings = ReadAblationSettings(file.Find("ablate") ? *file.Find("ablate") : file, ignored);
  std::vector<std::string> arms;
  for (const auto& arm : settings.arms) arms.push_back(arm.name);
  for (const std::string& folder : FoldersIn(dir + "/arms")) {
    if (std::find(arms.begin(), arms.end(), LastPart(folder)) == arms.end()) arms.push_back(LastPart(folder));
  }
  if (out.against.empty()) out.against = settings.against;
  std::map<std::string, std::string> failed;
  for (const RunOutcome& outcome : ReadOutcomes(dir)) {
    if (outcome.error.empty()) failed.erase(outcome.run);
    else failed[outcome.run] = outcome.error;
  }
  for (const auto& [run, error] : failed) out.notes.push_back(run + " failed: " + error);
  std::size_t missing = 0;  // neither there nor failed
  for (const std::string& arm : arms) {
    for (const std::string& folder : FoldersIn(dir + "/arms/" + arm)) {
      if (IsRun(folder)) out.runs.push_back({folder, arm});
    }
    for (const std::uint64_t seed : settings.seeds) {
      const std::string run = fmt::format("{}/seed-{}", arm, seed);
      missing += !IsRun(dir + "/arms/" + run) && !failed.count(run);
    }
  }
  if (missing > 0) out.notes.push_back(fmt::format("{} of the runs of {} have not begun.", missing, dir));
}

}  // namespace

std::string LastPart(const std::string& dir) {
  const fs::path path = fs::path(dir).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

FoundRuns FindRuns(const std::vector<std::string>& paths) {
  FoundRuns out;
  for (const std::string& pattern : paths) {
    for (const std::string& dir : Expanded(pattern)) {
      if (fs::exists(dir + "/ablation.yaml")) {
        AddAblation(dir, out);
      } else if (IsRun(dir)) {
        out.runs.push_back({dir, ""});
      } else if (pattern == dir) {  // of what a pattern finds, other folders are passed over
        throw DataError(dir + (fs::is_directory(dir) ? ": is no run and no ablation (neither config.yaml nor ablation.yaml is in it)" : ": there is no such directory"));
      }
    }
  }
  std::set<std::string> seen;
  std::erase_if(out.runs, [&](const FoundRun& run) { return !seen.insert(fs::weakly_canonical(run.dir).string()).second; });
  if (out.runs.empty()) throw DataError("there is no run to compare; give run directories, or one that `cogent ablate` wrote");
  return out;
}

}  // namespace cogent
