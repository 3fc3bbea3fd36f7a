// Pays in full up to `limit` characters, then less and less, and nothing from twice as many on.
#pragma once

#include <algorithm>
#include <string>

#include "verifiers/reward.h"

class Brevity final : public cogent::Reward {
 public:
  struct Config {
    int limit = 200;
    void VisitFields(cogent::FieldVisitor& visit) { visit("limit", limit, "characters that are paid in full", {1, 1 << 20}); }
  };
  explicit Brevity(const Config& config) : config_(config) {}
  cogent::Verdict Score(const cogent::Task&, const cogent::Completion& completion) const override {
    const double share = static_cast<double>(completion.text.size()) / config_.limit;
    return {std::clamp(2.0 - share, 0.0, 1.0), std::to_string(completion.text.size()) + " characters"};
  }

 private:
  Config config_;
};
