#include "policies/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "policies/atomic_file.h"
#include "policies/mapped_file.h"
#include "policies/tokenizer_bytes.h"

namespace cogent {

static_assert(std::endian::native == std::endian::little,
              "the data of a safetensors file is little-endian");

namespace {

using Json = nlohmann::json;

constexpr std::size_t kPrefix = 8;               // the header's length, little-endian
constexpr std::size_t kMaxHeader = 100'000'000;  // the format's own bound
constexpr std::size_t kAlignment = 64;           // of the data when we write
constexpr int kMaxDepth = 4;                     // header > entry > shape; nothing nests deeper
constexpr const char* kMetadata = "__metadata__";

struct DTypeInfo {
  DType dtype;
  const char* name;
  std::size_t size;
};
constexpr std::array<DTypeInfo, 12> kDTypes = {{{DType::kF64, "F64", 8},
                                                {DType::kF32, "F32", 4},
                                                {DType::kF16, "F16", 2},
                                                {DType::kBF16, "BF16", 2},
                                                {DType::kF8E4M3, "F8_E4M3", 1},
                                                {DType::kF8E5M2, "F8_E5M2", 1},
                                                {DType::kI64, "I64", 8},
                                                {DType::kI32, "I32", 4},
                                                {DType::kI16, "I16", 2},
                                                {DType::kI8, "I8", 1},
                                                {DType::kU8, "U8", 1},
                                                {DType::kBool, "BOOL", 1}}};

const DTypeInfo& InfoOf(DType dtype) {
  for (const DTypeInfo& info : kDTypes) {
    if (info.dtype == dtype) return info;
  }
  throw InternalError("a DType outside its enum");
}

std::optional<DType> DTypeNamed(std::string_view name) {
  for (const DTypeInfo& info : kDTypes) {
    if (info.name == name) return info.dtype;
  }
  return std::nullopt;
}

std::string KnownDTypes() {
  std::string list;
  for (const DTypeInfo& info : kDTypes) list += std::string(list.empty() ? "" : " ") + info.name;
  return list;
}

std::string Shape(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

// Product of the shape times the element's size; nothing when it does not fit in 63 bits or a
// dimension is negative.
std::optional<std::size_t> ByteSize(DType dtype, const std::vector<std::int64_t>& shape) {
  std::int64_t size = static_cast<std::int64_t>(SizeOf(dtype));
  for (const std::int64_t dimension : shape) {
    if (dimension < 0 || __builtin_mul_overflow(size, dimension, &size)) return std::nullopt;
  }
  return static_cast<std::size_t>(size);
}

// Parses JSON, refusing what nlohmann takes in silence: a key twice in one object, endless nesting.
Json ParseStrict(std::string_view text, const std::string& where, int max_depth) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > max_depth) throw DataError(where + ": nested too deeply for a file of this kind");
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key &&
        !keys.back().insert(value.get_ref<const std::string&>()).second) {
      throw DataError(where + ": the name " + QuoteText(value.get_ref<const std::string&>()) +
                      " occurs twice");
    }
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::exception& error) {
    throw DataError(where + ": is no JSON: " + error.what());
  }
}

// The checks of one file. Every message starts with the file's name.
class HeaderReader {
 public:
  HeaderReader(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  void Read(std::map<std::string, TensorView>& tensors,
            std::map<std::string, std::string>& metadata) {
    const Json header = ReadHeader();
    for (const auto& [key, value] : header.items()) {
      if (key == kMetadata) {
        ReadMetadata(value, metadata);
      } else {
        tensors.emplace(key, ReadEntry(key, value));
      }
    }
    CheckCover(tensors);
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const { throw DataError(name_ + ": " + what); }
  [[noreturn]] void FailTensor(const std::string& tensor, const std::string& what) const {
    Fail("tensor " + QuoteText(tensor) + ": " + what);
  }

  Json ReadHeader() {
    if (bytes_.size() < kPrefix) {
      Fail("is " + std::to_string(bytes_.size()) +
           " bytes long, too short for a safetensors file; it is cut short");
    }
    std::uint64_t length = 0;
    std::memcpy(&length, bytes_.data(), kPrefix);
    if (length > kMaxHeader) {
      Fail("the header claims " + std::to_string(length) + " bytes, more than the format allows (" +
           std::to_string(kMaxHeader) + "); this is no safetensors file");
    }
    if (length > bytes_.size() - kPrefix) {
      Fail("the header claims " + std::to_string(length) + " bytes, but only " +
           std::to_string(bytes_.size() - kPrefix) + " follow; the file is cut short");
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + kPrefix, length);
    if (!text.starts_with('{'))
      Fail("the header does not start with '{'; this is no safetensors file");
    data_ = bytes_.subspan(kPrefix + length);
    return ParseStrict(text, name_ + ": header", kMaxDepth);
  }

  void ReadMetadata(const Json& value, std::map<std::string, std::string>& metadata) const {
    if (!value.is_object()) Fail("header: __metadata__ is no object of strings");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) Fail("header: __metadata__ " + QuoteText(key) + " is no string");
      metadata.emplace(key, text.get<std::string>());
    }
  }

