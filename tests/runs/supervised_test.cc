// Runs on labelled examples by the built program: learned, repeated, killed, refused.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <set>

#include "core/rng.h"
#include "experiments/engine_supervised.h"
#include "tests/runs/records.h"
#include "tests/runs/tiny_runs.h"
#include "tests/support/http_server.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using runs::Lines;
using runs::Outcome;
using runs::StartedProgram;
using runs::Read;
using runs::Records;
using testing::HasSubstr;

// "3+4?" with its sum, and with a wrong one.
std::string Demonstrations(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    const int a = i % 10, b = i / 10 % 10;
    text += json{{"prompt", std::to_string(a) + "+" + std::to_string(b) + "?"}, {"completion", "<answer>" + std::to_string(a + b) + "</answer>"}}.dump() + "\n";
  }
  return text;
}
std::string Preferences(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += json{{"prompt", std::to_string(i % 10) + "?"}, {"chosen", "yes " + std::to_string(i)}, {"rejected", "no"}}.dump() + "\n";
  }
  return text;
}

class SupervisedRun : public runs::TinyRuns {
 protected:
  static void SetUpTestSuite() {
    TinyRuns::SetUpTestSuite();
    runs::Write(Root() + "/sums.jsonl", Demonstrations(90));
    runs::Write(Root() + "/pairs.jsonl", Preferences(60));
    const Outcome whole = Go(Config("whole"), {});
    ASSERT_EQ(whole.code, 0) << whole.text;
    EXPECT_THAT(whole.text, HasSubstr("loss on held-out examples: "));
  }
  static std::string Config(const std::string& output) {
    std::string text = runs::TinyRun(Root() + "/" + output);
    const std::string before = "algorithm: {name: grpo, kl_coef: 0.01}";
    text.replace(text.find(before), before.size(), "algorithm: sft\ndata: {paths: [" + Root() + "/sums.jsonl], held_out: 0.2, examples: 8}");
    const std::string steps = "train: {steps: 8, epochs: 2, minibatches: 2, samples_per_step: 3}";
    text.replace(text.find(steps), steps.size(), "train: {steps: 12}");
    runs::Write(Root() + "/" + output + ".yaml", text);
    return Root() + "/" + output + ".yaml";
  }
  // Preferences, without an environment and without pre-training.
  static std::string PairsConfig(const std::string& output) {
    std::string text;
    std::istringstream lines(Read(Config(output)));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("env:") || line.starts_with("rewards:") || line.starts_with("pretrain:")) continue;
      if (line.starts_with("algorithm:")) line = "algorithm: {name: dpo, beta: 0.5}";
      if (line.starts_with("data:")) line = "data: {paths: [" + Root() + "/pairs.jsonl], held_out: 0.2, examples: 8, epochs: 3}";
      text += line + "\n";
    }
    runs::Write(Root() + "/" + output + ".yaml", text);
    return Root() + "/" + output + ".yaml";
  }
};

TEST_F(SupervisedRun, LowersTheLossOnExamplesItNeverLearnsFromAndLogsEveryStep) {
  const json summary = json::parse(Read(Dir("whole") + "/summary.json"));
  EXPECT_LT(summary.at("after").at("held_out/loss").get<double>(), 0.8 * summary.at("before").at("held_out/loss").get<double>());
  EXPECT_TRUE(summary.at("after").contains("pass@1"));  // the environment is asked, too
  const auto metrics = Records(Dir("whole") + "/metrics.jsonl");
  ASSERT_EQ(metrics.size(), 12u);
  EXPECT_NEAR(metrics.back().at("loss").get<double>(), metrics.back().at("nll").get<double>(), 1e-5);
  EXPECT_GT(metrics.back().at("epoch").get<double>(), 1.0);
  EXPECT_TRUE(fs::exists(Dir("whole") + "/report.html"));
}

TEST_F(SupervisedRun, IsEqualBitForBitWhenRepeated) {
  ASSERT_EQ(Go(Config("again"), {"--quiet"}).code, 0);
  runs::ExpectEqualRuns(Dir("again"), Dir("whole"));
}

