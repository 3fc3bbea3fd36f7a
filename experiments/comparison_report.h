// A comparison for people: in the terminal, as CSV, and as one HTML file that opens without a network.
//
//   const Comparison c = CompareRuns({"runs/algorithms"}, {}, parts);
//   std::cout << ComparisonText(c);
//   WriteComparisonHtml(c, "runs/algorithms/report.html");
//   WriteComparisonCsv(c, "runs/algorithms");
//
// Thread rule: free functions.
#pragma once

#include <string>

#include "experiments/comparison.h"

namespace cogent {

std::string ComparisonText(const Comparison& c);

std::string ComparisonHtml(const Comparison& c);
// Returns the path. Throws DataError when it cannot be written.
std::string WriteComparisonHtml(const Comparison& c, const std::string& path);

// runs.csv: a line a run; arms.csv: a line an arm and view; differences.csv: a line a pair and view. Shares are
// numbers from 0 to 1; what does not exist is empty. Makes the folder. Throws DataError.
void WriteComparisonCsv(const Comparison& c, const std::string& folder);

// "grpo is higher than ppo by 3.1 points (95%: 1.2 to 5.0)."
std::string DifferenceSentence(const Difference& d, const std::string& metric);

}  // namespace cogent
