// tokenizer.json to TokenizerParts and back. One reader a part of the file: a further kind of a
// part is a branch in its reader. What is not known is refused by name, never passed over.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "policies/tokenizer_bytes.h"
#include "policies/tokenizer_parts.h"

namespace cogent {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

// A value of the file with its place, for messages.
class Part {
 public:
  Part(const Json* json, std::string file, std::string path)
      : json_(json), file_(std::move(file)), path_(std::move(path)) {}

  const Json& json() const { return *json_; }
  bool IsNull() const { return json_ == nullptr || json_->is_null(); }
  [[noreturn]] void Fail(const std::string& what) const {
    throw DataError(file_ + ": " + (path_.empty() ? "" : path_ + ": ") + what);
  }

  // A member; a null part when it is absent.
  Part At(const char* key) const {
    if (IsNull() || !json_->is_object()) Fail("is missing or no object");
    const auto found = json_->find(key);
    return {found == json_->end() ? nullptr : &*found, file_,
            path_.empty() ? key : path_ + "." + key};
  }
  Part At(std::size_t index) const {
    return {&(*json_)[index], file_, path_ + "[" + std::to_string(index) + "]"};
  }

  std::size_t ListSize() const {
    if (IsNull() || !json_->is_array()) Fail("is missing or no list");
    return json_->size();
  }
  const std::string& Text() const {
    if (IsNull() || !json_->is_string()) Fail("is missing or no text");
    return json_->get_ref<const std::string&>();
  }
  bool Bool() const {
    if (IsNull() || !json_->is_boolean()) Fail("is missing or neither true nor false");
    return json_->get<bool>();
  }
  bool Bool(bool otherwise) const { return json_ == nullptr ? otherwise : Bool(); }
  std::int32_t Id() const {
    if (IsNull() || !json_->is_number_unsigned() || json_->get<std::uint64_t>() > kMaxTokenId) {
      Fail("is no token id (a whole number from 0 to " + std::to_string(kMaxTokenId) + ")");
    }
    return json_->get<std::int32_t>();
  }
  void RequireNull(const char* why) const {
    if (!IsNull()) Fail(std::string(why) + "; only null can be read");
  }
  void RequireEmpty() const {
    if (!IsNull() && !(json_->is_string() && json_->get_ref<const std::string&>().empty())) {
      Fail("is not supported; only null or \"\" can be read");
    }
  }

 private:
  const Json* json_;  // null: absent
  std::string file_;
  std::string path_;
};

Json ParseText(std::string_view text, const std::string& name) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    throw DataError(name + ": is no JSON: " + error.what());
  }
}

std::vector<AddedTokenSpec> ReadAddedTokens(const Part& list) {
  std::vector<AddedTokenSpec> tokens;
  if (list.IsNull()) return tokens;
  std::set<std::string> texts;
  std::set<std::int32_t> ids;
  for (std::size_t i = 0; i < list.ListSize(); ++i) {
    const Part item = list.At(i);
    AddedTokenSpec token;
    token.id = item.At("id").Id();
    token.text = item.At("content").Text();
    token.special = item.At("special").Bool(false);
    token.single_word = item.At("single_word").Bool(false);
    token.lstrip = item.At("lstrip").Bool(false);
    token.rstrip = item.At("rstrip").Bool(false);
    token.normalized = item.At("normalized").Bool(!token.special);
    if (token.text.empty()) item.Fail("content is empty");
    if (!texts.insert(token.text).second)
      item.Fail("content " + QuoteText(token.text) + " occurs twice");
    if (!ids.insert(token.id).second) item.Fail("id " + std::to_string(token.id) + " occurs twice");
    tokens.push_back(std::move(token));
  }
  return tokens;
}

ByteLevelStage ReadByteLevel(const Part& part) {
  ByteLevelStage stage;
  stage.add_prefix_space = part.At("add_prefix_space").Bool();
  stage.trim_offsets = part.At("trim_offsets").Bool(true);
  stage.use_regex = part.At("use_regex").Bool(true);
  return stage;
}

