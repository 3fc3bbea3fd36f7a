#include <ATen/ATen.h>

#include "algorithms/algorithm.h"

namespace cogent {

at::Tensor Batch::PerToken(const at::Tensor& per_trajectory) const { return per_trajectory.index_select(0, sequence); }

Batch Batch::Slice(std::int64_t first, std::int64_t last) const {
  const at::Tensor ends = lengths.cumsum(0);
  const std::int64_t begin = first == 0 ? 0 : ends[first - 1].item<std::int64_t>();
  const std::int64_t count = last == first ? 0 : ends[last - 1].item<std::int64_t>() - begin;
  const auto rows = [&](const at::Tensor& t) { return t.defined() ? t.narrow(0, first, last - first) : t; };
  const auto tokens = [&](const at::Tensor& t) { return t.defined() ? t.narrow(0, begin, count) : t; };
  return {rows(rewards), rows(groups), rows(lengths), rows(truncated), tokens(sequence) - first, tokens(old_logprobs),
          tokens(ref_logprobs), tokens(advantages), tokens(weights)};
}

Batch MakeBatch(const std::vector<Group>& groups) {
  std::vector<double> rewards;
  std::vector<std::int64_t> group_of, lengths, sequence;
  std::vector<std::uint8_t> truncated;
  std::vector<float> old_logprobs;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (const Trajectory& t : groups[g].members) {
      const auto index = static_cast<std::int64_t>(rewards.size());
      rewards.push_back(t.reward);
      group_of.push_back(static_cast<std::int64_t>(g));
      truncated.push_back(t.status == TrajectoryStatus::kTruncated);
      lengths.push_back(t.CompletionTokens());
      for (const Turn& turn : t.turns) {
        old_logprobs.insert(old_logprobs.end(), turn.logprobs.begin(), turn.logprobs.end());
        sequence.insert(sequence.end(), turn.completion_ids.size(), index);
      }
    }
  }
  Batch batch;
  batch.rewards = at::tensor(rewards, at::kDouble);
  batch.groups = at::tensor(group_of, at::kLong);
  batch.lengths = at::tensor(lengths, at::kLong);
  batch.truncated = at::tensor(truncated, at::kByte).to(at::kBool);
  batch.sequence = at::tensor(sequence, at::kLong);
  batch.old_logprobs = at::tensor(old_logprobs, at::kFloat);
  return batch;
}

at::Tensor KlEstimateK3(const at::Tensor& logprobs, const at::Tensor& ref_logprobs) {
  const at::Tensor log_ratio = (ref_logprobs - logprobs).clamp_max(kLargestLogRatio);
  return at::expm1(log_ratio) - log_ratio;
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
