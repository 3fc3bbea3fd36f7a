// The environment "code": write a program that passes tests.
//
//   env: {name: code, problems: HumanEval.jsonl}
//   prompt       the problem's text, and how the answer is to look
//   completion   <think>...</think> ```python ... ```
//
//   env: {name: code, problems: HumanEval.jsonl, benchmark: true}     every problem is of the test split and asked once
//
// Without a file, problems are drawn: a function that sorts a list and puts a given number first. Judged in the
// sandbox by verifiers/code.h; with `judge: false` the verdict is left to the reward `code`, which judges
// all completions of a rollout at once.
// Thread rule: as every Env.
#pragma once

#include "envs/env.h"

namespace cogent {

void RegisterCode(EnvRegistry& envs);

}  // namespace cogent
