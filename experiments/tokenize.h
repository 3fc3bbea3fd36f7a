// `cogent tokenizer encode|decode`: JSON lines of texts to ids and back, in the order of the input.
//
//   echo '{"text": "2+3"}' | cogent tokenizer encode --tokenizer runs/r1_zero/checkpoints/latest
//   {"id":1,"ids":[26,17,27]}
//
// Thread rule: call from the main thread.
#pragma once

#include "experiments/engine.h"

namespace cogent {

// The exit code: 2 when a line was malformed, which is reported by number while the others go on.
int RunTokenize(const Command& command);

}  // namespace cogent
