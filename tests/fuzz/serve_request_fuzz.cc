// Any body is a request that the model can be asked, or an ApiError whose own body is written.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "experiments/serve_api.h"

namespace {

const cogent::Tokenizer& Bytes() {
  static const auto tokenizer = cogent::Tokenizer::Train({}, {.vocab_size = 258, .added_tokens = {{"<|pad|>", true}, {"<|end|>", true}}});
  return tokenizer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 4096) return 0;
  static const cogent::ServedModel model{"m", &Bytes(), {1}, 258, 64, false, [](const std::string& messages) { return messages; }};
  const std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  try {
    const cogent::Request r = cogent::ReadRequest(body, data[0] % 2 == 1, model);
    if (r.prompt.empty() || r.n < 1 || r.sampling.max_new_tokens < 1 || static_cast<int>(r.prompt.size()) + r.sampling.max_new_tokens > model.context) std::abort();
    cogent::ReplyBody(r, model, 1, {{0, "x", {{65, -1.0f, -1.0f}}, true, false}});
  } catch (const cogent::ApiError& error) {
    if (error.Body().empty()) std::abort();
  }
  try {
    cogent::ReadModelPath(body);
  } catch (const cogent::ApiError&) {
  }
  return 0;
}
