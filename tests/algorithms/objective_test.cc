// Supervised objectives: TRL's numbers, and what the loss of any objective must not depend on.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "algorithms/objective.h"
#include "algorithms/trainer.h"
#include "core/error.h"
#include "core/file.h"
#include "tests/algorithms/batch_util.h"
#include "tests/policies/tiny_model.h"

namespace cogent {
namespace {

using nlohmann::json;
constexpr int kIds = 40;

std::unique_ptr<Objective> MakeObjective(const std::string& name, const std::string& settings = "{}") {
  Problems problems;
  auto objective = BuiltinObjectives().Make({name, ParseYaml(settings, "settings"), {"settings", 1, 1}}, problems);
  problems.ThrowIfAny();
  return objective;
}

// ---- TRL's numbers ----

class PeerTest : public testing::TestWithParam<std::string> {};

std::vector<Example> ExamplesOf(const std::vector<int>& lengths, ExampleKind kind) {
  const auto size = static_cast<std::size_t>(SequenceCount(kind));
  std::vector<Example> examples(lengths.size() / size);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    Sequence s;
    s.ids.assign(static_cast<std::size_t>(lengths[i] + 1), 0);
    for (int t = 1; t <= lengths[i]; ++t) s.targets.push_back(t);
    examples[i / size].sequences.push_back(s);
  }
  return examples;
}

void ExpectClose(double ours, double theirs, const std::string& what) { EXPECT_NEAR(ours, theirs, 1e-5 * std::abs(theirs) + 1e-7) << what; }

TEST_P(PeerTest, LossGradientAndMetricsEqualTrl) {
  const json file = json::parse(ReadFile(COGENT_SOURCE_DIR "/tests/data/supervised/" + GetParam() + ".json"));
  for (const json& expected : file.at("expected")) {
    const std::string settings = expected.at("settings").dump();
    const auto objective = MakeObjective(file.at("objective"), settings);
    auto examples = ExamplesOf(file.at("batch").at("lengths"), objective->Kind());
    for (std::size_t i = 0; i < examples.size() && file.at("batch").contains("good"); ++i) examples[i].good = file.at("batch").at("good")[i];
    ExampleBatch batch = MakeExampleBatch(examples, 0, examples.size());
    const double denominator = objective->Denominator(batch);
    if (objective->NeedsDrift()) {
      const auto each = file.at("batch").at("drift").get<std::vector<double>>();
      batch.drift = std::max(0.0, std::accumulate(each.begin(), each.end(), 0.0) / static_cast<double>(each.size()));
    }
    batch.ref_logprobs = at::tensor(file.at("batch").at("ref_logprobs").get<std::vector<double>>(), at::kDouble);
    at::Tensor logprobs = at::tensor(file.at("batch").at("logprobs").get<std::vector<double>>(), at::kDouble).requires_grad_();
    const ObjectiveLoss loss = objective->ComputeLoss(batch, {logprobs, at::zeros_like(logprobs)});
    const at::Tensor value = loss.value / denominator;
    value.backward();
    ExpectClose(value.item<double>(), expected.at("loss"), settings);
    const auto gradient = expected.at("gradient").get<std::vector<double>>();
    ASSERT_EQ(static_cast<std::size_t>(logprobs.numel()), gradient.size());
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      ExpectClose(logprobs.grad()[static_cast<std::int64_t>(i)].item<double>(), gradient[i], settings + " gradient " + std::to_string(i));
    }
    for (const auto& [name, number] : expected.at("metrics").items()) ExpectClose(loss.sums.at(name).item<double>() / denominator, number, settings + " " + name);
  }
}

