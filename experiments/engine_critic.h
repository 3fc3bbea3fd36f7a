// The critic of a run: where it starts from, and where a checkpoint keeps it.
//
// Thread rule: one thread.
#pragma once

#include <memory>
#include <string>

#include "algorithms/critic.h"
#include "experiments/engine_run.h"

namespace cogent {

// As the run's `critic` says: from its checkpoint, else from the base model, which must be there.
// REQUIRES run.config.critic. DataError when the weights cannot be used.
std::unique_ptr<Critic> FirstCritic(const Run& run);
// As it was after step `step`.
std::unique_ptr<Critic> StoredCritic(const Run& run, std::int64_t step);
// Into the folder critic/ of a checkpoint's directory: a model in Hugging Face layout with its optimizer beside.
void SaveCritic(const Critic& critic, const std::string& checkpoint);

}  // namespace cogent
