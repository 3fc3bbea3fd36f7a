// The code environment in whole runs: a tiny actor that has seen right and wrong programs learns by the sandbox's verdicts to
// write right ones, also for problems that it was never trained on.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "core/rng.h"
#include "sandbox/sandbox.h"
#include "tests/runs/program.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using runs::Outcome;
using runs::StartedProgram;
using testing::HasSubstr;

constexpr char kHow[] = "\n\nAnswer with one Python code block: ```python, the program, ```.";
constexpr std::pair<const char*, const char*> kOperators[] = {{"add", "+"}, {"take", "-"}, {"times", "*"}, {"mod", "%"}, {"over", "//"}, {"power", "**"}, {"and", "&"}, {"or", "|"}};

std::string Body(std::size_t which, int number) { return std::string("x") + kOperators[which % 8].second + std::to_string(number); }

class CodeRun : public testing::Test {
 protected:
  void SetUp() override {
    if (!LevelIsThere(ProbeSandbox(), SandboxLevel::kFull)) GTEST_SKIP() << "no sandbox of the level full on this machine";
    fs::remove_all(Root());
    fs::create_directories(Root());
  }
  void TearDown() override { fs::remove_all(Root()); }
  static std::string Root() { return testing::TempDir() + "/cogent_code_run_test." + std::to_string(getpid()); }
  static Outcome Go(const std::vector<std::string>& words) { return StartedProgram(words, Root() + "/output.txt").Wait(); }
  static std::string Common(const std::string& name) {
    return "name: " + name + "\noutput: " + Root() + "\nseed: 5\nthreads: 2\nprompt_template: \"{prompt}\\n\"\ntokenizer: {kind: bytes}\n" +
           "eval: {every: 100, tasks: 20, final_tasks: 60, greedy: false}\ncheckpoint: {every: 100}\n";
  }
  static void WriteProblems(std::size_t operators) {
    std::string text;
    for (std::size_t o = 0; o < operators; ++o) {
      for (int number = 2; number < 10; ++number) {
        const std::string reference = "def f(x): return " + Body(o, number) + "\n";
        // Tests that hold of the reference by comparing with it: no value has to be worked out here.
        json tests = json::array();
        for (const int x : {3, 17, 50}) tests.push_back("assert f(" + std::to_string(x) + ") == (lambda x: " + Body(o, number) + ")(" + std::to_string(x) + ")");
        text += json{{"task_id", kOperators[o].first + std::to_string(number)}, {"text", kOperators[o].first + (" " + std::to_string(number))}, {"code", reference},
                     {"test_list", tests}}.dump() + "\n";
      }
    }
    runs::Write(Root() + "/problems.jsonl", text);
  }
};

TEST_F(CodeRun, GrpoTeachesATinyActorToWriteProgramsThatPass) {
  WriteProblems(8);
  Rng rng(3);
  std::string examples;
  for (int i = 0; i < 1200; ++i) {
    const std::size_t which = static_cast<std::size_t>(i % 8);
    const int number = 2 + i / 8 % 8;
    const std::string body = rng.Uniform() < 0.4 ? Body(which, number) : Body(which + 1, number);
    examples += json{{"prompt", kOperators[which].first + (" " + std::to_string(number)) + kHow}, {"completion", "```python\ndef f(x): return " + body + "\n```"}}.dump() + "\n";
  }
  runs::Write(Root() + "/examples.jsonl", examples);
  runs::Write(Root() + "/base.yaml", Common("base") + R"(
policy:
  model: {vocab_size: 0, hidden_size: 48, intermediate_size: 96, moe_intermediate_size: 32, num_hidden_layers: 2, num_attention_heads: 2, n_routed_experts: 4,
          num_experts_per_tok: 2, q_lora_rank: 16, kv_lora_rank: 16, qk_nope_head_dim: 8, qk_rope_head_dim: 8, v_head_dim: 8, num_nextn_predict_layers: 0,
          max_position_embeddings: 192, initializer_range: 0.06}
algorithm: sft
data: {paths: [)" + Root() + R"(/examples.jsonl], held_out: 0, examples: 8}
optimizer: {learning_rate: 2.0e-3, warmup_steps: 10}
train: {steps: 1200}
)");
  const Outcome base = Go({"train", Root() + "/base.yaml", "--quiet"});
  ASSERT_EQ(base.code, 0) << base.text;
  runs::Write(Root() + "/code.yaml", Common("code") + "env: {name: code, problems: " + Root() + "/problems.jsonl}\npolicy: {checkpoint: " + Root() + R"(/base/checkpoints/latest}
algorithm: {name: grpo, kl_coef: 0}
rollout: {prompts: 4, group_size: 8, max_new_tokens: 60}
optimizer: {learning_rate: 3.0e-4, warmup_steps: 2}
train: {steps: 50}
)");
  const Outcome learned = Go({"train", Root() + "/code.yaml"});
  ASSERT_EQ(learned.code, 0) << learned.text;
  const json summary = json::parse(runs::Read(Root() + "/code/summary.json"));
  EXPECT_GT(summary.at("after").at("pass@1").get<double>(), summary.at("before").at("pass@1").get<double>() + 0.1) << summary.dump(1);
  EXPECT_EQ(summary.at("after").at("unscorable_ratio"), 0.0);
}

TEST_F(CodeRun, ProblemsThatCannotBeEvaluatedEndItWithTheirCause) {
  WriteProblems(1);  // eight: by their hashes none of them is held out
  const std::string config = runs::TinyRun(Root() + "/few");
  std::string text = config;
  const std::string env = "env: {name: signs, digits: 3}";
  text.replace(text.find(env), env.size(), "env: {name: code, problems: " + Root() + "/problems.jsonl}");
  const std::string pretrain = "pretrain: {";
  const std::size_t at = text.find(pretrain);
  text.replace(at, text.find('\n', at) - at, "pretrain: null");
  const std::string rewards = "rewards: [{name: accuracy}, {name: format, weight: 0.1}]";
  text.replace(text.find(rewards), rewards.size(), "rewards: [{name: accuracy}]");
  runs::Write(Root() + "/few_base.yaml", runs::TinyRun(Root() + "/few_base"));
  ASSERT_EQ(Go({"train", Root() + "/few_base.yaml", "--quiet", "train.steps=1"}).code, 0);
  text += "\n";
  const std::string model = "policy:\n  model: {";
  const std::size_t begin = text.find(model);
  text.replace(begin, text.find("\npretrain") - begin, "policy: {checkpoint: " + Root() + "/few_base/tiny/checkpoints/latest}");
  runs::Write(Root() + "/few.yaml", text);
  const Outcome outcome = Go({"train", Root() + "/few.yaml"});
  EXPECT_NE(outcome.code, 0);
  EXPECT_THAT(outcome.text, HasSubstr("evaluation: 100% of the completions could not be scored"));
  EXPECT_THAT(outcome.text, HasSubstr("the environment has too few different problems"));
}

}  // namespace
}  // namespace cogent
