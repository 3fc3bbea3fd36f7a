// The engine's commands through its entry, and their exit codes through the built program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "experiments/engine_commands.h"
#include "experiments/engine_evaluate.h"
#include "experiments/engine_train.h"
#include "tests/policies/parity.h"
#include "tests/policies/tiny_model.h"

extern "C" int cogent_run_engine(const cogent::Parts& parts, const cogent::Command& command);

namespace cogent {
namespace {

namespace fs = std::filesystem;
using parity::Fixture;
using parity::Near;
using ::testing::HasSubstr;

// What the engine prints while a command runs.
std::string RunEngine(const Command& command, int* code = nullptr) {
  std::ostringstream out;
  std::streambuf* const before = std::cout.rdbuf(out.rdbuf());
  try {
    const int result = cogent_run_engine(Parts{}, command);
    std::cout.rdbuf(before);
    if (code != nullptr) *code = result;
  } catch (...) {
    std::cout.rdbuf(before);
    throw;
  }
  return out.str();
}

template <typename Kind>
std::string Refused(const Command& command) {
  try {
    RunEngine(command);
  } catch (const Kind& error) {
    return error.what();
  }
  return "(not refused)";
}

class Commands : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "cogent_commands_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
    return Path(name);
  }
  // A run as `train` leaves it, with fresh weights in place of trained ones.
  std::string MakeRun() const {
    const std::string run = Path("run"), step = run + "/checkpoints/step-000003";
    fs::create_directories(step);
    Write("run/config.yaml", "name: run\noutput: " + dir_ + "\nseed: 5\nthreads: 1\nenv: {name: arithmetic}\n"
                             "rewards: [{name: accuracy}, {name: format, weight: 0.1}]\nprompt_template: '{prompt}='\npretrain: {steps: 1}\n"
                             "algorithm: {name: grpo}\nrollout: {max_new_tokens: 12}\neval: {final_tasks: 30, samples: 2}\n"
                             "policy: {model: {max_position_embeddings: 64}}\n");
    ModelConfig model = tiny::Config(0);
    const Tokenizer tokenizer = Tokenizer::Train(
        {}, {.added_tokens = {{"<|pad|>", true}, {"<|end|>", true}, {"<think>"}, {"</think>"}, {"<answer>"}, {"</answer>"}},
             .alphabet = "abcdefghijklmnopqrstuvwxyzW0123456789 +-*()?/="});
    model.vocab_size = tokenizer.vocab_size();
    tiny::Weights(model, 1).Save(step);
    tokenizer.Save(step + "/tokenizer.json");
    Write("run/checkpoints/step-000003/trainer_state.json", R"({"step": 3})");
    fs::create_symlink("step-000003", run + "/checkpoints/latest");
    return run;
  }

  std::string dir_;
};

class ForwardCommand : public Commands, public ::testing::WithParamInterface<std::string> {};
INSTANTIATE_TEST_SUITE_P(Transformer, ForwardCommand, ::testing::ValuesIn(parity::Models()), [](const auto& info) { return info.param; });

TEST_P(ForwardCommand, WritesTheFixturesTensorsUnderTheirNames) {
  const Fixture f(GetParam());
  const nlohmann::json input{{"sequences", {f.Ids("seq0.input_ids"), f.Ids("seq1.input_ids")}}};
  const std::string out = Path("out.safetensors");
  RunEngine({"model forward", {}, {{"model", f.dir}, {"input", Write("in.json", input.dump())}, {"output", out}, {"greedy", "16"}}});
  const SafetensorsFile got = SafetensorsFile::Open(out);
  std::size_t wanted = 0;
  for (const auto& [name, view] : f.expected.tensors()) {
    const bool asked = name.starts_with("seq") && (name.ends_with(".logits") || name.ends_with(".logprobs") || name.ends_with(".greedy") || name.ends_with(".router_topk"));
    if (!asked) continue;
    ++wanted;
    const TensorView& own = got.Get(name);
    ASSERT_EQ(own.dtype, view.dtype) << name;
    ASSERT_EQ(own.shape, view.shape) << name;
    if (view.dtype == DType::kI64) {
      EXPECT_TRUE(std::equal(own.bytes.begin(), own.bytes.end(), view.bytes.begin())) << name;
      continue;
    }
    at::Tensor values = at::empty(own.shape, at::kFloat);
    std::memcpy(values.mutable_data_ptr(), own.bytes.data(), own.bytes.size());
    const bool logits = name.ends_with(".logits");
    EXPECT_TRUE(Near(values, f.Get(name), f.Tolerance(logits ? "logits_atol" : "logprob_atol"), logits ? f.Tolerance("logits_rtol") : 0)) << name;
  }
  EXPECT_EQ(got.tensors().size(), wanted);
}

