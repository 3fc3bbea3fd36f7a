#include "policies/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "policies/mapped_file.h"
#include "policies/tokenizer_bytes.h"

namespace cogent {

static_assert(std::endian::native == std::endian::little,
              "the data of a GGUF file is little-endian");

namespace {

constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr std::uint64_t kMaxName = 65535;     // the format's own bound for keys
constexpr std::uint32_t kMaxRank = 4;         // ggml's
constexpr int kMaxListDepth = 4;
constexpr const char* kAlignmentKey = "general.alignment";

// The types of metadata by their numbers in the file.
enum Kind : std::uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kText,
  kList,
  kU64,
  kI64,
  kF64
};
constexpr std::array<std::size_t, 13> kKindSizes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

constexpr std::array<std::pair<GgufType, GgufBlock>, 16> kBlocks = {
    {{GgufType::kF32, {"F32", 1, 4}},
     {GgufType::kF16, {"F16", 1, 2}},
     {GgufType::kQ4_0, {"Q4_0", 32, 18}},
     {GgufType::kQ4_1, {"Q4_1", 32, 20}},
     {GgufType::kQ5_0, {"Q5_0", 32, 22}},
     {GgufType::kQ5_1, {"Q5_1", 32, 24}},
     {GgufType::kQ8_0, {"Q8_0", 32, 34}},
     {GgufType::kQ4_K, {"Q4_K", 256, 144}},
     {GgufType::kQ5_K, {"Q5_K", 256, 176}},
     {GgufType::kQ6_K, {"Q6_K", 256, 210}},
     {GgufType::kI8, {"I8", 1, 1}},
     {GgufType::kI16, {"I16", 1, 2}},
     {GgufType::kI32, {"I32", 1, 4}},
     {GgufType::kI64, {"I64", 1, 8}},
     {GgufType::kF64, {"F64", 1, 8}},
     {GgufType::kBF16, {"BF16", 1, 2}}}};

const GgufBlock* FindBlock(std::uint32_t type) {
  for (const auto& [known, block] : kBlocks) {
    if (static_cast<std::uint32_t>(known) == type) return &block;
  }
  return nullptr;
}

std::string KnownTypes() {
  std::string list;
  for (const auto& [type, block] : kBlocks)
    list += std::string(list.empty() ? "" : " ") + block.name;
  return list;
}

template <typename T>
T Raw(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

// A number of a fixed size (REQUIRES: kind is neither text nor list).
GgufValue LoadScalar(std::uint32_t kind, const std::byte* at) {
  switch (kind) {
    case kU8:
      return std::uint64_t{Raw<std::uint8_t>(at)};
    case kU16:
      return std::uint64_t{Raw<std::uint16_t>(at)};
    case kU32:
      return std::uint64_t{Raw<std::uint32_t>(at)};
    case kU64:
      return Raw<std::uint64_t>(at);
    case kI8:
      return std::int64_t{Raw<std::int8_t>(at)};
    case kI16:
      return std::int64_t{Raw<std::int16_t>(at)};
    case kI32:
      return std::int64_t{Raw<std::int32_t>(at)};
    case kI64:
      return Raw<std::int64_t>(at);
    case kF32:
      return double{Raw<float>(at)};
    case kF64:
      return Raw<double>(at);
    case kBool:
      return Raw<std::uint8_t>(at) != 0;
    default:
      throw InternalError("no scalar of GGUF");
  }
}

std::optional<std::int64_t> AsInteger(const GgufValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  const auto* number = std::get_if<std::uint64_t>(&value);
  if (number == nullptr || *number > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

std::optional<double> AsNumber(const GgufValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<std::int64_t>(&value)) return static_cast<double>(*number);
  return std::nullopt;
}

// The checks of one file. Every message starts with the file's name, and `where` says which part.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  void Read(std::map<std::string, GgufValue>& metadata,
            std::map<std::string, GgufTensor>& tensors) {
    where_ = "header";
    if (bytes_.size() < sizeof(kMagic) || Take<std::uint32_t>() != kMagic)
      Fail("does not start with GGUF; this is no GGUF file");
    const std::uint32_t version = Take<std::uint32_t>();
    if (version != 2 && version != 3) {
      Fail("version " + std::to_string(version) + " cannot be read; known: 2, 3, little-endian");
    }
    const std::uint64_t tensor_count = TakeCount("tensors", 24);  // the least bytes that one takes
    const std::uint64_t key_count = TakeCount("keys", 13);
    for (std::uint64_t i = 0; i < key_count; ++i) ReadPair(i, metadata);
    std::vector<std::uint64_t> offsets;
    std::vector<GgufTensor*> order;
    for (std::uint64_t i = 0; i < tensor_count; ++i) ReadTensor(i, tensors, offsets, order);
    Place(metadata, tensors, offsets, order);
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    throw DataError(name_ + ": " + where_ + ": " + what);
  }
  std::span<const std::byte> TakeBytes(std::uint64_t count, const char* what) {
    const std::size_t rest = bytes_.size() - at_;
    if (count > rest) {
      Fail(std::string(what) + " takes " + std::to_string(count) + " bytes, but only " +
           std::to_string(rest) + " follow; the file is cut short or a length in it is wrong");
    }
    at_ += count;
    return bytes_.subspan(at_ - count, count);
  }
  template <typename T>
  T Take() {
    return Raw<T>(TakeBytes(sizeof(T), "a number").data());
  }
  // How many of something follow, of which each takes at least `least` bytes.
  std::uint64_t TakeCount(const char* what, std::uint64_t least) {
    const std::uint64_t count = Take<std::uint64_t>();
    if (count > (bytes_.size() - at_) / least) {
      Fail("claims " + std::to_string(count) + " " + what + ", more than the " +
           std::to_string(bytes_.size() - at_) +
           " bytes that follow can hold; the file is cut short "
           "or is no GGUF file");
    }
    return count;
  }
  std::string_view TakeText(const char* what) {
    const std::uint64_t length = Take<std::uint64_t>();
    const auto bytes = TakeBytes(length, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::string TakeName(const char* what) {
    const std::string_view name = TakeText(what);
    if (name.empty() || name.size() > kMaxName) {
      Fail(std::string(what) + " has " + std::to_string(name.size()) + " bytes; allowed: 1 to " +
           std::to_string(kMaxName));
    }
    return std::string(name);
  }

  std::uint32_t TakeKind() {
    const std::uint32_t kind = Take<std::uint32_t>();
    if (kind >= kKindSizes.size()) {
      Fail("type " + std::to_string(kind) + " is not known; known: 0 (u8) to 12 (f64)");
    }
    return kind;
  }

  void ReadPair(std::uint64_t index, std::map<std::string, GgufValue>& metadata) {
    where_ = "key " + std::to_string(index);
    const std::string key = TakeName("the key");
    where_ = "key " + QuoteText(key);
    const std::uint32_t kind = TakeKind();
    if (!metadata.emplace(key, TakeValue(kind)).second) Fail("occurs twice");
  }

  GgufValue TakeValue(std::uint32_t kind) {
    if (kind == kText) return TakeText("the text");
    if (kind == kList) return TakeList(1);
    const auto bytes = TakeBytes(kKindSizes[kind], "the value");
    if (kind == kBool) CheckBools(bytes);
    return LoadScalar(kind, bytes.data());
  }

  void CheckBools(std::span<const std::byte> bytes) const {
    for (const std::byte byte : bytes) {
      if (byte > std::byte{1}) Fail("a bool is neither 0 nor 1");
    }
  }

  GgufList TakeList(int depth) {
    if (depth > kMaxListDepth)
      Fail("lists are nested more than " + std::to_string(kMaxListDepth) + " deep");
    GgufList list;
    list.element_type = TakeKind();
    const std::size_t size = kKindSizes[list.element_type];
    const std::uint64_t least = size > 0 ? size : list.element_type == kText ? 8 : 12;
    list.count = TakeCount("elements", least);
    const std::size_t start = at_;
    if (size > 0) {
      const auto bytes = TakeBytes(list.count * size, "the list");
      if (list.element_type == kBool) CheckBools(bytes);
    } else {
      for (std::uint64_t i = 0; i < list.count; ++i) {
        if (list.element_type == kText) {
          TakeText("a text of the list");
        } else {
          TakeList(depth + 1);
        }
      }
    }
    list.bytes = bytes_.subspan(start, at_ - start);
    return list;
  }

  void ReadTensor(std::uint64_t index, std::map<std::string, GgufTensor>& tensors,
                  std::vector<std::uint64_t>& offsets, std::vector<GgufTensor*>& order) {
    where_ = "tensor " + std::to_string(index);
    const std::string name = TakeName("the name");
    where_ = "tensor " + QuoteText(name);
    const auto [entry, is_new] = tensors.emplace(name, GgufTensor{});
    if (!is_new) Fail("occurs twice");
    GgufTensor& tensor = entry->second;
    const std::uint32_t rank = Take<std::uint32_t>();
    if (rank > kMaxRank) {
      Fail("has " + std::to_string(rank) + " dimensions; allowed: up to " +
           std::to_string(kMaxRank));
    }
    for (std::uint32_t i = 0; i < rank; ++i) {
      const std::uint64_t size = Take<std::uint64_t>();
      if (size > std::numeric_limits<std::int64_t>::max()) Fail("a dimension is too large");
      tensor.shape.insert(tensor.shape.begin(), static_cast<std::int64_t>(size));
    }
    const std::uint32_t type = Take<std::uint32_t>();
    if (FindBlock(type) == nullptr) {
      Fail("block type " + std::to_string(type) + " cannot be read; known: " + KnownTypes());
    }
    tensor.type = static_cast<GgufType>(type);
    offsets.push_back(Take<std::uint64_t>());
    order.push_back(&tensor);
  }

  // What the tensor takes in the file.
  std::uint64_t ByteSize(const GgufTensor& tensor) const {
    const GgufBlock& block = BlockOf(tensor.type);
    const std::uint64_t row =
        tensor.shape.empty() ? 1 : static_cast<std::uint64_t>(tensor.shape.back());
    if (row % block.values != 0) {
      Fail("its rows of " + std::to_string(row) + " values are no whole blocks of " +
           std::to_string(block.values) + " as " + block.name + " has them");
    }
    std::uint64_t size = block.bytes;
    bool overflow = __builtin_mul_overflow(size, row / block.values, &size);
    for (std::size_t i = 0; i + 1 < tensor.shape.size(); ++i) {
      overflow |= __builtin_mul_overflow(size, static_cast<std::uint64_t>(tensor.shape[i]), &size);
    }
    if (overflow) Fail("its dimensions are too large for any memory");
    return size;
  }

  std::uint64_t Alignment(const std::map<std::string, GgufValue>& metadata) {
    const auto found = metadata.find(kAlignmentKey);
    if (found == metadata.end()) return 32;
    where_ = "key " + QuoteText(kAlignmentKey);
    const auto value = AsInteger(found->second);
    if (!value || *value < 8 || *value > (1 << 30) || *value % 8 != 0)
      Fail("is no multiple of 8 between 8 and 2^30");
    return static_cast<std::uint64_t>(*value);
  }

  // Gives each tensor its bytes, and looks that no two share any.
  void Place(const std::map<std::string, GgufValue>& metadata,
             const std::map<std::string, GgufTensor>& tensors,
             const std::vector<std::uint64_t>& offsets, const std::vector<GgufTensor*>& order) {
    const std::uint64_t alignment = Alignment(metadata);
    const std::size_t padded = (at_ + alignment - 1) / alignment * alignment;
    const auto data =
        padded < bytes_.size() ? bytes_.subspan(padded) : std::span<const std::byte>();
    std::map<const GgufTensor*, const std::string*> names;
    for (const auto& [name, tensor] : tensors) names[&tensor] = &name;
    std::vector<std::tuple<std::uint64_t, std::uint64_t, const std::string*>> ranges;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::string* name = names.at(order[i]);
      where_ = "tensor " + QuoteText(*name);
      const std::uint64_t size = ByteSize(*order[i]);
      if (offsets[i] % alignment != 0) {
        Fail("its offset " + std::to_string(offsets[i]) + " is no multiple of the alignment " +
             std::to_string(alignment));
      }
      if (offsets[i] > data.size() || size > data.size() - offsets[i]) {
        Fail("its " + std::to_string(size) + " bytes from offset " + std::to_string(offsets[i]) +
             " lie beyond the " + std::to_string(data.size()) +
             " bytes of data; the file is cut short or a length in it is wrong");
      }
      order[i]->bytes = data.subspan(offsets[i], size);
      if (size > 0) ranges.emplace_back(offsets[i], offsets[i] + size, name);
    }
    std::sort(ranges.begin(), ranges.end());
    for (std::size_t i = 1; i < ranges.size(); ++i) {
      if (std::get<0>(ranges[i]) >= std::get<1>(ranges[i - 1])) continue;
      where_ = "tensor " + QuoteText(*std::get<2>(ranges[i]));
      Fail("its data overlap those of tensor " + QuoteText(*std::get<2>(ranges[i - 1])));
    }
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  const std::string& name_;
  std::string where_;
};

}  // namespace

const GgufBlock& BlockOf(GgufType type) {
  const GgufBlock* block = FindBlock(static_cast<std::uint32_t>(type));
  Check(block != nullptr, "a GgufType outside its enum");
  return *block;
}

struct GgufFile::Impl {
  std::string path;
  std::unique_ptr<MappedFile> mapping;  // null when the bytes are the caller's
  std::map<std::string, GgufValue> metadata;
  std::map<std::string, GgufTensor> tensors;

  const GgufValue& Value(const std::string& key) const {
    const auto found = metadata.find(key);
    if (found != metadata.end()) return found->second;
    throw DataError(path + ": key " + QuoteText(key) + " is missing");
  }
  [[noreturn]] void WrongKind(const std::string& key, const char* wanted) const {
    throw DataError(path + ": key " + QuoteText(key) + " holds no " + wanted);
  }
  const GgufList& List(const std::string& key, const char* wanted) const {
    const auto* list = std::get_if<GgufList>(&Value(key));
    if (list == nullptr) WrongKind(key, wanted);
    return *list;
  }
  // The elements of a list of numbers, each turned into a T by `as` (nothing: of another kind).
  template <typename T, typename As>
  std::vector<T> ListOf(const std::string& key, const char* wanted, const As& as) const {
    const GgufList& list = List(key, wanted);
    const std::size_t size = kKindSizes[list.element_type];
    if (size == 0) WrongKind(key, wanted);
    std::vector<T> values;
    values.reserve(list.count);
    for (std::uint64_t i = 0; i < list.count; ++i) {
      const auto value = as(LoadScalar(list.element_type, list.bytes.data() + i * size));
      if (!value) WrongKind(key, wanted);
      values.push_back(*value);
    }
    return values;
  }
};

GgufFile::GgufFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GgufFile::~GgufFile() = default;
GgufFile::GgufFile(GgufFile&&) noexcept = default;
GgufFile& GgufFile::operator=(GgufFile&&) noexcept = default;

GgufFile GgufFile::Open(const std::string& path) {
  auto mapping = std::make_unique<MappedFile>(path);
  GgufFile file = Parse(mapping->bytes(), path);
  file.impl_->mapping = std::move(mapping);
  return file;
}

GgufFile GgufFile::Parse(std::span<const std::byte> bytes, const std::string& name) {
  auto impl = std::make_unique<Impl>();
  impl->path = name;
  Reader(bytes, name).Read(impl->metadata, impl->tensors);
  return GgufFile(std::move(impl));
}

bool GgufFile::Has(const std::string& key) const { return impl_->metadata.count(key) > 0; }

std::int64_t GgufFile::Integer(const std::string& key) const {
  const auto value = AsInteger(impl_->Value(key));
  if (!value) impl_->WrongKind(key, "whole number of 63 bits");
  return *value;
}

double GgufFile::Number(const std::string& key) const {
  const auto value = AsNumber(impl_->Value(key));
  if (!value) impl_->WrongKind(key, "number");
  return *value;
}

bool GgufFile::Bool(const std::string& key) const {
  const auto* value = std::get_if<bool>(&impl_->Value(key));
  if (value == nullptr) impl_->WrongKind(key, "bool");
  return *value;
}

std::string_view GgufFile::Text(const std::string& key) const {
  const auto* value = std::get_if<std::string_view>(&impl_->Value(key));
  if (value == nullptr) impl_->WrongKind(key, "text");
  return *value;
}

std::vector<std::int64_t> GgufFile::Integers(const std::string& key) const {
  return impl_->ListOf<std::int64_t>(key, "list of whole numbers", AsInteger);
}

std::vector<double> GgufFile::Numbers(const std::string& key) const {
  return impl_->ListOf<double>(key, "list of numbers", AsNumber);
}

std::vector<std::string_view> GgufFile::Texts(const std::string& key) const {
  const GgufList& list = impl_->List(key, "list of texts");
  if (list.element_type != kText) impl_->WrongKind(key, "list of texts");
  std::vector<std::string_view> texts;
  texts.reserve(list.count);
  const std::byte* at = list.bytes.data();
  for (std::uint64_t i = 0; i < list.count; ++i) {
    const std::uint64_t length = Raw<std::uint64_t>(at);
    texts.emplace_back(reinterpret_cast<const char*>(at) + sizeof(length), length);
    at += sizeof(length) + length;
  }
  return texts;
}

const std::map<std::string, GgufValue>& GgufFile::metadata() const { return impl_->metadata; }
const std::map<std::string, GgufTensor>& GgufFile::tensors() const { return impl_->tensors; }
const std::string& GgufFile::path() const { return impl_->path; }

const GgufTensor& GgufFile::Get(const std::string& tensor) const {
  const auto found = impl_->tensors.find(tensor);
  if (found != impl_->tensors.end()) return found->second;
  throw DataError(impl_->path + ": tensor " + QuoteText(tensor) +
                  " is missing; the file belongs to another architecture");
}

}  // namespace cogent