// One stage; ByteLevel must be the last, since its stand-ins are all that the model sees.
void ReadStage(const Part& part, bool last, std::vector<PreTokenizerStage>& stages) {
  const std::string& type = part.At("type").Text();
  if (type == "ByteLevel" && last) {
    stages.push_back(ReadByteLevel(part));
  } else if (type == "Digits" && !last) {
    stages.push_back(DigitsStage{part.At("individual_digits").Bool(false)});
  } else {
    part.Fail("type " + QuoteText(type) +
              " cannot be read here; known: ByteLevel, or a Sequence of Digits and then ByteLevel");
  }
}

std::vector<PreTokenizerStage> ReadPreTokenizer(const Part& part) {
  std::vector<PreTokenizerStage> stages;
  if (part.IsNull()) part.Fail("is missing; only byte-level tokenizers can be read");
  if (part.At("type").Text() != "Sequence") {
    ReadStage(part, true, stages);
    return stages;
  }
  const Part list = part.At("pretokenizers");
  const std::size_t size = list.ListSize();
  if (size == 0) list.Fail("is empty; only byte-level tokenizers can be read");
  for (std::size_t i = 0; i < size; ++i) ReadStage(list.At(i), i + 1 == size, stages);
  return stages;
}

std::vector<std::pair<std::string, std::int32_t>> ReadVocab(const Part& part) {
  if (part.IsNull() || !part.json().is_object()) part.Fail("is missing or no object");
  std::vector<std::pair<std::string, std::int32_t>> vocab;
  std::unordered_set<std::int32_t> ids;
  for (const auto& [text, id] : part.json().items()) {
    const bool fits = id.is_number_unsigned() && id.get<std::uint64_t>() <= kMaxTokenId;
    if (!fits)
      part.Fail(QuoteText(text) + " has no id (a whole number from 0 to " +
                std::to_string(kMaxTokenId) + ")");
    vocab.emplace_back(text, id.get<std::int32_t>());
    if (!ids.insert(vocab.back().second).second) {
      part.Fail("id " + std::to_string(vocab.back().second) + " belongs to two tokens");
    }
  }
  std::sort(vocab.begin(), vocab.end(),
            [](const auto& a, const auto& b) { return a.second < b.second; });
  return vocab;
}

// Both spellings: "a b" and ["a", "b"].
std::pair<std::string, std::string> ReadPair(const Part& part) {
  if (!part.IsNull() && part.json().is_string()) {
    const std::string& text = part.Text();
    const std::size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
      part.Fail(QuoteText(text) + " is not two tokens with a space between");
    }
    return {text.substr(0, space), text.substr(space + 1)};
  }
  if (part.ListSize() != 2) part.Fail("is no pair of tokens");
  return {part.At(std::size_t{0}).Text(), part.At(std::size_t{1}).Text()};
}

std::vector<BpeSpec::Merge> ReadMerges(const Part& list,
                                       const std::unordered_map<std::string, std::int32_t>& ids) {
  std::vector<BpeSpec::Merge> merges;
  const std::size_t size = list.ListSize();
  merges.reserve(size);
  for (std::size_t i = 0; i < size; ++i) {
    const Part item = list.At(i);
    const auto [left, right] = ReadPair(item);
    const auto id_of = [&](const std::string& token) {
      const auto found = ids.find(token);
      if (found == ids.end()) item.Fail(QuoteText(token) + " is not in model.vocab");
      return found->second;
    };
    merges.push_back({id_of(left), id_of(right), id_of(left + right)});
  }
  return merges;
}

