// A tokenizer's chat format as the prompt template of a run.
#include <gtest/gtest.h>

#include "core/error.h"
#include "envs/template.h"
#include "experiments/engine_chat.h"

namespace cogent {
namespace {

std::string Parity(const std::string& name) { return std::string(COGENT_SOURCE_DIR) + "/tests/data/parity/tokenizers/" + name; }

TEST(ChatPromptTemplate, PutsTheQuestionWhereAUsersMessageStands) {
  const Tokenizer tokenizer = Tokenizer::Load(Parity("qwen2"));
  const std::string text = ChatPromptTemplate(tokenizer, "qwen2");
  EXPECT_EQ(RenderPrompt(text, {{Role::kUser, "2+3?"}}),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2+3?<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatPromptTemplate, TheBeginningOfSequenceStandsThereOnce) {
  const Tokenizer tokenizer = Tokenizer::Load(Parity("llama3"));
  const auto ids = tokenizer.EncodePrompt(RenderPrompt(ChatPromptTemplate(tokenizer, "llama3"), {{Role::kUser, "2+3?"}}));
  EXPECT_EQ(ids.front(), tokenizer.bos_id());
  EXPECT_EQ(std::count(ids.begin(), ids.end(), *tokenizer.bos_id()), 1);
}

TEST(ChatPromptTemplate, ATokenizerWithoutOneIsTold) {
  EXPECT_THROW(ChatPromptTemplate(Tokenizer::Load(Parity("gpt2")), "gpt2"), Error);
}

}  // namespace
}  // namespace cogent
