#include "experiments/serve_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/scalar.h"

namespace cogent {
namespace {

using Json = nlohmann::json;
using Written = nlohmann::ordered_json;

constexpr int kMostChoices = 128, kDeepestBody = 32;
constexpr std::size_t kMostStops = 16, kLongestStop = 1000;

std::string Dump(const Written& json) { return json.dump(-1, ' ', false, Written::error_handler_t::replace); }

// The fields that are plain values, under the names that the API has for them.
struct Values {
  bool chat = false;
  std::string model;
  int max_tokens = 0, max_completion_tokens = 0;  // 0: not given
  Sampling sampling;
  std::int64_t seed = 0;
  int n = 1;
  bool token_logprobs = false;
  int logprobs = -1;
  bool stream = false, return_token_ids = false;

  void VisitFields(FieldVisitor& visit) {
    visit("model", model, "");
    visit("max_tokens", max_tokens, "", {1, 1 << 24});
    if (chat) visit("max_completion_tokens", max_completion_tokens, "", {1, 1 << 24});
    visit("temperature", sampling.temperature, "", {0.0, 100.0});
    visit("top_k", sampling.top_k, "", {-1, 1 << 24});
    visit("top_p", sampling.top_p, "", {0.0, 1.0});
    visit("min_p", sampling.min_p, "", {0.0, 1.0});
    visit("repetition_penalty", sampling.repetition_penalty, "", {0.01, 100.0});
    visit("ignore_eos", sampling.ignore_eos, "");
    visit("seed", seed, "", {-0x1p63, 0x1p63});
    visit("n", n, "", {1, kMostChoices});
    if (chat) visit("logprobs", token_logprobs, "");
    else visit("logprobs", logprobs, "", {0, 100});
    visit("stream", stream, "");
    visit("return_token_ids", return_token_ids, "");
  }
};

// Fields of OpenAI's and of its relatives', with the values that ask for nothing.
const std::map<std::string, std::vector<Json>>& Neutral() {
  static const std::map<std::string, std::vector<Json>> table = {
      {"frequency_penalty", {0}}, {"presence_penalty", {0}}, {"best_of", {1}}, {"echo", {false}}, {"suffix", {""}}, {"logit_bias", {Json::object()}},
      {"top_logprobs", {0}}, {"tools", {Json::array()}}, {"tool_choice", {"none", "auto"}}, {"response_format", {Json{{"type", "text"}}}},
      {"use_beam_search", {false}}, {"skip_special_tokens", {true, false}}, {"include_stop_str_in_output", {false}}};
  return table;
}

// Takes a field out, so that what is left behind is unknown. Null is the same as absent.
std::optional<Json> Take(Json& body, const char* name) {
  const auto found = body.find(name);
  if (found == body.end()) return std::nullopt;
  Json value = std::move(*found);
  body.erase(found);
  if (value.is_null()) return std::nullopt;
  return value;
}

void DropNeutral(Json& body) {
  for (const char* ignored : {"user", "metadata", "store"}) Take(body, ignored);
  for (const auto& [name, values] : Neutral()) {
    const auto given = Take(body, name.c_str());
    if (given && std::find(values.begin(), values.end(), *given) == values.end()) throw ApiError(400, name, "'" + name + "' is not to be had here; leave it out");
  }
}

// Each value's place is its field, which stands in front of what is wrong with it.
Node AsNode(const std::string& field, const Json& value) {
  const Location where{field, 0, 0};
  if (value.is_array()) return Node::List(where);
  if (value.is_object()) return Node::Map(where);
  Node node = Node::Scalar(value.is_string() ? value.get<std::string>() : value.dump(), where);
  node.quoted = value.is_string();
  return node;
}

Values ReadValues(const Json& body, bool chat) {
  Values values;
  values.chat = chat;
  Node node = Node::Map({"request", 0, 0});
  for (const auto& [field, value] : body.items()) {
    if (value.is_null()) continue;
    node.Set(field, AsNode(field, value));
    node.key_locations.resize(node.entries.size(), {field, 0, 0});
    node.key_locations.back() = {field, 0, 0};
  }
  Problems problems;
  ReadFields(node, "the request", [&](FieldVisitor& v) { values.VisitFields(v); }, problems);
  if (problems.empty()) return values;
  const std::string& line = problems.lines().front();
  const std::size_t colon = line.find(": ");
  std::string said = colon == std::string::npos ? line : line.substr(colon + 2);
  const std::string known = " Known: ";  // those that are read elsewhere, too
  if (const std::size_t at = said.find(known); at != std::string::npos) said.insert(at + known.size(), chat ? "messages, stop, stream_options, " : "prompt, stop, stream_options, ");
  throw ApiError(400, line.substr(0, colon), said);
}

std::vector<std::string> ReadStop(Json& body) {
  const auto given = Take(body, "stop");
  if (!given) return {};
  std::vector<std::string> stop;
  const Json list = given->is_array() ? *given : Json::array({*given});
  for (const Json& text : list) {
    if (!text.is_string() || text.get_ref<const std::string&>().empty() || text.get_ref<const std::string&>().size() > kLongestStop) {
      throw ApiError(400, "stop", fmt::format("'stop' must be a text of 1 to {} bytes, or a list of such", kLongestStop));
    }
    stop.push_back(text.get<std::string>());
  }
  if (stop.size() > kMostStops) throw ApiError(400, "stop", fmt::format("'stop' has {} texts; {} are taken at most", stop.size(), kMostStops));
  return stop;
}

std::vector<std::int32_t> ReadPrompt(Json& body, const ServedModel& model) {
  const auto given = Take(body, "prompt");
  if (!given) throw ApiError(400, "prompt", "'prompt' is missing: a text, or a list of token ids");
  if (given->is_string()) return model.tokenizer->EncodePrompt(given->get_ref<const std::string&>());
  std::vector<std::int32_t> ids;
  if (!given->is_array()) throw ApiError(400, "prompt", "'prompt' must be a text or a list of token ids");
  for (const Json& id : *given) {
    if (!id.is_number_integer()) throw ApiError(400, "prompt", "'prompt' must be one text or one list of token ids; send several prompts as several requests");
    const bool known = (id.is_number_unsigned() || id.get<std::int64_t>() >= 0) && id.get<std::uint64_t>() < static_cast<std::uint64_t>(model.vocabulary);
    if (!known) throw ApiError(400, "prompt", fmt::format("'prompt' holds the id {}, but the model has ids from 0 to {}", id.dump(), model.vocabulary - 1));
    ids.push_back(id.get<std::int32_t>());
  }
  return ids;
}

// A content is a text, or a list of parts that are texts.
std::string ReadContent(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  const auto refuse = [] { throw ApiError(400, "messages", "a message's 'content' must be a text, or a list of parts {\"type\": \"text\", \"text\": ...}"); };
  if (!content.is_array()) refuse();
  for (const Json& part : content) {
    if (!part.is_object() || part.value("type", Json()) != "text" || !part.value("text", Json()).is_string()) refuse();
    text += part["text"].get_ref<const std::string&>();
  }
  return text;
}

std::vector<std::int32_t> ReadMessages(Json& body, const ServedModel& model) {
  const auto given = Take(body, "messages");
  if (!given) throw ApiError(400, "messages", "'messages' is missing: a list of {\"role\": ..., \"content\": ...}");
  if (!given->is_array() || given->empty()) throw ApiError(400, "messages", "'messages' must be a list of {\"role\": ..., \"content\": ...}, one at least");
  if (!model.chat_prompt) throw ApiError(400, "messages", "the model has no chat template; ask /v1/completions with a prompt");
  Json messages = Json::array();
  for (const Json& message : *given) {
    const Json role = message.is_object() ? message.value("role", Json()) : Json();
    if (role != "system" && role != "user" && role != "assistant" && role != "tool") {
      throw ApiError(400, "messages", "a message's 'role' must be system, user, assistant or tool, found " + (role.is_null() ? "none" : Shortened(role.dump(-1, ' ', true), 60)));
    }
    messages.push_back({{"role", role}, {"content", ReadContent(message.value("content", Json()))}});
  }
  try {
    return model.tokenizer->EncodePrompt(model.chat_prompt(messages.dump()));
  } catch (const DataError& error) {
    throw ApiError(400, "messages", error.what());
  }
}

bool ReadStreamUsage(Json& body) {
  auto options = Take(body, "stream_options");
  if (!options) return false;
  const Json wanted = options->is_object() ? options->value("include_usage", Json(false)) : Json();
  if (!wanted.is_boolean()) throw ApiError(400, "stream_options", "'stream_options' must be {\"include_usage\": true or false}");
  return wanted.get<bool>();
}

// Every copy of a value is as deep on the stack as the value is nested.
Json ParseObject(std::string_view text) {
  const auto watch = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kDeepestBody) throw ApiError(400, "", fmt::format("the body is nested more than {} deep, which no request needs", kDeepestBody));
    return true;
  };
  Json body;
  try {
    body = Json::parse(text, watch);
  } catch (const Json::exception& error) {  // also of a number that no double holds
    const std::string_view said = error.what();  // behind "[json.exception.parse_error.101] "
    throw ApiError(400, "", "the body is no JSON object: " + std::string(said.substr(said.find("] ") + 2)));
  }
  if (!body.is_object()) throw ApiError(400, "", "the body is no JSON object");
  return body;
}

