// Whole runs by the built program: repeated, killed at ten moments, stopped, refused.
#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/rng.h"
#include "experiments/engine_checkpoint.h"
#include "experiments/engine_train.h"
#include "experiments/pipeline.h"
#include "policies/safetensors.h"
#include "tests/runs/records.h"
#include "tests/runs/tiny_runs.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using runs::ExpectEqualRuns;
using runs::FilesUnder;
using runs::Lines;
using runs::LinesWithoutTimes;
using runs::Outcome;
using runs::StartedProgram;
using runs::Read;
using runs::Records;
using testing::HasSubstr;
using testing::Not;

class RunTest : public runs::TinyRuns {
 protected:
  static void SetUpTestSuite() {
    TinyRuns::SetUpTestSuite();
    const Outcome whole = Start(Config("whole"), {}).Wait();
    ASSERT_EQ(whole.code, 0) << whole.text;
  }
};

TEST_F(RunTest, TwoRunsOfOneSeedAreEqualBitForBit) {
  const Outcome again = Go(Config("again"), {"--quiet"});
  ASSERT_EQ(again.code, 0);
  EXPECT_EQ(again.text, "") << "--quiet shows no progress";
  ExpectEqualRuns(Dir("again"), Dir("whole"));
}

TEST_F(RunTest, AnotherSeedIsAnotherRun) {
  ASSERT_EQ(Go(Config("other"), {"seed=6", "train.steps=1", "pretrain.steps=4"}).code, 0);
  EXPECT_NE(Read(Dir("other") + "/samples.jsonl").substr(0, 2000), Read(Dir("whole") + "/samples.jsonl").substr(0, 2000));
}

TEST_F(RunTest, PretrainingPutsAPageOfProblemsIntoOneContext) {
  const std::vector<std::string> less = {"--quiet", "pretrain.steps=4", "pretrain.tokens_per_step=16", "train.steps=1"};
  const auto tokens = [&](const std::string& output, std::vector<std::string> more) {
    more.insert(more.end(), less.begin(), less.end());
    EXPECT_EQ(Go(Config(output), more).code, 0);
    std::vector<double> counts;
    for (const json& step : Records(Dir(output) + "/pretrain/metrics.jsonl")) counts.push_back(step.at("num_tokens"));
    return counts;
  };
  EXPECT_EQ(tokens("pages", {"env.corpus.pages=1", "env.corpus.page_problems=[16, 16]"}), (std::vector<double>{128, 256, 384, 512})) << "a context each, cut where it is full";
  EXPECT_LT(tokens("single", {}).back(), 512) << "a document each";
}

TEST_F(RunTest, PretrainingLowersTheLossAndEveryStepIsLogged) {
  const auto lines = Records(Dir("whole") + "/pretrain/metrics.jsonl");
  ASSERT_EQ(lines.size(), 30u);
  EXPECT_LT(lines.back().at("loss").get<double>(), 0.6 * lines.front().at("loss").get<double>());
  EXPECT_EQ(Lines(Dir("whole") + "/metrics.jsonl"), 8);
  EXPECT_EQ(Lines(Dir("whole") + "/eval.jsonl"), 2 + 2 + 2);
}

// Ten kills, each at another place of the run and a little later than the moment that shows in the files.
TEST_F(RunTest, KilledAtTenMomentsItEndsLikeTheRunThatWasNot) {
  const std::string config = Config("killed"), dir = Dir("killed"), saved = dir + "/checkpoints/";
  const auto lines = [&](const std::string& file, int count) { return [=] { return Lines(dir + "/" + file) >= count; }; };
  const auto there = [&](const std::string& name) { return [=] { return fs::exists(saved + name); }; };
  const std::vector<Moment> moments = {
      {"the run begins", [&] { return fs::exists(dir + "/config.yaml"); }, 10},
      {"first pre-training steps", lines("pretrain/metrics.jsonl", 3), 20},
      {"first checkpoint", [&] { return fs::exists(saved + ".writing") || fs::exists(saved + "pretrain-000007"); }, 4},
      {"between checkpoints", lines("pretrain/metrics.jsonl", 18), 20},
      {"the base model is saved", [&] { return fs::exists(saved + ".base") || fs::exists(saved + "base"); }, 4},
      {"first evaluation", lines("eval.jsonl", 1), 10},
      {"first steps", lines("metrics.jsonl", 1), 40},
      {"a checkpoint of step 4", [&] { return fs::exists(saved + "step-000004") || Lines(dir + "/metrics.jsonl") >= 4; }, 4},
      {"the evaluation of step 6", lines("eval.jsonl", 4), 20},
      {"the last evaluation", [&] { return Lines(dir + "/metrics.jsonl") >= 8; }, 60},
      {"the last checkpoint", there("step-000008"), 4},
  };
  EXPECT_GE(KillAt(moments, dir, Rng(17), [&](const auto& more) { return Start(config, more); }), 10);
  const Outcome end = Go(config, {"--resume"});
  ASSERT_EQ(end.code, 0) << end.text;
  ExpectEqualRuns(dir, Dir("whole"));
}