  TensorView ReadEntry(const std::string& tensor, const Json& entry) const {
    if (!entry.is_object()) FailTensor(tensor, "its header entry is no object");
    const auto dtype_at = entry.find("dtype");
    if (dtype_at == entry.end() || !dtype_at->is_string())
      FailTensor(tensor, "dtype is missing or no string");
    const auto dtype = DTypeNamed(dtype_at->get_ref<const std::string&>());
    if (!dtype) {
      FailTensor(tensor, "unknown dtype " + QuoteText(dtype_at->get_ref<const std::string&>()) +
                             "; known: " + KnownDTypes());
    }
    TensorView view;
    view.dtype = *dtype;
    for (const std::uint64_t dimension : Numbers(tensor, entry, "shape")) {
      view.shape.push_back(static_cast<std::int64_t>(dimension));
    }
    const std::vector<std::uint64_t> offsets = Numbers(tensor, entry, "data_offsets");
    if (offsets.size() != 2) FailTensor(tensor, "data_offsets must be two numbers, begin and end");
    if (offsets[0] > offsets[1]) FailTensor(tensor, "data_offsets end before they begin");
    if (offsets[1] > data_.size()) {
      FailTensor(tensor, "ends at byte " + std::to_string(offsets[1]) +
                             " of the data, but the file holds only " +
                             std::to_string(data_.size()) + "; the file is cut short");
    }
    view.bytes = data_.subspan(offsets[0], offsets[1] - offsets[0]);
    const auto size = ByteSize(view.dtype, view.shape);
    if (!size) FailTensor(tensor, "shape " + Shape(view.shape) + " is too large for any memory");
    if (*size != view.bytes.size()) {
      FailTensor(tensor, "shape " + Shape(view.shape) + " of " + NameOf(view.dtype) + " takes " +
                             std::to_string(*size) + " bytes, but data_offsets give " +
                             std::to_string(view.bytes.size()));
    }
    return view;
  }

  // A list of whole numbers from 0 to 2^63 - 1.
  std::vector<std::uint64_t> Numbers(const std::string& tensor, const Json& entry,
                                     const char* key) const {
    const auto at = entry.find(key);
    if (at == entry.end() || !at->is_array())
      FailTensor(tensor, std::string(key) + " is missing or no list");
    std::vector<std::uint64_t> numbers;
    for (const Json& item : *at) {
      if (!item.is_number_unsigned() ||
          item.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
        FailTensor(tensor, std::string(key) + " must hold whole numbers from 0 on");
      }
      numbers.push_back(item.get<std::uint64_t>());
    }
    return numbers;
  }

  // The tensors lie one behind the other and fill the data: no overlap, no gap, nothing left over.
  void CheckCover(const std::map<std::string, TensorView>& tensors) const {
    using Range = std::tuple<std::size_t, std::size_t, const std::string*>;
    std::vector<Range> ranges;
    for (const auto& [tensor, view] : tensors) {
      const std::size_t begin = static_cast<std::size_t>(view.bytes.data() - data_.data());
      ranges.emplace_back(begin, begin + view.bytes.size(), &tensor);
    }
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
      return std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b));
    });
    std::size_t filled = 0;
    for (const auto& [begin, end, tensor] : ranges) {
      if (begin < filled) FailTensor(*tensor, "its data overlap those of another tensor");
      if (begin > filled) {
        FailTensor(*tensor,
                   "leaves a gap of " + std::to_string(begin - filled) + " bytes before it");
      }
      filled = end;
    }
    if (filled != data_.size()) {
      Fail(std::to_string(data_.size() - filled) + " bytes at the end belong to no tensor");
    }
  }

  std::span<const std::byte> bytes_;
  std::span<const std::byte> data_;
  const std::string& name_;
};

}  // namespace

std::size_t SizeOf(DType dtype) { return InfoOf(dtype).size; }
const char* NameOf(DType dtype) { return InfoOf(dtype).name; }

struct SafetensorsFile::Impl {
  std::string path;
  std::unique_ptr<MappedFile> mapping;  // null when the bytes are the caller's
  std::map<std::string, TensorView> tensors;
  std::map<std::string, std::string> metadata;
};

SafetensorsFile::SafetensorsFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SafetensorsFile::~SafetensorsFile() = default;
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;

SafetensorsFile SafetensorsFile::Open(const std::string& path) {
  auto mapping = std::make_unique<MappedFile>(path);
  SafetensorsFile file = Parse(mapping->bytes(), path);
  file.impl_->mapping = std::move(mapping);
  return file;
}

