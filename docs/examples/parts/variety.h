// Pays 1 for a completion that no other of the rollout equals, 1/2 where two are alike, and so on.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "verifiers/reward.h"

class Variety final : public cogent::BatchReward {
 public:
  struct Config {};
  explicit Variety(const Config&) {}
  std::vector<cogent::Verdict> ScoreAll(const std::vector<cogent::Answered>& answered) const override {
    std::map<std::pair<std::string, std::string>, int> alike;
    for (const auto& one : answered) ++alike[{one.task->prompt, one.completion->text}];
    std::vector<cogent::Verdict> verdicts;
    for (const auto& one : answered) {
      const int count = alike[{one.task->prompt, one.completion->text}];
      verdicts.push_back({1.0 / count, std::to_string(count) + " alike"});
    }
    return verdicts;
  }
};
