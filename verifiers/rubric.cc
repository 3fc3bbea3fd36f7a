#include <cmath>
#include <cstddef>
#include <utility>

#include "core/error.h"
#include "verifiers/reward.h"

namespace cogent {
namespace {

constexpr const char* kAccuracy = "accuracy";

struct Weight {
  double weight = 1.0;
  void VisitFields(FieldVisitor& visit) {
    visit("weight", weight, "what the score is multiplied by in the total", {-1000.0, 1000.0});
  }
};

// Takes `weight` out of a choice's settings; what stays is for the reward itself.
double TakeWeight(Choice& choice, Problems& problems) {
  Node weight = Node::Map(choice.location);
  Node rest = Node::Map(choice.settings.location);
  const auto& places = choice.settings.key_locations;
  for (std::size_t i = 0; i < choice.settings.entries.size(); ++i) {
    const auto& [key, value] = choice.settings.entries[i];
    Node& side = key == "weight" ? weight : rest;
    side.entries.emplace_back(key, value);
    side.key_locations.push_back(i < places.size() ? places[i] : value.location);
  }
  choice.settings = std::move(rest);
  return ReadConfig<Weight>(weight, problems, "reward '" + choice.name + "'").weight;
}

}  // namespace

Rubric Rubric::Make(const std::vector<Choice>& choices, const RewardRegistry& registry,
                    Problems& problems) {
  Rubric rubric;
  if (!choices.empty()) rubric.accuracy_weight_ = 0.0;
  std::vector<std::string> seen;
  for (Choice choice : choices) {
    for (const std::string& name : seen) {
      if (name != choice.name) continue;
      problems.Add(choice.location, "reward '" + name +
                                        "' is listed twice; leave one, and give it "
                                        "the weight you want");
    }
    seen.push_back(choice.name);
    if (choice.name == kAccuracy) {
      rubric.accuracy_weight_ =
          ReadConfig<Weight>(choice.settings, problems, "reward 'accuracy'").weight;
      continue;
    }
    if (!choice.name.empty() && !registry.Has(choice.name)) {
      std::vector<std::string> known = registry.Names();
      known.insert(known.begin(), kAccuracy);  // the environment's own, which no registry holds
      std::string text = "unknown reward '" + choice.name + "'.";
      if (const auto near = Nearest(choice.name, known)) text += " Did you mean '" + *near + "'?";
      text += " Known:";
      for (std::size_t i = 0; i < known.size(); ++i) text += (i > 0 ? ", " : " ") + known[i];
      problems.Add(choice.location, text + ".");
      continue;
    }
    const double weight = TakeWeight(choice, problems);
    if (auto reward = registry.Make(choice, problems)) {
      rubric.items_.push_back({choice.name, weight, std::move(reward)});
    }
  }
  return rubric;
}

std::vector<std::vector<NamedScore>> Rubric::ScoreAll(const std::vector<Answered>& answered) const {
  std::vector<std::vector<NamedScore>> scores(answered.size());
  if (answered.empty()) return scores;
  for (const Item& item : items_) {
    std::vector<Verdict> verdicts;
    if (const auto* batch = dynamic_cast<const BatchReward*>(item.reward.get())) {
      verdicts = batch->ScoreAll(answered);
    } else {
      for (const Answered& one : answered) {
        verdicts.push_back(item.reward->Score(*one.task, *one.completion));
      }
    }
    // A reward that breaks its contract is not a score of 0.
    if (verdicts.size() != answered.size()) {
      throw InternalError("reward '" + item.name + "' returned " + std::to_string(verdicts.size()) +
                          " verdicts for " + std::to_string(answered.size()) + " completions");
    }
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      if (!std::isfinite(verdicts[i].score)) {
        throw InternalError("reward '" + item.name + "' gave a score that is not a finite number");
      }
      scores[i].push_back(
          {item.name, verdicts[i].score, item.weight, std::move(verdicts[i].reason)});
    }
  }
  return scores;
}

std::vector<std::string> Rubric::Names() const {
  std::vector<std::string> names;
  if (accuracy_weight_ != 0.0) names.push_back(kAccuracy);
  for (const Item& item : items_) names.push_back(item.name);
  return names;
}

double TotalReward(const std::vector<NamedScore>& scores) {
  double total = 0.0;
  for (const NamedScore& score : scores) total += score.weight * score.score;
  return total;
}

}  // namespace cogent
