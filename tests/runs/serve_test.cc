// A policy behind `cogent serve`, and a run that learns from what the server samples.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "agents/http.h"
#include "agents/policy_agent.h"
#include "agents/remote_agent.h"
#include "agents/rollout.h"
#include "experiments/engine_evaluate.h"
#include "policies/generate.h"
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
using testing::HasSubstr;

// A policy of a checkpoint, in this process.
struct Local {
  explicit Local(const std::string& dir) : tokenizer(Tokenizer::Load(dir)), weights(LoadPolicyConfig(dir)) { weights.Load(dir, Rng(0)); }
  Tokenizer tokenizer;
  ParameterSet weights;
};

// A local policy that draws by the seeds that a server is asked to draw by.
struct Reseeded final : Agent {
  explicit Reseeded(Agent& inner) : inner(inner) {}
  std::vector<Turn> Act(const std::vector<Conversation>& conversations, const std::vector<Rng>& draws) override {
    std::vector<Rng> seeded;
    for (const Rng& one : draws) seeded.push_back(Rng(SeedFor(one)).Fork(0));
    return inner.Act(conversations, seeded);
  }
  Agent& inner;
};

class ServedRunTest : public runs::TinyRuns {
 protected:
  static void SetUpTestSuite() {
    TinyRuns::SetUpTestSuite();
    // Two bases: the served one, dense, so that no router's tie tells the two engines apart; and one of another architecture.
    for (const auto& [name, experts] : {std::pair{"base", "0"}, std::pair{"other", "4"}}) {
      const Outcome made = Go(Config(name), {"--quiet", "train.steps=0", "eval.final_tasks=2", std::string("policy.model.n_routed_experts=") + experts});
      ASSERT_EQ(made.code, 0) << made.text;
    }
    server_ = Serve({"--slots", "5", "--threads", "2"}, url_);
    ASSERT_NE(url_, "");
    const Outcome whole = Start("whole", {"--quiet"}).Wait();
    ASSERT_EQ(whole.code, 0) << whole.text;
  }
  static void TearDownTestSuite() {
    if (server_ != nullptr) {
      server_->Signal(SIGINT);
      EXPECT_EQ(server_->Wait().code, 0);
    }
    server_.reset();
    TinyRuns::TearDownTestSuite();
  }

  // A server of the base at a free port.
  static std::unique_ptr<StartedProgram> Serve(const std::vector<std::string>& more, std::string& url) {
    std::vector<std::string> words = {"serve", "-m", Base(), "--port", "0", "--name", "policy"};
    words.insert(words.end(), more.begin(), more.end());
    const std::string output = Root() + "/served" + std::to_string(more.size()) + ".txt";
    auto server = std::make_unique<StartedProgram>(words, output);
    if (!server->WaitUntil([&] { return Lines(output) > 0; })) return server;
    const std::string said = Read(output);
    url = said.substr(said.find("http://"), said.find(';') - said.find("http://"));
    return server;
  }
  static std::string Base() { return Dir("base") + "/checkpoints/base"; }
  // Settings of a run whose server is at `url`.
  static std::vector<std::string> Settings(const std::string& url) {
    return {"pretrain=null", "policy.checkpoint=" + Base(), "rollout.remote={url: \"" + url + "\", model: policy, concurrent: 6}", "train.steps=5", "train.samples_per_step=16",
            "eval.every=2", "optimizer.learning_rate=1e-2",
            "rewards=[{name: accuracy}, {name: overlong, max_tokens: 16, cache_tokens: 15}]"};  // which differ between completions
  }
  static StartedProgram Start(const std::string& output, const std::vector<std::string>& more, const std::string& url = url_) {
    std::vector<std::string> words = Settings(url);
    words.insert(words.end(), more.begin(), more.end());
    return TinyRuns::Start(Config(output), words);
  }
  static HttpReply Post(const std::string& path, const json& body) {
    return HttpClient({.url = url_.substr(0, url_.size() - 3), .retries = 0}).PostAll(path, {body.dump()}, Rng(1)).front();
  }
  static void Load(const std::string& dir) {
    const HttpReply reply = Post("/update_weights_from_disk", {{"model_path", dir}});
    ASSERT_EQ(reply.status, 200) << reply.body;
  }
  // That the server draws as the policy of a checkpoint does.
  static void ExpectServes(const std::string& dir) {
    const Local local(dir);
    const Generator generator(local.weights, local.tokenizer, {});
    const auto prompt = local.tokenizer.EncodePrompt("1 + 2 =");
    for (const double temperature : {0.0, 1.0}) {
      const Generated want = generator.Generate({prompt}, {Rng(7).Fork(0)}, {.temperature = temperature, .max_new_tokens = 20}).front();
      const json choice = json::parse(Post("/v1/completions", {{"prompt", prompt}, {"temperature", temperature}, {"max_tokens", 20}, {"seed", 7}, {"logprobs", 0}, {"return_token_ids", true}}).body)["choices"][0];
      EXPECT_EQ(choice["token_ids"].get<std::vector<std::int32_t>>(), want.ids);
      EXPECT_EQ(choice["logprobs"]["token_logprobs"].get<std::vector<float>>(), want.logprobs) << "the same engine: the same bits";
    }
  }

