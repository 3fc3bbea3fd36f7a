#include "policies/tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "policies/atomic_file.h"
#include "policies/tokenizer_added.h"
#include "policies/tokenizer_bpe.h"
#include "policies/tokenizer_bytes.h"
#include "policies/tokenizer_parts.h"
#include "policies/tokenizer_pieces.h"
#include "policies/tokenizer_split.h"
#include "policies/weight_adapter.h"
#include "policies/weight_files.h"

namespace cogent {
namespace {

std::string ConfigPath(const std::string& path) {
  return (std::filesystem::path(path).parent_path() / "tokenizer_config.json").string();
}

// Where transformers 5 puts the chat template; it reads it before the one in tokenizer_config.json.
std::string ChatPath(const std::string& path) {
  return (std::filesystem::path(path).parent_path() / "chat_template.jinja").string();
}

void WriteFile(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  file.Write(text);
  file.Commit();
}

}  // namespace

struct Tokenizer::Impl {
  TokenizerParts parts;
  TokenDecoder decoder;
  AddedTokens added;
  PreTokenizer words;
  Bpe bpe;
  std::unordered_map<std::string, std::int32_t> ids;  // vocabulary strings and added tokens
  std::vector<std::string> texts;                     // by id, as in the vocabulary
  std::vector<std::string> bytes;                     // by id, what it decodes to
  std::vector<bool> special;                          // by id
  std::unordered_map<std::int32_t, std::string> normalized;  // what is decoded of an added token that the normalizer changes

  explicit Impl(TokenizerParts from)
      : parts(std::move(from)),
        decoder(parts.decoder),
        added(parts.added_tokens, parts.normalizers.empty() ? NormalizeText() : [this](std::string_view text) { return Normalize(parts.normalizers, text); }),
        words(parts.pre_tokenizer),
        bpe(parts.model),
        ids(VocabMap(parts.model)) {
    for (const auto& [text, id] : parts.model.vocab) Place(text, id);
    for (const AddedTokenSpec& token : parts.added_tokens) {
      ids[token.text] = token.id;
      Place(token.text, token.id);
      special[static_cast<std::size_t>(token.id)] = token.special;
      if (!token.normalized || parts.normalizers.empty()) continue;
      const std::string text = Normalize(parts.normalizers, token.text);
      if (text == token.text) continue;
      normalized[token.id] = text;
      bytes[static_cast<std::size_t>(token.id)] = decoder.One(text);
    }
  }

  void Place(const std::string& text, std::int32_t id) {
    const std::size_t at = static_cast<std::size_t>(id);
    if (at >= bytes.size()) {
      bytes.resize(at + 1);
      texts.resize(at + 1);
      special.resize(at + 1);
    }
    texts[at] = text;
    bytes[at] = decoder.One(text);
  }

  const std::string* BytesOf(std::int32_t id) const {
    return id >= 0 && static_cast<std::size_t>(id) < bytes.size()
               ? &bytes[static_cast<std::size_t>(id)]
               : nullptr;
  }

  std::int32_t IdOf(const std::string& token, const char* role, const char* key) const {
    const auto found = ids.find(token);
    if (!token.empty() && found != ids.end()) return found->second;
    throw DataError(parts.name + ": " +
                    (token.empty() ? "names no " + std::string(role) + " token"
                                   : "the " + std::string(role) + " token '" + token +
                                         "' is not in the vocabulary") +
                    "; set \"" + key + "\" in the tokenizer_config.json beside it");
  }
};

Tokenizer::Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::Tokenizer(const Tokenizer&) = default;
Tokenizer& Tokenizer::operator=(const Tokenizer&) = default;

Tokenizer Tokenizer::Train(const std::vector<std::string>& corpus, const TrainOptions& options) {
  return Tokenizer(std::make_shared<const Impl>(TrainTokenizer(corpus, options)));
}

Tokenizer Tokenizer::Load(const std::string& given) {
  if (IsGguf(given)) return Tokenizer(std::make_shared<const Impl>(ReadGgufTokenizer(given)));
  std::string path = std::filesystem::is_directory(given) ? given + "/tokenizer.json" : given;
  if (IsAdapter(given) && !std::filesystem::exists(path)) return Load(AdapterBase(given));
  const std::string model = given + "/tokenizer.model";
  if (path != given && !std::filesystem::exists(path) && std::filesystem::exists(model)) path = model;
  const bool pieces = path.ends_with(".model");
  TokenizerParts parts = pieces ? ReadSentencePiece(path) : ParseTokenizerJson(ReadWholeFile(path), path);
  const std::string config = ConfigPath(path);
  if (std::filesystem::exists(config)) {
    const std::string text = ReadWholeFile(config);
    ReadTokenizerConfig(text, config, parts);
    if (pieces && !AddsBos(text, config)) parts.before.clear();
  }
  if (const std::string chat = ChatPath(path); std::filesystem::exists(chat)) parts.chat_template = ReadWholeFile(chat);
  return Tokenizer(std::make_shared<const Impl>(std::move(parts)));
}

Tokenizer Tokenizer::Parse(std::string_view json, const std::string& name) {
  return Tokenizer(std::make_shared<const Impl>(ParseTokenizerJson(json, name)));
}

void Tokenizer::Save(const std::string& path) const {
  const std::string config = ConfigPath(path);
  const std::string earlier = std::filesystem::exists(config) ? ReadWholeFile(config) : "";
  const std::string chat = ChatPath(path);
  const bool chat_beside = std::filesystem::exists(chat);
  const std::string text = TokenizerConfigJson(earlier, config, impl_->parts, chat_beside);
  WriteFile(path, ToJson());
  if (text != earlier) WriteFile(config, text);
  // One that lies there would be read before what the configuration says.
  const std::string& own = impl_->parts.chat_template;
  if (chat_beside && !own.empty() && ReadWholeFile(chat) != own) WriteFile(chat, own);
}

std::string Tokenizer::ToJson() const { return TokenizerJson(impl_->parts); }

std::vector<std::int32_t> Tokenizer::Encode(std::string_view text) const {
  std::string repaired;
  if (!IsUtf8(text)) {
    repaired = RepairUtf8(text);
    text = repaired;
  }
  std::vector<std::int32_t> ids;
  Bpe::Scratch scratch;
  const WordSink encode_word = [&](std::string_view word) {
    impl_->bpe.Encode(word, scratch, ids);
  };
  impl_->added.Split(text, [&](const AddedPiece& piece) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
    } else {
      impl_->words.Split(piece.text, encode_word, piece.at_start);
    }
  });
  return ids;
}

