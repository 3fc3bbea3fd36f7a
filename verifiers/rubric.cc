#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <utility>

#include "core/error.h"
#include "verifiers/reward.h"

namespace cogent {
namespace {

constexpr const char* kAccuracy = "accuracy";

struct Place {
  double weight = 1.0;
  std::string as, only;
  void VisitFields(FieldVisitor& visit) {
    visit("weight", weight, "what the score is multiplied by in the total", {-1000.0, 1000.0});
    visit("as", as, "the name of its score, where one reward is used twice; empty = its own");
    visit("only", only, "of a mixture's tasks, those of this part alone; empty = all tasks");
  }
  void Validate(Problems& problems, const Location& where) const {
    const bool plain = std::all_of(as.begin(), as.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
    if (!plain || as == kAccuracy) problems.Add(where, "as: '" + as + "' can be no name of a score; use letters, digits and _");
  }
};

// A reward that is asked about the tasks of one part of a mixture; the others have no score of its name.
class OnlyFor final : public Reward {
 public:
  OnlyFor(std::string part, std::shared_ptr<const Reward> reward) : part_(std::move(part)), reward_(std::move(reward)) {}
  const Reward& inner() const { return *reward_; }
  // Throws where a task is of no mixture: nobody would ever be paid, and nobody would know.
  bool Asks(const Task& task) const {
    const auto fact = task.facts.find("environment");
    if (fact == task.facts.end()) throw ConfigError("`only: " + part_ + "` is for the tasks of a mixture, and this environment is none; leave it out");
    return fact->second == part_;
  }
  Verdict Score(const Task& task, const Completion& completion) const override { return reward_->Score(task, completion); }

 private:
  std::string part_;
  std::shared_ptr<const Reward> reward_;
};

// Takes `weight`, `as` and `only` out of a choice's settings; what stays is for the reward itself.
Place TakePlace(Choice& choice, Problems& problems) {
  Place place = ReadConfig<Place>(TakeKeys(choice.settings, {"weight", "as", "only"}), problems, "reward '" + choice.name + "'");
  if (place.as.empty()) place.as = choice.name;
  return place;
}

}  // namespace

Rubric Rubric::Make(const std::vector<Choice>& choices, const RewardRegistry& registry,
                    Problems& problems) {
  Rubric rubric;
  if (!choices.empty()) rubric.accuracy_weight_ = 0.0;
  std::vector<std::string> seen;
  for (Choice choice : choices) {
    const bool own = choice.name == kAccuracy;
    const Node* as = own ? nullptr : choice.settings.Find("as");
    const std::string label = as != nullptr ? as->text : choice.name;
    for (const std::string& name : seen) {
      if (name != label) continue;
      problems.Add(choice.location, "reward '" + name +
                                        "' is listed twice; leave one, and give it "
                                        "the weight you want, or give one another name: `as: NAME`");
    }
    seen.push_back(label);
    if (own) {
      const Place place = ReadConfig<Place>(choice.settings, problems, "reward 'accuracy'");
      rubric.accuracy_weight_ = place.weight;
      if (!place.only.empty()) problems.Add(choice.location, "'accuracy' is the verdict of every environment and cannot be for one part `only`");
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
    const Place place = TakePlace(choice, problems);
    std::shared_ptr<const Reward> reward = registry.Make(choice, problems);
    if (reward && !place.only.empty()) reward = std::make_shared<OnlyFor>(place.only, std::move(reward));
    if (reward) rubric.items_.push_back({place.as, place.weight, std::move(reward)});
  }
  return rubric;
}

namespace {

Verdict BrokenReward(const std::string& reason) {
  return {.score = 0.0, .reason = reason, .broken = true};
}

// A score that is no number is a failure of the reward, not a 0.
Verdict Checked(Verdict verdict) {
  if (verdict.broken || std::isfinite(verdict.score)) return verdict;
  return BrokenReward("gave a score that is not a finite number");
}

Verdict AskOne(const Reward& reward, const Answered& one) {
  try {
    return Checked(reward.Score(*one.task, *one.completion));
  } catch (const std::exception& error) {
    return BrokenReward(error.what());
  }
}

// Where a batch reward throws, it is asked again group by group and then one by one, so that only
// those it breaks on are lost.
std::vector<Verdict> AskBatch(const BatchReward& reward, const std::vector<Answered>& answered) {
  try {
    std::vector<Verdict> verdicts = reward.ScoreAll(answered);
    if (verdicts.size() != answered.size()) {
      throw InternalError("returned " + std::to_string(verdicts.size()) + " verdicts for " +
                          std::to_string(answered.size()) + " completions");
    }
    for (Verdict& verdict : verdicts) verdict = Checked(std::move(verdict));
    return verdicts;
  } catch (const std::exception& error) {
    if (answered.size() == 1) return {BrokenReward(error.what())};
  }
  std::vector<Verdict> verdicts;
  const bool one_group = std::all_of(answered.begin(), answered.end(), [&](const Answered& one) {
    return one.group == answered[0].group;
  });
  for (std::size_t begin = 0; begin < answered.size();) {
    std::size_t end = begin + 1;
    while (!one_group && end < answered.size() && answered[end].group == answered[begin].group)
      ++end;
    for (Verdict& verdict :
         AskBatch(reward, {answered.begin() + static_cast<std::ptrdiff_t>(begin),
                           answered.begin() + static_cast<std::ptrdiff_t>(end)})) {
      verdicts.push_back(std::move(verdict));
    }
    begin = end;
  }
  return verdicts;
}

std::vector<Verdict> Ask(const Reward& reward, const std::vector<Answered>& answered) {
  if (answered.empty()) return {};
  if (const auto* batch = dynamic_cast<const BatchReward*>(&reward)) return AskBatch(*batch, answered);
  std::vector<Verdict> verdicts;
  for (const Answered& one : answered) verdicts.push_back(AskOne(reward, one));
  return verdicts;
}

}  // namespace

std::vector<std::vector<NamedScore>> Rubric::ScoreAll(const std::vector<Answered>& answered) const {
  std::vector<std::vector<NamedScore>> scores(answered.size());
  if (answered.empty()) return scores;
  for (const Item& item : items_) {
    const auto* only = dynamic_cast<const OnlyFor*>(item.reward.get());
    std::vector<Answered> asked;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < answered.size(); ++i) {
      if (only != nullptr && !only->Asks(*answered[i].task)) continue;
      asked.push_back(answered[i]);
      places.push_back(i);
    }
    std::vector<Verdict> verdicts = Ask(only != nullptr ? only->inner() : *item.reward, asked);
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      scores[places[i]].push_back({item.name, verdicts[i].score, item.weight, std::move(verdicts[i].reason), verdicts[i].broken});
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
