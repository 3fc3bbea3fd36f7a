// Lines through several threads and out again in their order, in bounded memory.
//
//   LineReader reader(STDIN_FILENO, "standard input");
//   ForEachChunk(reader, {.threads = 2}, [&](const LineChunk& lines) {
//     std::string out = Work(lines);          // on any thread
//     return [&, out] { file.Write(out); };   // one at a time, in the order of the input
//   });
//
// A chunk holds what the input has ready, so that a program that writes a line and waits for its
// answer is answered. Thread rule: the reader and what the returned functions touch need no locks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cogent {

struct LineChunk {
  std::int64_t first = 1;             // number of lines[0], counted from 1
  std::vector<std::string> lines;     // without their line breaks; empty ones are there, too
  std::vector<std::size_t> too_long;  // places of lines above the limit; those are empty here
};

class LineReader {
 public:
  static constexpr std::size_t kMaxLineBytes = std::size_t{64} << 20;

  // Reads from a descriptor, which stays the caller's; `name` is for messages. Where `stop` is
  // given and becomes true, the input ends there.
  LineReader(int descriptor, std::string name, const std::atomic<bool>* stop = nullptr);

  // The next lines, at least one and at most `most`; none at the end. Throws DataError when the
  // input cannot be read, or begins as no text does (RefusePacked, core/file.h).
  LineChunk Next(std::size_t most);

 private:
  bool Fill();
  void TakeLine(LineChunk& chunk, std::string_view end_of_line);

  int descriptor_;
  std::string name_;
  const std::atomic<bool>* stop_;
  std::int64_t number_ = 1;
  std::string line_;        // the beginning of a line whose end has not come yet
  bool long_line_ = false;  // it is above the limit, and the rest is thrown away
  std::string buffer_;
  std::size_t used_ = 0;  // of the buffer
  bool ended_ = false;
};

struct ChunkOptions {
  int threads = 1;
  std::size_t lines_at_once = 32;  // small where a line takes long, so that all threads have some
};

// Calls `work` for each chunk and then what it returned. What either throws ends the work and is
// thrown on when all threads have ended. At most four chunks a thread are held at once.
void ForEachChunk(LineReader& reader, ChunkOptions options,
                  const std::function<std::function<void()>(const LineChunk&)>& work);

// Where results go: standard output for "-", else a file that gets its name when it is whole. Until
// then its lines are in NAME.part. A device or a pipe is written directly.
class ResultFile {
 public:
  // Throws DataError when it cannot be opened.
  explicit ResultFile(const std::string& path);
  ~ResultFile();
  ResultFile(const ResultFile&) = delete;
  ResultFile& operator=(const ResultFile&) = delete;

  void Write(std::string_view text);  // throws DataError when it does not fit
  void Commit();                      // gives the file its name
  // Where the lines are now.
  const std::string& name() const { return written_; }

 private:
  std::string path_, written_;
  int descriptor_ = -1;
};

}  // namespace cogent
