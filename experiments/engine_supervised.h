// Training on labelled examples: files or the environment's own solutions, shuffled by the seed, a share held out.
#pragma once

#include "algorithms/objective.h"
#include "experiments/engine_run.h"

namespace cogent {

// The examples of a run as tokens. An example's place decides nothing: its prompt's hash says whether it is held out.
struct ExampleSet {
  std::vector<Example> training, held_out;
};
// Throws DataError with file and line when an example cannot be used, and when nothing is left to learn from.
ExampleSet LoadExamples(const Run& run, const Objective& objective);

// Optimizer steps of the run: train.steps, or those that data.epochs passes take.
std::int64_t SupervisedSteps(const RunConfig& config, std::size_t examples);
// Numbers of the examples of a step (from 1): each pass is an order of its own, drawn from the seed.
std::vector<std::size_t> ExamplesOfStep(const Rng& rng, std::size_t examples, int examples_per_step, std::int64_t step);

// As Reinforce: to report.html, or to a stop; returns the exit code. `examples` come loaded, so that a mistake in them
// ends a run before it is made.
int Supervise(Run& run, const Objective& objective, const ExampleSet& examples, RunLog& log, std::int64_t from);

}  // namespace cogent
