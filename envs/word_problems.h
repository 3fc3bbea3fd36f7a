// The environment "word_problems": short stories whose end is a number.
//
//   env: {name: word_problems}                            drawn from templates: people, things, two to four steps
//   env: {name: word_problems, languages: [en, zh]}       each in one of these languages, which the task's fact `language` names
//   env: {name: word_problems, problems: gsm8k.jsonl}     {"question": "...", "answer": "... #### 42"} a line, as GSM8K
//
// With several languages, the reward `language` has its target for each task, so the share of mixed language can be measured and
// paid for. The accuracy is that of the number.
// Thread rule: as every Env.
#pragma once

#include "envs/env.h"

namespace cogent {

void RegisterWordProblems(EnvRegistry& envs);

}  // namespace cogent
