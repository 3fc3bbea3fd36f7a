// A session's state is what its kept calls made, whatever else the calls did.
#include "sandbox/session.h"

#include <thread>

#include "core/error.h"
#include "tests/sandbox/sandbox_test_util.h"

namespace cogent {
namespace {

const Limits kEasy{.wall_seconds = 10, .cpu_seconds = 10};

PythonSession Open(const Limits& limits = kEasy) { return PythonSession(Shared(), {.limits = limits}); }

TEST(Session, KeepsItsStateFromCallToCall) {
  PythonSession session = Open();
  EXPECT_TRUE(session.Call("import math\nx = 6\ndef f(y): return x * y").kept);
  EXPECT_TRUE(session.Call("x += 1").kept);
  const SessionResult result = session.Call("print(f(6), math.gcd(12, 18))");
  EXPECT_EQ(result.run.out, "42 6\n");
  EXPECT_EQ(result.run.err, "");
  EXPECT_EQ(result.run.verdict, RunVerdict::kOk);
  EXPECT_EQ(session.kept_calls().size(), 3u);
}

TEST(Session, PrintsTheLastExpressionAsAShellDoes) {
  PythonSession session = Open();
  EXPECT_EQ(session.Call("x = 2\n[x] * 3").run.out, "[2, 2, 2]\n");
  EXPECT_EQ(session.Call("_ + [1]").run.out, "[2, 2, 2, 1]\n");
  EXPECT_EQ(session.Call("'1'\n'2'").run.out, "'2'\n");
  EXPECT_EQ(session.Call("None").run.out, "");
  EXPECT_EQ(session.Call("").run.out, "");
  EXPECT_EQ(session.Call("# nothing").run.verdict, RunVerdict::kOk);
}

TEST(Session, OutputOfEarlierCallsIsNotShownAgain) {
  PythonSession session = Open();
  EXPECT_EQ(session.Call("import sys, os\nprint('one')\nprint('two', file=sys.stderr)\nos.system('echo three')").run.out, "three\none\n0\n");
  const SessionResult result = session.Call("print('four')");
  EXPECT_EQ(result.run.out, "four\n");
  EXPECT_EQ(result.run.err, "");
}

TEST(Session, AnExceptionIsShownWithItsLineAndWhatWasDoneBeforeItStays) {
  PythonSession session = Open();
  session.Call("def f(x):\n    return 1 / x");
  const SessionResult failed = session.Call("y = 5\nf(0)");
  EXPECT_EQ(failed.run.verdict, RunVerdict::kRuntimeError);
  EXPECT_TRUE(failed.kept);
  EXPECT_NE(failed.run.err.find("File \"<call 2>\", line 2, in <module>\n    f(0)"), std::string::npos) << failed.run.err;
  EXPECT_NE(failed.run.err.find("File \"<call 1>\", line 2, in f\n    return 1 / x"), std::string::npos) << failed.run.err;
  EXPECT_TRUE(failed.run.err.ends_with("ZeroDivisionError: division by zero\n")) << failed.run.err;
  EXPECT_EQ(failed.run.err.find("program.py"), std::string::npos) << failed.run.err;
  EXPECT_EQ(session.Call("y").run.out, "5\n");
}

TEST(Session, WhatIsNoPythonIsTheCallsError) {
  PythonSession session = Open();
  for (const std::string& code : {std::string("x = = 2"), std::string("\xff\xfe"), std::string("a\0b", 3), std::string("def f(:"), std::string("  indented")}) {
    const SessionResult result = session.Call(code);
    EXPECT_EQ(result.run.verdict, RunVerdict::kRuntimeError) << code << result.run.ToJson();
    EXPECT_TRUE(result.kept) << code;
  }
  EXPECT_EQ(session.Call("1 + 1").run.out, "2\n");
}

TEST(Session, SysExitEndsTheCallAlone) {
  PythonSession session = Open();
  const SessionResult result = session.Call("import sys\nz = 1\nsys.exit(3)\nz = 2");
  EXPECT_TRUE(result.kept);
  EXPECT_EQ(result.run.exit_code, 3);
  EXPECT_EQ(session.Call("z").run.out, "1\n");
}

TEST(Session, ACallThatEndsItsInterpreterLeavesTheStateBefore) {
  PythonSession session = Open();
  session.Call("x = 1");
  const SessionResult result = session.Call("import os\nx = 2\nos._exit(0)");
  EXPECT_FALSE(result.kept);
  EXPECT_EQ(result.run.verdict, RunVerdict::kRuntimeError);
  EXPECT_NE(result.run.reason.find("ended its interpreter"), std::string::npos);
  EXPECT_EQ(session.Call("x").run.out, "1\n");
}

TEST(Session, ACallBeyondALimitLeavesTheStateBefore) {
  PythonSession session = Open({.wall_seconds = 1, .cpu_seconds = 1, .output_bytes = 10000});
  session.Call("x = 1");
  EXPECT_EQ(session.Call("x = 2\nwhile True: pass").run.verdict, RunVerdict::kTimeLimit);
  EXPECT_EQ(session.Call("x = 3\ndata = bytearray(1 << 30)").run.verdict, RunVerdict::kMemoryLimit);
  EXPECT_EQ(session.Call("x = 4\nprint('y' * 20000)").run.verdict, RunVerdict::kOutputLimit);
  EXPECT_EQ(session.Call("x").run.out, "1\n");
  EXPECT_EQ(session.kept_calls().size(), 2u);
}

TEST(Session, ACallCannotBeGivenTheTimeOfTheCallsBeforeMoreThanOnce) {
  PythonSession session(Shared(), {.limits = kEasy, .replay_seconds = 0.2});
  EXPECT_TRUE(session.Call("import time\nt = 0\ntime.sleep(0.3)").kept);
  const SessionResult refused = session.Call("t");
  EXPECT_FALSE(refused.kept);
  EXPECT_EQ(refused.run.verdict, RunVerdict::kTimeLimit);
  EXPECT_NE(refused.run.reason.find("takes no more"), std::string::npos) << refused.run.reason;
}

TEST(Session, TakesAsManyCallsAsItMay) {
  PythonSession session(Shared(), {.limits = kEasy, .max_calls = 3});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(session.Call("x = 1").kept);
  EXPECT_FALSE(session.Call("x").kept);
}

TEST(Session, SaysWhichCallDidNotDoTheSameTwice) {
  PythonSession session = Open();
  session.Call("x = 1");
  session.Call("import time\ntime.time_ns()");
  const SessionResult result = session.Call("x");
  EXPECT_TRUE(result.kept);
  EXPECT_NE(result.run.reason.find("call 2 printed something else"), std::string::npos) << result.run.reason;
}

TEST(Session, ACallThatEndsWhenRunAgainIsNamedAsTheCause) {
  PythonSession session = Open();
  // Standard output is a pipe in the call itself and a file when it is run again.
  session.Call("import os, sys\nif os.fstat(1).st_mode & 0o170000 == 0o100000: os._exit(0)");
  const SessionResult result = session.Call("1");
  EXPECT_FALSE(result.kept);
  EXPECT_EQ(result.run.verdict, RunVerdict::kRuntimeError);
  EXPECT_NE(result.run.reason.find("while the calls before were run again"), std::string::npos) << result.run.reason;
}

TEST(Session, StreamsThatACallClosedOrReplacedDoNotHideTheEnd) {
  PythonSession session = Open();
  EXPECT_TRUE(session.Call("import os\nos.close(1)\nos.close(2)").kept);
  EXPECT_EQ(session.Call("print('there')").run.out, "there\n");
  EXPECT_TRUE(session.Call("import sys, io\nsys.stdout = io.StringIO()").kept);
  EXPECT_EQ(session.Call("print('hidden')").run.out, "");
  EXPECT_EQ(session.Call("sys.stdout = sys.__stdout__\nprint('there')").run.out, "there\n");
}

TEST(Session, FilesOfACallAreThereInTheNextAndNothingElseIs) {
  PythonSession session = Open();
  session.Call("open('a.txt', 'w').write('text')");
  EXPECT_EQ(session.Call("import os\nos.listdir('.'), open('a.txt').read()").run.out, "(['a.txt'], 'text')\n");
}

TEST(Session, SeveralAreOpenAtOnceAndApart) {
  std::vector<std::unique_ptr<PythonSession>> sessions;
  for (int i = 0; i < 50; ++i) {
    sessions.push_back(std::make_unique<PythonSession>(Shared(), SessionOptions{.limits = kEasy}));
    sessions.back()->Call("x = " + std::to_string(i));
  }
  std::vector<std::string> seen(2);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 2; ++t) {
      threads.emplace_back([&, t] {
        for (std::size_t i = t; i < sessions.size(); i += 2) seen[t] += sessions[i]->Call("x").run.out;
      });
    }
  }
  std::vector<std::string> expected(2);
  for (int i = 0; i < 50; ++i) expected[static_cast<std::size_t>(i % 2)] += std::to_string(i) + "\n";
  EXPECT_EQ(seen, expected);
}

TEST(Session, IsIsolatedAsEveryRun) {
  PythonSession session = Open();
  EXPECT_EQ(session.Call("import os\nos.path.exists('/root'), os.path.exists('/home')").run.out, "(False, False)\n");
  EXPECT_TRUE(session.Call("import socket\nsocket.create_connection(('127.0.0.1', 80), 1)").run.err.find("Error") != std::string::npos);
  EXPECT_EQ(session.Call("import threading\nthreading.Thread(target=lambda: os.kill(1, 9)).start()").run.verdict, RunVerdict::kOk);
}

TEST(Session, OptionsThatLeaveNoCallAreRefused) {
  EXPECT_THROW(PythonSession(Shared(), {.max_calls = 0}), ConfigError);
  EXPECT_THROW(PythonSession(Shared(), {.replay_seconds = 0}), ConfigError);
}

}  // namespace
}  // namespace cogent
