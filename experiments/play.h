// `cogent play`: an environment and its rewards tried without a policy.
//
//   PlayCommand(parts, {"play", {"arithmetic", "operands=3"}, {}}, std::cin, std::cout);            a person answers
//   PlayCommand(parts, {"play", {"my.yaml"}, {{"agent", "oracle"}, {"tasks", "20"}}}, std::cin, std::cout);
//
// The first word is an environment's name, and settings of it may follow; or an experiment's file, whose `env`, `rewards`
// and `seed` are taken, and overrides of it may follow. A person sees the question, what the environment says and every reward with its
// reason, task after task until the input ends. A script (agents/scripted.h) answers many, and a table says what it was paid.
// Thread rule: main thread.
#pragma once

#include <iosfwd>
#include <string>

#include "agents/trajectory.h"
#include "experiments/engine.h"

namespace cogent {

// kExitDone; kExitFailed when an answer could not be scored. Mistakes are ConfigError and DataError.
int PlayCommand(const Parts& parts, const Command& command, std::istream& in, std::ostream& out);

// "reward 1.1, accuracy 1 (equal), format 1 (...)"; or why it could not be scored.
std::string RewardText(const Trajectory& trajectory);

}  // namespace cogent
