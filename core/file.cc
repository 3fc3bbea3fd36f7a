#include "core/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace cogent {
namespace {

[[noreturn]] void Fail(const std::string& path, const char* doing, int code = errno) {
  throw DataError(path + ": cannot " + doing + ": " + std::generic_category().message(code));
}

// Closes a file descriptor when it goes out of scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int Close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

// Writes all bytes; false with errno set when the system refuses.
bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// A device or a pipe, which cannot be replaced by a file.
bool IsSpecial(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
}

void WriteDirectly(const std::string& path, std::string_view bytes) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0) Fail(path, "open");
  if (!WriteAll(file.get(), bytes) || file.Close() != 0) Fail(path, "write");
}

// Opens a new file beside `path`; the name is stored in `name`.
int OpenBeside(const std::string& path, std::string& name) {
  for (int attempt = 0;; ++attempt) {
    name = path + ".part-" + std::to_string(::getpid()) + "-" + std::to_string(attempt);
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST || attempt == 1000) return fd;
  }
}

void SyncFolderOf(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  Descriptor folder(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems cannot flush a folder (EINVAL); the rename itself is done.
  if (folder.get() >= 0 && ::fsync(folder.get()) != 0 && errno != EINVAL) Fail(path, "flush");
}

}  // namespace

std::string ReadFile(const std::string& path, std::uint64_t limit_bytes) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) Fail(path, "open");
  struct stat info;
  if (::fstat(file.get(), &info) != 0) Fail(path, "read");
  std::string bytes;
  std::size_t size = 0;
  const auto expected = S_ISREG(info.st_mode) ? static_cast<std::uint64_t>(info.st_size) : 0;
  if (expected <= limit_bytes) bytes.resize(expected + 1);  // one more shows the end at once
  while (expected <= limit_bytes) {
    if (size == bytes.size()) bytes.resize(2 * size);
    const ssize_t got = ::read(file.get(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) Fail(path, "read");
    size += static_cast<std::size_t>(got);
    if (size > limit_bytes) break;
    if (got == 0) {
      bytes.resize(size);
      return bytes;
    }
  }
  throw DataError(path + ": the file is longer than " + std::to_string(limit_bytes) +
                  " bytes, the most that is read here");
}

void WriteFileAtomic(const std::string& path, std::string_view bytes) {
  if (IsSpecial(path)) return WriteDirectly(path, bytes);
  std::string part;
  Descriptor file(OpenBeside(path, part));
  if (file.get() < 0) Fail(path, "write");
  const bool written = WriteAll(file.get(), bytes) && ::fsync(file.get()) == 0;
  int code = errno;
  const bool closed = file.Close() == 0;
  if (written && !closed) code = errno;
  if (!written || !closed) {
    ::unlink(part.c_str());
    Fail(path, "write", code);
  }
  if (std::rename(part.c_str(), path.c_str()) != 0) {
    code = errno;
    ::unlink(part.c_str());
    Fail(path, "write", code);
  }
  SyncFolderOf(path);
}

void CheckCanWrite(const std::string& path) {
  if (std::filesystem::is_directory(path)) throw DataError(path + ": is a directory; give the name of a file in it");
  if (IsSpecial(path)) return;
  std::string part;
  const Descriptor file(OpenBeside(path, part));
  if (file.get() < 0) Fail(path, "write");
  ::unlink(part.c_str());
}

void RefusePacked(std::string_view beginning, const std::string& name, const std::string& path) {
  const auto unpacked = [&](std::string_view ending) { return path.ends_with(ending) ? path.substr(0, path.size() - ending.size()) : path; };
  if (beginning.starts_with("PAR1")) {
    throw DataError(name + ": this is a Parquet file, and text is read here. To make JSON lines of it (pip install pyarrow):\n"
                    "  python3 -c 'import json, sys, pyarrow.parquet as p; [print(json.dumps(row, default=str)) for row in p.read_table(sys.argv[1]).to_pylist()]' \"" +
                    path + "\" > \"" + unpacked(".parquet") + ".jsonl\"");
  }
  if (beginning.starts_with("\x1F\x8B")) {
    const std::string text = unpacked(".gz");
    throw DataError(name + ": this is compressed by gzip, and text is read here. To unpack it:\n  gunzip -c \"" + path + "\" > \"" + (text == path ? path + ".txt" : text) + "\"");
  }
}

std::string ReadTextFile(const std::string& path) {
  std::string text = ReadFile(path);
  RefusePacked(text, path, path);
  return text;
}

void ForEachLineIn(const std::string& path, const std::function<void(int number, std::string_view line)>& work) {
  const std::string text = ReadTextFile(path);
  int number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) work(number, line);
  }
}

void TruncateToWholeLines(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (file.get() < 0 && errno == ENOENT) return;
  if (file.get() < 0) Fail(path, "open");
  off_t end = ::lseek(file.get(), 0, SEEK_END);
  if (end <= 0) return;  // empty, or not a file that can be cut
  char block[4096];
  while (end > 0) {
    const off_t begin = end > off_t{sizeof block} ? end - off_t{sizeof block} : 0;
    const ssize_t got = ::pread(file.get(), block, static_cast<std::size_t>(end - begin), begin);
    if (got != end - begin) Fail(path, "read", got < 0 ? errno : EIO);
    while (end > begin && block[end - begin - 1] != '\n') --end;
    if (end > begin) break;
  }
  if (::ftruncate(file.get(), end) != 0) Fail(path, "cut off a half-written line");
}

LineFile::LineFile(const std::string& path) : path_(path) {
  TruncateToWholeLines(path);
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) Fail(path, "open");
}

LineFile::~LineFile() { ::close(descriptor_); }

void LineFile::Append(std::string_view line) {
  Check(line.find('\n') == std::string_view::npos, "a line holds a newline");
  const off_t before = ::lseek(descriptor_, 0, SEEK_END);
  if (WriteAll(descriptor_, std::string(line) + '\n')) return;
  const int code = errno;
  // Best effort: what is left of the line would be cut at the next opening anyway.
  if (before < 0 || ::ftruncate(descriptor_, before) != 0) Fail(path_, "append a line", code);
  Fail(path_, "append a line", code);
}

void LineFile::Sync() {
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS) Fail(path_, "flush");
}

DirectoryLock::DirectoryLock(const std::string& dir, const std::string& what)
    : descriptor_(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(descriptor_);
    throw ConfigError(dir + ": another process is writing " + what + "; wait for it to end, stop it, or choose another name");
  }
}

DirectoryLock::~DirectoryLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace cogent
