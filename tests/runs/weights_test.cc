// A run whose sampler holds its weights or its cache in bfloat16: it trains, logs how far sampler and trainer are apart, and repeats.
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
  const auto run = [&](const std::string& output, const std::string& weights, const std::string& cache = "float32") {
    runs::Write(root + "/" + output + ".yaml", runs::TinyRun(root + "/" + output));
    const runs::Outcome outcome = runs::StartedProgram({"train", root + "/" + output + ".yaml", "--quiet", "rollout.weights=" + weights, "rollout.cache=" + cache}, root + "/output.txt").Wait();
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
  const auto exact = run("float32", "float32"), rounded = run("bfloat16", "bfloat16"), again = run("again", "bfloat16"), cached = run("cached", "float32", "bfloat16");
  ASSERT_EQ(rounded.size(), exact.size());
  ASSERT_FALSE(rounded.empty());
  for (const double gap : exact) EXPECT_LT(gap, 1e-4);
  for (const double gap : rounded) EXPECT_THAT(gap, testing::AllOf(testing::Gt(1e-4), testing::Lt(0.2)));
  ASSERT_EQ(cached.size(), exact.size());
  for (const double gap : cached) EXPECT_THAT(gap, testing::AllOf(testing::Gt(1e-5), testing::Lt(0.2)));
  EXPECT_EQ(rounded, again);
  runs::ExpectEqualRuns(root + "/again/tiny", root + "/bfloat16/tiny");
  const runs::Outcome refused = runs::StartedProgram({"train", root + "/again.yaml", "rollout.weights=float16"}, root + "/output.txt").Wait();
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.text, testing::HasSubstr("cannot be 'float16'. Did you mean 'bfloat16'? Allowed: float32, bfloat16."));
  fs::remove_all(root);
}

TEST(Deterministic, ARunSamplesAndTrainsInOneArithmeticAndRefusesWhatHasTwo) {
  const std::string root = testing::TempDir() + "/cogent_deterministic_test." + std::to_string(getpid());
  fs::remove_all(root);
  fs::create_directories(root);
  runs::Write(root + "/run.yaml", runs::TinyRun(root + "/runs", "deterministic: true\n"));
  const auto go = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"train", root + "/run.yaml", "--quiet"});
    return runs::StartedProgram(words, root + "/output.txt").Wait();
  };
  for (const std::string precision : {"float32", "bfloat16"}) for (const std::string lora : {"null", "{rank: 4, alpha: 8}"}) {
    const runs::Outcome outcome = go({"name=" + precision, "policy.lora=" + lora, "train.replay_experts=false", "rollout.weights=" + precision, "train.products=" + precision, "rollout.temperature=0.8"});
    ASSERT_EQ(outcome.code, 0) << outcome.text;
    std::istringstream metrics(runs::Read(root + "/runs/" + precision + "/metrics.jsonl"));
    int steps = 0;
    for (std::string line; std::getline(metrics, line); ++steps) EXPECT_EQ(json::parse(line).at("sampling/sampling_logp_difference/max"), 0.0) << "step " << steps;
    EXPECT_GT(steps, 3);
    fs::remove_all(root + "/runs/" + precision);
  }
  for (const auto& [setting, why] : std::vector<std::pair<std::string, std::string>>{{"rollout.weights=bfloat16", "make rollout.weights (bfloat16) and train.products (float32) the same"},
                                                                                      {"rollout.cache=bfloat16", "leave rollout.cache at float32"},
                                                                                      {"device=cuda", "set device: cpu"},
                                                                                      {"rollout.remote={url: \"http://localhost:1\"}", "rollout.remote is another engine"}}) {
    const runs::Outcome refused = go({"name=refused", setting});
    EXPECT_EQ(refused.code, 2) << setting;
    EXPECT_THAT(refused.text, testing::HasSubstr(why));
    EXPECT_FALSE(fs::exists(root + "/runs/refused"));
  }
  fs::remove_all(root);
}

}  // namespace
}  // namespace cogent
