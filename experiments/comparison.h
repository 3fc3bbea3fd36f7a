// What runs say about one another: runs grouped into arms, scores with intervals, paired differences.
//
//   Comparison c = CompareRuns({"runs/algorithms", "runs/try?"}, {}, parts);
//   c.views[0].differences[0].verdict == DifferenceVerdict::kReal;
//   std::cout << ComparisonText(c);                           // experiments/comparison_report.h
//
// A path is a run directory, a directory that `cogent ablate` wrote, or a pattern of these. Runs whose
// configurations say the same but for seed, name, output and threads are one arm (a path in policy.checkpoint
// that holds the run's own seed is the same path for all seeds).
//
// Scores are looked at three times: at the end of each run, at equal tokens and at equal time, that is, at the
// largest number of training tokens, or seconds of training (evaluations left out), that every run has reached;
// between two evaluations the curve is a straight line. Pre-training counts as neither.
//
// Only finished runs count; where none is, the last whole evaluation of each does. Throws DataError or ConfigError for
// what cannot be compared: other environments or evaluation tasks, two runs of one arm and seed, no run at all.
// Thread rule: free functions on files.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "experiments/engine.h"
#include "experiments/inference.h"
#include "experiments/run_reader.h"

namespace cogent {

struct CompareOptions {
  std::string metric = "pass@1";  // of the evaluation "sampled"; or EVALUATION/METRIC
  std::string against;            // compare all arms to this one; empty: what the ablation says, else every pair
};

// One evaluation of a run.
struct CurvePoint {
  double step = 0.0, tokens = 0.0, seconds = 0.0;  // of training until then; NaN where the run does not say
  double value = 0.0;
};

struct ComparedRun {
  std::string dir, arm;
  std::uint64_t seed = 0;
  bool counts = false;  // its score is one of the arm's
  std::vector<CurvePoint> curve;
  RunRecords records;
};

struct ArmScore {
  std::string arm;
  std::size_t runs = 0;
  double mean = 0.0, std = 0.0;
  Interval student;    // of the mean
  double iqm = 0.0;
  Interval bootstrap;  // of the interquartile mean
};

struct ScoreView {
  enum class At { kEnd, kTokens, kTime };
  At at = At::kEnd;
  double budget = 0.0;  // tokens or seconds
  std::vector<ArmScores> scores;
  std::vector<ArmScore> arms;
  std::vector<Difference> differences;
};

struct Comparison {
  std::string title, metric, against;
  std::vector<std::string> arms;
  std::vector<ComparedRun> runs;  // by arm, then by seed
  std::map<std::string, std::vector<std::string>> keys;  // that differ between arms; a value an arm
  std::vector<ScoreView> views;   // the end; equal tokens and equal time where the runs say them
  std::vector<std::string> notes;  // what was left out or has to be known, a sentence each
};

Comparison CompareRuns(const std::vector<std::string>& paths, const CompareOptions& options, const Parts& parts);

// Why scores of runs with these two configurations (config.yaml, resolved) say nothing of each other: another
// environment, other evaluation tasks. Empty when they may be compared. `seed` is one that tasks are drawn with.
std::string WhyNotComparable(const std::string& config, const std::string& other, std::uint64_t seed, const Parts& parts);

// The evaluations of a run by `metric`, named as in CompareOptions; whole steps alone.
std::vector<CurvePoint> CurveOf(const RunRecords& records, const std::string& metric);

// The curve's value at a budget, on a straight line between evaluations. NaN outside of it.
double ValueAt(const std::vector<CurvePoint>& curve, double CurvePoint::*axis, double budget);

}  // namespace cogent
