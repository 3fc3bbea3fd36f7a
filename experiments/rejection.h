// Rejection sampling: which completions of a policy are kept as demonstrations for others to learn from.
//
//   Rejection rules(settings);
//   for (const Trajectory* t : rules.Select(groups)) file.Append(KeptLine(*t));
//   rules.counts().dropped["reward below min_reward"] ...
//
// Source: DeepSeek-R1, arXiv 2501.12948, section 2.3.3 (only right answers, no mixed languages, no chaos).
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agents/prompted_agent.h"
#include "agents/remote_agent.h"
#include "agents/trajectory.h"
#include "core/config.h"

namespace cogent {

// The section `sample` of a run's YAML.
struct SampleSettings {
  int tasks = 1000;
  int samples = 8;
  int keep = 1;
  double min_reward = 1.0;
  Node min_scores = Node::Map();
  int min_tokens = 0;
  int max_tokens = 0;
  std::string prefer = "first";
  bool dedupe = true;
  Prompting prompting;
  std::optional<RemoteSettings> remote;
  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Node& section) const;
  // `min_scores` as numbers. REQUIRES that Validate had nothing to say.
  std::map<std::string, double> MinScores() const;
};

// Where everything went. Each completion is counted once: kept, or under the first rule that drops it.
struct RejectionCounts {
  double tasks = 0, tasks_without = 0, completions = 0, kept = 0, kept_tokens = 0;
  std::map<std::string, double> dropped;
};

class Rejection {
 public:
  explicit Rejection(const SampleSettings& settings);

  // One group a task; what is kept, in the order of the tasks. Several turns cannot be written as a prompt and its
  // completion: such episodes are dropped.
  std::vector<const Trajectory*> Select(const std::vector<Group>& groups);
  // A line that Select led to earlier, so that it is not kept twice.
  void Known(const std::string& prompt, const std::string& completion) { known_.insert(prompt + '\0' + completion); }

  RejectionCounts& counts() { return counts_; }

 private:
  // Why it is dropped; empty when it is not.
  std::string Reason(const Trajectory& t) const;

  SampleSettings settings_;
  std::map<std::string, double> min_scores_;
  std::set<std::string> known_;
  RejectionCounts counts_;
};

// {"prompt", "completion", "reward", "rewards": {name: score}, "tokens", "task", "maker"}: a line that `algorithm: sft` reads.
std::string KeptLine(const Trajectory& t, const std::string& maker);

}  // namespace cogent
