#include <sys/wait.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "sandbox/judge.h"
#include "tests/sandbox/sandbox_test_util.h"

namespace cogent {
namespace {

TEST(Sandbox, GivesWhatAProgramPrintsAndItsStatus) {
  const RunResult result = RunPython("import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(3)");
  EXPECT_EQ(result.verdict, RunVerdict::kRuntimeError);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
}

TEST(Sandbox, ATracebackNamesTheProgramsLinesOnly) {
  const RunResult result = RunPython("def f():\n    raise ValueError('no')\nf()");
  EXPECT_EQ(result.err, "Traceback (most recent call last):\n  File \"/tmp/run/program.py\", line 3, in <module>\n    f()\n"
                        "  File \"/tmp/run/program.py\", line 2, in f\n    raise ValueError('no')\nValueError: no\n");
}

TEST(Sandbox, OutputIsCutAtTheLimitAndMarked) {
  const RunResult result = Shared().Run({.source = "print('x' * 5000)"}, {.wall_seconds = 10, .output_bytes = 1000});
  EXPECT_EQ(result.verdict, RunVerdict::kOutputLimit);
  EXPECT_EQ(result.out, std::string(1000, 'x'));
  EXPECT_TRUE(result.out_cut);
}

TEST(Sandbox, OutputOfExactlyTheLimitIsWhole) {
  const RunResult result = Shared().Run({.source = "import sys\nsys.stdout.write('x' * 1000)"}, {.wall_seconds = 10, .output_bytes = 1000});
  EXPECT_EQ(result.verdict, RunVerdict::kOk);
  EXPECT_FALSE(result.out_cut);
}

TEST(Sandbox, ARecordIsJsonWhateverBytesAProgramWrites) {
  const RunResult result = RunPython("import sys\nsys.stdout.buffer.write(bytes(range(256)))");
  const std::string record = result.ToJson();
  EXPECT_FALSE(nlohmann::json::parse(record, nullptr, false).is_discarded());
  EXPECT_TRUE(std::all_of(record.begin(), record.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7f; }));
}

TEST(Sandbox, AThousandRunsAtOnceQueueAndAllEndRight) {
  std::vector<Program> programs;
  for (int i = 0; i < 1000; ++i) programs.push_back({.source = "print(" + std::to_string(i) + ")"});
  const auto results = Shared().RunAll(programs, {.wall_seconds = 20});
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(results[static_cast<std::size_t>(i)].out, std::to_string(i) + "\n");
}

TEST(Sandbox, RandomAndHashOrderAreTheSameInEveryRun) {
  const std::string source = "import random\nprint(random.random(), {'a', 'b', 'c', 'd'})";
  EXPECT_EQ(RunPython(source).out, RunPython(source).out);
}

TEST(Sandbox, RandomNumbersBeginAtASeedOfZeroAndDifferInForkedChildren) {
  EXPECT_EQ(RunPython("import random\nfirst = random.random()\nrandom.seed(0)\nprint(first == random.random())").out, "True\n");
  const RunResult forked = RunPython(
      "import os, random\n"
      "ends = os.pipe()\n"
      "if os.fork() == 0:\n  os.write(ends[1], repr(random.random()).encode())\n  os._exit(0)\n"
      "os.wait()\n"
      "print(os.read(ends[0], 99).decode() != repr(random.random()))");
  EXPECT_EQ(forked.out, "True\n") << forked.ToJson();
}

TEST(Sandbox, CompilesAndRunsCpp) {
  const RunResult result = Shared().Run({.source = "#include <iostream>\nint main() { int a, b; std::cin >> a >> b; std::cout << a + b << '\\n'; }",
                                         .input = "3 4\n", .language = "c++"}, {.wall_seconds = 10});
  EXPECT_EQ(result.verdict, RunVerdict::kOk) << result.ToJson();
  EXPECT_EQ(result.out, "7\n");
}

TEST(Sandbox, CppThatDoesNotCompileIsTheProgramsError) {
  const RunResult result = Shared().Run({.source = "int main( {", .language = "c++"});
  EXPECT_EQ(result.verdict, RunVerdict::kRuntimeError);
  EXPECT_NE(result.reason.find("compile"), std::string::npos);
}

TEST(Sandbox, RunsALanguageThatItsCallerAdds) {
  SandboxOptions options;
  options.workers = 1;
  options.languages["shell"] = {"program.sh", {{"/bin/sh", "program.sh"}}};
  options.languages["two steps"] = {"a.txt", {{"/bin/cp", "a.txt", "b.txt"}, {"/bin/cat", "b.txt"}}};
  Sandbox sandbox(options);
  const Limits limits{.wall_seconds = 10, .cpu_seconds = 10};
  EXPECT_EQ(sandbox.Run({.source = "read x; echo $((x * 7))", .input = "6\n", .language = "shell"}, limits).out, "42\n");
  EXPECT_EQ(sandbox.Run({.source = "made\n", .language = "two steps"}, limits).out, "made\n");
  EXPECT_EQ(sandbox.Run({.source = "print(1)"}, limits).out, "1\n");
  try {
    sandbox.Run({.source = "", .language = "shel"});
    FAIL() << "was taken";
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "unknown language 'shel'. Did you mean 'shell'? Known: shell, two steps, c++, python");
  }
}

