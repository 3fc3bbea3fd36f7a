// Reads a run directory back, as far as it is there: for reports, comparisons, tests.
//
//   RunRecords run = ReadRun("runs/first");
//   for (const StepMetrics& line : run.metrics) line.values.at("reward");
//
// The run may be going on or may have been killed: missing files are empty, and a line that is not
// one whole JSON object is left out. Nulls (NaN when written) are left out too.
// Thread rule: a free function on files.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "experiments/metrics.h"

namespace cogent {

struct StepMetrics {
  std::int64_t step = 0;
  Metrics values;  // numbers only; `time` is among them
};

// A line of samples.jsonl, as far as a reader needs it.
struct SampleLine {
  std::int64_t step = 0;
  std::string split, task, answer, prompt, completion, status, cause;
  Metrics rewards;  // by name
  double reward = 0.0;
  double length = 0.0;
};

struct RunRecords {
  std::string dir;
  std::vector<StepMetrics> metrics;
  std::map<std::string, std::vector<StepMetrics>> evals;  // by the evaluation's name
  // Samples of the first and of the last step that has any; held-out ones where there are some.
  std::vector<SampleLine> first_samples, last_samples;
  Metrics before, after, run;                      // of summary.json
  std::map<std::string, std::string> run_text;     // what of its `run` is text
  std::map<std::string, std::string> environment;  // environment.json, flat, as text
  bool finished = false;                           // summary.json is there
  std::string config;                              // config.yaml
};

// Throws DataError when `dir` is no directory; nothing else is an error.
RunRecords ReadRun(const std::string& dir);

}  // namespace cogent
