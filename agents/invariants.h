// What must hold of every trajectory before anything is learned from it. Cheap, so it is always on.
//
//   CheckGroups(groups, config.rollout.group_size);
//
// A violation is a fault of the program (or of an agent), never of the policy: it throws InternalError that names the
// trajectory. Unscorable trajectories are not looked at; leave their groups out first.
// Thread rule: a function of its arguments.
#pragma once

#include <string>
#include <vector>

#include "agents/trajectory.h"

namespace cogent {

// Groups are complete and of one prompt; every token of a completion was chosen by the policy and has an id and finite
// log-probabilities; what the agent read before a turn is exactly the prompts and completions recorded so far; rewards and
// scores are finite.
void CheckGroups(const std::vector<Group>& groups, int group_size);

// "train task 12 of seed 1, member 3"
std::string NameOf(const Trajectory& trajectory, std::size_t member);

}  // namespace cogent
