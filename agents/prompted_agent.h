// Asks another agent in other words: with an instruction around the question, or behind worked examples. For data from policies
// that would not answer in the wanted form, or at the wanted length, by themselves.
//
//   PromptedAgent agent(inner, {.ask = "{prompt}\nCheck each step.", .examples = "chains.jsonl", .shots = 2}, Rng(seed));
//
// Source: DeepSeek-R1, arXiv 2501.12948, section 2.3.1: few-shot prompting with a long chain of thought as an example, and direct
// prompting for answers with reflection and verification. Thread rule: as the inner agent.
#pragma once

#include <string>
#include <vector>

#include "agents/agent.h"
#include "core/config.h"
#include "core/rng.h"

namespace cogent {

// The section `sample.prompting` of a run's YAML.
struct Prompting {
  std::string ask = "{prompt}";
  std::string examples;
  int shots = 0;
  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Node& section) const;
  // What lines are made by, for their provenance: sampled, direct or few_shot.
  std::string Maker() const;
};

class PromptedAgent final : public Agent {
 public:
  // Reads the examples, {"prompt", "completion"} a line; DataError with the line for what is none, and where there are not more
  // than `shots`. The inner agent must outlive this one.
  PromptedAgent(Agent& inner, const Prompting& prompting, const Rng& draws);
  // The question is put in the instruction's words, behind examples that are drawn by the seed and the question alone (so that
  // all samples and turns of it share a beginning), each once, never one with the same prompt.
  std::vector<Turn> Act(const std::vector<Conversation>& conversations, const std::vector<Rng>& draws) override;

 private:
  struct Example {
    std::string prompt, completion;
  };
  Agent* inner_;
  Prompting prompting_;
  Rng draws_;
  std::vector<Example> examples_;
};

}  // namespace cogent
