// Pays for a completion without an exclamation mark.
#pragma once
#include "verifiers/reward.h"

struct Calm final : cogent::Reward {
  struct Config {};
  explicit Calm(const Config&) {}
  cogent::Verdict Score(const cogent::Task&, const cogent::Completion& completion) const override {
    const bool loud = completion.text.find('!') != std::string::npos;
    return {loud ? 0.0 : 1.0, loud ? "loud" : "calm"};
  }
};
