// Trajectories as flat tokens.
#include <gtest/gtest.h>

#include "tests/algorithms/batch_util.h"

namespace cogent {
namespace {


TEST(Batch, HoldsTheChosenTokensOfAllTurnsInOrder) {
  const auto groups = batches::RandomGroups(8, 40, 2, 2, 3);
  const Batch batch = MakeBatch(groups);
  std::vector<float> logprobs;
  std::vector<std::int64_t> sequence;
  for (std::size_t i = 0; i < 4; ++i) {
    const Trajectory& t = groups[i / 2].members[i % 2];
    EXPECT_EQ(batch.lengths[static_cast<std::int64_t>(i)].item<std::int64_t>(), t.CompletionTokens());
    EXPECT_EQ(batch.groups[static_cast<std::int64_t>(i)].item<std::int64_t>(), static_cast<std::int64_t>(i / 2));
    EXPECT_EQ(batch.rewards[static_cast<std::int64_t>(i)].item<double>(), t.reward);
    for (const Turn& turn : t.turns) {
      logprobs.insert(logprobs.end(), turn.logprobs.begin(), turn.logprobs.end());
      sequence.insert(sequence.end(), turn.completion_ids.size(), static_cast<std::int64_t>(i));
    }
  }
  EXPECT_TRUE(batch.old_logprobs.equal(at::tensor(logprobs)));
  EXPECT_TRUE(batch.sequence.equal(at::tensor(sequence, at::kLong)));
}

TEST(Batch, HoldsTheRewardsOneByOneAndTheGreedyOnes) {
  auto groups = batches::RandomGroups(8, 40, 2, 2);
  double next = 0;
  for (Group& group : groups) {
    for (Trajectory& t : group.members) {
      t.scores = {{.name = "accuracy", .score = next + 1, .weight = 1.0}, {.name = "format", .score = next + 2, .weight = 0.1}};
      next += 2;
    }
    group.greedy = group.members.front();
    group.greedy->reward = next;
  }
  groups[1].members[0].scores.pop_back();  // as of another environment's rubric
  const Batch batch = MakeBatch(groups);
  EXPECT_TRUE(batch.components.equal(at::tensor({1, 2, 3, 4, 5, 0, 7, 8}, at::kDouble).view({4, 2})));
  EXPECT_TRUE(batch.component_weights.equal(at::tensor({1.0, 0.1}, at::kDouble)));
  EXPECT_TRUE(batch.greedy_rewards.equal(at::tensor({4, 4, 8, 8}, at::kDouble)));
  const Batch slice = batch.Slice(1, 3);
  EXPECT_TRUE(slice.components.equal(batch.components.narrow(0, 1, 2)));
  EXPECT_TRUE(slice.greedy_rewards.equal(at::tensor({4, 8}, at::kDouble)));
}

TEST(Batch, HoldsARewardThatOnlyLaterTasksAreAskedAbout) {
  auto groups = batches::RandomGroups(8, 40, 2, 1);
  groups[0].members[0].scores = {{.name = "accuracy", .score = 1, .weight = 1.0}};
  groups[1].members[0].scores = {{.name = "accuracy", .score = 0, .weight = 1.0}, {.name = "helpful", .score = 0.7, .weight = 0.5}};
  const Batch batch = MakeBatch(groups);
  EXPECT_TRUE(batch.components.equal(at::tensor({1.0, 0.0, 0.0, 0.7}, at::kDouble).view({2, 2})));
  EXPECT_TRUE(batch.component_weights.equal(at::tensor({1.0, 0.5}, at::kDouble)));
}

TEST(Batch, SlicesKeepEveryToken) {
  Batch batch = MakeBatch(batches::RandomGroups(9, 40, 3, 3));
  batch.advantages = batch.old_logprobs * 2, batch.weights = batch.old_logprobs * 3, batch.ref_logprobs = batch.old_logprobs * 4;
  std::vector<at::Tensor> old, advantages, weights, reference, rewards, sequence;
  const std::vector<std::int64_t> cuts = {0, 1, 1, 5, 9};
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    const Batch slice = batch.Slice(cuts[i], cuts[i + 1]);
    EXPECT_EQ(slice.size(), cuts[i + 1] - cuts[i]);
    EXPECT_EQ(slice.lengths.sum().item<std::int64_t>(), slice.sequence.size(0));
    old.push_back(slice.old_logprobs), advantages.push_back(slice.advantages), weights.push_back(slice.weights);
    reference.push_back(slice.ref_logprobs), rewards.push_back(slice.PerToken(slice.rewards)), sequence.push_back(slice.sequence + cuts[i]);
  }
  EXPECT_TRUE(at::cat(old).equal(batch.old_logprobs));
  EXPECT_TRUE(at::cat(advantages).equal(batch.advantages));
  EXPECT_TRUE(at::cat(weights).equal(batch.weights));
  EXPECT_TRUE(at::cat(reference).equal(batch.ref_logprobs));
  EXPECT_TRUE(at::cat(rewards).equal(batch.PerToken(batch.rewards)));
  EXPECT_TRUE(at::cat(sequence).equal(batch.sequence));
}

}  // namespace
}  // namespace cogent
