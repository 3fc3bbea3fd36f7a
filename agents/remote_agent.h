// A model behind an OpenAI-compatible endpoint (vLLM, SGLang, llama.cpp's server, a hosted one) as an agent.
//
//   RemoteAgent agent({.url = "http://127.0.0.1:8000/v1", .model = "qwen"}, "plain", {.temperature = 0.6, .max_new_tokens = 4096});
//
// With `api: chat`, the conversation goes to /chat/completions as messages, and the server puts its own format around them; what a tool
// says goes as a user's message. With `api: completions`, the prompt template makes one text of it, for base models.
// `reasoning_content`, which servers with a reasoning parser cut out, is put back in front as <think>...</think>.
// A turn's tokens have no ids then: there are as many as the server counts, each kNoToken, with log-probabilities where `logprobs`
// asks for them and the server gives as many. Such turns can be scored and kept as data; no algorithm trains on them.
//
// With the tokenizer of the policy that the server holds, turns can be learned from: the server is asked for token ids (vLLM's
// `return_token_ids`) and log-probabilities, by `api: completions` with the prompt's ids, which are those of agents/prompt_tokens.h.
// What the server read must be these ids, what it chose must be ids of the tokenizer with a log-probability each, and an answer that was
// not cut must end as the policy's do (the end of sequence, or a stop text): anything else is a RemoteError that says what is missing.
//
// What fails after all its retries (agents/http.h) becomes a turn with `failure` in it, never an empty answer. Answers
// that would be the same for every request, that the key, the model or the path is wrong (401, 403, 404), are a RemoteError at once.
// Source: the OpenAI API reference; the servers' own pages on compatibility. Thread rule: one call at a time.
#pragma once

#include <string>
#include <vector>

#include "agents/agent.h"
#include "agents/http.h"
#include "core/config.h"
#include "policies/sampling.h"
#include "policies/tokenizer.h"

namespace cogent {

inline constexpr std::int32_t kNoToken = -1;

// The section `remote` of a run's YAML.
struct RemoteSettings {
  std::string url;
  std::string model;
  std::string key_variable;  // the environment's variable that holds the key: keys are never in a file of ours
  std::string api = "chat";
  double timeout = 120.0;
  int retries = 5;
  int concurrent = 8;
  bool logprobs = false;
  HttpOptions Connection() const;  // ConfigError when the variable of the key is not set
  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Node& section) const;
};

// Whether the server is there and takes the key: asked before anything long is begun for it, by its list of models (GET /models), which all of
// them have. RemoteError with what to do where nothing answers within ten seconds, or where it answers 401 or 403; any other answer is one.
void CheckServer(const RemoteSettings& settings);

// What is learned from a server's turns: how its ids are read.
struct LearnedPolicy {
  const Tokenizer* tokenizer = nullptr;  // must outlive the agent
  std::vector<std::int32_t> ends;        // ids that end a completion
  int context = 0;                       // tokens of prompt and completion at most
};

// The seed that a server is asked to draw a turn by.
std::uint64_t SeedFor(const Rng& draws);

class RemoteAgent final : public Agent {
 public:
  // `prompt_template` as PolicyAgent's, for `api: completions` and for what is learned from. Throws what Connection and HttpClient
  // throw. Of `sampling`, top_k goes out only where it is not 0: OpenAI's own servers do not know it.
  RemoteAgent(const RemoteSettings& settings, const std::string& prompt_template, Sampling sampling, LearnedPolicy policy = {});
  // Greedy at temperature 0; else draws[i] becomes the request's seed, which servers take as they can.
  std::vector<Turn> Act(const std::vector<Conversation>& conversations, const std::vector<Rng>& draws) override;

 private:
  bool learns() const { return policy_.tokenizer != nullptr; }
  std::string Body(const Conversation& conversation, const std::vector<std::int32_t>& context, const Rng& draws) const;
  void TakeTokens(const HttpReply& reply, const std::vector<std::int32_t>& context, Turn& turn) const;

  RemoteSettings settings_;
  std::string template_;
  Sampling sampling_;
  LearnedPolicy policy_;
  HttpClient client_;
};

}  // namespace cogent