TEST(Sandbox, AFileNameWithFoldersIsRefusedAndIsNoVerdictAboutTheProgram) {
  const RunResult result = Shared().Run({.source = "print(1)", .files = {{"../x", "text"}}});
  EXPECT_EQ(result.verdict, RunVerdict::kInternalError);
}

TEST(Sandbox, FilesBesideTheProgramAreThere) {
  const RunResult result = Shared().Run({.source = "print(open('data.txt').read())", .files = {{"data.txt", "seven"}}}, {.wall_seconds = 10});
  EXPECT_EQ(result.out, "seven\n");
}

// ---- faults ---------------------------------------------------------------------------------------

// A zombie has ended; whether its new parent looks at it is not the sandbox's to say.
bool Runs(int pid) {
  const std::string stat = ReadAll("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t at = stat.rfind(") ");
  return at != std::string::npos && stat[at + 2] != 'Z' && stat[at + 2] != 'X';
}

bool GoneSoon(const std::vector<int>& processes) {
  for (int look = 0; look < 500; ++look) {
    if (std::none_of(processes.begin(), processes.end(), Runs)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST(SandboxFaults, KillingAnyProcessOfAWorkerLosesNoRun) {
  Sandbox sandbox({.workers = 1});
  ASSERT_EQ(sandbox.Run({.source = "print(1)"}, {.wall_seconds = 10}).out, "1\n");
  for (std::size_t which = 0; which < 2; ++which) {
    const std::vector<int> before = Below(sandbox.SpawnerProcess());
    ASSERT_GE(before.size(), 2u);
    auto later = sandbox.Submit({.source = "import time\ntime.sleep(0.3)\nprint(2)"}, {.wall_seconds = 10});
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    kill(before[which], SIGKILL);
    EXPECT_EQ(later.get().out, "2\n");
    EXPECT_TRUE(GoneSoon(before));
  }
}

TEST(SandboxFaults, KillingTheSpawnerLosesNoRun) {
  Sandbox sandbox({.workers = 1});
  const std::vector<int> before = Below(sandbox.SpawnerProcess());
  kill(sandbox.SpawnerProcess(), SIGKILL);
  EXPECT_TRUE(GoneSoon(before));
  EXPECT_EQ(sandbox.Run({.source = "print(3)"}, {.wall_seconds = 10}).out, "3\n");
}

TEST(SandboxFaults, KillingTheCallerLeavesNothingRunning) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t caller = fork();
  if (caller == 0) {
    Sandbox sandbox({.workers = 2});
    auto one = sandbox.Submit({.source = "import time\ntime.sleep(60)"}, {.wall_seconds = 60});
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const int spawner = sandbox.SpawnerProcess();
    (void)!write(ends[1], &spawner, sizeof spawner);
    pause();
  }
  int spawner = 0;
  ASSERT_EQ(read(ends[0], &spawner, sizeof spawner), static_cast<ssize_t>(sizeof spawner));
  std::vector<int> all = Below(spawner);
  all.push_back(spawner);
  EXPECT_GE(all.size(), 6u);
  kill(caller, SIGKILL);
  waitpid(caller, nullptr, 0);
  EXPECT_TRUE(GoneSoon(all));
}

TEST(SandboxFaults, AnInterpreterThatIsNoneIsRefusedWithItsName) {
  try {
    Sandbox sandbox({.workers = 1, .python = "/usr/bin/true"});
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("/usr/bin/true is no Python"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace cogent
