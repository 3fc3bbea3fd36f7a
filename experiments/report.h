// report.html: one file that shows a run and opens without a network.
//
// Built from the files of the run directory alone, so that it can be made again at any time, also
// while the run is still going on: a last line that is half written is left out, missing files
// leave their part out.
//
//   WriteReport("runs/first");                            // runs/first/report.html
//   WriteFileAtomic("docs/curves.svg", CurvesSvg("runs/first"));
//
// Thread rule: free functions; they only read the run's files (and replace report.html whole).
#pragma once

#include <string>

namespace cogent {

// Writes `run_dir`/report.html and returns its path. Throws DataError when `run_dir` is no
// directory or the file cannot be written.
std::string WriteReport(const std::string& run_dir);

// The page as text.
std::string ReportHtml(const std::string& run_dir);

// A standalone picture with two panels: accuracy on held-out tasks and completion length, by step.
std::string CurvesSvg(const std::string& run_dir);

}  // namespace cogent
