// The token ids that an episode's next turn is asked with: whoever samples by ids reads the same ones.
//
// Thread rule: a function of its arguments.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agents/agent.h"
#include "policies/tokenizer.h"

namespace cogent {

struct PromptTokens {
  std::vector<std::int32_t> fresh;    // new in this turn
  std::vector<std::int32_t> context;  // all that stands before the completion, `fresh` at its end
};

// The first turn is the template (TemplateText's) around the user's message, behind examples where the conversation begins with some;
// later messages are appended as they are. Earlier turns keep their ids: text is never encoded twice.
PromptTokens TokensOf(const std::string& template_text, const Tokenizer& tokenizer, const Conversation& conversation);

}  // namespace cogent
