// A run with a critic: it learns alone at first, is in every checkpoint, and a killed run ends like one that was not.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "core/rng.h"
#include "policies/safetensors.h"
#include "tests/runs/records.h"
#include "tests/runs/tiny_runs.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using runs::Lines;
using runs::Outcome;
using runs::Read;
using testing::HasSubstr;

class CriticRunTest : public runs::TinyRuns {
 protected:
  static void SetUpTestSuite() {
    TinyRuns::SetUpTestSuite();
    const Outcome whole = Go("whole", {"--quiet"});
    ASSERT_EQ(whole.code, 0) << whole.text;
  }
  static runs::StartedProgram Start(const std::string& output, std::vector<std::string> more, const std::string& algorithm = "ppo") {
    more.insert(more.begin(), "algorithm=" + algorithm);
    return TinyRuns::Start(Config(output, "critic: {steps_alone: 2, optimizer: {learning_rate: 3.0e-3}}\n"), more);
  }
  static Outcome Go(const std::string& output, const std::vector<std::string>& more, const std::string& algorithm = "ppo") {
    return Start(output, more, algorithm).Wait();
  }
};

TEST_F(CriticRunTest, ItLearnsAloneAtFirstAndThenBesideThePolicy) {
  const auto lines = Metrics("whole");
  ASSERT_EQ(lines.size(), 8u);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].contains("loss"), i >= 2) << i;
    for (const char* name : {"losses/value_loss", "losses/clipfrac", "critic/grad_norm", "critic/grad_clipped", "critic/learning_rate", "critic/values/mean",
                             "critic/returns/mean", "timing_s/values", "timing_s/update_critic"}) {
      EXPECT_TRUE(lines[i].contains(name)) << i << " " << name;
    }
  }
  EXPECT_EQ(lines[0].at("critic/values/mean").get<double>(), 0.0);
  EXPECT_NE(lines[1].at("critic/values/mean").get<double>(), 0.0);
  // The policy's schedule begins with its first step: warm-up over two steps.
  EXPECT_NEAR(lines[2].at("learning_rate").get<double>(), 5e-4, 1e-12);
  EXPECT_NEAR(lines[3].at("learning_rate").get<double>(), 1e-3, 1e-12);
}

TEST_F(CriticRunTest, KilledWhereverItEndsLikeTheRunThatWasNot) {
  const std::string dir = Dir("killed"), saved = dir + "/checkpoints/";
  const std::vector<Moment> moments = {
      {"before the first step", [&] { return fs::exists(saved + "step-000000/critic"); }, 2},
      {"while the critic learns alone", [&] { return Lines(dir + "/metrics.jsonl") >= 1; }, 10},
      {"while a critic is written", [&] { return fs::exists(saved + ".writing/critic"); }, 2},
      {"a checkpoint of step 4", [&] { return fs::exists(saved + "step-000004") || Lines(dir + "/metrics.jsonl") >= 4; }, 10},
      {"the evaluation of step 6", [&] { return Lines(dir + "/eval.jsonl") >= 4; }, 20},
      {"the last checkpoint", [&] { return fs::exists(saved + "step-000008"); }, 2},
  };
  EXPECT_GE(KillAt(moments, dir, Rng(18), [](const auto& more) { return Start("killed", more); }), 5);
  const Outcome end = Go("killed", {"--resume"});
  ASSERT_EQ(end.code, 0) << end.text;
  runs::ExpectEqualRuns(dir, Dir("whole"));
  EXPECT_FALSE(Read(dir + "/checkpoints/latest/critic/model.safetensors").empty());
}

TEST_F(CriticRunTest, AnotherRunMayStartFromTheCritic) {
  const Outcome outcome = Go("second", {"--quiet", "critic.checkpoint=" + Dir("whole") + "/checkpoints/latest/critic", "train.steps=3"});
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_NE(Metrics("second")[0].at("critic/values/mean").get<double>(), 0.0);
}

TEST_F(CriticRunTest, WhatCannotBeACriticIsToldBeforeTheRunBegins) {
  const std::string latest = Dir("whole") + "/checkpoints/latest";
  const std::string damaged = Root() + "/damaged", wide = Root() + "/wide";
  fs::copy(latest + "/critic", damaged);
  auto file = SafetensorsFile::Open(damaged + "/model.safetensors");
  auto tensors = file.tensors();
  tensors.erase("score.weight");
  WriteSafetensors(damaged + "/fewer.safetensors", tensors, {{"format", "pt"}});
  fs::rename(damaged + "/fewer.safetensors", damaged + "/model.safetensors");
  ASSERT_EQ(Go("wide", {"--quiet", "policy.model.vocab_size=300", "train.steps=0"}, "grpo").code, 2);  // its own section is a mistake
  ASSERT_EQ(Go("wide", {"--quiet", "critic=null", "policy.model.vocab_size=300", "train.steps=0"}, "grpo").code, 0);

  const std::vector<std::pair<std::string, std::string>> cases = {
      {"critic.checkpoint=" + damaged, "score.weight is missing"},
      {"critic.checkpoint=" + Dir("wide") + "/checkpoints/base", "reads 300 token ids"},
      {"critic.checkpoint=/no/such/dir", "there is no directory '/no/such/dir'"},
      {"critic.steps_alone=8", "leaves none of train.steps (8)"},
  };
  for (const auto& [override, said] : cases) {
    const Outcome outcome = Go("refused", {"--quiet", override});
    EXPECT_EQ(outcome.code, 2) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr(said));
    EXPECT_FALSE(fs::exists(Dir("refused"))) << override << ": a run was begun";
  }
  const Outcome policy = Go("refused", {"--quiet", "policy.checkpoint=" + latest + "/critic", "pretrain=null"});
  EXPECT_EQ(policy.code, 2);
  EXPECT_THAT(policy.text, HasSubstr("this is a critic or a reward model"));
}

TEST_F(CriticRunTest, ACriticOfAnAlgorithmThatHasNoneIsAMistakeWithItsPlace) {
  const Outcome outcome = Go("grpo", {}, "grpo");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.text, testing::ContainsRegex("grpo\\.yaml:[0-9]+:[0-9]+: algorithm 'grpo' has no critic"));
}

TEST_F(CriticRunTest, ACheckpointWithoutACriticCannotBeResumedWithOne) {
  ASSERT_EQ(Go("without", {"--quiet", "critic=null", "train.steps=2"}, "grpo").code, 0);
  const Outcome outcome = Go("without", {"--quiet", "--resume"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.text, HasSubstr("there is no critic in this checkpoint"));
}

}  // namespace
}  // namespace cogent
