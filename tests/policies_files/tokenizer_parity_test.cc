// Every tokenizer of the fixtures, every case: ids, tokens and decoded text, driven by index.json. COGENT_PARITY names
// another folder of the same form.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "policies/tokenizer.h"
#include "tests/policies_files/files_test_util.h"

namespace cogent {
namespace {

using Ids = std::vector<std::int32_t>;

nlohmann::json ReadJson(const std::string& path) { return nlohmann::json::parse(ReadText(path)); }

std::vector<std::string> Names() {
  std::vector<std::string> names;
  const nlohmann::json index = ReadJson(ParityRoot() + "/index.json");
  for (const auto& one : index["tokenizers"]) names.push_back(one["dir"].get<std::string>());
  return names;
}

class TokenizerParity : public testing::TestWithParam<std::string> {
 protected:
  std::string dir() const { return ParityRoot() + "/" + GetParam(); }
  Tokenizer Load() const { return Tokenizer::Load(dir()); }
  nlohmann::json Cases() const { return ReadJson(dir() + "/cases.json"); }
};
INSTANTIATE_TEST_SUITE_P(Fixtures, TokenizerParity, testing::ValuesIn(Names()), [](const auto& info) { return info.param.substr(info.param.find('/') + 1); });

void ExpectCases(const Tokenizer& tokenizer, const nlohmann::json& cases) {
  for (const auto& c : cases["cases"]) {
    const std::string text = c["text"];
    const Ids ids = c["ids"], special = c["ids_with_special"];
    EXPECT_EQ(tokenizer.Encode(text), ids) << c["text"];
    EXPECT_EQ(tokenizer.EncodeWithSpecial(text), special) << c["text"];
    EXPECT_EQ(tokenizer.Decode(ids), c["decoded"].get<std::string>()) << c["text"];
    EXPECT_EQ(tokenizer.Decode(special, true), c["decoded_skip_special"].get<std::string>()) << c["text"];
    const std::vector<std::string> tokens = c["tokens"];
    for (std::size_t i = 0; i < tokens.size(); ++i) EXPECT_EQ(tokenizer.TokenText(ids[i]), tokens[i]);
  }
}

TEST_P(TokenizerParity, EncodesAndDecodesEveryCaseAsTheReference) {
  const Tokenizer tokenizer = Load();
  const nlohmann::json cases = Cases();
  ASSERT_GT(cases["cases"].size(), 100u);
  EXPECT_EQ(tokenizer.vocab_size(), cases["vocab_size"].get<int>());
  ExpectCases(tokenizer, cases);
}

TEST_P(TokenizerParity, DecodesIdsThatCutCharactersApart) {
  const Tokenizer tokenizer = Load();
  const nlohmann::json cases = Cases();
  for (const auto& c : cases["decode_cases"]) {
    const Ids ids = c["ids"];
    EXPECT_EQ(tokenizer.Decode(ids), c["decoded"].get<std::string>()) << c["ids"];
    EXPECT_EQ(tokenizer.Decode(ids, true), c["decoded_skip_special"].get<std::string>()) << c["ids"];
  }
}

TEST_P(TokenizerParity, EncodesRenderedConversations) {
  const Tokenizer tokenizer = Load();
  const nlohmann::json cases = Cases();
  for (const auto& c : cases["chat_cases"]) EXPECT_EQ(tokenizer.Encode(c["rendered"].get<std::string>()), c["ids"].get<Ids>()) << c["rendered"];
}

TEST_P(TokenizerParity, ReadsWhatItWrites) {
  const ScratchFolder folder;
  Load().Save(folder / "tokenizer.json");
  ExpectCases(Tokenizer::Load(folder.path()), Cases());
}

TEST_P(TokenizerParity, AStreamShowsTheSameTextAndNeverHalfACharacter) {
  const Tokenizer tokenizer = Load();
  const nlohmann::json cases = Cases();
  for (const auto& c : cases["cases"]) {
    const Ids ids = c["ids"];
    StreamDecoder stream(tokenizer);
    std::string text;
    for (const std::int32_t id : ids) {
      const std::string more = stream.Add(id);
      EXPECT_TRUE(nlohmann::json(more).dump(-1, ' ', false, nlohmann::json::error_handler_t::strict).size() >= 2);  // throws on what is no UTF-8
      text += more;
    }
    EXPECT_EQ(text + stream.Finish(), c["decoded"].get<std::string>()) << c["text"];
  }
}

TEST(GgufTokenizer, OfTheTinyModelEncodesAsItsTokenizerJson) {
  const Tokenizer gguf = Tokenizer::Load(ParityRoot() + "/gguf/tiny_llama.gguf");
  ExpectCases(gguf, ReadJson(ParityRoot() + "/tokenizers/smollm/cases.json"));
  EXPECT_FALSE(gguf.chat_template().empty());
}

}  // namespace
}  // namespace cogent
