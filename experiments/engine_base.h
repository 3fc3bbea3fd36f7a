// The base model of a run: its tokenizer, its first weights, and next-token pre-training on the environment's corpus.
#pragma once

#include "experiments/engine_run.h"

namespace cogent {

// The tokenizer that the configuration describes, trained on the environment's corpus where it says so.
Tokenizer MakeTokenizer(const RunConfig& config, const Parts& parts);
// The model with what only the tokenizer knows. Throws ConfigError when the vocabulary is too small for it.
ModelConfig FinishModel(ModelConfig model, const Tokenizer& tokenizer);

// Leaves checkpoints/base, or what there is of it when a signal came: the exit code tells.
int MakeBase(Run& run, bool resuming);

}  // namespace cogent