TEST_F(Commands, ForwardTakesOneToken) {
  const std::string out = Path("out.safetensors");
  RunEngine({"model forward", {}, {{"model", parity::Root() + "/deepseek_v3_base"}, {"input", Write("in.json", R"({"sequences": [[7]]})")}, {"output", out}}});
  const SafetensorsFile got = SafetensorsFile::Open(out);
  EXPECT_EQ(got.Get("seq0.logits").shape, (std::vector<std::int64_t>{1, 160}));
  EXPECT_EQ(got.Get("seq0.logprobs").shape, (std::vector<std::int64_t>{0}));
  EXPECT_FALSE(got.Has("seq0.greedy"));
}

TEST_F(Commands, ForwardSaysWhatIsWrongWithItsInput) {
  std::string many = "1";
  for (int i = 0; i < 256; ++i) many += ",1";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"no json", "no JSON"},
      {"[1]", "no list named \"sequences\""},
      {R"({"sequences": []})", "empty"},
      {R"({"sequences": [[1], []]})", "sequences[1]: the sequence is empty"},
      {R"({"sequences": [[1, 160]]})", "sequences[0][1]: 160 is no token id of this model; ids are whole numbers from 0 to 159"},
      {R"({"sequences": [[-1]]})", "-1 is no token id"},
      {R"({"sequences": [[1.5]]})", "1.5 is no token id"},
      {R"({"sequences": [[18446744073709551615]]})", "18446744073709551615 is no token id"},
      {R"({"sequences": ["abc"]})", "a list of token ids is wanted, found string"},
      {R"({"sequences": [[)" + many + "]]}", "257 tokens do not fit"}};
  for (const auto& [text, message] : cases) {
    const Command command{"model forward", {}, {{"model", parity::Root() + "/deepseek_v3_base"}, {"input", Write("in.json", text)}, {"output", Path("out.safetensors")}}};
    EXPECT_THAT(Refused<DataError>(command), HasSubstr(message)) << text.substr(0, 60);
    EXPECT_FALSE(fs::exists(Path("out.safetensors")));
  }
  Command command{"model forward", {}, {{"model", parity::Root() + "/deepseek_v3_base"}, {"input", Write("in.json", R"({"sequences": [[1, 2]]})")}, {"output", dir_ + "/none/out.safetensors"}}};
  EXPECT_THAT(Refused<DataError>(command), HasSubstr("cannot be written"));
  command.options["output"] = Path("out.safetensors");
  command.options["greedy"] = "255";
  EXPECT_THAT(Refused<DataError>(command), HasSubstr("and 255 greedy ones"));
}

TEST_F(Commands, EvalMeasuresWhatTheRunItselfWouldHaveMeasured) {
  const std::string run = MakeRun();
  const std::string text = RunEngine({"eval", {run}, {}});
  EXPECT_THAT(text, HasSubstr("30 held-out tasks of 'arithmetic', 2 completions each"));
  EXPECT_THAT(text, HasSubstr("greedy"));
  const Parts parts;
  const RunConfig config = LoadChecked(parts, Methods(parts), run + "/config.yaml", {}).config;
  const StoredPolicy policy = LoadPolicy(run + "/checkpoints/step-000003");
  const Generator generator(policy.parameters, policy.tokenizer, {});
  const Metrics whole = Evaluate(config, parts, generator, {30, 2, {1.0}, config.rollout.sampling}, Rng(5).Fork("eval").Fork(3)).metrics;
  char shown[64];
  std::snprintf(shown, sizeof shown, "%.1f tokens   %5.1f%% cut", whole.at("mean_length"), 100 * whole.at("clipped_ratio"));
  EXPECT_THAT(text, HasSubstr(shown));
}

