// A file of JSON lines that is made part by part, and gone on with after a kill at any moment.
//
//   PartedOutput output("kept.jsonl", resolved_yaml, resume);
//   while (output.done() < tasks) { ...; output.Append(line); output.Commit(output.done() + part, counts); }
//   output.Finish(report);
//
// FILE.state.json says how far the file is whole; lines behind that, of a part that was under way, are cut off on resume and made again,
// to the same bytes where the maker draws by the part's number. Finish writes FILE.report.json and removes the state.
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/file.h"

namespace cogent {

// For `settings`: a file with another text has another mark.
std::string TextMark(const std::string& path, std::string_view text);

class PartedOutput {
 public:
  // `settings`: what it is made by, in any text; another text cannot go on with this output. Throws ConfigError when the file is there
  // without `resume`, when there is nothing to resume, or when it was begun by other settings; DataError for a file that was changed.
  PartedOutput(std::string path, std::string settings, bool resume);

  int done() const { return done_; }
  // JSON of the counts at the last Commit; empty at the start.
  const std::string& counts() const { return counts_; }
  void Append(std::string_view line) { file_->Append(line); }
  // Everything so far is on the disk and counts: `done` units, `counts` as JSON.
  void Commit(int done, const std::string& counts);
  void Finish(const std::string& report);

 private:
  std::string State() const { return path_ + ".state.json"; }
  void Save();

  std::string path_, settings_, counts_;
  int done_ = 0;
  std::uintmax_t bytes_ = 0;
  std::unique_ptr<LineFile> file_;
};

}  // namespace cogent
