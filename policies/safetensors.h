// Reading and writing safetensors files, without LibTorch.
//
// Format: 8 bytes little-endian N, N bytes of JSON header, then the data. Reading maps the file and
// checks everything before anything is handed out: offsets in range, size = product of shape times
// element size, no overlap, no gap, header at most 100 MB. Writing goes to a temporary name beside
// the target, is synced, then renamed: a kill or a full disk leaves the old file whole.
//
//   auto file = SafetensorsFile::Open("model.safetensors");      // DataError says what is wrong
//   const TensorView& w = file.Get("lm_head.weight");            // DataError when missing
//   WriteSafetensors("out.safetensors", {{"x", {DType::kF32, {2, 3}, bytes}}}, {{"format", "pt"}});
//
// Source: https://github.com/huggingface/safetensors (format description). Thread rule: a file is
// read-only after Open and may be read from several threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace cogent {

enum class DType { kF64, kF32, kF16, kBF16, kF8E4M3, kF8E5M2, kI64, kI32, kI16, kI8, kU8, kBool };
std::size_t SizeOf(DType dtype);           // bytes of one element
const char* NameOf(DType dtype);           // "F32", "BF16", as in the file

// A tensor's place in memory; does not own it.
struct TensorView {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;     // row-major; empty = one scalar
  std::span<const std::byte> bytes;    // may be unaligned
};

class SafetensorsFile {
 public:
  static SafetensorsFile Open(const std::string& path);
  // Checks and opens a whole file held in memory (tests, fuzzing). `bytes` must outlive the result.
  static SafetensorsFile Parse(std::span<const std::byte> bytes, const std::string& name);
  ~SafetensorsFile();
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;

  const std::map<std::string, TensorView>& tensors() const;
  const std::map<std::string, std::string>& metadata() const;
  bool Has(const std::string& name) const;
  const TensorView& Get(const std::string& name) const;  // DataError when missing
  const std::string& path() const;

 private:
  struct Impl;
  explicit SafetensorsFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// All tensors of a checkpoint directory: `model.safetensors`, or the shards that
// `model.safetensors.index.json` names (by its map, not by file order).
class SafetensorsDir {
 public:
  static SafetensorsDir Open(const std::string& dir);
  const std::map<std::string, TensorView>& tensors() const { return tensors_; }

 private:
  std::vector<SafetensorsFile> files_;
  std::map<std::string, TensorView> tensors_;
};

// Names are written in sorted order, data 64-byte aligned, so equal input gives an equal file.
// Throws DataError (a full disk among them) and leaves an earlier file of that name as it was.
void WriteSafetensors(const std::string& path, const std::map<std::string, TensorView>& tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace cogent
