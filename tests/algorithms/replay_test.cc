// Experts of the rollout in training: where a router is near a tie, sampler and trainer add up in another
// order and may choose differently, unless the rollout's choice is replayed.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "agents/policy_agent.h"
#include "agents/rollout.h"
#include "algorithms/trainer.h"
#include "tests/algorithms/batch_util.h"
#include "tests/policies/tiny_model.h"
#include "tests/support/nagging.h"

namespace cogent {
namespace {

// Pairs of experts whose rows in the router differ by a few units in the last place, and an odd number is chosen: ties
// everywhere, broken by rounding.
ParameterSet NearlyTied(const Tokenizer& tokenizer) {
  ModelConfig shape = tiny::Config(tokenizer.vocab_size());
  shape.n_group = shape.topk_group = 1, shape.num_experts_per_tok = 3;
  shape.eos_token_id = tokenizer.eos_id();
  ParameterSet weights = tiny::Weights(shape, 5);
  weights.biases().zero_();
  Rng rng(6);
  for (auto& [name, view] : weights.Named()) {
    if (!name.ends_with("mlp.gate.weight")) continue;
    float* rows = view.mutable_data_ptr<float>();
    const std::int64_t width = view.size(1);
    for (std::int64_t e = 0; e + 1 < view.size(0); e += 2) {
      for (std::int64_t d = 0; d < width; ++d) rows[(e + 1) * width + d] = rows[e * width + d] * (1.0f + static_cast<float>(rng.Range(-2, 2)) * 6e-8f);
    }
  }
  return weights;
}

struct Scene {
  Tokenizer tokenizer = tiny::Characters();
  ParameterSet weights = NearlyTied(tokenizer);

  std::vector<Group> Rollout() const {
    const Generator generator(weights, tokenizer, {.threads = 2, .record_experts = true});
    PolicyAgent agent(generator, "{prompt}", {.max_new_tokens = 12, .ignore_eos = true});
    return CollectGroups({.group_size = 4}, [] { return std::make_unique<Nagging>(" and? "); }, Rubric(), agent,
                         {{Split::kTrain, 0, 1}, {Split::kTrain, 0, 2}, {Split::kTrain, 0, 3}}, Rng(4));
  }
  std::map<std::string, double> Step(const std::vector<Group>& groups, bool replay, const std::string& settings = "{kl_coef: 0}") {
    AdamW optimizer(weights, {});
    ParameterSet reference = NearlyTied(tokenizer);
    Trainer trainer(weights, &reference, optimizer, {.lanes = 2, .micro_batch_tokens = 50, .replay_experts = replay});
    return trainer.Step(groups, *batches::Make("grpo", settings), 0.0).metrics;
  }
};

TEST(Replay, TheTurnsExpertsAreARowForEveryTokenButTheLast) {
  const Scene s;
  const std::size_t per_row = static_cast<std::size_t>(s.weights.config().MixtureLayers() * s.weights.config().num_experts_per_tok);
  for (const Group& group : s.Rollout()) {
    for (const Trajectory& t : group.members) {
      std::size_t rows = 0, tokens = 0;
      for (const Turn& turn : t.turns) rows += turn.experts.size(), tokens += turn.prompt_ids.size() + turn.completion_ids.size();
      EXPECT_EQ(rows, (tokens - 1) * per_row);
    }
  }
}

TEST(Replay, SamplerAndTrainerAgreeAlsoWhereTheRouterIsNearATie) {
  Scene s;
  const auto groups = s.Rollout();
  EXPECT_GT(s.Step(groups, false).at("sampling/sampling_logp_difference/max"), 1e-3) << "these weights show nothing";
  EXPECT_LT(s.Step(groups, true).at("sampling/sampling_logp_difference/max"), 2e-5);
}

TEST(Replay, TheReferenceChoosesItsOwnExperts) {
  Scene s;
  auto groups = s.Rollout();
  const double own = s.Step(groups, true, "{kl_coef: 1}").at("kl");
  for (Group& group : groups) {
    for (Trajectory& t : group.members) {
      for (Turn& turn : t.turns) std::fill(turn.experts.begin(), turn.experts.end(), 0);
    }
  }
  // The policy is forced onto expert 0 in every slot; a reference that were forced, too, would have no distance to it.
  EXPECT_GT(s.Step(groups, true, "{kl_coef: 1}").at("kl"), own + 0.01);
}

TEST(Replay, ATrajectoryWithoutExpertsIsRoutedAnew) {
  Scene s;
  auto groups = s.Rollout();
  const auto with = s.Step(groups, false);
  for (Group& group : groups) {
    for (Trajectory& t : group.members) {
      for (Turn& turn : t.turns) turn.experts.clear();
    }
  }
  EXPECT_EQ(s.Step(groups, true).at("loss"), with.at("loss"));
}

}  // namespace
}  // namespace cogent
