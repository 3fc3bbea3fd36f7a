#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "algorithms/algorithm.h"

namespace cogent {

std::optional<double> Accuracy(const Trajectory& trajectory) {
  for (const NamedScore& score : trajectory.scores) {
    if (score.name == "accuracy") return score.score;
  }
  return std::nullopt;
}

at::Tensor Batch::PerToken(const at::Tensor& per_trajectory) const { return per_trajectory.index_select(0, sequence); }

at::Tensor Batch::PerTrajectory(const at::Tensor& per_token) const {
  return at::zeros({size()}, per_token.options()).index_add(0, sequence, per_token);
}

Batch Batch::Slice(std::int64_t first, std::int64_t last) const {
  const at::Tensor ends = lengths.cumsum(0);
  const std::int64_t begin = first == 0 ? 0 : ends[first - 1].item<std::int64_t>();
  const std::int64_t count = last == first ? 0 : ends[last - 1].item<std::int64_t>() - begin;
  Batch slice = *this;
  for (at::Tensor* rows : {&slice.rewards, &slice.accuracy, &slice.groups, &slice.lengths, &slice.truncated, &slice.components, &slice.greedy_rewards}) {
    if (rows->defined()) *rows = rows->narrow(0, first, last - first);
  }
  for (at::Tensor* tokens : {&slice.sequence, &slice.old_logprobs, &slice.sampler_logprobs, &slice.ref_logprobs, &slice.token_rewards,
                             &slice.old_values, &slice.advantages, &slice.returns, &slice.importance, &slice.weights}) {
    if (tokens->defined()) *tokens = tokens->narrow(0, begin, count);
  }
  slice.sequence = slice.sequence - first;
  return slice;
}

Batch MakeBatch(const std::vector<Group>& groups) {
  std::vector<double> rewards, accuracy;
  std::vector<std::int64_t> group_of, lengths, sequence;
  std::vector<std::uint8_t> truncated;
  std::vector<float> old_logprobs, sampler_logprobs;
  std::vector<double> greedy, components, component_weights;
  std::vector<std::string> names;  // of the components, in the order they are met; a reward may be for some tasks only
  for (const Group& group : groups) {
    if (group.members.empty()) continue;
    for (const NamedScore& score : group.members.front().scores) {
      if (std::find(names.begin(), names.end(), score.name) != names.end()) continue;
      names.push_back(score.name), component_weights.push_back(score.weight);
    }
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (const Trajectory& t : groups[g].members) {
      const auto index = static_cast<std::int64_t>(rewards.size());
      rewards.push_back(t.reward);
      if (groups[g].greedy) greedy.push_back(groups[g].greedy->reward);
      for (const std::string& name : names) {
        const auto score = std::find_if(t.scores.begin(), t.scores.end(), [&](const NamedScore& s) { return s.name == name; });
        components.push_back(score != t.scores.end() ? score->score : 0.0);
      }
      accuracy.push_back(Accuracy(t).value_or(std::numeric_limits<double>::quiet_NaN()));
      group_of.push_back(static_cast<std::int64_t>(g));
      truncated.push_back(t.status == TrajectoryStatus::kTruncated);
      lengths.push_back(t.CompletionTokens());
      for (const Turn& turn : t.turns) {
        old_logprobs.insert(old_logprobs.end(), turn.logprobs.begin(), turn.logprobs.end());
        const auto& drawn = turn.sampled_logprobs.empty() ? turn.logprobs : turn.sampled_logprobs;
        sampler_logprobs.insert(sampler_logprobs.end(), drawn.begin(), drawn.end());
        sequence.insert(sequence.end(), turn.completion_ids.size(), index);
      }
    }
  }
  Batch batch;
  batch.rewards = at::tensor(rewards, at::kDouble);
  batch.accuracy = at::tensor(accuracy, at::kDouble);
  batch.groups = at::tensor(group_of, at::kLong);
  batch.lengths = at::tensor(lengths, at::kLong);
  batch.truncated = at::tensor(truncated, at::kByte).to(at::kBool);
  if (!greedy.empty()) batch.greedy_rewards = at::tensor(greedy, at::kDouble);
  if (!names.empty()) {
    batch.components = at::tensor(components, at::kDouble).view({batch.size(), static_cast<std::int64_t>(names.size())});
    batch.component_weights = at::tensor(component_weights, at::kDouble);
  }
  batch.sequence = at::tensor(sequence, at::kLong);
  batch.old_logprobs = at::tensor(old_logprobs, at::kFloat);
  batch.sampler_logprobs = at::tensor(sampler_logprobs, at::kFloat);
  return batch;
}

void FixTargets(Batch& batch, const Algorithm& algorithm) {
  Check(!algorithm.NeedsReference() || batch.ref_logprobs.defined(), "an algorithm that compares with a reference needs its log-probabilities");
  Check(!algorithm.NeedsCritic() || batch.old_values.defined(), "an algorithm that learns from a critic needs its values");
  batch.importance = algorithm.Importance(batch);
  batch.advantages = algorithm.Advantages(batch);
  if (algorithm.NeedsCritic()) batch.returns = algorithm.Returns(batch);
}

Batch OptimizerStep(const Batch& batch, const Algorithm& algorithm, std::int64_t first, std::int64_t last) {
  Batch step = batch.Slice(first, last);
  step.weights = algorithm.Weights(step);
  step.counted_tokens = step.weights.ne(0).sum().item<double>();
  return step;
}

Loss Algorithm::ComputeValueLoss(const Batch&, const at::Tensor&) const {
  throw InternalError("an algorithm that needs a critic must have a ComputeValueLoss of its own");
}

at::Tensor TokenMean(const Batch& batch) {
  const auto count = batch.sequence.size(0);
  return at::full({count}, count > 0 ? 1.0 / static_cast<double>(count) : 0.0, at::kFloat);
}

at::Tensor SequenceMean(const Batch& batch) {
  const at::Tensor lengths = batch.lengths.to(at::kDouble).clamp_min(1.0);
  return batch.PerToken(1.0 / (lengths * static_cast<double>(batch.size()))).to(at::kFloat);
}

}  // namespace cogent
