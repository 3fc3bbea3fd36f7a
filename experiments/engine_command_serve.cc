// cogent serve
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/log.h"
#include "experiments/engine_chat.h"
#include "experiments/engine_commands.h"
#include "experiments/serve.h"
#include "policies/generate.h"
#include "policies/weight_files.h"

namespace cogent {
namespace {

constexpr int kContext = 4096;        // where the line names none: the cache of every slot is as long
constexpr std::size_t kRoom = 4096;   // requests that wait

// The policy as it is drawn from; the weights as they were read go again.
struct Served {
  Served(StoredPolicy policy, const Generator::Options& options)
      : config(policy.parameters.config()), tokenizer(std::move(policy.tokenizer)), generator(policy.parameters, tokenizer, options) {}
  const ModelConfig config;
  const Tokenizer tokenizer;
  Generator generator;
};

// The keys of config.json that a network's arithmetic depends on and that differ, with both values; empty when it is the same network.
std::string Differences(const ModelConfig& other, const ModelConfig& served) {
  const auto theirs = nlohmann::json::parse(ModelConfigJson(other)), ours = nlohmann::json::parse(ModelConfigJson(served));
  std::string all;
  for (const auto& change : nlohmann::json::diff(ours, theirs)) {
    const std::string key = change["path"].get<std::string>().substr(1);
    if (key.find("token_id") != std::string::npos || key == "initializer_range") continue;
    all += (all.empty() ? "" : ", ") + key;
  }
  return all;
}

// Loads other weights of the served model into its generator; the reason, where they cannot be. The networks are compared before
// anything is allocated.
std::optional<std::string> LoadOthers(const std::string& path, const std::string& device, Served& served) {
  std::optional<StoredPolicy> other;
  try {
    if (IsCheckpoint(path)) {
      const std::string differences = Differences(LoadPolicyConfig(path), served.config);
      if (!differences.empty()) return path + ": its architecture is another than the served model's (config.json: " + differences + ")";
    }
    other.emplace(LoadPolicy(path, device));
    if (const int ids = DifferingIds(other->tokenizer, served.tokenizer); ids > 0) return fmt::format("{}: its tokenizer is another than the served model's; {} ids mean other texts", path, ids);
  } catch (const Error& error) {
    return error.what();
  } catch (const std::exception& error) {  // LibTorch's, when there is no memory: a message, and a trace of calls below
    const std::string what = error.what();
    return path + ": " + what.substr(0, what.find('\n'));
  }
  served.generator.Refresh(other->parameters);
  return std::nullopt;
}

// Draws what stands at the desk until it closes.
void Draw(Desk& desk, Served& served, const std::string& device, int slots, int context) {
  const Service service{
      .next = [&](bool wait) -> std::optional<Asked> {
        const auto ticket = desk.Take(wait);
        if (ticket == nullptr) return std::nullopt;
        return Asked{ticket->number, &ticket->prompt, &ticket->sampling, ticket->draws};
      },
      .on_token = [&](std::size_t number, const SampledToken& token) { return desk.Token(number, token); },
      .done = [&](std::size_t number, const Generated& completion) { desk.Done(number, completion.truncated); },
      .failed = [&] { desk.Close(); }};
  while (!desk.closed()) {
    served.generator.Serve(service, slots, context);
    const auto path = desk.TakeReload();
    if (!path) continue;
    const auto why_not = LoadOthers(*path, device, served);
    if (why_not) LogWarn("the weights stay: " + *why_not);
    else LogInfo("weights of " + *path);
    desk.Reloaded(!why_not, why_not.value_or("the weights of " + *path + " are served"));
  }
}

}  // namespace

int ServeCommand(const Command& command) {
  const std::string &source = command.Get("model"), device = command.Get("device", "cpu");
  ServeOptions options;
  options.host = command.Get("host", options.host);
  options.port = WholeNumber("--port", command.Get("port", "8000"), 0, 65535);
  const int slots = WholeNumber("--slots", command.Get("slots", "16"), 1, 4096);
  options.seed = Seed(command);
  const std::string mode = command.Get("logprobs-mode", "raw_logprobs");
  if (mode != "raw_logprobs" && mode != "processed_logprobs") throw ConfigError("--logprobs-mode: '" + mode + "' is neither raw_logprobs nor processed_logprobs");

  const int threads = command.Has("threads") ? WholeNumber("--threads", command.Get("threads"), 1, 1024) : ThreadsOr(0);
  const Generator::Options sampler = ReadSampler(command, {}, threads);
  Served served(LoadPolicy(source, device), sampler);
  const ModelConfig& config = served.config;
  const Tokenizer& tokenizer = served.tokenizer;
  const int longest = config.max_position_embeddings;
  const int context = WholeNumber("--context", command.Get("context", std::to_string(std::min(longest, kContext))), 2, longest);
  std::optional<ChatTemplate> chat;
  ServedModel model{command.Get("name", source), &tokenizer, EndIds(config, tokenizer), config.vocab_size, context, mode == "processed_logprobs"};
  if (!tokenizer.chat_template().empty()) {
    chat.emplace(OpenChatTemplate(tokenizer, source));
    model.chat_prompt = [&](const std::string& messages) { return ChatPrompt(*chat, tokenizer, messages); };
  }
  Desk desk(kRoom);
  const ModelServer server(options, model, desk, true);
  const std::string host = options.host.find(':') == std::string::npos ? options.host : "[" + options.host + "]";
  std::cout << fmt::format("{} at http://{}:{}/v1; {} completions at once, {} tokens each, cache {:.0f} MB; Ctrl-C ends it\n", model.name, host, server.port(), slots, context,
                           static_cast<double>(served.generator.CacheBytes(slots, context)) / 1e6)
            << std::flush;
  if (options.host != "127.0.0.1" && options.host != "::1") LogWarn("whoever reaches " + options.host + " may ask, and may have weights loaded: there is no key");
  Draw(desk, served, device, slots, context);
  return kExitDone;
}

}  // namespace cogent
