// Gradient checkpointing: the same loss and the same gradients, bit for bit, from layers that run twice.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/policies/tiny_model.h"

namespace cogent {
namespace {

PackedTokens Tokens() { return {{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5}, {{0, 4, -1}, {4, 8, 0}, {8, 11, 0}}, {}}; }

struct Outcome {
  at::Tensor loss, gradient, load;
};

Outcome Run(const ParameterSet& weights, const PackedTokens& tokens, ForwardOptions options, bool predict = false) {
  Outcome outcome{{}, at::zeros_like(weights.trained()), {}};
  const Transformer model(weights.config(), weights.Leaves(outcome.gradient), weights.biases());
  const ForwardResult out = model.Forward(tokens, options);
  const TokenStats stats = model.Logprobs(out.hidden, {3, 5, 8, 9}, {2, 7, 1, 3}, 1.0);
  outcome.loss = stats.logprobs.sum() + 0.3 * stats.entropy.sum();
  if (out.balance_loss.defined()) outcome.loss = outcome.loss + out.balance_loss;
  if (predict) {
    const ForwardResult ahead = model.Predict(tokens, out.hidden, options);
    outcome.loss = outcome.loss + model.Logprobs(ahead.hidden, {2, 5}, {2, 7}, 1.0).logprobs.sum();
    if (ahead.balance_loss.defined()) outcome.loss = outcome.loss + ahead.balance_loss;
  }
  outcome.loss.backward();
  outcome.load = out.load;
  return outcome;
}

void ExpectEqualWithAndWithout(const ParameterSet& weights, const PackedTokens& tokens, ForwardOptions options, bool predict = false) {
  const Outcome plain = Run(weights, tokens, options, predict);
  options.gradient_checkpointing = true;
  const Outcome again = Run(weights, tokens, options, predict);
  EXPECT_GT(plain.gradient.norm().item<double>(), 1e-3);
  EXPECT_TRUE(at::equal(plain.loss, again.loss));
  EXPECT_TRUE(at::equal(plain.gradient, again.gradient));
  EXPECT_TRUE(at::equal(plain.load, again.load)) << "the second run counts no experts";
}

TEST(GradientCheckpointing, LossAndGradientsAreEqualBitForBit) {
  for (int which = 0; which < tiny::kShapes; ++which) {
    for (const Products products : {Products::kFloat32, Products::kBfloat16}) {
      SCOPED_TRACE(which);
      ExpectEqualWithAndWithout(tiny::Weights(tiny::Shape(which), 7), Tokens(), {.balance_alpha = 0.1, .products = products});
      ExpectEqualWithAndWithout(tiny::Weights(tiny::Shape(which), 7), Tokens(), {.products = products});
    }
  }
}

TEST(GradientCheckpointing, ThePredictionModuleToo) {
  for (const int which : {0, 3}) {
    ModelConfig config = tiny::Variant(which);
    config.num_nextn_predict_layers = 1;
    ExpectEqualWithAndWithout(tiny::Weights(config, 7), Tokens(), {.balance_alpha = 0.1}, true);
  }
}

TEST(GradientCheckpointing, AdaptersOnFrozenWeightsToo) {
  for (int which = 0; which < tiny::kShapes; ++which) {
    for (const char* target : {"all-linear", "layers.1.self_attn.o_proj"}) {  // the first layers' input needs no gradient
      SCOPED_TRACE(which);
      ParameterSet weights = tiny::Weights(tiny::Shape(which), 7);
      weights.Attach({.rank = 2, .alpha = 4, .targets = {target}}, "base", Rng(1));
      Rng draws(4);
      for (std::int64_t i = 0; i < weights.trained().numel(); ++i) weights.trained().mutable_data_ptr<float>()[i] += static_cast<float>(draws.Normal() * 0.1);
      ExpectEqualWithAndWithout(weights, Tokens(), {.balance_alpha = 0.1});
    }
  }
}

TEST(GradientCheckpointing, ReplayedExpertsToo) {
  const ParameterSet weights = tiny::Weights(tiny::Variant(0), 7);
  PackedTokens tokens = Tokens();
  for (std::size_t row = 0; row < tokens.ids.size(); ++row) {
    for (int layer = 0; layer < 2; ++layer) {
      const bool anew = row % 3 == 0;
      tokens.experts.insert(tokens.experts.end(), {anew ? -1 : static_cast<std::int32_t>(row % 3), anew ? -1 : static_cast<std::int32_t>(3 + row % 3)});
    }
  }
  ExpectEqualWithAndWithout(weights, tokens, {.balance_alpha = 0.1});
}

TEST(GradientCheckpointing, TheSecondRunHasTheExpertsOfTheFirst) {
  const ParameterSet weights = tiny::Weights(tiny::Variant(3), 7);
  const at::Tensor gradient = at::zeros_like(weights.flat());
  const auto leaves = weights.Leaves(gradient);
  const Transformer model(weights.config(), leaves, weights.biases());
  const ForwardResult out = model.Forward(Tokens(), {.gradient_checkpointing = true});
  for (auto& [name, view] : weights.Named()) {
    if (name.ends_with("mlp.gate.weight")) view.mul_(-3.0);  // another router would choose others
  }
  out.hidden.sum().backward();
  const auto named = weights.Named(gradient);
  int idle = 0;
  for (std::int64_t layer = 0; layer < 3; ++layer) {
    for (std::int64_t e = 0; e < 6; ++e) {
      const double norm = named.at("model.layers." + std::to_string(layer) + ".mlp.experts." + std::to_string(e) + ".down_proj.weight").norm().item<double>();
      EXPECT_EQ(norm > 0, out.load[layer][e].item<std::int64_t>() > 0) << layer << " " << e;
      idle += norm == 0;
    }
  }
  EXPECT_GT(idle, 0) << "experts that no row chose make the test sharp";
}

TEST(GradientCheckpointing, TheModelAndItsInputMayBeGoneBeforeTheBackwardPass) {
  const ParameterSet weights = tiny::Weights(tiny::Variant(0), 7);
  const at::Tensor gradient = at::zeros_like(weights.flat()), want = at::zeros_like(weights.flat());
  const auto hidden = [&](const at::Tensor& to, bool checkpointing) {
    auto tokens = std::make_unique<PackedTokens>(Tokens());
    std::optional<Transformer> model(std::in_place, weights.config(), weights.Leaves(to), weights.biases());
    return model->Forward(*tokens, {.gradient_checkpointing = checkpointing}).hidden;
  };
  hidden(gradient, true).square().sum().backward();
  hidden(want, false).square().sum().backward();
  EXPECT_TRUE(at::equal(gradient, want));
}

}  // namespace
}  // namespace cogent
