// Who answers for `sample`, `judge` and `rewrite`: the policy of a checkpoint, or the server that a section `remote` names.
//
//   Answerer answerer(config, checkpoint, config.sample.remote, config.rollout.sampling);
//   answerer.agent().Act(...);
//
// Thread rule: one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agents/agent.h"
#include "experiments/engine_commands.h"
#include "policies/generate.h"

namespace cogent {

class Answerer {
 public:
  // A policy's weights are read here, and a server is asked whether it is there.
  Answerer(const RunConfig& config, const std::string& checkpoint, const std::optional<RemoteSettings>& remote, const Sampling& sampling);
  Agent& agent() { return *agent_; }
  const std::string& name() const { return name_; }  // the checkpoint, or URL and model

 private:
  std::optional<StoredPolicy> policy_;
  std::optional<Generator> generator_;
  std::unique_ptr<Agent> agent_;
  std::string name_;
};

}  // namespace cogent
