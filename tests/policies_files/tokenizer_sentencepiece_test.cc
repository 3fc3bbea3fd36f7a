// Models are trained here, by SentencePiece itself, and its own ids are what ours have to be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <string>
#include <vector>

#include "core/rng.h"
#include "policies/tokenizer.h"
#include "tests/policies_files/files_test_util.h"

namespace cogent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kKept[] = "--normalization_rule_name=identity --remove_extra_whitespaces=false";

// Trains a model on a little text in several scripts; `more` are flags of spm_train. Gives its path.
std::string Train(const ScratchFolder& folder, const std::string& more, const std::string& vocabulary = "420") {
  const std::string text = folder / "text.txt", model = folder / "tokenizer";
  std::ofstream file(text);
  for (int i = 0; i < 60; ++i) {
    file << "the reasoning of the model is rewarded when the answer " << i << " is right\n"
         << "def f(x):  return  x + " << 7 * i << "  # comment\n"
         << "模型的推理在答案正确时得到奖励，第" << i << "个问题\n"
         << "die Überlegung führt zur richtigen Antwort\n";
  }
  file.close();
  const auto status = sentencepiece::SentencePieceTrainer::Train("--input=" + text + " --model_prefix=" + model + " --vocab_size=" + vocabulary +
                                                                 " --hard_vocab_limit=false --minloglevel=4 --num_threads=1 " + more);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return model + ".model";
}

std::vector<std::string> Texts() {
  std::vector<std::string> texts = {"", " ", "  ", "the answer", " the answer", "the  answer ", "is right?\nYes\tit is", "奖励模型", "Überlegung é ß",
                                    "emoji \U0001F600 and \u2581 itself", "x + 7  # comment", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "<s> no </s>"};
  const std::vector<std::string> words = {"the ", "re", "ward", " ", "  ", "模", "型的", "ü", "7", "\n", "ö", "reasoning", "#", "正确"};
  for (std::uint64_t i = 0; i < 300; ++i) {
    const Rng draws = Rng(i);
    std::string text;
    for (std::uint64_t k = 0; k < 1 + i % 23; ++k) text += words[static_cast<std::size_t>(draws.UniformAt(k) * static_cast<double>(words.size()))];
    texts.push_back(text);
  }
  return texts;
}

void ExpectSame(const std::string& path, bool decode) {
  const Tokenizer ours = Tokenizer::Load(path);
  sentencepiece::SentencePieceProcessor theirs;
  ASSERT_TRUE(theirs.Load(path).ok());
  EXPECT_EQ(ours.vocab_size(), theirs.GetPieceSize());
  for (const std::string& text : Texts()) {
    if (text.find("<s>") != std::string::npos) continue;  // a control token by its text: ours is the id, as in transformers
    const std::vector<int> ids = theirs.EncodeAsIds(text);
    EXPECT_EQ(ours.Encode(text), std::vector<std::int32_t>(ids.begin(), ids.end())) << text;
    if (decode) {
      EXPECT_EQ(ours.Decode(ours.Encode(text)), theirs.DecodeIds(ids)) << text;
    }
  }
}

TEST(SentencePiece, IdsAndTextAreThoseOfTheLibraryWithBytesForWhatIsNotKnown) {
  const ScratchFolder folder;
  ExpectSame(Train(folder, std::string(kKept) + " --model_type=bpe --byte_fallback=true", "700"), true);
}

TEST(SentencePiece, IdsAreThoseOfTheLibraryWhereWhatIsNotKnownIsOneToken) {
  const ScratchFolder folder;
  ExpectSame(Train(folder, std::string(kKept) + " --model_type=bpe --character_coverage=0.98", "150"), false);
}

TEST(SentencePiece, IdsAreThoseOfTheLibraryWithoutASpaceBeforeTheText) {
  const ScratchFolder folder;
  ExpectSame(Train(folder, std::string(kKept) + " --model_type=bpe --byte_fallback=true --add_dummy_prefix=false", "700"), true);
}