TEST(RewardModel, LossGradientAndMetricsEqualTrl) {
  for (const char* name : {"reward_model_near", "reward_model_far"}) {
    const json file = json::parse(ReadFile(std::string(COGENT_SOURCE_DIR) + "/tests/data/supervised/" + name + ".json"));
    for (const json& expected : file.at("expected")) {
      const auto objective = MakeObjective("reward_model", expected.at("settings").dump());
      const auto margins = file.at("batch").at("margins").get<std::vector<double>>();
      std::vector<Example> examples(margins.size());
      for (std::size_t i = 0; i < margins.size(); ++i) examples[i] = {{{{0, 0}, {1}, {}}, {{0, 0}, {1}, {}}}, margins[i], true};
      const ExampleBatch batch = MakeExampleBatch(examples, 0, examples.size());
      at::Tensor values = at::tensor(file.at("batch").at("values").get<std::vector<double>>(), at::kDouble).requires_grad_();
      const ObjectiveLoss loss = objective->ComputeLoss(batch, {{}, {}, values});
      const at::Tensor value = loss.value / objective->Denominator(batch);
      value.backward();
      ExpectClose(value.item<double>(), expected.at("loss"), name);
      const auto gradient = expected.at("gradient").get<std::vector<double>>();
      for (std::size_t i = 0; i < gradient.size(); ++i) ExpectClose(values.grad()[static_cast<std::int64_t>(i)].item<double>(), gradient[i], name);
      for (const auto& [metric, number] : expected.at("metrics").items()) ExpectClose(loss.sums.at(metric).item<double>() / objective->Denominator(batch), number, metric);
    }
  }
}

// Hidden states that are the logits themselves: their heads are the identity.
TEST(Gkd, DivergenceAndGradientEqualTrl) {
  for (const char* name : {"gkd_near", "gkd_far"}) {
    const json file = json::parse(ReadFile(std::string(COGENT_SOURCE_DIR) + "/tests/data/supervised/" + name + ".json"));
    const auto table = [&](const char* who) {
      std::vector<at::Tensor> rows;
      for (const json& row : file.at("batch").at(who)) rows.push_back(at::tensor(row.get<std::vector<double>>(), at::kDouble));
      return at::stack(rows);
    };
    const at::Tensor teacher = table("teacher"), head = at::eye(teacher.size(1), at::kDouble);
    std::vector<std::int64_t> rows(static_cast<std::size_t>(teacher.size(0)));
    std::iota(rows.begin(), rows.end(), 0);
    for (const json& expected : file.at("expected")) {
      at::Tensor student = table("student").requires_grad_();
      const json& settings = expected.at("settings");
      const at::Tensor loss = TokenDivergence(student, head, teacher, head, rows, {settings.at("beta"), settings.at("temperature")}).sum() / teacher.size(0);
      loss.backward();
      ExpectClose(loss.item<double>(), expected.at("loss"), settings.dump());
      const auto gradient = expected.at("gradient").get<std::vector<double>>();
      const at::Tensor flat = student.grad().flatten();
      for (std::size_t i = 0; i < gradient.size(); ++i) ExpectClose(flat[static_cast<std::int64_t>(i)].item<double>(), gradient[i], settings.dump() + " " + std::to_string(i));
    }
  }
}

TEST(Gkd, DivergenceOverManyRowsIsThatOfEachAndReachesTheHead) {
  const auto options = at::TensorOptions(at::kDouble);
  const at::Tensor x = at::sin(at::arange(600 * 5, options).view({600, 5})), teacher = at::cos(at::arange(600 * 3, options).view({600, 3}) * 1.7);
  at::Tensor own = x.clone().requires_grad_(), head = at::sin(at::arange(9 * 5, options).view({9, 5}) * 0.3).requires_grad_();
  const at::Tensor other = at::cos(at::arange(9 * 3, options).view({9, 3}));
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 599; i >= 0; i -= 2) rows.push_back(i);
  const at::Tensor ours = TokenDivergence(own, head, teacher, other, rows, {0.3, 1.5});
  const at::Tensor weights = at::linspace(0.1, 2.0, ours.numel(), options);
  (ours * weights).sum().backward();
  at::Tensor plain_x = x.clone().requires_grad_(), plain_head = head.detach().clone().requires_grad_();
  const at::Tensor which = at::tensor(rows, at::kLong);
  const at::Tensor s = at::log_softmax(plain_x.index_select(0, which).matmul(plain_head.t()) / 1.5, -1);
  const at::Tensor t = at::log_softmax(teacher.index_select(0, which).matmul(other.t()) / 1.5, -1), m = (0.7 * s.exp() + 0.3 * t.exp()).log();
  const at::Tensor expected = 0.3 * (t.exp() * (t - m)).sum(-1) + 0.7 * (s.exp() * (s - m)).sum(-1);
  (expected * weights).sum().backward();
  EXPECT_TRUE(ours.allclose(expected, 1e-9, 1e-12));
  EXPECT_TRUE(own.grad().allclose(plain_x.grad(), 1e-7, 1e-10));
  EXPECT_TRUE(head.grad().allclose(plain_head.grad(), 1e-7, 1e-10));
}

