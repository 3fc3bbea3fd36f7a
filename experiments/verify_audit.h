// `cogent verify audit A B`: where two verifiers disagree on stored completions.
//
//   cogent verify audit format '{name: format, lenient: true}' -i runs/r1_zero/samples.jsonl
//   cogent verify audit field:rewards.format format -i runs/r1_zero/samples.jsonl -o changed.jsonl
//
// A side is a reward of the program as YAML has it (a name, or a map with its settings), or
// `field:PATH`, a number, true or false that the lines hold. A line needs `completion` (or
// `prediction`, `text`) and may have what the reward asks for: `answer` (or `gold`), `task` (or
// `prompt`), `target` (the task's fact `language`), `length` in tokens, `status`, and
// `rewards.accuracy` as the environment's verdict. So the samples.jsonl of a run can be read as it
// is. Every line is a group of its own. Thread rule: for the main thread.
#pragma once

#include "experiments/engine.h"

namespace cogent {

// Prints the report to standard output; the lines where they disagree go to --output, too. Returns
// the exit code of RunLines: to disagree is no mistake. Throws ConfigError on a side that is none.
int RunAudit(const Parts& parts, const Command& command);

}  // namespace cogent
