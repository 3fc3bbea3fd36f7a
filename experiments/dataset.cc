#include "experiments/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/error.h"
#include "core/file.h"

namespace cogent {
namespace {

using nlohmann::json;

constexpr std::size_t kMostMistakes = 10;

// What is wrong with a line; the caller knows which.
struct Mistake {
  std::string what;
};

Role RoleOf(const std::string& name) {
  if (name == "system") return Role::kSystem;
  if (name == "user") return Role::kUser;
  if (name == "assistant") return Role::kAssistant;
  if (name == "tool") return Role::kTool;
  throw Mistake{fmt::format("unknown role '{}'; known: system, user, assistant, tool", name)};
}

std::string TextOf(const json& value, const std::string& name) {
  if (!value.is_string()) throw Mistake{fmt::format("'{}' must be a text, found {}", name, value.type_name())};
  if (value.get_ref<const std::string&>().empty()) throw Mistake{fmt::format("'{}' is empty", name)};
  return value;
}

// A text is one message of `role`; a list holds messages.
void AddMessages(const json& line, const std::string& key, Role role, Dialogue& dialogue) {
  const json& value = line.at(key);
  if (!value.is_array()) {
    dialogue.push_back({role, TextOf(value, key)});
    return;
  }
  for (const json& message : value) {
    if (!message.is_object() || !message.contains("role") || !message.contains("content")) {
      throw Mistake{fmt::format("each of '{}' must be {{\"role\": ..., \"content\": ...}}", key)};
    }
    dialogue.push_back({RoleOf(TextOf(message.at("role"), "role")), TextOf(message.at("content"), "content")});
  }
}

void CheckDialogue(const Dialogue& dialogue) {
  if (dialogue.empty() || dialogue.back().role != Role::kAssistant) throw Mistake{"the last message must be the assistant's: there is nothing to learn behind it"};
  if (dialogue.front().role == Role::kAssistant) throw Mistake{"the first message is the assistant's; a prompt must come before it"};
}

Dialogue Joined(const json& line, const std::string& completion) {
  Dialogue dialogue;
  AddMessages(line, "prompt", Role::kUser, dialogue);
  AddMessages(line, completion, Role::kAssistant, dialogue);
  CheckDialogue(dialogue);
  return dialogue;
}

bool HasAll(const json& line, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (!line.contains(key)) return false;
  }
  return true;
}

double Label(const json& label, const std::string& name) {
  if (!label.is_boolean() && label != 0 && label != 1) throw Mistake{fmt::format("{} must be true or false, found {}", name, label.dump())};
  return label == true || label == 1 ? 1.0 : 0.0;
}

TextExample ReadSteps(const json& line) {
  if (!HasAll(line, {"prompt", "completions", "labels"})) throw Mistake{"steps need \"prompt\", \"completions\" and \"labels\""};
  TextExample example;
  Dialogue dialogue;
  AddMessages(line, "prompt", Role::kUser, dialogue);
  const json &steps = line.at("completions"), &labels = line.at("labels");
  if (!steps.is_array() || !labels.is_array()) throw Mistake{"'completions' and 'labels' must be lists"};
  if (steps.empty() || steps.size() != labels.size()) throw Mistake{fmt::format("there are {} completions and {} labels; each step has one label", steps.size(), labels.size())};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    dialogue.push_back({Role::kAssistant, TextOf(steps[i], fmt::format("completions[{}]", i))});
    example.labels.push_back(Label(labels[i], fmt::format("labels[{}]", i)));
  }
  CheckDialogue(dialogue);
  example.conversations = {std::move(dialogue)};
  return example;
}

TextExample Read(const json& line, TextKind kind) {
  if (!line.is_object()) throw Mistake{fmt::format("a line must be an object {{...}}, found {}", line.type_name())};
  if (kind == TextKind::kSteps) return ReadSteps(line);
  TextExample example;
  if (kind == TextKind::kJudged) {
    if (!HasAll(line, {"prompt", "completion", "label"})) throw Mistake{"a judged completion needs \"prompt\", \"completion\" and \"label\""};
    example.conversations = {Joined(line, "completion")};
    example.labels = {Label(line.at("label"), "'label'")};
    return example;
  }
  if (kind == TextKind::kPreference) {
    if (!HasAll(line, {"prompt", "chosen", "rejected"})) throw Mistake{"a preference needs \"prompt\", \"chosen\" and \"rejected\""};
    example.conversations = {Joined(line, "chosen"), Joined(line, "rejected")};
    if (line.contains("margin")) {
      if (!line.at("margin").is_number()) throw Mistake{fmt::format("'margin' must be a number, found {}", line.at("margin").type_name())};
      example.margin = line.at("margin");
    }
  } else if (HasAll(line, {"messages"})) {
    Dialogue dialogue;
    AddMessages(line, "messages", Role::kUser, dialogue);
    CheckDialogue(dialogue);
    example.conversations = {std::move(dialogue)};
  } else if (HasAll(line, {"prompt", "completion"})) {
    example.conversations = {Joined(line, "completion")};
  } else if (HasAll(line, {"chosen"})) {
    throw Mistake{"a demonstration needs \"prompt\" and \"completion\", or \"messages\"; this is a preference, which `algorithm: {name: dpo}` learns from"};
  } else {
    throw Mistake{"a demonstration needs \"prompt\" and \"completion\", or \"messages\""};
  }
  return example;
}

void ReadLines(const std::string& path, TextKind kind, std::vector<TextExample>& examples, std::vector<std::string>& mistakes) {
  ForEachLineIn(path, [&](int number, std::string_view line) {
    if (mistakes.size() >= kMostMistakes) return;
    const std::string where = fmt::format("{}:{}", path, number);
    try {
      TextExample example = Read(json::parse(line), kind);
      example.where = where;
      examples.push_back(std::move(example));
    } catch (const Mistake& mistake) {
      mistakes.push_back(where + ": " + mistake.what);
    } catch (const json::exception&) {
      mistakes.push_back(where + ": this is no JSON; each line must be one object");
    }
  });
}

}  // namespace

std::vector<TextExample> ReadExamples(const std::vector<std::string>& paths, TextKind kind) {
  std::vector<TextExample> examples;
  std::vector<std::string> mistakes;
  for (const std::string& path : paths) {
    const std::size_t before = examples.size();
    const std::size_t wrong = mistakes.size();
    ReadLines(path, kind, examples, mistakes);
    if (examples.size() == before && mistakes.size() == wrong && wrong < kMostMistakes) mistakes.push_back(path + ": there is no example in it");
  }
  if (!mistakes.empty()) {
    throw DataError(fmt::format("{}{}", fmt::join(mistakes, "\n"), mistakes.size() == kMostMistakes ? "\nand perhaps more: these are the first ten" : ""));
  }
  return examples;
}

}  // namespace cogent
