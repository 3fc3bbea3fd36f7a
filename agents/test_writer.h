// Asks a policy for tests of problems, and keeps those that hold (verifiers/written_tests.h).
//
//   std::vector<WrittenTests> tests = WriteTests(agent, sandbox, {&problem}, limits, rng);
//
// Thread rule: waits for the agent and for the sandbox; one call at a time for an agent.
#pragma once

#include <vector>

#include "agents/agent.h"
#include "verifiers/written_tests.h"

namespace cogent {

// One for each problem, in order. The agent is asked once, about all of them; problem i draws from rng.Fork(i).
// Throws what ReadWrittenTests throws.
std::vector<WrittenTests> WriteTests(Agent& agent, Sandbox& sandbox, const std::vector<const CodeProblem*>& problems, const Limits& limits,
                                     const Rng& rng);

}  // namespace cogent