TEST_F(RunTest, KilledBeforeTheSummaryItIsWrittenAndNothingIsRecordedTwice) {
  fs::copy(Root() + "/whole", Root() + "/summary", fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  fs::remove(Dir("summary") + "/summary.json");
  fs::remove(Dir("summary") + "/report.html");
  const Outcome end = Go(Config("summary"), {"--resume"});
  ASSERT_EQ(end.code, 0) << end.text;
  ExpectEqualRuns(Dir("summary"), Dir("whole"));
}

TEST_F(RunTest, StoppedBySignalsItSavesAndSaysHowToGoOn) {
  const std::string config = Config("stopped"), dir = Dir("stopped");
  {
    StartedProgram program = Start(config, {});
    ASSERT_TRUE(program.WaitUntil([&] { return Lines(dir + "/pretrain/metrics.jsonl") >= 2; }));
    program.Signal(SIGINT);
    const Outcome outcome = program.Wait();
    EXPECT_EQ(outcome.code, 130) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr("cogent train " + dir + "/config.yaml --resume"));
    EXPECT_TRUE(fs::exists(dir + "/checkpoints/latest/trainer_state.json"));
  }
  {
    StartedProgram program = Start(dir + "/config.yaml", {"--resume"});
    ASSERT_TRUE(program.WaitUntil([&] { return Lines(dir + "/metrics.jsonl") >= 1; }));
    program.Signal(SIGTERM);
    const Outcome outcome = program.Wait();
    EXPECT_EQ(outcome.code, 130) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr("cogent train " + dir + "/config.yaml --resume"));
    EXPECT_THAT(fs::read_symlink(dir + "/checkpoints/latest").string(), testing::StartsWith("step-"));
  }
  const Outcome end = Go(dir + "/config.yaml", {"--resume"});
  ASSERT_EQ(end.code, 0) << end.text;
  // Stopping left checkpoints of its own steps behind; records and weights are those of the whole run.
  EXPECT_EQ(LinesWithoutTimes(dir + "/metrics.jsonl"), LinesWithoutTimes(Dir("whole") + "/metrics.jsonl"));
  EXPECT_TRUE(Read(dir + "/checkpoints/latest/model.safetensors") == Read(Dir("whole") + "/checkpoints/latest/model.safetensors"));
}

TEST_F(RunTest, EndsWhenItGetsNoBetterAndStaysEndedWhenResumed) {
  const std::vector<std::string> more = {"--quiet", "train.steps=40", "train.patience=2", "eval.every=2", "eval.final_tasks=12", "optimizer.learning_rate=1e-9"};
  ASSERT_EQ(Go(Config("patient"), more).code, 0);
  const auto summary = nlohmann::json::parse(Read(Dir("patient") + "/summary.json"));
  const double steps = summary["run"]["steps"];
  EXPECT_GE(steps, 4);
  EXPECT_LT(steps, 40);
  EXPECT_EQ(static_cast<int>(steps) % 2, 0);
  const int lines = Lines(Dir("patient") + "/metrics.jsonl");
  fs::remove(Dir("patient") + "/summary.json");  // as if killed before it was written
  ASSERT_EQ(Go(Dir("patient") + "/config.yaml", {"--quiet", "--resume"}).code, 0);
  EXPECT_EQ(Lines(Dir("patient") + "/metrics.jsonl"), lines);
  EXPECT_EQ(nlohmann::json::parse(Read(Dir("patient") + "/summary.json"))["run"]["steps"], steps);
}

