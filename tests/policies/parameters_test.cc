// Weights in memory and on disk: views, initial values, round trips, and every way a checkpoint can be wrong.
#include "policies/parameters.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <set>

#include "tests/policies/parity.h"
#include "tests/policies/tiny_model.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;

// A directory of this test alone, removed with it.
class Checkpoint : public ::testing::Test {
 protected:
  Checkpoint() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    dir_ = (fs::temp_directory_path() / ("cogent_parameters_" + std::string(info->name()) + "_" + std::to_string(::getpid()))).string();
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  ~Checkpoint() override { fs::remove_all(dir_); }

  using Edit = std::function<void(std::map<std::string, TensorView>&)>;
  // Saves fresh weights, changed by `edit` on their way to the disk.
  void SaveEdited(const ModelConfig& config, const Edit& edit) {
    const ParameterSet weights = tiny::Weights(config, 1);
    weights.Save(dir_);
    std::map<std::string, TensorView> views;
    const auto named = weights.Named();
    for (const auto& [name, t] : named) views[name] = View(t);
    edit(views);
    WriteSafetensors(dir_ + "/model.safetensors", views);
  }
  static TensorView View(const at::Tensor& t) {
    const DType type = t.scalar_type() == at::kBFloat16 ? DType::kBF16 : t.scalar_type() == at::kHalf ? DType::kF16
                       : t.scalar_type() == at::kDouble ? DType::kF64 : t.scalar_type() == at::kLong ? DType::kI64 : DType::kF32;
    return {type, t.sizes().vec(), {static_cast<const std::byte*>(t.const_data_ptr()), static_cast<std::size_t>(t.nbytes())}};
  }
  // The message of the DataError that loading gives.
  std::string Refusal(const ModelConfig& config) {
    ParameterSet weights(config);
    try {
      weights.Load(dir_, Rng(0));
    } catch (const DataError& error) {
      return error.what();
    }
    return "no DataError";
  }
  std::string dir_;
};

bool Holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void ExpectEqual(const ParameterSet& a, const ParameterSet& b) {
  EXPECT_TRUE(at::equal(a.flat(), b.flat()));
  EXPECT_TRUE(at::equal(a.biases(), b.biases()));
}

TEST_F(Checkpoint, SavedAndLoadedWeightsAreBitEqual) {
  for (int which = 0; which < tiny::kVariants; ++which) {
    SCOPED_TRACE("variant " + std::to_string(which));
    ModelConfig config = tiny::Variant(which);
    config.num_nextn_predict_layers = which == 0 ? 1 : 0;
    const ParameterSet saved = tiny::Weights(config, 5);
    saved.Save(dir_);
    ParameterSet loaded(LoadModelConfig(dir_));
    EXPECT_TRUE(loaded.Load(dir_, Rng(9)).empty());
    ExpectEqual(loaded, saved);
    EXPECT_TRUE(fs::exists(dir_ + "/generation_config.json"));
  }
}

