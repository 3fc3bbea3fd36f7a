// AdamW against the same rule written out in double, and the schedules at points worked by hand.
#include <gmock/gmock.h>

#include <filesystem>
#include <limits>

#include "algorithms/optimizer.h"
#include "core/error.h"
#include "core/file.h"
#include "tests/algorithms/batch_util.h"
#include "tests/policies/tiny_model.h"

namespace cogent {
namespace {

using testing::HasSubstr;

OptimizerConfig Settings() {
  OptimizerConfig c;
  c.beta1 = 0.8, c.beta2 = 0.95, c.epsilon = 1e-3, c.weight_decay = 0.3, c.max_grad_norm = 5.0;
  return c;
}

at::Tensor Gradient(const ParameterSet& weights, std::uint64_t seed, double scale) {
  Rng rng(seed);
  at::Tensor gradient = at::empty_like(weights.flat());
  float* values = gradient.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < gradient.numel(); ++i) values[i] = static_cast<float>(rng.Normal() * scale);
  return gradient;
}

struct DoubleAdamW {
  std::vector<double> value, first, second;
  int steps = 0;

  explicit DoubleAdamW(const at::Tensor& flat) {
    const float* start = flat.const_data_ptr<float>();
    value.assign(start, start + flat.numel());
    first.assign(value.size(), 0.0), second.assign(value.size(), 0.0);
  }
  double Step(const at::Tensor& gradient, double rate, const OptimizerConfig& c, std::size_t matrices) {
    const float* g = gradient.const_data_ptr<float>();
    double norm = 0;
    for (std::size_t i = 0; i < value.size(); ++i) norm += static_cast<double>(g[i]) * g[i];
    norm = std::sqrt(norm);
    const double scale = norm > c.max_grad_norm ? c.max_grad_norm / norm : 1.0;
    ++steps;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const double x = g[i] * scale;
      first[i] = c.beta1 * first[i] + (1 - c.beta1) * x;
      second[i] = c.beta2 * second[i] + (1 - c.beta2) * x * x;
      const double m = first[i] / (1 - std::pow(c.beta1, steps)), v = second[i] / (1 - std::pow(c.beta2, steps));
      if (i < matrices) value[i] -= rate * c.weight_decay * value[i];
      value[i] -= rate * m / (std::sqrt(v) + c.epsilon);
    }
    return norm;
  }
};

TEST(AdamW, EqualsTheRuleWrittenOutInDouble) {
  const ParameterSet weights = tiny::Weights(tiny::Config(40), 1);
  const OptimizerConfig config = Settings();
  AdamW optimizer(weights, config);
  DoubleAdamW reference(weights.flat());
  const auto matrices = static_cast<std::size_t>(weights.matrix_size());
  ASSERT_GT(matrices, 0u);
  ASSERT_LT(matrices, reference.value.size());  // norms are there, too: no decay for them
  int clipped = 0;
  for (int step = 1; step <= 6; ++step) {
    const at::Tensor gradient = Gradient(weights, static_cast<std::uint64_t>(step), step % 2 == 0 ? 0.5 : 0.01);
    const double rate = 0.01 * step;
    const double norm = reference.Step(gradient, rate, config, matrices);
    clipped += norm > config.max_grad_norm;
    EXPECT_NEAR(optimizer.Step(gradient, rate), norm, 1e-5 * norm);
  }
  EXPECT_EQ(clipped, 3);
  EXPECT_EQ(optimizer.steps(), 6);
  const at::Tensor expected = at::tensor(reference.value, at::kDouble);
  EXPECT_LT((weights.flat().to(at::kDouble) - expected).abs().max().item<double>(), 2e-6);
}

TEST(AdamW, AGradientThatIsNotFiniteChangesNothing) {
  const ParameterSet weights = tiny::Weights(tiny::Config(40), 2), twin = tiny::Weights(tiny::Config(40), 2);
  AdamW optimizer(weights, Settings()), undisturbed(twin, Settings());
  optimizer.Step(Gradient(weights, 1, 0.1), 0.01);
  undisturbed.Step(Gradient(twin, 1, 0.1), 0.01);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    at::Tensor gradient = Gradient(weights, 2, 0.1);
    gradient[7] = bad;
    EXPECT_FALSE(std::isfinite(optimizer.Step(gradient, 0.01)));
    EXPECT_TRUE(weights.flat().equal(twin.flat()));
    EXPECT_EQ(optimizer.steps(), 1);
  }
  optimizer.Step(Gradient(weights, 3, 0.1), 0.01);
  undisturbed.Step(Gradient(twin, 3, 0.1), 0.01);
  EXPECT_TRUE(weights.flat().equal(twin.flat()));  // the moments were not touched either
}