  static inline std::unique_ptr<StartedProgram> server_;
  static inline std::string url_;
};

TEST_F(ServedRunTest, EveryStepIsSampledWithTheWeightsThatAreTrained) {
  const auto steps = Metrics("whole");
  ASSERT_EQ(steps.size(), 5u);
  for (const json& step : steps) {
    EXPECT_LT(step.at("sampling/sampling_logp_difference/max").get<double>(), 1e-4);
    EXPECT_EQ(step.at("sampling/staleness"), 0.0);
  }
  EXPECT_FALSE(Read(Dir("whole") + "/checkpoints/latest/model.safetensors") == Read(Base() + "/model.safetensors")) << "nothing was learned, so nothing was tested";
}

TEST_F(ServedRunTest, TheFirstStepsCompletionsAreThoseOfTheLocalPolicy) {
  const Parts parts;
  std::vector<std::string> settings = Settings(url_);
  const RunConfig config = LoadRunConfig(Root() + "/whole.yaml", settings, parts, nullptr, Purpose::kTrain).config;
  Problems problems;
  const Rubric rubric = Rubric::Make(config.rewards, parts.rewards, problems);
  const Local local(Base());
  const Generator generator(local.weights, local.tokenizer, {});
  PolicyAgent policy(generator, config.prompt_template, config.rollout.sampling);
  Reseeded agent(policy);
  const auto groups = CollectGroups({config.rollout.group_size, config.rollout.max_turns, 0}, EnvFactory(config, parts), rubric, agent, TrainTasks(config, static_cast<std::uint64_t>(config.rollout.prompts)),
                                    Rng(config.seed).Fork("rollout").Fork(1));
  std::vector<std::string> wanted, seen;
  for (const Group& group : groups) {
    for (const Trajectory& t : group.members) wanted.push_back(t.turns.back().text);
  }
  for (const json& sample : runs::Records(Dir("whole") + "/samples.jsonl")) {
    if (sample["step"] == 1 && sample["split"] == "train") seen.push_back(sample["completion"]);
  }
  ASSERT_EQ(seen.size(), 16u);
  EXPECT_EQ(seen, wanted);
}

