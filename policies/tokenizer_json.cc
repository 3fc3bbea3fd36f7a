// tokenizer.json to TokenizerParts and back. One reader a part of the file: a further kind of a
// part is a branch in its reader. What is not known is refused by name, never passed over.
#include <algorithm>
#include <cctype>
#include <map>
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
class JsonPart {
 public:
  JsonPart(const Json* json, std::string file, std::string path)
      : json_(json), file_(std::move(file)), path_(std::move(path)) {}

  const Json& json() const { return *json_; }
  bool IsNull() const { return json_ == nullptr || json_->is_null(); }
  std::string Where() const { return file_ + (path_.empty() ? "" : ": " + path_); }
  [[noreturn]] void Fail(const std::string& what) const { throw DataError(Where() + ": " + what); }

  // A member; a null part when it is absent.
  JsonPart At(const char* key) const {
    if (IsNull() || !json_->is_object()) Fail("is missing or no object");
    const auto found = json_->find(key);
    return {found == json_->end() ? nullptr : &*found, file_,
            path_.empty() ? key : path_ + "." + key};
  }
  JsonPart At(std::size_t index) const {
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

std::vector<AddedTokenSpec> ReadAddedTokens(const JsonPart& list) {
  std::vector<AddedTokenSpec> tokens;
  if (list.IsNull()) return tokens;
  std::set<std::string> texts;
  std::set<std::int32_t> ids;
  for (std::size_t i = 0; i < list.ListSize(); ++i) {
    const JsonPart item = list.At(i);
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

ByteLevelStage ReadByteLevel(const JsonPart& part) {
  ByteLevelStage stage;
  stage.add_prefix_space = part.At("add_prefix_space").Bool();
  stage.trim_offsets = part.At("trim_offsets").Bool(true);
  stage.use_regex = part.At("use_regex").Bool(true);
  return stage;
}

// {"String": text} or {"Regex": pattern}.
SplitStage ReadPattern(const JsonPart& part) {
  SplitStage split;
  split.literal = !part.At("String").IsNull();
  split.pattern = split.literal ? part.At("String").Text() : part.At("Regex").Text();
  if (split.pattern.empty()) part.Fail("is empty");
  return split;
}

SplitStage ReadSplit(const JsonPart& part) {
  SplitStage split = ReadPattern(part.At("pattern"));
  const std::string& behavior = part.At("behavior").Text();
  if (behavior != "Isolated" && behavior != "Removed") part.At("behavior").Fail(QuoteText(behavior) + " cannot be read; known: Isolated, Removed");
  split.removed = behavior == "Removed";
  split.invert = part.At("invert").Bool(false);
  CompileSplit(split, part.Where());
  return split;
}

MetaspaceStage ReadMetaspace(const JsonPart& part) {
  MetaspaceStage stage;
  stage.replacement = part.At("replacement").Text();
  stage.split = part.At("split").Bool(true);
  stage.prefix_before_space = part.At("prefix_before_space").Bool(false);
  const JsonPart scheme = part.At("prepend_scheme");
  // Older files have add_prefix_space in its place.
  stage.prepend_scheme = !scheme.IsNull() ? scheme.Text() : part.At("add_prefix_space").Bool(true) ? "always" : "never";
  const std::string& name = stage.prepend_scheme;
  if (name != "always" && name != "first" && name != "never") scheme.Fail(QuoteText(name) + " is none; known: always, first, never");
  if (stage.replacement.empty()) part.At("replacement").Fail("is empty");
  return stage;
}

// One stage; ByteLevel must be the last, since its stand-ins are all that the model sees.
void ReadStage(const JsonPart& part, bool last, std::vector<PreTokenizerStage>& stages) {
  const std::string& type = part.At("type").Text();
  if (type == "ByteLevel" && last) stages.push_back(ReadByteLevel(part));
  else if (type == "Digits") stages.push_back(DigitsStage{part.At("individual_digits").Bool(false)});
  else if (type == "Split") stages.push_back(ReadSplit(part));
  else if (type == "Metaspace") stages.push_back(ReadMetaspace(part));
  else part.Fail("type " + QuoteText(type) + " cannot be read here; known: Digits, Split, Metaspace, and ByteLevel at the end");
}

std::vector<PreTokenizerStage> ReadPreTokenizer(const JsonPart& part) {
  std::vector<PreTokenizerStage> stages;
  if (part.IsNull()) return stages;
  if (part.At("type").Text() != "Sequence") {
    ReadStage(part, true, stages);
    return stages;
  }
  const JsonPart list = part.At("pretokenizers");
  const std::size_t size = list.ListSize();
  for (std::size_t i = 0; i < size; ++i) ReadStage(list.At(i), i + 1 == size, stages);
  return stages;
}

constexpr int kDeepestSequence = 20;

// Of a sequence in sequences.
int Deeper(const JsonPart& part, int depth) {
  if (depth >= kDeepestSequence) part.Fail("sequences are nested deeper than " + std::to_string(kDeepestSequence));
  return depth + 1;
}

void ReadNormalizer(const JsonPart& part, std::vector<Normalizer>& normalizers, int depth = 0) {
  if (part.IsNull()) return;
  const std::string& type = part.At("type").Text();
  if (type == "Sequence") {
    const JsonPart list = part.At("normalizers");
    for (std::size_t i = 0; i < list.ListSize(); ++i) ReadNormalizer(list.At(i), normalizers, Deeper(part, depth));
  } else if (IsUnicodeForm(type)) {
    normalizers.push_back(UnicodeForm{type});
  } else if (type == "Prepend") {
    normalizers.push_back(Prepend{part.At("prepend").Text()});
  } else if (type == "Replace") {
    const SplitStage pattern = ReadPattern(part.At("pattern"));
    if (!pattern.literal) part.At("pattern").Fail("a regular expression cannot be read here; known: String");
    normalizers.push_back(Replace{pattern.pattern, part.At("content").Text()});
  } else if (type == "Lowercase") {
    normalizers.push_back(Lowercase{});
  } else if (type == "Strip") {
    normalizers.push_back(StripSpaces{part.At("strip_left").Bool(true), part.At("strip_right").Bool(true)});
  } else {
    part.Fail("type " + QuoteText(type) + " cannot be read; known: NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, Strip, Sequence");
  }
}

std::vector<std::pair<std::string, std::int32_t>> ReadVocab(const JsonPart& part) {
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
std::pair<std::string, std::string> ReadPair(const JsonPart& part) {
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

std::vector<BpeSpec::Merge> ReadMerges(const JsonPart& list,
                                       const std::unordered_map<std::string, std::int32_t>& ids) {
  std::vector<BpeSpec::Merge> merges;
  const std::size_t size = list.ListSize();
  merges.reserve(size);
  for (std::size_t i = 0; i < size; ++i) {
    const JsonPart item = list.At(i);
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

BpeSpec ReadModel(const JsonPart& part, bool byte_level) {
  const JsonPart type = part.At("type");
  if (!type.IsNull() && type.Text() != "BPE")
    type.Fail(QuoteText(type.Text()) + " cannot be read; known: BPE");
  if (const JsonPart dropout = part.At("dropout"); !dropout.IsNull() && dropout.json() != 0.0) dropout.Fail("is not supported; only null or 0 can be read");
  part.At("continuing_subword_prefix").RequireEmpty();
  part.At("end_of_word_suffix").RequireEmpty();
  BpeSpec model;
  model.byte_level = byte_level;
  model.ignore_merges = part.At("ignore_merges").Bool(false);
  model.vocab = ReadVocab(part.At("vocab"));
  model.merges = ReadMerges(part.At("merges"), VocabMap(model));
  if (!byte_level) {
    model.byte_fallback = part.At("byte_fallback").Bool(false);
    model.fuse_unk = part.At("fuse_unk").Bool(false);
    if (!part.At("unk_token").IsNull()) model.unk_token = part.At("unk_token").Text();
    const auto is_unk = [&](const auto& token) { return token.first == model.unk_token; };
    if (!model.unk_token.empty() && std::none_of(model.vocab.begin(), model.vocab.end(), is_unk)) {
      part.At("unk_token").Fail(QuoteText(model.unk_token) + " is not in model.vocab");
    }
    return model;
  }
  // With a token for every byte neither of these is ever used.
  if (Bpe(model).HasAllBytes()) return model;
  if (const JsonPart unknown = part.At("unk_token"); !unknown.IsNull()) unknown.Fail("is not supported where bytes lack a token; only null can be read");
  if (part.At("byte_fallback").Bool(false))
    part.At("byte_fallback").Fail("is not supported; only false can be read");
  return model;
}

void ReadDecoder(const JsonPart& part, std::vector<DecoderStep>& steps, int depth = 0) {
  const std::string& type = part.At("type").Text();
  if (type == "Sequence") {
    const JsonPart list = part.At("decoders");
    for (std::size_t i = 0; i < list.ListSize(); ++i) ReadDecoder(list.At(i), steps, Deeper(part, depth));
  } else if (type == "ByteLevel") {
    steps.push_back(ByteLevelStep{});
  } else if (type == "Replace") {
    const SplitStage pattern = ReadPattern(part.At("pattern"));
    if (!pattern.literal) part.At("pattern").Fail("a regular expression cannot be read here; known: String");
    steps.push_back(ReplaceStep{pattern.pattern, part.At("content").Text()});
  } else if (type == "ByteFallback") {
    steps.push_back(ByteFallbackStep{});
  } else if (type == "Fuse") {
    steps.push_back(FuseStep{});
  } else if (type == "Strip") {
    steps.push_back(StripStep{part.At("content").Text(), part.At("start").Id(), part.At("stop").Id()});
  } else if (type == "Metaspace") {
    const MetaspaceStage stage = ReadMetaspace(part);
    steps.push_back(MetaspaceStep{stage.replacement, stage.prepend_scheme});
  } else {
    part.Fail("type " + QuoteText(type) + " cannot be read; known: ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace, Sequence");
  }
}

// ByteLevel changes only offsets. Of a template, what stands before and behind the text is taken.
void ReadPostProcessor(const JsonPart& part, TokenizerParts& parts, int depth = 0) {
  if (part.IsNull()) return;
  const std::string& type = part.At("type").Text();
  if (type == "ByteLevel") return;
  if (type == "Sequence") {
    const JsonPart list = part.At("processors");
    for (std::size_t i = 0; i < list.ListSize(); ++i) ReadPostProcessor(list.At(i), parts, Deeper(part, depth));
    return;
  }
  if (type != "TemplateProcessing") part.Fail("type " + QuoteText(type) + " cannot be read; known: ByteLevel, TemplateProcessing, Sequence");
  const JsonPart single = part.At("single");
  std::vector<std::int32_t>* to = &parts.before;
  for (std::size_t i = 0; i < single.ListSize(); ++i) {
    const JsonPart item = single.At(i);
    if (!item.At("Sequence").IsNull()) {
      if (to == &parts.behind || item.At("Sequence").At("id").Text() != "A") item.Fail("the text stands there once, as A");
      to = &parts.behind;
      continue;
    }
    const JsonPart ids = part.At("special_tokens").At(item.At("SpecialToken").At("id").Text().c_str()).At("ids");
    for (std::size_t k = 0; k < ids.ListSize(); ++k) to->push_back(ids.At(k).Id());
  }
  if (to != &parts.behind) single.Fail("holds no place for the text");
}

// An added token may also stand in the vocabulary, with the same id; two tokens never share one.
void CheckIds(const JsonPart& added, const TokenizerParts& parts) {
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

// What stands before and behind every text.
void CheckPostProcessor(const JsonPart& part, const TokenizerParts& parts) {
  std::unordered_set<std::int32_t> known;
  for (const auto& [text, id] : parts.model.vocab) known.insert(id);
  for (const AddedTokenSpec& token : parts.added_tokens) known.insert(token.id);
  for (const auto* ids : {&parts.before, &parts.behind}) {
    for (const std::int32_t id : *ids) {
      if (!known.contains(id)) part.Fail("id " + std::to_string(id) + " belongs to no token");
    }
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

// A string, or an object with `content`, as both spellings occur.
std::string ConfigToken(const JsonPart& part) {
  if (part.IsNull()) return "";
  return part.json().is_object() ? part.At("content").Text() : part.Text();
}

// unk_token, image_token: what else a chat template may name. Passes over what is none (add_bos_token).
void ReadNamedTokens(const Json& json, std::map<std::string, std::string>& tokens) {
  if (!json.is_object()) return;
  for (const auto& [key, value] : json.items()) {
    if (!key.ends_with("_token") || key == "eos_token" || key == "bos_token" || key == "pad_token") continue;
    const Json text = value.is_object() ? value.value("content", Json()) : value;
    if (text.is_string()) tokens[key] = text.get<std::string>();
  }
}

}  // namespace

void CompileSplit(SplitStage& split, const std::string& where) {
  std::string pattern = split.pattern;
  if (split.literal) {
    pattern.clear();
    for (const char c : split.pattern) {
      if (static_cast<unsigned char>(c) < 0x80 && !std::isalnum(static_cast<unsigned char>(c)) && c != ' ') pattern += '\\';
      pattern += c;
    }
  }
  split.compiled = std::make_shared<WordPattern>(pattern, where);
}

std::unordered_map<std::string, std::int32_t> VocabMap(const BpeSpec& model) {
  return {model.vocab.begin(), model.vocab.end()};
}

TokenizerParts ParseTokenizerJson(std::string_view text, const std::string& name) {
  const Json json = ParseText(text, name);
  const JsonPart root(&json, name, "");
  TokenizerParts parts;
  parts.name = name;
  // `truncation` and `padding` are what the package was asked for last when the file was written; transformers, too, passes over both.
  ReadNormalizer(root.At("normalizer"), parts.normalizers);
  parts.pre_tokenizer = ReadPreTokenizer(root.At("pre_tokenizer"));
  const bool byte_level = !parts.pre_tokenizer.empty() && std::holds_alternative<ByteLevelStage>(parts.pre_tokenizer.back());
  parts.model = ReadModel(root.At("model"), byte_level);
  ReadPostProcessor(root.At("post_processor"), parts);
  parts.decoder.clear();
  ReadDecoder(root.At("decoder"), parts.decoder);
  if (byte_level != TokenDecoder(parts.decoder).IsByteLevel()) {
    root.At("decoder").Fail("is ByteLevel exactly where the pre-tokenizer ends with ByteLevel; this mixture cannot be read");
  }
  parts.added_tokens = ReadAddedTokens(root.At("added_tokens"));
  CheckIds(root.At("added_tokens"), parts);
  CheckPostProcessor(root.At("post_processor"), parts);
  GuessEndAndPadding(parts);
  return parts;
}

void ReadTokenizerConfig(std::string_view text, const std::string& name, TokenizerParts& parts) {
  const Json json = ParseText(text, name);
  const JsonPart root(&json, name, "");
  const std::string eos = ConfigToken(root.At("eos_token"));
  const std::string pad = ConfigToken(root.At("pad_token"));
  const std::string bos = ConfigToken(root.At("bos_token"));
  if (!eos.empty()) parts.eos_token = eos;
  if (!pad.empty()) parts.pad_token = pad;
  if (!bos.empty()) parts.bos_token = bos;
  ReadNamedTokens(json, parts.named_tokens);
  if (const auto extra = json.find("extra_special_tokens"); extra != json.end()) ReadNamedTokens(*extra, parts.named_tokens);
  const JsonPart chat = root.At("chat_template");
  if (!chat.IsNull() && chat.json().is_string()) parts.chat_template = chat.Text();
  if (chat.IsNull() || !chat.json().is_array()) return;
  // Several by name: the one that is the default.
  for (std::size_t i = 0; i < chat.ListSize(); ++i) {
    if (chat.At(i).At("name").Text() == "default") parts.chat_template = chat.At(i).At("template").Text();
  }
}

bool AddsBos(std::string_view text, const std::string& name) {
  const Json json = ParseText(text, name);
  const JsonPart add = JsonPart(&json, name, "").At("add_bos_token");
  return add.IsNull() || add.Bool();
}

std::string TokenizerConfigJson(std::string_view earlier, const std::string& name,
                                const TokenizerParts& parts, bool chat_beside) {
  OrderedJson json = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                      {"clean_up_tokenization_spaces", false}};
  if (!earlier.empty()) {
    TokenizerParts known;
    ReadTokenizerConfig(earlier, name, known);  // checks it, so that nothing of the user's is lost
    const bool named = std::all_of(parts.named_tokens.begin(), parts.named_tokens.end(), [&](const auto& one) { return known.named_tokens.contains(one.first); });
    const bool same = named && known.eos_token == parts.eos_token && known.pad_token == parts.pad_token && known.bos_token == parts.bos_token &&
                      (chat_beside || known.chat_template == parts.chat_template);
    if (same) return std::string(earlier);
    json = OrderedJson::parse(earlier);
  }
  if (!parts.eos_token.empty()) json["eos_token"] = parts.eos_token;
  if (!parts.pad_token.empty()) json["pad_token"] = parts.pad_token;
  if (!parts.bos_token.empty()) json["bos_token"] = parts.bos_token;
  for (const auto& [key, token] : parts.named_tokens) json.emplace(key, token);
  if (!parts.chat_template.empty() && !chat_beside) json["chat_template"] = parts.chat_template;
  return json.dump(1) + "\n";
}

}  // namespace cogent