TEST_F(RunTest, AFullDiskEndsTheRunAndHarmsNoEarlierCheckpoint) {
  const std::string config = Config("full"), dir = Dir("full");
  {
    StartedProgram program = Start(config, {});
    ASSERT_TRUE(program.WaitUntil([&] { return Lines(dir + "/metrics.jsonl") >= 1; }));
    program.Signal(SIGTERM);
    ASSERT_EQ(program.Wait().code, 130);
  }
  const std::string latest = fs::read_symlink(dir + "/checkpoints/latest").string();
  const std::string before = Read(dir + "/checkpoints/latest/model.safetensors");
  ASSERT_GT(before.size(), 100000u);
  const Outcome full = Go(config, {"--resume", "--quiet"}, 100000);
  EXPECT_NE(full.code, 0);
  EXPECT_EQ(full.signal, 0);
  EXPECT_THAT(full.text, testing::ContainsRegex("could not be saved|cannot be written"));
  EXPECT_EQ(std::count(full.text.begin(), full.text.end(), '\n'), 1) << full.text;
  EXPECT_EQ(fs::read_symlink(dir + "/checkpoints/latest").string(), latest);
  EXPECT_FALSE(fs::exists(dir + "/checkpoints/.writing"));
  EXPECT_TRUE(Read(dir + "/checkpoints/latest/model.safetensors") == before);
  ParameterSet weights(LoadModelConfig(dir + "/checkpoints/latest"));
  AdamW optimizer(weights, {});
  const Checkpoints checkpoints(dir);
  EXPECT_EQ(checkpoints.Load("step", checkpoints.Steps("step").back(), weights, optimizer).step, checkpoints.Steps("step").back());
  const Outcome end = Go(config, {"--resume"});
  EXPECT_EQ(end.code, 0) << end.text;
  EXPECT_TRUE(Read(dir + "/checkpoints/latest/model.safetensors") == Read(Dir("whole") + "/checkpoints/latest/model.safetensors"));
}

TEST_F(RunTest, SaysOnceWhyRewardsTeachNothing) {
  const auto said = [&](const std::string& name, const std::string& setting) {
    const Outcome outcome = Go(Config(name), {"--quiet", "rollout.prompts=4", setting});
    EXPECT_EQ(outcome.code, 0) << outcome.text;
    const std::size_t first = outcome.text.find("rewards taught nothing");
    EXPECT_EQ(outcome.text.find("rewards taught nothing", first + 1), std::string::npos);
    return outcome.text;
  };
  EXPECT_THAT(said("idle_alone", "rollout.group_size=1"), HasSubstr("steps 1 to 3: rewards taught nothing, for every advantage was 0: rollout.group_size is 1"));
  EXPECT_THAT(said("idle_unpaid", "rewards=[{name: format, weight: 0}]"), HasSubstr("all completions of each group got the same reward"));
}

TEST_F(RunTest, ADirectoryThatExistsIsRefusedAndNotTouched) {
  const std::string dir = Root() + "/taken/tiny";
  fs::create_directories(dir);
  runs::Write(dir + "/notes.txt", "mine");
  const Outcome outcome = Go(Config("taken"), {});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.text, HasSubstr(dir + " exists"));
  EXPECT_EQ(FilesUnder(dir), std::vector<std::string>{"notes.txt"});
  EXPECT_EQ(Read(dir + "/notes.txt"), "mine");
}