std::vector<std::int32_t> Tokenizer::EncodePrompt(std::string_view text) const {
  std::vector<std::int32_t> ids = impl_->parts.before;
  const std::vector<std::int32_t> inner = Encode(text);
  ids.insert(ids.end(), inner.begin(), inner.end());
  return ids;
}

std::vector<std::int32_t> Tokenizer::EncodeWithSpecial(std::string_view text) const {
  std::vector<std::int32_t> ids = EncodePrompt(text);
  ids.insert(ids.end(), impl_->parts.behind.begin(), impl_->parts.behind.end());
  return ids;
}

std::string Tokenizer::Decode(std::span<const std::int32_t> ids, bool skip_special) const {
  std::string bytes;
  std::vector<std::string> tokens;
  const bool byte_level = impl_->decoder.IsByteLevel();
  for (const std::int32_t id : ids) {
    const std::string* part = impl_->BytesOf(id);
    if (part == nullptr || (skip_special && impl_->special[static_cast<std::size_t>(id)])) continue;
    if (byte_level) bytes += *part;
    else if (const auto other = impl_->normalized.find(id); other != impl_->normalized.end()) tokens.push_back(other->second);
    else tokens.push_back(impl_->texts[static_cast<std::size_t>(id)]);
  }
  if (!byte_level) return impl_->decoder.Decode(std::move(tokens));
  return IsUtf8(bytes) ? bytes : RepairUtf8(bytes);
}

std::string_view Tokenizer::TokenBytes(std::int32_t id) const {
  const std::string* bytes = impl_->BytesOf(id);
  return bytes == nullptr ? std::string_view() : std::string_view(*bytes);
}

std::string_view Tokenizer::TokenText(std::int32_t id) const {
  return impl_->BytesOf(id) == nullptr ? std::string_view() : std::string_view(impl_->texts[static_cast<std::size_t>(id)]);
}

std::optional<std::int32_t> Tokenizer::bos_id() const { return TokenToId(impl_->parts.bos_token); }
const std::string& Tokenizer::chat_template() const { return impl_->parts.chat_template; }
const std::map<std::string, std::string>& Tokenizer::named_tokens() const { return impl_->parts.named_tokens; }

std::optional<std::int32_t> Tokenizer::TokenToId(std::string_view token) const {
  const auto found = impl_->ids.find(std::string(token));
  return found == impl_->ids.end() ? std::nullopt : std::optional(found->second);
}

int Tokenizer::vocab_size() const { return static_cast<int>(impl_->bytes.size()); }
std::int32_t Tokenizer::eos_id() const {
  return impl_->IdOf(impl_->parts.eos_token, "end", "eos_token");
}
bool Tokenizer::has_pad() const { return !impl_->parts.pad_token.empty(); }
std::int32_t Tokenizer::pad_id() const {
  return impl_->IdOf(impl_->parts.pad_token, "padding", "pad_token");
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {
  const TokenDecoder::Leading leading = tokenizer.impl_->decoder.AtStart();
  leading_ = leading.text, leading_count_ = leading.count;
}

// What the decoder takes off the start of the text.
std::string StreamDecoder::AtStart(std::string text) {
  while (leading_count_ > 0 && !text.empty()) {
    if (!text.starts_with(leading_)) {
      leading_count_ = 0;
      break;
    }
    text.erase(0, leading_.size());
    --leading_count_;
  }
  return text;
}

std::string StreamDecoder::Add(std::int32_t id) {
  const std::string_view bytes = tokenizer_->TokenBytes(id);
  if (tokenizer_->impl_->decoder.FallsBack()) {
    const bool is_byte = FallbackByte(tokenizer_->TokenText(id)).has_value();
    if (is_byte) pending_ += bytes;
    const bool whole = is_byte && IsUtf8(pending_);
    if (is_byte && !whole) return {};
    return AtStart(whole ? std::exchange(pending_, {}) : Finish() + std::string(bytes));
  }
  pending_ += bytes;
  const std::size_t decided = DecidedBytes(pending_);
  std::string text = RepairUtf8(std::string_view(pending_).substr(0, decided));
  pending_.erase(0, decided);
  return AtStart(std::move(text));
}

std::string StreamDecoder::Finish() {
  const std::string rest = std::exchange(pending_, {});
  if (!tokenizer_->impl_->decoder.FallsBack()) return RepairUtf8(rest);
  std::string text;
  for (std::size_t i = 0; i < rest.size(); ++i) text += "\uFFFD";
  return text;
}

}  // namespace cogent