BpeSpec ReadModel(const Part& part) {
  const Part type = part.At("type");
  if (!type.IsNull() && type.Text() != "BPE")
    type.Fail(QuoteText(type.Text()) + " cannot be read; known: BPE");
  part.At("dropout").RequireNull("is not supported");
  part.At("continuing_subword_prefix").RequireEmpty();
  part.At("end_of_word_suffix").RequireEmpty();
  if (part.At("ignore_merges").Bool(false))
    part.At("ignore_merges").Fail("is not supported; only false can be read");
  BpeSpec model;
  model.vocab = ReadVocab(part.At("vocab"));
  model.merges = ReadMerges(part.At("merges"), VocabMap(model));
  // With a token for every byte neither of these is ever used.
  if (Bpe(model).HasAllBytes()) return model;
  part.At("unk_token").RequireNull("is not supported where bytes lack a token");
  if (part.At("byte_fallback").Bool(false))
    part.At("byte_fallback").Fail("is not supported; only false can be read");
  return model;
}

void CheckDecoder(const Part& part) {
  if (part.IsNull()) part.Fail("is missing; known: ByteLevel");
  const std::string& type = part.At("type").Text();
  if (type != "ByteLevel") part.Fail("type " + QuoteText(type) + " cannot be read; known: ByteLevel");
}

// ByteLevel changes only offsets. Anything that adds tokens is refused: ids would differ in
// silence.
void CheckPostProcessor(const Part& part) {
  if (part.IsNull()) return;
  const std::string& type = part.At("type").Text();
  if (type != "ByteLevel")
    part.Fail("type " + QuoteText(type) + " cannot be read; known: ByteLevel, null");
}

// An added token may also stand in the vocabulary, with the same id; two tokens never share one.
void CheckIds(const Part& added, const TokenizerParts& parts) {
  std::unordered_map<std::int32_t, const std::string*> texts;
  std::unordered_map<std::string, std::int32_t> ids = VocabMap(parts.model);
  for (const auto& [text, id] : parts.model.vocab) texts[id] = &text;
  for (const AddedTokenSpec& token : parts.added_tokens) {
    const auto at_id = texts.find(token.id);
    const auto at_text = ids.find(token.text);
    const bool id_taken = at_id != texts.end() && *at_id->second != token.text;
    const bool other_id = at_text != ids.end() && at_text->second != token.id;
    if (id_taken)
      added.Fail("id " + std::to_string(token.id) + " of " + QuoteText(token.text) +
                 " is another token's in model.vocab");
    if (other_id) added.Fail(QuoteText(token.text) + " has another id in model.vocab");
  }
}

// Our own names, until a tokenizer_config.json says otherwise.
void GuessEndAndPadding(TokenizerParts& parts) {
  for (const AddedTokenSpec& token : parts.added_tokens) {
    const Tokenizer::TrainOptions defaults;
    if (token.text == defaults.eos_token) parts.eos_token = token.text;
    if (token.text == defaults.pad_token) parts.pad_token = token.text;
  }
}

OrderedJson StageJson(const PreTokenizerStage& stage) {
  if (const auto* digits = std::get_if<DigitsStage>(&stage)) {
    return {{"type", "Digits"}, {"individual_digits", digits->individual_digits}};
  }
  const auto& bytes = std::get<ByteLevelStage>(stage);
  return {{"type", "ByteLevel"},
          {"add_prefix_space", bytes.add_prefix_space},
          {"trim_offsets", bytes.trim_offsets},
          {"use_regex", bytes.use_regex}};
}

OrderedJson PreTokenizerJson(const std::vector<PreTokenizerStage>& stages) {
  if (stages.size() == 1) return StageJson(stages[0]);
  OrderedJson list = OrderedJson::array();
  for (const PreTokenizerStage& stage : stages) list.push_back(StageJson(stage));
  return {{"type", "Sequence"}, {"pretokenizers", std::move(list)}};
}

OrderedJson AddedTokensJson(const std::vector<AddedTokenSpec>& tokens) {
  OrderedJson list = OrderedJson::array();
  for (const AddedTokenSpec& token : tokens) {
    list.push_back({{"id", token.id},
                    {"content", token.text},
                    {"single_word", token.single_word},
                    {"lstrip", token.lstrip},
                    {"rstrip", token.rstrip},
                    {"normalized", token.normalized},
                    {"special", token.special}});
  }
  return list;
}