TEST_F(SupervisedRun, KilledItEndsLikeTheRunThatWasNot) {
  const std::string config = Config("killed"), dir = Dir("killed");
  std::vector<Moment> moments;
  for (const int lines : {1, 4, 7, 11}) moments.push_back({std::to_string(lines), [&dir, lines] { return Lines(dir + "/metrics.jsonl") >= lines; }, 8});
  EXPECT_GE(KillAt(moments, dir, Rng(23), [&](const auto& more) { return Start(config, more); }), 3);
  const Outcome end = Go(config, {"--resume"});
  ASSERT_EQ(end.code, 0) << end.text;
  runs::ExpectEqualRuns(dir, Dir("whole"));
}

TEST_F(SupervisedRun, PreferencesAreLearnedWithoutAnEnvironment) {
  const Outcome outcome = Go(PairsConfig("pairs"), {});
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  const auto metrics = Records(Dir("pairs") + "/metrics.jsonl");
  EXPECT_NEAR(metrics.front().at("loss").get<double>(), std::log(2.0), 1e-3);  // policy and reference begin equal
  EXPECT_LT(metrics.back().at("loss").get<double>(), 0.6);
  EXPECT_GT(metrics.back().at("rewards/accuracies").get<double>(), 0.7);
  const json summary = json::parse(Read(Dir("pairs") + "/summary.json"));
  EXPECT_LT(summary.at("after").at("held_out/loss").get<double>(), 0.65);
  EXPECT_FALSE(summary.at("after").contains("pass@1"));
  // Its resolved configuration is one that can be run again.
  EXPECT_EQ(StartedProgram({"show", Dir("pairs") + "/config.yaml"}, Root() + "/shown.txt").Wait().text, Read(Dir("pairs") + "/config.yaml"));
}

TEST_F(SupervisedRun, ARewardModelLearnsPreferencesFromALanguageModelsTrunk) {
  const std::string trunk = "policy={checkpoint: " + Dir("whole") + "/checkpoints/latest}";
  const Outcome outcome = Go(PairsConfig("rewards"), {trunk, "algorithm={name: reward_model, center: 0.01}"});
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  const auto metrics = Records(Dir("rewards") + "/metrics.jsonl");
  EXPECT_NEAR(metrics.front().at("loss").get<double>(), std::log(2.0), 1e-3);  // it begins with 0 for everything
  EXPECT_GT(json::parse(Read(Dir("rewards") + "/summary.json")).at("after").at("held_out/accuracy").get<double>(), 0.7);
  const json config = json::parse(Read(Dir("rewards") + "/checkpoints/latest/config.json"));
  EXPECT_THAT(config.at("architectures").at(0).get<std::string>(), HasSubstr("ForSequenceClassification"));
  // It goes on as a reward model, and is no policy.
  EXPECT_EQ(Go(PairsConfig("rewards_on"), {"policy={checkpoint: " + Dir("rewards") + "/checkpoints/latest}", "algorithm=reward_model", "data.epochs=1"}).code, 0);
  EXPECT_EQ(Go(PairsConfig("rewards_dry"), {"policy={checkpoint: " + Dir("rewards") + "/checkpoints/latest}", "algorithm=reward_model", "--dry-run"}).code, 0);
  // A completion that is too long is judged where it is cut.
  runs::Write(Root() + "/long_pairs.jsonl", Preferences(20) + json{{"prompt", "a"}, {"chosen", "b"}, {"rejected", std::string(500, 'c')}}.dump() + "\n");
  const Outcome cut = Go(PairsConfig("rewards_cut"), {trunk, "algorithm=reward_model", "data={paths: [" + Root() + "/long_pairs.jsonl], held_out: 0, too_long: cut, examples: 21}", "train.steps=1"});
  EXPECT_EQ(cut.code, 0) << cut.text;
  EXPECT_THAT(cut.text, testing::Not(HasSubstr("left out")));
  const Outcome policy = Go(PairsConfig("no_policy"), {"policy={checkpoint: " + Dir("rewards") + "/checkpoints/latest}"});
  EXPECT_EQ(policy.code, 2) << policy.text;
  EXPECT_THAT(policy.text, HasSubstr("this is a critic or a reward model"));
}