TEST(ProcessReward, IsTheCrossEntropyOverTwoClasses) {
  const auto objective = MakeObjective("process_reward");
  const std::vector<Example> examples = {{{{{1, 2, 3, 4}, {1, 3}, {1, 0}}}}, {{{{1, 2}, {1}, {1}}}}};
  const ExampleBatch batch = MakeExampleBatch(examples, 0, 2);
  at::Tensor values = at::tensor({0.7, -1.3, -40.0}, at::kDouble).requires_grad_();
  const ObjectiveLoss loss = objective->ComputeLoss(batch, {{}, {}, values});
  (loss.value / objective->Denominator(batch)).backward();
  at::Tensor plain = values.detach().clone().requires_grad_();
  const at::Tensor logits = at::stack({at::zeros_like(plain), plain}, 1);  // wrong, right
  const at::Tensor expected = -at::log_softmax(logits, -1).gather(1, at::tensor({1, 0, 1}, at::kLong).unsqueeze(1)).mean();
  expected.backward();
  EXPECT_NEAR(loss.value.item<double>() / 3, expected.item<double>(), 1e-12);
  EXPECT_TRUE(values.grad().allclose(plain.grad(), 1e-9, 1e-12));
  EXPECT_DOUBLE_EQ(loss.sums.at("accuracy").item<double>(), 2);
}

INSTANTIATE_TEST_SUITE_P(Trl, PeerTest,
                         testing::Values("sft_ragged", "sft_single_token", "dpo_ragged", "dpo_at_the_reference", "dpo_far_away", "dpo_single_tokens", "kto_near", "kto_far"),
                         [](const auto& info) { return info.param; });

// ---- any objective, through the trainer ----

// Examples whose sequences share a prompt of some length, or nothing.
std::vector<Example> RandomExamples(std::uint64_t seed, int count, ExampleKind kind, bool values = false) {
  Rng rng(seed);
  std::vector<Example> examples(static_cast<std::size_t>(count));
  for (Example& example : examples) {
    const auto prompt = tiny::Ids(rng, static_cast<int>(rng.Range(1, 8)), kIds);
    example.good = rng.Uniform() < 0.6;
    for (int s = 0; s < SequenceCount(kind); ++s) {
      Sequence sequence{prompt, {}, {}};
      const auto completion = tiny::Ids(rng, static_cast<int>(rng.Range(1, 10)), kIds);
      for (const auto id : completion) {
        // Some tokens behind the prompt are read only, as a user's second message.
        if (sequence.targets.empty() || rng.Uniform() < 0.8) sequence.targets.push_back(static_cast<std::int32_t>(sequence.ids.size()));
        sequence.ids.push_back(id);
      }
      if (values && kind == ExampleKind::kPreference) sequence.targets = {static_cast<std::int32_t>(sequence.ids.size()) - 1};
      for (std::size_t t = 0; t < sequence.targets.size() && kind == ExampleKind::kSteps; ++t) sequence.labels.push_back(rng.Range(0, 1));
      example.sequences.push_back(sequence);
    }
  }
  return examples;
}

ModelConfig Shape(const ModelConfig& shape, const Objective& objective) { return objective.LearnsValues() ? ValueModel(shape) : shape; }

