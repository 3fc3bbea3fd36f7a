#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "policies/tokenizer.h"
#include "tests/policies_files/files_test_util.h"

namespace cogent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::json;

// A whole tokenizer of three characters and one merge, to be broken by the tests.
Json Small() {
  return Json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 4, "content": "<|end|>", "special": true, "normalized": false,
                      "single_word": false, "lstrip": false, "rstrip": false}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    "post_processor": null,
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
              "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
              "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3}, "merges": [["a", "b"]]}})");
}

// The refusal of Small() with the value at `pointer` replaced.
std::string RefusalOf(const char* pointer, const char* value) {
  Json json = Small();
  json[Json::json_pointer(pointer)] = Json::parse(value);
  return DataErrorOf([&] { Tokenizer::Parse(json.dump(), "t.json"); });
}

TEST(TokenizerJson, BothSpellingsOfAMergeAreRead) {
  Json json = Small();
  EXPECT_THAT(Tokenizer::Parse(json.dump(), "t").Encode("abcab"), ElementsAre(3, 2, 3));
  json["model"]["merges"] = {"a b"};
  EXPECT_THAT(Tokenizer::Parse(json.dump(), "t").Encode("abcab"), ElementsAre(3, 2, 3));
}

// As transformers, which sets both anew for each call.
TEST(TokenizerJson, TruncationAndPaddingOfTheFileArePassedOver) {
  Json json = Small();
  json["truncation"] = {{"direction", "Right"}, {"max_length", 2}, {"strategy", "LongestFirst"}, {"stride", 0}};
  json["padding"] = {{"strategy", {{"Fixed", 9}}}, {"direction", "Left"}, {"pad_id", 4}, {"pad_type_id", 0}, {"pad_token", "<|end|>"}, {"pad_to_multiple_of", nullptr}};
  json["model"]["dropout"] = 0.0;
  EXPECT_THAT(Tokenizer::Parse(json.dump(), "t").Encode("abcab"), ElementsAre(3, 2, 3));
}

TEST(TokenizerJson, APrefixSpaceIsPutBeforeEveryPieceWithoutOne) {
  Json json = Small();
  json["pre_tokenizer"]["add_prefix_space"] = true;
  json["model"]["vocab"]["\u0120"] = 5;
  EXPECT_THAT(Tokenizer::Parse(json.dump(), "t").Encode("c<|end|> c"), ElementsAre(5, 2, 4, 5, 2));
}

TEST(TokenizerJson, WhatIsNotSupportedIsRefusedByName) {
  const std::vector<std::tuple<const char*, const char*, const char*>> cases = {
      {"/normalizer", R"({"type":"Nmt"})", "t.json: normalizer: type 'Nmt' cannot be read; known: NFC"},
      {"/normalizer", R"({"type":"Replace","pattern":{"Regex":"a+"},"content":""})", "normalizer.pattern: a regular expression cannot be read here"},
      {"/model/dropout", "0.1", "t.json: model.dropout: is not supported; only null or 0 can be read"},
      {"/pre_tokenizer", "null", "t.json: decoder: is ByteLevel exactly where"},
      {"/pre_tokenizer/type", R"("Whitespace")", "t.json: pre_tokenizer: type 'Whitespace' cannot be read"},
      {"/pre_tokenizer", R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]})",
       "pre_tokenizer.pretokenizers[0]: type 'ByteLevel' cannot be read here"},
      {"/pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"(?<=a)b"},"behavior":"Isolated"})", "t.json: pre_tokenizer: the pattern holds (?<="},
      {"/pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Isolated"})", "the pattern holds \\w, which cannot be read"},
      {"/pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"a++"},"behavior":"Isolated"})", "the pattern holds a possessive quantifier"},
      {"/pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"\\p{N}{,2}"},"behavior":"Isolated"})", "the pattern holds {,n}; write {0,n}"},
      {"/pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"\\Qa.b\\E|x"},"behavior":"Isolated"})", "the pattern holds \\Q"},
      {"/pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"\\pL+"},"behavior":"Isolated"})", "the pattern holds a property without braces; write \\p{L}"},
      {"/pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"(?i:ab|(?:xSs))x"},"behavior":"Isolated"})", "the pattern holds ss in (?i:)"},
      {"/pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"(?i:\u00df)x"},"behavior":"Isolated"})", "the pattern holds a letter beyond ASCII in (?i:)"},
      {"/pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"(?i:\\p{Lu})x"},"behavior":"Isolated"})", "the pattern holds a property of large or small letters"},
      {"/pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"a*"},"behavior":"Isolated"})", "matches the empty text"},
      {"/pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"})", "the pattern '(a' cannot be read: missing )"},
      {"/pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"a"},"behavior":"Contiguous"})", "pre_tokenizer.behavior: 'Contiguous' cannot be read"},
      {"/pre_tokenizer/add_prefix_space", "1",
       "pre_tokenizer.add_prefix_space: is missing or neither"},
      {"/decoder", "null", "t.json: decoder: is missing"},
      {"/decoder/type", R"("Fuse")", "t.json: decoder: is ByteLevel exactly where"},
      {"/decoder/type", R"("WordPiece")", "t.json: decoder: type 'WordPiece' cannot be read; known: ByteLevel"},
      {"/post_processor", R"({"type":"BertProcessing"})", "t.json: post_processor: type 'BertProcessing' cannot be read"},
      {"/post_processor", R"({"type":"TemplateProcessing","single":[]})", "post_processor.single: holds no place for the text"},
      {"/post_processor", R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}}],"special_tokens":{}})",
       "post_processor.special_tokens.<s>: is missing"},
      {"/model/type", R"("Unigram")", "t.json: model.type: 'Unigram' cannot be read"},
      {"/model/dropout", "0.1", "t.json: model.dropout: is not supported"},
      {"/model/unk_token", R"("a")",
       "t.json: model.unk_token: is not supported where bytes lack a token"},
      {"/model/byte_fallback", "true", "t.json: model.byte_fallback: is not supported"},
      {"/model/continuing_subword_prefix", R"("##")",
       "model.continuing_subword_prefix: is not supported"},
      {"/model/end_of_word_suffix", R"("</w>")", "model.end_of_word_suffix: is not supported"}};
  for (const auto& [pointer, value, message] : cases)
    EXPECT_THAT(RefusalOf(pointer, value), HasSubstr(message)) << pointer;
}

