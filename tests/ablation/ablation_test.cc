// The section `ablate`: what it multiplies out to, which mistakes it finds and where, which base models are shared.
#include "experiments/ablation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "core/error.h"
#include "core/file.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class AblationFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "cogent_ablation_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::string File(const std::string& ablate) const {
    const std::string path = dir_ + "/a.yaml";
    WriteFileAtomic(path, "name: many\noutput: " + dir_ + R"(
env: {name: signs, digits: 3}
rewards: [{name: accuracy}, {name: format, weight: 0.1}]
pretrain: {steps: 5}
algorithm: {name: grpo}
rollout: {group_size: 4, max_new_tokens: 16}
)" + ablate);
    return path;
  }
  Ablation Load(const std::string& ablate, const std::vector<std::string>& overrides = {}) const {
    return LoadAblation(File(ablate), overrides, Parts{}, {});
  }
  // What the file is refused for, without the folder's name.
  std::string Refused(const std::string& ablate) const {
    try {
      Load(ablate);
    } catch (const ConfigError& error) {
      std::string text = error.what();
      for (std::size_t at; (at = text.find(dir_ + "/")) != std::string::npos;) text.erase(at, dir_.size() + 1);
      return text;
    }
    return "(not refused)";
  }
  std::string dir_;
};

std::vector<std::string> Names(const Ablation& ablation) {
  std::vector<std::string> names;
  for (const Arm& arm : ablation.arms) names.push_back(arm.name);
  return names;
}

TEST_F(AblationFile, ArmsAreSetsOfSettings) {
  const Ablation ablation = Load("ablate: {seeds: [3, 1], arms: {plain: {}, wide: {rollout.group_size: 9, optimizer: {learning_rate: 0.5}}}}\n");
  EXPECT_THAT(ablation.seeds, ElementsAre(3, 1));
  EXPECT_THAT(Names(ablation), ElementsAre("plain", "wide"));
  EXPECT_EQ(ablation.arms[0].config.rollout.group_size, 4);
  EXPECT_EQ(ablation.arms[1].config.rollout.group_size, 9);
  EXPECT_EQ(ablation.arms[1].config.optimizer.learning_rate, 0.5);
  EXPECT_EQ(ablation.arms[1].config.rollout.sampling.max_new_tokens, 16);  // the rest of the section stays
}

TEST_F(AblationFile, AGridIsEveryCombination) {
  const Ablation ablation = Load("ablate: {seeds: [1], grid: {rollout.group_size: [4, 8], rewards.1.weight: [0, 0.5]}}\n");
  EXPECT_THAT(Names(ablation), ElementsAre("group_size=4,weight=0", "group_size=4,weight=0.5", "group_size=8,weight=0", "group_size=8,weight=0.5"));
  EXPECT_EQ(ablation.arms[3].config.rollout.group_size, 8);
  EXPECT_EQ(OneLineYaml(ablation.arms[3].config.rewards[1].settings), "{weight: 0.5}");
  EXPECT_EQ(ablation.arms[3].config.rewards[0].name, "accuracy");
}

TEST_F(AblationFile, ArmsGoThroughTheGrid) {
  const Ablation ablation = Load("ablate: {seeds: [1], arms: {a: {}, b: {train.epochs: 2}}, grid: {rollout.prompts: [4, 8]}}\n");
  EXPECT_THAT(Names(ablation), ElementsAre("a,prompts=4", "a,prompts=8", "b,prompts=4", "b,prompts=8"));
  EXPECT_EQ(ablation.arms[3].config.train.epochs, 2);
}

TEST_F(AblationFile, KeysWithOneLastPartAreNamedInFull) {
  const Ablation ablation = Load("ablate: {seeds: [1], grid: {optimizer.learning_rate: [0.1], pretrain.optimizer.learning_rate: [0.2]}}\n");
  EXPECT_THAT(Names(ablation), ElementsAre("optimizer.learning_rate=0.1,pretrain.optimizer.learning_rate=0.2"));
}

TEST_F(AblationFile, AWordForAChoiceTakesItsDefaultsAndAMapKeepsTheFiles) {
  const Ablation ablation = Load("ablate: {seeds: [1], arms: {fresh: {env: signs}, kept: {env: {name: signs}}, more: {env.digits: 4}}}\n");
  const auto digits = [&](std::size_t arm) { return ablation.arms[arm].config.env.settings.Find("digits")->text; };
  EXPECT_NE(digits(0), "3");
  EXPECT_EQ(digits(1), "3");
  EXPECT_EQ(digits(2), "4");
}

TEST_F(AblationFile, ListsOfMapsAreNamedByTheirPlace) {
  const Ablation ablation = Load("ablate: {seeds: [1], grid: {rewards: [[{name: accuracy}], [{name: format}]], prompt_template: [plain, 'a {prompt} b']}}\n");
  EXPECT_THAT(Names(ablation), ElementsAre("rewards=#1,prompt_template=plain", "rewards=#1,prompt_template=#2", "rewards=#2,prompt_template=plain", "rewards=#2,prompt_template=#2"));
}

