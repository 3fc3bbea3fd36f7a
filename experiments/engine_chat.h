// A model's own chat format: as the prompt template of a run (`prompt_template: chat`), and for `cogent chat`.
//
// Thread rule: main thread.
#pragma once

#include <string>

#include "experiments/engine.h"
#include "policies/chat_template.h"
#include "policies/tokenizer.h"

namespace cogent {

// What the tokenizer's chat template puts around one user's message, as a prompt template with {prompt} in the message's place.
// Throws ConfigError when it has none, or one that does not hold the message as it is.
std::string ChatPromptTemplate(const Tokenizer& tokenizer, const std::string& source);

// Opens the tokenizer's chat template: ConfigError when there is none.
ChatTemplate OpenChatTemplate(const Tokenizer& tokenizer, const std::string& source);
// The prompt that it makes of a JSON array of messages, for Tokenizer::EncodePrompt. Throws DataError.
std::string ChatPrompt(const ChatTemplate& chat, const Tokenizer& tokenizer, const std::string& messages);

// Reads a message a line from standard input and answers each; the conversation so far is read again for every answer, as the
// template writes it.
int ChatCommand(const Command& command);

}  // namespace cogent