TEST(TokenizerJson, WhatIsBrokenIsRefusedWithItsPlace) {
  const std::vector<std::tuple<const char*, const char*, const char*>> cases = {
      {"", "[]", "is missing or no object"},
      {"/model", "3", "t.json: model: is missing or no object"},
      {"/model/vocab", "[]", "model.vocab: is missing or no object"},
      {"/model/vocab/b", "-1", "model.vocab: 'b' has no id"},
      {"/model/vocab/b", "99999999999", "model.vocab: 'b' has no id"},
      {"/model/vocab/b", "2", "model.vocab: id 2 belongs to two tokens"},
      {"/model/merges", "null", "model.merges: is missing or no list"},
      {"/model/merges/0", R"("ab")", "model.merges[0]: 'ab' is not two tokens"},
      {"/model/merges/0", R"("a b c")", "model.merges[0]: 'a b c' is not two tokens"},
      {"/model/merges/0", R"(["a","b","c"])", "model.merges[0]: is no pair"},
      {"/model/merges/0", R"(["a",1])", "model.merges[0][1]: is missing or no text"},
      {"/model/merges/0", R"(["a","z"])", "model.merges[0]: 'z' is not in model.vocab"},
      {"/model/merges/0", R"(["b","a"])", "model.merges[0]: 'ba' is not in model.vocab"},
      {"/added_tokens/0/id", "1.5", "added_tokens[0].id: is no token id"},
      {"/added_tokens/0/id", "2000000000", "added_tokens[0].id: is no token id"},
      {"/added_tokens/0/id", "2", "added_tokens: id 2 of '<|end|>' is another token's"},
      {"/added_tokens/0/content", R"("")", "added_tokens[0]: content is empty"},
      {"/added_tokens/0/content", R"("a")", "added_tokens: 'a' has another id"},
      {"/added_tokens/0/content", "null", "added_tokens[0].content: is missing or no text"},
      {"/added_tokens/0/lstrip", R"("yes")", "added_tokens[0].lstrip: is missing or neither"},
      {"/added_tokens/1", R"({"id":4,"content":"x"})", "added_tokens[1]: id 4 occurs twice"},
      {"/added_tokens/1", R"({"id":5,"content":"<|end|>"})",
       "added_tokens[1]: content '<|end|>' occurs twice"}};
  for (const auto& [pointer, value, message] : cases)
    EXPECT_THAT(RefusalOf(pointer, value), HasSubstr(message)) << pointer;
  EXPECT_THAT(RefusalOf("/post_processor", R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"ids":[77]}}})"),
              HasSubstr("t.json: post_processor: id 77 belongs to no token"));
  EXPECT_THAT(DataErrorOf([] { Tokenizer::Parse("{\"a\":", "t.json"); }),
              HasSubstr("t.json: is no JSON"));
  EXPECT_THAT(DataErrorOf([] { Tokenizer::Load("/nowhere/t.json"); }),
              HasSubstr("/nowhere/t.json: cannot be opened"));
}