struct LossOutcome {
  at::Tensor update;
  std::map<std::string, double> metrics;
};

LossOutcome LearnOnce(const std::vector<Example>& examples, const Objective& objective, const TrainerConfig& config, int model = 0) {
  ModelConfig shape = tiny::Variant(model);
  shape.vocab_size = kIds;
  ParameterSet weights = tiny::Weights(Shape(shape, objective), 11), reference = tiny::Weights(shape, 12);
  const at::Tensor before = weights.flat().clone();
  OptimizerConfig descent;
  descent.epsilon = 1.0, descent.max_grad_norm = 1e9;  // the step is about the gradient itself
  AdamW optimizer(weights, descent);
  Trainer trainer(weights, &reference, optimizer, config);
  auto report = trainer.Learn(examples, objective, 1.0);
  return {weights.flat() - before, report.metrics};
}

void ExpectSame(const LossOutcome& a, const LossOutcome& b, const std::string& what) {
  EXPECT_LT(batches::RelativeError(a.update, b.update), 5e-5) << what;
  ASSERT_GT(a.update.norm().item<double>(), 1e-4) << what;
  for (const auto& [name, value] : b.metrics) {
    if (name.starts_with("moe/")) continue;
    EXPECT_NEAR(a.metrics.at(name), value, 2e-5 * (1 + std::abs(value))) << what << " " << name;
  }
}

class EveryObjective : public testing::TestWithParam<std::string> {
 protected:
  const std::unique_ptr<Objective> objective_ = MakeObjective(GetParam());
};

TEST_P(EveryObjective, IsTheSameHoweverTheStepIsCut) {
  for (int model = 0; model < tiny::kVariants; ++model) {
    const auto examples = RandomExamples(31, 9, objective_->Kind(), objective_->LearnsValues());
    const LossOutcome whole = LearnOnce(examples, *objective_, {.micro_batch_tokens = 5000, .balance_alpha = 0.1}, model);
    for (const int rows : {16, 60}) {
      ExpectSame(LearnOnce(examples, *objective_, {.micro_batch_tokens = rows, .balance_alpha = 0.1}, model), whole,
                 "model " + std::to_string(model) + ", rows " + std::to_string(rows));
    }
  }
}

TEST_P(EveryObjective, IsTheSameInAnyOrderAndOnAnyLanes) {
  auto examples = RandomExamples(32, 8, objective_->Kind(), objective_->LearnsValues());
  const LossOutcome forwards = LearnOnce(examples, *objective_, {.micro_batch_tokens = 40});
  for (const int lanes : {2, 3}) {
    const LossOutcome several = LearnOnce(examples, *objective_, {.lanes = lanes, .micro_batch_tokens = 40});
    ExpectSame(several, forwards, "lanes " + std::to_string(lanes));
    EXPECT_TRUE(LearnOnce(examples, *objective_, {.lanes = lanes, .micro_batch_tokens = 40}).update.equal(several.update)) << lanes;
  }
  if (objective_->NeedsDrift()) return;  // pairs neighbours, as its peer does
  std::reverse(examples.begin(), examples.end());
  ExpectSame(LearnOnce(examples, *objective_, {.micro_batch_tokens = 40}), forwards, "reversed");
}

