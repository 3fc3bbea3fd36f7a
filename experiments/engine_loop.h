// What every kind of training has around its step: resume, evaluation before, on the way and after, checkpoints, the
// best of them, the wish to stop, and the report. A kind of training says what a step is.
//
//   class Loop final : public TrainingLoop {
//     Metrics OneStep(std::int64_t step) override { return trainer().Learn(...).metrics; }
//     ...
//   };
//   return Loop(run, log, algorithm.NeedsReference()).Train(from);
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "experiments/engine_critic.h"
#include "experiments/engine_run.h"
#include "experiments/metrics.h"
#include "policies/generate.h"

namespace cogent {

class TrainingLoop {
 public:
  // With a reference: the run's `reference`, or the weights that it started from. DataError when its tokenizer is another.
  TrainingLoop(Run& run, RunLog& log, bool needs_reference);
  virtual ~TrainingLoop() = default;

  // From the base model, or from the checkpoint of step `from` when that is not negative, to report.html.
  // Returns the exit code: done, or stopped by a signal after saving.
  int Train(std::int64_t from);

 protected:
  virtual std::int64_t Steps() const { return run_.config.train.steps; }
  virtual Metrics OneStep(std::int64_t step) = 0;
  // Beside the progress bar.
  virtual std::string Describe(const Metrics& metrics) const = 0;
  // What a kind measures beside the environment's tasks; `held_out/loss` among it decides where no environment does.
  virtual Metrics MeasureHeldOut(std::int64_t step);

  Trainer& trainer() { return *trainer_; }
  Generator& generator() { return *generator_; }  // REQUIRES writes()
  // The network writes texts, and there are tasks to write them for.
  bool has_env() const { return !run_.config.env.name.empty() && !run_.parameters.config().value_head; }
  // A generator is wanted.
  virtual bool writes() const { return has_env(); }

  Run& run_;
  RunLog& log_;
  TrainerState state_;

 private:
  void Start(std::int64_t from);
  Metrics EvaluateAll();
  bool EvaluateOnTheWay(std::int64_t step);
  bool Improves(const Metrics& metrics, std::int64_t step);
  bool OutOfPatience() const;
  void Save();
  int Finish();

  AdamW optimizer_;
  std::unique_ptr<Critic> critic_;
  std::unique_ptr<ParameterSet> reference_;
  std::optional<Generator> generator_;
  std::optional<Trainer> trainer_;
};

// Seconds of a steady clock since some moment, for differences.
double Now();

}  // namespace cogent
