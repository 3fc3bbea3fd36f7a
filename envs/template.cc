#include "envs/template.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "core/config.h"
#include "core/error.h"

namespace cogent {
namespace {

constexpr std::string_view kPromptHole = "{prompt}";

struct Named {
  const char* name;
  const char* text;
};

constexpr std::array<Named, 2> kTemplates = {{
    {"plain", "{prompt}"},
    {"r1_zero",
     "A conversation between User and Assistant. The user asks a question, and the Assistant "
     "solves "
     "it. The assistant first thinks about the reasoning process in the mind and then provides the "
     "user with the answer. The reasoning process and answer are enclosed within <think> </think> "
     "and <answer> </answer> tags, respectively, i.e., <think> reasoning process here </think> "
     "<answer> answer here </answer>. User: {prompt}. Assistant:"},
}};

}  // namespace

std::vector<std::string> TemplateNames() {
  std::vector<std::string> names;
  for (const Named& item : kTemplates) names.push_back(item.name);
  return names;
}

std::string TemplateText(const std::string& name_or_text) {
  for (const Named& item : kTemplates) {
    if (name_or_text == item.name) return item.text;
  }
  const std::size_t first = name_or_text.find(kPromptHole);
  if (first == std::string::npos) {
    std::string message = "no prompt template '" + name_or_text + "'.";
    if (const auto near = Nearest(name_or_text, TemplateNames())) {
      message += " Did you mean '" + *near + "'?";
    }
    message += " Known:";
    for (const std::string& name : TemplateNames()) message += " " + name;
    throw ConfigError(message + "; a text of your own must hold {prompt}");
  }
  if (name_or_text.find(kPromptHole, first + 1) != std::string::npos) {
    throw ConfigError("the prompt template '" + name_or_text +
                      "' holds {prompt} more than once; leave one");
  }
  return name_or_text;
}

std::string RenderPrompt(const std::string& template_text, const std::vector<Message>& messages) {
  std::string prompt;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (i > 0) prompt += '\n';
    prompt += messages[i].text;
  }
  const auto [head, tail] = TemplateFixedParts(template_text);
  return head + prompt + tail;
}

std::vector<Exchange> RenderExchanges(const std::string& template_text, const std::vector<Message>& messages) {
  std::vector<Exchange> exchanges;
  std::vector<Message> before;
  for (const Message& message : messages) {
    if (message.role != Role::kAssistant) {
      before.push_back(message);
      continue;
    }
    exchanges.push_back({RenderPrompt(template_text, before), message.text});
    before.clear();
  }
  if (!before.empty()) exchanges.push_back({RenderPrompt(template_text, before), {}});
  return exchanges;
}

std::string FillPlaces(std::string_view text, const Places& places) {
  std::string filled;
  filled.reserve(2 * text.size());
  while (true) {
    const std::size_t plain = std::min(text.find('{'), text.size());
    filled += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) return filled;
    const auto place = std::find_if(places.begin(), places.end(), [&](const auto& one) { return text.starts_with(one.first); });
    filled += place == places.end() ? "{" : place->second;
    text.remove_prefix(place == places.end() ? 1 : place->first.size());
  }
}

std::pair<std::string, std::string> TemplateFixedParts(const std::string& template_text) {
  const std::size_t hole = template_text.find(kPromptHole);
  Check(hole != std::string::npos, "a prompt template without {prompt}");
  return {template_text.substr(0, hole), template_text.substr(hole + kPromptHole.size())};
}

}  // namespace cogent
