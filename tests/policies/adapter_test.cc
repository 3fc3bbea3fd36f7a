// Low-rank adapters: what they add, what learns and what stays, and PEFT's files.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "policies/decoder.h"
#include "policies/weight_adapter.h"
#include "tests/policies/parity.h"
#include "tests/policies/tiny_model.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

// The adapters' numbers as after some training: B is not zero any more.
void Train(const ParameterSet& weights, std::uint64_t seed) {
  Rng draws(seed);
  float* values = weights.trained().mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < weights.trained().numel(); ++i) values[i] += static_cast<float>(draws.Normal() * 0.1);
}

ParameterSet Adapted(int which, const LoraConfig& lora = {.rank = 3, .alpha = 4}, const std::string& base = "base") {
  ParameterSet weights = tiny::Weights(tiny::Shape(which), 7);
  weights.Attach(lora, base, Rng(5));
  return weights;
}

// W + alpha / r B A in plain ATen for every adapted matrix, in a set of their own.
ParameterSet Merged(const ParameterSet& weights) {
  ModelConfig config = weights.config();
  config.lora.reset();
  ParameterSet merged(config);
  merged.biases().copy_(weights.biases());
  const auto from = weights.Named(), adapters = weights.NamedTrained(weights.trained());
  for (auto& [name, view] : merged.Named()) {
    view.copy_(from.at(name));
    const auto a = adapters.find(LoraA(name.substr(0, name.rfind('.'))));
    if (a == adapters.end() || !name.ends_with(".weight")) continue;
    const at::Tensor b = adapters.at(LoraB(name.substr(0, name.rfind('.'))));
    view.add_(b.to(at::kDouble).matmul(a->second.to(at::kDouble)).to(at::kFloat), weights.config().lora->Scale());
  }
  return merged;
}

const PackedTokens kTokens{{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5}, {{0, 4, -1}, {4, 8, 0}, {8, 11, 0}}, {}};

at::Tensor AdaptedLogits(const ParameterSet& weights) {
  const c10::NoGradGuard no_grad;
  const Transformer model(weights.config(), weights.Leaves(), weights.biases());
  return model.Logits(model.Forward(kTokens, {}).hidden);
}

TEST(Adapter, AtFirstTheLogitsAreThoseOfTheBaseBitForBit) {
  for (int which = 0; which <= tiny::kGrouped; ++which) {
    const ParameterSet weights = Adapted(which);
    EXPECT_TRUE(at::equal(AdaptedLogits(weights), AdaptedLogits(weights.Base()))) << which;
  }
}

TEST(Adapter, AIsUniformWithinTheBoundOfALinearLayerAndBIsZero) {
  const ParameterSet weights = Adapted(0);
  int matrices = 0;
  for (const auto& [name, view] : weights.NamedTrained(weights.trained())) {
    if (name.ends_with("lora_B.weight")) {
      EXPECT_EQ(view.abs().max().item<double>(), 0.0) << name;
      continue;
    }
    const double bound = 1.0 / std::sqrt(static_cast<double>(view.size(1)));
    EXPECT_LT(view.abs().max().item<double>(), bound) << name;
    EXPECT_GT(view.abs().max().item<double>(), 0.8 * bound) << name;
    EXPECT_EQ(view.size(0), 3);
    ++matrices;
  }
  EXPECT_EQ(matrices, 15);  // attention's 5 of 3 layers
  EXPECT_TRUE(at::equal(weights.trained(), Adapted(0).trained())) << "the same seed, the same A";
}

TEST(Adapter, TheForwardPassIsThatOfTheMergedWeights) {
  for (int which = 0; which <= tiny::kGrouped; ++which) {
    const ParameterSet weights = Adapted(which);
    Train(weights, 11);
    const at::Tensor got = AdaptedLogits(weights), want = AdaptedLogits(Merged(weights));
    EXPECT_GT((want - AdaptedLogits(weights.Base())).abs().max().item<double>(), 0.05) << "adapters that change nothing would hide mistakes";
    EXPECT_TRUE(parity::Near(got, want, 3e-4, 1e-4)) << which;
  }
}

