// Rewards: from a task and a completion to a score with its reason.
//
// A reward is a subclass of Reward (one completion at a time) or of BatchReward (all completions of a
// rollout at once: unit tests in a sandbox, a reward model). A Rubric weighs several by name.
//
//   class Brevity final : public Reward {
//    public:
//     struct Config { int limit = 200; void VisitFields(FieldVisitor& visit) {...} };
//     explicit Brevity(const Config& config) : config_(config) {}
//     Verdict Score(const Task&, const Completion& completion) const override {...}
//   };
//   rewards.Add<Brevity>("brevity", "pays for short completions");
//   # YAML:  rewards: [{name: accuracy}, {name: brevity, weight: 0.1}]
//   # used twice, it has two names: {name: brevity, as: very_brief, limit: 50}; of a mixture's tasks, one part's: `only: countdown`
//
// A Verdict is about the model's text and never throws because of it. A reward that cannot decide
// because something of ours broke throws, or says so in the verdict (`broken`); the trajectory is then set
// aside as unscorable and is never a reward of 0. Thread rule: Score may be called from several threads at once.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/registry.h"

namespace cogent {

// What is asked and what is known about the right answer.
struct Task {
  std::string prompt;                        // the question, as the user would put it
  std::string answer;                        // gold answer, may be empty
  std::map<std::string, std::string> facts;  // whatever the environment's own scoring needs
};

// What the policy wrote: one turn where an environment is asked, all turns of the episode with a line break between
// them (and nothing of what the environment said) where rewards are.
struct Completion {
  std::string text;        // UTF-8, special tokens other than the end of sequence included
  int tokens = 0;          // sampled tokens, the end of sequence included
  bool truncated = false;  // cut by a length limit before it ended itself
};

struct Verdict {
  double score = 0.0;  // in [0, 1] unless the reward's header says otherwise
  std::string reason;  // one line, for people
  // Something of ours broke on this one (a service did not answer, a machine was lost), and `reason` says
  // what: there is no score, and the trajectory is unscorable. The others of a batch keep theirs.
  bool broken = false;
  // The answer that was read, in one spelling for equal ones, where the environment knows better than Extract
  // (verifiers/extract.h) what it is: for the votes of a majority. Empty: not said.
  std::string answer = {};
};

class Reward {
 public:
  virtual ~Reward() = default;
  virtual Verdict Score(const Task& task, const Completion& completion) const = 0;
};

// A completion together with the task it answers, and what is known of it when rewards are asked.
struct Answered {
  const Task* task = nullptr;
  const Completion* completion = nullptr;
  int group = 0;                             // the completions of one prompt have the same number
  std::optional<double> accuracy = std::nullopt;  // the environment's verdict, where there is one
};

// For what is asked about many at once, or needs the group or the environment's verdict: unit tests in a
// sandbox, a reward model, a judge, a length beside the group's. All completions of a rollout come in one
// call; an evaluation, Score and a rubric that looks for a broken one may bring one alone.
class BatchReward : public Reward {
 public:
  // One verdict for each, in order; `broken` where one could not be judged. If this throws, it is asked again
  // with one group at a time, then with one completion: say `broken` for all where that would not help.
  virtual std::vector<Verdict> ScoreAll(const std::vector<Answered>& answered) const = 0;
  Verdict Score(const Task& task, const Completion& completion) const final {
    return ScoreAll({{&task, &completion}}).front();
  }
};

using RewardRegistry = Registry<Reward>;
// The rewards this library ships; see `cogent list`.
RewardRegistry BuiltinRewards();

// A score kept under its name, with the weight it enters the total by.
struct NamedScore {
  std::string name;
  double score = 0.0;
  double weight = 1.0;
  std::string reason;
  bool broken = false;  // as Verdict's
};

// Weighted rewards. The name `accuracy` is the environment's own verdict and is not looked up here:
// its weight is `accuracy_weight()` (1 when the list is empty, 0 when the list leaves it out).
class Rubric {
 public:
  // Reads `[{name: accuracy, weight: 1}, {name: format, weight: 0.1, ...}]`. Mistakes go to `problems`.
  static Rubric Make(const std::vector<Choice>& choices, const RewardRegistry& registry, Problems& problems);

  // Scores of every reward but `accuracy`: result[i] belongs to answered[i], in the rubric's order. Does not
  // throw because of a reward: one that throws, gives NaN or too few verdicts is `broken` there, with the cause.
  std::vector<std::vector<NamedScore>> ScoreAll(const std::vector<Answered>& answered) const;
  double accuracy_weight() const { return accuracy_weight_; }
  std::vector<std::string> Names() const;  // `accuracy` first when it counts

 private:
  struct Item {
    std::string name;
    double weight = 1.0;
    std::shared_ptr<const Reward> reward;  // shared: a Rubric is copied into every worker
  };
  double accuracy_weight_ = 1.0;
  std::vector<Item> items_;
};

// Sum of weight * score.
double TotalReward(const std::vector<NamedScore>& scores);

}  // namespace cogent