TEST_F(Checkpoint, SavingTwiceGivesTheSameFile) {
  const auto bytes = [&] {
    std::ifstream in(dir_ + "/model.safetensors", std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const ParameterSet weights = tiny::Weights(tiny::Variant(0), 6);
  weights.Save(dir_);
  const std::string first = bytes();
  weights.Save(dir_);
  EXPECT_EQ(bytes(), first);
  EXPECT_GT(first.size(), static_cast<std::size_t>(weights.size()) * 4);
}

TEST_F(Checkpoint, MissingMisshapenAndUnexpectedTensorsAreNamedInOneMessage) {
  const ModelConfig config = tiny::Variant(0);
  SaveEdited(config, [](auto& views) {
    views["model.layers.1.mlp.experts.2.gate_proj.weight"].shape = {32, 20};  // as many numbers, another shape
    views["model.layers.9.stray.weight"] = views["model.norm.weight"];
    views["extra.weight"] = views["model.norm.weight"];
    views["model.layers.3.self_attn.stray.weight"] = views["model.norm.weight"];  // where a prediction module would be
    views.erase("model.layers.2.self_attn.o_proj.weight");
  });
  const std::string message = Refusal(config);
  EXPECT_TRUE(Holds(message, dir_)) << message;
  EXPECT_TRUE(Holds(message, "(5 problems)")) << message;
  EXPECT_TRUE(Holds(message, "missing: model.layers.2.self_attn.o_proj.weight [32, 10]")) << message;
  EXPECT_TRUE(Holds(message, "misshapen: model.layers.1.mlp.experts.2.gate_proj.weight is [32, 20], must be [20, 32]")) << message;
  for (const char* name : {"extra.weight", "model.layers.9.stray.weight", "model.layers.3.self_attn.stray.weight"}) {
    EXPECT_TRUE(Holds(message, std::string("unexpected: ") + name)) << message;
  }
}

TEST_F(Checkpoint, LayersThatConfigJsonDoesNotCountAreUnexpected) {
  for (const char* type : {"deepseek_v3", "llama"}) {
    ModelConfig config = tiny::Variant(0);
    config.model_type = type;
    tiny::Weights(config, 1).Save(dir_);
    config.num_hidden_layers = 2;
    EXPECT_TRUE(Holds(Refusal(config), "unexpected: model.layers.2.input_layernorm.weight")) << Refusal(config);
  }
}

TEST_F(Checkpoint, AMissingCorrectionBiasIsNamedToo) {
  const ModelConfig config = tiny::Variant(0);
  SaveEdited(config, [](auto& views) { views.erase("model.layers.1.mlp.gate.e_score_correction_bias"); });
  EXPECT_TRUE(Holds(Refusal(config), "missing: model.layers.1.mlp.gate.e_score_correction_bias [6]"));
}

TEST_F(Checkpoint, ManyProblemsAreCountedAndTheFirstShown) {
  const ModelConfig config = tiny::Variant(0);
  SaveEdited(config, [](auto& views) {
    const TensorView keep = views.at("lm_head.weight");
    views = {{"lm_head.weight", keep}};
  });
  const std::string message = Refusal(config);
  EXPECT_TRUE(Holds(message, "\n  and ")) << message;
  EXPECT_LT(std::count(message.begin(), message.end(), '\n'), 15);
}

TEST_F(Checkpoint, TensorsThatAreNeverUsedMayBeThere) {
  ModelConfig config = tiny::Variant(1);  // tied head
  SaveEdited(config, [](auto& views) {
    views["lm_head.weight"] = views["model.embed_tokens.weight"];
    views["model.layers.0.self_attn.rotary_emb.inv_freq"] = views["model.norm.weight"];
    views["model.layers.3.eh_proj.weight"] = views["model.norm.weight"];  // a prediction module behind the last layer
  });
  ParameterSet weights(config);
  EXPECT_TRUE(weights.Load(dir_, Rng(0)).empty());
  ExpectEqual(weights, tiny::Weights(config, 1));
}

TEST_F(Checkpoint, AHeadThatDiffersFromTheEmbeddingItIsTiedToIsRefused) {
  const ModelConfig config = tiny::Variant(1);  // tied head
  at::Tensor head = tiny::Weights(config, 1).Named().at("model.embed_tokens.weight").clone();
  SaveEdited(config, [&](auto& views) { views["lm_head.weight"] = View(head); });
  EXPECT_EQ(Refusal(config), "no DataError");
  head.view({-1}).mutable_data_ptr<float>()[17] += 1e-6f;
  SaveEdited(config, [&](auto& views) { views["lm_head.weight"] = View(head); });
  EXPECT_TRUE(Holds(Refusal(config), "not tied: lm_head.weight differs from model.embed_tokens.weight")) << Refusal(config);
  EXPECT_TRUE(Holds(Refusal(config), "\"tie_word_embeddings\": false")) << Refusal(config);
  const at::Tensor other = at::zeros({3, 4});
  SaveEdited(config, [&](auto& views) { views["lm_head.weight"] = View(other); });
  EXPECT_TRUE(Holds(Refusal(config), "not tied: lm_head.weight")) << "of another shape";
  EXPECT_EQ(Refusal(ValueModel(config)), "no DataError") << "a critic has no use for a head";
}

TEST_F(Checkpoint, TensorsThatHoldNanOrInfinityAreNamed) {
  const ModelConfig config = tiny::Variant(0);
  const float bad[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
  const char* const names[] = {"model.layers.1.mlp.experts.2.up_proj.weight", "model.norm.weight", "model.layers.1.mlp.gate.e_score_correction_bias"};
  for (int i = 0; i < 3; ++i) {
    const at::Tensor changed = tiny::Weights(config, 1).Named().at(names[i]).clone();
    changed.view({-1}).mutable_data_ptr<float>()[changed.numel() - 1] = bad[i];
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
      const at::Tensor stored = changed.to(type);
      SaveEdited(config, [&](auto& views) { views[names[i]] = View(stored); });
      const std::string message = Refusal(config);
      EXPECT_TRUE(Holds(message, std::string("not finite: ") + names[i] + " ")) << message;
      EXPECT_TRUE(Holds(message, "(1 problems)")) << message;
    }
  }
}

TEST_F(Checkpoint, SavedWeightsKeepEveryEndOfSequence) {
  ModelConfig config = tiny::Variant(0);
  config.eos_token_id = 4, config.more_eos_token_ids = {9, 2};
  tiny::Weights(config, 1).Save(dir_);
  for (const char* file : {"/config.json", "/generation_config.json"}) {
    EXPECT_EQ(parity::ReadJson(dir_ + file)["eos_token_id"], (std::vector<int>{4, 9, 2})) << file;
  }
  const ModelConfig again = LoadModelConfig(dir_);
  EXPECT_EQ(again.eos_token_id, 4);
  EXPECT_EQ(again.more_eos_token_ids, (std::vector<int>{9, 2}));
}

TEST_F(Checkpoint, AFileCutShortIsNamed) {
  const ModelConfig config = tiny::Variant(0);
  tiny::Weights(config, 1).Save(dir_);
  const std::string file = dir_ + "/model.safetensors";
  const auto whole = fs::file_size(file);
  for (const auto size : {whole - 1, whole / 2, std::uintmax_t{100}, std::uintmax_t{3}, std::uintmax_t{0}}) {
    fs::resize_file(file, size);
    EXPECT_TRUE(Holds(Refusal(config), "model.safetensors")) << size << " bytes: " << Refusal(config);
  }
  fs::remove(file);
  EXPECT_TRUE(Holds(Refusal(config), dir_)) << Refusal(config);
}

TEST_F(Checkpoint, AMissingShardIsNamed) {
  for (const auto& entry : fs::directory_iterator(parity::Root() + "/deepseek_v3_mtp")) fs::copy(entry, dir_);
  const ModelConfig config = LoadModelConfig(dir_);
  ParameterSet weights(config);
  EXPECT_NO_THROW(weights.Load(dir_, Rng(0)));
  fs::remove(dir_ + "/model-00002-of-00002.safetensors");
  EXPECT_TRUE(Holds(Refusal(config), "model-00002-of-00002.safetensors")) << Refusal(config);
}

TEST_F(Checkpoint, AnotherArchitectureIsNamed) {
  tiny::Weights(tiny::Variant(0), 1).Save(dir_);
  std::ofstream(dir_ + "/config.json") << R"({"model_type": "gemma3", "vocab_size": 10})";
  try {
    LoadModelConfig(dir_);
    FAIL() << "a gemma was taken for something else";
  } catch (const DataError& error) {
    EXPECT_TRUE(Holds(error.what(), dir_ + "/config.json")) << error.what();
    EXPECT_TRUE(Holds(error.what(), "'gemma3'")) << error.what();
    EXPECT_TRUE(Holds(error.what(), "deepseek_v3")) << error.what();
  }
}

TEST_F(Checkpoint, WeightsOfEveryFloatTypeAreRead) {
  const ModelConfig config = tiny::Variant(0);
  const ParameterSet plain = tiny::Weights(config, 1);
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf, at::kDouble}) {
    std::vector<at::Tensor> alive;
    SaveEdited(config, [&](auto& views) {
      for (const auto& [name, t] : plain.Named()) {
        alive.push_back(t.to(type).contiguous());
        views[name] = View(alive.back());
      }
    });
    ParameterSet loaded(config);
    loaded.Load(dir_, Rng(0));
    EXPECT_TRUE(at::equal(loaded.flat(), plain.flat().to(type).to(at::kFloat)));
    EXPECT_TRUE(at::equal(loaded.biases(), plain.biases().to(type).to(at::kFloat)));
  }
}