std::string BytesOf(const ServedModel& model, const SampledToken& token) { return std::string(model.tokenizer->TokenBytes(token.id)); }

Written LogprobsOf(const Request& request, const ServedModel& model, const std::vector<SampledToken>& tokens) {
  const auto value = [&](const SampledToken& token) { return static_cast<double>(model.processed_logprobs ? token.sampled_logprob : token.logprob); };
  if (request.chat) {
    Written content = Written::array();
    for (const SampledToken& token : tokens) {
      const std::string bytes = BytesOf(model, token);
      Written numbers = Written::array();
      for (const unsigned char byte : bytes) numbers.push_back(byte);
      content.push_back({{"token", bytes}, {"logprob", value(token)}, {"bytes", numbers}, {"top_logprobs", Written::array()}});
    }
    return {{"content", content}};
  }
  Written texts = Written::array(), values = Written::array();
  for (const SampledToken& token : tokens) texts.push_back(BytesOf(model, token)), values.push_back(value(token));
  return {{"tokens", texts}, {"token_logprobs", values}, {"top_logprobs", nullptr}};
}

Written IdsOf(const std::vector<SampledToken>& tokens) {
  Written ids = Written::array();
  for (const SampledToken& token : tokens) ids.push_back(token.id);
  return ids;
}

