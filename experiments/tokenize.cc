#include "experiments/tokenize.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "experiments/verify.h"
#include "policies/tokenizer.h"

namespace cogent {
namespace {

LineVerifier Encoder(std::shared_ptr<const Tokenizer> tokenizer, bool special) {
  return {[tokenizer, special](const LineObject& line) -> LineResult {
    const std::string text = line.Text("text");
    const auto ids = special ? tokenizer->EncodeWithSpecial(text) : tokenizer->Encode(text);
    return {{"ids", std::vector<std::int64_t>(ids.begin(), ids.end())}};
  }};
}

// --special leaves special tokens in the text.
LineVerifier Decoder(std::shared_ptr<const Tokenizer> tokenizer, bool special) {
  return {[tokenizer, special](const LineObject& line) -> LineResult {
    const auto text = line.FindJson("ids");
    if (!text) throw DataError("'ids' is missing: a list of token ids");
    const auto list = nlohmann::json::parse(*text);
    if (!list.is_array()) throw DataError("'ids' must be a list of token ids");
    std::vector<std::int32_t> ids;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const bool fits = list[i].is_number_unsigned() && list[i].get<std::uint64_t>() < static_cast<std::uint64_t>(tokenizer->vocab_size());
      if (!fits) {
        throw DataError("'ids': " + list[i].dump().substr(0, 40) + " at place " + std::to_string(i) + " is no token id; they go from 0 to " +
                        std::to_string(tokenizer->vocab_size() - 1));
      }
      ids.push_back(list[i].get<std::int32_t>());
    }
    return {{"text", tokenizer->Decode(ids, !special)}};
  }};
}

}  // namespace

int RunTokenize(const Command& command) {
  const auto tokenizer = std::make_shared<const Tokenizer>(Tokenizer::Load(command.Get("tokenizer")));
  const bool special = command.Has("special");
  return VerifyLines(command.name == "tokenizer encode" ? Encoder(tokenizer, special) : Decoder(tokenizer, special), command);
}

}  // namespace cogent
