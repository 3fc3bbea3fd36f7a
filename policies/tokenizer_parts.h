// What a tokenizer is made of, as data: the file read and written by tokenizer_json.cc, made by
// tokenizer_train.cc, and put to work by tokenizer.cc.
//
// Thread rule: values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policies/tokenizer.h"
#include "policies/tokenizer_added.h"
#include "policies/tokenizer_bpe.h"
#include "policies/tokenizer_decode.h"
#include "policies/tokenizer_normalize.h"
#include "policies/tokenizer_split.h"

namespace cogent {

constexpr std::int32_t kMaxTokenId =
    (1 << 24) - 1;  // ids index tables: a wild one must not fill memory

struct TokenizerParts {
  std::string name;  // for messages: the file, or "tokenizer"
  std::vector<AddedTokenSpec> added_tokens;
  std::vector<Normalizer> normalizers;
  std::vector<PreTokenizerStage> pre_tokenizer;
  BpeSpec model;
  std::vector<std::int32_t> before, behind;  // special tokens that go with every text, where they are asked for
  std::vector<DecoderStep> decoder = {ByteLevelStep{}};
  std::string eos_token;  // empty: not known
  std::string pad_token;
  std::string bos_token;
  std::string chat_template;  // Jinja; empty: none
  std::map<std::string, std::string> named_tokens;  // the other tokens that tokenizer_config.json names, by key
};

// The vocabulary as a map; ids are as in the spec.
std::unordered_map<std::string, std::int32_t> VocabMap(const BpeSpec& model);

// Makes the pattern ready to use; DataError begins with `where`.
void CompileSplit(SplitStage& split, const std::string& where);

// tokenizer_json.cc and tokenizer_json_write.cc. DataError names the file and the part that cannot be used.
TokenizerParts ParseTokenizerJson(std::string_view json, const std::string& name);
std::string TokenizerJson(const TokenizerParts& parts);
// Takes eos_token and pad_token from the text of a tokenizer_config.json.
void ReadTokenizerConfig(std::string_view json, const std::string& name, TokenizerParts& parts);
// Whether one says that a text begins with the beginning of sequence, which a tokenizer.json says itself; true where it does not.
bool AddsBos(std::string_view json, const std::string& name);
// The text of a tokenizer_config.json with these tokens; other keys of `earlier` (may be empty)
// stay. With `chat_beside`, the chat template is in a file of its own.
std::string TokenizerConfigJson(std::string_view earlier, const std::string& name,
                                const TokenizerParts& parts, bool chat_beside);

// tokenizer_gguf.cc: what a GGUF file holds of one. DataError where there is none, or one that is not known.
TokenizerParts ReadGgufTokenizer(const std::string& path);

// tokenizer_train.cc
TokenizerParts TrainTokenizer(const std::vector<std::string>& corpus,
                              const Tokenizer::TrainOptions& options);

}  // namespace cogent
