// Any text is a tokenizer.json or a DataError; one that is read can be written, read again and used
// on any bytes. An input is a file, a NUL, and the text to encode; without a NUL it is the text
// alone.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "policies/tokenizer.h"
#include "policies/tokenizer_bytes.h"

namespace {

const cogent::Tokenizer& Words() {
  static const cogent::Tokenizer tokenizer =
      cogent::Tokenizer::Train({"it's the sum of the sums  of 12 and 34", "the sums\n\nthe sum"},
                               {.vocab_size = 290,
                                .added_tokens = {{"<|end|>", true}, {"<|pad|>", true}, {"<think>"}},
                                .split_digits = false});
  return tokenizer;
}

void Use(const cogent::Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.Encode(text);
  cogent::StreamDecoder stream(tokenizer);
  std::string shown;
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= tokenizer.vocab_size()) std::abort();
    shown += stream.Add(id);
  }
  if (shown + stream.Finish() != tokenizer.Decode(ids)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find('\0');
  const std::string_view text = end == std::string_view::npos ? input : input.substr(end + 1);
  Use(Words(), text);
  if (Words().Decode(Words().Encode(text)) != cogent::RepairUtf8(text)) std::abort();
  if (end == std::string_view::npos) return 0;
  try {
    const auto tokenizer = cogent::Tokenizer::Parse(input.substr(0, end), "fuzz");
    if (cogent::Tokenizer::Parse(tokenizer.ToJson(), "again").Encode(text) !=
        tokenizer.Encode(text))
      std::abort();
    Use(tokenizer, text);
  } catch (const cogent::DataError&) {
  }
  return 0;
}
