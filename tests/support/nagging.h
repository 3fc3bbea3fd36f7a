// An environment that asks three times, whatever it hears: episodes of several turns for the tests of those who take them.
#pragma once

#include <string>
#include <utility>

#include "envs/env.h"

namespace cogent {

class Nagging final : public Env {
 public:
  explicit Nagging(std::string again) : again_(std::move(again)) {}
  Observation Reset(const TaskId& id) override {
    task_.prompt = "the question is " + std::to_string(id.index);
    return {{{Role::kUser, task_.prompt}}};
  }
  StepResult Step(const Completion& completion) override {
    if (++steps_ == 3) return {{}, true, {static_cast<double>(completion.tokens % 2), ""}};
    return {{{{Role::kUser, again_}}}, false, {}};
  }
  const Task& task() const override { return task_; }

 private:
  std::string again_;
  Task task_;
  int steps_ = 0;
};

}  // namespace cogent
