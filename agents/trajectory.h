// What a rollout leaves behind, and all that an algorithm gets to see of it.
//
// A trajectory is made in agents/rollout.cc, never changes afterwards, and holds token ids as they
// were sampled: text is never encoded again. One turn is the simple case.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "envs/env.h"
#include "verifiers/reward.h"

namespace cogent {

// One prompt and what the policy answered. Lengths: completion_ids, logprobs, sampled_logprobs equal; the last two are empty
// where an agent knows none, and ids that it does not know are -1.
struct Turn {
  std::vector<std::int32_t> prompt_ids;      // tokens new in this turn that the policy did not choose
  std::vector<std::int32_t> completion_ids;  // tokens that it chose, end of sequence included, and `forced` others
  std::vector<float> logprobs;               // of each chosen token at temperature 1, nats
  std::vector<float> sampled_logprobs;       // of each under the distribution it was drawn from
  // Experts chosen at each row that is new in this turn ([rows, mixture layers, K]; the row of a token predicts the
  // next one, so the turns' rows together are all tokens but the last). Empty when the agent keeps none.
  std::vector<std::int32_t> experts;
  std::string text;                          // completion_ids decoded, end of sequence left out
  bool truncated = false;                    // cut by a length limit
  int forced = 0;                            // tokens that closed its reasoning by force: such a turn is not learned from
  std::string failure;                       // why there is no answer: the agent's fault, so the trajectory cannot be scored
  std::optional<std::uint64_t> context;      // ContextHash of all that stood before the completion, by the agent
};

// Tells two contexts apart (FNV-1a); the order of ids counts.
inline std::uint64_t ContextHash(const std::vector<std::int32_t>& ids) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const std::int32_t id : ids) hash = (hash ^ static_cast<std::uint32_t>(id)) * 1099511628211ULL;
  return hash;
}

enum class TrajectoryStatus { kDone, kTruncated, kUnscorable };

struct Trajectory {
  TaskId id;
  Task task;
  std::string prompt;  // rendered text of the first turn
  std::vector<Turn> turns;
  std::vector<NamedScore> scores;
  double reward = 0.0;
  std::string answer;  // as the environment read it (Verdict::answer); empty: it does not say
  TrajectoryStatus status = TrajectoryStatus::kDone;
  std::string cause;  // why it is unscorable

  int CompletionTokens() const {
    std::size_t n = 0;
    for (const Turn& turn : turns) n += turn.completion_ids.size();
    return static_cast<int>(n);
  }
};

// The completions of one prompt.
struct Group {
  std::vector<Trajectory> members;
  std::optional<Trajectory> greedy;  // for algorithms that compare with one; it is not learned from
};

}  // namespace cogent