TEST_F(ServedRunTest, KilledAndResumedItHandsItsWeightsOverAgainAndEndsTheSame) {
  {
    StartedProgram program = Start("killed", {});
    ASSERT_TRUE(program.WaitUntil([] { return Lines(Dir("killed") + "/metrics.jsonl") >= 3; })) << Read(Root() + "/output.txt");
    program.Signal(SIGKILL);
    ASSERT_EQ(program.Wait().signal, SIGKILL);
  }
  Load(Base());  // whatever the server has by then
  const Outcome end = Start("killed", {"--resume"}).Wait();
  ASSERT_EQ(end.code, 0) << end.text;
  for (const char* file : {"metrics.jsonl", "eval.jsonl"}) EXPECT_EQ(runs::LinesWithoutTimes(Dir("killed") + "/" + file), runs::LinesWithoutTimes(Dir("whole") + "/" + file)) << file;
  for (const char* file : {"samples.jsonl", "checkpoints/latest/model.safetensors", "checkpoints/latest/optimizer.safetensors"}) {
    EXPECT_TRUE(Read(Dir("killed") + "/" + file) == Read(Dir("whole") + "/" + file)) << file;
  }
  ExpectServes(Dir("killed") + "/checkpoints/latest");
  EXPECT_EQ(std::distance(fs::directory_iterator(Dir("killed") + "/handover"), {}), 1) << "older weights went";
}

TEST_F(ServedRunTest, WeightsThatAreHandedOverSeldomAreLoggedAsStale) {
  const Outcome end = Start("seldom", {"--quiet", "rollout.remote.reload_every=3", "algorithm.importance=token_truncate", "train.steps=7", "checkpoint.keep=1"}).Wait();
  ASSERT_EQ(end.code, 0) << end.text;
  std::vector<double> staleness;
  for (const json& step : Metrics("seldom")) {
    staleness.push_back(step.at("sampling/staleness"));
    const double gap = step.at("sampling/sampling_logp_difference/max");
    EXPECT_TRUE(staleness.back() == 0 ? gap < 1e-4 : gap > 1e-3) << gap << " at " << staleness.back();
  }
  EXPECT_THAT(staleness, testing::ElementsAre(0, 1, 2, 0, 1, 2, 0));
  EXPECT_FALSE(fs::exists(Dir("seldom") + "/handover/step-000000")) << "what no checkpoint needs goes";
}

TEST_F(ServedRunTest, ARunThatHandsOverSeldomIsResumedToTheSameBits) {
  const std::vector<std::string> settings = {"--quiet", "rollout.remote.reload_every=3", "train.steps=7", "checkpoint.keep=4"};
  const auto go = [&](const std::string& resume) {
    auto words = settings;
    if (!resume.empty()) words.push_back("--resume=" + resume);
    return Start("rarely", words).Wait();
  };
  const Outcome whole = go("");
  ASSERT_EQ(whole.code, 0) << whole.text;
  const std::string dir = Dir("rarely"), model = dir + "/checkpoints/latest/model.safetensors", weights = Read(model), samples = Read(dir + "/samples.jsonl");
  // Behind step 4 the server had the weights of step 3, behind step 2 those of the start.
  for (const char* step : {"4", "2"}) {
    Load(Base());
    const Outcome end = go(step);
    ASSERT_EQ(end.code, 0) << end.text;
    EXPECT_TRUE(Read(model) == weights) << step;
    EXPECT_TRUE(Read(dir + "/samples.jsonl") == samples) << step;
    std::vector<double> staleness;
    for (const json& one : Metrics("rarely")) staleness.push_back(one.at("sampling/staleness"));
    EXPECT_THAT(staleness, testing::ElementsAre(0, 1, 2, 0, 1, 2, 0)) << step;
  }
  fs::remove_all(dir + "/handover");
  const Outcome end = go("4");
  ASSERT_EQ(end.code, 0) << end.text;
  EXPECT_THAT(end.text, HasSubstr("handover/step-000003 is not there, which the server had at step 4"));
}

