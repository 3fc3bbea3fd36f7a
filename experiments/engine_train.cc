#include "experiments/engine_train.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iostream>
#include <optional>

#include "agents/remote_agent.h"
#include "core/file.h"
#include "core/log.h"
#include "core/scalar.h"
#include "envs/template.h"
#include "experiments/engine_base.h"
#include "experiments/engine_chat.h"
#include "experiments/engine_critic.h"
#include "experiments/engine_evaluate.h"
#include "experiments/engine_reinforce.h"
#include "experiments/engine_supervised.h"
#include "policies/device.h"
#include "policies/generate.h"

namespace cogent {
namespace {

// Where the policy comes from: the base that the run has made already, a checkpoint, or the configuration.
std::string PolicySource(const RunConfig& config, const Checkpoints& checkpoints) {
  return checkpoints.HasBase() ? checkpoints.BasePath() : config.policy.checkpoint;
}

Run MakeRun(const Parts& parts, LoadedConfig loaded, bool values, bool quiet) {
  const RunConfig& config = loaded.config;
  Checkpoints checkpoints(config.Directory());
  const std::string source = PolicySource(config, checkpoints);
  ModelConfig model = source.empty() ? config.policy.model : values ? LoadModelConfig(source) : LoadPolicyConfig(source);
  Tokenizer tokenizer = source.empty() ? MakeTokenizer(config, parts) : Tokenizer::Load(source);
  if (source.empty()) model = FinishModel(model, tokenizer);
  ParameterSet parameters(values ? ValueModel(model) : model);
  parameters.MoveTo(DeviceNamed(config.device));
  const Rng rng(config.seed);
  return {parts, std::move(loaded.config), std::move(loaded.resolved), quiet, rng, std::move(checkpoints), std::move(tokenizer), std::move(parameters)};
}

void FirstWeights(Run& run) {
  if (run.config.policy.checkpoint.empty()) return run.parameters.Initialize(run.rng.Fork("init"));
  for (const std::string& note : run.parameters.Load(run.config.policy.checkpoint, run.rng.Fork("init"))) LogWarn(note);
}

// The step to go on from, -1 for the beginning.
std::int64_t ResumeStep(const Run& run, const std::string& resume) {
  namespace fs = std::filesystem;
  const std::string dir = run.config.Directory();
  if (!fs::exists(dir + "/config.yaml")) throw ConfigError(dir + ": there is no run to resume; start it without --resume");
  const auto steps = run.checkpoints.Steps("step");
  std::error_code none;
  if (resume == "latest" && steps.empty()) {
    // Step 0 is saved before the first step's record: without it, going on from the beginning would only remove them.
    if (const auto size = fs::file_size(dir + "/metrics.jsonl", none); !none && size > 0) {
      throw ConfigError(dir + ": there are records of steps and no checkpoint to go on from; put one back into checkpoints/, or start another run (--name NAME)");
    }
    return -1;
  }
  const auto number = ParseInteger(resume);
  for (const std::int64_t step : steps) {
    const bool meant = number.ok() ? number.value == step : fs::equivalent(resume, run.checkpoints.Path("step", step), none);
    if (meant || (resume == "latest" && step == steps.back())) return step;
  }
  throw ConfigError(fmt::format("--resume={}: there is no such checkpoint in {}; write latest, a step, or the directory of a checkpoint of this run. {}", resume, dir,
                                steps.empty() ? "There is none of a step yet; --resume alone goes on from the beginning" : fmt::format("There are steps {}", fmt::join(steps, ", "))));
}

void LoadCheckpoint(Run& run, std::int64_t step) {
  AdamW optimizer(run.parameters, run.config.optimizer);
  run.checkpoints.Load("step", step, run.parameters, optimizer);
  if (run.config.critic) StoredCritic(run, step);
}

// Reads all of a checkpoint, for a run's records are cut to it; the run itself reads it again.
void CheckCheckpoint(Run& run, std::int64_t step) {
  try {
    return LoadCheckpoint(run, step);
  } catch (const Error& error) {
    auto steps = run.checkpoints.Steps("step");
    for (; !steps.empty(); steps.pop_back()) {
      if (steps.back() >= step) continue;
      try {
        LoadCheckpoint(run, steps.back());
      } catch (const Error&) {
        continue;
      }
      throw DataError(fmt::format("{}; an earlier checkpoint is whole: --resume={}", error.what(), steps.back()));
    }
    throw;
  }
}

void WarnIfChanged(const Run& run) {
  const std::string path = run.config.Directory() + "/config.yaml";
  if (ReadFile(path) == run.resolved) return;
  LogWarn(path + " differs from the configuration given now; going on with the one given now. For a run that equals the uninterrupted one, give "
                 "that file: cogent train " + path + " --resume");
}

// One run, from its configuration to report.html: base model, then training by rewards or on data.
int Train(Run& run, const Methods& methods, const std::optional<std::string>& resume) {
  Problems problems;
  const bool supervised = run.config.data.has_value(), resuming = resume.has_value();
  const auto algorithm = supervised ? nullptr : methods.algorithms.Make(run.config.algorithm, problems);
  const auto objective = supervised ? methods.objectives.Make(run.config.algorithm, problems) : nullptr;
  const Rubric rubric = Rubric::Make(run.config.rewards, run.parts.rewards, problems);
  problems.ThrowIfAny();
  if (!supervised) RefuseBenchmark(run.config, run.parts);
  const std::int64_t from = resuming ? ResumeStep(run, *resume) : -1;
  if (const auto& remote = run.config.rollout.remote; remote && std::max<std::int64_t>(from, 0) < run.config.train.steps) CheckServer(*remote);
  // A checkpoint or an example that cannot be used ends the run before it is made.
  if (from < 0 && !run.checkpoints.HasBase()) FirstWeights(run);
  if (from < 0 && run.config.critic && !run.config.critic->checkpoint.empty()) FirstCritic(run);
  const ExampleSet examples = supervised ? LoadExamples(run, *objective) : ExampleSet();
  const auto attach = [&] {
    if (!run.config.policy.lora) return;
    run.parameters.Attach(*run.config.policy.lora, std::filesystem::absolute(run.checkpoints.BasePath()).lexically_normal().string(), run.rng.Fork("lora"));
  };
  if (from >= 0) {
    attach();
    CheckCheckpoint(run, from);
  }
  RunLog log = resuming ? RunLog::Resume(run.config.Directory(), from)
                        : RunLog::Create(run.config.Directory(), run.resolved, Environment(run.config));
  run.checkpoints.RemoveUnfinished();
  if (resuming) WarnIfChanged(run);
  if (from < 0) {
    const int stopped = MakeBase(run, resuming);
    if (stopped != kExitDone) return stopped;
    attach();
  }
  return supervised ? Supervise(run, *objective, examples, log, from) : Reinforce(run, *algorithm, rubric, log, from);
}

// Rows of the decoder's cache at most: the completions that are at once (Generator::Options::slots a thread), and each thread's last prompt. A
// prompt is taken to be as long as that of the first held-out task, and further turns to be short.
double CachedTokens(const RunConfig& c, const Parts& parts, const Tokenizer& tokenizer, const ModelConfig& model) {
  if (c.env.name.empty()) return 0;
  const std::string text = RenderPrompt(TemplateText(c.prompt_template), EnvFactory(c, parts)()->Reset({Split::kTest, c.seed, 0}).messages);
  const double threads = Threads(c), longest = std::min<double>(model.max_position_embeddings, static_cast<double>(tokenizer.EncodePrompt(text).size()) + c.rollout.sampling.max_new_tokens);
  const double asked = std::max(c.data || c.rollout.remote ? 0.0 : static_cast<double>(c.rollout.prompts) * c.rollout.group_size,
                                static_cast<double>(std::max(c.eval.tasks, c.eval.final_tasks)) * c.eval.samples);
  return (std::min(asked, threads * Generator::Options().slots) + threads) * longest;
}

int DryRun(const Parts& parts, const LoadedConfig& loaded, bool values) {
  const RunConfig& c = loaded.config;
  std::cout << loaded.resolved;
  const Tokenizer tokenizer = c.policy.checkpoint.empty() ? MakeTokenizer(c, parts) : Tokenizer::Load(c.policy.checkpoint);
  const std::string& source = c.policy.checkpoint;
  ModelConfig model = source.empty() ? FinishModel(c.policy.model, tokenizer) : values ? LoadModelConfig(source) : LoadPolicyConfig(source);
  if (values) model = ValueModel(model);
  const ParameterCount count = CountParameters(model);
  const double critic = c.critic ? CountParameters(c.critic->checkpoint.empty() ? ValueModel(model) : ValueModel(LoadModelConfig(c.critic->checkpoint))).total : 0.0;
  if (c.policy.lora) model.lora = c.policy.lora;
  const double policy = count.total + count.prediction, learned = c.policy.lora ? static_cast<double>(AdapterSize(model)) : policy;
  // Of what stays there are the weights and the decoder's; of what learns the moments and a gradient a lane beside.
  const double lanes = Threads(c), numbers = 2 * policy + (2 + lanes) * learned + (4 + lanes) * critic;
  const std::size_t block = Decoder::CacheBytes(model, 1, kLanes, c.deterministic ? Latents::kExpanded : Latents::kAbsorbed, SamplerOptions(c.rollout, 1).cache);  // bytes of kLanes rows
  const double cache = CachedTokens(c, parts, tokenizer, model) * static_cast<double>(block) / kLanes;
  const double layer = 12.0 * model.hidden_size + 4.0 * model.intermediate_size;  // numbers that a row leaves behind in it
  const double layers = c.train.gradient_checkpointing ? layer + static_cast<double>(model.num_hidden_layers) * model.hidden_size : model.num_hidden_layers * layer;
  const double rows = lanes * c.train.micro_batch_tokens * layers * 4;
  std::cout << fmt::format("# parameters: {} in all, {} active a token\n", ShortNumber(policy), ShortNumber(count.active));
  if (c.policy.lora) std::cout << fmt::format("# adapters: {} parameters learn\n", ShortNumber(learned));
  if (c.critic) std::cout << fmt::format("# critic: {} parameters\n", ShortNumber(critic));
  std::cout << fmt::format("# memory: about {:.0f} MB (weights, gradients and moments {:.0f}, decoding {:.0f}, activations {:.0f})\n",
                           (numbers * 4 + cache + rows) / 1e6, numbers * 4 / 1e6, cache / 1e6, rows / 1e6);
  if (c.data) std::cout << fmt::format("# examples a step: {}\n", c.data->examples);
  else std::cout << fmt::format("# tokens a step: at most {} completion tokens ({} prompts x {} completions x {} tokens)\n",
                                static_cast<std::int64_t>(c.rollout.prompts) * c.rollout.group_size * c.rollout.sampling.max_new_tokens, c.rollout.prompts,
                                c.rollout.group_size, c.rollout.sampling.max_new_tokens);
  return kExitDone;
}

}  // namespace

LoadedConfig LoadChecked(const Parts& parts, const Methods& methods, const std::string& path, const std::vector<std::string>& overrides, Purpose purpose) {
  LoadedConfig loaded = LoadRunConfig(path, overrides, parts, std::bind_front(&Methods::Check, &methods), purpose);
  RunConfig& config = loaded.config;
  if (config.prompt_template == "chat") config.prompt_template = ChatPromptTemplate(Tokenizer::Load(config.policy.checkpoint), config.policy.checkpoint);
  return loaded;
}

int TrainCommand(const Parts& parts, const Methods& methods, const Command& command) {
  std::vector<std::string> overrides(command.arguments.begin() + 1, command.arguments.end());
  if (command.Has("name")) overrides.push_back("name=" + command.Get("name"));
  LoadedConfig loaded = LoadChecked(parts, methods, command.arguments.at(0), overrides, Purpose::kTrain);
  if (const RunConfig& c = loaded.config; c.policy.checkpoint.empty() && !c.pretrain && !c.data) {
    throw ConfigError(command.arguments.at(0) + " names a server to ask and no policy to train: give `pretrain`, or `policy: {checkpoint: DIR}`");
  }
  const bool values = methods.LearnsValues(loaded.config.algorithm);
  if (command.Has("dry-run")) return DryRun(parts, loaded, values);
  const std::string dir = loaded.config.Directory();
  if (!command.Has("resume") && std::filesystem::exists(dir) && !std::filesystem::is_empty(dir)) {
    throw ConfigError(dir + " exists; go on with that run by --resume, or choose another name (--name NAME)");
  }
  CatchStopSignals();
  Run run = MakeRun(parts, std::move(loaded), values, command.Has("quiet"));
  return Train(run, methods, command.Has("resume") ? std::optional(command.Get("resume")) : std::nullopt);
}

}  // namespace cogent