TEST_P(EveryObjective, IsThePlainForwardPassOfOneSequenceAtATime) {
  const auto examples = RandomExamples(33, 6, objective_->Kind(), objective_->LearnsValues());
  ModelConfig shape = tiny::Variant(0);
  shape.vocab_size = kIds;
  const ParameterSet weights = tiny::Weights(Shape(shape, *objective_), 11), reference = tiny::Weights(shape, 12);
  at::Tensor gradient = at::zeros_like(weights.flat());
  std::vector<at::Tensor> logprobs, entropy, values, divergence, ref_logprobs;
  for (const Example& e : examples) {
    for (const Sequence& s : e.sequences) {
      const PackedTokens tokens{{s.ids.begin(), s.ids.end()}, {{0, static_cast<int>(s.ids.size()), -1}}};
      std::vector<std::int64_t> rows, targets, places(s.targets.begin(), s.targets.end());
      for (const auto place : s.targets) rows.push_back(place - 1), targets.push_back(s.ids[static_cast<std::size_t>(place)]);
      const Transformer model(weights.config(), weights.Leaves(gradient), weights.biases()), other(reference.config(), reference.Leaves(), reference.biases());
      const at::Tensor hidden = model.Forward(tokens, {}).hidden, other_hidden = other.Forward(tokens, {}).hidden.detach();
      if (objective_->LearnsValues()) {
        values.push_back(model.Values(hidden, places));
        continue;
      }
      const TokenStats stats = model.Logprobs(hidden, rows, targets, 1.0);
      logprobs.push_back(stats.logprobs), entropy.push_back(stats.entropy);
      ref_logprobs.push_back(other.Logprobs(other_hidden, rows, targets, 1.0).logprobs.detach());
      if (const auto from_teacher = objective_->FromTeacher()) divergence.push_back(model.DivergenceFrom(other, hidden, other_hidden, rows, *from_teacher));
    }
  }
  const auto joined = [](const std::vector<at::Tensor>& parts) { return parts.empty() ? at::Tensor() : at::cat(parts); };
  ExampleBatch batch = MakeExampleBatch(examples, 0, examples.size());
  batch.ref_logprobs = joined(ref_logprobs);
  for (std::size_t i = 0; i < examples.size() && objective_->NeedsDrift(); ++i) {  // each prompt with the completion before it
    const Sequence &own = examples[i].sequences[0], &other = examples[(i + examples.size() - 1) % examples.size()].sequences[0];
    std::vector<std::int32_t> ids(own.ids.begin(), own.ids.begin() + own.targets[0]);
    std::vector<std::int64_t> rows, targets;
    for (std::size_t t = static_cast<std::size_t>(other.targets[0]); t < other.ids.size(); ++t) {
      if (std::count(other.targets.begin(), other.targets.end(), static_cast<std::int32_t>(t)) > 0) {
        rows.push_back(static_cast<std::int64_t>(ids.size()) - 1), targets.push_back(other.ids[t]);
      }
      ids.push_back(other.ids[t]);
    }
    const PackedTokens tokens{{ids.begin(), ids.end()}, {{0, static_cast<int>(ids.size()), -1}}};
    for (const auto& [set, sign] : {std::pair(&weights, 1.0), std::pair(&reference, -1.0)}) {
      const Transformer model(set->config(), set->Leaves(), set->biases());
      batch.drift += sign * model.Logprobs(model.Forward(tokens, {}).hidden, rows, targets, 1.0).logprobs.sum().item<double>() / static_cast<double>(examples.size());
    }
  }
  batch.drift = std::max(0.0, batch.drift);
  const TokenOutputs outputs{joined(logprobs), joined(entropy), joined(values), joined(divergence)};
  const at::Tensor loss = objective_->ComputeLoss(batch, outputs).value / objective_->Denominator(batch);
  loss.backward();
  const LossOutcome outcome = LearnOnce(examples, *objective_, {.micro_batch_tokens = 50});
  EXPECT_NEAR(outcome.metrics.at("loss"), loss.item<double>(), 1e-5 * (1 + std::abs(loss.item<double>())));
  EXPECT_LT(batches::RelativeError(outcome.update, -gradient / (gradient.abs() + 1.0)), 1e-4);
}

