// What the commands of `cogent verify` share: JSON lines of --input through --threads, complaints
// about lines by number, progress, and the count and the rate on standard error at the end.
//
//   return RunLines(command, "-", 32, [](const LineChunk& chunk) {
//     LineOutcome outcome;
//     ForEachLine(chunk, outcome, [&](const LineObject& line, std::int64_t number) {...});
//     return outcome;
//   });
//
// Thread rule: RunLines is for the main thread; `work` is called from several.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "experiments/line_stream.h"
#include "experiments/verify.h"

namespace cogent {

struct LineCounts {
  std::int64_t lines = 0;      // that were not blank
  std::int64_t malformed = 0;  // the user's mistake
  std::int64_t failed = 0;     // ours
};

// What a chunk came to.
struct LineOutcome {
  std::string out;                      // for the output
  std::vector<std::string> complaints;  // for standard error
  LineCounts counts;
  std::function<void()>
      in_order;  // where given, called when its turn comes, by one thread at a time
};

// Calls `each` for every line that is not blank, with the line's number. A line that is no JSON
// object, and one on which `each` throws DataError, is malformed; where it throws something else,
// we failed. Both keep their place in the output as {"id", "line", "error"}.
void ForEachLine(const LineChunk& chunk, LineOutcome& outcome,
                 const std::function<void(const LineObject& line, std::int64_t number)>& each);
// The same for a line that was taken in before.
void FailLine(LineOutcome& outcome, std::int64_t number, const LineValue& id,
              const std::string& what);

// The line's id, or its number where it has none.
LineValue IdOrNumber(const LineObject& line, std::int64_t number);

std::string WithCommas(std::int64_t count);  // 1,234,567

// Runs `work` over all lines; its outcomes go to `output` (a path, "-", or empty for none) in their
// order. Returns the exit code: 130 after Ctrl-C or SIGTERM, 1 when something of ours failed, 2
// when a line was malformed, else 0. Throws ConfigError and DataError.
int RunLines(const Command& command, const std::string& output, std::size_t lines_at_once,
             const std::function<LineOutcome(const LineChunk&)>& work);

}  // namespace cogent
