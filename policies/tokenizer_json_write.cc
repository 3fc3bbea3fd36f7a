// TokenizerParts to a tokenizer.json that the `tokenizers` package opens.
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "policies/tokenizer_parts.h"

namespace cogent {
namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson PatternJson(const std::string& pattern, bool literal) { return {{literal ? "String" : "Regex", pattern}}; }

OrderedJson OneNormalizer(const Normalizer& one) {
  if (const auto* form = std::get_if<UnicodeForm>(&one)) return {{"type", form->form}};
  if (const auto* prepend = std::get_if<Prepend>(&one)) return {{"type", "Prepend"}, {"prepend", prepend->text}};
  if (const auto* replace = std::get_if<Replace>(&one)) {
    return {{"type", "Replace"}, {"pattern", PatternJson(replace->pattern, true)}, {"content", replace->content}};
  }
  if (const auto* strip = std::get_if<StripSpaces>(&one)) return {{"type", "Strip"}, {"strip_left", strip->left}, {"strip_right", strip->right}};
  return {{"type", "Lowercase"}};
}

OrderedJson NormalizerJson(const std::vector<Normalizer>& normalizers) {
  if (normalizers.empty()) return nullptr;
  if (normalizers.size() == 1) return OneNormalizer(normalizers[0]);
  OrderedJson list = OrderedJson::array();
  for (const Normalizer& one : normalizers) list.push_back(OneNormalizer(one));
  return {{"type", "Sequence"}, {"normalizers", std::move(list)}};
}

OrderedJson StageJson(const PreTokenizerStage& stage) {
  if (const auto* digits = std::get_if<DigitsStage>(&stage)) {
    return {{"type", "Digits"}, {"individual_digits", digits->individual_digits}};
  }
  if (const auto* split = std::get_if<SplitStage>(&stage)) {
    return {{"type", "Split"}, {"pattern", PatternJson(split->pattern, split->literal)}, {"behavior", split->removed ? "Removed" : "Isolated"}, {"invert", split->invert}};
  }
  if (const auto* spaces = std::get_if<MetaspaceStage>(&stage)) {
    OrderedJson json = {{"type", "Metaspace"}, {"replacement", spaces->replacement}, {"prepend_scheme", spaces->prepend_scheme}, {"split", spaces->split}};
    if (spaces->prefix_before_space) json["prefix_before_space"] = true;  // `tokenizers` passes over it
    return json;
  }
  const auto& bytes = std::get<ByteLevelStage>(stage);
  return {{"type", "ByteLevel"},
          {"add_prefix_space", bytes.add_prefix_space},
          {"trim_offsets", bytes.trim_offsets},
          {"use_regex", bytes.use_regex}};
}

OrderedJson PreTokenizerJson(const std::vector<PreTokenizerStage>& stages) {
  if (stages.empty()) return nullptr;
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
          {"unk_token", model.unk_token.empty() ? OrderedJson(nullptr) : OrderedJson(model.unk_token)},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", model.fuse_unk},
          {"byte_fallback", model.byte_fallback},
          {"ignore_merges", model.ignore_merges},
          {"vocab", OrderedJson(std::move(vocab))},
          {"merges", std::move(merges)}};
}

OrderedJson OneStep(const DecoderStep& step) {
  if (std::holds_alternative<ByteLevelStep>(step)) {
    return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  }
  if (const auto* replace = std::get_if<ReplaceStep>(&step)) {
    return {{"type", "Replace"}, {"pattern", PatternJson(replace->pattern, true)}, {"content", replace->content}};
  }
  if (const auto* strip = std::get_if<StripStep>(&step)) {
    return {{"type", "Strip"}, {"content", strip->content}, {"start", strip->start}, {"stop", strip->stop}};
  }
  if (const auto* marks = std::get_if<MetaspaceStep>(&step)) {
    return {{"type", "Metaspace"}, {"replacement", marks->replacement}, {"prepend_scheme", marks->prepend_scheme}, {"split", true}};
  }
  return {{"type", std::holds_alternative<FuseStep>(step) ? "Fuse" : "ByteFallback"}};
}

OrderedJson DecoderJson(const std::vector<DecoderStep>& steps) {
  if (steps.size() == 1) return OneStep(steps[0]);
  OrderedJson list = OrderedJson::array();
  for (const DecoderStep& step : steps) list.push_back(OneStep(step));
  return {{"type", "Sequence"}, {"decoders", std::move(list)}};
}

// The template that puts special tokens before and behind a text; of two texts, each by itself.
OrderedJson PostProcessorJson(const TokenizerParts& parts) {
  if (parts.before.empty() && parts.behind.empty()) return nullptr;
  std::unordered_map<std::int32_t, std::string> texts;
  for (const auto& [text, id] : parts.model.vocab) texts[id] = text;
  for (const AddedTokenSpec& token : parts.added_tokens) texts[token.id] = token.text;
  OrderedJson single = OrderedJson::array(), pair = OrderedJson::array(), special = OrderedJson::object();
  const auto put = [&](OrderedJson& list, const std::vector<std::int32_t>& ids, int type) {
    for (const std::int32_t id : ids) {
      const std::string& text = texts[id];
      list.push_back({{"SpecialToken", {{"id", text}, {"type_id", type}}}});
      special[text] = {{"id", text}, {"ids", {id}}, {"tokens", {text}}};
    }
  };
  const auto whole = [&](OrderedJson& list, const char* name, int type) {
    put(list, parts.before, type);
    list.push_back({{"Sequence", {{"id", name}, {"type_id", type}}}});
    put(list, parts.behind, type);
  };
  whole(single, "A", 0);
  whole(pair, "A", 0);
  whole(pair, "B", 1);
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
}

}  // namespace

std::string TokenizerJson(const TokenizerParts& parts) {
  const OrderedJson json = {{"version", "1.0"},
                            {"truncation", nullptr},
                            {"padding", nullptr},
                            {"added_tokens", AddedTokensJson(parts.added_tokens)},
                            {"normalizer", NormalizerJson(parts.normalizers)},
                            {"pre_tokenizer", PreTokenizerJson(parts.pre_tokenizer)},
                            {"post_processor", PostProcessorJson(parts)},
                            {"decoder", DecoderJson(parts.decoder)},
                            {"model", ModelJson(parts.model)}};
  return json.dump(1) + "\n";
}

}  // namespace cogent
