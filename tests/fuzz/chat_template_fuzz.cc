// Any text is either a chat template or a DataError, and renders to a bounded text or a DataError.
#include "policies/chat_template.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  try {
    const cogent::ChatTemplate chat(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    chat.Render(R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "caf\u00e9"}, {"role": "assistant", "content": null}],
                    "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "tools": [{"name": "f", "n": 1.5}]})");
  } catch (const cogent::DataError&) {
  }
  return 0;
}
