// The rollout: agents answer environments, verifiers score, trajectories come out. The one place that
// makes trajectories, and the one that catches failures of ours.
//
//   auto groups = CollectGroups({.group_size = 8}, envs, rubric, agent, task_ids, rng);
//
// A reward or environment that throws or says `broken` makes the trajectory kUnscorable with the cause in it; its group
// takes no part in training, and the share is the caller's to bound. It is never a reward of 0.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "agents/agent.h"
#include "envs/env.h"

namespace cogent {

struct RolloutOptions {
  int group_size = 8;  // completions a prompt
  int max_turns = 8;   // episodes are cut after as many
  std::size_t first_task = 0;  // the number of tasks.front(): a list may be worked off in parts with equal draws
};

using MakeEnv = std::function<std::unique_ptr<Env>()>;

// One group a task, in the order of `tasks`. Member m of task t draws from rng.Fork(first_task + t).Fork(m).Fork(turn).
std::vector<Group> CollectGroups(const RolloutOptions& options, const MakeEnv& make_env, const Rubric& rubric, Agent& agent,
                                 const std::vector<TaskId>& tasks, const Rng& rng);

}  // namespace cogent