TEST_F(Checkpoint, WeightsThatAreNoNumbersWithAPointAreRefused) {
  const ModelConfig config = tiny::Variant(0);
  const at::Tensor whole = at::zeros({config.hidden_size}, at::kLong);
  SaveEdited(config, [&](auto& views) { views["model.norm.weight"] = View(whole); });
  const std::string message = Refusal(config);
  EXPECT_TRUE(Holds(message, "model.norm.weight")) << message;
  EXPECT_TRUE(Holds(message, "I64")) << message;
}

TEST_F(Checkpoint, AMissingPredictionModuleStartsFreshAndIsSaid) {
  ModelConfig config = tiny::Variant(0);
  tiny::Weights(config, 1).Save(dir_);
  config.num_nextn_predict_layers = 1;
  ParameterSet loaded(config), fresh(config);
  const auto notes = loaded.Load(dir_, Rng(3));
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_TRUE(Holds(notes[0], "no prediction module")) << notes[0];
  fresh.Initialize(Rng(3));
  const auto got = loaded.Named(), want = fresh.Named();
  for (const std::string name : {"model.layers.3.eh_proj.weight", "model.layers.3.mlp.experts.0.up_proj.weight", "model.layers.3.hnorm.weight"}) {
    EXPECT_TRUE(at::equal(got.at(name), want.at(name))) << name;
  }
  EXPECT_FALSE(at::equal(got.at("lm_head.weight"), want.at("lm_head.weight"))) << "what the checkpoint has is taken from it";
}

