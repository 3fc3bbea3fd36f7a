#include "agents/invariants.h"

#include <cmath>

#include "core/error.h"

namespace cogent {
namespace {

[[noreturn]] void Violated(const Trajectory& t, std::size_t member, const std::string& what) {
  throw InternalError(NameOf(t, member) + ": " + what + ". Nothing was learned from it; the last checkpoint is whole. Please report this with the command you ran");
}

void CheckTurns(const Trajectory& t, std::size_t member) {
  if (t.turns.empty()) Violated(t, member, "the trajectory has no turn");
  std::vector<std::int32_t> read;  // all that stood before the completion
  for (std::size_t k = 0; k < t.turns.size(); ++k) {
    const Turn& turn = t.turns[k];
    const std::string where = "turn " + std::to_string(k) + ": ";
    if (turn.completion_ids.empty() && !turn.truncated) Violated(t, member, where + "the policy chose no token");
    if (turn.logprobs.size() != turn.completion_ids.size() || turn.sampled_logprobs.size() != turn.completion_ids.size()) {
      Violated(t, member, where + std::to_string(turn.completion_ids.size()) + " tokens were chosen, but " + std::to_string(turn.logprobs.size()) + " and " +
                              std::to_string(turn.sampled_logprobs.size()) + " log-probabilities are recorded");
    }
    if (turn.forced > 0) Violated(t, member, where + std::to_string(turn.forced) + " tokens were forced, not chosen by the policy");
    for (std::size_t i = 0; i < turn.completion_ids.size(); ++i) {
      const bool sound = turn.completion_ids[i] >= 0 && std::isfinite(turn.logprobs[i]) && std::isfinite(turn.sampled_logprobs[i]);
      if (!sound) Violated(t, member, where + "token " + std::to_string(i) + " has a log-probability that is not finite, or no id");
    }
    read.insert(read.end(), turn.prompt_ids.begin(), turn.prompt_ids.end());
    if (turn.context && *turn.context != ContextHash(read)) {
      Violated(t, member, where + "the policy read other tokens than the prompts and completions recorded so far: the prefix is broken");
    }
    read.insert(read.end(), turn.completion_ids.begin(), turn.completion_ids.end());
  }
}

}  // namespace

std::string NameOf(const Trajectory& t, std::size_t member) {
  return std::string(t.id.split == Split::kTrain ? "train" : "test") + " task " + std::to_string(t.id.index) + " of seed " + std::to_string(t.id.seed) +
         ", member " + std::to_string(member);
}

void CheckGroups(const std::vector<Group>& groups, int group_size) {
  for (const Group& group : groups) {
    Check(!group.members.empty(), "a group without members");
    const Trajectory& first = group.members.front();
    if (static_cast<int>(group.members.size()) != group_size) {
      Violated(first, 0, "its group has " + std::to_string(group.members.size()) + " members, not " + std::to_string(group_size));
    }
    for (std::size_t m = 0; m < group.members.size(); ++m) {
      const Trajectory& t = group.members[m];
      CheckTurns(t, m);
      const bool same = t.id.split == first.id.split && t.id.seed == first.id.seed && t.id.index == first.id.index;
      if (!same || t.turns.front().prompt_ids != first.turns.front().prompt_ids) Violated(t, m, "its group's first member has another prompt");
      if (!std::isfinite(t.reward)) Violated(t, m, "its reward is not finite");
      for (const NamedScore& score : t.scores) {
        if (!std::isfinite(score.score)) Violated(t, m, "the score '" + score.name + "' is not finite");
      }
    }
  }
}

}  // namespace cogent
