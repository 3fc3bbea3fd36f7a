// The files of benchmarks, in the layouts that their publishers give them.
//
//   std::vector<BenchmarkProblem> problems = ReadBenchmark("gpqa_diamond.csv", "auto");
//
//   math      problem (or question), answer; MATH-500 also subject and level        AIME 2024 and 2025, MATH-500, and others
//   gsm8k     question, answer with the number behind ####                          GSM8K
//   gpqa      Question, Correct Answer, Incorrect Answer 1, 2, 3, Subdomain         GPQA, as CSV or JSON lines
//   mmlu_pro  question, options, answer (a letter) or answer_index, category        MMLU-Pro; `choices` stands for `options`
//
// JSON lines, or CSV with a line of names where the path ends in .csv (RFC 4180: quoted cells may hold commas, quotes and
// line breaks). Names of fields may have capitals. `auto` tells the layout from the first problem's fields.
// Thread rule: a free function.
#pragma once

#include <string>
#include <vector>

namespace cogent {

struct BenchmarkProblem {
  std::string question, answer;      // the answer of a question with choices is empty
  std::vector<std::string> choices;  // none: an answer in words or numbers is wanted
  int right = 0;                     // which choice, from 0
  std::string subject, level;        // as the file says; may be empty
};

struct Benchmark {
  std::string layout;  // never "auto"
  std::vector<BenchmarkProblem> problems;
};

// Throws DataError with file and line: no JSON, a field that is missing or of another type, an answer that fits no choice.
Benchmark ReadBenchmark(const std::string& path, const std::string& layout);

}  // namespace cogent