TEST_F(Checkpoint, APartOfAPredictionModuleIsADamageAndNotMissing) {
  ModelConfig config = tiny::Variant(0);
  config.num_nextn_predict_layers = 1;
  SaveEdited(config, [](auto& views) { views.erase("model.layers.3.eh_proj.weight"); });
  EXPECT_TRUE(Holds(Refusal(config), "missing: model.layers.3.eh_proj.weight")) << Refusal(config);
}

// ---- In memory

TEST(ParameterSet, NamedTensorsAndLeavesAreViewsOfOneMemory) {
  for (int which = 0; which < tiny::kVariants; ++which) {
    const ModelConfig config = tiny::Variant(which);
    const ParameterSet weights(config);
    const float* begin = weights.flat().const_data_ptr<float>();
    std::int64_t named_size = 0, leaf_size = 0;
    std::set<const float*> starts;
    for (const auto& [name, view] : weights.Named()) {
      if (name.ends_with("correction_bias")) continue;
      ASSERT_TRUE(view.is_contiguous());
      const float* at = view.const_data_ptr<float>();
      EXPECT_TRUE(at >= begin && at + view.numel() <= begin + weights.size()) << name;
      EXPECT_TRUE(starts.insert(at).second) << name << " stands where another tensor does";
      named_size += view.numel();
    }
    for (const at::Tensor& leaf : weights.Leaves()) leaf_size += leaf.numel();
    EXPECT_EQ(named_size, weights.size());
    EXPECT_EQ(leaf_size, weights.size());
    weights.Named().at("model.norm.weight").fill_(42.0);
    EXPECT_EQ((weights.flat() == 42.0).sum().item<std::int64_t>(), config.hidden_size);
  }
}

TEST(ParameterSet, ProjectionsOfOneInputAreRowsOfOneLeaf) {
  const ModelConfig config = tiny::Variant(0);
  const ParameterSet weights = tiny::Weights(config, 2);
  const auto layout = ParameterLayout(config);
  const auto leaves = weights.Leaves();
  const auto named = weights.Named();
  ASSERT_EQ(layout.size(), leaves.size());
  for (std::size_t i = 0; i < layout.size(); ++i) {
    std::vector<at::Tensor> parts;
    for (const Leaf::Part& part : layout[i].parts) parts.push_back(named.at(part.name).flatten());
    EXPECT_TRUE(at::equal(at::cat(parts), leaves[i].flatten())) << layout[i].name;
  }
  const auto down = std::find_if(layout.begin(), layout.end(), [](const Leaf& l) { return l.parts.size() == 2; });
  ASSERT_NE(down, layout.end());
  EXPECT_EQ(down->shape[0], down->parts[0].shape[0] + down->parts[1].shape[0]);
}

TEST(ParameterSet, OneThatNoMemoryHoldsIsRefusedBeforeItIsMade) {
  ModelConfig config = tiny::Config(1 << 24);
  config.hidden_size = 1 << 24;
  try {
    ParameterSet weights(config);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_TRUE(Holds(error.what(), "hidden_size 16777216 and vocab_size 16777216 takes ")) << error.what();
    EXPECT_TRUE(Holds(error.what(), " GiB of memory")) << error.what();
  }
}

