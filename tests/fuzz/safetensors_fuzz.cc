// Any bytes are either a safetensors file or a DataError, and what is handed out lies inside them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "core/error.h"
#include "policies/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto file = cogent::SafetensorsFile::Parse(std::as_bytes(std::span(data, size)), "fuzz");
    std::size_t total = 0;
    unsigned sum = 0;
    for (const auto& [name, view] : file.tensors()) {
      std::size_t count = cogent::SizeOf(view.dtype);
      for (const std::int64_t dimension : view.shape) count *= static_cast<std::size_t>(dimension);
      if (count != view.bytes.size()) std::abort();
      for (const std::byte byte : view.bytes)
        sum += static_cast<unsigned>(byte);  // every byte can be read
      total += view.bytes.size();
    }
    if (total > size || (sum > 0 && total == 0)) std::abort();
  } catch (const cogent::DataError&) {
  }
  return 0;
}
