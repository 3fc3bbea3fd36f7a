// config.json: both rotary layouts, what follows from a configuration without allocating anything, and
// messages for every value that cannot be used.
#include "policies/model_config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "tests/policies/parity.h"
#include "tests/policies/tiny_model.h"

namespace cogent {
namespace {

std::string DataPath(const std::string& name) { return std::string(COGENT_SOURCE_DIR) + "/tests/data/" + name; }

// The keys of deepseek_v3 that must be there beside sizes.
const std::string kExperts = R"("n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1,
    "first_k_dense_replace": 1, "routed_scaling_factor": 1.0, "norm_topk_prob": true, )";

class ModelConfigParity : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Transformer, ModelConfigParity, ::testing::ValuesIn(parity::Models()), [](const auto& info) { return info.param; });

TEST_P(ModelConfigParity, EveryKeyIsReadAndWrittenBack) {
  const std::string dir = parity::Root() + "/" + GetParam();
  const ModelConfig c = LoadModelConfig(dir);
  const nlohmann::json want = parity::ReadJson(dir + "/config.json"), got = nlohmann::json::parse(ModelConfigJson(c));
  for (const char* key : {"vocab_size", "hidden_size", "intermediate_size", "moe_intermediate_size", "num_hidden_layers", "num_attention_heads",
                          "n_routed_experts", "n_shared_experts", "num_experts_per_tok", "n_group", "topk_group", "first_k_dense_replace",
                          "routed_scaling_factor", "norm_topk_prob", "q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim",
                          "v_head_dim", "attention_bias", "tie_word_embeddings", "num_nextn_predict_layers", "max_position_embeddings",
                          "rms_norm_eps", "bos_token_id", "eos_token_id"}) {
    EXPECT_TRUE(!want.contains(key) || got.at(key) == want[key]) << key;
  }
  const bool nested = want.contains("rope_parameters");
  const nlohmann::json scaling = want.value(nested ? "rope_parameters" : "rope_scaling", nlohmann::json());
  EXPECT_EQ(got.at("rope_theta"), (nested ? scaling : want).at("rope_theta"));
  for (const char* key : {"factor", "original_max_position_embeddings", "beta_fast", "beta_slow", "mscale", "mscale_all_dim"}) {
    if (!scaling.is_object() || !scaling.contains(key) || scaling[key].is_null()) continue;
    EXPECT_EQ(got.at("rope_scaling").at(key), scaling[key]) << key;
  }
  EXPECT_EQ(ModelConfigJson(ParseModelConfig(got.dump(), "again")), ModelConfigJson(c));
}

TEST(ModelConfig, BothRotaryLayoutsMeanTheSame) {
  const std::string head = R"({"model_type": "deepseek_v3", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
    "kv_lora_rank": 4, )" + kExperts;
  const std::string yarn = R"("factor": 40, "original_max_position_embeddings": 4096, "beta_fast": 16, "beta_slow": 2, "mscale": 1.0, "mscale_all_dim": 0.5)";
  const ModelConfig classic = ParseModelConfig(head + R"("rope_theta": 500.0, "rope_scaling": {"type": "yarn", )" + yarn + "}}", "classic");
  const ModelConfig nested = ParseModelConfig(head + R"("rope_parameters": {"rope_type": "yarn", "rope_theta": 500.0, )" + yarn + "}}", "nested");
  EXPECT_EQ(ModelConfigJson(classic), ModelConfigJson(nested));
  EXPECT_EQ(nested.rope.type, "yarn");
  EXPECT_EQ(nested.rope.theta, 500.0);
  EXPECT_EQ(nested.rope.beta_fast, 16.0);
  EXPECT_EQ(nested.rope.mscale_all_dim, 0.5);
}