class SavedOptimizer : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(dir_); }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  const std::string dir_ = testing::TempDir() + "/cogent_optimizer_test." + std::to_string(getpid());
  const std::string path_ = dir_ + "/optimizer.safetensors";
};

TEST_F(SavedOptimizer, ContinuesBitForBit) {
  const ParameterSet weights = tiny::Weights(tiny::Config(40), 3), twin(tiny::Config(40));
  AdamW optimizer(weights, Settings());
  for (std::uint64_t step = 1; step <= 3; ++step) optimizer.Step(Gradient(weights, step, 0.1), 0.01);
  optimizer.Save(path_);
  twin.flat().copy_(weights.flat());
  AdamW loaded(twin, Settings());
  loaded.Load(path_);
  EXPECT_EQ(loaded.steps(), 3);
  for (std::uint64_t step = 4; step <= 6; ++step) {
    optimizer.Step(Gradient(weights, step, 0.1), 0.01);
    loaded.Step(Gradient(twin, step, 0.1), 0.01);
    ASSERT_TRUE(weights.flat().equal(twin.flat())) << step;
  }
}

TEST_F(SavedOptimizer, OfAnotherModelIsRefusedByTensorName) {
  const ParameterSet weights = tiny::Weights(tiny::Config(40), 3), other = tiny::Weights(tiny::Config(41), 3);
  AdamW(weights, Settings()).Save(path_);
  AdamW optimizer(other, Settings());
  try {
    optimizer.Load(path_);
    FAIL() << "was loaded";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("does not fit the model"));
    EXPECT_THAT(error.what(), HasSubstr("exp_avg."));
  }
}

TEST_F(SavedOptimizer, CutShortIsRefused) {
  const ParameterSet weights = tiny::Weights(tiny::Config(40), 3);
  AdamW optimizer(weights, Settings());
  optimizer.Save(path_);
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);
  EXPECT_THROW(optimizer.Load(path_), DataError);
}

TEST(AdamW, SettingsThatDivideByZeroAreRefused) {
  for (const char* yaml : {"beta1: 1", "beta2: 1.0", "epsilon: 0", "{epsilon: 1e-60}"}) {
    Problems problems;
    ReadConfig<OptimizerConfig>(ParseYaml(yaml, "run.yaml"), problems);
    EXPECT_EQ(problems.lines().size(), 1u) << yaml;
  }
  Problems problems;
  ReadConfig<OptimizerConfig>(ParseYaml("{beta1: 0, beta2: 0.999999, epsilon: 1e-20}", "run.yaml"), problems);
  EXPECT_TRUE(problems.empty());
}

TEST(Schedule, RisesFromTheFirstStepAndFallsToItsShare) {
  OptimizerConfig c;
  c.learning_rate = 0.8, c.warmup_steps = 4, c.final_share = 0.25;
  EXPECT_DOUBLE_EQ(c.RateAt(1, 12), 0.2);
  EXPECT_DOUBLE_EQ(c.RateAt(3, 12), 0.6);
  EXPECT_DOUBLE_EQ(c.RateAt(4, 12), 0.8);
  EXPECT_DOUBLE_EQ(c.RateAt(9, 12), 0.8);  // constant
  c.schedule = "linear";
  EXPECT_DOUBLE_EQ(c.RateAt(2, 12), 0.4);
  EXPECT_DOUBLE_EQ(c.RateAt(6, 12), 0.8 * (0.25 + 0.75 * 0.75));
  EXPECT_DOUBLE_EQ(c.RateAt(8, 12), 0.8 * (0.25 + 0.75 * 0.5));
  EXPECT_DOUBLE_EQ(c.RateAt(12, 12), 0.2);
  EXPECT_DOUBLE_EQ(c.RateAt(15, 12), 0.2);
  c.schedule = "cosine";
  EXPECT_NEAR(c.RateAt(6, 12), 0.8 * (0.25 + 0.75 * 0.5 * (1 + std::sqrt(0.5))), 1e-12);
  EXPECT_NEAR(c.RateAt(8, 12), 0.8 * (0.25 + 0.75 * 0.5), 1e-12);
  EXPECT_NEAR(c.RateAt(12, 12), 0.2, 1e-12);
  c.warmup_steps = 0;
  EXPECT_NEAR(c.RateAt(6, 12), 0.8 * (0.25 + 0.75 * 0.5), 1e-12);
  c.warmup_steps = 20;  // longer than the run: rises all the way, no division by zero
  EXPECT_DOUBLE_EQ(c.RateAt(12, 12), 0.48);
}

}  // namespace
}  // namespace cogent
