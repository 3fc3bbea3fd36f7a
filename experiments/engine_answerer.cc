#include "experiments/engine_answerer.h"

#include <filesystem>

#include "agents/policy_agent.h"
#include "agents/remote_agent.h"
#include "experiments/engine_chat.h"
#include "experiments/engine_train.h"

namespace cogent {

Answerer::Answerer(const RunConfig& config, const std::string& checkpoint, const std::optional<RemoteSettings>& remote, const Sampling& sampling) {
  if (remote) {
    agent_ = std::make_unique<RemoteAgent>(*remote, config.prompt_template == "chat" ? "plain" : config.prompt_template, sampling);
    name_ = remote->url + " " + remote->model;
    return;
  }
  policy_.emplace(LoadPolicy(checkpoint));
  generator_.emplace(policy_->parameters, policy_->tokenizer, Generator::Options{.threads = ThreadsOr(config.threads)});
  const std::string prompt_template = config.prompt_template == "chat" ? ChatPromptTemplate(policy_->tokenizer, checkpoint) : config.prompt_template;
  agent_ = std::make_unique<PolicyAgent>(*generator_, prompt_template, sampling);
  name_ = checkpoint;
}

NamedPolicy FindAnswerer(const Parts& parts, const Methods& methods, const Command& command, bool (*remote)(const RunConfig&)) {
  const std::vector<std::string> overrides(command.arguments.begin() + 1, command.arguments.end());
  const std::string& given = command.arguments.at(0);
  if (command.Get("checkpoint").empty()) {
    const std::string path = std::filesystem::is_directory(given) ? given + "/config.yaml" : given;
    if (std::filesystem::exists(path)) {
      LoadedConfig loaded = LoadChecked(parts, methods, path, overrides);
      if (remote(loaded.config)) return {std::move(loaded), ""};
    }
  }
  return FindPolicy(parts, methods, command, overrides);
}

}  // namespace cogent