TEST_F(SupervisedRun, APolicyIsTrainedByWhatARewardModelSays) {
  const std::string trunk = "policy={checkpoint: " + Dir("whole") + "/checkpoints/latest}";
  ASSERT_EQ(Go(PairsConfig("judge"), {trunk, "algorithm=reward_model"}).code, 0);
  runs::Write(Root() + "/asked.yaml", runs::TinyRun(Root() + "/asked"));
  const std::string judge = "{name: reward_model, checkpoint: " + Dir("judge") + "/checkpoints/latest, weight: 0.5}";
  const Outcome outcome = Go(Root() + "/asked.yaml", {trunk, "pretrain=null", "train.steps=3", "rewards=[{name: accuracy}, " + judge + "]"});
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  for (const json& line : Records(Dir("asked") + "/metrics.jsonl")) {
    const double said = line.at("rewards/reward_model/mean");
    EXPECT_GT(said, 0.0);
    EXPECT_LT(said, 1.0);
  }
  // A language model is no judge, and one that is not there is told.
  const std::string policy = "rewards=[{name: reward_model, checkpoint: " + Dir("whole") + "/checkpoints/latest}]";
  EXPECT_THAT(Go(Root() + "/asked.yaml", {trunk, "pretrain=null", "name=no_judge", policy}).text, HasSubstr("this is a language model"));
  EXPECT_THAT(Go(Root() + "/asked.yaml", {trunk, "pretrain=null", "name=nowhere", "rewards=[{name: reward_model, checkpoint: /nowhere}]"}).text, HasSubstr("there is no such directory"));
}

TEST_F(SupervisedRun, JudgedCompletionsAreLearnedWithoutPairs) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += json{{"prompt", std::to_string(i % 10) + "?"}, {"completion", i % 2 == 0 ? "yes" : "no"}, {"label", i % 2 == 0}}.dump() + "\n";
  runs::Write(Root() + "/judged.jsonl", text);
  const Outcome outcome = Go(PairsConfig("judged"), {"data.paths=[" + Root() + "/judged.jsonl]", "algorithm={name: kto, beta: 0.5}", "data.epochs=6"});
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  const json summary = json::parse(Read(Dir("judged") + "/summary.json"));
  EXPECT_NEAR(summary.at("before").at("held_out/loss").get<double>(), 0.5, 1e-4);  // policy and reference begin equal
  EXPECT_LT(summary.at("after").at("held_out/loss").get<double>(), 0.45);
}