Written Head(const Request& request, const ServedModel& model, std::uint64_t id, const char* chat_object) {
  return {{"id", fmt::format("{}-{}", request.chat ? "chatcmpl" : "cmpl", id)}, {"object", request.chat ? chat_object : "text_completion"},
          {"created", static_cast<std::int64_t>(std::time(nullptr))}, {"model", model.name}};
}

// A choice of a whole reply, or of an event, whose texts are `delta`s.
Written ChoiceOf(const Request& request, const ServedModel& model, const ReplyChoice& choice, bool event, bool first) {
  Written out{{"index", choice.index}};
  if (!request.chat) out["text"] = choice.text;
  else if (!event) out["message"] = {{"role", "assistant"}, {"content", choice.text}};
  else if (first) out["delta"] = {{"role", "assistant"}, {"content", choice.text}};
  else out["delta"] = {{"content", choice.text}};
  out["logprobs"] = request.logprobs ? LogprobsOf(request, model, choice.tokens) : Written();
  out["finish_reason"] = !choice.over ? Written() : choice.truncated ? "length" : "stop";
  if (request.return_token_ids) {
    out["token_ids"] = IdsOf(choice.tokens);
    if (!request.chat && (!event || first)) out["prompt_token_ids"] = request.prompt;
  }
  return out;
}

Written Usage(const Request& request, std::size_t completion_tokens) {
  return {{"prompt_tokens", request.prompt.size()}, {"completion_tokens", completion_tokens}, {"total_tokens", request.prompt.size() + completion_tokens}};
}

std::string Event(const Written& json) { return "data: " + Dump(json) + "\n\n"; }

}  // namespace

std::string ApiError::Body() const {
  const char* type = status_ == 404 ? "not_found_error" : status_ >= 500 ? "server_error" : "invalid_request_error";
  return Dump({{"error", {{"message", what()}, {"type", type}, {"param", field_.empty() ? Written() : Written(field_)}, {"code", status_}}}});
}

