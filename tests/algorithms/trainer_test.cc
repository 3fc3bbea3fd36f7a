// The trainer against a plain forward pass, a sequence at a time; and what its result must not depend on.
#include <gmock/gmock.h>

#include <algorithm>

#include "algorithms/trainer.h"
#include "core/error.h"
#include "policies/generate.h"
#include "tests/algorithms/batch_util.h"
#include "tests/policies/parity.h"
#include "tests/policies/tiny_model.h"

namespace cogent {
namespace {

constexpr int kVocabulary = 40;

// With a large epsilon the first AdamW step is rate * g / (|g| + epsilon), about the gradient itself: what
// the sign of a gradient near 0 is does not matter.
OptimizerConfig NearlyPlainDescent() {
  OptimizerConfig c;
  c.epsilon = 1.0, c.max_grad_norm = 1e9;
  return c;
}

struct Outcome {
  at::Tensor update;
  std::map<std::string, double> metrics;
};

Outcome StepOnce(const std::vector<Group>& groups, const TrainerConfig& config, const std::string& settings, int model = 0, bool elsewhere = false) {
  ModelConfig shape = tiny::Variant(model);
  shape.vocab_size = kVocabulary;
  ParameterSet weights = tiny::Weights(shape, 11), reference = tiny::Weights(shape, 12);
  if (elsewhere) {
    parity::MoveElsewhere(weights);
    parity::MoveElsewhere(reference);
  }
  const at::Tensor before = weights.flat().clone();
  AdamW optimizer(weights, NearlyPlainDescent());
  Trainer trainer(weights, &reference, optimizer, config);
  const auto algorithm = batches::Make("grpo", settings);
  auto report = trainer.Step(groups, *algorithm, 1.0);
  return {weights.flat() - before, report.metrics};
}

// Every token of the episode in a row, and which of them the policy chose.
struct Row {
  PackedTokens tokens;
  std::vector<std::int64_t> rows, targets;
};
Row Concatenate(const Trajectory& t) {
  Row row;
  for (const Turn& turn : t.turns) {
    row.tokens.ids.insert(row.tokens.ids.end(), turn.prompt_ids.begin(), turn.prompt_ids.end());
    for (const auto id : turn.completion_ids) {
      row.rows.push_back(static_cast<std::int64_t>(row.tokens.ids.size()) - 1);
      row.targets.push_back(id);
      row.tokens.ids.push_back(id);
    }
  }
  row.tokens.segments = {{0, static_cast<int>(row.tokens.ids.size()), -1}};
  return row;
}

at::Tensor PlainLogprobs(const ParameterSet& weights, const std::vector<at::Tensor>& leaves, const Trajectory& t, double temperature) {
  const Transformer model(weights.config(), leaves, weights.biases());
  const Row row = Concatenate(t);
  return model.Logprobs(model.Forward(row.tokens, {}).hidden, row.rows, row.targets, temperature).logprobs;
}

// Writes the model's own log-probabilities into the turns, as a sampler would have.
void FillLogprobs(const ParameterSet& weights, std::vector<Group>& groups) {
  for (Group& group : groups) {
    for (Trajectory& t : group.members) {
      const at::Tensor logprobs = PlainLogprobs(weights, weights.Leaves(), t, 1.0).detach();
      std::int64_t at = 0;
      for (Turn& turn : t.turns) {
        for (float& logprob : turn.logprobs) logprob = logprobs[at++].item<float>();
      }
    }
  }
}

class TurnsTest : public testing::TestWithParam<int> {};

TEST_P(TurnsTest, OnlyTokensThatThePolicyChoseAreLearned) {
  ModelConfig shape = tiny::Config(kVocabulary);
  ParameterSet weights = tiny::Weights(shape, 11);
  auto groups = batches::RandomGroups(21, kVocabulary, 3, 4, GetParam());
  FillLogprobs(weights, groups);
  const auto right = StepOnce(groups, {.micro_batch_tokens = 60}, "{kl_coef: 0}");
  EXPECT_LT(right.metrics.at("sampling/sampling_logp_difference/max"), 1e-4);
  EXPECT_NEAR(right.metrics.at("ratio/min"), 1.0, 1e-4);
  EXPECT_NEAR(right.metrics.at("ratio/max"), 1.0, 1e-4);
  // The measure sees a single token that is out of place.
  groups[1].members[2].turns.back().logprobs.back() -= 0.5f;
  EXPECT_NEAR(StepOnce(groups, {}, "{kl_coef: 0}").metrics.at("sampling/sampling_logp_difference/max"), 0.5, 1e-3);
}

TEST_P(TurnsTest, WhereTheSamplersWeightsAreRoundedTheRatioIsTheTrainersOwnAndTheGapIsLogged) {
  ModelConfig shape = tiny::Config(kVocabulary);
  ParameterSet weights = tiny::Weights(shape, 11);
  const auto mean = "sampling/sampling_logp_difference/mean", max = "sampling/sampling_logp_difference/max";
  for (const int minibatches : {1, 2}) {
    SCOPED_TRACE(minibatches);
    const TrainerConfig config{.micro_batch_tokens = 60, .minibatches = minibatches};
    TrainerConfig rounded = config;
    rounded.sampler_differs = true;
    auto groups = batches::RandomGroups(21, kVocabulary, 3, 4, GetParam());
    FillLogprobs(weights, groups);
    const auto exact = StepOnce(groups, config, "{kl_coef: 0}");
    // What rounding does, in large: every second token is off by half a nat, beyond where ratios are clipped.
    int tokens = 0, moved = 0;
    for (Group& group : groups) {
      for (Trajectory& t : group.members) {
        for (Turn& turn : t.turns) {
          for (float& logprob : turn.logprobs) logprob -= ++tokens % 2 == 0 ? 0.5f : 0.0f;
        }
      }
    }
    moved = tokens / 2;
    const auto apart = StepOnce(groups, rounded, "{kl_coef: 0}");
    EXPECT_NEAR(apart.metrics.at(max), 0.5, 1e-3);
    EXPECT_NEAR(apart.metrics.at(mean), 0.5 * moved / tokens, 1e-3);
    if (minibatches > 1) continue;  // the second step starts from weights that differ in their last digits, and steps here are large
    EXPECT_LT((apart.update - exact.update).abs().max().item<double>(), 1e-3 * exact.update.abs().max().item<double>());
    EXPECT_NEAR(apart.metrics.at("ratio/max"), exact.metrics.at("ratio/max"), 1e-3);
    EXPECT_GT((StepOnce(groups, config, "{kl_coef: 0}").update - exact.update).abs().max().item<double>(), 1e-2 * exact.update.abs().max().item<double>());
  }
}

// The sampler's completions of equal prompts, as a group each.
std::vector<Group> Sampled(const ParameterSet& weights, const Tokenizer& tokenizer, const Generator::Options& options, double temperature) {
  const Generator generator(weights, tokenizer, options);
  std::vector<std::vector<std::int32_t>> prompts;
  std::vector<Rng> draws;
  Rng rng(31);
  for (int p = 0; p < 3; ++p) {
    const auto prompt = tiny::Ids(rng, 5 + 9 * p, tokenizer.vocab_size());
    for (int i = 0; i < 4; ++i) prompts.push_back(prompt), draws.push_back(rng.Fork(static_cast<std::uint64_t>(4 * p + i)));
  }
  auto out = generator.Generate(prompts, draws, {.temperature = temperature, .max_new_tokens = 40});
  std::vector<Group> groups(3);
  for (std::size_t i = 0; i < out.size(); ++i) {
    Trajectory t;
    t.reward = static_cast<double>(out[i].ids.size() % 3);
    t.turns.push_back({.prompt_ids = prompts[i], .completion_ids = out[i].ids, .logprobs = out[i].logprobs, .sampled_logprobs = out[i].sampled_logprobs});
    groups[i / 4].members.push_back(std::move(t));
  }
  return groups;
}

TEST(Deterministic, SamplerAndTrainerGiveEveryTokenTheSameNumberAlsoWithoutReplayedExperts) {
  const Tokenizer tokenizer = tiny::Characters();
  for (int which = 0; which < tiny::kVariants; ++which) for (const Products products : {Products::kFloat32, Products::kBfloat16}) for (const double temperature : {1.0, 0.6}) {
    SCOPED_TRACE("variant " + std::to_string(which) + (products == Products::kFloat32 ? ", float32, " : ", bfloat16, ") + std::to_string(temperature));
    ModelConfig shape = tiny::Variant(which);
    shape.vocab_size = tokenizer.vocab_size();
    const auto gap = [&](bool deterministic) {
      ParameterSet weights = tiny::Weights(shape, 11);
      const auto groups = Sampled(weights, tokenizer, {.threads = 2, .slots = 3, .weights = products, .latents = deterministic ? Latents::kExpanded : Latents::kAbsorbed}, temperature);
      AdamW optimizer(weights, NearlyPlainDescent());
      Trainer trainer(weights, nullptr, optimizer,
                      {.lanes = 2, .micro_batch_tokens = 60, .products = products, .sampler_differs = products != Products::kFloat32, .deterministic = deterministic, .temperature = temperature});
      auto metrics = trainer.Step(groups, *batches::Make("grpo", "{kl_coef: 0}"), 1e-3).metrics;
      if (deterministic) {
        EXPECT_EQ(metrics.at("ratio/min"), 1.0);
        EXPECT_EQ(metrics.at("ratio/max"), 1.0);
      }
      return metrics.at("sampling/sampling_logp_difference/max");
    };
    EXPECT_EQ(gap(true), 0.0);
    if (products == Products::kBfloat16) {
      EXPECT_GT(gap(false), 1e-4) << "or there was nothing to be seen";
    }
  }
}

TEST_P(TurnsTest, AStepIsTheGradientOfThePlainLoss) {
  for (const std::string settings : {"{kl_coef: 0.05, average: paper}", "{kl_coef: 0, average: tokens, mask_truncated: true, advantage: verl}"}) {
    ModelConfig shape = tiny::Variant(0);
    shape.vocab_size = kVocabulary;
    ParameterSet weights = tiny::Weights(shape, 11), reference = tiny::Weights(shape, 12);
    const auto groups = batches::RandomGroups(22, kVocabulary, 3, 4, GetParam());
    const auto algorithm = batches::Make("grpo", settings);
    Batch batch = MakeBatch(groups);
    at::Tensor gradient = at::zeros_like(weights.flat());
    const auto leaves = weights.Leaves(gradient);
    std::vector<at::Tensor> logprobs, ref_logprobs;
    for (const Group& group : groups) {
      for (const Trajectory& t : group.members) {
        logprobs.push_back(PlainLogprobs(weights, leaves, t, 1.0));
        ref_logprobs.push_back(PlainLogprobs(reference, reference.Leaves(), t, 1.0).detach());
      }
    }
    batch.ref_logprobs = at::cat(ref_logprobs);
    batch.advantages = algorithm->Advantages(batch);
    batch.weights = algorithm->Weights(batch);
    const Loss loss = algorithm->ComputeLoss(batch, at::cat(logprobs), at::zeros_like(batch.old_logprobs));
    loss.value.backward();
    const at::Tensor expected = -gradient / (gradient.abs() + 1.0);
    ASSERT_GT(gradient.norm().item<double>(), 1e-4);
    for (const int rows : {16, 5000}) {
      const auto outcome = StepOnce(groups, {.micro_batch_tokens = rows}, settings);
      EXPECT_LT(batches::RelativeError(outcome.update, expected), 1e-4) << settings << " " << rows;
      EXPECT_NEAR(outcome.metrics.at("loss"), loss.value.item<double>(), 1e-5);
      EXPECT_NEAR(outcome.metrics.at("grad_norm"), gradient.norm().item<double>(), 1e-4 * gradient.norm().item<double>());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(OneAndMore, TurnsTest, testing::Values(1, 3));

TEST(Trainer, AStepDoesNotDependOnHowItIsCut) {
  const std::string settings = "{kl_coef: 0.02}";
  for (int model = 0; model < tiny::kVariants; ++model) {
    const auto groups = batches::RandomGroups(23, kVocabulary, 4, 5, 2);
    const auto whole = StepOnce(groups, {.micro_batch_tokens = 5000}, settings, model);
    for (const int rows : {16, 200}) {
      const auto cut = StepOnce(groups, {.micro_batch_tokens = rows}, settings, model);
      EXPECT_LT(batches::RelativeError(cut.update, whole.update), 2e-5) << "model " << model << ", rows " << rows;
      for (const char* name : {"loss", "kl", "entropy", "ratio/mean", "clip_ratio/region_mean"}) {
        EXPECT_NEAR(cut.metrics.at(name), whole.metrics.at(name), 1e-5 * (1 + std::abs(whole.metrics.at(name)))) << name;
      }
    }
  }
}

TEST(Trainer, AStepIsTheSameByTheOperatorsOfOtherDevices) {
  const std::string settings = "{kl_coef: 0.02}";
  for (int model = 0; model < tiny::kVariants; ++model) {
    const auto groups = batches::RandomGroups(23, kVocabulary, 4, 5, 2);
    for (const bool again : {false, true}) {
      const TrainerConfig config{.micro_batch_tokens = 100, .gradient_checkpointing = again, .balance_alpha = 1e-3, .bias_speed = 0.01};
      const auto want = StepOnce(groups, config, settings, model), got = StepOnce(groups, config, settings, model, true);
      EXPECT_LT(batches::RelativeError(OnHost(got.update), want.update), 2e-5) << "model " << model;
      for (const auto& [name, value] : want.metrics) {
        if (name.starts_with("timing_s/") || name.starts_with("sampling/")) continue;
        EXPECT_NEAR(got.metrics.at(name), value, 2e-5 * (1 + std::abs(value))) << name;
      }
    }
  }
}

TEST(Trainer, AStepDoesNotDependOnTheOrderOfGroups) {
  auto groups = batches::RandomGroups(24, kVocabulary, 5, 4);
  const auto forwards = StepOnce(groups, {.micro_batch_tokens = 64}, "{kl_coef: 0.02}");
  std::reverse(groups.begin(), groups.end());
  EXPECT_LT(batches::RelativeError(StepOnce(groups, {.micro_batch_tokens = 64}, "{kl_coef: 0.02}").update, forwards.update), 2e-5);
}

TEST(Trainer, LanesChangeSpeedAlone) {
  const auto groups = batches::RandomGroups(25, kVocabulary, 5, 4);
  const auto one = StepOnce(groups, {.lanes = 1, .micro_batch_tokens = 40}, "{kl_coef: 0.02}");
  for (const int lanes : {2, 3}) {
    const auto several = StepOnce(groups, {.lanes = lanes, .micro_batch_tokens = 40}, "{kl_coef: 0.02}");
    EXPECT_LT(batches::RelativeError(several.update, one.update), 2e-5) << lanes;
    // The same number of lanes: the same bits, however the threads ran.
    EXPECT_TRUE(StepOnce(groups, {.lanes = lanes, .micro_batch_tokens = 40}, "{kl_coef: 0.02}").update.equal(several.update)) << lanes;
  }
}

TEST(Trainer, ANotFiniteAdvantageStopsTheStepWithTheTrajectoryNamed) {
  auto groups = batches::RandomGroups(26, kVocabulary, 2, 4);
  groups[1].members[1].reward = std::numeric_limits<double>::quiet_NaN();
  groups[1].members[0].id = {Split::kTrain, 5, 77};
  try {
    StepOnce(groups, {}, "{kl_coef: 0}");
    FAIL() << "was trained on";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("train task 77 of seed 5, trajectory 4"));  // the group's mean is not finite
  }
}

TEST(Trainer, ANotFiniteGradientLeavesTheWeightsAlone) {
  auto groups = batches::RandomGroups(26, kVocabulary, 2, 4);
  groups[0].members[1].reward = 3e38;  // an advantage that float32 still holds
  const auto outcome = StepOnce(groups, {}, "{kl_coef: 0, advantage: mean_only}");
  EXPECT_FALSE(std::isfinite(outcome.metrics.at("grad_norm")));
  EXPECT_EQ(outcome.update.abs().max().item<double>(), 0.0);
}

TEST(Trainer, TheLoggedLossIsAMeanOverEpochsAndMinibatches) {
  // At a rate of 0 every pass sees the same weights, and equal groups make equal minibatches.
  const auto group = batches::RandomGroups(27, kVocabulary, 1, 4).front();
  const std::vector<Group> groups(4, group);
  const auto loss = [&](int epochs, int minibatches) {
    ParameterSet weights = tiny::Weights(tiny::Config(kVocabulary), 11);
    AdamW optimizer(weights, {});
    Trainer trainer(weights, nullptr, optimizer, {.epochs = epochs, .minibatches = minibatches});
    const auto metrics = trainer.Step(groups, *batches::Make("grpo", "{kl_coef: 0}"), 0.0).metrics;
    EXPECT_EQ(optimizer.steps(), epochs * minibatches);
    return metrics.at("loss");
  };
  const double once = loss(1, 1);
  EXPECT_NE(once, 0.0);
  EXPECT_NEAR(loss(3, 1), once, 1e-6);
  EXPECT_NEAR(loss(1, 4), once, 1e-6);
  EXPECT_NEAR(loss(2, 2), once, 1e-6);
}

TEST(Trainer, TheRatioIsTakenAtTheTemperatureOfSampling) {
  const auto groups = batches::RandomGroups(28, kVocabulary, 2, 4);  // their log-probabilities are made up, at temperature 1
  const auto outcome = StepOnce(groups, {.temperature = 0.7}, "{kl_coef: 0}");
  EXPECT_NEAR(outcome.metrics.at("ratio/mean"), 1.0, 1e-5);
}

TEST(Trainer, AReferenceThatIsMissingIsSaid) {
  ParameterSet weights = tiny::Weights(tiny::Config(kVocabulary), 11);
  AdamW optimizer(weights, {});
  Trainer trainer(weights, nullptr, optimizer, {});
  EXPECT_THROW(trainer.Step(batches::RandomGroups(1, kVocabulary, 1, 2), *batches::Make("grpo", "{kl_coef: 0.1}"), 1e-3), InternalError);
}

// ---- pre-training ----

std::vector<Document> Documents(std::uint64_t seed, int count) {
  Rng rng(seed);
  std::vector<Document> documents;
  for (int d = 0; d < count; ++d) {  // runs of consecutive ids: easy to learn
    std::int64_t id = rng.Range(0, kVocabulary - 1);
    Document document;
    for (std::int64_t i = rng.Range(2, 20); i > 0; --i) document.ids.push_back(static_cast<std::int32_t>(id++ % kVocabulary));
    documents.push_back(document);
  }
  return documents;
}

TEST(Pretraining, TheLossIsTheMeanOverTargetsHoweverItIsCut) {
  const auto documents = Documents(31, 12);
  ParameterSet plain = tiny::Weights(tiny::Config(kVocabulary), 13);
  double sum = 0, targets = 0;
  for (const Document& d : documents) {
    Trajectory t;
    t.turns.push_back({.prompt_ids = {d.ids.front()}, .completion_ids = {d.ids.begin() + 1, d.ids.end()}});
    sum -= PlainLogprobs(plain, plain.Leaves(), t, 1.0).sum().item<double>();
    targets += static_cast<double>(d.ids.size() - 1);
  }
  for (const int rows : {16, 60, 5000}) {
    for (const int lanes : {1, 2}) {
      ParameterSet weights = tiny::Weights(tiny::Config(kVocabulary), 13);
      AdamW optimizer(weights, NearlyPlainDescent());
      Trainer trainer(weights, nullptr, optimizer, {.lanes = lanes, .micro_batch_tokens = rows});
      EXPECT_NEAR(trainer.Pretrain(documents, 0.1, 0.0).metrics.at("loss"), sum / targets, 1e-4) << rows << " " << lanes;
    }
  }
}

TEST(Pretraining, LowersTheLoss) {
  ModelConfig shape = tiny::Config(kVocabulary);
  shape.num_nextn_predict_layers = 1, shape.initializer_range = 0.1;
  ParameterSet weights(shape);
  weights.Initialize(Rng(3));
  OptimizerConfig config;
  AdamW optimizer(weights, config);
  Trainer trainer(weights, nullptr, optimizer, {.lanes = 2});
  double first = 0, last = 0, first_ahead = 0, last_ahead = 0;
  for (int step = 0; step < 40; ++step) {
    auto metrics = trainer.Pretrain(Documents(static_cast<std::uint64_t>(100 + step), 30), 1e-2, 0.3).metrics;
    last = metrics.at("loss"), last_ahead = metrics.at("mtp_loss");
    if (step == 0) first = last, first_ahead = last_ahead;
  }
  EXPECT_NEAR(first, std::log(kVocabulary), 0.5);
  EXPECT_LT(last, 0.5 * first);
  EXPECT_LT(last_ahead, 0.8 * first_ahead);
}

TEST(Pretraining, TokensBeforeTheFirstTargetAreReadAndNotLearned) {
  ParameterSet plain = tiny::Weights(tiny::Config(kVocabulary), 13);
  Document d = Documents(32, 1).front();
  d.ids = {3, 4, 5, 6, 7, 8}, d.first_target = 4;
  Trajectory t;
  t.turns.push_back({.prompt_ids = {3, 4, 5, 6}, .completion_ids = {7, 8}});
  const double expected = -PlainLogprobs(plain, plain.Leaves(), t, 1.0).mean().item<double>();
  AdamW optimizer(plain, {});
  Trainer trainer(plain, nullptr, optimizer, {});
  EXPECT_NEAR(trainer.Pretrain({d}, 0.0, 0.0).metrics.at("loss"), expected, 1e-5);
}

TEST(Trainer, WithAdaptersTheBaseStaysBitForBitAndTheAdaptersLearn) {
  for (int model = 0; model < tiny::kVariants; ++model) {
    ModelConfig shape = tiny::Variant(model);
    shape.vocab_size = kVocabulary;
    ParameterSet weights = tiny::Weights(shape, 11);
    const at::Tensor before = weights.flat().clone(), biases = weights.biases().clone();
    weights.Attach({.rank = 2, .alpha = 4}, "base", Rng(3));
    const at::Tensor adapters = weights.trained().clone();
    const ParameterSet reference = weights.Base();
    AdamW optimizer(weights, {.weight_decay = 0.1});
    Trainer trainer(weights, &reference, optimizer, {.lanes = 2, .micro_batch_tokens = 60, .epochs = 2, .bias_speed = 0.1});
    auto groups = batches::RandomGroups(28, kVocabulary, 3, 4);
    FillLogprobs(weights, groups);
    const auto first = trainer.Step(groups, *batches::Make("grpo", "{kl_coef: 0.1}"), 0.01).metrics;
    EXPECT_LT(first.at("sampling/sampling_logp_difference/max"), 1e-4);
    const auto second = trainer.Step(groups, *batches::Make("grpo", "{kl_coef: 0.1}"), 0.01).metrics;
    EXPECT_GT(second.at("kl"), 0.0) << "the reference is the base, and the policy has left it";
    EXPECT_TRUE(weights.flat().equal(before)) << model;
    EXPECT_TRUE(weights.biases().equal(biases)) << model;
    for (const auto& [name, moved] : weights.NamedTrained(weights.trained() - adapters)) EXPECT_GT(moved.abs().max().item<double>(), 0.0) << name;
  }
}

}  // namespace
}  // namespace cogent
