// What the helper found, read and laid out.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <sstream>

#include "core/error.h"
#include "sandbox/locate.h"
#include "sandbox/sandbox.h"

namespace cogent {
namespace {

std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

std::vector<SandboxFinding> ProbeSandbox(const std::string& python) {
  const std::string command = Quoted(HelperPath()) + " probe " + Quoted(python.empty() ? FindPython() : python) + " " + Quoted(ZygotePath());
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  if (!pipe) throw SandboxError("cogent-sandbox cannot be started");
  std::string text;
  char buffer[1024];
  for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, pipe.get())) > 0;) text.append(buffer, got);
  std::vector<SandboxFinding> findings;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    SandboxFinding finding;
    std::istringstream parts(line);
    for (std::string* part : {&finding.state, &finding.needed, &finding.name, &finding.value, &finding.remedy}) std::getline(parts, *part, '\t');
    findings.push_back(finding);
  }
  return findings;
}

bool LevelIsThere(const std::vector<SandboxFinding>& findings, SandboxLevel level) {
  for (const SandboxFinding& finding : findings) {
    const bool wanted = finding.needed == "both" || finding.needed == (level == SandboxLevel::kFull ? "full" : "reduced");
    if (finding.state == "missing" && wanted) return false;
  }
  return !findings.empty();
}

std::string FindingsText(const std::vector<SandboxFinding>& findings) {
  std::size_t width = 0;
  for (const SandboxFinding& finding : findings) width = std::max(width, finding.name.size());
  std::string text;
  for (const SandboxFinding& finding : findings) {
    const std::string mark = finding.state == "missing" ? "MISSING " : finding.state == "note" ? "note    " : "ok      ";
    text += mark + finding.name + std::string(width + 2 - finding.name.size(), ' ') + finding.value + "\n";
    if (!finding.remedy.empty()) text += std::string(8, ' ') + "-> " + finding.remedy + "\n";
  }
  const bool full = LevelIsThere(findings, SandboxLevel::kFull), reduced = LevelIsThere(findings, SandboxLevel::kReduced);
  if (full) return text + "The level `full` can be had.\n";
  return text + (reduced ? "Only the level `reduced` can be had, and only when it is asked for by name.\n" : "No level can be had until what is MISSING is there.\n");
}

}  // namespace cogent
