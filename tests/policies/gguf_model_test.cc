// A whole model from a GGUF file, against the reference's logits and greedy tokens.
#include "policies/decoder.h"
#include "tests/policies/parity.h"

namespace cogent {
namespace {

TEST(GgufModel, GivesTheReferencesLogitsAndTokens) {
  const std::string path = parity::Root() + "/gguf/tiny_llama.gguf";
  const ModelConfig config = LoadModelConfig(path);
  ParameterSet weights(config);
  EXPECT_TRUE(weights.Load(path, Rng(0)).empty());
  const SafetensorsFile expected = SafetensorsFile::Open(parity::Root() + "/gguf/tiny_llama.expected.safetensors");
  const at::Tensor ids = parity::ToTensor(expected.Get("seq0.input_ids")), greedy = parity::ToTensor(expected.Get("seq0.greedy"));
  const std::vector<std::int64_t> prompt(ids.const_data_ptr<std::int64_t>(), ids.const_data_ptr<std::int64_t>() + ids.numel());
  c10::NoGradGuard no_grad;
  const Transformer model(config, weights.Leaves(), weights.biases());
  const at::Tensor logits = model.Logits(model.Forward({prompt, {{0, static_cast<int>(prompt.size()), -1}}}, {}).hidden);
  EXPECT_TRUE(parity::Near(logits, parity::ToTensor(expected.Get("seq0.logits")), 3e-4, 1e-4));
  const DecoderWeights packed(weights);
  Decoder decoder(packed, 1, static_cast<int>(prompt.size() + 16));
  std::vector<DecodeRow> rows;
  for (std::size_t p = 0; p < prompt.size(); ++p) rows.push_back({0, static_cast<int>(p), static_cast<std::int32_t>(prompt[p])});
  for (int i = 0; i < 16; ++i) {
    decoder.Run(rows, {static_cast<int>(rows.size()) - 1});
    const auto best = static_cast<std::int32_t>(std::max_element(decoder.Logits(0), decoder.Logits(0) + config.vocab_size) - decoder.Logits(0));
    ASSERT_EQ(best, greedy[i].item<std::int32_t>()) << i;
    rows = {{0, static_cast<int>(prompt.size()) + i, best}};
  }
}

TEST(GgufModel, WhatIsSavedFromItIsTheSameModel) {
  const std::string path = parity::Root() + "/gguf/tiny_llama.gguf", dir = testing::TempDir() + "/cogent_gguf_saved";
  ParameterSet weights(LoadModelConfig(path));
  weights.Load(path, Rng(0));
  weights.Save(dir);
  ParameterSet again(LoadModelConfig(dir));
  again.Load(dir, Rng(1));
  EXPECT_TRUE(at::equal(again.flat(), weights.flat()));
}

}  // namespace
}  // namespace cogent
