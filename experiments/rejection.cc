#include "experiments/rejection.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/scalar.h"

namespace cogent {

void SampleSettings::VisitFields(FieldVisitor& visit) {
  visit("tasks", tasks, "training tasks, from the first on", {1, 1 << 30});
  visit("samples", samples, "completions a task", {1, 1 << 16});
  visit("keep", keep, "kept a task at most", {1, 1 << 16});
  visit("min_reward", min_reward, "the weighted reward that a kept completion has at least", {-1e9, 1e9});
  visit("min_scores", min_scores, "the same for single rewards by name: {accuracy: 1, format: 1}; list a reward with weight 0 to only filter by it");
  visit("min_tokens", min_tokens, "shortest kept completion: long chains of thought alone, as examples", {0, 1 << 30});
  visit("max_tokens", max_tokens, "longest kept completion, 0 = any; completions cut by a length limit are never kept", {0, 1 << 30});
  visit("prefer", prefer, "which of more than `keep` good ones: first (as drawn), shortest, or the highest reward", OneOf{"first", "shortest", "reward"});
  visit("dedupe", dedupe, "no prompt and completion twice in the file");
  visit("prompting", prompting, "other words for the questions, or examples before them");
  visit("remote", remote, "a server that answers instead of the run's policy");
}

void SampleSettings::Validate(Problems& problems, const Node& section) const {
  if (min_scores.kind != Node::Kind::kMap && min_scores.kind != Node::Kind::kNull) {
    problems.Add(section.PlaceOf("min_scores"), "'min_scores' must be a map of rewards to numbers: {accuracy: 1}");
    return;
  }
  for (const auto& [name, value] : min_scores.entries) {
    if (value.kind != Node::Kind::kScalar || !ParseReal(value.text).ok()) problems.Add(value.location, "min_scores." + name + " must be a number");
  }
}

std::map<std::string, double> SampleSettings::MinScores() const {
  std::map<std::string, double> scores;
  for (const auto& [name, value] : min_scores.entries) scores[name] = ParseReal(value.text).value;
  return scores;
}

Rejection::Rejection(const SampleSettings& settings) : settings_(settings), min_scores_(settings.MinScores()) {}

std::string Rejection::Reason(const Trajectory& t) const {
  if (t.status == TrajectoryStatus::kUnscorable) return "could not be scored";
  if (t.status == TrajectoryStatus::kTruncated) return "cut by a length limit";
  if (t.turns.size() != 1) return "several turns";
  if (t.turns.front().text.empty()) return "empty";
  if (t.reward < settings_.min_reward) return "reward below min_reward";
  for (const auto& [name, least] : min_scores_) {
    const auto score = std::find_if(t.scores.begin(), t.scores.end(), [&name = name](const NamedScore& s) { return s.name == name; });
    if (score == t.scores.end() || score->score < least) return name + " below min_scores." + name;
  }
  if (t.CompletionTokens() < settings_.min_tokens) return "shorter than min_tokens";
  if (settings_.max_tokens > 0 && t.CompletionTokens() > settings_.max_tokens) return "longer than max_tokens";
  return {};
}

std::vector<const Trajectory*> Rejection::Select(const std::vector<Group>& groups) {
  std::vector<const Trajectory*> all;
  for (const Group& group : groups) {
    std::vector<const Trajectory*> good;
    for (const Trajectory& t : group.members) {
      ++counts_.completions;
      const std::string reason = Reason(t);
      if (reason.empty()) good.push_back(&t);
      else ++counts_.dropped[reason];
    }
    if (settings_.prefer != "first") {
      std::stable_sort(good.begin(), good.end(), [&](const Trajectory* a, const Trajectory* b) {
        return settings_.prefer == "shortest" ? a->CompletionTokens() < b->CompletionTokens() : a->reward > b->reward;
      });
    }
    int kept = 0;
    for (const Trajectory* t : good) {
      if (settings_.dedupe && known_.count(t->task.prompt + '\0' + t->turns.front().text) > 0) {
        ++counts_.dropped["kept already"];
      } else if (kept == settings_.keep) {
        ++counts_.dropped["more than keep"];
      } else {
        Known(t->task.prompt, t->turns.front().text);
        all.push_back(t);
        ++kept;
        ++counts_.kept;
        counts_.kept_tokens += t->CompletionTokens();
      }
    }
    ++counts_.tasks;
    counts_.tasks_without += kept == 0;
  }
  return all;
}

std::string KeptLine(const Trajectory& t, const std::string& maker) {
  nlohmann::ordered_json rewards = nlohmann::ordered_json::object();
  for (const NamedScore& s : t.scores) rewards[s.name] = s.score;
  const nlohmann::ordered_json line{{"prompt", t.task.prompt}, {"completion", t.turns.front().text}, {"reward", t.reward}, {"rewards", rewards},
                                    {"tokens", t.CompletionTokens()}, {"task", t.id.index}, {"maker", maker}};
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace cogent