TEST(Adapter, TheDecoderMultipliesByTheMergedWeights) {
  for (int which = 0; which <= tiny::kGrouped; ++which) {
    const ParameterSet weights = Adapted(which), merged = [&] { Train(weights, 11); return Merged(weights); }();
    const auto logits = [&](const ParameterSet& of) {
      const DecoderWeights packed(of);
      Decoder decoder(packed, 1, 8);
      decoder.Run({{0, 0, 3}, {0, 1, 1}, {0, 2, 4}, {0, 3, 1}}, {3});
      return std::vector<float>(decoder.Logits(0), decoder.Logits(0) + of.config().vocab_size);
    };
    EXPECT_TRUE(parity::Near(at::tensor(logits(weights)), at::tensor(logits(merged)), 1e-4, 1e-5)) << which;
  }
}

// d loss / d A and d loss / d B by autograd on the explicit sum W + s B A, from the gradient of that sum.
TEST(Adapter, GradientsAreThoseOfTheExplicitSum) {
  for (int which = 0; which <= tiny::kGrouped; ++which) {
    const ParameterSet weights = Adapted(which);
    Train(weights, 12);
    const auto pull = [&](const ParameterSet& of, const at::Tensor& gradient) {
      const Transformer model(of.config(), of.Leaves(gradient), of.biases());
      const TokenStats stats = model.Logprobs(model.Forward(kTokens, {.balance_alpha = 0.1}).hidden, {3, 5, 8, 9}, {2, 7, 1, 3}, 1.0);
      (stats.logprobs.sum() + 0.3 * stats.entropy.sum()).backward();
    };
    const at::Tensor got = at::zeros_like(weights.trained());
    pull(weights, got);
    const ParameterSet merged = Merged(weights);
    const at::Tensor whole = at::zeros_like(merged.flat());
    pull(merged, whole);
    const auto of_sum = merged.Named(whole), values = weights.NamedTrained(weights.trained()), grads = weights.NamedTrained(got);
    double largest = 0;
    for (const auto& [name, a] : values) {
      if (!name.ends_with("lora_A.weight")) continue;
      const std::string module = name.substr(17, name.size() - 17 - 14);
      const at::Tensor dw = of_sum.at(module + ".weight"), b = values.at(LoraB(module));
      const double scale = weights.config().lora->Scale();
      EXPECT_TRUE(parity::Near(grads.at(name), b.t().matmul(dw) * scale, 2e-4, 1e-3)) << which << " " << name;
      EXPECT_TRUE(parity::Near(grads.at(LoraB(module)), dw.matmul(a.t()) * scale, 2e-4, 1e-3)) << which << " " << module;
      largest = std::max(largest, dw.abs().max().item<double>());
    }
    EXPECT_GT(largest, 0.05);
  }
}

TEST(Adapter, TargetsAreFoundByTheEndOfTheirNames) {
  ModelConfig config = tiny::Variant(0);
  EXPECT_THAT(AdapterTargets(config), ElementsAre("kv_a_proj_with_mqa", "kv_b_proj", "o_proj", "q_a_proj", "q_b_proj"));
  EXPECT_THAT(AdapterTargets(tiny::Variant(2)), ElementsAre("down_proj", "gate_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj", "q_a_proj", "q_b_proj", "up_proj"));
  EXPECT_THAT(AdapterTargets(tiny::Shape(tiny::kGrouped)), ElementsAre("k_proj", "o_proj", "q_proj", "v_proj"));
  config = tiny::Shape(tiny::kGrouped);
  config.lora = LoraConfig{.targets = {"k_proj", "layers.1.self_attn.o_proj"}};
  std::vector<std::string> modules;
  for (const AdaptedLeaf& leaf : AdapterLayout(config)) {
    for (const auto& part : leaf.parts) modules.push_back(part.module);
  }
  EXPECT_THAT(modules, ElementsAre("model.layers.0.self_attn.k_proj", "model.layers.1.self_attn.k_proj", "model.layers.1.self_attn.o_proj", "model.layers.2.self_attn.k_proj"));
  config.lora = LoraConfig{.targets = {"k_proj", "proj"}};
  EXPECT_THAT([&] { AdapterLayout(config); }, testing::ThrowsMessage<ConfigError>(HasSubstr("'proj' names no projection of a qwen3_moe that can have an adapter; there are k_proj, o_proj")));
  config.lora = LoraConfig{.targets = {}};
  EXPECT_THAT([&] { AdapterLayout(config); }, testing::ThrowsMessage<ConfigError>(HasSubstr("the list is empty")));
}

