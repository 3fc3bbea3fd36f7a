// A run whose sampler holds its weights in bfloat16: it trains, logs how far sampler and trainer are apart, and repeats.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/runs/program.h"
#include "tests/runs/records.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

TEST(Bfloat16Weights, TrainAndLogTheGapOfEveryStepAndRepeatBitForBit) {
  const std::string root = testing::TempDir() + "/cogent_weights_test." + std::to_string(getpid());
  fs::remove_all(root);
  fs::create_directories(root);
  const auto run = [&](const std::string& output, const std::string& weights) {
    runs::Write(root + "/" + output + ".yaml", runs::TinyRun(root + "/" + output));
    const runs::Outcome outcome = runs::Program({"train", root + "/" + output + ".yaml", "--quiet", "rollout.weights=" + weights}, root + "/output.txt").Wait();
    EXPECT_EQ(outcome.code, 0) << outcome.text;
    std::vector<double> gaps;
    std::istringstream metrics(runs::Read(root + "/" + output + "/tiny/metrics.jsonl"));
    for (std::string line; std::getline(metrics, line);) {
      const json step = json::parse(line);
      EXPECT_LE(step.at("sampling/sampling_logp_difference/mean"), step.at("sampling/sampling_logp_difference/max"));
      gaps.push_back(step.at("sampling/sampling_logp_difference/max"));
    }
    return gaps;
  };
  const auto exact = run("float32", "float32"), rounded = run("bfloat16", "bfloat16"), again = run("again", "bfloat16");
  ASSERT_EQ(rounded.size(), exact.size());
  ASSERT_FALSE(rounded.empty());
  for (const double gap : exact) EXPECT_LT(gap, 1e-4);
  for (const double gap : rounded) EXPECT_THAT(gap, testing::AllOf(testing::Gt(1e-4), testing::Lt(0.2)));
  EXPECT_EQ(rounded, again);
  runs::ExpectEqualRuns(root + "/again/tiny", root + "/bfloat16/tiny");
  const runs::Outcome refused = runs::Program({"train", root + "/again.yaml", "rollout.weights=float16"}, root + "/output.txt").Wait();
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.text, testing::HasSubstr("cannot be 'float16'. Did you mean 'bfloat16'? Allowed: float32, bfloat16."));
  fs::remove_all(root);
}

}  // namespace
}  // namespace cogent
