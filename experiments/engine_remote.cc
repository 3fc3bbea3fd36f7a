#include "experiments/engine_remote.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "agents/remote_agent.h"
#include "core/error.h"
#include "core/log.h"
#include "policies/generate.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;

constexpr char kPath[] = "/update_weights_from_disk";

// Without adapters: what a server reads that knows none.
ParameterSet Whole(const ParameterSet& parameters) {
  if (!parameters.config().lora) return parameters;
  ModelConfig config = parameters.config();
  config.lora.reset();
  ParameterSet whole(config);
  const auto effective = parameters.Effective();
  for (const auto& [name, view] : whole.Named()) view.copy_(effective(name));
  return whole;
}

}  // namespace

std::unique_ptr<Agent> RemoteRollout::MakeAgent(const Sampling& sampling) const {
  const LearnedPolicy policy{&run_->tokenizer, EndIds(run_->parameters.config(), run_->tokenizer), run_->parameters.config().max_position_embeddings};
  return std::make_unique<RemoteAgent>(*run_->config.rollout.remote, run_->config.prompt_template, sampling, policy);
}

void RemoteRollout::HandOver(std::int64_t step) {
  if (run_->config.rollout.remote->reload == "none" || step == handed_) return;
  std::int64_t of = Due(step);
  if (handed_ >= 0 && of != step) return;
  if (of != step && !fs::is_directory(Path(of))) {
    LogWarn(fmt::format("{} is not there, which the server had at step {}; it gets the weights of that step, so the run does not go on with the same bits", Path(of), step));
    of = step;
  }
  AskToLoad(of == step ? Write(step) : Path(of), of);
  handed_ = of;
  RemoveOthers(of);
}

std::int64_t RemoteRollout::Due(std::int64_t step) const { return step - step % run_->config.rollout.remote->reload_every; }

std::string RemoteRollout::Path(std::int64_t step) const {
  return (fs::absolute(run_->config.Directory()).lexically_normal() / "handover" / fmt::format("step-{:06d}", step)).string();
}

void RemoteRollout::RemoveOthers(std::int64_t step) const {
  std::set<std::string> kept = {Path(step)};
  for (const std::int64_t saved : run_->checkpoints.Steps("step")) {
    if (Due(saved) != saved) kept.insert(Path(Due(saved)));
  }
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(fs::path(Path(step)).parent_path(), ignored)) {
    if (kept.count(entry.path().string()) == 0) fs::remove_all(entry.path(), ignored);
  }
}

// Whole under its name, or not there.
std::string RemoteRollout::Write(std::int64_t step) const {
  const fs::path path = Path(step), unfinished = path.parent_path() / ".writing";
  try {
    fs::remove_all(unfinished);
    fs::create_directories(unfinished);
    Whole(run_->parameters).Save(unfinished.string());
    run_->tokenizer.Save((unfinished / "tokenizer.json").string());
    fs::remove_all(path);
    fs::rename(unfinished, path);
  } catch (const fs::filesystem_error& error) {
    throw DataError(fmt::format("{}: cannot be written: {}; checkpoints are whole, --resume goes on from the last one", path.string(), error.code().message()));
  }
  return path.string();
}

void RemoteRollout::AskToLoad(const std::string& path, std::int64_t step) const {
  HttpOptions options = run_->config.rollout.remote->Connection();
  while (options.url.ends_with('/')) options.url.pop_back();
  if (options.url.ends_with("/v1")) options.url.erase(options.url.size() - 3);  // it stands beside the API
  const HttpReply reply = HttpClient(options).PostAll(kPath, {nlohmann::json{{"model_path", path}}.dump()}, run_->rng.Fork("handover").Fork(static_cast<std::uint64_t>(step))).front();
  const auto json = nlohmann::json::parse(reply.body, nullptr, false);
  const bool taken = reply.status == 200 && json.is_object() && json.value("success", nlohmann::json()) == true;
  if (taken) return;
  std::string why = reply.Failure();
  if (why.empty() && json.is_object() && json.contains("message") && json["message"].is_string()) why = json["message"].get<std::string>();
  if (reply.status == 404 || reply.status == 405) why += "; SGLang and `cogent serve` have this path, others need rollout.remote.reload=none";
  throw RemoteError(fmt::format("{}{} did not load the weights of step {} ({}): {}. Nothing is lost; --resume goes on from the last checkpoint and hands its weights over",
                                options.url, kPath, step, path, why.empty() ? "no reason given" : why));
}

}  // namespace cogent
