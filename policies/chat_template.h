// Chat templates: a conversation to the text that a model was trained to read. The subset of Jinja that the templates of
// DeepSeek, Qwen, Llama and SmolLM2 are written in.
//
//   const ChatTemplate chat(tokenizer.chat_template(), "tokenizer_config.json");
//   std::string text = chat.Render(R"({"messages": [{"role": "user", "content": "2+3?"}], "add_generation_prompt": true})");
//
// Known: output, comments, white space control with - and with trim_blocks and lstrip_blocks on; if, for (with `if`, `else`, break,
// continue, loop.*), set (also of several names and of blocks), namespace, macro; + - ~ * / // % **, comparisons, in, and, or,
// not, inline if, tests, filters, methods of texts and objects, indices and slices, literals of lists and objects; raise_exception, range,
// namespace, strftime_now (with the variable `now`, a text as the format would give it). docs/models.md lists filters and tests.
// What is not known is refused by name with its line, when the template is read. A name without a value prints as nothing; asking
// it for an attribute, or counting with it, is an error. Work, depth and output are bounded, so no template hangs.
// Source: the Jinja documentation (Template Designer Documentation), as transformers sets it up.
// Thread rule: const after construction; Render may be called from several threads.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace cogent {

class ChatTemplate {
 public:
  // `name` stands in front of every message. Throws DataError.
  ChatTemplate(std::string_view text, const std::string& name);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // `variables` is a JSON object: messages, add_generation_prompt, bos_token, eos_token, tools, what else the template asks for.
  // Throws DataError, with the template's own words where it raises an exception.
  std::string Render(std::string_view variables) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace cogent
