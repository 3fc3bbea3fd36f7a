#include "experiments/engine_methods.h"

#include <fmt/format.h>

#include <algorithm>

namespace cogent {

Methods::Methods(const Parts& parts) : algorithms(BuiltinAlgorithms()), objectives(BuiltinObjectives()) {
  if (parts.add_algorithms) parts.add_algorithms(algorithms);
  if (parts.add_objectives) parts.add_objectives(objectives);
}

std::vector<std::string> Methods::Names() const {
  std::vector<std::string> names = algorithms.Names();
  for (const std::string& name : objectives.Names()) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

bool Methods::Settle(Choice& algorithm, Problems& problems) const {
  if (algorithms.Has(algorithm.name)) {
    const auto made = algorithms.Make(algorithm, problems);
    if (made) algorithm.settings = algorithms.Resolve(algorithm);
    return made && made->NeedsCritic();
  }
  if (objectives.Has(algorithm.name)) {
    if (objectives.Make(algorithm, problems)) algorithm.settings = objectives.Resolve(algorithm);
  } else {
    const std::vector<std::string> known = Names();
    const auto near = Nearest(algorithm.name, known);
    problems.Add(algorithm.location, fmt::format("unknown algorithm '{}'.{} Known: {}.", algorithm.name, near ? " Did you mean '" + *near + "'?" : "", fmt::join(known, ", ")));
  }
  return false;
}

bool Methods::Check(RunConfig& config, Purpose purpose, Problems& problems) const {
  Choice& chosen = config.algorithm;
  const std::size_t before = problems.lines().size();
  const bool critic = Settle(chosen, problems);
  if (problems.lines().size() > before) return critic;
  const auto say = [&](const std::string& what) { problems.Add(chosen.location, fmt::format("algorithm '{}' {}", chosen.name, what)); };
  const auto algorithm = algorithms.Has(chosen.name) ? algorithms.Make(chosen, problems) : nullptr;
  const auto objective = algorithm ? nullptr : objectives.Make(chosen, problems);
  if (objective && !config.data) say("learns from labelled examples: give `data: {paths: [FILE.jsonl]}`");
  if (algorithm && config.data) say(fmt::format("learns from rewards and reads no `data`; leave the section out, or name one of: {}", fmt::join(objectives.Names(), ", ")));
  if ((algorithm ? algorithm->NeedsTeacher() : objective->FromTeacher().has_value()) && config.reference.empty()) {
    say("learns from a teacher: give `reference: DIR`, a checkpoint with the policy's tokenizer");
  }
  const bool values = objective && objective->LearnsValues();
  if (values && config.pretrain && purpose == Purpose::kTrain) say("trains a model with a value head, which cannot be pre-trained on text: start from policy.checkpoint");
  if (values && config.policy.lora) say("trains a value head, which an adapter cannot hold: leave policy.lora out");
  if (config.data && (config.train.epochs > 1 || config.train.minibatches > 1)) {
    problems.Add(chosen.location, "train.epochs and train.minibatches are of rollouts; passes over examples are data.epochs, examples a step data.examples");
  }
  // A forced token was not drawn, whatever probability the policy gives it: no ratio, no advantage and no imitation of the policy's own
  // completions is right at such a place.
  const int limit = config.rollout.sampling.max_thinking_tokens;
  if (purpose == Purpose::kTrain && limit > 0 && (algorithm || objective->OnPolicyShare() > 0)) {
    problems.Add(chosen.location, fmt::format("rollout.max_thinking_tokens is {}, but algorithm '{}' learns from the rollouts: the text that closes the reasoning would be forced, "
                                              "and learned from as if the policy had chosen it. Leave it at 0 here (rollout.max_new_tokens bounds the length, the reward 'overlong' "
                                              "discourages it); eval, sample, generate and chat take the limit", limit, chosen.name));
  }
  return critic;
}

bool Methods::LearnsValues(const Choice& algorithm) const {
  Problems problems;
  return objectives.Has(algorithm.name) && objectives.Make(algorithm, problems)->LearnsValues();
}

}  // namespace cogent
