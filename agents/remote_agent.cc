#include "agents/remote_agent.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "agents/prompt_tokens.h"
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

// Token ids at a key; nothing where they are missing or no ids.
std::optional<std::vector<std::int32_t>> IdsAt(const Json& object, const char* key) {
  const Json* given = At(object, key);
  if (given == nullptr || !given->is_array()) return std::nullopt;
  std::vector<std::int32_t> ids;
  for (const Json& id : *given) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
    ids.push_back(id.get<std::int32_t>());
  }
  return ids;
}

// Where two lists of ids part, with the texts of the ids.
std::string Parting(const std::vector<std::int32_t>& theirs, const std::vector<std::int32_t>& ours, const Tokenizer& tokenizer) {
  std::size_t at = 0;
  while (at < theirs.size() && at < ours.size() && theirs[at] == ours[at]) ++at;
  const auto token = [&](const std::vector<std::int32_t>& ids) {
    return at < ids.size() ? std::to_string(ids[at]) + " (" + Quoted(tokenizer.TokenBytes(ids[at])) + ")" : std::string("nothing");
  };
  return "it read " + std::to_string(theirs.size()) + " tokens and not " + std::to_string(ours.size()) + "; token " + std::to_string(at) + " is " + token(theirs) + " there and " +
         token(ours) + " here";
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

HttpOptions RemoteSettings::Connection() const { return {url, KeyFrom(key_variable), timeout, retries, concurrent}; }

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

void CheckServer(const RemoteSettings& settings) {
  HttpOptions options = settings.Connection();
  options.timeout_seconds = std::min(options.timeout_seconds, 10.0);
  options.retries = std::min(options.retries, 2);
  const HttpReply reply = HttpClient(options).Get("/models");
  if (reply.status == 0) {
    throw RemoteError(settings.url + ": no server answers there (" + reply.Failure() + "); start it, or correct remote.url. It was asked before anything was begun, so nothing is lost");
  }
  if (reply.status == 401 || reply.status == 403) {
    throw RemoteError(settings.url + " answers " + reply.Failure() + "; " +
                      (settings.key_variable.empty() ? std::string("it wants a key: set remote.key_variable to the name of the environment's variable that holds it")
                                                     : "look at the key in " + settings.key_variable + ", the environment's variable that remote.key_variable names"));
  }
}

RemoteAgent::RemoteAgent(const RemoteSettings& settings, const std::string& prompt_template, Sampling sampling, LearnedPolicy policy)
    : settings_(settings), template_(settings.api == "completions" || policy.tokenizer != nullptr ? TemplateText(prompt_template) : std::string()),
      sampling_(std::move(sampling)), policy_(std::move(policy)),
      client_(settings.Connection()) {
  if (sampling_.max_thinking_tokens > 0) throw ConfigError("rollout.max_thinking_tokens is for a policy of one's own: a remote server cannot be made to close its reasoning; set it to 0");
}

std::uint64_t SeedFor(const Rng& draws) { return draws.key() & 0x7FFFFFFFu; }

std::string RemoteAgent::Body(const Conversation& conversation, const std::vector<std::int32_t>& context, const Rng& draws) const {
  const bool chat = settings_.api == "chat";
  nlohmann::ordered_json body{{"model", settings_.model}};
  if (chat) {
    for (const Message& message : conversation.messages) body["messages"].push_back({{"role", NameOf(message.role)}, {"content", message.text}});
  } else {
    if (learns()) body["prompt"] = context;
    else body["prompt"] = PromptText(template_, conversation);
  }
  body["max_tokens"] = learns() ? std::min(sampling_.max_new_tokens, policy_.context - static_cast<int>(context.size())) : sampling_.max_new_tokens;
  body["temperature"] = sampling_.temperature;
  if (sampling_.top_p < 1.0) body["top_p"] = sampling_.top_p;
  if (sampling_.top_k > 0) body["top_k"] = sampling_.top_k;
  if (sampling_.min_p > 0) body["min_p"] = sampling_.min_p;
  if (sampling_.repetition_penalty != 1.0) body["repetition_penalty"] = sampling_.repetition_penalty;
  if (!sampling_.stop.empty()) body["stop"] = sampling_.stop;
  if (sampling_.temperature > 0) body["seed"] = SeedFor(draws);
  const bool logprobs = settings_.logprobs || learns();
  if (logprobs && chat) body["logprobs"] = true;
  if (logprobs && !chat) body["logprobs"] = 0;
  if (learns()) body["return_token_ids"] = true;
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The turn of a reply that ReadReply could read, as tokens.
void RemoteAgent::TakeTokens(const HttpReply& reply, const std::vector<std::int32_t>& context, Turn& turn) const {
  const auto unusable = [&](const std::string& why) { throw RemoteError(settings_.url + ": its answers cannot be learned from: " + why); };
  const Tokenizer& tokenizer = *policy_.tokenizer;
  const Json json = Json::parse(reply.body, nullptr, false);
  const Json& choice = json["choices"].front();
  auto read = IdsAt(choice, "prompt_token_ids");
  if (!read) read = IdsAt(json, "prompt_token_ids");
  const auto ids = IdsAt(choice, "token_ids");
  if (!ids || !read) {
    unusable(std::string("they have no `") + (ids ? "prompt_token_ids" : "token_ids") + "`, which `return_token_ids` asks for; `cogent serve`, vLLM and SGLang give them in newer versions");
  }
  if (*read != context) unusable("the server's prompt is not the policy's: " + Parting(*read, context, tokenizer) + "; both need the same tokenizer, and api: completions sends ids");
  turn.context = ContextHash(*read);
  turn.logprobs = LogprobsOf(choice);
  if (turn.logprobs.size() != ids->size()) {
    unusable(std::to_string(ids->size()) + " tokens come with " + std::to_string(turn.logprobs.size()) + " log-probabilities; each needs its own (`logprobs`)");
  }
  for (const std::int32_t id : *ids) {
    if (id >= tokenizer.vocab_size()) unusable("the id " + std::to_string(id) + " is none of the policy's tokenizer, which has " + std::to_string(tokenizer.vocab_size()));
  }
  turn.completion_ids = *ids;
  std::vector<std::int32_t> shown = *ids;
  const bool ended = !shown.empty() && std::find(policy_.ends.begin(), policy_.ends.end(), shown.back()) != policy_.ends.end();
  if (ended) shown.pop_back();
  turn.text = tokenizer.Decode(shown);
  const bool stopped = std::any_of(sampling_.stop.begin(), sampling_.stop.end(), [&](const std::string& stop) { return turn.text.find(stop) != std::string::npos; });
  if (!turn.truncated && !ended && !stopped) {
    unusable(ids->empty() ? "an answer has no tokens" : "an answer ends with the id " + std::to_string(ids->back()) + ", which ends nothing: the end of sequence was chosen, too, and must be among `token_ids`");
  }
  turn.sampled_logprobs = turn.logprobs;
}

std::vector<Turn> RemoteAgent::Act(const std::vector<Conversation>& conversations, const std::vector<Rng>& draws) {
  std::vector<Turn> turns(conversations.size());
  std::vector<std::size_t> asked;
  std::vector<std::string> bodies;
  std::vector<std::vector<std::int32_t>> contexts;
  for (std::size_t i = 0; i < conversations.size(); ++i) {
    PromptTokens tokens;
    if (learns()) {
      tokens = TokensOf(template_, *policy_.tokenizer, conversations[i]);
      if (static_cast<int>(tokens.context.size()) >= policy_.context) {
        const bool first = tokens.fresh.size() == tokens.context.size();
        if (first) throw DataError("a prompt has " + std::to_string(tokens.context.size()) + " tokens, which leaves no room in the policy's context of " + std::to_string(policy_.context));
        turns[i].truncated = true;  // earlier turns filled it
        turns[i].prompt_ids = std::move(tokens.fresh);
        continue;
      }
    }
    asked.push_back(i);
    bodies.push_back(Body(conversations[i], tokens.context, draws[i]));
    turns[i].prompt_ids = std::move(tokens.fresh);
    contexts.push_back(std::move(tokens.context));
  }
  const Rng waits = draws.empty() ? Rng(0) : draws.front().Fork("waits");
  const auto replies = client_.PostAll(settings_.api == "chat" ? "/chat/completions" : "/completions", bodies, waits);
  for (std::size_t r = 0; r < replies.size(); ++r) {
    const HttpReply& reply = replies[r];
    if (reply.status == 401 || reply.status == 403 || reply.status == 404) {
      throw RemoteError(settings_.url + " answers " + reply.Failure() + "; look at remote.url, remote.model ('" + settings_.model + "') and remote.key_variable");
    }
    Turn turn = ReadReply(reply);
    turn.prompt_ids = std::move(turns[asked[r]].prompt_ids);
    if (learns() && turn.failure.empty()) TakeTokens(reply, contexts[r], turn);
    turns[asked[r]] = std::move(turn);
  }
  return turns;
}

}  // namespace cogent
