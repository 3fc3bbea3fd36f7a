// The environment "benchmark": the problems of a published benchmark, from a file that the user has.
//
//   env: {name: benchmark, path: aime_2024.jsonl}
//   env: {name: benchmark, path: gpqa_diamond.csv, layout: gpqa, prompt: "{question}\n{choices}\nAnswer: "}
//
// Layouts: envs/benchmark_files.h. Every problem is of the test split and task i is problem i, so an evaluation asks each once;
// to train on one is refused. The choices of GPQA are shuffled by seed and number of the problem; MMLU-Pro's stay as they are.
//
// Prompts, unless `prompt` gives another, are those that DeepSeek-R1 (arXiv 2501.12948) was evaluated with: for mathematics the
// sentence of its model card, for GPQA that of simple-evals, for MMLU-Pro that of its authors without the examples, since the
// paper went from few examples to none. Answers are judged by verifiers/math.h, choices by their letter: in an answer part, a box,
// behind "ANSWER:" or "the answer is", or as {"answer": "C"}, which is how ZeroEval asks.
// Thread rule: as every Env.
#pragma once

#include "envs/env.h"

namespace cogent {

void RegisterBenchmark(EnvRegistry& envs);

}  // namespace cogent
