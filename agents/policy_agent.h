// The local policy as an agent: renders the conversation, generates, decodes.
//
// Prompts are those of agents/prompt_tokens.h. Sampled ids are kept and become the context of the next turn as they were.
// Thread rule: one call at a time.
#pragma once

#include <string>
#include <vector>

#include "agents/agent.h"
#include "policies/generate.h"

namespace cogent {

class PolicyAgent final : public Agent {
 public:
  // `prompt_template` is a name or a text with {prompt} (envs/template.h). The generator must outlive the agent.
  // A first prompt that leaves no room in the model's context is a DataError, or with `fails` a turn with a failure.
  PolicyAgent(const Generator& generator, std::string prompt_template, Sampling sampling, bool fails = false);
  std::vector<Turn> Act(const std::vector<Conversation>& conversations, const std::vector<Rng>& draws) override;

 private:
  const Generator* generator_;
  std::string template_;
  Sampling sampling_;
  bool fails_;
};

}  // namespace cogent
