#include "agents/remote_agent.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/scalar.h"
#include "envs/template.h"

namespace cogent {
namespace {

using Json = nlohmann::json;

std::string KeyFrom(const std::string& variable) {
  if (variable.empty()) return {};
  const char* key = std::getenv(variable.c_str());
  if (key == nullptr || *key == '\0') throw ConfigError("remote.key_variable: the environment has no " + variable + "; set it to the server's key");
  return key;
}

const char* NameOf(Role role) {
  switch (role) {
    case Role::kSystem: return "system";
    case Role::kAssistant: return "assistant";
    default: return "user";
  }
}

// The first prompt with the examples before it, then this episode's turns and what came between them, as it is.
std::string PromptText(const std::string& template_text, const Conversation& conversation) {
  const auto& messages = conversation.messages;
  std::size_t first = messages.size();
  for (std::size_t own = conversation.turns == nullptr ? 0 : conversation.turns->size(); own > 0 && first > 0;) own -= messages[--first].role == Role::kAssistant;
  std::string text;
  for (const Exchange& exchange : RenderExchanges(template_text, {messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(first)})) {
    text += exchange.prompt + exchange.completion;
    if (!exchange.completion.empty()) text += "\n\n";
  }
  for (; first < messages.size(); ++first) text += messages[first].text;
  return text;
}

// A text at a key, empty where there is none (null is what servers write for it).
std::string TextAt(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json* At(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// Log-probabilities as chat ({"content": [{"logprob"}]}) and completions ({"token_logprobs": []}) give them.
std::vector<float> LogprobsOf(const Json& choice) {
  std::vector<float> all;
  const Json* given = At(choice, "logprobs");
  if (given == nullptr) return all;
  if (const Json* content = At(*given, "content"); content != nullptr && content->is_array()) {
    for (const Json& token : *content) {
      const Json* value = At(token, "logprob");
      if (value == nullptr || !value->is_number()) return {};
      all.push_back(value->get<float>());
    }
  } else if (const Json* values = At(*given, "token_logprobs"); values != nullptr && values->is_array()) {
    for (const Json& value : *values) {
      if (!value.is_number()) return {};
      all.push_back(value.get<float>());
    }
  }
  return all;
}

Turn ReadReply(const HttpReply& reply) {
  Turn turn;
  turn.failure = reply.Failure();
  if (!turn.failure.empty()) {
    if (reply.attempts > 1) turn.failure += " (" + std::to_string(reply.attempts) + " attempts)";
    return turn;
  }
  const Json json = Json::parse(reply.body, nullptr, false);
  const Json* choices = At(json, "choices");
  if (choices == nullptr || !choices->is_array() || choices->empty() || !choices->front().is_object()) {
    turn.failure = "the server's answer has no `choices`: " + Quoted(reply.body);
    return turn;
  }
  const Json& choice = choices->front();
  if (const Json* message = At(choice, "message")) {
    turn.text = TextAt(*message, "content");
    std::string reasoning = TextAt(*message, "reasoning_content");
    if (reasoning.empty()) reasoning = TextAt(*message, "reasoning");
    if (!reasoning.empty()) turn.text = "<think>" + reasoning + "</think>" + turn.text;
  } else {
    turn.text = TextAt(choice, "text");
  }
  turn.truncated = TextAt(choice, "finish_reason") == "length";
  turn.logprobs = LogprobsOf(choice);
  std::size_t tokens = turn.logprobs.size();
  if (const Json* usage = At(json, "usage")) {
    const Json* count = At(*usage, "completion_tokens");
    if (count != nullptr && count->is_number_unsigned()) tokens = count->get<std::size_t>();
  }
  tokens = std::min(tokens, reply.body.size());  // no token is shorter than a byte of the answer
  if (turn.logprobs.size() != tokens) turn.logprobs.clear();
  turn.completion_ids.assign(tokens, kNoToken);
  return turn;
}

}  // namespace

void RemoteSettings::VisitFields(FieldVisitor& visit) {
  visit("url", url, "of an OpenAI-compatible endpoint, as http://127.0.0.1:8000/v1");
  visit("model", model, "the model as the server names it");
  visit("key_variable", key_variable, "environment variable that holds the server's key; empty = none is sent");
  visit("api", api, "chat (/chat/completions: the server's own format) or completions (/completions: the run's prompt_template)", OneOf{"chat", "completions"});
  visit("timeout", timeout, "seconds of one attempt", {0.01, 1e5});
  visit("retries", retries, "attempts after the first", {0, 100});
  visit("concurrent", concurrent, "requests under way at once", {1, 1024});
  visit("logprobs", logprobs, "ask for the tokens' log-probabilities");
}

void RemoteSettings::Validate(Problems& problems, const Node& section) const {
  if (url.empty()) problems.Add(section.PlaceOf("url"), "remote.url is missing, as http://127.0.0.1:8000/v1");
  if (model.empty()) problems.Add(section.PlaceOf("model"), "remote.model is missing: the name by which the server knows its model");
}

RemoteAgent::RemoteAgent(const RemoteSettings& settings, const std::string& prompt_template, Sampling sampling)
    : settings_(settings), template_(settings.api == "completions" ? TemplateText(prompt_template) : std::string()), sampling_(std::move(sampling)),
      client_({settings.url, KeyFrom(settings.key_variable), settings.timeout, settings.retries, settings.concurrent}) {
  if (sampling_.max_thinking_tokens > 0) throw ConfigError("rollout.max_thinking_tokens is for a policy of one's own: a remote server cannot be made to close its reasoning; set it to 0");
}

std::string RemoteAgent::Body(const Conversation& conversation, const Rng& draws) const {
  const bool chat = settings_.api == "chat";
  nlohmann::ordered_json body{{"model", settings_.model}};
  if (chat) {
    for (const Message& message : conversation.messages) body["messages"].push_back({{"role", NameOf(message.role)}, {"content", message.text}});
  } else {
    body["prompt"] = PromptText(template_, conversation);
  }
  body["max_tokens"] = sampling_.max_new_tokens;
  body["temperature"] = sampling_.temperature;
  if (sampling_.top_p < 1.0) body["top_p"] = sampling_.top_p;
  if (sampling_.top_k > 0) body["top_k"] = sampling_.top_k;
  if (sampling_.min_p > 0) body["min_p"] = sampling_.min_p;
  if (sampling_.repetition_penalty != 1.0) body["repetition_penalty"] = sampling_.repetition_penalty;
  if (!sampling_.stop.empty()) body["stop"] = sampling_.stop;
  if (sampling_.temperature > 0) body["seed"] = draws.key() & 0x7FFFFFFFu;
  if (settings_.logprobs && chat) body["logprobs"] = true;
  if (settings_.logprobs && !chat) body["logprobs"] = 0;
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<Turn> RemoteAgent::Act(const std::vector<Conversation>& conversations, const std::vector<Rng>& draws) {
  std::vector<std::string> bodies;
  for (std::size_t i = 0; i < conversations.size(); ++i) bodies.push_back(Body(conversations[i], draws[i]));
  const Rng waits = draws.empty() ? Rng(0) : draws.front().Fork("waits");
  const auto replies = client_.PostAll(settings_.api == "chat" ? "/chat/completions" : "/completions", bodies, waits);
  std::vector<Turn> turns;
  for (const HttpReply& reply : replies) {
    if (reply.status == 401 || reply.status == 403 || reply.status == 404) {
      throw RemoteError(settings_.url + " answers " + reply.Failure() + "; look at remote.url, remote.model ('" + settings_.model + "') and remote.key_variable");
    }
    turns.push_back(ReadReply(reply));
  }
  return turns;
}

}  // namespace cogent
