// Each layer alone: what it stops is stopped with it and works without it. Where several layers stop the
// same thing, the others are left out.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/sandbox/sandbox_test_util.h"

namespace cogent {
namespace {

using enum wire::Layer;

// Runs `source` with only `others` left out, then with `layer` left out as well.
void ExpectStoppedBy(std::uint32_t layer, std::uint32_t others, const std::string& source) {
  const RunResult with = RunWithout(others, source), without = RunWithout(others | layer, source);
  EXPECT_EQ(with.out, "stopped\n") << with.ToJson();
  EXPECT_EQ(without.out, "worked\n") << without.ToJson();
}

std::string Call(const std::string& expression) {
  return "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nprint('worked' if " + expression + " else 'stopped')";
}

TEST(SandboxLayer, FilterStopsKernelRings) {
  ExpectStoppedBy(kFilter, 0, Call("libc.syscall(ctypes.c_long(425), 4, (ctypes.c_uint32 * 30)()) >= 0"));
}

TEST(SandboxLayer, FilterStopsTheOtherSystemCallTable) {
  // getpid through x32's numbers ends the run, which is what `denied` means.
  const RunResult result = RunPython("import ctypes\nctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39))\nprint('worked')");
  EXPECT_EQ(result.verdict, RunVerdict::kDenied) << result.ToJson();
}

TEST(SandboxLayer, NetworkNamespaceStopsLoopback) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 4), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  ExpectStoppedBy(kNetwork, kFilter, "import socket\ns = socket.socket()\ntry:\n    s.connect(('127.0.0.1', " +
                                         std::to_string(ntohs(address.sin_port)) + "))\n    print('worked')\nexcept OSError:\n    print('stopped')");
  close(listener);
}

TEST(SandboxLayer, PidNamespaceHidesTheWorkersProcesses) {
  ExpectStoppedBy(kPids, 0, "import os\nprint('worked' if len([p for p in os.listdir('/proc') if p.isdigit()]) > 2 else 'stopped')");
}

TEST(SandboxLayer, FreshMountsKeepRunsApart) {
  const auto second_sees_first = [](std::uint32_t layers) {
    Sandbox sandbox({.workers = 1, .without = layers});
    EXPECT_EQ(sandbox.Run({.source = "open('/tmp/left', 'w').close()"}, {.wall_seconds = 10}).verdict, RunVerdict::kOk);
    return sandbox.Run({.source = "import os\nprint(os.path.exists('/tmp/left'))"}, {.wall_seconds = 10}).out;
  };
  EXPECT_EQ(second_sees_first(0), "False\n");
  EXPECT_EQ(second_sees_first(kMounts), "True\n");
}

TEST(SandboxLayer, IpcNamespaceKeepsRunsApart) {
  const auto second_sees_first = [](std::uint32_t layers) {
    Sandbox sandbox({.workers = 1, .without = layers});
    sandbox.Run({.source = "import ctypes\nctypes.CDLL(None).shmget(4711, 4096, 0o1666)"}, {.wall_seconds = 10});
    return sandbox.Run({.source = "import ctypes\nprint(ctypes.CDLL(None).shmget(4711, 0, 0) >= 0)"}, {.wall_seconds = 10}).out;
  };
  EXPECT_EQ(second_sees_first(kFilter), "False\n");
  EXPECT_EQ(second_sees_first(kFilter | kIpc), "True\n");
}

TEST(SandboxLayer, DroppedPrivilegesStopMounts) {
  ExpectStoppedBy(kPrivileges, kFilter, Call("libc.mount(b'none', b'/tmp/run', b'tmpfs', 0, None) == 0"));
}

TEST(SandboxLayer, NoCapabilityIsLeftInAnySet) {
  const RunResult result = RunPython("print([l.split()[1].strip('0') for l in open('/proc/self/status') if l.startswith('Cap')])");
  EXPECT_EQ(result.out, "['', '', '', '', '']\n") << result.ToJson();
}

TEST(SandboxLayer, OwnRootHidesTheHostsFiles) {
  const std::string own = ReadAll("/etc/passwd").substr(0, 40);
  ExpectStoppedBy(kRoot, 0, "print('worked' if open('/etc/passwd').read().startswith('''" + own + "''') else 'stopped')");
}

TEST(SandboxLayer, ResourceLimitsBoundOpenFiles) {
  ExpectStoppedBy(kRlimits, 0, "import os\ntry:\n    for i in range(100): os.open('/dev/null', 0)\n    print('worked')\nexcept OSError:\n    print('stopped')");
}

TEST(SandboxLayer, TheClockEndsWhatSleeps) {
  const std::string source = "import time\ntime.sleep(0.8)";
  EXPECT_EQ(RunWithout(0, source, {.wall_seconds = 0.3}).verdict, RunVerdict::kTimeLimit);
  EXPECT_EQ(RunWithout(kClock, source, {.wall_seconds = 0.3}).verdict, RunVerdict::kOk);
}

TEST(SandboxLayer, ControlGroupBoundsAllProcessesTogether) {
  if (!Shared().has_control_group()) GTEST_SKIP() << "no control group on this machine; see cogent sandbox doctor";
  // Three of 120 MB: each alone is within the limit.
  const std::string source = "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        b = bytearray(b'x') * (120 << 20)\n        time.sleep(1)\n"
                             "        os._exit(0)\nbad = sum(os.wait()[1] != 0 for _ in range(3))\nprint(bad > 0)\nos._exit(bad > 0)";
  const RunResult result = RunPython(source);
  EXPECT_EQ(result.verdict, RunVerdict::kMemoryLimit) << result.ToJson();
  EXPECT_TRUE(result.peak_is_of_whole_run);
  // Without the group the run is one process, so that memory stays bounded all the same.
  const RunResult alone = RunWithout(kGroup, "import os\nos.fork()");
  EXPECT_EQ(alone.verdict, RunVerdict::kRuntimeError);
  EXPECT_NE(alone.err.find("BlockingIOError"), std::string::npos) << alone.err;
}

}  // namespace
}  // namespace cogent
