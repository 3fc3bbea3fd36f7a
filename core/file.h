// Reading and writing files so that a crash, a kill or a full disk never leaves half a file.
//
//   std::string text = ReadFile("runs/r1/config.yaml");
//   WriteFileAtomic("runs/r1/config.yaml", text);  // the old file or the new one, never a mixture
//
//   LineFile metrics("runs/r1/metrics.jsonl");     // cuts off a half-written last line
//   metrics.Append(R"({"step": 1})");
//
// Unless they say otherwise, all throw DataError with the path and the system's reason.
// Thread rule: the functions may be called from any thread; a LineFile belongs to one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

namespace cogent {

// The whole file. A file longer than `limit_bytes` is refused before it fills the memory.
std::string ReadFile(const std::string& path,
                     std::uint64_t limit_bytes = std::numeric_limits<std::uint64_t>::max());

// Writes beside `path`, flushes to the disk, renames, flushes the folder. On failure the old file is
// as it was and nothing else is left behind. A device or a pipe is written directly.
void WriteFileAtomic(const std::string& path, std::string_view bytes);

// Throws what WriteFileAtomic would throw at once, so that it is known before a long work whose results go there.
void CheckCanWrite(const std::string& path);

// The whole of somebody's data as text (JSON lines, CSV): what RefusePacked refuses is.
std::string ReadTextFile(const std::string& path);
// Every line of such a file that is not blank, with its number from 1. A last line needs no newline.
void ForEachLineIn(const std::string& path, const std::function<void(int number, std::string_view line)>& work);
// Throws DataError where a file begins as Parquet or gzip does, which data sets come in, with the command that makes text of it.
// `name` is the file's in the message, `path` in the command.
void RefusePacked(std::string_view beginning, const std::string& name, const std::string& path);

// Cuts what stands behind the last newline: a line whose writer was killed. An absent file is fine.
void TruncateToWholeLines(const std::string& path);

// Appends whole lines. When a line does not fit on the disk, none of it stays.
class LineFile {
 public:
  explicit LineFile(const std::string& path);  // opens or creates, after TruncateToWholeLines
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  void Append(std::string_view line);  // REQUIRES: no newline in `line`; one is added
  void Sync();                         // returns when the disk has everything

 private:
  std::string path_;
  int descriptor_ = -1;
};

// Holds a directory for this process until it is closed; the system lets go of it after a kill. Throws
// ConfigError when another process holds it: `what` is being written there ("this run").
class DirectoryLock {
 public:
  DirectoryLock(const std::string& dir, const std::string& what);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace cogent
