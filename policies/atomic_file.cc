#include "policies/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/error.h"

namespace cogent {
namespace {

constexpr std::size_t kLargestWrite = std::size_t{1}
                                      << 30;  // Linux writes at most 2 GiB - 4 KiB at once

std::string Reason(int error) { return std::strerror(error); }

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string TemporaryName(const std::string& path) {
  static std::atomic<unsigned> counter{0};  // only makes names differ
  return path + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
}

}  // namespace

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), temporary_(TemporaryName(path_)) {
  struct stat status {};
  if (::stat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    throw DataError(path_ +
                    ": cannot be written: it exists and is no regular file; name another file");
  }
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    throw DataError(path_ + ": cannot be written: " + Reason(errno) + " (does the folder '" +
                    FolderOf(path_) + "' exist, and may you write to it?)");
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        ::write(descriptor_, bytes.data(), std::min(bytes.size(), kLargestWrite));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) Fail("write");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::Commit() {
  if (::fsync(descriptor_) != 0) Fail("sync");
  const int descriptor = std::exchange(descriptor_, -1);
  if (::close(descriptor) != 0) Fail("close");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) Fail("rename");
  temporary_.clear();
  // The rename is in the folder: without this a power cut may undo it. Some file systems cannot
  // sync a folder; the file is whole either way.
  const int folder = ::open(FolderOf(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  ::fsync(folder);
  ::close(folder);
}

void AtomicFile::Fail(const char* step) const {
  const int error = errno;
  throw DataError(
      path_ + ": could not be saved (" + step + ": " + Reason(error) +
      "); make room on the disk and save again; an earlier file of this name is unharmed");
}

std::string ReadWholeFile(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw DataError(path + ": cannot be opened: " + Reason(errno));
  struct stat status {};
  std::string text;
  int error = ::fstat(descriptor, &status) == 0 ? 0 : errno;
  const bool regular = error == 0 && S_ISREG(status.st_mode);
  if (regular) text.resize(static_cast<std::size_t>(status.st_size));
  std::size_t filled = 0;
  while (regular && filled < text.size()) {
    const ssize_t got =
        ::read(descriptor, text.data() + filled, std::min(text.size() - filled, kLargestWrite));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error = errno;
    if (got <= 0) break;
    filled += static_cast<std::size_t>(got);
  }
  ::close(descriptor);
  if (error != 0) throw DataError(path + ": cannot be read: " + Reason(error));
  if (!regular) throw DataError(path + ": is no regular file");
  text.resize(filled);
  return text;
}

}  // namespace cogent
