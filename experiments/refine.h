// `cogent refine`: completions in R1-Zero's form, rewritten by rules into cold-start data.
//
//   In:  {"prompt": "2+3?", "completion": "<think>2+3=5</think> <answer>5</answer>", ...}       a line of `cogent sample`
//   Out: {"prompt": "2+3?", "completion": "|special_token| 2+3=5 |special_token| Summary: The answer is \\boxed{5}.",
//         "keep": true, "source": {"file": "kept.jsonl", "line": 7, "maker": "refined"}}
//
// The form is that of DeepSeek-R1's cold-start data (arXiv 2501.12948, section 2.3.1): reasoning between two tokens, then a
// summary. Kept are completions with reasoning that ends and one answer, whose reasoning is long enough and does not say the
// same again and again. What is dropped is counted by its reason in FILE.report.json.
// A person may look through the lines, edit a `completion` or set `keep` to false; with `reviewed`, such a file is read instead:
// what is to be kept must have the form, and is written with the maker "reviewed".
// Thread rule: main thread.
#pragma once

#include <string>

#include "experiments/engine.h"

namespace cogent {

struct RefineOptions {
  std::string token = "|special_token|";
  std::string summary = "The answer is \\boxed{{answer}}.";  // {answer} stands for it
  int min_words = 1;           // of the reasoning
  double max_repeated = 0.5;   // share of its runs of four words that stood there before (verifiers/repetition.h)
};

struct Refined {
  std::string completion;  // empty: dropped
  std::string reason;      // why
};
Refined Refine(const std::string& completion, const RefineOptions& options);

// ConfigError where the options say what cannot be; no file is read.
void CheckRefine(const Command& command);
// kExitDone; kExitUserMistake when lines were malformed, which are reported by number while the others are written.
int RefineCommand(const Command& command);

}  // namespace cogent
