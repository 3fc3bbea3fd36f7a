// The tokenizer of a GGUF file, as the parts that a tokenizer.json would have.
#include "core/error.h"
#include "policies/gguf.h"
#include "policies/tokenizer_bytes.h"
#include "policies/tokenizer_parts.h"
#include "policies/tokenizer_pieces.h"

namespace cogent {
namespace {

constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kDeepseekDigits = R"(\p{N}{1,3})";
constexpr const char* kDeepseekHan = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
constexpr const char* kDeepseekWords =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

SplitStage Isolated(const char* pattern) {
  SplitStage split{.pattern = pattern};
  CompileSplit(split, "a pattern of GGUF's tokenizers");
  return split;
}

// The splitter by the name that the file gives it.
void ReadSplitter(const GgufFile& file, TokenizerParts& parts) {
  constexpr const char* kKey = "tokenizer.ggml.pre";
  const std::string name = file.Has(kKey) ? std::string(file.Text(kKey)) : "gpt-2";
  auto& stages = parts.pre_tokenizer;
  const ByteLevelStage bytes{.add_prefix_space = false, .trim_offsets = true, .use_regex = false};
  if (name == "gpt-2" || name == "gpt2" || name == "default") {
    stages = {ByteLevelStage{}};
  } else if (name == "smollm") {
    stages = {DigitsStage{}, ByteLevelStage{}};
  } else if (name == "llama-bpe" || name == "llama3" || name == "llama-v3") {
    stages = {Isolated(kLlama3), bytes};
    parts.model.ignore_merges = true;
  } else if (name == "qwen2") {
    stages = {Isolated(kQwen2), bytes};
    parts.normalizers = {UnicodeForm{"NFC"}};  // not in the file
  } else if (name == "deepseek-v3") {
    stages = {Isolated(kDeepseekDigits), Isolated(kDeepseekHan), Isolated(kDeepseekWords), bytes};
  } else {
    throw DataError(file.path() + ": key '" + kKey + "' is " + QuoteText(name) + ", which cannot be read. Known: gpt-2, smollm, llama-bpe, qwen2, deepseek-v3");
  }
}

void ReadMerges(const GgufFile& file, TokenizerParts& parts) {
  const auto ids = VocabMap(parts.model);
  for (const std::string_view line : file.Texts("tokenizer.ggml.merges")) {
    const std::size_t space = line.find(' ', 1);
    const std::string left(line.substr(0, space)), right(space == std::string_view::npos ? "" : line.substr(space + 1));
    const auto l = ids.find(left), r = ids.find(right), joined = ids.find(left + right);
    if (l == ids.end() || r == ids.end() || joined == ids.end()) {
      throw DataError(file.path() + ": tokenizer.ggml.merges: " + QuoteText(line) + " is not two tokens of the vocabulary that make a third");
    }
    parts.model.merges.push_back({l->second, r->second, joined->second});
  }
}

std::string TokenAt(const GgufFile& file, const std::vector<std::string_view>& tokens, const char* name) {
  const std::string key = std::string("tokenizer.ggml.") + name;
  if (!file.Has(key)) return {};
  const std::int64_t id = file.Integer(key);
  if (id < 0 || id >= static_cast<std::int64_t>(tokens.size())) throw DataError(file.path() + ": key '" + key + "' is " + std::to_string(id) + ", which is no token");
  return std::string(tokens[static_cast<std::size_t>(id)]);
}

}  // namespace

TokenizerParts ReadGgufTokenizer(const std::string& path) {
  const GgufFile file = GgufFile::Open(path);
  if (!file.Has("tokenizer.ggml.model")) throw DataError(path + ": holds no tokenizer (key 'tokenizer.ggml.model')");
  const std::string model(file.Text("tokenizer.ggml.model"));
  if (model != "gpt2" && model != "llama") throw DataError(path + ": key 'tokenizer.ggml.model' is " + QuoteText(model) + ". Known: gpt2, llama");
  TokenizerParts parts;
  parts.name = path;
  const auto tokens = file.Texts("tokenizer.ggml.tokens");
  if (tokens.size() > static_cast<std::size_t>(kMaxTokenId)) throw DataError(path + ": tokenizer.ggml.tokens holds too many tokens");
  PieceList pieces{.texts = {tokens.begin(), tokens.end()}};
  if (file.Has("tokenizer.ggml.token_type")) {
    const auto kinds = file.Integers("tokenizer.ggml.token_type");
    if (kinds.size() != tokens.size()) throw DataError(path + ": tokenizer.ggml.token_type has not one kind for each token");
    for (const std::int64_t kind : kinds) pieces.kinds.push_back(static_cast<PieceKind>(kind));
  } else {
    pieces.kinds.assign(tokens.size(), PieceKind::kNormal);
  }
  if (model == "llama") {
    pieces.scores = file.Numbers("tokenizer.ggml.scores");
    if (pieces.scores.size() != tokens.size()) throw DataError(path + ": tokenizer.ggml.scores has not one number for each token");
    pieces.unknown = TokenAt(file, tokens, "unknown_token_id");
    pieces.space_prefix = !file.Has("tokenizer.ggml.add_space_prefix") || file.Bool("tokenizer.ggml.add_space_prefix");
    SetPieces(pieces, parts);
  } else {
    SetVocabulary(pieces, parts);
    ReadSplitter(file, parts);
    ReadMerges(file, parts);
  }
  parts.bos_token = TokenAt(file, tokens, "bos_token_id");
  parts.eos_token = TokenAt(file, tokens, "eos_token_id");
  parts.pad_token = TokenAt(file, tokens, "padding_token_id");
  const bool add_bos = file.Has("tokenizer.ggml.add_bos_token") ? file.Bool("tokenizer.ggml.add_bos_token") : model == "llama";
  if (add_bos && !parts.bos_token.empty()) parts.before.push_back(static_cast<std::int32_t>(file.Integer("tokenizer.ggml.bos_token_id")));
  if (file.Has("tokenizer.chat_template")) parts.chat_template = std::string(file.Text("tokenizer.chat_template"));
  return parts;
}

}  // namespace cogent
