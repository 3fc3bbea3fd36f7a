// Who answers. Whether an agent is a local policy, a remote server, a script or a person, an
// environment cannot tell.
#pragma once

#include <vector>

#include "agents/trajectory.h"
#include "core/message.h"
#include "core/rng.h"

namespace cogent {

// A conversation so far: messages for agents that speak text, and the turns with their token ids
// for agents that speak tokens (ids are kept, never re-encoded).
struct Conversation {
  std::vector<Message> messages;
  const std::vector<Turn>* turns = nullptr;  // earlier turns; null or empty at the start
  const Env* env = nullptr;  // the episode's own, for scripts that look the answer up; what learns must not look
};

class Agent {
 public:
  virtual ~Agent() = default;
  // One turn for each conversation, in order. draws[i] seeds the i-th: the same conversation with
  // the same draws gives the same turn, whatever stands beside it.
  virtual std::vector<Turn> Act(const std::vector<Conversation>& conversations,
                                const std::vector<Rng>& draws) = 0;
};

}  // namespace cogent