SafetensorsFile SafetensorsFile::Parse(std::span<const std::byte> bytes, const std::string& name) {
  auto impl = std::make_unique<Impl>();
  impl->path = name;
  HeaderReader(bytes, name).Read(impl->tensors, impl->metadata);
  return SafetensorsFile(std::move(impl));
}

const std::map<std::string, TensorView>& SafetensorsFile::tensors() const { return impl_->tensors; }
const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return impl_->metadata;
}
bool SafetensorsFile::Has(const std::string& name) const { return impl_->tensors.count(name) > 0; }
const std::string& SafetensorsFile::path() const { return impl_->path; }

const TensorView& SafetensorsFile::Get(const std::string& name) const {
  const auto found = impl_->tensors.find(name);
  if (found != impl_->tensors.end()) return found->second;
  throw DataError(impl_->path + ": tensor " + QuoteText(name) +
                  " is missing; the file belongs to another architecture");
}

SafetensorsDir SafetensorsDir::Open(const std::string& dir) {
  namespace fs = std::filesystem;
  SafetensorsDir result;
  const fs::path single = fs::path(dir) / "model.safetensors";
  const fs::path index = fs::path(dir) / "model.safetensors.index.json";
  if (fs::exists(single)) {
    result.files_.push_back(SafetensorsFile::Open(single.string()));
    result.tensors_ = result.files_.back().tensors();
    return result;
  }
  if (!fs::exists(index)) {
    throw DataError(dir + ": holds neither model.safetensors nor model.safetensors.index.json");
  }
  const std::string name = index.string();
  const Json json = ParseStrict(ReadWholeFile(name), name, 8);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    throw DataError(name + ": weight_map, an object of tensor names to file names, is missing");
  }
  std::map<std::string, std::size_t> opened;  // file name to its place in files_
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string())
      throw DataError(name + ": the file of tensor " + QuoteText(tensor) + " is no string");
    const std::string& shard = file.get_ref<const std::string&>();
    const bool outside = shard.find_first_of(std::string_view("/\0", 2)) != std::string::npos;
    if (shard.empty() || shard == "." || shard == ".." || outside) {
      throw DataError(name + ": tensor " + QuoteText(tensor) + ": " + QuoteText(shard) +
                      " is no file name of this folder");
    }
    const auto [at, is_new] = opened.emplace(shard, result.files_.size());
    const std::string path = (fs::path(dir) / shard).string();
    if (is_new && !fs::exists(path)) {
      throw DataError(path + ": is not there, and " + name + " asks for it; bring the file, or the whole checkpoint, here again");
    }
    if (is_new) result.files_.push_back(SafetensorsFile::Open(path));
    if (!result.files_[at->second].Has(tensor)) {
      throw DataError(name + ": tensor " + QuoteText(tensor) + " is missing from " + QuoteText(shard) +
                      ", where weight_map says that it lies; the index belongs to other files, bring it and them here again");
    }
    result.tensors_.emplace(tensor, result.files_[at->second].Get(tensor));
  }
  return result;
}

void WriteSafetensors(const std::string& path, const std::map<std::string, TensorView>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json::object_t header;  // a vector of pairs: emplace_back does not search
  if (!metadata.empty()) header.emplace_back(kMetadata, metadata);
  std::size_t end = 0;
  for (const auto& [name, view] : tensors) {
    if (name == kMetadata) throw DataError(path + ": a tensor cannot be named " + QuoteText(name));
    const auto size = ByteSize(view.dtype, view.shape);
    if (!size || *size != view.bytes.size()) {
      throw DataError(path + ": tensor " + QuoteText(name) + ": shape " + Shape(view.shape) + " of " +
                      NameOf(view.dtype) + " does not take the " +
                      std::to_string(view.bytes.size()) + " bytes given");
    }
    header.emplace_back(name, nlohmann::ordered_json{{"dtype", NameOf(view.dtype)},
                                                     {"shape", view.shape},
                                                     {"data_offsets", {end, end + *size}}});
    end += *size;
  }
  std::string text;
  try {
    text = nlohmann::ordered_json(std::move(header)).dump();
  } catch (const Json::exception&) {
    throw DataError(path + ": a tensor's name or a metadata text is no UTF-8");
  }
  text.append((kAlignment - (kPrefix + text.size()) % kAlignment) % kAlignment, ' ');
  if (text.size() > kMaxHeader)
    throw DataError(path + ": the names and shapes take more than 100 MB");

  const std::uint64_t length = text.size();
  AtomicFile file(path);
  file.Write(std::as_bytes(std::span(&length, 1)));
  file.Write(text);
  for (const auto& [name, view] : tensors) file.Write(view.bytes);
  file.Commit();
}

}  // namespace cogent
