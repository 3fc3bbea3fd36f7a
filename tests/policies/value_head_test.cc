// The value head: the numbers of transformers' sequence classification (tests/oracles/value_head.py), and checkpoints.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/policies/parity.h"
#include "tests/policies/tiny_model.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ValueHead : public testing::Test {
 protected:
  ValueHead()
      : dir_(testing::TempDir() + "/cogent_value_head_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + "_" +
             std::to_string(getpid())) {}
  ~ValueHead() override { fs::remove_all(dir_); }
  std::string dir_;
};

at::Tensor Values(const ParameterSet& weights, const PackedTokens& tokens, const std::vector<std::int64_t>& rows) {
  const Transformer model(weights.config(), weights.Leaves(), weights.biases());
  return model.Values(model.Forward(tokens, {}).hidden, rows);
}

TEST_F(ValueHead, SaysWhatTransformersSaysOfEveryPlace) {
  const std::string dir = std::string(COGENT_SOURCE_DIR) + "/tests/data/value_head";
  const ModelConfig config = LoadModelConfig(dir);
  ASSERT_TRUE(config.value_head);
  ParameterSet weights(config);
  EXPECT_TRUE(weights.Load(dir, Rng(0)).empty());
  const c10::NoGradGuard no_grad;
  int places = 0;
  for (const auto& sequence : parity::ReadJson(dir + "/expected.json")) {
    const std::vector<std::int64_t> ids = sequence["ids"];
    std::vector<std::int64_t> rows(ids.size());
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int64_t>(i);
    const at::Tensor values = Values(weights, {ids, {{0, static_cast<int>(ids.size()), -1}}, {}}, rows);
    for (std::size_t i = 0; i < ids.size(); ++i, ++places) {
      EXPECT_NEAR(values[static_cast<std::int64_t>(i)].item<double>(), sequence["values"][i].get<double>(), 2e-5) << i;
    }
  }
  EXPECT_EQ(places, 16);
}

TEST_F(ValueHead, APlaceHasTheSameValueBesideOthersAndBehindASharedPrompt) {
  for (int variant = 0; variant < tiny::kVariants; ++variant) {
    const ModelConfig config = ValueModel(tiny::Variant(variant));
    ParameterSet weights = tiny::Weights(config, 3);
    weights.Named().at("score.weight").fill_(0.2);
    const c10::NoGradGuard no_grad;
    const at::Tensor alone = Values(weights, {{5, 6, 7, 8, 9}, {{0, 5, -1}}, {}}, {4});
    const at::Tensor packed = Values(weights, {{3, 3, 5, 6, 7, 8, 9, 1, 2}, {{0, 2, -1}, {2, 5, -1}, {5, 7, 1}, {7, 9, 1}}, {}}, {8, 6});
    EXPECT_NEAR(packed[1].item<double>(), alone[0].item<double>(), 1e-5) << variant;
  }
}

TEST_F(ValueHead, SavedAndLoadedItIsBitEqual) {
  for (int variant = 0; variant < tiny::kVariants; ++variant) {
    ParameterSet saved = tiny::Weights(ValueModel(tiny::Variant(variant)), 5);
    saved.Named().at("score.weight").fill_(0.7);
    saved.Save(dir_);
    const ModelConfig config = LoadModelConfig(dir_);
    ASSERT_TRUE(config.value_head);
    ParameterSet loaded(config);
    EXPECT_TRUE(loaded.Load(dir_, Rng(9)).empty());
    EXPECT_TRUE(loaded.flat().equal(saved.flat()));
    EXPECT_TRUE(loaded.biases().equal(saved.biases()));
  }
}

TEST_F(ValueHead, ALanguageModelGivesItsTrunkAndTheHeadStartsAtZero) {
  for (int variant = 0; variant < tiny::kVariants; ++variant) {
    ModelConfig config = tiny::Variant(variant);
    config.num_nextn_predict_layers = variant == 0 ? 1 : 0;
    const ParameterSet policy = tiny::Weights(config, 5);
    policy.Save(dir_);
    ParameterSet critic(ValueModel(LoadModelConfig(dir_)));
    const auto notes = critic.Load(dir_, Rng(9));
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_THAT(notes.front(), HasSubstr("no value head"));
    const auto theirs = policy.Named();
    for (const auto& [name, tensor] : critic.Named()) {
      if (name == "score.weight") EXPECT_EQ(tensor.abs().max().item<double>(), 0.0);
      else EXPECT_TRUE(tensor.equal(theirs.at(name))) << name;
    }
  }
}

TEST_F(ValueHead, ItsModelIsNoPolicy) {
  tiny::Weights(ValueModel(tiny::Variant(0)), 5).Save(dir_);
  EXPECT_FALSE(fs::exists(dir_ + "/generation_config.json"));
  try {
    LoadPolicyConfig(dir_);
    FAIL() << "a critic was taken for a policy";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr(dir_ + ": this is a critic or a reward model"));
  }
  EXPECT_THAT(DescribeModel(dir_), HasSubstr("critic or reward model"));
  tiny::Weights(tiny::Variant(0), 5).Save(dir_);
  EXPECT_FALSE(LoadPolicyConfig(dir_).value_head);
}

}  // namespace
}  // namespace cogent
