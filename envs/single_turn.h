// The common case: one question, one answer.
//
//   class ReverseEnv final : public SingleTurnEnv {
//    public:
//     struct Config { int length = 6; void VisitFields(FieldVisitor& v) {...} };
//     explicit ReverseEnv(const Config& config) : config_(config) {}
//     Task MakeTask(Rng& rng) const override;
//     Verdict Score(const Task& task, const Completion& completion) const override;
//   };
//
// MakeTask draws one problem from `rng`; it is called again with fresh numbers until the problem
// belongs to the split that is asked for (at most 10,000 times, then DataError: the environment
// has too few problems). A benchmark says in ListedTasks() how many problems it has, and writes ListedTask instead.
#pragma once

#include <optional>
#include <string>

#include "envs/env.h"

namespace cogent {

class SingleTurnEnv : public Env {
 public:
  virtual Task MakeTask(Rng& rng) const = 0;
  // Optional: the prompt alone of what MakeTask makes of this rng. It is asked first where a held-out task is wanted, which seven draws of
  // eight are not: worth it where the rest of a task costs as much.
  virtual std::optional<std::string> Question(Rng) const { return std::nullopt; }
  // Problem id.index of a list. REQUIRES id.index < ListedTasks().
  virtual Task ListedTask(const TaskId& id) const;
  virtual Verdict Score(const Task& task, const Completion& completion) const = 0;
  // Optional: what else to log of a completion, under names of its own and with weight 0.
  virtual std::vector<NamedScore> Measure(const Task&, const Completion&) const { return {}; }

  Observation Reset(const TaskId& id) final;
  StepResult Step(const Completion& completion) final;
  const Task& task() const final;

 private:
  Task task_;
  bool running_ = false;
};

}  // namespace cogent
