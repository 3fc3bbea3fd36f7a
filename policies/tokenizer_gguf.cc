// The tokenizer of a GGUF file, as the parts that a tokenizer.json would have.
#include <algorithm>
#include <tuple>

#include "core/error.h"
#include "policies/gguf.h"
#include "policies/tokenizer_bytes.h"
#include "policies/tokenizer_parts.h"

namespace cogent {
namespace {

// Kinds of tokens in the file.
enum : std::int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

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

// SentencePiece joins the pair whose whole has the best score: as merges, every way to cut a piece in two, best score first.
void MakeMerges(const GgufFile& file, TokenizerParts& parts) {
  const auto ids = VocabMap(parts.model);
  const std::vector<double> scores = file.Numbers("tokenizer.ggml.scores");
  if (scores.size() != file.Texts("tokenizer.ggml.tokens").size()) throw DataError(file.path() + ": tokenizer.ggml.scores has not one number for each token");
  struct Candidate {
    double score;
    std::size_t left_size, right_size;
    BpeSpec::Merge merge;
  };
  std::vector<Candidate> all;
  for (const auto& [text, id] : parts.model.vocab) {
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      if ((static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) continue;
      const auto left = ids.find(text.substr(0, cut)), right = ids.find(text.substr(cut));
      if (left != ids.end() && right != ids.end()) all.push_back({scores[static_cast<std::size_t>(id)], cut, text.size() - cut, {left->second, right->second, id}});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
    return std::tuple(a.score, a.left_size, a.right_size) > std::tuple(b.score, b.left_size, b.right_size);
  });
  for (const Candidate& one : all) parts.model.merges.push_back(one.merge);
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
  std::vector<std::int64_t> kinds(tokens.size(), kNormal);
  if (file.Has("tokenizer.ggml.token_type")) kinds = file.Integers("tokenizer.ggml.token_type");
  if (kinds.size() != tokens.size()) throw DataError(path + ": tokenizer.ggml.token_type has not one kind for each token");
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    if (kinds[i] == kControl || kinds[i] == kUserDefined || (kinds[i] == kUnknown && model == "llama")) {
      parts.added_tokens.push_back({.text = std::string(tokens[i]), .id = id, .special = kinds[i] != kUserDefined});
    }
    if (kinds[i] != kUnused) parts.model.vocab.emplace_back(std::string(tokens[i]), id);
  }
  std::unordered_map<std::string, std::int32_t> seen;
  for (const auto& [text, id] : parts.model.vocab) {
    if (!seen.emplace(text, id).second) throw DataError(path + ": tokenizer.ggml.tokens: " + QuoteText(text) + " occurs twice");
  }
  if (model == "gpt2") {
    ReadSplitter(file, parts);
    ReadMerges(file, parts);
  } else {
    parts.model.byte_level = false;
    parts.model.byte_fallback = parts.model.fuse_unk = true;
    parts.model.unk_token = TokenAt(file, tokens, "unknown_token_id");
    const bool prefix = !file.Has("tokenizer.ggml.add_space_prefix") || file.Bool("tokenizer.ggml.add_space_prefix");
    parts.pre_tokenizer = {MetaspaceStage{.prepend_scheme = prefix ? "first" : "never", .split = false}};
    parts.decoder = {ReplaceStep{"\u2581", " "}, ByteFallbackStep{}, FuseStep{}};
    if (prefix) parts.decoder.push_back(StripStep{" ", 1, 0});
    MakeMerges(file, parts);
  }
  parts.bos_token = TokenAt(file, tokens, "bos_token_id");
  parts.eos_token = TokenAt(file, tokens, "eos_token_id");
  parts.pad_token = TokenAt(file, tokens, "padding_token_id");
  const bool add_bos = file.Has("tokenizer.ggml.add_bos_token") ? file.Bool("tokenizer.ggml.add_bos_token") : model == "llama";
  if (add_bos && !parts.bos_token.empty()) parts.before.push_back(seen.at(parts.bos_token));
  if (file.Has("tokenizer.chat_template")) parts.chat_template = std::string(file.Text("tokenizer.chat_template"));
  return parts;
}

}  // namespace cogent
