// What a step by rewards is cut into, between the trainer's own files.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/trainer.h"

namespace cogent {

// A micro-batch: packed rows, and which row predicts which chosen token.
struct Trainer::Piece {
  std::size_t first = 0, last = 0;  // trajectories
  PackedTokens tokens;
  std::vector<std::int64_t> rows, targets;  // of the chosen tokens, in the order of the batch
};

// A rollout as the optimizer meets it; fixed until its last step.
struct Trainer::Lesson {
  std::vector<const Trajectory*> trajectories;
  Batch batch;
  std::optional<std::pair<double, double>> gap;  // of trainer and sampler, mean and largest, where old_logprobs are the trainer's own

  std::vector<const Trajectory*> From(const Piece& piece) const { return {trajectories.begin() + static_cast<std::ptrdiff_t>(piece.first), trajectories.end()}; }
};

struct Trainer::Minibatch {
  std::size_t first = 0, last = 0;  // trajectories
  bool untouched = false;           // nothing has been learned from the rollout yet
  double tokens = 0;                // of the rollout, over its minibatches
  Batch batch;
  std::vector<Piece> pieces;

  Batch Slice(const Piece& piece) const { return batch.Slice(static_cast<std::int64_t>(piece.first - first), static_cast<std::int64_t>(piece.last - first)); }
};

// Of one micro-batch.
struct Trainer::Result {
  std::map<std::string, double> sums;
  double difference = 0.0, differences = 0.0;  // of log-probabilities from those of before: the largest, the sum over tokens
  double low = 1e30, high = 0.0;
  at::Tensor load;
};

}  // namespace cogent