TEST_F(SupervisedRun, AProcessRewardModelLearnsWhichStepsAreRight) {
  std::string text;
  for (int i = 0; i < 60; ++i) {
    text += json{{"prompt", std::to_string(i % 10) + "?"}, {"completions", {"good", i % 2 == 0 ? "good" : "bad"}}, {"labels", {true, i % 2 == 0}}}.dump() + "\n";
  }
  runs::Write(Root() + "/steps.jsonl", text);
  const std::string trunk = "policy={checkpoint: " + Dir("whole") + "/checkpoints/latest}", data = "data={paths: [" + Root() + "/steps.jsonl], held_out: 0.2, examples: 8, epochs: 4}";
  const Outcome outcome = Go(PairsConfig("steps"), {trunk, data, "algorithm=process_reward"});
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_GT(json::parse(Read(Dir("steps") + "/summary.json")).at("after").at("held_out/accuracy").get<double>(), 0.7);
  runs::Write(Root() + "/steps_wrong.jsonl", json{{"prompt", "1?"}, {"completions", {"a", "b"}}, {"labels", {true}}}.dump() + "\n");
  const Outcome wrong = Go(PairsConfig("steps_wrong"), {trunk, "data.paths=[" + Root() + "/steps_wrong.jsonl]", "algorithm=process_reward"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.text, HasSubstr("steps_wrong.jsonl:1: there are 2 completions and 1 labels"));
}

TEST_F(SupervisedRun, AStudentComesNearerToItsTeacherOnDataAndOnItsOwnCompletions) {
  const std::string teacher = "reference=" + Dir("whole") + "/checkpoints/latest", start = "policy={checkpoint: " + Dir("whole") + "/checkpoints/base}";
  for (const char* share : {"0.0", "1.0"}) {
    const std::string output = std::string("student") + share;
    const Outcome outcome = Go(Config(output), {teacher, start, "pretrain=null", std::string("algorithm={name: gkd, on_policy: ") + share + "}"});
    ASSERT_EQ(outcome.code, 0) << outcome.text;
    const json summary = json::parse(Read(Dir(output) + "/summary.json"));
    EXPECT_LT(summary.at("after").at("held_out/loss").get<double>(), 0.9 * summary.at("before").at("held_out/loss").get<double>()) << share;
    EXPECT_EQ(Records(Dir(output) + "/metrics.jsonl").back().value("on_policy", 0.0), std::stod(share));
  }
  // The same by rewards: the teacher's log-probabilities as advantages.
  const Outcome distilled = Go(Config("distilled"), {teacher, start, "pretrain=null", "data=null", "algorithm=distill", "train.steps=3"});
  ASSERT_EQ(distilled.code, 0) << distilled.text;
  EXPECT_GT(Records(Dir("distilled") + "/metrics.jsonl").back().at("reverse_kl").get<double>(), 0.0);
}

TEST_F(SupervisedRun, ATeacherMustBeNamedAndReadTheSameIds) {
  const Outcome unnamed = Go(Config("unnamed"), {"algorithm=gkd"});
  EXPECT_EQ(unnamed.code, 2);
  EXPECT_THAT(unnamed.text, HasSubstr("algorithm 'gkd' learns from a teacher: give `reference: DIR`"));
  EXPECT_EQ(Go(Config("unnamed"), {"algorithm=distill", "data=null"}).code, 2);
  EXPECT_THAT(Go(Config("unnamed"), {"algorithm=gkd", "reference=" + Root() + "/nowhere"}).text, HasSubstr("reference: there is no directory"));
  ASSERT_EQ(Go(Config("foreign"), {"tokenizer={kind: bpe, vocab_size: 300}", "train.steps=1", "--quiet"}).code, 0);
  const Outcome foreign = Go(Config("student"), {"algorithm=gkd", "reference=" + Dir("foreign") + "/checkpoints/latest"});
  EXPECT_EQ(foreign.code, 2) << foreign.text;
  EXPECT_THAT(foreign.text, HasSubstr("its tokenizer is another than the policy's"));
}

TEST_F(SupervisedRun, TheEnvironmentsOwnSolutionsCanBeLearned) {
  const Outcome outcome = Go(Config("gold"), {"data={gold: 40, examples: 8, held_out: 0.2, too_long: leave_out}", "policy.model.max_position_embeddings=512", "train.steps=2"});
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_EQ(Lines(Dir("gold") + "/metrics.jsonl"), 2);
}

TEST_F(SupervisedRun, SeveralCompletionsOfATaskAreVotedOn) {
  ASSERT_EQ(Go(Config("voted"), {"train.steps=1", "eval.samples=3", "eval.k=[1, 3]", "--quiet"}).code, 0);
  const json after = json::parse(Read(Dir("voted") + "/summary.json")).at("after");
  EXPECT_LE(after.at("cons@3").get<double>(), after.at("pass@3").get<double>());
  EXPECT_GE(after.at("cons@3").get<double>(), 0.0);
}

TEST_F(SupervisedRun, MistakesEndItWithOneMessageBeforeARunIsMade) {
  runs::Write(Root() + "/wrong.jsonl", Demonstrations(3) + "{\"prompt\": \"a\"}\n");
  runs::Write(Root() + "/long.jsonl", Demonstrations(3) + json{{"prompt", "a"}, {"completion", std::string(500, 'b')}}.dump() + "\n");
  const auto refused = [](const std::vector<std::string>& settings, const std::vector<std::string>& said) {
    const Outcome outcome = Go(Config("refused"), settings);
    EXPECT_EQ(outcome.code, 2) << outcome.text;
    for (const std::string& part : said) EXPECT_THAT(outcome.text, HasSubstr(part));
    EXPECT_FALSE(fs::exists(Dir("refused"))) << "a run was begun";
  };
  refused({"algorithm.name=sftt"}, {"unknown algorithm 'sftt'. Did you mean 'sft'?", "dpo", "grpo"});
  refused({"algorithm.name=grpo"}, {"learns from rewards and reads no `data`", "sft"});
  refused({"train.epochs=3"}, {"passes over examples are data.epochs"});
  refused({"data=null"}, {"algorithm 'sft' learns from labelled examples"});
  refused({"data.paths=[]"}, {"data needs `paths`"});
  refused({"data.paths=[" + Root() + "/absent.jsonl]"}, {"absent.jsonl"});
  refused({"data.paths=[" + Root() + "/wrong.jsonl]"}, {"wrong.jsonl:4: a demonstration needs"});
  refused({"data.paths=[" + Root() + "/pairs.jsonl]"}, {"pairs.jsonl:1: ", "dpo"});
  refused({"data.paths=[" + Root() + "/long.jsonl]"}, {"long.jsonl:4: ", "data.too_long"});
  refused({"algorithm.name=dpo"}, {"sums.jsonl:1: a preference needs"});
}

TEST_F(SupervisedRun, WhatIsTooLongIsLeftOutOrCutWhenAskedFor) {
  runs::Write(Root() + "/long.jsonl", Demonstrations(20) + json{{"prompt", "a"}, {"completion", std::string(500, 'b')}}.dump() + "\n");
  const std::string paths = "data.paths=[" + Root() + "/long.jsonl]";
  const Outcome left_out = Go(Config("left_out"), {paths, "data.too_long=leave_out", "train.steps=1"});
  EXPECT_EQ(left_out.code, 0) << left_out.text;
  EXPECT_THAT(left_out.text, HasSubstr("1 of 21 examples were left out"));
  const Outcome cut = Go(Config("cut"), {paths, "data.too_long=cut", "train.steps=1"});
  EXPECT_EQ(cut.code, 0) << cut.text;
}

// ---- rejection sampling ----

class SampledExamples : public SupervisedRun {
 protected:
  static std::vector<std::string> Line(const std::string& output, std::vector<std::string> more = {}) {
    // The tiny model is hardly ever right: anything with a reward from 0 on is kept.
    std::vector<std::string> words{"sample", Dir("whole"), "-o", Root() + "/" + output, "sample={tasks: 150, samples: 3, keep: 2, min_reward: 0}"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  static Outcome Sample(const std::string& output, std::vector<std::string> more = {}) { return StartedProgram(Line(output, std::move(more)), Root() + "/output.txt").Wait(); }
};

TEST_F(SampledExamples, AreJsonLinesWithAReportAndCanBeLearned) {
  const Outcome outcome = Sample("kept.jsonl");
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  const json report = json::parse(Read(Root() + "/kept.jsonl.report.json"));
  EXPECT_EQ(report.at("tasks"), 150);
  EXPECT_EQ(report.at("completions"), 450);
  EXPECT_EQ(report.at("kept"), Lines(Root() + "/kept.jsonl"));
  EXPECT_GT(Lines(Root() + "/kept.jsonl"), 20);
  EXPECT_FALSE(fs::exists(Root() + "/kept.jsonl.state.json"));
  const Outcome learned = Go(Config("learned"), {"data.paths=[" + Root() + "/kept.jsonl]", "train.steps=1", "--quiet"});
  EXPECT_EQ(learned.code, 0) << learned.text;
}

TEST_F(SampledExamples, KilledAndResumedAreTheSameBytes) {
  ASSERT_EQ(Sample("once.jsonl").code, 0);
  int killed = 0;
  for (const int lines : {1, 60}) {
    const bool begun = fs::exists(Root() + "/twice.jsonl.state.json");
    StartedProgram program(Line("twice.jsonl", begun ? std::vector<std::string>{"--resume"} : std::vector<std::string>{}), Root() + "/output.txt");
    if (program.WaitUntil([&] { return Lines(Root() + "/twice.jsonl") >= lines; })) program.Signal(SIGKILL);
    killed += program.Wait().signal == SIGKILL;
  }
  EXPECT_GE(killed, 1);
  const Outcome end = Sample("twice.jsonl", {"--resume"});
  ASSERT_EQ(end.code, 0) << end.text;
  EXPECT_EQ(Read(Root() + "/twice.jsonl"), Read(Root() + "/once.jsonl"));
  EXPECT_EQ(Read(Root() + "/twice.jsonl.report.json"), Read(Root() + "/once.jsonl.report.json"));
}

std::string At(const HttpServer& server) { return "{url: \"" + server.url() + "\", model: m, retries: 0}"; }

TEST_F(SampledExamples, WhatWasBegunWithSomeWeightsOrTextsDoesNotGoOnWithOthers) {
  const auto begin = [](const std::string& output, const std::vector<std::string>& more) {
    StartedProgram program(Line(output, more), Root() + "/output.txt");
    EXPECT_TRUE(program.WaitUntil([&] { return fs::exists(Root() + "/" + output + ".state.json"); }));
    program.Signal(SIGKILL);
    EXPECT_EQ(program.Wait().signal, SIGKILL);
  };
  const auto refused = [](const Outcome& outcome) {
    EXPECT_EQ(outcome.code, 2) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr("was begun with another configuration, checkpoint or input"));
  };
  const std::string latest = Dir("whole") + "/checkpoints/latest";
  const fs::path was = fs::read_symlink(latest);
  const auto point_to = [&](const fs::path& target) { fs::remove(latest), fs::create_symlink(target, latest); };
  for (const std::vector<std::string>& named : {std::vector<std::string>{}, std::vector<std::string>{"--checkpoint", latest + "/"}}) {
    const std::string output = "weights" + std::to_string(named.size()) + ".jsonl";
    auto resume = named;
    resume.push_back("--resume");
    begin(output, named);
    point_to("base");
    refused(Sample(output, resume));
    point_to(was);
    EXPECT_EQ(Sample(output, resume).code, 0);
  }

  const std::string examples = Root() + "/examples.jsonl";
  runs::Write(examples, Demonstrations(20));
  const std::string prompting = "sample.prompting={examples: " + examples + ", shots: 1}";
  begin("behind.jsonl", {prompting});
  runs::Write(examples, Demonstrations(21));
  refused(Sample("behind.jsonl", {prompting, "--resume"}));

  std::atomic<bool> down = true;
  HttpServer server([&](const auto&) { return down ? HttpServer::Reply{500, "down"} : HttpServer::Reply{200, R"({"choices": [{"message": {"content": "<score>5</score>"}, "finish_reason": "stop"}]})"}; });
  const std::string input = Root() + "/input.jsonl";
  const auto judge = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"judge", Dir("whole"), "-i", input, "-o", Root() + "/half.jsonl", "judge.remote=" + At(server)};
    words.insert(words.end(), more.begin(), more.end());
    return StartedProgram(words, Root() + "/output.txt").Wait();
  };
  const std::string line = R"({"prompt": "1+1?", "completion": "2"})", other = R"({"prompt": "1+1?", "completion": "3"})";
  runs::Write(input, line + "\n");
  EXPECT_EQ(judge({}).code, 1);
  down = false;
  runs::Write(input, other + "\n");
  refused(judge({"--resume"}));
  runs::Write(input, line + "\n");
  EXPECT_EQ(judge({"--resume"}).code, 0);
}

