// Any bytes are either a GGUF file or a DataError, and what is handed out lies inside them.
#include "policies/gguf.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "core/error.h"

namespace {

void ReadKey(const cogent::GgufFile& file, const std::string& key) {
  const auto* list = std::get_if<cogent::GgufList>(&file.metadata().at(key));
  if (list == nullptr) return;
  try {
    if (list->element_type == 8) {
      if (file.Texts(key).size() != list->count) std::abort();
    } else if (file.Numbers(key).size() != list->count) {
      std::abort();
    }
  } catch (const cogent::DataError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto file = cogent::GgufFile::Parse(std::as_bytes(std::span(data, size)), "fuzz");
    for (const auto& [key, value] : file.metadata()) ReadKey(file, key);
    std::size_t total = 0;
    unsigned sum = 0;
    for (const auto& [name, tensor] : file.tensors()) {
      for (const std::byte byte : tensor.bytes) sum += static_cast<unsigned>(byte);
      total += tensor.bytes.size();
    }
    if (total > size || (sum > 0 && total == 0)) std::abort();
  } catch (const cogent::DataError&) {
  }
  return 0;
}