TEST_F(AblationFile, OverridesReachTheSection) {
  EXPECT_THAT(Load("ablate: {seeds: [1], arms: {a: {}}}\n", {"ablate.seeds=[7, 8]", "rollout.prompts=3"}).seeds, ElementsAre(7, 8));
}

TEST_F(AblationFile, AMistakeInAnArmIsToldWithItsPlaceBeforeAnythingRuns) {
  EXPECT_THAT(Refused("ablate:\n  seeds: [1]\n  arms: {a: {}, b: {rollout.group_sise: 4}}\n"),
              AllOf(HasSubstr("a.yaml:10:21: unknown key 'group_sise'"), HasSubstr("Did you mean 'group_size'?"), HasSubstr("(arm 'b')")));
  EXPECT_THAT(Refused("ablate:\n  seeds: [1]\n  grid: {rollot.group_size: [4]}\n"), HasSubstr("a.yaml:10:10: unknown key 'rollot'"));
  EXPECT_THAT(Refused("ablate:\n  seeds: [1]\n  grid: {rollout.group_size: [4, many]}\n"), HasSubstr("a.yaml:10:34"));
  EXPECT_THAT(Refused("ablate:\n  seeds: [1]\n  arms: {a: {train.minibatches: 500}}\n"), HasSubstr("train.minibatches (500)"));
}

TEST_F(AblationFile, AMistakeOfTheFileItselfIsToldOnce) {
  const std::string text = Refused("wrong: 1\nablate: {seeds: [1], arms: {a: {}, b: {}, c: {}}}\n");
  EXPECT_THAT(text, HasSubstr("unknown key 'wrong'"));
  EXPECT_EQ(text.find("unknown key 'wrong'"), text.rfind("unknown key 'wrong'"));
  EXPECT_THAT(text, Not(HasSubstr("(arm ")));
}

TEST_F(AblationFile, WhatBelongsToTheAblationCannotBeAnArms) {
  for (const char* key : {"seed", "name", "output", "threads", "ablate", "extends"}) {
    EXPECT_THAT(Refused(std::string("ablate: {seeds: [1], arms: {a: {") + key + ": 3}}}\n"), HasSubstr("cannot differ between arms")) << key;
    EXPECT_THAT(Refused(std::string("ablate: {seeds: [1], grid: {") + key + ": [3]}}\n"), HasSubstr("cannot differ between arms")) << key;
  }
}

TEST_F(AblationFile, MistakesOfTheSectionAreTold) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"ablate: {arms: {a: {}}}\n", "ablate.seeds must be a list"},
      {"ablate: {seeds: [], arms: {a: {}}}\n", "ablate.seeds must be a list"},
      {"ablate: {seeds: 3, arms: {a: {}}}\n", "ablate.seeds must be a list"},
      {"ablate: {seeds: [1, 1], arms: {a: {}}}\n", "seed 1 is given twice"},
      {"ablate: {seeds: [one], arms: {a: {}}}\n", "a seed must be a whole number"},
      {"ablate: {seeds: [-1], arms: {a: {}}}\n", "a seed must be a whole number"},
      {"ablate: {seeds: [1]}\n", "`arms` or `grid`"},
      {"ablate: {seeds: [1], arms: [a, b]}\n", "ablate.arms must be names"},
      {"ablate: {seeds: [1], arms: {}}\n", "ablate.arms must be names"},
      {"ablate: {seeds: [1], arms: {a: 3}}\n", "arm 'a' must be settings"},
      {"ablate: {seeds: [1], arms: {a/b: {}}}\n", "a name is a folder"},
      {"ablate: {seeds: [1], arms: {..: {}}}\n", "a name is a folder"},
      {"ablate: {seeds: [1], arms: {base-1: {}}}\n", "shared base models are called so"},
      {"ablate: {seeds: [1], grid: {rollout.prompts: 3}}\n", "must be a list of values"},
      {"ablate: {seeds: [1], grid: {rollout.prompts: [3, 3]}}\n", "is given twice"},
      {"ablate: {seeds: [1], arms: {a: {}}, aganst: a}\n", "Did you mean 'against'?"},
      {"ablate: {seeds: [1], arms: {grpo: {}}, against: grop}\n", "Did you mean 'grpo'?"},
      {"", "there is no section `ablate`"},
  };
  for (const auto& [yaml, said] : cases) EXPECT_THAT(Refused(yaml), HasSubstr(said)) << yaml;
}

