// A tokenizer's chat format as the prompt template of a run.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

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

// Of a tokenizer with this chat template.
class ChatVariables : public testing::Test {
 protected:
  ChatVariables() : folder_(std::filesystem::path(testing::TempDir()) / ("cogent-chat-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
    std::filesystem::copy_file(Parity("qwen2") + "/tokenizer.json", folder_ / "tokenizer.json", std::filesystem::copy_options::overwrite_existing);
    std::ofstream(folder_ / "tokenizer_config.json") << R"({"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": {"content": "<unk>"}})";
  }
  ~ChatVariables() override {
    ::unsetenv("SOURCE_DATE_EPOCH");
    std::filesystem::remove_all(folder_);
  }
  Tokenizer With(const std::string& text) const {
    std::ofstream(folder_ / "chat_template.jinja") << text;
    return Tokenizer::Load(folder_.string());
  }
  std::string Prompt(const std::string& text) const {
    const Tokenizer tokenizer = With(text);
    return ChatPrompt(OpenChatTemplate(tokenizer, "t"), tokenizer, R"([{"role": "user", "content": "q"}])");
  }

 private:
  std::filesystem::path folder_;
};

TEST_F(ChatVariables, AreThoseOfTransformers) {
  EXPECT_EQ(Prompt("{{ tools is none }}{{ documents is none }}{{ unk_token }}{{ eos_token }}{{ pad_token }}{{ add_generation_prompt }}"), "TrueTrue<unk><|im_end|><|endoftext|>True");
}

TEST_F(ChatVariables, TheDateIsTheOneThatIsGivenOrTodays) {
  EXPECT_EQ(Prompt("{{ strftime_now('%Y') | int > 2024 }}"), "True");
  ::setenv("SOURCE_DATE_EPOCH", "1722000000", 1);
  EXPECT_EQ(Prompt("{{ strftime_now('%d %b %Y') }}"), "26 Jul 2024");
  EXPECT_EQ(ChatPromptTemplate(With("{{ strftime_now('%d %b %Y') }} {{ messages[0].content }}"), "t"), "26 Jul 2024 {prompt}");
  ::setenv("SOURCE_DATE_EPOCH", "soon", 1);
  EXPECT_THROW(Prompt("{{ strftime_now('%Y') }}"), ConfigError);
}

TEST_F(ChatVariables, ARunWithoutADateIsTheSameEveryDay) {
  EXPECT_EQ(ChatPromptTemplate(With("{{ strftime_now('%Y') if strftime_now is defined else 'fixed' }} {{ messages[0].content }}"), "t"), "fixed {prompt}");
}

}  // namespace
}  // namespace cogent