TEST(Adapter, ItsSizeIsWhatIsTrained) {
  for (int which = 0; which <= tiny::kGrouped; ++which) {
    const ParameterSet weights = Adapted(which);
    EXPECT_EQ(AdapterSize(weights.config()), weights.trained().numel());
    EXPECT_EQ(weights.decayed(), weights.trained().numel());
    EXPECT_TRUE(weights.Base().trained().is_same(weights.flat()));
  }
}

class AdapterFolder : public testing::Test {
 protected:
  AdapterFolder()
      : dir_(testing::TempDir() + "/cogent_adapter_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + "_" + std::to_string(getpid())) {
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  ~AdapterFolder() override { fs::remove_all(dir_); }
  std::string Base() const { return dir_ + "/base"; }
  std::string Adapter() const { return dir_ + "/adapter"; }
  // A trained adapter with its base beside it.
  ParameterSet Saved(int which = 0) const {
    ParameterSet weights = Adapted(which, {.rank = 3, .alpha = 4}, Base());
    Train(weights, 13);
    weights.Base().Save(Base());
    weights.Save(Adapter());
    return weights;
  }
  nlohmann::ordered_json Settings() const { return nlohmann::ordered_json::parse(ReadFile(Adapter() + "/adapter_config.json")); }
  void Change(const std::function<void(nlohmann::ordered_json&)>& change) const {
    auto json = Settings();
    change(json);
    std::ofstream(Adapter() + "/adapter_config.json") << json.dump();
  }
  std::string Refusal() const {
    try {
      ParameterSet(LoadModelConfig(Adapter())).Load(Adapter(), Rng(0));
    } catch (const DataError& error) {
      return error.what();
    }
    return "no DataError";
  }
  const std::string dir_;
};

TEST_F(AdapterFolder, HasTheNamesThatPeftReads) {
  Saved();
  const auto json = Settings();
  EXPECT_EQ(json["peft_type"], "LORA");
  EXPECT_EQ(json["task_type"], "CAUSAL_LM");
  EXPECT_EQ(json["base_model_name_or_path"], Base());
  EXPECT_EQ(json["r"], 3);
  EXPECT_EQ(json["lora_alpha"], 4.0);
  EXPECT_THAT(json["target_modules"].get<std::vector<std::string>>(), ElementsAre("kv_a_proj_with_mqa", "kv_b_proj", "o_proj", "q_a_proj", "q_b_proj"));
  const SafetensorsFile file = SafetensorsFile::Open(Adapter() + "/adapter_model.safetensors");
  EXPECT_TRUE(file.Has("base_model.model.model.layers.0.self_attn.q_a_proj.lora_A.weight"));
  EXPECT_TRUE(file.Has("base_model.model.model.layers.2.self_attn.o_proj.lora_B.weight"));
  EXPECT_EQ(file.tensors().size(), 30u);
}

TEST_F(AdapterFolder, LoadsAsTheSumWhereverACheckpointIsRead) {
  for (const int which : {0, 1, tiny::kGrouped}) {
    const ParameterSet weights = Saved(which);
    ASSERT_TRUE(IsAdapter(Adapter()));
    ParameterSet sum(LoadModelConfig(Adapter()));
    EXPECT_TRUE(sum.Load(Adapter(), Rng(0)).empty());
    EXPECT_FALSE(sum.config().lora);
    const auto effective = weights.Effective();
    for (const auto& [name, view] : sum.Named()) EXPECT_TRUE(at::equal(view, effective(name))) << name << ": the same bits as in the run";
    EXPECT_TRUE(parity::Near(sum.flat(), Merged(weights).flat(), 1e-6, 1e-6));
  }
}

TEST_F(AdapterFolder, LoadsInItsPlaceWhereAdaptersAreAttached) {
  const ParameterSet weights = Saved();
  ParameterSet again = Adapted(0, {.rank = 3, .alpha = 4}, Base());
  again.flat().fill_(7.0);
  again.Load(Adapter(), Rng(0));
  EXPECT_TRUE(at::equal(again.flat(), weights.flat()));
  EXPECT_TRUE(at::equal(again.trained(), weights.trained()));
  ParameterSet wider = Adapted(0, {.rank = 4, .alpha = 4}, Base());
  EXPECT_THAT([&] { wider.Load(Adapter(), Rng(0)); }, testing::ThrowsMessage<DataError>(HasSubstr("policy.lora asks for rank 4")));
}

TEST_F(AdapterFolder, FindsItsBaseAfterBothHaveMoved) {
  Saved();
  fs::create_directories(dir_ + "/moved");
  fs::rename(Base(), dir_ + "/moved/base");
  EXPECT_THAT(Refusal(), HasSubstr("the base model '" + Base() + "' is neither there nor at"));
  fs::rename(Adapter(), dir_ + "/moved/adapter");
  EXPECT_EQ(AdapterBase(dir_ + "/moved/adapter"), (fs::canonical(dir_) / "moved/base").string());
}

TEST_F(AdapterFolder, WhatCannotBeAddedIsRefusedByName) {
  Saved();
  Change([](auto& json) { json["use_dora"] = true; });
  EXPECT_THAT(Refusal(), HasSubstr("'use_dora' is true, which is not supported"));
  Change([](auto& json) { json["use_dora"] = false, json["rank_pattern"] = {{"q_proj", 2}}; });
  EXPECT_THAT(Refusal(), HasSubstr("'rank_pattern' is {\"q_proj\":2}"));
  Change([](auto& json) { json["rank_pattern"] = nullptr, json["peft_type"] = "IA3"; });
  EXPECT_THAT(Refusal(), HasSubstr("peft_type is \"IA3\""));
  Change([](auto& json) { json["peft_type"] = "LORA", json["r"] = 5; });
  EXPECT_THAT(Refusal(), HasSubstr("must be [5, "));
  Change([](auto& json) { json["r"] = 0; });
  EXPECT_THAT(Refusal(), HasSubstr("'r' must be a number above 0"));
  Change([](auto& json) { json["r"] = 3, json["base_model_name_or_path"] = nullptr; });
  EXPECT_THAT(Refusal(), HasSubstr("must say where the base model lies"));
  Change([this](auto& json) { json["base_model_name_or_path"] = Adapter(); });
  EXPECT_THAT(Refusal(), HasSubstr("is an adapter itself"));
  std::ofstream(Adapter() + "/adapter_config.json") << "{";
  EXPECT_THAT(Refusal(), HasSubstr("this is no JSON"));
}

TEST_F(AdapterFolder, TensorsThatFitNoMatrixAreRefused) {
  Saved();
  const std::string path = Adapter() + "/adapter_model.safetensors";
  const auto with = [&](const std::function<void(std::map<std::string, TensorView>&)>& edit) {
    Saved();
    const SafetensorsFile file = SafetensorsFile::Open(path);
    auto tensors = file.tensors();
    edit(tensors);
    WriteSafetensors(path + ".new", tensors);
    fs::rename(path + ".new", path);
    return Refusal();
  };
  const std::string q = "model.layers.0.self_attn.q_a_proj";
  EXPECT_THAT(with([&](auto& tensors) { tensors.erase(LoraB(q)); }), HasSubstr("has no lora_B beside it"));
  EXPECT_THAT(with([&](auto& tensors) { tensors.erase(LoraA(q)); }), HasSubstr("is no part of a LoRA adapter"));
  EXPECT_THAT(with([&](auto& tensors) { tensors[LoraA("model.embed")] = tensors.at(LoraA(q)), tensors[LoraB("model.embed")] = tensors.at(LoraB(q)); }),
              HasSubstr("the base model has no matrix of that name"));
}

TEST_F(AdapterFolder, HalfPrecisionAndTheStabilizedScaleAreRead) {
  const ParameterSet weights = Saved();
  Change([](auto& json) { json["use_rslora"] = true; });
  EXPECT_DOUBLE_EQ(AdapterFiles::Open(Adapter()).scale(), 4.0 / std::sqrt(3.0));
  const auto named = weights.NamedTrained(weights.trained().to(at::kBFloat16));
  std::map<std::string, TensorView> views;
  for (const auto& [name, t] : named) views[name] = {DType::kBF16, t.sizes().vec(), {static_cast<const std::byte*>(t.const_data_ptr()), static_cast<std::size_t>(t.nbytes())}};
  WriteSafetensors(Adapter() + "/adapter_model.safetensors", views);
  const std::string name = LoraA("model.layers.0.self_attn.q_a_proj");
  const auto read = AdapterFiles::Open(Adapter()).Read(name, named.at(name).sizes().vec());
  EXPECT_TRUE(at::equal(at::tensor(read), named.at(name).to(at::kFloat).flatten()));
}

}  // namespace
}  // namespace cogent