TEST(TokenizerJson, AFileCutAnywhereIsRefused) {
  const std::string whole = Small().dump();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THROW(Tokenizer::Parse(std::string_view(whole).substr(0, length), "t"), DataError)
        << length;
  }
}

TEST(TokenizerJson, ANameOfTheEndTokenIsTakenFromTheConfigBeside) {
  ScratchFolder folder;
  WriteText(folder / "tokenizer.json", Small().dump());
  EXPECT_EQ(Tokenizer::Load(folder / "tokenizer.json").eos_id(), 4);  // our own name is known
  EXPECT_THAT(DataErrorOf([&] { Tokenizer::Load(folder / "tokenizer.json").pad_id(); }),
              HasSubstr("set \"pad_token\""));
  WriteText(folder / "tokenizer_config.json",
            R"({"eos_token": {"content": "c"}, "pad_token": "zz"})");
  const Tokenizer tokenizer = Tokenizer::Load(folder / "tokenizer.json");
  EXPECT_EQ(tokenizer.eos_id(), 2);
  EXPECT_THAT(DataErrorOf([&] { tokenizer.pad_id(); }), HasSubstr("'zz' is not in the vocabulary"));
  WriteText(folder / "tokenizer_config.json", R"({"eos_token": 7})");
  EXPECT_THAT(DataErrorOf([&] { Tokenizer::Load(folder / "tokenizer.json"); }),
              HasSubstr("tokenizer_config.json: eos_token"));
}

TEST(TokenizerJson, SequencesInSequencesHaveAnEnd) {
  const auto nested = [](const std::string& key) {
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += R"({"type":"Sequence",")" + key + R"(":[)";
    text += R"({"type":"NFC"})";
    for (int i = 0; i < 100'000; ++i) text += "]}";
    return text;
  };
  const auto refusal = [&](const std::string& part, const std::string& key) {
    Json json = Small();
    json[part] = "HERE";
    std::string text = json.dump();
    text.replace(text.find("\"HERE\""), 6, nested(key));
    return DataErrorOf([&] { Tokenizer::Parse(text, "t.json"); });
  };
  EXPECT_THAT(refusal("normalizer", "normalizers"), HasSubstr("sequences are nested deeper than 20"));
  EXPECT_THAT(refusal("decoder", "decoders"), HasSubstr("sequences are nested deeper than 20"));
  EXPECT_THAT(refusal("post_processor", "processors"), HasSubstr("sequences are nested deeper than 20"));
}

TEST(TokenizerJson, TheUnknownTokenIsInTheVocabulary) {
  Json json = Small();
  json["pre_tokenizer"] = nullptr;
  json["decoder"] = {{"type", "Fuse"}};
  json["model"]["unk_token"] = "<unk>";
  EXPECT_THAT(DataErrorOf([&] { Tokenizer::Parse(json.dump(), "t.json"); }), HasSubstr("t.json: model.unk_token: '<unk>' is not in model.vocab"));
}

// Small() with a normalizer and letters with marks.
Tokenizer Normalized(const char* form) {
  Json json = Small();
  json["normalizer"] = {{"type", form}};
  json["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "never"}, {"split", false}};
  json["decoder"] = {{"type", "Fuse"}};
  json["model"]["vocab"] = {{"a", 0}, {"\u0327", 1}, {"\u0301", 2}, {"\u00e1", 3}, {"\u0f71", 5}, {"\u0f72", 6}};
  json["model"]["merges"] = Json::array();
  return Tokenizer::Parse(json.dump(), "t");
}

TEST(TokenizerJson, MarksOutOfOrderGetTheOrderOfUnicode) {
  EXPECT_THAT(Normalized("NFC").Encode("a\u0301\u0327\u0301\u0327"), ElementsAre(3, 1, 1, 2));
  EXPECT_THAT(Normalized("NFD").Encode("a\u0301\u0327\u0301\u0327"), ElementsAre(0, 1, 1, 2, 2));
  // U+0F73 is no mark by its class, but is made of two.
  EXPECT_THAT(Normalized("NFD").Encode("\u0f73\u0f73a"), ElementsAre(5, 5, 6, 6, 0));
}

// In quadratic time this takes minutes; the tests' own time limit stops it.
TEST(TokenizerJson, AMegabyteOfMarksOutOfOrderIsNoAttack) {
  for (const char* form : {"NFC", "NFD", "NFKC", "NFKD"}) {
    const Tokenizer tokenizer = Normalized(form);
    for (const std::string unit : {"\u0327\u0301", "\u0301\u0327", "\u0f73", "\u0344\u0327"}) {
      std::string text = "a";
      while (text.size() < kALot) text += unit;
      EXPECT_FALSE(tokenizer.Encode(text).empty()) << form << " " << unit;
    }
  }
}

// As the package decodes it: the space that the normalizer put before the token is there again.
TEST(TokenizerJson, AnAddedTokenThatIsNormalizedIsDecodedNormalized) {
  Json json = Small();
  json["normalizer"] = Json::parse(R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"_"},{"type":"Replace","pattern":{"String":" "},"content":"_"}]})");
  json["pre_tokenizer"] = nullptr;
  json["decoder"] = Json::parse(R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"_"},"content":" "},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})");
  json["model"]["vocab"]["_"] = 5;
  json["added_tokens"].push_back({{"id", 6}, {"content", "<new>"}, {"special", false}, {"normalized", true}});
  const Tokenizer tokenizer = Tokenizer::Parse(json.dump(), "t");
  const std::vector<std::int32_t> ids = tokenizer.Encode("a <new> b");
  EXPECT_THAT(ids, ElementsAre(5, 0, 6, 5, 1));
  EXPECT_EQ(tokenizer.Decode(ids), "a <new> b");
  EXPECT_EQ(tokenizer.TokenText(6), "<new>");
}

