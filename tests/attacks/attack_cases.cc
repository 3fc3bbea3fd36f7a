// attack_cases FOLDER [ID...]: runs hostile programs in the sandbox and looks at what they left.
//
// A case is a folder with attack.py and case.json (tests/data/sandbox/README.md has the format). A line
// a case, `ID: held` or `ID: fell: WHY`, then `N passed, N failed`. Exit code 0 when all held.
//   --user       change to user 65534 first (as root): the sandbox as an ordinary user has it
//   --no-group   without a control group
//   --reduced    at the level `reduced`
#include <grp.h>
#include <pty.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "tests/attacks/checks.h"

namespace cogent::attacks {
namespace {

namespace fs = std::filesystem;

struct CommandLine {
  std::string folder;
  std::vector<std::string> ids;
  bool as_user = false, no_group = false, reduced = false;
};

// A case that wants a terminal runs in a copy of this program that has one.
std::string RunUnderTerminal(const fs::path& folder, const std::string& id) {
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    setenv("ATTACK_CASES_TERMINAL", "1", 1);
    execl("/proc/self/exe", "attack_cases", folder.c_str(), id.c_str(), nullptr);
    _exit(127);
  }
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = read(terminal, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(got));
  close(terminal);
  waitpid(child, nullptr, 0);
  const std::size_t fell = text.find(id + ": fell: ");
  if (text.find(id + ": held") != std::string::npos) return "";
  return fell == std::string::npos ? "no verdict under a terminal" : text.substr(fell + id.size() + 8, text.find_first_of("\r\n", fell) - fell - id.size() - 8);
}

std::string RunOne(Harness& harness, const fs::path& folder) {
  const Case one = LoadCase(folder);
  if (one.under_terminal && std::getenv("ATTACK_CASES_TERMINAL") == nullptr) return RunUnderTerminal(folder.parent_path(), one.id);
  std::string why;
  // Others use the machine, too, and can only add to what is measured of the host as a whole.
  for (int look = 0; look < (one.looks_at_host ? 3 : 1); ++look) {
    why = RunCase(harness, one);
    if (why.empty()) break;
  }
  return why;
}

int Main(const CommandLine& line) {
  setenv("COGENT_ATTACK_SECRET", Token().c_str(), 1);  // in the caller's environment before the sandbox is
  SandboxOptions options;
  options.workers = 2;
  options.control_group = !line.no_group;
  if (line.reduced) options.level = SandboxLevel::kReduced;
  Harness harness(options);
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(line.folder)) {
    if (!fs::exists(entry.path() / "case.json")) continue;
    const std::string id = entry.path().filename().string();
    if (line.ids.empty() || std::find(line.ids.begin(), line.ids.end(), id) != line.ids.end()) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  int held = 0, fell = 0;
  for (const fs::path& folder : folders) {
    const std::string why = RunOne(harness, folder);
    std::cout << folder.filename().string() << (why.empty() ? ": held" : ": fell: " + why) << std::endl;
    ++(why.empty() ? held : fell);
  }
  std::cout << held << " passed, " << fell << " failed" << std::endl;
  const bool all_found = line.ids.empty() ? !folders.empty() : folders.size() == line.ids.size();
  if (!all_found) std::cerr << "attack_cases: not every case that was named is in " << line.folder << "\n";
  return fell == 0 && all_found ? 0 : 1;
}

}  // namespace
}  // namespace cogent::attacks

int main(int argc, char** argv) {
  cogent::attacks::CommandLine line;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--user") line.as_user = true;
    else if (word == "--no-group") line.no_group = true;
    else if (word == "--reduced") line.reduced = true;
    else if (line.folder.empty()) line.folder = word;
    else line.ids.push_back(word);
  }
  if (line.folder.empty() || !std::filesystem::is_directory(line.folder)) {
    std::cerr << "usage: attack_cases [--user] [--no-group] [--reduced] FOLDER [ID...]\n";
    return 2;
  }
  if (line.as_user && geteuid() == 0) {
    constexpr unsigned kNobody = 65534;
    if (setgroups(0, nullptr) != 0 || setresgid(kNobody, kNobody, kNobody) != 0 || setresuid(kNobody, kNobody, kNobody) != 0) return 3;
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  }
  try {
    return cogent::attacks::Main(line);
  } catch (const std::exception& error) {
    std::cerr << "attack_cases: " << error.what() << "\n";
    return 3;
  }
}