TEST_F(RunTest, ResumingWhatWasNeverStartedIsAMistake) {
  const Outcome outcome = Go(Config("never"), {"--resume"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.text, HasSubstr("there is no run to resume"));
  EXPECT_FALSE(fs::exists(Root() + "/never"));
}

// Every file of a run with its contents.
std::map<std::string, std::string> Contents(const std::string& dir) {
  std::map<std::string, std::string> contents;
  for (const std::string& name : FilesUnder(dir)) {
    if (fs::is_regular_file(dir + "/" + name)) contents[name] = Read(dir + "/" + name);
  }
  return contents;
}

TEST_F(RunTest, WhatIsNoCheckpointOfTheRunIsRefusedWithItsStepsAndNothingIsTouched) {
  fs::copy(Root() + "/whole", Root() + "/where", fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  const std::string config = Config("where"), saved = Dir("where") + "/checkpoints";
  const auto before = Contents(Dir("where"));
  const std::string other = Dir("whole") + "/checkpoints/";
  for (const std::string& resume : std::vector<std::string>{"foo", "lastest", "8x", "7", "-1", "step-000008", saved, saved + "/step-000007", saved + "/base",
                                                            other + "step-000008", other + "latest"}) {
    SCOPED_TRACE(resume);
    const Outcome outcome = Go(config, {"--resume=" + resume});
    EXPECT_EQ(outcome.code, 2) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr("--resume=" + resume + ": there is no such checkpoint in " + Dir("where")));
    EXPECT_THAT(outcome.text, testing::ContainsRegex("There are steps [0-9, ]*6, 8"));
    EXPECT_TRUE(Contents(Dir("where")) == before);
  }
  for (const std::string& resume : std::vector<std::string>{"latest", "8", saved + "/latest", saved + "/latest/", saved + "/step-000008/"}) {
    const Outcome outcome = Go(config, {"--quiet", "--resume=" + resume});
    EXPECT_EQ(outcome.code, 0) << outcome.text;
    EXPECT_EQ(LinesWithoutTimes(Dir("where") + "/metrics.jsonl"), LinesWithoutTimes(Dir("whole") + "/metrics.jsonl")) << resume;
  }
  fs::remove_all(saved);
  const Outcome gone = Go(config, {"--resume"});
  EXPECT_EQ(gone.code, 2);
  EXPECT_THAT(gone.text, HasSubstr("no checkpoint to go on from"));
  EXPECT_EQ(Lines(Dir("where") + "/metrics.jsonl"), 8);
}

TEST_F(RunTest, ADamagedCheckpointCutsNoRecordsAndNamesAnEarlierOne) {
  for (const char* file : {"model.safetensors", "optimizer.safetensors", "trainer_state.json"}) {
    SCOPED_TRACE(file);
    fs::remove_all(Root() + "/damaged");
    fs::copy(Root() + "/whole", Root() + "/damaged", fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    const std::string saved = Dir("damaged") + "/checkpoints/";
    fs::resize_file(saved + "step-000008/" + file, 40);
    runs::Write(Dir("damaged") + "/metrics.jsonl", Read(Dir("damaged") + "/metrics.jsonl") + "{\"step\":9}\n");
    const auto before = Contents(Dir("damaged"));
    const Outcome outcome = Go(Config("damaged"), {"--resume"});
    EXPECT_EQ(outcome.code, 2) << outcome.text;
    EXPECT_THAT(outcome.text, testing::AllOf(HasSubstr(file), HasSubstr("an earlier checkpoint is whole: --resume=6\n")));
    EXPECT_TRUE(Contents(Dir("damaged")) == before);
    const Outcome earlier = Go(Config("damaged"), {"--quiet", "--resume=6"});
    ASSERT_EQ(earlier.code, 0) << earlier.text;
    EXPECT_EQ(LinesWithoutTimes(Dir("damaged") + "/metrics.jsonl"), LinesWithoutTimes(Dir("whole") + "/metrics.jsonl"));
  }
}

TEST_F(RunTest, ACheckpointThatCannotBeUsedIsOneMessageAndNoRun) {
  const auto broken = [](const std::string& name, const std::function<void(const std::string&)>& damage) {
    const std::string dir = Root() + "/base_" + name;
    fs::copy(Dir("whole") + "/checkpoints/base", dir, fs::copy_options::recursive);
    damage(dir);
    return dir;
  };
  const auto edit_config = [](const std::string& dir, const std::string& key, const json& value) {
    json config = json::parse(Read(dir + "/config.json"));
    config[key] = value;
    runs::Write(dir + "/config.json", config.dump());
  };
  struct Case {
    std::string name, said;
    std::function<void(const std::string&)> damage;
  };
  const std::vector<Case> cases = {
      {"cut", "model.safetensors", [](const std::string& dir) { fs::resize_file(dir + "/model.safetensors", 50000); }},
      {"missing", "model.norm.weight",
       [](const std::string& dir) {
         const auto file = SafetensorsFile::Open(dir + "/model.safetensors");
         auto tensors = file.tensors();
         tensors.erase("model.norm.weight");
         WriteSafetensors(dir + "/fewer.safetensors", tensors, {{"format", "pt"}});
         fs::rename(dir + "/fewer.safetensors", dir + "/model.safetensors");
       }},
      {"misshapen", "intermediate_size|mlp", [&](const std::string& dir) { edit_config(dir, "intermediate_size", 64); }},
      {"other", "gemma3", [&](const std::string& dir) { edit_config(dir, "model_type", "gemma3"); }},
      {"no_tokenizer", "tokenizer.json", [](const std::string& dir) { fs::remove(dir + "/tokenizer.json"); }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const std::string base = broken(c.name, c.damage);
    const Outcome outcome = Go(Config("from_" + c.name), {"policy.checkpoint=" + base, "pretrain=null", "--quiet"});
    EXPECT_EQ(outcome.code, 2) << outcome.text;
    EXPECT_THAT(outcome.text, testing::ContainsRegex(c.said));
    EXPECT_THAT(outcome.text, HasSubstr(base));
    EXPECT_FALSE(fs::exists(Dir("from_" + c.name))) << "a run was begun";
  }
}

TEST_F(RunTest, ARunStartsFromACheckpoint) {
  const Outcome outcome = Go(Config("from"), {"policy.checkpoint=" + Dir("whole") + "/checkpoints/base", "pretrain=null", "train.steps=1", "--quiet"});
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_TRUE(Read(Dir("from") + "/checkpoints/base/model.safetensors") == Read(Dir("whole") + "/checkpoints/base/model.safetensors"));
  EXPECT_EQ(LinesWithoutTimes(Dir("from") + "/eval.jsonl").front(), LinesWithoutTimes(Dir("whole") + "/eval.jsonl").front());
}

TEST_F(RunTest, EveryMistakeInAConfigIsReportedWithItsPlaceBeforeAnythingIsMade) {
  const std::string path = Root() + "/wrong.yaml";
  runs::Write(path, "name: wrong\n"
                    "output: " + Root() + "/wrong\n"
                    "sede: 3\n"                                                             // 3: unknown, near to seed
                    "threads: many\n"                                                       // 4: wrong type
                    "env: {name: sings}\n"                                                  // 5: unknown part
                    "rewards: [{name: accuracy}, {name: format, weight: heavy}]\n"          // 6: wrong type
                    "pretrain: {steps: -1}\n"                                               // 7: out of range
                    "algorithm: {name: grpo, clip_ratoi: 0.2, average: median}\n"           // 8: unknown, not among the words
                    "eval: {samples: 2, k: [1, 4]}\n"                                       // 9: two values that do not fit
                    "optimizer: {learning_rate: 1e-3, schedule: cosinus}\n");               // 10
  const Outcome outcome = Go(path, {"train.steps=abc"});
  EXPECT_EQ(outcome.code, 2);
  for (const int line : {3, 4, 5, 6, 7, 8, 9, 10}) EXPECT_THAT(outcome.text, testing::ContainsRegex("wrong.yaml:" + std::to_string(line) + ":[0-9]+: "));
  for (const char* said : {"seed", "signs", "clip_ratio", "median", "cosinus", "pass@4", "heavy", "many", "override 'train.steps=abc'"}) {
    EXPECT_THAT(outcome.text, HasSubstr(said));
  }
  EXPECT_FALSE(fs::exists(Root() + "/wrong"));
}

TEST_F(RunTest, ARuleBetweenValuesIsReportedAtTheValueOrItsOverride) {
  const std::string path = Root() + "/places.yaml";
  runs::Write(path, "env: {name: signs}\n"
                    "algorithm: {name: grpo}\n"
                    "name: a/b\n"                                                     // 3
                    "reference: /no/such/reference\n"                                 // 4
                    "prompt_template: r1_zreo\n"                                      // 5
                    "policy:\n"
                    "  checkpoint: /no/such/checkpoint\n"                             // 7
                    "rollout:\n"
                    "  temperature: 0\n"                                              // 9
                    "  stop: ['']\n"                                                  // 10
                    "  top_p: 0\n"                                                    // 11
                    "train:\n"
                    "  minibatches: 4096\n"                                           // 13
                    "tokenizer: {kind: file}\n"                                       // 14
                    "eval:\n"
                    "  k: [1, 8]\n");                                                 // 16
  const Outcome outcome = Go(path, {});
  EXPECT_EQ(outcome.code, 2);
  for (const char* said : {"3:7: name must", "4:12: reference: ", "5:18: no prompt template 'r1_zreo'. Did you mean 'r1_zero'?", "7:15: policy.checkpoint: ", "9:16: rollout.temperature must",
                           "10:9: rollout.stop: a text is empty", "11:10: rollout.top_p must", "13:16: train.minibatches", "14:19: tokenizer kind", "16:6: pass@8"}) {
    EXPECT_THAT(outcome.text, HasSubstr("places.yaml:" + std::string(said)));
  }
  EXPECT_THAT(outcome.text, HasSubstr("or name chat"));
  EXPECT_THAT(outcome.text, Not(HasSubstr("yaml:1:1: ")));
  const Outcome longest = Go(Config("places"), {"rollout.max_new_tokens=128", "rollout.temperature=0"});
  EXPECT_THAT(longest.text, testing::AllOf(HasSubstr("override 'rollout.max_new_tokens=128': rollout.max_new_tokens (128) leaves no room"),
                                           HasSubstr("override 'rollout.temperature=0': rollout.temperature must")));
}

TEST_F(RunTest, ValuesThatCannotWorkTogetherAreRefused) {
  const auto refused = [](const std::vector<std::string>& settings, const std::string& said) {
    const Outcome outcome = Go(Config("together"), settings);
    EXPECT_EQ(outcome.code, 2) << said;
    EXPECT_THAT(outcome.text, HasSubstr(said));
    EXPECT_FALSE(fs::exists(Dir("together")));
  };
  refused({"pretrain=null"}, "policy");
  refused({"rollout.max_new_tokens=128"}, "leaves no room for a prompt");
  refused({"train.minibatches=17"}, "train.minibatches");
  refused({"rollout.temperature=0"}, "temperature");
  refused({"env={name: mixture, parts: [{name: signs}, countdown]}", "rewards=[{name: format, only: sings}]"}, "Did you mean 'signs'? Parts: signs, countdown");
  refused({"rewards=[{name: format, only: signs}]"}, "`only` is for the parts of a mixture, and the environment is 'signs'");
  refused({"policy.model.vocab_size=100"}, "vocab_size");
  refused({"policy.model.hidden_size=0"}, "hidden_size");
}

TEST_F(RunTest, DryRunPrintsTheCostsAndMakesNothing) {
  const Outcome outcome = Go(Config("dry"), {"--dry-run", "train.steps=77"});
  EXPECT_EQ(outcome.code, 0);
  for (const char* said : {"steps: 77", "# parameters: ", "active a token", "# memory: about ", "# tokens a step: at most 256 completion tokens"}) {
    EXPECT_THAT(outcome.text, HasSubstr(said));
  }
  EXPECT_FALSE(fs::exists(Root() + "/dry"));
  // 30 completions are at once and two prompts are kept, each as long as it can get, not as the model's context.
  EXPECT_THAT(Go(Config("dry"), {"--dry-run", "policy.model.max_position_embeddings=100000"}).text, HasSubstr("decoding 0, "));
  // What it prints is a configuration that says the same.
  runs::Write(Root() + "/printed.yaml", outcome.text);
  EXPECT_EQ(Go(Root() + "/printed.yaml", {"--dry-run"}).text, outcome.text);
}

// Ablations, ablate_*.yaml, are loaded in ablate_test.cc.
TEST(Configs, EveryOneThatIsShippedLoads) {
  const Parts parts;
  int count = 0;
  for (const auto& entry : fs::directory_iterator(std::string(COGENT_SOURCE_DIR) + "/experiments/configs")) {
    if (entry.path().extension() != ".yaml" || entry.path().filename().string().starts_with("ablate_")) continue;
    ++count;
    if (entry.path().filename().string().ends_with("_pipeline.yaml")) {
      const Methods methods(parts);
      const auto check = [&](RunConfig& config, Purpose purpose, Problems& problems) { return methods.Check(config, purpose, problems); };
      EXPECT_NO_THROW(LoadPipeline(entry.path().string(), {}, parts, check)) << entry.path();
      continue;
    }
    // Those that need a model of the user's.
    std::vector<std::string> given;
    if (entry.path().filename() == "smollm2.yaml") given.push_back(std::string("policy.checkpoint=") + COGENT_SOURCE_DIR + "/tests/data/parity/gguf/tiny_llama.gguf");
    EXPECT_NO_THROW(LoadChecked(parts, Methods(parts), entry.path().string(), given)) << entry.path();
  }
  EXPECT_GT(count, 0);
}

}  // namespace
}  // namespace cogent
