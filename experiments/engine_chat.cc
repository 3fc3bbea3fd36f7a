#include "experiments/engine_chat.h"

#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/scalar.h"
#include "envs/template.h"
#include "experiments/engine_commands.h"
#include "experiments/text.h"
#include "policies/chat_template.h"
#include "policies/generate.h"

namespace cogent {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::string TextOf(const Tokenizer& tokenizer, std::optional<std::int32_t> id) { return id ? std::string(tokenizer.TokenText(*id)) : ""; }

}  // namespace

ChatTemplate OpenChatTemplate(const Tokenizer& tokenizer, const std::string& source) {
  if (tokenizer.chat_template().empty()) throw ConfigError(source + ": the tokenizer has no chat template");
  return ChatTemplate(tokenizer.chat_template(), source);
}

namespace {

// The date that SOURCE_DATE_EPOCH gives, in seconds.
std::optional<std::int64_t> GivenDate() {
  const char* given = std::getenv("SOURCE_DATE_EPOCH");
  if (given == nullptr || *given == '\0') return std::nullopt;
  const auto seconds = ParseInteger(given);
  if (!seconds.ok()) throw ConfigError("SOURCE_DATE_EPOCH is '" + std::string(given) + "'; it is a whole number of seconds since 1970, or not set");
  return seconds.value;
}

// The clock on the wall, counted as if it were at Greenwich.
std::int64_t LocalNow() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  return ::timegm(&parts);
}

// What is encoded gets the tokens of every text in front; where these are there, the template must not write them, too.
// The variables are those that transformers sets.
std::string Rendered(const ChatTemplate& chat, const Tokenizer& tokenizer, const std::string& messages, std::optional<std::int64_t> now) {
  const bool own_bos = tokenizer.EncodePrompt("").empty();
  OrderedJson variables = {{"messages", OrderedJson::parse(messages)}, {"tools", nullptr}, {"documents", nullptr}, {"add_generation_prompt", true}};
  for (const auto& [key, token] : tokenizer.named_tokens()) variables[key] = token;
  variables["bos_token"] = own_bos ? TextOf(tokenizer, tokenizer.bos_id()) : "";
  variables["eos_token"] = TextOf(tokenizer, tokenizer.eos_id());
  if (tokenizer.has_pad()) variables["pad_token"] = TextOf(tokenizer, tokenizer.pad_id());
  if (now) variables["now"] = *now;
  return chat.Render(variables.dump());
}

}  // namespace

std::string ChatPrompt(const ChatTemplate& chat, const Tokenizer& tokenizer, const std::string& messages) {
  const std::optional<std::int64_t> given = GivenDate();
  return Rendered(chat, tokenizer, messages, given ? given : LocalNow());
}

std::string ChatPromptTemplate(const Tokenizer& tokenizer, const std::string& source) {
  // A run is the same on every day: only a date that is given stands in its prompts.
  const std::string text = Rendered(OpenChatTemplate(tokenizer, source), tokenizer, R"([{"role": "user", "content": "{prompt}"}])", GivenDate());
  try {
    return TemplateText(text);
  } catch (const ConfigError& error) {
    throw ConfigError(source + ": its chat template does not hold the message as it is: " + error.what());
  }
}

int ChatCommand(const Command& command) {
  const std::string& source = command.Get("model");
  const Sampling sampling = ReadSampling(command, {.max_new_tokens = 512});
  Generator::Options options = ReadSampler(command, {}, ThreadsOr(0));
  const Rng rng = Rng(Seed(command)).Fork("chat");
  if (ToValidUtf8(command.Get("system")) != command.Get("system")) throw ConfigError("--system: the text is not UTF-8");
  const StoredPolicy policy = LoadPolicy(source, command.Get("device", "cpu"));
  const Tokenizer& tokenizer = policy.tokenizer;
  const ChatTemplate chat = OpenChatTemplate(tokenizer, source);
  Screen screen(policy);
  options.on_token = [&](std::size_t, std::int32_t id) { screen.Add(id); };
  const Generator generator(policy.parameters, tokenizer, options);
  const bool terminal = isatty(STDIN_FILENO) != 0;
  OrderedJson messages = OrderedJson::array();
  if (command.Has("system")) messages.push_back({{"role", "system"}, {"content", command.Get("system")}});
  std::string line;
  for (std::uint64_t turn = 0; (terminal ? std::cout << "> " << std::flush : std::cout), std::getline(std::cin, line); ++turn) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (ToValidUtf8(line) != line) {
      std::cerr << "(message " << turn + 1 << " is left out: it is not UTF-8; write it again)\n";
      continue;
    }
    messages.push_back({{"role", "user"}, {"content", line}});
    Generated answer;
    try {
      const auto prompt = tokenizer.EncodePrompt(ChatPrompt(chat, tokenizer, messages.dump()));
      answer = generator.Generate({prompt}, {rng.Fork(turn)}, sampling).front();
    } catch (const DataError& error) {  // too long, or not as the template wants it
      std::cerr << "(message " << turn + 1 << " is left out: " << error.what() << ")\n";
      messages.erase(messages.size() - 1);
      continue;
    }
    screen.Finish();
    if (answer.forced > 0) std::cerr << "(the reasoning was closed after " << sampling.max_thinking_tokens << " tokens)\n";
    if (answer.truncated) std::cerr << "(cut after " << answer.ids.size() << " tokens)\n";
    std::vector<std::int32_t> shown = answer.ids;
    if (!shown.empty() && generator.Ends(shown.back())) shown.pop_back();
    messages.push_back({{"role", "assistant"}, {"content", ToValidUtf8(tokenizer.Decode(shown))}});
  }
  return kExitDone;
}

}  // namespace cogent