Request ReadRequest(std::string_view text, bool chat, const ServedModel& model) {
  Json body = ParseObject(text);
  Request request;
  request.chat = chat;
  DropNeutral(body);
  const std::vector<std::string> stop = ReadStop(body);
  request.stream_usage = ReadStreamUsage(body);
  Json asked = Json::object();
  if (auto prompt = Take(body, chat ? "messages" : "prompt")) asked[chat ? "messages" : "prompt"] = std::move(*prompt);
  const bool seeded = body.contains("seed") && !body["seed"].is_null();
  const Values values = ReadValues(body, chat);
  if (!values.model.empty() && values.model != model.name) {
    throw ApiError(404, "model", fmt::format("there is no model {} here; it is called {}", Quoted(values.model), Quoted(model.name)));
  }
  if (values.logprobs > 0) throw ApiError(400, "logprobs", "'logprobs' must be 0, the chosen tokens' own: alternatives are not kept");
  request.prompt = chat ? ReadMessages(asked, model) : ReadPrompt(asked, model);
  if (request.prompt.empty()) throw ApiError(400, "prompt", "the prompt has no tokens; give it at least one");
  if (static_cast<int>(request.prompt.size()) >= model.context) {
    throw ApiError(400, chat ? "messages" : "prompt", fmt::format("the prompt has {} tokens, which leaves no room in the context of {} tokens", request.prompt.size(), model.context));
  }
  request.sampling = values.sampling;
  request.sampling.stop = stop;
  request.sampling.top_k = std::max(0, values.sampling.top_k);
  const int most = model.context - static_cast<int>(request.prompt.size()), given = std::max(values.max_tokens, values.max_completion_tokens);
  constexpr int kOfCompletions = 16;  // as OpenAI has it
  request.sampling.max_new_tokens = std::min(most, given > 0 ? given : chat ? most : kOfCompletions);
  if (seeded) request.seed = static_cast<std::uint64_t>(values.seed);
  request.n = values.n;
  request.logprobs = values.token_logprobs || values.logprobs == 0;
  request.return_token_ids = values.return_token_ids;
  request.stream = values.stream;
  return request;
}

std::string ReadModelPath(std::string_view text) {
  Json body = ParseObject(text);
  const auto path = Take(body, "model_path");
  if (!path) throw ApiError(400, "model_path", "'model_path' is missing: the directory of a checkpoint");
  if (!path->is_string() || path->get_ref<const std::string&>().empty()) throw ApiError(400, "model_path", "'model_path' must be a text, the directory of a checkpoint");
  return path->get<std::string>();
}

std::string ReplyBody(const Request& request, const ServedModel& model, std::uint64_t id, const std::vector<ReplyChoice>& choices) {
  Written reply = Head(request, model, id, "chat.completion");
  std::size_t tokens = 0;
  reply["choices"] = Written::array();
  for (const ReplyChoice& choice : choices) {
    reply["choices"].push_back(ChoiceOf(request, model, choice, false, true));
    tokens += choice.tokens.size();
  }
  if (request.return_token_ids && request.chat) reply["prompt_token_ids"] = request.prompt;
  reply["usage"] = Usage(request, tokens);
  return Dump(reply);
}

std::string StreamEvent(const Request& request, const ServedModel& model, std::uint64_t id, const ReplyChoice& part, bool first) {
  Written event = Head(request, model, id, "chat.completion.chunk");
  event["choices"] = Written::array({ChoiceOf(request, model, part, true, first)});
  if (first && request.return_token_ids && request.chat) event["prompt_token_ids"] = request.prompt;
  return Event(event);
}

std::string StreamEnd(const Request& request, const ServedModel& model, std::uint64_t id, std::size_t completion_tokens) {
  std::string end;
  if (request.stream_usage) {
    Written event = Head(request, model, id, "chat.completion.chunk");
    event["choices"] = Written::array();
    event["usage"] = Usage(request, completion_tokens);
    end = Event(event);
  }
  return end + "data: [DONE]\n\n";
}

std::string ModelsBody(const ServedModel& model) {
  return Dump({{"object", "list"}, {"data", Written::array({{{"id", model.name}, {"object", "model"}, {"owned_by", "cogent"}, {"max_model_len", model.context}}})}});
}

CompletionText::CompletionText(const ServedModel& model, std::vector<std::string> stop) : model_(&model), stop_(std::move(stop)), decoder_(*model.tokenizer) {}

std::string CompletionText::Add(std::int32_t id) {
  if (stopped_ || std::binary_search(model_->ends.begin(), model_->ends.end(), id)) return {};
  held_ += decoder_.Add(id);
  return Release(false);
}

std::string CompletionText::Finish() {
  if (stopped_) return {};
  held_ += decoder_.Finish();
  return Release(true);
}

// Up to the first stop text; before that, all that cannot be the beginning of one.
std::string CompletionText::Release(bool all) {
  std::size_t end = held_.size(), kept = 0;
  for (const std::string& stop : stop_) {
    const std::size_t at = held_.find(stop);
    if (at != std::string::npos) stopped_ = true, end = std::min(end, at);
    for (std::size_t size = std::min(stop.size() - 1, held_.size()); size > kept; --size) {
      if (held_.compare(held_.size() - size, size, stop, 0, size) == 0) kept = size;
    }
  }
  if (!stopped_ && !all) end -= kept;
  std::string out = held_.substr(0, end);
  held_.erase(0, end);
  return out;
}

}  // namespace cogent