TEST_F(AblationFile, AGridThatExplodesIsRefusedAndNotBuilt) {
  std::string grid = "ablate: {seeds: [1], grid: {";
  for (const char* key : {"rollout.prompts", "rollout.group_size", "train.epochs", "train.steps", "eval.tasks"}) {
    grid += std::string(key) + ": [";
    for (int i = 1; i <= 100; ++i) grid += std::to_string(i) + ", ";
    grid += "101], ";
  }
  EXPECT_THAT(Refused(grid + "}}\n"), HasSubstr("more than 1000 arms"));
}

TEST_F(AblationFile, ASingleRunRefusesItAndNamesTheCommand) {
  try {
    LoadRunConfig(File("ablate: {seeds: [1], arms: {a: {}}}\n"), {}, Parts{}, {}, Purpose::kTrain);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cogent ablate"));
  }
}

// ---- base models ----

TEST_F(AblationFile, ArmsThatPretrainAlikeShareABaseOfEachSeed) {
  const Ablation ablation = Load("ablate: {seeds: [1, 2], arms: {a: {}, b: {algorithm.kl_coef: 0.1, rollout.temperature: 0.9, optimizer.learning_rate: 0.1, "
                                 "train.steps: 3, eval.tasks: 9, rewards: [{name: accuracy}]}, c: {pretrain.steps: 9}}}\n");
  EXPECT_EQ(ablation.arms[0].base, ablation.arms[1].base);
  EXPECT_NE(ablation.arms[0].base, ablation.arms[2].base);
  ASSERT_EQ(ablation.bases.size(), 2u);
  EXPECT_EQ(ablation.bases[1].pretrain->steps, 9);
  const auto runs = PlanRuns(ablation, 1);
  ASSERT_EQ(runs.size(), 4u + 6u);
  for (const PlannedRun& run : runs) {
    if (run.arm.empty()) {
      EXPECT_EQ(run.config.train.steps, 0);
      EXPECT_TRUE(run.config.pretrain);
      EXPECT_EQ(run.needs, -1);
      continue;
    }
    const PlannedRun& base = runs[static_cast<std::size_t>(run.needs)];
    EXPECT_EQ(base.seed, run.seed) << run.name;
    EXPECT_EQ(run.config.policy.checkpoint, base.directory + "/checkpoints/base");
    EXPECT_FALSE(run.config.pretrain);
    EXPECT_EQ(base.config.pretrain->steps, run.arm == "c" ? 9 : 5);
  }
}

TEST_F(AblationFile, WhateverPretrainingReadsPartsTheBases) {
  for (const char* key : {"env.digits: 4", "tokenizer.kind: bpe", "prompt_template: plain", "policy.model.hidden_size: 64", "pretrain.optimizer.learning_rate: 0.5",
                          "train.products: bfloat16", "train.micro_batch_tokens: 99"}) {
    EXPECT_EQ(Load(std::string("ablate: {seeds: [1], arms: {a: {}, b: {") + key + "}}}\n").bases.size(), 2u) << key;
  }
}

TEST_F(AblationFile, WithoutSharingEachRunMakesItsOwnBase) {
  const Ablation ablation = Load("ablate: {seeds: [1], share_base: false, arms: {a: {}, b: {}}}\n");
  const auto runs = PlanRuns(ablation, 3);
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_TRUE(runs[0].config.pretrain);
  EXPECT_EQ(runs[0].config.policy.checkpoint, "");
  EXPECT_EQ(runs[0].config.threads, 3);
}

TEST_F(AblationFile, RunsGoSeedBySeedIntoDirectoriesOfTheirOwn) {
  const auto runs = PlanRuns(Load("ablate: {seeds: [5, 6], share_base: false, arms: {a: {}, b: {}}}\n"), 1);
  std::vector<std::string> names;
  std::set<std::string> directories;
  for (const PlannedRun& run : runs) {
    names.push_back(run.name);
    directories.insert(run.directory);
    EXPECT_EQ(run.directory, dir_ + "/many/arms/" + run.name);
    EXPECT_EQ(run.config.Directory(), run.directory);
    EXPECT_EQ(run.config.seed, run.seed);
  }
  EXPECT_THAT(names, ElementsAre("a/seed-5", "b/seed-5", "a/seed-6", "b/seed-6"));
  EXPECT_EQ(directories.size(), 4u);
}

TEST_F(AblationFile, WhatIsWrittenDownCanBeRunAgain) {
  const Ablation first = Load("ablate: {seeds: [1, 2], against: 'a,epochs=1', arms: {a: {}, b: {rollout.prompts: 2}}, grid: {train.epochs: [1, 2]}}\n");
  WriteFileAtomic(dir_ + "/again.yaml", first.resolved);
  const Ablation again = LoadAblation(dir_ + "/again.yaml", {}, Parts{}, {});
  EXPECT_EQ(Names(again), Names(first));
  EXPECT_EQ(again.resolved, first.resolved);
  for (std::size_t i = 0; i < first.arms.size(); ++i) EXPECT_EQ(ResolvedYaml(again.arms[i].config), ResolvedYaml(first.arms[i].config));
}

}  // namespace
}  // namespace cogent
