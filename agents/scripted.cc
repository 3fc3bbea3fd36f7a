#include "agents/scripted.h"

#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "core/error.h"
#include "core/file.h"
#include "verifiers/extract.h"

namespace cogent {
namespace {

Turn TurnOf(std::string text) {
  Turn turn;
  for (const char byte : text) turn.completion_ids.push_back(static_cast<unsigned char>(byte));
  turn.logprobs.assign(text.size(), 0.0f);
  turn.sampled_logprobs = turn.logprobs;
  turn.text = std::move(text);
  return turn;
}

const Env& EnvOf(const Conversation& conversation) {
  Check(conversation.env != nullptr, "a scripted agent needs the conversation's environment");
  return *conversation.env;
}

template <typename Answer>
std::vector<Turn> Each(const std::vector<Conversation>& conversations, const Answer& answer) {
  std::vector<Turn> turns;
  for (const Conversation& conversation : conversations) turns.push_back(TurnOf(answer(conversation)));
  return turns;
}

}  // namespace

std::vector<Turn> OracleAgent::Act(const std::vector<Conversation>& conversations, const std::vector<Rng>&) {
  return Each(conversations, [](const Conversation& conversation) {
    std::string gold = EnvOf(conversation).GoldCompletion();
    if (gold.empty()) throw ConfigError("the environment writes no gold completion for this task, so there is nothing for an oracle to say; take another agent");
    return gold;
  });
}

std::vector<Turn> WrongAgent::Act(const std::vector<Conversation>& conversations, const std::vector<Rng>&) {
  return Each(conversations, [](const Conversation&) { return std::string("<think>I do not know.</think> <answer>no answer</answer>"); });
}

ReplayAgent::ReplayAgent(const std::string& path) : path_(path) {
  ForEachLineIn(path, [&](int number, std::string_view line) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    const auto has = [&](const char* key) { return json.is_object() && json.contains(key) && json[key].is_string(); };
    const char* key = has("task") ? "task" : "prompt";
    if (!has(key) || !has("completion")) throw DataError(path + ":" + std::to_string(number) + ": {\"task\": text, \"completion\": text} is wanted");
    tasks_[json[key]].completions.push_back(json["completion"]);
  });
  if (tasks_.empty()) throw DataError(path + " holds no completion");
}

std::vector<Turn> ReplayAgent::Act(const std::vector<Conversation>& conversations, const std::vector<Rng>&) {
  return Each(conversations, [this](const Conversation& conversation) {
    const std::string& question = EnvOf(conversation).task().prompt;
    const auto found = tasks_.find(question);
    if (found == tasks_.end()) {
      throw DataError(path_ + " has completions of " + std::to_string(tasks_.size()) + " tasks, and none of '" + question.substr(0, question.find('\n')) +
                      "'; tasks are told by their question, so seed and settings must be those that it was made with");
    }
    Stored& stored = found->second;
    return stored.completions[stored.next++ % stored.completions.size()];
  });
}

std::vector<Turn> PersonAgent::Act(const std::vector<Conversation>& conversations, const std::vector<Rng>&) {
  return Each(conversations, [this](const Conversation& conversation) {
    std::size_t fresh = conversation.messages.size();
    while (fresh > 0 && conversation.messages[fresh - 1].role != Role::kAssistant) --fresh;
    for (; fresh < conversation.messages.size(); ++fresh) *out_ << conversation.messages[fresh].text << "\n";
    *out_ << std::flush;
    std::string answer;
    bool any = false, block = false;
    for (std::string line; std::getline(*in_, line);) {
      if (line.ends_with('\r')) line.pop_back();
      if (line.empty() && !block) {
        if (any) break;
        continue;  // before the answer: still nothing
      }
      if (TrimAscii(line).starts_with("```")) block = !block;
      answer += (any ? "\n" : "") + line;
      any = true;
    }
    left_ = !any;
    return answer;
  });
}

}  // namespace cogent