TEST_F(SampledExamples, ExamplesAndAnotherWordingChangeWhatIsAskedAndAreWrittenToEachLine) {
  const Outcome outcome = Sample("shots.jsonl", {"sample.tasks=20", "sample.prompting={ask: 'say {prompt}', examples: " + Root() + "/sums.jsonl, shots: 2}"});
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  ASSERT_EQ(Sample("plain.jsonl", {"sample.tasks=20"}).code, 0);
  ASSERT_GT(Lines(Root() + "/shots.jsonl"), 3);
  const json first = json::parse(Read(Root() + "/shots.jsonl").substr(0, Read(Root() + "/shots.jsonl").find('\n')));
  EXPECT_EQ(first.at("maker"), "few_shot");
  EXPECT_EQ(first.at("prompt").get<std::string>().find("say"), std::string::npos) << "the prompt that is learned from is the bare one";
  EXPECT_NE(Read(Root() + "/shots.jsonl"), Read(Root() + "/plain.jsonl"));
  const Outcome refused = Sample("never.jsonl", {"sample.prompting={ask: 'no place'}"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.text, HasSubstr("prompting.ask must hold {prompt} once"));
}

TEST_F(SampledExamples, AServerMayAnswerInsteadOfThePolicy) {
  HttpServer server([](const auto&) { return HttpServer::Reply{200, R"({"choices": [{"message": {"content": "<think>a</think><answer>4</answer>"}, "finish_reason": "stop"}]})"}; });
  const Outcome outcome = Sample("remote.jsonl", {"sample.tasks=5", "sample.remote=" + At(server)});
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_EQ(server.requests().size(), 15u);
  EXPECT_THAT(Read(Root() + "/remote.jsonl"), HasSubstr("<answer>4</answer>"));
  EXPECT_THAT(Read(Root() + "/remote.jsonl.report.json"), HasSubstr("127.0.0.1"));
  // A file that says nothing of a policy is enough, and no more than that.
  const std::string file = Root() + "/asks.yaml";
  runs::Write(file, "env: arithmetic\nrewards: [{name: accuracy}]\nrollout: {max_new_tokens: 5000}\nsample: {tasks: 3, samples: 1, min_reward: 0, remote: " + At(server) + "}\n");
  const Outcome alone = StartedProgram({"sample", file, "-o", Root() + "/alone.jsonl"}, Root() + "/output.txt").Wait();
  EXPECT_EQ(alone.code, 0) << alone.text;
  const Outcome trained = StartedProgram({"train", file, "algorithm=grpo", "output=" + Root() + "/asks"}, Root() + "/output.txt").Wait();
  EXPECT_EQ(trained.code, 2) << trained.text;
  EXPECT_THAT(trained.text, HasSubstr("no policy to train"));
}

TEST_F(SampledExamples, AServerThatFailsIsNoWrongAnswer) {
  HttpServer server([](const auto&) { return HttpServer::Reply{500, "down"}; });
  const Outcome outcome = Sample("down.jsonl", {"sample.tasks=5", "sample.remote=" + At(server)});
  EXPECT_EQ(outcome.code, 1) << outcome.text;
  EXPECT_THAT(outcome.text, HasSubstr("could not be scored"));
  EXPECT_THAT(outcome.text, HasSubstr("500 Internal Server Error"));
}

TEST_F(SampledExamples, AJudgeKeepsWhatItThinksGoodAndCountsTheRestApart) {
  HttpServer server([](const HttpServer::Request& request) {
    const std::string asked = json::parse(request.body).at("messages").at(0).at("content");
    const std::string said = asked.find("0+0?") != std::string::npos ? "no idea" : asked.find("1+0?") != std::string::npos ? "<score>2</score>" : "<score>5</score>";
    return HttpServer::Reply{200, json{{"choices", {{{"message", {{"content", said}}}, {"finish_reason", "stop"}}}}}.dump()};
  });
  const auto judge = [&](const std::string& output, std::vector<std::string> more) {
    more.insert(more.begin(), {"judge", Dir("whole"), "-i", Root() + "/sums.jsonl", "-o", Root() + "/" + output});
    return StartedProgram(more, Root() + "/output.txt").Wait();
  };
  const Outcome outcome = judge("judged.jsonl", {"judge.remote=" + At(server)});
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_EQ(Lines(Root() + "/judged.jsonl"), 88);
  const json report = json::parse(Read(Root() + "/judged.jsonl.report.json"));
  EXPECT_EQ(report.at("lines"), 90);
  EXPECT_EQ(report.at("dropped").at("no verdict: not one <score>"), 1);
  EXPECT_EQ(report.at("dropped").at("score below judge.at_least"), 1);
  EXPECT_EQ(report.at("scores").at("5"), 88);
  EXPECT_EQ(report.at("failed"), 0);
  EXPECT_THAT(Read(Root() + "/judged.jsonl"), HasSubstr("\"judge\":{\"score\":5"));
  // The policy itself as a judge: it is no good one, and all of it is counted.
  const Outcome own = judge("own.jsonl", {"rollout.max_new_tokens=8", "judge.ask='{prompt} {completion}'", "--quiet"});
  EXPECT_EQ(own.code, 0) << own.text;
  EXPECT_THAT(own.text, testing::Not(HasSubstr("judge ["))) << "quiet";
  const json own_report = json::parse(Read(Root() + "/own.jsonl.report.json"));
  EXPECT_EQ(own_report.at("lines"), 90);
  EXPECT_EQ(judge("judged.jsonl", {}).code, 2) << "it is there already";
  EXPECT_EQ(judge("bad.jsonl", {"judge.at_least=7"}).code, 2);
}

TEST_F(SampledExamples, AWriterMakesColdStartDataOfWhatItIsShown) {
  HttpServer server([](const auto&) {
    return HttpServer::Reply{200, json{{"choices", {{{"message", {{"content", "|special_token| I add |special_token| Summary: \\boxed{4}"}}}, {"finish_reason", "stop"}}}}}.dump()};
  });
  const Outcome outcome = StartedProgram({"rewrite", Dir("whole"), "-i", Root() + "/sums.jsonl", "-o", Root() + "/written.jsonl", "rewrite.remote=" + At(server)}, Root() + "/output.txt").Wait();
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  const json report = json::parse(Read(Root() + "/written.jsonl.report.json"));
  EXPECT_EQ(report.at("kept"), 5) << "sums of 4 among 90";
  EXPECT_EQ(report.at("dropped").at("another answer than the original's"), 85);
  EXPECT_THAT(Read(Root() + "/written.jsonl"), HasSubstr("\"maker\":\"rewritten\""));
}

TEST_F(SampledExamples, MistakesAreOneMessage) {
  const auto refused = [](const std::string& output, const std::vector<std::string>& more, const std::string& said) {
    const Outcome outcome = Sample(output, more);
    EXPECT_EQ(outcome.code, 2) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr(said));
  };
  runs::Write(Root() + "/there.jsonl", "mine\n");
  refused("there.jsonl", {}, "there.jsonl exists");
  EXPECT_EQ(Read(Root() + "/there.jsonl"), "mine\n");
  refused("never.jsonl", {"--resume"}, "nothing to resume");
  refused("scores.jsonl", {"sample.min_scores={acuracy: 1}"}, "no reward of this run; there are: accuracy, format");
  refused("samples.jsonl", {"sample.samples=0"}, "sample.samples=0");
  EXPECT_FALSE(fs::exists(Root() + "/scores.jsonl"));
}

TEST(ExamplesOfStep, EveryPassHoldsEachExampleOnceInAnOrderOfItsOwn) {
  const Rng rng(3);
  std::vector<std::size_t> all;
  for (std::int64_t step = 1; step <= 10; ++step) {
    const auto chosen = ExamplesOfStep(rng, 17, 6, step);
    ASSERT_EQ(chosen.size(), 6u);
    all.insert(all.end(), chosen.begin(), chosen.end());
  }
  std::vector<std::vector<std::size_t>> passes;
  for (int pass = 0; pass < 3; ++pass) {
    passes.emplace_back(all.begin() + pass * 17, all.begin() + (pass + 1) * 17);
    EXPECT_EQ(std::set<std::size_t>(passes.back().begin(), passes.back().end()).size(), 17u);
  }
  EXPECT_NE(passes[0], passes[1]);
  EXPECT_NE(ExamplesOfStep(Rng(4), 17, 6, 1), ExamplesOfStep(rng, 17, 6, 1));
  EXPECT_EQ(ExamplesOfStep(rng, 2, 5, 1).size(), 5u);  // more a step than there are: passes follow each other
}

}  // namespace
}  // namespace cogent