TEST_F(ServedRunTest, AtAnotherTemperatureTheServersLogprobsAreThoseOfWhatWasDrawnFrom) {
  std::string url;
  const auto server = Serve({"--logprobs-mode", "processed_logprobs"}, url);
  ASSERT_NE(url, "");
  const Outcome end = Start("cool", {"--quiet", "rollout.temperature=0.7", "rollout.remote.logprobs_mode=processed_logprobs", "train.steps=3"}, url).Wait();
  ASSERT_EQ(end.code, 0) << end.text;
  for (const json& step : Metrics("cool")) EXPECT_LT(step.at("sampling/sampling_logp_difference/max").get<double>(), 1e-4);
}

TEST_F(ServedRunTest, ARunOfAdaptersHandsOverTheSum) {
  const Outcome end = Start("adapters", {"--quiet", "policy.lora={rank: 4, alpha: 8}", "train.steps=3"}).Wait();
  ASSERT_EQ(end.code, 0) << end.text;
  for (const json& step : Metrics("adapters")) EXPECT_LT(step.at("sampling/sampling_logp_difference/max").get<double>(), 1e-4);
  EXPECT_FALSE(Read(Dir("adapters") + "/handover/step-000003/model.safetensors") == Read(Base() + "/model.safetensors")) << "nothing was learned, so nothing was tested";
}

TEST_F(ServedRunTest, AServerThatGivesNoIdsEndsTheRunWhichGoesOnWithOneThatDoes) {
  HttpServer poor([](const auto&) { return HttpServer::Reply{200, R"({"choices": [{"text": "4", "finish_reason": "stop"}]})"}; });
  const Outcome poorly = Start("poor", {"rollout.remote.reload=none"}, poor.url()).Wait();
  EXPECT_EQ(poorly.code, 1) << poorly.text;
  EXPECT_THAT(poorly.text, HasSubstr("its answers cannot be learned from: they have no `token_ids`"));
  const Outcome end = Start("poor", {"--resume", "--quiet"}).Wait();
  ASSERT_EQ(end.code, 0) << end.text;
  EXPECT_TRUE(Read(Dir("poor") + "/checkpoints/latest/model.safetensors") == Read(Dir("whole") + "/checkpoints/latest/model.safetensors"));
}

TEST_F(ServedRunTest, AServerThatIsDownIsToldBeforeAnythingIsMade) {
  std::string nowhere;
  {
    HttpServer gone([](const auto&) { return HttpServer::Reply{}; });
    nowhere = gone.url();
  }
  const Outcome outcome = Start("down", {"rollout.remote.retries=0", "policy.checkpoint=''", "pretrain={steps: 30, tokens_per_step: 256}"}, nowhere).Wait();
  EXPECT_EQ(outcome.code, 1) << outcome.text;
  EXPECT_THAT(outcome.text, HasSubstr(nowhere + ": no server answers there"));
  EXPECT_FALSE(fs::exists(Dir("down")));
  EXPECT_EQ(Start("down", {"--dry-run"}, nowhere).Wait().code, 0) << "which asks nobody";
}

TEST_F(ServedRunTest, AServerThatCannotLoadWeightsEndsTheRunAndSaysWhatToSet) {
  HttpServer fixed([](const auto&) { return HttpServer::Reply{404, R"({"detail": "Not Found"})"}; });
  const Outcome outcome = Start("fixed", {}, fixed.url()).Wait();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.text, HasSubstr("/update_weights_from_disk did not load the weights of step 0"));
  EXPECT_THAT(outcome.text, HasSubstr("others need rollout.remote.reload=none"));
  EXPECT_EQ(fixed.requests().front().path, "/update_weights_from_disk") << "beside /v1, not below it";
}

TEST_F(ServedRunTest, OtherNetworksAreRefusedAndTheOldWeightsStay) {
  Load(Base());
  ExpectServes(Base());
  for (const auto& [dir, why] : {std::pair{Dir("other") + "/checkpoints/base", "architecture is another"}, std::pair{Root() + "/nowhere", "no such directory"}}) {
    const HttpReply reply = Post("/update_weights_from_disk", {{"model_path", dir}});
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(json::parse(reply.body)["success"], false);
    EXPECT_THAT(reply.body, HasSubstr(why));
  }
  ExpectServes(Base());
}