TEST(ModelConfig, OfTwoRotarySectionsTheOlderOneHoldsAsAWhole) {
  nlohmann::json config = parity::ReadJson(parity::Root() + "/llama_gqa/config.json");
  config.erase("rope_theta");
  config["rope_parameters"] = {{"rope_type", "yarn"}, {"rope_theta", 500.0}, {"factor", 4.0}, {"original_max_position_embeddings", 32}};
  const auto rope = [&] { return ParseModelConfig(config.dump(), "both").rope; };
  config["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
  EXPECT_EQ(rope().type, "linear");
  EXPECT_EQ(rope().factor, 2.0);
  EXPECT_EQ(rope().theta, 10000.0) << "not that of the section which is passed over";
  config["rope_theta"] = 700.0;
  EXPECT_EQ(rope().theta, 700.0);
  config["rope_scaling"]["rope_theta"] = 900.0;
  EXPECT_EQ(rope().theta, 900.0);
  for (const auto& nothing : {nlohmann::json(), nlohmann::json::object()}) {
    config["rope_scaling"] = nothing;
    EXPECT_EQ(rope().type, "yarn") << nothing;
    EXPECT_EQ(rope().theta, 500.0) << nothing;
  }
}

TEST(ModelConfig, WritingAndReadingKeepsEveryVariant) {
  for (int which = 0; which < tiny::kVariants; ++which) {
    const ModelConfig c = tiny::Variant(which), again = ParseModelConfig(ModelConfigJson(c), "again");
    EXPECT_EQ(ModelConfigJson(again), ModelConfigJson(c)) << which;
    EXPECT_EQ(again.q_lora_rank, c.q_lora_rank);
    EXPECT_EQ(again.rope.type, c.rope.type);
    EXPECT_EQ(again.rope.factor, c.rope.factor);
    EXPECT_EQ(again.SoftmaxScale(), c.SoftmaxScale());
    EXPECT_EQ(again.initializer_range, c.initializer_range);
  }
  EXPECT_TRUE(nlohmann::json::parse(ModelConfigJson(tiny::Variant(1)))["q_lora_rank"].is_null()) << "direct queries";
}

TEST(ModelConfig, WritingKeepsTheSharpnessOfEveryRotaryScaling) {
  for (const char* type : {"linear", "llama3", "yarn"}) {
    ModelConfig c = tiny::Variant(0);
    c.rope.type = type, c.rope.factor = 4, c.rope.mscale = 0.9, c.rope.mscale_all_dim = 0.7;
    const ModelConfig again = ParseModelConfig(ModelConfigJson(c), "again");
    EXPECT_EQ(again.rope.mscale, 0.9) << type;
    EXPECT_EQ(again.SoftmaxScale(), c.SoftmaxScale()) << type;
  }
}

TEST(ModelConfig, OfDeepSeekV3HasThePublishedSizes) {
  const ModelConfig c = LoadModelConfig(DataPath("deepseek_v3_config.json"));
  const ParameterCount count = CountParameters(c);
  EXPECT_EQ(ShortNumber(count.total), "671B");
  EXPECT_EQ(ShortNumber(count.active), "37B");
  EXPECT_EQ(ShortNumber(count.prediction), "12B");
  EXPECT_EQ(count.total, 671026419200.0);
  int dense = 0;
  for (int i = 0; i < c.num_hidden_layers; ++i) dense += !c.IsMoe(i);
  EXPECT_EQ(c.num_hidden_layers, 61);
  EXPECT_EQ(dense, 3);
  EXPECT_EQ(c.CacheWidth(), 576);
  EXPECT_NEAR(c.SoftmaxScale(), 0.135234, 1e-6);
}

TEST(ModelConfig, OfDeepSeekV3IsDescribedInItsPublishedNumbers) {
  const std::string text = DescribeModel(DataPath("deepseek_v3_config.json"));
  for (const char* part : {"671B in all", "37B", "61, of which 3 dense", "256 routed in 8 groups, 1 shared; 8 chosen from 4 groups", "7168 hidden, 128 heads",
                           "163840 tokens, rope yarn", "576 numbers a token and layer (512 + 64); 70272 bytes a token", "71.1 times less"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(ModelConfig, OfDeepSeekV3HasYarnsRampBetweenPairs10And23) {
  const ModelConfig c = LoadModelConfig(DataPath("deepseek_v3_config.json"));
  const auto speed = c.rope.Frequencies(64);
  ASSERT_EQ(speed.size(), 32u);
  for (int i = 0; i < 32; ++i) {
    const double plain = std::pow(10000.0, -2.0 * i / 64), keeps = i <= 10 ? 1.0 : i >= 23 ? 0.0 : 1.0 - (i - 10) / 13.0;
    EXPECT_NEAR(speed[i] / plain, keeps + (1 - keeps) / 40, 1e-12) << "pair " << i;
  }
  EXPECT_EQ(c.rope.Amplitude(), 1.0) << "mscale and mscale_all_dim cancel";
}

TEST(RopeConfig, LinearScalingSlowsEveryPairAndYarnWithoutMscaleSharpens) {
  RopeConfig rope;
  const auto plain = rope.Frequencies(8);
  rope.type = "linear", rope.factor = 4;
  for (int i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(rope.Frequencies(8)[i], plain[i] / 4);
  EXPECT_EQ(rope.Amplitude(), 1.0);
  EXPECT_EQ(rope.ScaleCorrection(), 1.0);
  rope.type = "yarn";
  EXPECT_DOUBLE_EQ(rope.Amplitude(), 0.1 * std::log(4.0) + 1);
  rope.attention_factor = 1.5;
  EXPECT_EQ(rope.Amplitude(), 1.5);
}

double SumOf(const std::vector<at::Tensor>& tensors) {
  double sum = 0.0;
  for (const at::Tensor& t : tensors) sum += static_cast<double>(t.numel());
  return sum;
}

TEST(CountParameters, EqualsWhatIsAllocated) {
  std::vector<ModelConfig> configs{LoadModelConfig(DataPath("small_moe_config.json"))};
  for (int which = 0; which < tiny::kVariants; ++which) configs.push_back(tiny::Variant(which));
  for (const std::string& model : parity::Models()) configs.push_back(LoadModelConfig(parity::Root() + "/" + model));
  for (const ModelConfig& c : configs) {
    const ParameterSet weights(c);
    std::vector<at::Tensor> own, prediction;
    const std::string behind = "model.layers." + std::to_string(c.num_hidden_layers) + ".";
    for (const auto& [name, t] : weights.Named()) (name.starts_with(behind) ? prediction : own).push_back(t);
    const ParameterCount count = CountParameters(c);
    EXPECT_EQ(count.total, SumOf(own));
    EXPECT_EQ(count.prediction, SumOf(prediction));
    EXPECT_LE(count.active, count.total);
  }
  EXPECT_EQ(CountParameters(configs[0]).total, 1069528.0) << "counted by hand";
  EXPECT_EQ(CountParameters(configs[0]).active, 561752.0) << "counted by hand";
}

TEST(CountParameters, EqualsWhatTheFixturesHoldOnDisk) {
  for (const std::string& model : parity::Models()) {
    const std::string dir = parity::Root() + "/" + model;
    const ParameterCount count = CountParameters(LoadModelConfig(dir));
    double on_disk = 0.0;
    const SafetensorsDir files = SafetensorsDir::Open(dir);
    for (const auto& [name, t] : files.tensors()) {
      if (name.find(".embed_tokens.weight") != std::string::npos && name.starts_with("model.layers.")) continue;  // repeated by the
      if (name.ends_with("shared_head.head.weight")) continue;                                                    // prediction module
      double size = 1.0;
      for (const auto n : t.shape) size *= static_cast<double>(n);
      on_disk += size;
    }
    EXPECT_EQ(count.total + count.prediction, on_disk) << model;
  }
}

TEST(ShortNumber, ShowsThreeDigitsAtMost) {
  EXPECT_EQ(ShortNumber(671.03e9), "671B");
  EXPECT_EQ(ShortNumber(1069528), "1.07M");
  EXPECT_EQ(ShortNumber(14.6e6), "15M");
  EXPECT_EQ(ShortNumber(2500), "2.50K");
  EXPECT_EQ(ShortNumber(960), "960");
  EXPECT_EQ(ShortNumber(0), "0");
}

// ---- Mistakes

std::string MessageFor(const std::string& text) {
  try {
    ParseModelConfig(text, "dir/config.json");
  } catch (const DataError& error) {
    return error.what();
  }
  return "no DataError";
}
// The message for DeepSeek-V3's configuration with one value changed.
std::string MessageFor(const std::string& key, const nlohmann::json& value) {
  nlohmann::json config = parity::ReadJson(DataPath("deepseek_v3_config.json"));
  config[key] = value;
  return MessageFor(config.dump());
}

TEST(ModelConfig, ABadValueIsNamedWithFileKeyAndWhatWasFound) {
  const std::vector<std::tuple<std::string, nlohmann::json, std::string>> cases{
      {"hidden_size", "wide", "key 'hidden_size' must be an integer, found \"wide\""},
      {"hidden_size", 0, "key 'hidden_size' must be an integer of at least 1, found 0"},
      {"hidden_size", 1.5, "key 'hidden_size' must be an integer, found 1.5"},
      {"vocab_size", 5000000000, "key 'vocab_size' must be an integer"},
      {"rms_norm_eps", "small", "key 'rms_norm_eps' must be a number, found \"small\""},
      {"norm_topk_prob", 1, "key 'norm_topk_prob' must be true or false, found 1"},
      {"hidden_act", "gelu", "key 'hidden_act' must be \"silu\", found \"gelu\""},
      {"vocab_size", 640000000, "'vocab_size' must be from 0 to 16777216, but is 640000000"},
      {"num_hidden_layers", 2147483647, "'num_hidden_layers' must be from 1 to 10000"},
      {"n_routed_experts", 2147483647, "'n_routed_experts' must be from 0 to 65536"},
      {"rope_theta", 1e15, "'rope_theta' must be from 1"},
      {"is_causal", false, "key 'is_causal' must be true, found false"},
      {"scoring_func", "softmax", "key 'scoring_func' must be \"sigmoid\", found \"softmax\""},
      {"topk_method", "greedy", "key 'topk_method' must be \"noaux_tc\""},
      {"rope_interleave", false, "key 'rope_interleave' must be true"},
      {"moe_layer_freq", 2, "key 'moe_layer_freq' must be 1"},
      {"rope_scaling", "yarn", "key 'rope_scaling' must be an object or null"},
      {"rope_scaling", {{"type", "dynamic"}, {"factor", 2}}, "rope_scaling: key 'rope_type' must be default, linear, llama3 or yarn, found \"dynamic\""},
      {"rope_scaling", {{"type", "llama3"}}, "rope_scaling: key 'factor' is missing"},
      {"rope_scaling", {{"type", "yarn"}, {"factor", 4}}, "rope_scaling: key 'original_max_position_embeddings' is missing"},
      {"rope_scaling", {{"rope_type", "llama3"}, {"factor", 4}, {"original_max_position_embeddings", 64}, {"low_freq_factor", 4}, {"high_freq_factor", 4}},
       "rope_scaling: key 'high_freq_factor' must be more than low_freq_factor (4)"},
      {"rope_scaling", {{"type", "yarn"}, {"factor", "40"}}, "rope_scaling: key 'factor' must be a number"},
      {"qk_rope_head_dim", 63, "qk_rope_head_dim must be even, found 63"},
      {"num_experts_per_tok", 257, "num_experts_per_tok (257) must not be more than n_routed_experts (256)"},
      {"n_group", 7, "n_routed_experts (256) must be a multiple of n_group (7)"},
      {"topk_group", 9, "topk_group (9) must not be more than n_group (8)"},
      {"num_experts_per_tok", 129, "num_experts_per_tok (129) must fit into topk_group (4) groups of 32 experts"},
      {"num_nextn_predict_layers", 2, "num_nextn_predict_layers"},
      {"model_type", "gemma3", "model_type 'gemma3' is an architecture that cannot be read. Known: deepseek_v3, llama, qwen2, qwen3, qwen3_moe"},
      {"rope_theta", 0, "rope_theta"},
      {"rms_norm_eps", -1.0, "rms_norm_eps"},
      {"rope_scaling", {{"type", "yarn"}, {"factor", 0}}, "factor"},
      {"eos_token_id", {1, "two"}, "key 'eos_token_id' must be an id or a list of ids"},
  };
  for (const auto& [key, value, want] : cases) {
    const std::string message = MessageFor(key, value);
    EXPECT_TRUE(message.starts_with("dir/config.json")) << message;
    EXPECT_NE(message.find(want), std::string::npos) << key << " = " << value << ": " << message;
  }
}

TEST(ModelConfig, NamesThatTransformersGaveToPublishedKeysAreReadUnlessBothStandThereAndDiffer) {
  struct Case {
    std::string file, key, other;
  };
  const std::vector<Case> cases{{parity::Root() + "/qwen3_moe_norm/config.json", "num_experts", "num_local_experts"},
                                {DataPath("deepseek_v3_config.json"), "n_routed_experts", "num_local_experts"},
                                {DataPath("deepseek_v3_config.json"), "num_nextn_predict_layers", "num_mtp_layers"}};
  for (const auto& [file, key, other] : cases) {
    nlohmann::json config = parity::ReadJson(file);
    const std::string want = ModelConfigJson(ParseModelConfig(config.dump(), "published"));
    config[other] = config[key];
    EXPECT_EQ(ModelConfigJson(ParseModelConfig(config.dump(), "both")), want);
    config.erase(key);
    EXPECT_EQ(ModelConfigJson(ParseModelConfig(config.dump(), "renamed")), want);
    config[key] = 0, config[other] = 1;
    EXPECT_EQ(MessageFor(config.dump()), "dir/config.json: keys '" + key + "' (0) and '" + other + "' (1) mean the same and differ; remove the wrong one");
    config.erase(key), config[other] = "x";
    EXPECT_EQ(MessageFor(config.dump()), "dir/config.json: key '" + other + "' must be an integer, found \"x\"");
  }
}

TEST(ModelConfig, AProblemWithTheCountOfExpertsNamesTheKeyOfTheFile) {
  nlohmann::json config = parity::ReadJson(parity::Root() + "/qwen3_moe_norm/config.json");
  config["num_experts"] = 70000;
  EXPECT_EQ(MessageFor(config.dump()), "dir/config.json: 'num_experts' must be from 0 to 65536, but is 70000.");
  config.erase("num_experts"), config["num_local_experts"] = 1;
  EXPECT_EQ(MessageFor(config.dump()), "dir/config.json: num_experts_per_tok (2) must not be more than num_local_experts (1)");
}

TEST(ModelConfig, YarnThatHasNoMeaningIsRefusedAndABetaOfZeroIsOneThatIsLeftOut) {
  const nlohmann::json whole = parity::ReadJson(parity::Root() + "/qwen2_yarn/config.json");
  const auto with = [&](const char* key, const nlohmann::json& value) {
    nlohmann::json config = whole;
    config["rope_scaling"][key] = value;
    return config.dump();
  };
  const std::string want = ModelConfigJson(ParseModelConfig(whole.dump(), "left out"));
  for (const char* key : {"beta_fast", "beta_slow"}) {
    EXPECT_EQ(ModelConfigJson(ParseModelConfig(with(key, 0.0), key)), want);
    EXPECT_EQ(MessageFor(with(key, -1.0)), "dir/config.json: rope_scaling: key '" + std::string(key) + "' must be a number of at least 0, found -1.0");
  }
  EXPECT_EQ(ModelConfigJson(ParseModelConfig(with("attention_factor", nullptr), "null")), want);
  for (const char* value : {"0.0", "-0.5"}) {
    EXPECT_EQ(MessageFor(with("attention_factor", nlohmann::json::parse(value))),
              std::string("dir/config.json: rope_scaling: key 'attention_factor' must be more than 0, or null, found ") + value);
  }
  EXPECT_EQ(MessageFor(with("rope_theta", 1.0)), "dir/config.json: rope_scaling: key 'rope_theta' must be more than 1 for yarn, found 1.0");
  nlohmann::json config = whole;
  config["rope_theta"] = 1;
  EXPECT_EQ(MessageFor(config.dump()), "dir/config.json: key 'rope_theta' must be more than 1 for yarn, found 1.0");
}

TEST(ModelConfig, AMissingKeyABrokenFileAndAMissingFileAreNamed) {
  for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "kv_lora_rank", "n_routed_experts", "n_shared_experts",
                          "num_experts_per_tok", "n_group", "topk_group", "first_k_dense_replace", "routed_scaling_factor", "norm_topk_prob"}) {
    EXPECT_EQ(MessageFor(key, nullptr), std::string("dir/config.json: key '") + key + "' is missing");
  }
  for (const char* key : {"num_experts", "num_experts_per_tok", "norm_topk_prob"}) {
    nlohmann::json config = parity::ReadJson(parity::Root() + "/qwen3_moe_norm/config.json");
    config.erase(key);
    EXPECT_EQ(MessageFor(config.dump()), std::string("dir/config.json: key '") + key + "' is missing");
  }
  EXPECT_EQ(MessageFor("[1, 2]"), "dir/config.json: must be a JSON object");
  EXPECT_TRUE(MessageFor("{\"model_type\": ").starts_with("dir/config.json: not valid JSON:"));
  try {
    LoadModelConfig("/no/such/dir/config.json");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("/no/such/dir/config.json: cannot be opened"), std::string::npos) << error.what();
  }
}

TEST(ModelConfig, WhatIsNoFileIsRefusedAndNotWaitedFor) {
  namespace fs = std::filesystem;
  const fs::path dir = fs::path(testing::TempDir()) / ("cogent_no_file_" + std::to_string(::getpid()));
  const auto refusal = [&] {
    try {
      LoadModelConfig(dir.string());
    } catch (const DataError& error) {
      return std::string(error.what());
    }
    return std::string("no DataError");
  };
  for (const char* name : {"config.json", "generation_config.json"}) {
    fs::remove_all(dir);
    fs::create_directories(dir);
    fs::copy(DataPath("small_moe_config.json"), dir / "config.json");
    fs::remove(dir / name);
    const std::string want = (dir / name).string() + ": is no regular file";
    ASSERT_EQ(::mkfifo((dir / name).c_str(), 0600), 0);
    EXPECT_EQ(refusal(), want);
    fs::remove(dir / name);
    fs::create_directory(dir / name);
    EXPECT_EQ(refusal(), want);
  }
  fs::remove_all(dir);
}

TEST(ModelConfig, OptionalKeysTakeTheirDefaultsAndUnknownOnesAreIgnored) {
  const ModelConfig c = ParseModelConfig("{" + kExperts + R"("model_type": "deepseek_v3", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 2,
    "num_attention_heads": 2, "kv_lora_rank": 4, "q_lora_rank": null, "made_up": {"a": [1]}, "eos_token_id": [7, 8]})", "x");
  EXPECT_EQ(c.q_lora_rank, 0) << "null = direct queries";
  EXPECT_EQ(c.eos_token_id, 7) << "the first of several";
  EXPECT_EQ(c.more_eos_token_ids, (std::vector<int>{8}));
  EXPECT_EQ(c.rms_norm_eps, 1e-6);
  EXPECT_EQ(c.rope.type, "default");
}

TEST(ModelConfig, ABeginningOfSequenceThatIsNotNamedIsNotMadeUp) {
  nlohmann::json config = parity::ReadJson(DataPath("deepseek_v3_config.json"));
  const auto written = [&] {
    const ModelConfig c = ParseModelConfig(config.dump(), "x");
    EXPECT_EQ(nlohmann::json::parse(GenerationConfigJson(c))["bos_token_id"], nlohmann::json::parse(ModelConfigJson(c))["bos_token_id"]);
    return nlohmann::json::parse(ModelConfigJson(c))["bos_token_id"];
  };
  EXPECT_EQ(written(), 0);
  config["bos_token_id"] = nullptr;
  EXPECT_TRUE(written().is_null());
  config.erase("bos_token_id");
  EXPECT_TRUE(written().is_null());
}

TEST(ModelConfig, ANullIsFalseWhereTransformersTakesItSo) {
  EXPECT_NE(MessageFor("rope_interleave", nullptr).find("key 'rope_interleave' must be true, found null"), std::string::npos);
  nlohmann::json config = parity::ReadJson(parity::Root() + "/qwen2_yarn/config.json");
  config["use_sliding_window"] = nullptr;
  EXPECT_TRUE(ParseModelConfig(config.dump(), "left out").rope.truncate);
  config["rope_scaling"]["truncate"] = nullptr;
  EXPECT_FALSE(ParseModelConfig(config.dump(), "null").rope.truncate);
}

TEST(ModelConfig, EveryEndOfTheCheckpointIsKnownAndKept) {
  namespace fs = std::filesystem;
  const fs::path dir = fs::path(testing::TempDir()) / "cogent_ends";
  fs::create_directories(dir);
  const auto ends = [&](const std::string& in_config, const std::string& generation) {
    std::ofstream(dir / "config.json") << "{" << kExperts << R"("model_type": "deepseek_v3", "vocab_size": 90, "hidden_size": 8, "num_hidden_layers": 2,
      "num_attention_heads": 2, "kv_lora_rank": 4)" << in_config << "}";
    fs::remove(dir / "generation_config.json");
    if (!generation.empty()) std::ofstream(dir / "generation_config.json") << generation;
    const ModelConfig c = LoadModelConfig(dir.string()), again = ParseModelConfig(ModelConfigJson(c), "again");
    EXPECT_EQ(again.eos_token_id, c.eos_token_id);
    EXPECT_EQ(again.more_eos_token_ids, c.more_eos_token_ids);
    EXPECT_EQ(nlohmann::json::parse(GenerationConfigJson(c))["eos_token_id"], nlohmann::json::parse(ModelConfigJson(c))["eos_token_id"]);
    std::vector<int> all{c.eos_token_id};
    all.insert(all.end(), c.more_eos_token_ids.begin(), c.more_eos_token_ids.end());
    return all;
  };
  using Ends = std::vector<int>;
  EXPECT_EQ(ends("", ""), Ends{-1}) << "none is named, and none is made up";
  EXPECT_EQ(ends(R"(, "eos_token_id": 7)", ""), Ends{7});
  EXPECT_EQ(ends(R"(, "eos_token_id": 7)", R"({"eos_token_id": 7})"), Ends{7});
  EXPECT_EQ(ends(R"(, "eos_token_id": 7)", R"({"eos_token_id": [9, 7, 8]})"), (Ends{7, 9, 8}));
  EXPECT_EQ(ends(R"(, "eos_token_id": [7, 8])", R"({"eos_token_id": 8})"), (Ends{7, 8}));
  EXPECT_EQ(ends(R"(, "eos_token_id": null)", R"({"eos_token_id": [5, 6]})"), (Ends{5, 6}));
  EXPECT_EQ(ends("", R"({"temperature": 0.6})"), Ends{-1});
  for (const auto& [text, said] : {std::pair{"[1]", "must be a JSON object"}, {R"({"eos_token_id": "x"})", "key 'eos_token_id' must be an integer"}}) {
    try {
      ends("", text);
      ADD_FAILURE() << text;
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find("generation_config.json: " + std::string(said)), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace cogent
