// A whole file in memory, read-only: pages come in when they are read.
//
//   MappedFile file("model.gguf");               // DataError when it cannot be opened
//   std::span<const std::byte> all = file.bytes();   // lives as long as `file`
//
// A file that another program cuts short while it is mapped ends the program when the lost part is
// read; files that are renamed into place (atomic_file.h) cannot be.
// Thread rule: const after construction, may be read from several threads.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace cogent {

class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(at_), size_}; }

 private:
  void* at_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace cogent