TEST(SentencePiece, WhatAUserDefinedIsOneTokenInsideOfAText) {
  const ScratchFolder folder;
  const std::string path = Train(folder, std::string(kKept) + " --model_type=bpe --byte_fallback=true --user_defined_symbols=<think>,</think>", "700");
  const Tokenizer ours = Tokenizer::Load(path);
  sentencepiece::SentencePieceProcessor theirs;
  ASSERT_TRUE(theirs.Load(path).ok());
  const std::string text = "the answer<think>is right</think>reasoning";
  const std::vector<int> ids = theirs.EncodeAsIds(text);
  EXPECT_EQ(ours.Encode(text), std::vector<std::int32_t>(ids.begin(), ids.end()));
  EXPECT_EQ(ours.Decode(ours.Encode(text), true), text) << "user-defined tokens are not special";
}

TEST(SentencePiece, SavedAsTokenizerJsonItGivesTheSameIds) {
  const ScratchFolder folder;
  const Tokenizer first = Tokenizer::Load(Train(folder, std::string(kKept) + " --model_type=bpe --byte_fallback=true", "700"));
  first.Save(folder / "tokenizer.json");
  const Tokenizer second = Tokenizer::Load(folder / "tokenizer.json");
  for (const std::string& text : Texts()) {
    EXPECT_EQ(second.Encode(text), first.Encode(text)) << text;
    EXPECT_EQ(second.EncodePrompt(text), first.EncodePrompt(text)) << text;
  }
  EXPECT_EQ(second.eos_id(), first.eos_id());
}

TEST(SentencePiece, AFolderWithoutTokenizerJsonGivesItWithWhatItsConfigSays) {
  const ScratchFolder folder;
  Train(folder, std::string(kKept) + " --model_type=bpe --byte_fallback=true", "700");
  EXPECT_EQ(Tokenizer::Load(folder.path()).EncodePrompt("").front(), 1) << "the beginning of sequence";
  std::ofstream(folder / "tokenizer_config.json") << R"({"add_bos_token": false, "eos_token": "</s>", "chat_template": "{{ messages }}"})";
  const Tokenizer tokenizer = Tokenizer::Load(folder.path());
  EXPECT_THAT(tokenizer.EncodePrompt(""), ElementsAre());
  EXPECT_EQ(tokenizer.chat_template(), "{{ messages }}");
  EXPECT_EQ(tokenizer.eos_id(), 2);
}

TEST(SentencePiece, WhatItDoesOtherwiseIsRefusedByName) {
  const ScratchFolder folder;
  const auto refusal = [&](const std::string& flags) {
    const std::string path = Train(folder, flags);
    return DataErrorOf([&] { Tokenizer::Load(path); });
  };
  EXPECT_THAT(refusal(std::string(kKept) + " --model_type=unigram"), HasSubstr("tokenizer.model: is a model of kind unigram; only bpe can be read"));
  EXPECT_THAT(refusal("--model_type=bpe --remove_extra_whitespaces=false"), HasSubstr("normalises its text by 'nmt_nfkc'"));
  EXPECT_THAT(refusal("--model_type=bpe --normalization_rule_name=identity"), HasSubstr("remove_extra_whitespaces"));
  EXPECT_THAT(refusal(std::string(kKept) + " --model_type=bpe --treat_whitespace_as_suffix=true"), HasSubstr("treat_whitespace_as_suffix"));
}

TEST(SentencePiece, AFileThatIsNoModelIsRefused) {
  const ScratchFolder folder;
  const std::string path = folder / "tokenizer.model";
  for (const std::string& bytes : {std::string(), std::string("no model"), std::string("\x0a\xff\xff\xff\xff\x7f", 6)}) {
    std::ofstream(path, std::ios::binary) << bytes;
    EXPECT_THAT(DataErrorOf([&] { Tokenizer::Load(path); }), HasSubstr("tokenizer.model: no tokenizer.model of SentencePiece"));
  }
  EXPECT_THAT(DataErrorOf([&] { Tokenizer::Load(folder / "absent.model"); }), HasSubstr("absent.model"));
}

}  // namespace
}  // namespace cogent