TEST_F(ServedRunTest, WeightsThatCannotBeLoadedForAnyReasonLeaveTheServerAsItWas) {
  Load(Base());
  // More than any memory has.
  fs::copy(Base(), Root() + "/huge", fs::copy_options::recursive);
  json config = json::parse(Read(Base() + "/config.json"));
  config["vocab_size"] = 1 << 24, config["hidden_size"] = 1 << 15;
  runs::Write(Root() + "/huge/config.json", config.dump());
  // What the system says, not this program.
  fs::copy(Base(), Root() + "/loop", fs::copy_options::recursive);
  fs::remove(Root() + "/loop/tokenizer_config.json");
  fs::create_symlink("tokenizer_config.json", Root() + "/loop/tokenizer_config.json");
  for (const auto& [dir, why] : {std::pair{Root() + "/huge", "architecture is another than the served model's (config.json: hidden_size, vocab_size)"}, std::pair{Root() + "/loop", "Too many levels of symbolic links"}}) {
    const HttpReply reply = Post("/update_weights_from_disk", {{"model_path", dir}});
    EXPECT_EQ(reply.status, 400) << reply.body;
    EXPECT_EQ(json::parse(reply.body)["success"], false);
    EXPECT_THAT(reply.body, HasSubstr(why));
  }
  ExpectServes(Base());
}

TEST_F(ServedRunTest, CompletionsAtTheSameTimeAreThoseThatOneAloneIs) {
  Load(Base());
  std::vector<std::string> bodies;
  for (int i = 0; i < 24; ++i) bodies.push_back(json{{"prompt", std::string(static_cast<std::size_t>(1 + i % 5), '1')}, {"seed", i}, {"temperature", 0.5 + 0.1 * (i % 3)}, {"max_tokens", 4 + i % 9}, {"return_token_ids", true}}.dump());
  const auto ids = [&](int concurrent) {
    std::vector<json> all;
    for (const HttpReply& reply : HttpClient({.url = url_, .retries = 0, .concurrent = concurrent}).PostAll("/completions", bodies, Rng(1))) all.push_back(json::parse(reply.body)["choices"][0]["token_ids"]);
    return all;
  };
  EXPECT_EQ(ids(12), ids(1));
}

TEST_F(ServedRunTest, SettingsThatCannotBeLearnedFromAreRefusedBeforeAnything) {
  for (const auto& [setting, said] : {std::pair{"rollout.temperature=0.7", "raw_logprobs are those at temperature 1"}, std::pair{"rollout.top_p=0.9", "leave top_k"},
                                      std::pair{"rollout.remote.model=''", "remote.model is missing"}, std::pair{"rollout.remote.reload=ftp", "sglang"}}) {
    const Outcome outcome = Start("refused", {setting}).Wait();
    EXPECT_EQ(outcome.code, 2) << setting;
    EXPECT_THAT(outcome.text, HasSubstr(said));
    EXPECT_FALSE(fs::exists(Dir("refused")));
  }
}

TEST(ServeProgram, MistakesOnTheLineAreTold) {
  const std::string output = testing::TempDir() + "/cogent_serve_line.txt";
  const std::string there = testing::TempDir();  // a directory, and no checkpoint
  for (const auto& [words, said] : std::vector<std::pair<std::vector<std::string>, std::string>>{{{"serve"}, "--model"},
                                                                                                 {{"serve", "-m", "/nowhere"}, "--model: there is no '/nowhere'"},
                                                                                                 {{"serve", "-m", there}, "config.json"},
                                                                                                 {{"serve", "-m", there, "--port", "70000"}, "--port"},
                                                                                                 {{"serve", "-m", there, "--logprobs-mode", "x"}, "--logprobs-mode"}}) {
    const Outcome outcome = StartedProgram(words, output).Wait();
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.text, HasSubstr(said));
  }
}

}  // namespace
}  // namespace cogent