TEST_F(Commands, EvaluationInPartsGivesTheSameCompletions) {
  const std::string run = MakeRun();
  const Parts parts;
  const RunConfig config = LoadChecked(parts, Methods(parts), run + "/config.yaml", {}).config;
  const StoredPolicy policy = LoadPolicy(run + "/checkpoints/latest");
  const Generator generator(policy.parameters, policy.tokenizer, {});
  EvaluationPlan plan{10, 100, {1.0}, config.rollout.sampling};  // 2 tasks a part
  const Evaluation whole = Evaluate(config, parts, generator, plan, Rng(8));
  std::vector<int> calls;
  plan.progress = [&](int done) { calls.push_back(done); };
  const Evaluation parted = Evaluate(config, parts, generator, plan, Rng(8));
  EXPECT_EQ(calls, (std::vector<int>{2, 2, 2, 2, 2}));
  EXPECT_EQ(whole.metrics, parted.metrics);
  ASSERT_EQ(parted.groups.size(), 10u);
  for (std::size_t t = 0; t < 10; ++t) {
    for (std::size_t m = 0; m < 100; ++m) {
      ASSERT_EQ(whole.groups[t].members[m].turns[0].completion_ids, parted.groups[t].members[m].turns[0].completion_ids);
    }
  }
}

TEST_F(Commands, EvalTakesTasksRolloutsAndK) {
  const std::string text = RunEngine({"eval", {MakeRun()}, {{"tasks", "5"}, {"rollouts", "4"}, {"k", "1,4"}, {"temperature", "0.5"}}});
  EXPECT_THAT(text, HasSubstr("5 held-out tasks of 'arithmetic', 4 completions each"));
  EXPECT_THAT(text, HasSubstr("temperature 0.5       pass@4"));
}

TEST_F(Commands, ConvertSaysThatItsDirectoryCannotBeMade) {
  const std::string to = Write("file", "x") + "/model";  // nobody, not even root, makes a folder in a file
  EXPECT_THAT(Refused<DataError>({"model convert", {MakeRun() + "/checkpoints/latest", to}, {}}), HasSubstr(to + ": cannot be written: Not a directory"));
}

TEST_F(Commands, EvalSaysThatItsFileCannotBeWrittenBeforeItMeasures) {
  const std::string run = MakeRun();
  fs::remove(run + "/checkpoints/step-000003/model.safetensors");  // would be the mistake if it came so far
  EXPECT_THAT(Refused<DataError>({"eval", {run}, {{"output", Path("none/out.json")}}}), HasSubstr("none/out.json: cannot write"));
  EXPECT_THAT(Refused<DataError>({"eval", {run}, {{"output", dir_}}}), HasSubstr("is a directory"));
}

// Reads the lines as from a terminal; what it says of a message comes on standard error.
TEST_F(Commands, AChatGoesOnBehindAMessageThatCannotBeTaken) {
  const std::string step = MakeRun() + "/checkpoints/step-000003";
  Write("run/checkpoints/step-000003/tokenizer_config.json", R"({"chat_template": "{% for m in messages %}{{ m.content }}={% endfor %}"})");
  const auto talk = [&](const std::string& lines, const std::string& seed) {
    std::istringstream in(lines);
    std::streambuf* const before = std::cin.rdbuf(in.rdbuf());
    std::cin.clear();
    ::testing::internal::CaptureStderr();
    int code = -1;
    const std::string out = RunEngine({"chat", {}, {{"model", step}, {"max-new-tokens", "4"}, {"seed", seed}}}, &code);
    std::cin.rdbuf(before);
    EXPECT_EQ(code, kExitDone);
    return std::pair(out, ::testing::internal::GetCapturedStderr());
  };
  const auto [out, said] = talk("a\n\xff\n" + std::string(100, 'b') + "\nc\n", "18446744073709551615");
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 2) << out;
  EXPECT_THAT(said, HasSubstr("message 2 is left out: it is not UTF-8"));
  EXPECT_THAT(said, HasSubstr("message 3 is left out: a prompt has 1"));
  // The conversation is the one without them, but for the number of the draw.
  EXPECT_EQ(talk("a\n \n \nc\n", "18446744073709551615").first, out);
}

