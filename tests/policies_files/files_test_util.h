// A folder for one test, removed afterwards, and reading of stored files.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "tests/support/same_draws.h"
#include "tests/support/sanitized.h"

namespace cogent {

class ScratchFolder {
 public:
  ScratchFolder() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    path_ =
        std::filesystem::path(testing::TempDir()) / ("cogent-" + std::to_string(::getpid()) + "-" +
                                                     info->test_suite_name() + "-" + info->name());
    std::filesystem::create_directories(path_);
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }
  std::size_t CountFiles() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_),
                                                  std::filesystem::directory_iterator()));
  }

 private:
  std::filesystem::path path_;
};

inline std::string ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

inline void WriteText(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string Stored(const std::string& name) {
  return std::string(COGENT_SOURCE_DIR) + "/tests/data/" + name;
}
// Another folder of the fixtures' form, where COGENT_PARITY names one.
inline std::string ParityRoot() {
  const char* other = std::getenv("COGENT_PARITY");
  return other != nullptr ? other : Stored("parity");
}
inline std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

// The bytes of a GGUF file, written field by field.
class GgufWriter {
 public:
  template <typename T>
  GgufWriter& Put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
    return *this;
  }
  GgufWriter& Text(std::string_view text) {
    Put(std::uint64_t{text.size()});
    bytes_.append(text);
    return *this;
  }
  GgufWriter& Key(std::string_view key, std::uint32_t type) { return Text(key).Put(type); }
  GgufWriter& Tensor(std::string_view name, std::vector<std::uint64_t> sizes, std::uint32_t type,
                 std::uint64_t offset) {
    Text(name).Put(static_cast<std::uint32_t>(sizes.size()));
    for (const std::uint64_t size : sizes) Put(size);
    return Put(type).Put(offset);
  }
  GgufWriter& Data(std::size_t alignment, std::size_t count) {
    bytes_.append((alignment - bytes_.size() % alignment) % alignment, '\0');
    for (std::size_t i = 0; i < count; ++i) bytes_.push_back(static_cast<char>(i));
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

inline GgufWriter GgufHeader(std::uint64_t tensors, std::uint64_t keys, std::uint32_t version = 3) {
  return GgufWriter().Put(std::uint32_t{0x46554747}).Put(version).Put(tensors).Put(keys);
}

// The message of the DataError that `action` throws; empty (and a failure) when it throws none.
template <typename Action>
std::string DataErrorOf(const Action& action) {
  try {
    action();
  } catch (const DataError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no DataError was thrown";
  return "";
}

}  // namespace cogent
