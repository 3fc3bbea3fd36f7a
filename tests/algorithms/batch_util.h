// Batches and trajectories for tests of algorithms.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "algorithms/algorithm.h"
#include "core/rng.h"

namespace cogent::batches {

inline std::unique_ptr<Algorithm> Make(const std::string& name, const std::string& settings = "{}") {
  Problems problems;
  Choice choice{name, ParseYaml(settings, "settings"), {"settings", 1, 1}};
  auto algorithm = BuiltinAlgorithms().Make(choice, problems);
  problems.ThrowIfAny();
  return algorithm;
}

// A trajectory of `turns` turns with up to `longest` chosen tokens each. Log-probabilities are made up.
inline Trajectory Random(Rng& rng, int vocabulary, const std::vector<std::int32_t>& prompt, int turns, int longest) {
  Trajectory t;
  for (int turn = 0; turn < turns; ++turn) {
    Turn made;
    if (turn == 0) made.prompt_ids = prompt;
    for (int i = 0; turn > 0 && i < 3; ++i) made.prompt_ids.push_back(static_cast<std::int32_t>(rng.Range(0, vocabulary - 1)));
    const int count = static_cast<int>(rng.Range(1, longest));
    for (int i = 0; i < count; ++i) {
      made.completion_ids.push_back(static_cast<std::int32_t>(rng.Range(0, vocabulary - 1)));
      made.logprobs.push_back(static_cast<float>(-3.0 + rng.Normal() * 0.3));
    }
    made.sampled_logprobs = made.logprobs;
    t.turns.push_back(made);
  }
  t.reward = rng.Uniform();
  t.status = rng.Uniform() < 0.3 ? TrajectoryStatus::kTruncated : TrajectoryStatus::kDone;
  return t;
}

inline std::vector<Group> RandomGroups(std::uint64_t seed, int vocabulary, int prompts, int members, int turns = 1) {
  Rng rng(seed);
  std::vector<Group> groups(static_cast<std::size_t>(prompts));
  for (Group& group : groups) {
    std::vector<std::int32_t> prompt;
    for (std::int64_t i = rng.Range(1, 7); i > 0; --i) prompt.push_back(static_cast<std::int32_t>(rng.Range(0, vocabulary - 1)));
    for (int m = 0; m < members; ++m) group.members.push_back(Random(rng, vocabulary, prompt, turns, 9));
  }
  return groups;
}

// A reference policy, a critic and another sampler, each about as far from the old policy as `spread`.
inline void FillNoise(Batch& batch, std::uint64_t seed, double spread) {
  Rng rng(seed);
  batch.greedy_rewards = at::zeros_like(batch.rewards);
  for (std::int64_t i = 0; i < batch.size(); ++i) batch.greedy_rewards[i] = rng.Uniform();
  batch.component_weights = at::tensor({1.0, 0.2}, at::kDouble);
  batch.components = at::stack({batch.rewards, batch.greedy_rewards}, 1);
  for (at::Tensor* field : {&batch.ref_logprobs, &batch.sampler_logprobs, &batch.old_values}) {
    *field = batch.old_logprobs.clone();
    for (std::int64_t t = 0; t < field->numel(); ++t) (*field)[t] += spread * rng.Normal();
  }
}

// |a - b| / |b|.
inline double RelativeError(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).to(at::kDouble).norm() / b.to(at::kDouble).norm()).item<double>();
}

}  // namespace cogent::batches
