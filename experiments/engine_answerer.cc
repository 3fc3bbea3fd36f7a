#include "experiments/engine_answerer.h"

#include "agents/policy_agent.h"
#include "agents/remote_agent.h"
#include "experiments/engine_run.h"

namespace cogent {

Answerer::Answerer(const RunConfig& config, const std::string& checkpoint, const std::optional<RemoteSettings>& remote, const Sampling& sampling) {
  if (remote) {
    agent_ = std::make_unique<RemoteAgent>(*remote, config.prompt_template, sampling);
    CheckServer(*remote);
    name_ = remote->url + " " + remote->model;
    return;
  }
  policy_.emplace(LoadPolicy(checkpoint, config.device));
  generator_.emplace(policy_->parameters, policy_->tokenizer, SamplerOptions(config.rollout, ThreadsOr(config.threads)));
  agent_ = std::make_unique<PolicyAgent>(*generator_, config.prompt_template, sampling, true);
  name_ = checkpoint;
}

}  // namespace cogent
