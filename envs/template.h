// Prompt templates: how a question is put before a base model, which knows no chat format.
//
//   std::string text = TemplateText("r1_zero");
//   RenderPrompt(text, observation.messages);   // "A conversation between ... User: 2+3?.
//   Assistant:" auto [head, tail] = TemplateFixedParts(text);  // "A conversation ... User: ", ".
//   Assistant:"
//
// `r1_zero` is the template of DeepSeek-R1-Zero, word for word (arXiv 2501.12948, table 1).
// Thread rule: free functions; call them from anywhere.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/message.h"

namespace cogent {

// The text of a template by name (`r1_zero`, `plain`), or a text of one's own that holds
// `{prompt}` exactly once. Throws ConfigError for anything else.
std::string TemplateText(const std::string& name_or_text);
std::vector<std::string> TemplateNames();

// Puts the messages in the place of `{prompt}`; several are joined by line breaks. Text that looks
// like `{prompt}` inside a message stays as it is. REQUIRES a text that TemplateText returned.
std::string RenderPrompt(const std::string& template_text, const std::vector<Message>& messages);

// A conversation cut at the assistant's messages: what stands before each, in the template, and what it says. With examples in front
// (few-shot prompting) there are several; the last has an empty completion: the one that is asked for.
struct Exchange {
  std::string prompt, completion;
};
std::vector<Exchange> RenderExchanges(const std::string& template_text, const std::vector<Message>& messages);

// A text with every `{name}` of `places` (names with their braces) replaced by its value; what is put in is not looked at again.
using Places = std::vector<std::pair<std::string_view, std::string_view>>;
std::string FillPlaces(std::string_view text, const Places& places);

// What stands before and behind `{prompt}`: the same in every prompt, so a tokenizer may hold each
// as one token. REQUIRES a text that TemplateText returned.
std::pair<std::string, std::string> TemplateFixedParts(const std::string& template_text);

}  // namespace cogent
