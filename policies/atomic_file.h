// A file that appears whole or not at all.
//
// Bytes go to a temporary name beside the target; Commit syncs them, renames, and syncs the folder.
// Without Commit (an exception, a full disk) the temporary file is removed and an earlier file of
// the target's name stays as it was.
//
//   AtomicFile file("model.safetensors");   // DataError when the folder cannot be written
//   file.Write(header);
//   file.Write(data);                       // DataError when the disk is full
//   file.Commit();
//
// Thread rule: one thread a file; two writers of one name do not disturb each other, the last wins.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace cogent {

class AtomicFile {
 public:
  // `path` may exist only as a regular file (or a link to one, which is then replaced by the file).
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void Write(std::span<const std::byte> bytes);
  void Write(std::string_view text) { Write(std::as_bytes(std::span(text.data(), text.size()))); }
  void Commit();

 private:
  [[noreturn]] void Fail(const char* step) const;

  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
};

// Everything in a regular file. DataError says why it cannot be read.
std::string ReadWholeFile(const std::string& path);

}  // namespace cogent
