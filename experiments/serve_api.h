// The OpenAI API from the server's side: what a request asks for, and what a reply says. No sockets, no LibTorch.
//
//   Request request = ReadRequest(body, /*chat=*/false, model);      // ApiError names the field that is wrong
//   CompletionText text(model, request.sampling.stop);
//   std::string reply = ReplyBody(request, model, 7, choices);
//
// Fields: model, prompt (a text or token ids) or messages, max_tokens (max_completion_tokens), temperature, top_p, top_k, min_p,
// repetition_penalty, seed, stop, n, logprobs, stream, stream_options.include_usage, ignore_eos, return_token_ids. Others of OpenAI's are
// taken where they ask for nothing (frequency_penalty: 0); what asks for more than there is, and what is unknown, is refused.
// `logprobs` (completions: 0, chat: true) gives each chosen token's own, without alternatives. `return_token_ids` is vLLM's: a choice
// gets `token_ids` (the end of sequence included) and the reply `prompt_token_ids`, in the choice for completions and at the top for chat.
// Source: the OpenAI API reference; vLLM's page on its OpenAI-compatible server.
// Thread rule: functions of their arguments.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "policies/sampling.h"
#include "policies/tokenizer.h"

namespace cogent {

// What is served.
struct ServedModel {
  std::string name;                // as requests call it
  const Tokenizer* tokenizer = nullptr;
  std::vector<std::int32_t> ends;  // ids that end a completion, rising
  int vocabulary = 0;              // ids below it can stand in a prompt
  int context = 0;                 // tokens of prompt and completion
  bool processed_logprobs = false; // log-probabilities are of the distribution drawn from, not of the model at temperature 1
  // The text that the chat template makes of a JSON array of messages; throws DataError. None: the model has no template.
  std::function<std::string(const std::string& messages)> chat_prompt = {};
};

// A request that cannot be answered; `field` may be empty.
class ApiError : public Error {
 public:
  ApiError(int status, std::string field, const std::string& message) : Error(message), status_(status), field_(std::move(field)) {}
  int status() const { return status_; }
  std::string Body() const;  // as OpenAI writes errors
 private:
  int status_;
  std::string field_;
};

struct Request {
  bool chat = false;
  std::vector<std::int32_t> prompt;
  Sampling sampling;
  std::optional<std::uint64_t> seed;
  int n = 1;
  bool logprobs = false, return_token_ids = false, stream = false, stream_usage = false;
};
Request ReadRequest(std::string_view body, bool chat, const ServedModel& model);
// {"model_path": DIR}, SGLang's.
std::string ReadModelPath(std::string_view body);

// What came of one of the request's completions, whole or the newest part of it.
struct ReplyChoice {
  int index = 0;
  std::string text;
  std::vector<SampledToken> tokens;
  bool over = false, truncated = false;
};

// Replies. `id` tells requests apart.
std::string ReplyBody(const Request& request, const ServedModel& model, std::uint64_t id, const std::vector<ReplyChoice>& choices);
// One event of a stream, `data: ...` and an empty line. The first of each choice names the role, and holds the prompt's ids.
std::string StreamEvent(const Request& request, const ServedModel& model, std::uint64_t id, const ReplyChoice& part, bool first);
std::string StreamEnd(const Request& request, const ServedModel& model, std::uint64_t id, std::size_t completion_tokens);
std::string ModelsBody(const ServedModel& model);

// A completion's text as its tokens come: whole characters, without the id that ends it, and up to a stop text.
class CompletionText {
 public:
  CompletionText(const ServedModel& model, std::vector<std::string> stop);
  std::string Add(std::int32_t id);  // what is sure to belong to it now
  std::string Finish();

 private:
  std::string Release(bool all);

  const ServedModel* model_;
  std::vector<std::string> stop_;
  StreamDecoder decoder_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace cogent
