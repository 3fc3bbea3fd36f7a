// Reading GGUF files (versions 2 and 3, little-endian), without LibTorch: the header, the metadata
// and the table of tensors. The file is mapped; texts, lists and tensors point into it.
//
// Everything is checked before anything is handed out: counts and lengths against what the file
// holds, types, names that occur twice, dimensions, offsets in range and aligned, no overlap. What
// is not known is refused by name. A tensor's blocks are handed out as they are stored.
//
//   auto file = GgufFile::Open("model.gguf");                    // DataError says what is wrong
//   std::string_view kind = file.Text("general.architecture");   // DataError when missing
//   const GgufTensor& w = file.Get("token_embd.weight");         // w.shape: [vocabulary, width]
//
// Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (format description).
// Thread rule: read-only after Open, may be read from several threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cogent {

// How a tensor's numbers are stored; the value is the number in the file.
enum class GgufType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kI8 = 24,
  kI16 = 25,
  kI32 = 26,
  kI64 = 27,
  kF64 = 28,
  kBF16 = 30
};
// A row is whole blocks of so many values in so many bytes; plain types have blocks of one value.
struct GgufBlock {
  const char* name;  // "Q4_K"
  std::size_t values;
  std::size_t bytes;
};
const GgufBlock& BlockOf(GgufType type);

struct GgufTensor {
  GgufType type = GgufType::kF32;
  std::vector<std::int64_t>
      shape;  // row-major, slowest first (the file has it the other way round)
  std::span<const std::byte> bytes;  // starts at a multiple of the file's alignment
};

// A list of metadata as it lies in the file: numbers little-endian and unaligned.
struct GgufList {
  std::uint32_t element_type = 0;  // the file's own number: 4 = u32, 8 = string, 9 = list, ...
  std::uint64_t count = 0;
  std::span<const std::byte> bytes;  // checked: exactly `count` elements
};
using GgufValue =
    std::variant<std::uint64_t, std::int64_t, double, bool, std::string_view, GgufList>;

class GgufFile {
 public:
  static GgufFile Open(const std::string& path);
  // Checks and opens a whole file held in memory (tests, fuzzing). `bytes` must outlive the result.
  static GgufFile Parse(std::span<const std::byte> bytes, const std::string& name);
  ~GgufFile();
  GgufFile(GgufFile&&) noexcept;
  GgufFile& operator=(GgufFile&&) noexcept;

  // Metadata by key. Each throws DataError when the key is missing or its value is of another kind.
  bool Has(const std::string& key) const;
  std::int64_t Integer(const std::string& key) const;  // any integer type whose value fits
  double Number(const std::string& key) const;         // any integer or float
  bool Bool(const std::string& key) const;
  std::string_view Text(const std::string& key) const;
  std::vector<std::int64_t> Integers(const std::string& key) const;
  std::vector<double> Numbers(const std::string& key) const;
  std::vector<std::string_view> Texts(const std::string& key) const;
  const std::map<std::string, GgufValue>& metadata() const;

  const std::map<std::string, GgufTensor>& tensors() const;
  const GgufTensor& Get(const std::string& tensor) const;  // DataError when missing
  const std::string& path() const;

 private:
  struct Impl;
  explicit GgufFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cogent