TEST_F(Commands, EvalAsksEveryProblemOfABenchmarkOnce) {
  const std::string run = MakeRun(), file = Write("sums.jsonl", "{\"problem\": \"1+2\", \"answer\": 3}\n{\"problem\": \"2+2\", \"answer\": 4}\n");
  const std::vector<std::string> words = {run, "env={name: benchmark, prompt: '{question}', path: " + file + "}"};
  const std::string text = RunEngine({"eval", words, {{"tasks", "50"}, {"rollouts", "4"}, {"k", "1,4"}, {"output", Path("eval.json")}}});
  EXPECT_THAT(text, HasSubstr("2 held-out tasks of 'benchmark', 4 completions each"));
  EXPECT_THAT(text, HasSubstr("cons@4"));
  const auto measured = nlohmann::json::parse(std::ifstream(Path("eval.json")));
  EXPECT_EQ(measured.at("tasks"), 2);
  for (const char* key : {"cons@4", "cons@4_low", "cons@4_high", "pass@4_low"}) EXPECT_TRUE(measured.at("drawn").contains(key)) << key;
  const std::string alone = Write("alone.yaml", "prompt_template: plain\nenv: {name: benchmark, prompt: '{question}', path: " + file + "}\nrollout: {temperature: 0.6, top_p: 0.95, max_new_tokens: 4}\neval: {samples: 64}\n");
  EXPECT_THAT(RunEngine({"eval", {alone}, {{"checkpoint", run + "/checkpoints/latest"}}}), HasSubstr("temperature 0.6       cons@64"));  // no word of training
  EXPECT_THAT(Refused<ConfigError>({"sample", words, {{"output", Path("kept.jsonl")}}}), HasSubstr("problems are all held out"));
  EXPECT_THAT(Refused<ConfigError>({"train", {run + "/config.yaml", words[1], "pretrain=null", "policy.checkpoint=" + run + "/checkpoints/latest"}, {{"name", "second"}}}),
              HasSubstr("problems are all held out"));
  EXPECT_FALSE(fs::exists(Path("second")));
}

TEST_F(Commands, EvalRefusesWhatCannotBeMeasured) {
  const std::string run = MakeRun();
  EXPECT_THAT(Refused<ConfigError>({"eval", {run}, {{"k", "1,8"}, {"rollouts", "4"}}}), HasSubstr("pass@8 needs at least 8 completions of each task, and there are 4"));
  EXPECT_THAT(Refused<ConfigError>({"eval", {run}, {{"greedy", ""}, {"rollouts", "4"}}}), HasSubstr("all the same"));
  EXPECT_THAT(Refused<ConfigError>({"eval", {dir_}, {}}), HasSubstr("no config.yaml"));
  EXPECT_THAT(Refused<ConfigError>({"eval", {run}, {{"checkpoint", Path("none")}}}), HasSubstr("--checkpoint: there is no directory"));
  EXPECT_THAT(Refused<ConfigError>({"eval", {run, "rollout.max_new_tokns=3"}, {}}), HasSubstr("Did you mean 'max_new_tokens'?"));
  fs::remove(run + "/checkpoints/latest");
  EXPECT_THAT(Refused<ConfigError>({"eval", {run}, {}}), HasSubstr("has no checkpoint"));
}