TEST_P(EveryObjective, MeasuringGivesTheLossAndLeavesTheWeightsAlone) {
  const auto examples = RandomExamples(34, 5, objective_->Kind(), objective_->LearnsValues());
  ParameterSet weights = tiny::Weights(Shape(tiny::Config(kIds), *objective_), 11), reference = tiny::Weights(tiny::Config(kIds), 12);
  const at::Tensor before = weights.flat().clone(), biases = weights.biases().clone();
  AdamW optimizer(weights, {});
  Trainer trainer(weights, &reference, optimizer, {.lanes = 2, .micro_batch_tokens = 40, .balance_alpha = 0.1, .bias_speed = 0.1});
  const auto measured = trainer.Measure(examples, *objective_).metrics;
  EXPECT_TRUE(weights.flat().equal(before));
  EXPECT_TRUE(weights.biases().equal(biases));
  EXPECT_EQ(optimizer.steps(), 0);
  EXPECT_NEAR(measured.at("loss"), trainer.Learn(examples, *objective_, 0.0).metrics.at("loss"), 1e-6);
}

TEST_P(EveryObjective, LowersItsLossWhenItLearns) {
  const auto examples = RandomExamples(35, 6, objective_->Kind(), objective_->LearnsValues());
  ParameterSet weights = tiny::Weights(Shape(tiny::Config(kIds), *objective_), 11);
  ParameterSet reference = tiny::Weights(tiny::Config(kIds), objective_->FromTeacher() ? 12 : 11);  // a teacher is another model
  AdamW optimizer(weights, {});
  Trainer trainer(weights, &reference, optimizer, {});
  const double first = trainer.Measure(examples, *objective_).metrics.at("loss");
  for (int step = 0; step < 12; ++step) trainer.Learn(examples, *objective_, 3e-3);
  EXPECT_LT(trainer.Measure(examples, *objective_).metrics.at("loss"), 0.8 * first);
}

INSTANTIATE_TEST_SUITE_P(Shipped, EveryObjective, testing::ValuesIn(BuiltinObjectives().Names()), [](const auto& info) { return info.param; });

TEST(Sft, TokensThatAreNoTargetsAreReadAndNotLearned) {
  const auto objective = MakeObjective("sft");
  std::vector<Example> one(1), other(1);
  one[0].sequences = {{{3, 4, 5, 6, 7, 8}, {4, 5}, {}}};
  other[0].sequences = {{{3, 4, 5, 6, 7, 8}, {1, 4, 5}, {}}};
  EXPECT_GT(batches::RelativeError(LearnOnce(one, *objective, {}).update, LearnOnce(other, *objective, {}).update), 1e-2);
  ParameterSet weights = tiny::Weights(tiny::Config(kIds), 11);
  AdamW optimizer(weights, {});
  Trainer trainer(weights, nullptr, optimizer, {});
  EXPECT_NEAR(trainer.Measure(one, *objective).metrics.at("loss"), trainer.Pretrain({{{3, 4, 5, 6, 7, 8}, 4}}, 0.0, 0.0).metrics.at("loss"), 1e-5);
}

TEST(Dpo, StartsAtLogTwoWhenPolicyAndReferenceAreEqual) {
  ParameterSet weights = tiny::Weights(tiny::Config(kIds), 11), reference = tiny::Weights(tiny::Config(kIds), 11);
  AdamW optimizer(weights, {});
  Trainer trainer(weights, &reference, optimizer, {});
  const auto metrics = trainer.Measure(RandomExamples(36, 4, ExampleKind::kPreference), *MakeObjective("dpo")).metrics;
  EXPECT_NEAR(metrics.at("loss"), std::log(2.0), 1e-5);
  EXPECT_NEAR(metrics.at("rewards/margins"), 0.0, 1e-5);
}

TEST(Dpo, WithoutAReferenceIsOurBug) {
  ParameterSet weights = tiny::Weights(tiny::Config(kIds), 11);
  AdamW optimizer(weights, {});
  Trainer trainer(weights, nullptr, optimizer, {});
  EXPECT_THROW(trainer.Learn(RandomExamples(1, 2, ExampleKind::kPreference), *MakeObjective("dpo"), 1e-3), InternalError);
}

TEST(Objectives, AnUnknownSettingIsSaidWithThoseThereAre) {
  try {
    MakeObjective("dpo", "{betta: 0.1}");
    FAIL() << "was taken";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("Did you mean 'beta'?"));
  }
}

}  // namespace
}  // namespace cogent
