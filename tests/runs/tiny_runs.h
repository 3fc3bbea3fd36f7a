// What tests of whole runs share: a folder a suite, runs of TinyRun in it, and one that is killed and resumed.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "core/rng.h"
#include "tests/runs/program.h"

namespace cogent::runs {

// JSON lines.
inline std::vector<nlohmann::json> Records(const std::string& path) {
  std::vector<nlohmann::json> records;
  std::istringstream text(Read(path));
  for (std::string line; std::getline(text, line);) records.push_back(nlohmann::json::parse(line));
  return records;
}

class TinyRuns : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::filesystem::remove_all(Root());
    std::filesystem::create_directories(Root());
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(Root()); }

  // The suite's own folder.
  static std::string Root() {
    return testing::TempDir() + "/cogent_" + testing::UnitTest::GetInstance()->current_test_suite()->name() + "." + std::to_string(getpid());
  }
  static std::string Dir(const std::string& output) { return Root() + "/" + output + "/tiny"; }
  // The file of a run into Dir(output).
  static std::string Config(const std::string& output, const std::string& more = "") {
    Write(Root() + "/" + output + ".yaml", TinyRun(Root() + "/" + output, more));
    return Root() + "/" + output + ".yaml";
  }
  static Outcome Run(const std::vector<std::string>& words) { return StartedProgram(words, Root() + "/output.txt").Wait(); }
  static StartedProgram Start(const std::string& config, std::vector<std::string> more, rlim_t largest_file = 0) {
    more.insert(more.begin(), {"train", config});
    return StartedProgram(more, Root() + "/output.txt", largest_file);
  }
  static Outcome Go(const std::string& config, const std::vector<std::string>& more, rlim_t largest_file = 0) { return Start(config, more, largest_file).Wait(); }
  static std::vector<nlohmann::json> Metrics(const std::string& output) { return Records(Dir(output) + "/metrics.jsonl"); }

  struct Moment {
    std::string name;
    std::function<bool()> reached;
    int up_to_ms;  // it is killed so much later at most
  };
  // Starts the run of `dir` by begin(words) for each moment, from the second on with --resume, and kills it there. How often that came
  // before its end.
  template <typename Begin>
  static int KillAt(const std::vector<Moment>& moments, const std::string& dir, Rng rng, const Begin& begin) {
    int killed = 0;
    for (const Moment& moment : moments) {
      SCOPED_TRACE(moment.name);
      const bool begun = std::filesystem::exists(dir + "/config.yaml");
      if (!begun) std::filesystem::remove_all(dir);  // a kill before the run's first file: nothing to resume
      StartedProgram program = begin(begun ? std::vector<std::string>{"--resume"} : std::vector<std::string>{});
      if (program.WaitUntil(moment.reached)) {
        std::this_thread::sleep_for(std::chrono::microseconds(rng.Range(0, 1000 * moment.up_to_ms)));
        program.Signal(SIGKILL);
      }
      const Outcome outcome = program.Wait();
      EXPECT_TRUE(outcome.signal == SIGKILL || outcome.code == 0) << outcome.code << " " << outcome.text;
      killed += outcome.signal == SIGKILL;
    }
    return killed;
  }
};

}  // namespace cogent::runs