TEST_F(Commands, GenerateShowsWhatTheGeneratorDraws) {
  const std::string model = MakeRun() + "/checkpoints/latest";
  const std::string text = RunEngine({"generate", {}, {{"model", model}, {"prompt", "2+3="}, {"seed", "9"}, {"max-new-tokens", "20"}, {"samples", "2"}}});
  const StoredPolicy policy = LoadPolicy(model);
  const Generator generator(policy.parameters, policy.tokenizer, {});
  std::string want;
  for (std::uint64_t i = 0; i < 2; ++i) {
    auto ids = generator.Generate({policy.tokenizer.Encode("2+3=")}, {Rng(9).Fork("generate").Fork(i)}, {.max_new_tokens = 20}).front().ids;
    if (ids.back() == policy.tokenizer.eos_id()) ids.pop_back();
    want += "--- " + std::to_string(i + 1) + " of 2\n" + policy.tokenizer.Decode(ids) + "\n";
  }
  EXPECT_EQ(text, want);
}

TEST_F(Commands, APromptThatStandsAsAWordIsTheSameAsTheOption) {
  const std::string line = std::string(COGENT_BINARY_DIR) + "/cogent generate -m " + MakeRun() + "/checkpoints/latest --max-new-tokens 20 --seed 9 ";
  const auto output = [&](const std::string& rest) {
    EXPECT_EQ(WEXITSTATUS(std::system((line + rest + " >" + Path("out") + " 2>&1").c_str())), kExitDone);
    std::ifstream in(Path("out"));
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  EXPECT_EQ(output("'2 + 3 ='"), output("-p '2 + 3 ='"));
  EXPECT_NE(output("'2 + 3 ='"), output("'2 + 4 ='"));
  EXPECT_EQ(WEXITSTATUS(std::system((line + "'2 + 3 =' -p x 2>/dev/null").c_str())), kExitUserMistake);
  EXPECT_EQ(WEXITSTATUS(std::system((line + "'2 + 3 =' -e arithmetic 2>/dev/null").c_str())), kExitUserMistake);
}

TEST_F(Commands, GenerateAndEvalCloseReasoningThatIsTooLong) {
  const std::string run = MakeRun(), model = run + "/checkpoints/latest";
  const auto text = [&](const std::string& limit) {
    return RunEngine({"generate", {}, {{"model", model}, {"prompt", "2+3=<think>"}, {"seed", "9"}, {"max-new-tokens", "20"}, {"max-thinking-tokens", limit}}});
  };
  const std::string free = text("0"), closed = text("4");
  ASSERT_EQ(free.substr(0, 12).find("</think>"), std::string::npos) << "else this test shows nothing";
  EXPECT_EQ(closed.substr(0, 12), free.substr(0, 4) + "</think>");
  EXPECT_THAT(RunEngine({"eval", {run, "rollout.max_thinking_tokens=3"}, {{"tasks", "5"}}}), HasSubstr("5 held-out tasks"));
  EXPECT_THAT(Refused<ConfigError>({"eval", {run, "rollout.max_thinking_tokens=3", "rollout.thinking_end=<think>"}, {}}), HasSubstr("must be two different texts"));
}

TEST_F(Commands, TrainingRefusesForcedTokensWhereItWouldLearnFromThem) {
  const std::string config = MakeRun() + "/config.yaml";
  EXPECT_THAT(Refused<ConfigError>({"train", {config, "rollout.max_thinking_tokens=3"}, {{"dry-run", ""}}}),
              HasSubstr("rollout.max_thinking_tokens is 3, but algorithm 'grpo' learns from the rollouts"));
  EXPECT_THAT(RunEngine({"train", {config, "rollout.max_thinking_tokens=3", "algorithm={name: sft}", "data={gold: 5}", "prompt_template=r1_zero"}, {{"dry-run", ""}}}), HasSubstr("# parameters"));
}

TEST_F(Commands, GenerateUsesTheRunsTemplateAndSaysTheVerdict) {
  const std::string text = RunEngine({"generate", {}, {{"model", MakeRun() + "/checkpoints/latest"}, {"env", "arithmetic"}, {"samples", "2"}}});
  EXPECT_THAT(text, HasSubstr("=== What is"));
  EXPECT_THAT(text, HasSubstr("--- reward 0, accuracy 0"));
  EXPECT_THAT(text, HasSubstr(", format 0"));  // the run's rewards
}

TEST_F(Commands, GenerateRefusesWhatItCannotDo) {
  const std::string model = MakeRun() + "/checkpoints/latest";
  EXPECT_THAT(Refused<DataError>({"generate", {}, {{"model", model}, {"prompt", std::string(200, '1')}}}), HasSubstr("a prompt has 200 tokens, but the model's context"));
  EXPECT_THAT(Refused<DataError>({"generate", {}, {{"model", model}, {"prompt", ""}}}), HasSubstr("no tokens"));
  EXPECT_THAT(Refused<ConfigError>({"generate", {}, {{"model", model}, {"prompt", "1"}, {"min-p", "1.5"}}}), HasSubstr("'min_p' in command line must be from 0 to 1, but is 1.5"));
  EXPECT_THAT(Refused<ConfigError>({"generate", {}, {{"model", model}, {"prompt", "1"}, {"repetition-penalty", "0"}}}), HasSubstr("'repetition_penalty' in command line must be from 0.01"));
  EXPECT_THAT(Refused<ConfigError>({"generate", {}, {{"model", model}, {"env", "arithmetc"}}}), HasSubstr("Did you mean 'arithmetic'?"));
  EXPECT_THAT(Refused<ConfigError>({"generate", {}, {{"model", model}, {"prompt", "1"}, {"temperature", "-1"}}}), HasSubstr("must be from 0"));
  EXPECT_THAT(Refused<ConfigError>({"generate", {}, {{"model", model}, {"prompt", "1"}, {"seed", "x"}}}), HasSubstr("no whole number"));
  EXPECT_THAT(Refused<ConfigError>({"generate", {}, {{"model", model}, {"prompt", "1"}, {"weights", "float16"}}}), HasSubstr("--weights: 'float16' is neither float32 nor bfloat16"));
  EXPECT_THAT(Refused<ConfigError>({"generate", {}, {{"model", model}, {"prompt", "1"}, {"cache", "fp8"}}}), HasSubstr("--cache: 'fp8' is neither float32 nor bfloat16"));
  EXPECT_THAT(Refused<DataError>({"generate", {}, {{"model", parity::Root() + "/deepseek_v3_base"}, {"prompt", "1"}}}), HasSubstr("tokenizer.json"));
}

TEST_F(Commands, BenchRefusesWordsItDoesNotKnow) {
  EXPECT_THAT(Refused<ConfigError>({"bench", {"jason"}, {}}), HasSubstr("unknown word 'jason'"));
  EXPECT_THAT(Refused<ConfigError>({"bench", {"threads=0"}, {}}), HasSubstr("threads"));
  EXPECT_THAT(Refused<ConfigError>({"bench", {"weights=half"}, {}}), HasSubstr("weights: 'half' is neither"));
}

TEST_F(Commands, BenchMeasuresEveryPhaseOfATinyModel) {
  const std::string model = Write("config.json", ModelConfigJson([] {
                                    ModelConfig c = tiny::Config(64);
                                    c.hidden_size = 8, c.num_hidden_layers = 2;
                                    return c;
                                  }()));
  const auto report = nlohmann::json::parse(RunEngine({"bench", {"json", "model=" + model}, {}}));
  ASSERT_EQ(report["measurements"].size(), 4u);
  for (const auto& m : report["measurements"]) {
    EXPECT_GT(m["tokens_per_second"].get<double>(), 0) << m;
    EXPECT_EQ(m["phase_seconds_one_thread"].size(), 3u) << m;
    EXPECT_GE(m["repeats"].get<int>(), 1);
  }
  EXPECT_EQ(report["measurements"][2]["tokens"], 128 * 64);
}

int ExitCode(const std::string& words) {
  const int status = std::system((std::string(COGENT_BINARY_DIR) + "/cogent " + words + " >/dev/null 2>&1").c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(Commands, ListAndShowReachTheEngine) {
  EXPECT_THAT(RunEngine({"list algorithms", {}, {}}), HasSubstr("\n  grpo  "));
  EXPECT_THAT(RunEngine({"show algorithm", {"grpo"}, {}}), HasSubstr("clip_ratio"));
  EXPECT_THAT(Refused<ConfigError>({"show algorithm", {"gropo"}, {}}), HasSubstr("Did you mean 'grpo'?"));
  const std::string resolved = RunEngine({"show config", {MakeRun() + "/config.yaml", "seed=77"}, {}});
  EXPECT_THAT(resolved, HasSubstr("seed: 77"));
  EXPECT_THAT(resolved, HasSubstr("clip_ratio:"));  // defaults are written out
}

TEST_F(Commands, ExitCodesTellWhoseMistakeItWas) {
  const std::string run = MakeRun();
  EXPECT_EQ(ExitCode("show " + run + "/config.yaml"), kExitDone);
  EXPECT_EQ(ExitCode("list algorithms"), kExitDone);
  EXPECT_EQ(ExitCode("generate -m " + run + "/checkpoints/latest -p " + std::string(200, '1')), kExitUserMistake);
  EXPECT_EQ(ExitCode("show " + run + "/config.yaml optimizer.beta1=x"), kExitUserMistake);
  const int full = std::system((std::string(COGENT_BINARY_DIR) + "/cogent show grpo >/dev/full 2>&1").c_str());
  EXPECT_EQ(WEXITSTATUS(full), kExitFailed);
  fs::create_directory(Path("alone"));  // the program without its engine
  fs::copy(std::string(COGENT_BINARY_DIR) + "/cogent", Path("alone/cogent"));
  fs::copy(std::string(COGENT_BINARY_DIR) + "/libcogent.so", Path("alone/libcogent.so"));
  const int status = std::system(("LD_LIBRARY_PATH=" + Path("alone") + " " + Path("alone/cogent") + " list algorithms >/dev/null 2>&1").c_str());
  EXPECT_EQ(WEXITSTATUS(status), kExitMachine);
}

TEST_F(Commands, AlgorithmLossPrintsWhatTheBatchGives) {
  const std::string input = Write("batch.json", R"({"logprobs": [[-1, -2], [-0.5]], "rewards": [1, 0], "group": [0, 0]})");
  const auto run = [&](std::vector<std::string> settings, const std::string& name = "grpo") {
    return nlohmann::json::parse(RunEngine({"algorithm loss", settings, {{"name", name}, {"input", input}}}));
  };
  const auto paper = run({"kl_coef=0", "advantage=mean_only"}), tokens = run({"kl_coef=0", "advantage=mean_only", "average=tokens"});
  EXPECT_EQ(paper.at("advantages").dump(), "[[0.5,0.5],[-0.5]]");
  EXPECT_NEAR(paper.at("grad_logprobs")[0][1].get<double>(), -0.5 / 4, 1e-12);
  EXPECT_NEAR(tokens.at("grad_logprobs")[0][1].get<double>(), -0.5 / 3, 1e-12);
  EXPECT_NEAR(tokens.at("loss").get<double>(), -0.5 / 3, 1e-12);
  const auto refused = [&](std::vector<std::string> settings, const std::string& name) {
    return Refused<ConfigError>({"algorithm loss", settings, {{"name", name}, {"input", input}}});
  };
  EXPECT_THAT(refused({}, "grop"), HasSubstr("unknown algorithm 'grop'. Did you mean 'grpo'?"));
  EXPECT_THAT(refused({"klcoef=0"}, "grpo"), HasSubstr("unknown key 'klcoef'"));
  EXPECT_THAT(refused({"average=all"}, "grpo"), HasSubstr("average"));
  EXPECT_THAT(refused({"kl_coef"}, "grpo"), HasSubstr("write key=value"));
  EXPECT_THAT(refused({"dual_clip=0.5"}, "grpo"), HasSubstr("'dual_clip' must be above 1"));
  EXPECT_THAT(Refused<DataError>({"algorithm loss", {}, {{"name", "grpo"}, {"input", Path("none.json")}}}), HasSubstr("none.json"));
}

}  // namespace
}  // namespace cogent
