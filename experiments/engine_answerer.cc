#include "experiments/engine_answerer.h"

#include <filesystem>

#include "agents/policy_agent.h"
#include "agents/remote_agent.h"
#include "experiments/engine_train.h"

namespace cogent {

Answerer::Answerer(const RunConfig& config, const std::string& checkpoint, const std::optional<RemoteSettings>& remote, const Sampling& sampling) {
  if (remote) {
    agent_ = std::make_unique<RemoteAgent>(*remote, config.prompt_template, sampling);
    name_ = remote->url + " " + remote->model;
    return;
  }
  policy_.emplace(LoadPolicy(checkpoint));
  generator_.emplace(policy_->parameters, policy_->tokenizer, Generator::Options{.threads = ThreadsOr(config.threads)});
  agent_ = std::make_unique<PolicyAgent>(*generator_, config.prompt_template, sampling, true);
  name_ = checkpoint;
}

NamedPolicy FindAnswerer(const Parts& parts, const Methods& methods, const Command& command, const std::string& section) {
  std::vector<std::string> overrides(command.arguments.begin() + 1, command.arguments.end());
  const std::string& given = command.arguments.at(0);
  const std::string path = std::filesystem::is_directory(given) ? given + "/config.yaml" : given;
  if (std::filesystem::is_regular_file(path)) {
    Node root = ParseYamlFile(path);
    for (const std::string& override : overrides) ApplyOverride(root, override);
    const Node* own = root.Find(section);
    const Node* remote = own == nullptr ? nullptr : own->Find("remote");
    if (remote != nullptr && remote->kind == Node::Kind::kMap) {
      if (root.Find("algorithm") == nullptr) overrides.insert(overrides.begin(), "algorithm=grpo");  // not used
      return {LoadChecked(parts, methods, path, overrides), ""};
    }
  }
  return FindPolicy(parts, methods, command, overrides);
}

}  // namespace cogent
