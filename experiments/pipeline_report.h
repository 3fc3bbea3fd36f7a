// What a pipeline made, stage by stage: the scores of every policy on the same tasks, and where each stage's own report is.
//
//   std::cout << PipelineTable(pipeline);
//   WriteFileAtomic(pipeline.directory + "/report.html", PipelineReportHtml(pipeline));
//
// Read off the pipeline's directory; a stage that is not there yet has an empty row. Thread rule: free functions on files.
#pragma once

#include <string>

#include "experiments/pipeline.h"

namespace cogent {

std::string PipelineTable(const Pipeline& pipeline);
// The same numbers as they are, a line a stage, for tables over several pipelines; what a stage does not have is empty.
std::string PipelineCsv(const Pipeline& pipeline);
std::string PipelineReportHtml(const Pipeline& pipeline);

}  // namespace cogent
