#include "agents/prompted_agent.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"
#include "core/file.h"
#include "envs/template.h"

namespace cogent {

void Prompting::VisitFields(FieldVisitor& visit) {
  visit("ask", ask, "the question as it is put, with {prompt} in its place");
  visit("examples", examples, "JSON lines {prompt, completion} that stand before a question, each with its answer");
  visit("shots", shots, "as many of them, drawn by the seed and the question", {0, 64});
}

void Prompting::Validate(Problems& problems, const Node& section) const {
  const std::size_t hole = ask.find("{prompt}");
  if (hole == std::string::npos || ask.find("{prompt}", hole + 1) != std::string::npos) problems.Add(section.PlaceOf("ask"), "prompting.ask must hold {prompt} once");
  if (shots > 0 && examples.empty()) problems.Add(section.PlaceOf("shots"), "prompting.shots is " + std::to_string(shots) + ", and no file of examples is named");
}

std::string Prompting::Maker() const { return shots > 0 ? "few_shot" : ask != "{prompt}" ? "direct" : "sampled"; }

PromptedAgent::PromptedAgent(Agent& inner, const Prompting& prompting, const Rng& draws) : inner_(&inner), prompting_(prompting), draws_(draws) {
  if (prompting.shots == 0) return;
  ForEachLineIn(prompting.examples, [&](int number, std::string_view line) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    const auto has = [&](const char* key) { return json.is_object() && json.contains(key) && json[key].is_string(); };
    if (!has("prompt") || !has("completion")) throw DataError(prompting.examples + ":" + std::to_string(number) + ": {\"prompt\": text, \"completion\": text} is wanted");
    examples_.push_back({json["prompt"], json["completion"]});
  });
  if (static_cast<int>(examples_.size()) <= prompting.shots) {
    throw DataError(prompting.examples + " holds " + std::to_string(examples_.size()) + " examples; more than prompting.shots (" + std::to_string(prompting.shots) + ") are wanted");
  }
}

std::vector<Turn> PromptedAgent::Act(const std::vector<Conversation>& conversations, const std::vector<Rng>& draws) {
  std::vector<Conversation> asked = conversations;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    std::vector<Message>& messages = asked[i].messages;
    const auto question = std::find_if(messages.begin(), messages.end(), [](const Message& message) { return message.role == Role::kUser; });
    if (question == messages.end()) continue;
    const std::string prompt = question->text;
    question->text = RenderPrompt(prompting_.ask, {{Role::kUser, prompt}});
    std::vector<std::size_t> order(examples_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    Rng rng = draws_.Fork(prompt);
    std::vector<Message> before;
    for (std::size_t at = 0; at < order.size() && static_cast<int>(before.size()) < 2 * prompting_.shots; ++at) {
      std::swap(order[at], order[at + static_cast<std::size_t>(rng.Range(0, static_cast<std::int64_t>(order.size() - at) - 1))]);
      const Example& example = examples_[order[at]];
      if (example.prompt == prompt) continue;
      before.push_back({Role::kUser, RenderPrompt(prompting_.ask, {{Role::kUser, example.prompt}})});
      before.push_back({Role::kAssistant, example.completion});
    }
    messages.insert(question, before.begin(), before.end());
  }
  return inner_->Act(asked, draws);
}

}  // namespace cogent