OrderedJson ModelJson(const BpeSpec& model) {
  OrderedJson::object_t vocab;  // a vector of pairs: emplace_back does not search
  std::unordered_map<std::int32_t, const std::string*> texts;
  for (const auto& [text, id] : model.vocab) {
    vocab.emplace_back(text, id);
    texts[id] = &text;
  }
  OrderedJson merges = OrderedJson::array();
  for (const BpeSpec::Merge& merge : model.merges) {
    merges.push_back(OrderedJson::array({*texts.at(merge.left), *texts.at(merge.right)}));
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", OrderedJson(std::move(vocab))},
          {"merges", std::move(merges)}};
}

// A string, or an object with `content`, as both spellings occur.
std::string ConfigToken(const Part& part) {
  if (part.IsNull()) return "";
  return part.json().is_object() ? part.At("content").Text() : part.Text();
}

}  // namespace

std::unordered_map<std::string, std::int32_t> VocabMap(const BpeSpec& model) {
  return {model.vocab.begin(), model.vocab.end()};
}

TokenizerParts ParseTokenizerJson(std::string_view text, const std::string& name) {
  const Json json = ParseText(text, name);
  const Part root(&json, name, "");
  TokenizerParts parts;
  parts.name = name;
  root.At("truncation").RequireNull("is not supported");
  root.At("padding").RequireNull("is not supported");
  root.At("normalizer").RequireNull("is not supported");
  parts.pre_tokenizer = ReadPreTokenizer(root.At("pre_tokenizer"));
  parts.model = ReadModel(root.At("model"));
  CheckPostProcessor(root.At("post_processor"));
  CheckDecoder(root.At("decoder"));
  parts.added_tokens = ReadAddedTokens(root.At("added_tokens"));
  CheckIds(root.At("added_tokens"), parts);
  GuessEndAndPadding(parts);
  return parts;
}

std::string TokenizerJson(const TokenizerParts& parts) {
  const OrderedJson byte_level = StageJson(ByteLevelStage{});
  const OrderedJson json = {{"version", "1.0"},
                            {"truncation", nullptr},
                            {"padding", nullptr},
                            {"added_tokens", AddedTokensJson(parts.added_tokens)},
                            {"normalizer", nullptr},
                            {"pre_tokenizer", PreTokenizerJson(parts.pre_tokenizer)},
                            {"post_processor", nullptr},
                            {"decoder", byte_level},
                            {"model", ModelJson(parts.model)}};
  return json.dump(1) + "\n";
}

void ReadTokenizerConfig(std::string_view text, const std::string& name, TokenizerParts& parts) {
  const Json json = ParseText(text, name);
  const Part root(&json, name, "");
  const std::string eos = ConfigToken(root.At("eos_token"));
  const std::string pad = ConfigToken(root.At("pad_token"));
  if (!eos.empty()) parts.eos_token = eos;
  if (!pad.empty()) parts.pad_token = pad;
}

std::string TokenizerConfigJson(std::string_view earlier, const std::string& name,
                                const TokenizerParts& parts) {
  OrderedJson json = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                      {"clean_up_tokenization_spaces", false}};
  if (!earlier.empty()) {
    TokenizerParts known;
    ReadTokenizerConfig(earlier, name, known);  // checks it, so that nothing of the user's is lost
    const bool same = known.eos_token == parts.eos_token && known.pad_token == parts.pad_token;
    if (same) return std::string(earlier);
    json = OrderedJson::parse(earlier);
  }
  if (!parts.eos_token.empty()) json["eos_token"] = parts.eos_token;
  if (!parts.pad_token.empty()) json["pad_token"] = parts.pad_token;
  return json.dump(1) + "\n";
}

}  // namespace cogent
