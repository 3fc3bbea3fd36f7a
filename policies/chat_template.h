// Chat templates: a conversation to the text that a model was trained to read. The subset of Jinja that the templates of
// DeepSeek, Qwen, Llama and SmolLM2 are written in.
//
//   const ChatTemplate chat(tokenizer.chat_template(), "tokenizer_config.json");
//   std::string text = chat.Render(R"({"messages": [{"role": "user", "content": "2+3?"}], "add_generation_prompt": true})");
//
// Known: output, comments, white space control with - and + and with trim_blocks and lstrip_blocks on; if, for (with `if`, `else`, break,
// continue, loop.*), set (also of several names and of blocks), namespace, macro, generation; + - ~ * / // % **, comparisons and chains
// of them, in, and, or, not, inline if, tests, filters, methods of texts and objects, indices and slices, literals of lists, tuples and
// objects; raise_exception, range, dict, namespace, and strftime_now, which is there where the variable `now` is: seconds since 1970, or a
// text that stands there as it is. docs/models.md lists filters, tests and methods.
// What is not known, arguments of filters, tests and methods included, is refused by name with its line, when the template is read; a
// method of another kind of value, and an argument that a macro does not have, when it is called. A name without a value prints as
// nothing; asking it for an attribute, or counting with it, is an error. Work, depth, memory and output are bounded: no template hangs.
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
