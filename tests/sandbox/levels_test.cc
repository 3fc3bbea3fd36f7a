// The table "What holds at which level" of docs/sandbox.md, run.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <set>
#include <sstream>
#include <string>

namespace cogent {
namespace {

// The cases among `ids` that fell.
std::set<std::string> Fallen(const std::string& options, const std::string& ids) {
  const std::string command = std::string(COGENT_BINARY_DIR) + "/tests/attack_cases " + options + " " + COGENT_SOURCE_DIR + "/tests/data/sandbox/attacks " + ids + " 2>&1";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string text;
  char buffer[4096];
  for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, pipe.get())) > 0;) text.append(buffer, got);
  EXPECT_NE(text.find(" passed, "), std::string::npos) << text;
  std::set<std::string> fallen;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (const std::size_t at = line.find(": fell: "); at != std::string::npos) fallen.insert(line.substr(0, at));
  }
  return fallen;
}

const char* const kOfEachClass =
    "cgroup-escape control-graded-right-answer control-tempfile control-threads exotic-sockets fd-exhaustion "
    "forge-early-reply forge-on-descriptors leftover-files memory-bytes mount-attempt native-segfault "
    "poisoned-interpreter privilege-self-report read-canary read-process-list setuid-plant signal-host-process stdout-one-gigabyte "
    "syscall-io-uring tcp-loopback kill-everything stopped-self inode-exhaustion";

TEST(SandboxLevels, WithoutAControlGroupOnlyWhatNeedsASecondProcessIsOtherwise) {
  EXPECT_EQ(Fallen("--no-group", kOfEachClass), std::set<std::string>{"stopped-self"});
}

TEST(SandboxLevels, AsAnOrdinaryUserTheSameHoldsOfEveryCase) {
  EXPECT_EQ(Fallen("--user", ""), std::set<std::string>{"stopped-self"});
}

TEST(SandboxLevels, ReducedHoldsWhatItsPageSays) {
  std::set<std::string> fallen = Fallen("--reduced", kOfEachClass);
  fallen.erase("inode-exhaustion");  // makes its files where the clock does not end it first, so by the machine's speed
  EXPECT_EQ(fallen, (std::set<std::string>{"stopped-self", "kill-everything"}));
}

}  // namespace
}  // namespace cogent
