#include "envs/single_turn.h"

#include <utility>

#include "core/error.h"

namespace cogent {

Observation SingleTurnEnv::Reset(const TaskId& id) {
  constexpr std::uint64_t kAttempts = 10000;
  running_ = false;
  if (const std::uint64_t listed = ListedTasks(); listed > 0) {
    if (id.split == Split::kTrain) throw ConfigError("all problems of a benchmark are held out, and none is for training; train on another environment");
    if (id.index >= listed) throw DataError("the benchmark has " + std::to_string(listed) + " problems, and there is no number " + std::to_string(id.index + 1));
    task_ = ListedTask(id);
    running_ = true;
    return {{{Role::kUser, task_.prompt}}};
  }
  const char* side = id.split == Split::kTrain ? "train" : "test";
  const Rng base = Rng(id.seed).Fork("task").Fork(side).Fork(id.index);
  for (std::uint64_t attempt = 0; attempt < kAttempts; ++attempt) {
    Rng rng = base.Fork(attempt);
    const auto question = id.split == Split::kTest ? Question(rng) : std::nullopt;
    if (question && !InSplit(*question, id.split)) continue;
    Task task = MakeTask(rng);
    if (question) Check(*question == task.prompt, "Question and MakeTask give two prompts for one draw");
    else if (!InSplit(task.prompt, id.split)) continue;
    task_ = std::move(task);
    running_ = true;
    return {{{Role::kUser, task_.prompt}}};
  }
  throw DataError("no problem of the " + std::string(side) +
                  " split in 10,000 draws: the environment has too "
                  "few different problems; widen its settings");
}

Task SingleTurnEnv::ListedTask(const TaskId&) const { throw InternalError("an environment has a list of tasks and does not tell them"); }

StepResult SingleTurnEnv::Step(const Completion& completion) {
  Check(running_, "Step needs a Reset before it, and one question takes one Step");
  running_ = false;
  return {{}, true, Score(task_, completion), Measure(task_, completion)};
}

const Task& SingleTurnEnv::task() const {
  Check(!task_.prompt.empty(), "task() needs a Reset before it");
  return task_;
}

}  // namespace cogent
