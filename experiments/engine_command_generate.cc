// cogent generate
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "agents/policy_agent.h"
#include "agents/rollout.h"
#include "core/error.h"
#include "experiments/engine_commands.h"
#include "experiments/engine_train.h"
#include "experiments/play.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t kTasks = 3;  // held-out tasks that --env shows

int Samples(const Command& command) { return WholeNumber("--samples", command.Get("samples", "1"), 1, 1 << 20); }

// What the checkpoint's run says of prompts, rewards and the environment; defaults where it has no run.
RunConfig ConfigOf(const Parts& parts, const Methods& methods, const std::string& checkpoint) {
  std::error_code ignored;
  const fs::path file = fs::canonical(checkpoint, ignored).parent_path().parent_path() / "config.yaml";
  if (!fs::exists(file)) return {};
  return LoadChecked(parts, methods, file.string(), {QuotedOverride("policy.checkpoint", checkpoint)}).config;
}

int CompletePrompt(const Command& command) {
  const Sampling sampling = ReadSampling(command, {});
  Generator::Options options = ReadSampler(command, {}, ThreadsOr(0));
  const int samples = Samples(command);
  const Rng rng = Rng(Seed(command)).Fork("generate");
  const StoredPolicy policy = LoadPolicy(command.Get("model"), command.Get("device", "cpu"));
  Screen screen(policy);
  options.on_token = [&](std::size_t, std::int32_t id) { screen.Add(id); };
  const Generator generator(policy.parameters, policy.tokenizer, options);
  const auto prompt = policy.tokenizer.EncodePrompt(command.Get("prompt"));
  for (int i = 0; i < samples; ++i) {
    if (samples > 1) std::cout << fmt::format("--- {} of {}\n", i + 1, samples);
    const auto out = generator.Generate({prompt}, {rng.Fork(static_cast<std::uint64_t>(i))}, sampling);
    screen.Finish();
    if (out.front().forced > 0) std::cerr << fmt::format("(the reasoning was closed after {} tokens)\n", sampling.max_thinking_tokens);
    if (out.front().truncated) std::cerr << fmt::format("(cut after {} tokens)\n", out.front().ids.size());
  }
  return kExitDone;
}

std::string Verdict(const Trajectory& t) {
  if (t.status == TrajectoryStatus::kUnscorable) return RewardText(t);
  return RewardText(t) + fmt::format("; {} tokens{}", t.CompletionTokens(), t.status == TrajectoryStatus::kTruncated ? ", cut" : "");
}

int CompleteTasks(const Parts& parts, const Methods& methods, const Command& command) {
  const std::string& name = command.Get("env");
  RunConfig config = ConfigOf(parts, methods, command.Get("model"));
  if (config.env.name != name) config.env = {name, Node::Map(), {"--env", 0, 0}};
  Problems problems;
  const auto env = parts.envs.Make(config.env, problems);
  const Rubric rubric = Rubric::Make(config.rewards, parts.rewards, problems);
  problems.ThrowIfAny();
  const Sampling sampling = ReadSampling(command, config.rollout.sampling);
  Generator::Options options = ReadSampler(command, config.rollout, ThreadsOr(0));
  const int samples = Samples(command);
  const std::uint64_t seed = Seed(command);
  const StoredPolicy policy = LoadPolicy(command.Get("model"), command.Get("device", config.device));
  Screen screen(policy);
  options.on_token = [&](std::size_t, std::int32_t id) { screen.Add(id); };
  const Generator generator(policy.parameters, policy.tokenizer, options);
  PolicyAgent agent(generator, config.prompt_template, sampling);
  const MakeEnv make_env = [&] { return parts.envs.Make(config.env, problems); };
  for (std::uint64_t task = 0; task < kTasks; ++task) {
    const TaskId id{Split::kTest, seed, task};
    const Observation seen = env->Reset(id);
    for (const Message& message : seen.messages) std::cout << (task > 0 ? "\n" : "") << "=== " << message.text << "\n";
    for (int i = 0; i < samples; ++i) {
      const Rng rng = Rng(seed).Fork("generate").Fork(task).Fork(static_cast<std::uint64_t>(i));
      const auto groups = CollectGroups({1, config.rollout.max_turns}, make_env, rubric, agent, {id}, rng);
      screen.Finish();
      std::cout << "--- " << Verdict(groups.front().members.front()) << "\n";
    }
  }
  return kExitDone;
}

}  // namespace

int GenerateCommand(const Parts& parts, const Methods& methods, const Command& command) {
  return command.Has("env") ? CompleteTasks(parts, methods, command) : CompletePrompt(command);
}

}  // namespace cogent