TEST(TokenizerJson, AGroupInThePatternChangesNothing) {
  Json json = Small();
  json["model"]["vocab"]["\u0120"] = 5;
  json["model"]["vocab"]["\u0120\u0120"] = 6;
  json["model"]["merges"].push_back({"\u0120", "\u0120"});
  const auto ids = [&](const std::string& pattern) {
    json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}},
                                                                      {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}}}}};
    return Tokenizer::Parse(json.dump(), "t").Encode("ab   c");
  };
  const auto wanted = ids(R"((?:a|b)+|[^\s]|\s+(?!\S)|\s+)");
  EXPECT_EQ(ids(R"((a|b)+|[^\s]|\s+(?!\S)|\s+)"), wanted);
  EXPECT_EQ(ids(R"(((a)|(b))+|([^\s])|\s+(?!\S)|\s+)"), wanted);
}

TEST(TokenizerJson, AChatTemplateInAFileOfItsOwnIsReadFirstAndKept) {
  ScratchFolder folder;
  WriteText(folder / "tokenizer.json", Small().dump());
  WriteText(folder / "tokenizer_config.json", R"({"chat_template": "old", "unk_token": {"content": "c"}, "add_bos_token": true})");
  WriteText(folder / "chat_template.jinja", "{{ bos_token }}new\n");
  const Tokenizer tokenizer = Tokenizer::Load(folder.path());
  EXPECT_EQ(tokenizer.chat_template(), "{{ bos_token }}new\n");
  EXPECT_EQ(tokenizer.named_tokens(), (std::map<std::string, std::string>{{"unk_token", "c"}}));
  // To another folder it goes with the configuration; where a file lies it goes there.
  std::filesystem::create_directories(folder / "other");
  std::filesystem::create_directories(folder / "stale");
  WriteText(folder / "stale/chat_template.jinja", "stale");
  for (const std::string name : {"other", "stale"}) {
    tokenizer.Save(folder / (name + "/tokenizer.json"));
    EXPECT_EQ(Tokenizer::Load(folder / name).chat_template(), tokenizer.chat_template()) << name;
    EXPECT_EQ(Tokenizer::Load(folder / name).named_tokens(), tokenizer.named_tokens()) << name;
  }
  tokenizer.Save(folder / "tokenizer.json");
  EXPECT_THAT(ReadText(folder / "tokenizer_config.json"), HasSubstr(R"("chat_template": "old")"));
}

}  // namespace
}  // namespace cogent