TEST(ParameterSet, MatricesComeFirst) {
  const ParameterSet weights(tiny::Variant(0));
  std::int64_t matrices = 0;
  for (const auto& [name, view] : weights.Named()) {
    if (name.ends_with("correction_bias")) continue;
    const bool first = view.const_data_ptr<float>() < weights.flat().const_data_ptr<float>() + weights.matrix_size();
    EXPECT_EQ(first, view.dim() >= 2) << name;
    if (view.dim() >= 2) matrices += view.numel();
  }
  EXPECT_EQ(matrices, weights.matrix_size());
}

TEST(ParameterSet, AutogradAddsIntoTheGradientThatIsGiven) {
  const ParameterSet weights = tiny::Weights(tiny::Variant(0), 3);
  at::Tensor grad = at::zeros({weights.size()});
  for (int pass = 1; pass <= 2; ++pass) {
    at::Tensor loss;
    for (const at::Tensor& leaf : weights.Leaves(grad)) loss = loss.defined() ? loss + leaf.sum() : leaf.sum();
    loss.backward();
    EXPECT_TRUE(at::equal(grad, at::full({weights.size()}, static_cast<double>(pass)))) << "after pass " << pass;
  }
}

TEST(ParameterSet, CorrectionBiasesBelongToTheWeightsAloneAndNotToAGradient) {
  const ParameterSet weights(tiny::Variant(0));
  const std::string bias = "model.layers.1.mlp.gate.e_score_correction_bias";
  ASSERT_TRUE(weights.Named().count(bias));
  weights.Named().at(bias).fill_(3.0);
  EXPECT_EQ(weights.biases().sum().item<float>(), 18.0f);
  EXPECT_FALSE(weights.Named(at::zeros({weights.size()})).count(bias));
}

TEST(ParameterSet, FreshWeightsHaveTheirSpreadAndNormsAreOne) {
  ModelConfig config = tiny::Config(500);
  config.initializer_range = 0.07;
  config.attention_bias = true;
  ParameterSet weights(config);
  weights.Initialize(Rng(4));
  const at::Tensor matrices = weights.flat().narrow(0, 0, weights.matrix_size());
  EXPECT_NEAR(matrices.mean().item<double>(), 0.0, 0.07 * 5 / std::sqrt(static_cast<double>(weights.matrix_size())));
  EXPECT_NEAR(matrices.std().item<double>(), 0.07, 0.001);
  for (const auto& [name, view] : weights.Named()) {
    if (view.dim() > 1) continue;
    EXPECT_TRUE(at::equal(view, at::full(view.sizes(), name.ends_with("norm.weight") ? 1.0 : 0.0))) << name;
  }
}

TEST(ParameterSet, AFreshWeightDependsOnItsNameAndTheSeedAlone) {
  const auto fresh = [](const ModelConfig& config, std::uint64_t seed) {
    ParameterSet weights(config);
    weights.Initialize(Rng(seed));
    return weights;
  };
  const ModelConfig config = tiny::Variant(0);
  ExpectEqual(fresh(config, 1), fresh(config, 1));
  EXPECT_FALSE(at::equal(fresh(config, 1).flat(), fresh(config, 2).flat()));
  // A deeper model with more experts keeps the weights that it shares with the smaller one.
  ModelConfig larger = config;
  larger.num_hidden_layers = 5, larger.n_routed_experts = 9, larger.num_nextn_predict_layers = 1;
  const ParameterSet small = fresh(config, 1), large = fresh(larger, 1);
  const auto in_large = large.Named();
  int compared = 0;
  std::map<double, std::string> seen;
  for (const auto& [name, view] : small.Named()) {
    if (view.dim() < 2) continue;
    EXPECT_TRUE(name.ends_with("mlp.gate.weight") || at::equal(view, in_large.at(name))) << name;  // a router has a row an expert
    EXPECT_TRUE(seen.emplace(view.flatten()[0].item<double>(), name).second) << name << " starts like another tensor";
    ++compared;
  }
  EXPECT_GT(compared, 40);
}

}  // namespace
}  // namespace cogent
