#include "agents/prompt_tokens.h"

#include "envs/template.h"

namespace cogent {

PromptTokens TokensOf(const std::string& template_text, const Tokenizer& tokenizer, const Conversation& conversation) {
  PromptTokens tokens;
  const auto append = [](std::vector<std::int32_t>& to, const std::vector<std::int32_t>& ids) { to.insert(to.end(), ids.begin(), ids.end()); };
  if (conversation.turns == nullptr || conversation.turns->empty()) {
    // Examples stand in front as documents did in pre-training: each with its end.
    for (const Exchange& exchange : RenderExchanges(template_text, conversation.messages)) {
      append(tokens.fresh, tokenizer.EncodePrompt(exchange.prompt));
      if (exchange.completion.empty()) continue;
      append(tokens.fresh, tokenizer.Encode(exchange.completion));
      tokens.fresh.push_back(tokenizer.eos_id());
    }
  } else {
    // Only what is new since the last turn is encoded.
    std::string text;
    for (auto m = conversation.messages.rbegin(); m != conversation.messages.rend() && m->role != Role::kAssistant; ++m) text.insert(0, m->text);
    tokens.fresh = tokenizer.Encode(text);
    for (const Turn& turn : *conversation.turns) {
      append(tokens.context, turn.prompt_ids);
      append(tokens.context, turn.completion_ids);
    }
  }
  append(tokens.context, tokens.fresh);
  return tokens;
}

}  // namespace cogent
