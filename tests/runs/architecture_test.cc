// Each architecture learns, is saved, and goes on from its checkpoint.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/runs/program.h"
#include "tests/runs/tiny_runs.h"

namespace cogent::runs {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ArchitectureRun : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "/cogent_architecture_" + GetParam() + "." + std::to_string(getpid());
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    WriteConfig("run.yaml", TinyRun(dir_));
  }
  void TearDown() override { fs::remove_all(dir_); }
  void WriteConfig(const std::string& name, const std::string& text) { std::ofstream(dir_ + "/" + name) << text; }
  Outcome Train(const std::vector<std::string>& words) {
    std::vector<std::string> all = {"train", dir_ + "/run.yaml", "--quiet"};
    all.insert(all.end(), words.begin(), words.end());
    return StartedProgram(all, dir_ + "/output.txt").Wait();
  }
  std::string dir_;
};
INSTANTIATE_TEST_SUITE_P(Models, ArchitectureRun, testing::Values("llama", "qwen2", "qwen3", "qwen3_moe"), [](const auto& info) { return info.param; });

TEST_P(ArchitectureRun, PretrainsLearnsByRewardAndGoesOnFromItsCheckpoint) {
  const std::string model = "policy.model={model_type: " + GetParam() +
                            ", vocab_size: 0, hidden_size: 32, intermediate_size: 48, moe_intermediate_size: 16, num_hidden_layers: 2, num_attention_heads: 4, "
                            "num_key_value_heads: 2, n_routed_experts: 4, num_experts_per_tok: 2, max_position_embeddings: 128, initializer_range: 0.06}";
  const Outcome first = Train({model, "train.steps=3", "name=first"});
  ASSERT_EQ(first.code, 0) << first.text;
  const std::string checkpoint = dir_ + "/first/checkpoints/latest";
  const auto config = nlohmann::json::parse(std::ifstream(checkpoint + "/config.json"));
  EXPECT_EQ(config["model_type"], GetParam());
  const Outcome second = Train({"policy.checkpoint=" + checkpoint, "pretrain=null", "train.steps=2", "name=second"});
  ASSERT_EQ(second.code, 0) << second.text;
  const Outcome wrong = Train({model, "policy.model.num_key_value_heads=3", "name=third"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.text, HasSubstr("num_attention_heads (4) must be a multiple of num_key_value_heads (3)"));
}

class Convert : public TinyRuns {};

TEST_F(Convert, MakesUpNoPredictionModuleThatTheFilesDoNotHold) {
  const Outcome run = Go(Config("run"), {"--quiet", "policy.model.num_nextn_predict_layers=0", "pretrain.prediction_weight=0", "train.steps=1", "train.minibatches=1"});
  ASSERT_EQ(run.code, 0) << run.text;
  const std::string model = Dir("run") + "/checkpoints/latest", made = Root() + "/made";
  auto config = nlohmann::json::parse(Read(model + "/config.json"));
  config["num_nextn_predict_layers"] = 1;
  Write(model + "/config.json", config.dump());
  const Outcome converted = Run({"model", "convert", model, made});
  ASSERT_EQ(converted.code, 0) << converted.text;
  EXPECT_EQ(nlohmann::json::parse(Read(made + "/config.json"))["num_nextn_predict_layers"], 0);
  EXPECT_THAT(Read(made + "/model.safetensors"), testing::Not(HasSubstr("eh_proj")));
}

}  // namespace
}  // namespace cogent::runs
