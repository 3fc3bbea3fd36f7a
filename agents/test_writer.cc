#include "agents/test_writer.h"

namespace cogent {

std::vector<WrittenTests> WriteTests(Agent& agent, Sandbox& sandbox, const std::vector<const CodeProblem*>& problems, const Limits& limits,
                                     const Rng& rng) {
  std::vector<Conversation> conversations;
  std::vector<Rng> draws;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    conversations.push_back({{{Role::kUser, AskForTests(*problems[i])}}, nullptr});
    draws.push_back(rng.Fork(i));
  }
  const std::vector<Turn> turns = agent.Act(conversations, draws);
  std::vector<WrittenTests> written;
  for (std::size_t i = 0; i < problems.size(); ++i) written.push_back(ReadWrittenTests(sandbox, *problems[i], turns[i].text, limits));
  return written;
}

}  // namespace cogent
