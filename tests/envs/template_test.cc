// Prompt templates: the wording of R1-Zero's, and texts of one's own.
#include "envs/template.h"

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"

namespace cogent {
namespace {

TEST(Template, IsR1ZerosWordForWord) {
  EXPECT_EQ(
      RenderPrompt(TemplateText("r1_zero"), {{Role::kUser, "What is 2 + 3 * 4?"}}),
      "A conversation between User and Assistant. The user asks a question, and the Assistant "
      "solves it. The assistant first thinks about the reasoning process in the mind and then "
      "provides the user with the answer. The reasoning process and answer are enclosed within "
      "<think> </think> and <answer> </answer> tags, respectively, i.e., <think> reasoning "
      "process here </think> <answer> answer here </answer>. User: What is 2 + 3 * 4?. "
      "Assistant:");
}

TEST(Template, PlainIsThePromptAlone) {
  EXPECT_EQ(RenderPrompt(TemplateText("plain"), {{Role::kUser, "7 5=12"}}), "7 5=12");
}

TEST(Template, MayBeATextOfOnesOwn) {
  EXPECT_EQ(RenderPrompt(TemplateText("Q: {prompt}\nA:"), {{Role::kUser, "{prompt}"}}),
            "Q: {prompt}\nA:");
}

TEST(Template, JoinsSeveralMessages) {
  EXPECT_EQ(RenderPrompt("[{prompt}]", {{Role::kSystem, "Be brief."}, {Role::kUser, "Hi"}}),
            "[Be brief.\nHi]");
}

TEST(Template, SplitsIntoItsFixedParts) {
  const auto [head, tail] = TemplateFixedParts(TemplateText("r1_zero"));
  EXPECT_TRUE(head.ends_with(". User: "));
  EXPECT_EQ(tail, ". Assistant:");
}

TEST(Template, RefusesATextThatHoldsNoPromptOrSeveral) {
  EXPECT_THROW(TemplateText("r1 zero"), ConfigError);
  EXPECT_THROW(TemplateText("{prompt} {prompt}"), ConfigError);
  try {
    TemplateText("r1_zeros");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("Did you mean 'r1_zero'?"), std::string::npos);
  }
}

}  // namespace
}  // namespace cogent
