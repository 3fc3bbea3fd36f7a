#include "experiments/engine_train.h"

#include <torch/headeronly/version.h>
#include <ATen/core/Tensor.h>
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <limits>
#include <set>
#include <thread>

#include "agents/policy_agent.h"
#include "algorithms/trainer.h"
#include "core/file.h"
#include "core/log.h"
#include "core/progress.h"
#include "envs/template.h"
#include "experiments/engine_checkpoint.h"
#include "experiments/engine_evaluate.h"
#include "experiments/report.h"
#include "experiments/run_log.h"
#include "experiments/statistics.h"
#include "experiments/version.h"

namespace cogent {
namespace {

using Clock = std::chrono::steady_clock;
double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

std::atomic<int> g_signal{0};
void OnSignal(int signal) {
  g_signal = signal;
  std::signal(signal, SIG_DFL);  // a second one ends the process at once
}

// Large blocks stay with the process between steps instead of going back to the kernel page by page.
void KeepMemory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

int Threads(const RunConfig& config) {
  return config.threads > 0 ? config.threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::vector<std::int32_t> DocumentIds(const RunConfig& config, const Tokenizer& tokenizer, const Env::Document& document) {
  std::vector<std::int32_t> ids;
  if (!document.prompt.empty()) ids = tokenizer.Encode(RenderPrompt(TemplateText(config.prompt_template), {{Role::kUser, document.prompt}}));
  const auto text = tokenizer.Encode(document.text);
  ids.insert(ids.end(), text.begin(), text.end());
  ids.push_back(tokenizer.eos_id());
  return ids;
}

// The tags that later stages need are in every tokenizer; the template's fixed parts are one token each.
Tokenizer MakeTokenizer(const RunConfig& config, const Parts& parts) {
  const TokenizerConfig& t = config.tokenizer;
  if (t.kind == "file") return Tokenizer::Load(t.path);
  Tokenizer::TrainOptions options;
  options.added_tokens = {{"<|pad|>", true}, {"<|end|>", true}, {"<think>", false}, {"</think>", false},
                          {"<answer>", false}, {"</answer>", false}, {"|special_token|", false}};
  const auto [head, tail] = TemplateFixedParts(TemplateText(config.prompt_template));
  for (const std::string& fixed : {head, tail}) {
    if (!fixed.empty()) options.added_tokens.push_back({fixed, false});
  }
  std::vector<std::string> corpus;
  if (t.kind == "alphabet") options.alphabet = t.alphabet;
  options.vocab_size = t.kind == "bpe" ? t.vocab_size : 256 + static_cast<int>(options.added_tokens.size());
  options.split_digits = t.split_digits;
  if (t.kind == "bpe") {
    const auto env = EnvFactory(config, parts)();
    Rng draws = Rng(config.seed).Fork("tokenizer");
    for (int i = 0; i < t.documents; ++i) {
      Rng draw = draws.Fork(static_cast<std::uint64_t>(i));
      const auto document = env->CorpusDocument(draw);
      corpus.push_back(document.prompt + document.text);
    }
  }
  return Tokenizer::Train(corpus, options);
}

ModelConfig FinishModel(ModelConfig model, const Tokenizer& tokenizer) {
  if (model.vocab_size == 0) model.vocab_size = tokenizer.vocab_size();
  if (model.vocab_size < tokenizer.vocab_size()) {
    throw ConfigError(fmt::format("policy.model.vocab_size is {}, but the tokenizer has {} ids; leave it at 0 to take the tokenizer's",
                                  model.vocab_size, tokenizer.vocab_size()));
  }
  model.eos_token_id = model.bos_token_id = tokenizer.eos_id();
  model.pad_token_id = tokenizer.pad_id();
  return model;
}

RunEnvironment Environment(const RunConfig& config) {
  return {.version = Version(), .commit = SourceCommit(), .libtorch = TORCH_VERSION, .command = "cogent train", .seed = config.seed,
          .threads = Threads(config)};
}

TrainerConfig MakeTrainerConfig(const RunConfig& config, const MixtureSettings& mixture) {
  TrainerConfig t;
  t.lanes = Threads(config);
  t.micro_batch_tokens = config.train.micro_batch_tokens;
  t.products = config.train.products == "bfloat16" ? Products::kBfloat16 : Products::kFloat32;
  t.epochs = config.train.epochs;
  t.minibatches = config.train.minibatches;
  t.temperature = config.rollout.sampling.temperature;
  t.balance_alpha = mixture.balance_alpha;
  t.bias_speed = mixture.bias_speed;
  return t;
}

// One run, from its configuration to report.html.
class Run {
 public:
  Run(const Parts& parts, const AlgorithmRegistry& algorithms, LoadedConfig loaded, bool quiet)
      : parts_(parts), config_(loaded.config), resolved_(std::move(loaded.resolved)), quiet_(quiet), rng_(config_.seed),
        checkpoints_(config_.Directory()), tokenizer_(FindTokenizer()), parameters_(FindModel()) {
    Problems problems;
    algorithm_ = algorithms.Make(config_.algorithm, problems);
    rubric_ = Rubric::Make(config_.rewards, parts.rewards, problems);
    problems.ThrowIfAny();
  }

  int Train(const std::string& resume) {
    const auto steps = checkpoints_.Steps("step");
    const bool resuming = !resume.empty();
    std::int64_t from = -1;
    if (resuming) {
      if (!std::filesystem::exists(config_.Directory() + "/config.yaml")) {
        throw ConfigError(config_.Directory() + ": there is no run to resume; start it without --resume");
      }
      from = ResumeStep(resume, steps);
    }
    if (from < 0 && !checkpoints_.HasBase()) FirstWeights();  // a checkpoint that cannot be used ends the run before it is made
    RunLog log = resuming ? RunLog::Resume(config_.Directory(), from) : RunLog::Create(config_.Directory(), resolved_, Environment(config_));
    checkpoints_.RemoveUnfinished();
    if (resuming) WarnIfChanged();
    if (from < 0) {
      const int stopped = MakeBase(resuming);
      if (stopped != kExitDone) return stopped;
    }
    return Reinforce(log, from);
  }

 private:
  // ---- where things start from ----

  Tokenizer FindTokenizer() const {
    if (checkpoints_.HasBase()) return Tokenizer::Load(checkpoints_.BasePath() + "/tokenizer.json");
    if (!config_.policy.checkpoint.empty()) return Tokenizer::Load(config_.policy.checkpoint + "/tokenizer.json");
    return MakeTokenizer(config_, parts_);
  }
  ModelConfig FindModel() const {
    if (checkpoints_.HasBase()) return LoadModelConfig(checkpoints_.BasePath());
    if (!config_.policy.checkpoint.empty()) return LoadModelConfig(config_.policy.checkpoint);
    return FinishModel(config_.policy.model, tokenizer_);
  }
  std::int64_t ResumeStep(const std::string& resume, const std::vector<std::int64_t>& steps) const {
    if (steps.empty()) return -1;
    if (resume == "latest") return steps.back();
    const std::string last = std::filesystem::path(resume).filename().string();
    const std::int64_t wanted = std::atoll(last.starts_with("step-") ? last.c_str() + 5 : last.c_str());
    if (std::find(steps.begin(), steps.end(), wanted) == steps.end()) {
      throw ConfigError(fmt::format("--resume={}: there is no such checkpoint; there are steps {}", resume, fmt::join(steps, ", ")));
    }
    return wanted;
  }
  void WarnIfChanged() const {
    if (ReadFile(config_.Directory() + "/config.yaml") != resolved_) {
      LogWarn(config_.Directory() + "/config.yaml differs from the configuration given now; going on with the one given now. For a run that "
              "equals the uninterrupted one, give that file: cogent train " + config_.Directory() + "/config.yaml --resume");
    }
  }

  bool Stopping() const { return g_signal != 0; }
  int Stopped(const std::string& where) const {
    std::cerr << fmt::format("\nStopped {}; everything is saved. Go on with:\n  cogent train {}/config.yaml --resume\n", where, config_.Directory());
    return kExitStopped;
  }

  // ---- base model ----

  void FirstWeights() {
    if (config_.policy.checkpoint.empty()) return parameters_.Initialize(rng_.Fork("init"));
    for (const std::string& note : parameters_.Load(config_.policy.checkpoint, rng_.Fork("init"))) LogWarn(note);
  }

  int MakeBase(bool resuming) {
    if (checkpoints_.HasBase()) {
      checkpoints_.DropPhase("pretrain");  // a kill may have come in between
      return kExitDone;
    }
    if (config_.pretrain) {
      const int code = Pretrain(resuming);
      if (code != kExitDone) return code;
    }
    checkpoints_.SaveBase(parameters_, tokenizer_);
    checkpoints_.DropPhase("pretrain");
    return kExitDone;
  }

  int Pretrain(bool resuming) {
    const PretrainConfig& p = *config_.pretrain;
    const std::string dir = config_.Directory() + "/pretrain";
    AdamW optimizer(parameters_, p.optimizer);
    TrainerState state;
    const auto steps = checkpoints_.Steps("pretrain");
    if (resuming && !steps.empty()) state = checkpoints_.Load("pretrain", steps.back(), parameters_, optimizer);
    const bool again = std::filesystem::exists(dir + "/config.yaml");
    if (!again) std::filesystem::remove_all(dir);  // a kill may have come before its first file was whole
    RunLog log = again ? RunLog::Resume(dir, state.step > 0 ? state.step : -1) : RunLog::Create(dir, resolved_, Environment(config_));
    Trainer trainer(parameters_, nullptr, optimizer, MakeTrainerConfig(config_, p.mixture));
    const auto env = EnvFactory(config_, parts_)();
    ProgressOptions options;
    options.first = state.step;
    Progress bar("pretrain", p.steps, "steps", options);
    while (state.step < p.steps) {
      const auto start = Clock::now();
      const std::int64_t step = state.step + 1;
      const auto documents = Documents(*env, step);
      StepReport report = trainer.Pretrain(documents, p.optimizer.RateAt(step, p.steps), p.prediction_weight);
      double tokens = 0;
      for (const Document& d : documents) tokens += static_cast<double>(d.ids.size());
      if (!std::isfinite(report.metrics["grad_norm"])) LogWarn(fmt::format("step {}: the gradient is not finite; the step was left out", step));
      state.step = step;
      state.num_tokens += tokens;
      state.seconds += Seconds(start);
      report.metrics["num_tokens"] = state.num_tokens;
      report.metrics["step_time"] = Seconds(start);
      report.metrics["perf/train_throughput"] = tokens / Seconds(start);
      if (step % p.log_every == 0 || step == p.steps) log.AddMetrics(step, report.metrics);
      bar.Advance(1, fmt::format("loss {:.3f}, {:.0f} tokens/s", report.metrics["loss"], state.num_tokens / state.seconds));
      const bool stop = Stopping();
      if (step % p.checkpoint_every == 0 || stop) {
        log.Sync();
        checkpoints_.Save("pretrain", parameters_, tokenizer_, optimizer, state, config_.checkpoint.keep);
      }
      if (stop) {
        bar.Finish();
        return Stopped(fmt::format("in pre-training at step {} of {}", step, p.steps));
      }
    }
    return kExitDone;
  }

  std::vector<Document> Documents(const Env& env, std::int64_t step) const {
    std::vector<Document> documents;
    const Rng draws = rng_.Fork("corpus").Fork(static_cast<std::uint64_t>(step));
    const std::size_t longest = static_cast<std::size_t>(parameters_.config().max_position_embeddings);
    for (int tokens = 0; tokens < config_.pretrain->tokens_per_step;) {
      Rng draw = draws.Fork(documents.size());
      Document document{DocumentIds(config_, tokenizer_, env.CorpusDocument(draw)), 1};
      if (document.ids.size() > longest) document.ids.resize(longest);
      tokens += static_cast<int>(document.ids.size());
      documents.push_back(std::move(document));
    }
    return documents;
  }

  // ---- training by rewards ----

  int Reinforce(RunLog& log, std::int64_t from) {
    AdamW optimizer(parameters_, config_.optimizer);
    TrainerState state;
    std::unique_ptr<ParameterSet> reference;
    if (algorithm_->NeedsReference()) {
      reference = std::make_unique<ParameterSet>(parameters_.config());
      reference->Load(checkpoints_.BasePath(), Rng(0));
    }
    if (from >= 0) {
      state = checkpoints_.Load("step", from, parameters_, optimizer);
      checkpoints_.Settle("step", state, config_.checkpoint.keep);
    } else {
      parameters_.Load(checkpoints_.BasePath(), Rng(0));
    }
    Generator generator(parameters_, tokenizer_, {.threads = Threads(config_)});
    if (from < 0) {
      state.before = FullEvaluation(log, generator, 0);
      state.best = state.before["pass@1"];
      state.best_step = 0;
      log.Sync();
      checkpoints_.Save("step", parameters_, tokenizer_, optimizer, state, config_.checkpoint.keep);
      checkpoints_.MarkBest(0);
    }
    Trainer trainer(parameters_, reference.get(), optimizer, MakeTrainerConfig(config_, config_.train.mixture));
    ProgressOptions options;
    options.first = state.step;
    Progress bar(config_.algorithm.name, config_.train.steps, "steps", options);
    while (state.step < config_.train.steps) {
      const std::int64_t step = state.step + 1;
      const auto start = Clock::now();
      Metrics metrics = OneStep(log, trainer, generator, step, state);
      bool improved = false;
      if (step % config_.eval.every == 0 && step != config_.train.steps) {
        const auto testing = Clock::now();
        const auto evaluation = Evaluate(config_, parts_, generator, Plan(config_.eval.tasks, config_.rollout.sampling), rng_.Fork("eval").Fork(static_cast<std::uint64_t>(step)));
        log.AddEval(step, "sampled", evaluation.metrics);
        improved = Improves(evaluation.metrics, step, state);
        metrics["timing_s/testing"] = Seconds(testing);
      }
      state.step = step;
      state.after.clear();
      state.seconds += Seconds(start);
      metrics["timing_s/step"] = metrics["step_time"] = Seconds(start);
      log.AddMetrics(step, metrics);
      bar.Advance(1, fmt::format("reward {:.2f}, accuracy {:.2f}, length {:.0f}", metrics["reward"], metrics["rewards/accuracy/mean"], metrics["completions/mean_length"]));
      const bool stop = Stopping(), last = step == config_.train.steps;
      if (last) {
        bar.Finish();
        return Finish(log, generator, optimizer, state);
      }
      if (step % config_.checkpoint.every == 0 || improved || stop) {
        log.Sync();
        checkpoints_.Save("step", parameters_, tokenizer_, optimizer, state, config_.checkpoint.keep);
        if (improved) checkpoints_.MarkBest(step);
      }
      if (stop) {
        bar.Finish();
        return Stopped(fmt::format("at step {} of {}", step, config_.train.steps));
      }
    }
    return Finish(log, generator, optimizer, state);
  }

  // prompt -> rollout -> reward -> advantage -> loss -> step
  Metrics OneStep(RunLog& log, Trainer& trainer, Generator& generator, std::int64_t step, TrainerState& state) {
    const auto start = Clock::now();
    PolicyAgent agent(generator, config_.prompt_template, config_.rollout.sampling);
    std::vector<Group> groups = CollectGroups({config_.rollout.group_size, config_.rollout.max_turns}, EnvFactory(config_, parts_), rubric_, agent,
                                              TrainTasks(config_, step), rng_.Fork("rollout").Fork(static_cast<std::uint64_t>(step)));
    const double generating = Seconds(start);
    Metrics metrics = DescribeRollout(groups);
    LeaveOutUnscorable(groups, metrics, step);
    const auto update = Clock::now();
    const double rate = config_.optimizer.RateAt(step, config_.train.steps);
    if (!groups.empty()) {
      for (const auto& [name, value] : trainer.Step(groups, *algorithm_, rate).metrics) metrics[name] = value;
      generator.Refresh(parameters_);
    }
    LogSamples(log, groups, step);
    const double updating = Seconds(update);
    double tokens = 0, prompts = 0;
    for (const Group& group : groups) {
      for (const Trajectory& t : group.members) {
        tokens += t.CompletionTokens();
        for (const Turn& turn : t.turns) prompts += static_cast<double>(turn.prompt_ids.size());
      }
    }
    state.num_tokens += tokens + prompts;
    metrics["num_tokens"] = state.num_tokens;
    metrics["timing_s/gen"] = generating;
    metrics["timing_s/update_actor"] = updating;
    metrics["perf/gen_throughput"] = tokens / generating;
    metrics["perf/train_throughput"] = (tokens + prompts) / updating;
    metrics["perf/total_num_tokens"] = tokens + prompts;
    metrics["perf/throughput"] = (tokens + prompts) / (generating + updating);
    return metrics;
  }

  static Metrics DescribeRollout(const std::vector<Group>& groups) {
    std::vector<double> rewards, lengths, ended, group_stds;
    std::map<std::string, std::vector<double>> scores;
    double truncated = 0, unscorable = 0, flat = 0, all = 0;
    for (const Group& group : groups) {
      std::vector<double> own;
      for (const Trajectory& t : group.members) {
        ++all;
        lengths.push_back(t.CompletionTokens());
        truncated += t.status == TrajectoryStatus::kTruncated;
        if (t.status == TrajectoryStatus::kDone) ended.push_back(t.CompletionTokens());
        if (t.status == TrajectoryStatus::kUnscorable) {
          ++unscorable;
          continue;
        }
        own.push_back(t.reward);
        for (const NamedScore& s : t.scores) scores[s.name].push_back(s.score);
      }
      rewards.insert(rewards.end(), own.begin(), own.end());
      const bool equal = std::all_of(own.begin(), own.end(), [&](double r) { return r == own.front(); });
      flat += equal;
      group_stds.push_back(own.size() > 1 ? Std(own) : 0.0);
    }
    const auto [shortest, longest] = std::minmax_element(lengths.begin(), lengths.end());
    Metrics m{{"completions/mean_length", Mean(lengths)}, {"completions/min_length", *shortest}, {"completions/max_length", *longest},
              {"completions/clipped_ratio", truncated / all}, {"unscorable_ratio", unscorable / all},
              {"frac_reward_zero_std", flat / static_cast<double>(groups.size())}, {"reward_std", Mean(group_stds)}};
    if (!rewards.empty()) m["reward"] = Mean(rewards);
    if (!ended.empty()) {
      m["completions/mean_terminated_length"] = Mean(ended);
      m["completions/min_terminated_length"] = *std::min_element(ended.begin(), ended.end());
      m["completions/max_terminated_length"] = *std::max_element(ended.begin(), ended.end());
    }
    for (const auto& [name, values] : scores) {
      m["rewards/" + name + "/mean"] = Mean(values);
      m["rewards/" + name + "/std"] = values.size() > 1 ? Std(values) : 0.0;
    }
    return m;
  }

  // A failure of ours is never a reward: its whole group takes no part, and too many end the run.
  void LeaveOutUnscorable(std::vector<Group>& groups, Metrics& metrics, std::int64_t step) const {
    std::string cause;
    const auto broken = [&](const Group& group) {
      for (const Trajectory& t : group.members) {
        if (t.status == TrajectoryStatus::kUnscorable) return cause = t.cause, true;
      }
      return false;
    };
    const auto left_out = std::erase_if(groups, broken);
    metrics["groups_left_out"] = static_cast<double>(left_out);
    if (left_out == 0) return;
    LogWarn(fmt::format("step {}: {} groups were left out because a completion could not be scored; one cause: {}", step, left_out, cause));
    if (metrics["unscorable_ratio"] > config_.rollout.max_unscorable) {
      throw InternalError(fmt::format("step {}: {:.0f}% of the completions could not be scored (rollout.max_unscorable is {:.0f}%); last cause: {}",
                                      step, 100 * metrics["unscorable_ratio"], 100 * config_.rollout.max_unscorable, cause));
    }
  }

  void LogSamples(RunLog& log, const std::vector<Group>& groups, std::int64_t step) const {
    if (groups.empty()) return;
    const Batch batch = MakeBatch(groups);
    const at::Tensor advantages = algorithm_->Advantages(batch);
    std::int64_t token = 0;
    int written = 0;
    for (const Group& group : groups) {
      for (const Trajectory& t : group.members) {
        if (written >= config_.train.samples_per_step) return;
        const int length = t.CompletionTokens();
        log.AddSample(MakeSample(step, t, length > 0 ? advantages[token].item<double>() : 0.0));
        token += length;
        ++written;
      }
    }
  }

  // ---- evaluation ----

  EvaluationPlan Plan(int tasks, const Sampling& sampling) const { return {tasks, config_.eval.samples, config_.eval.k, sampling}; }

  static bool Improves(const Metrics& metrics, std::int64_t step, TrainerState& state) {
    const double value = metrics.at("pass@1");
    if (value <= state.best) return false;
    state.best = value;
    state.best_step = step;
    return true;
  }

  // The numbers of summary.json: sampled and greedy on the held-out tasks, and the share of right workings.
  Metrics FullEvaluation(RunLog& log, const Generator& generator, std::int64_t step) {
    const Rng rng = rng_.Fork("eval").Fork(static_cast<std::uint64_t>(step));
    Evaluation sampled = Evaluate(config_, parts_, generator, Plan(config_.eval.final_tasks, config_.rollout.sampling), rng);
    log.AddEval(step, "sampled", sampled.metrics);
    constexpr std::size_t kShown = 8;
    for (std::size_t i = 0; i < std::min(kShown, sampled.groups.size()); ++i) {
      SampleRecord record = MakeSample(step, sampled.groups[i].members.front(), std::numeric_limits<double>::quiet_NaN());
      record.split = "test";
      log.AddSample(record);
    }
    if (config_.eval.greedy) {
      Sampling greedy = config_.rollout.sampling;
      greedy.temperature = 0;
      EvaluationPlan plan{config_.eval.final_tasks, 1, {1.0}, greedy};
      const Evaluation likeliest = Evaluate(config_, parts_, generator, plan, rng);
      log.AddEval(step, "greedy", likeliest.metrics);
      sampled.metrics["greedy_accuracy"] = likeliest.metrics.at("pass@1");
    }
    return sampled.metrics;
  }

  int Finish(RunLog& log, const Generator& generator, const AdamW& optimizer, TrainerState& state) {
    if (state.after.empty()) {  // else it was saved, and a kill came before the summary
      state.after = FullEvaluation(log, generator, state.step);
      Improves(state.after, state.step, state);
      log.Sync();
      checkpoints_.Save("step", parameters_, tokenizer_, optimizer, state, config_.checkpoint.keep);
    }
    checkpoints_.MarkBest(state.best_step);
    const Metrics& after = state.after;
    RunSummary summary;
    summary.before = Metrics(state.before.begin(), state.before.end());
    summary.after = after;
    summary.run = {{"steps", static_cast<double>(state.step)}, {"seconds", state.seconds}, {"num_tokens", state.num_tokens},
                   {"parameters", CountParameters(parameters_.config()).total}, {"seed", static_cast<double>(config_.seed)}};
    summary.text = {{"algorithm", config_.algorithm.name}, {"env", config_.env.name}};
    log.WriteSummary(summary);
    const std::string report = WriteReport(config_.Directory());
    if (!quiet_) {
      std::cout << fmt::format("pass@1 on {} held-out tasks: {:.1f}% -> {:.1f}%; mean completion {:.1f} -> {:.1f} tokens\nreport: {}\n",
                               config_.eval.final_tasks, 100 * summary.before["pass@1"], 100 * after.at("pass@1"), summary.before["mean_length"],
                               after.at("mean_length"), report);
    }
    return kExitDone;
  }

  const Parts& parts_;
  RunConfig config_;
  std::string resolved_;
  bool quiet_;
  Rng rng_;
  Checkpoints checkpoints_;
  Tokenizer tokenizer_;
  ParameterSet parameters_;
  std::unique_ptr<Algorithm> algorithm_;
  Rubric rubric_;
};

int DryRun(const Parts& parts, const LoadedConfig& loaded) {
  const RunConfig& c = loaded.config;
  std::cout << loaded.resolved;
  const Tokenizer tokenizer = c.policy.checkpoint.empty() ? MakeTokenizer(c, parts) : Tokenizer::Load(c.policy.checkpoint + "/tokenizer.json");
  const ModelConfig model = c.policy.checkpoint.empty() ? FinishModel(c.policy.model, tokenizer) : LoadModelConfig(c.policy.checkpoint);
  const ParameterCount count = CountParameters(model);
  const double size = count.total + count.prediction, lanes = Threads(c);
  const double longest = std::min<double>(model.max_position_embeddings, 4096);
  const double cache = lanes * 65 * longest * model.CacheWidth() * model.num_hidden_layers * 4;
  const double rows = lanes * c.train.micro_batch_tokens * model.num_hidden_layers * (12.0 * model.hidden_size + 4.0 * model.intermediate_size) * 4;
  std::cout << fmt::format("# parameters: {} in all, {} active a token\n", ShortNumber(size), ShortNumber(count.active));
  std::cout << fmt::format("# memory: about {:.0f} MB (weights, gradients and moments {:.0f}, decoding {:.0f}, activations {:.0f})\n",
                           (size * 4 * (4 + lanes) + cache + rows) / 1e6, size * 4 * (4 + lanes) / 1e6, cache / 1e6, rows / 1e6);
  std::cout << fmt::format("# tokens a step: at most {} completion tokens ({} prompts x {} completions x {} tokens)\n",
                           static_cast<std::int64_t>(c.rollout.prompts) * c.rollout.group_size * c.rollout.sampling.max_new_tokens, c.rollout.prompts,
                           c.rollout.group_size, c.rollout.sampling.max_new_tokens);
  return kExitDone;
}

}  // namespace

LoadedConfig LoadChecked(const Parts& parts, const AlgorithmRegistry& algorithms, const std::string& path, const std::vector<std::string>& overrides) {
  return LoadRunConfig(path, overrides, parts, [&](Choice& algorithm, Problems& problems) {
    if (algorithms.Make(algorithm, problems)) algorithm.settings = algorithms.Resolve(algorithm);
  });
}

int TrainCommand(const Parts& parts, const AlgorithmRegistry& algorithms, const Command& command) {
  KeepMemory();
  std::vector<std::string> overrides(command.arguments.begin() + 1, command.arguments.end());
  if (command.Has("name")) overrides.push_back("name=" + command.Get("name"));
  LoadedConfig loaded = LoadChecked(parts, algorithms, command.arguments.at(0), overrides);
  if (command.Has("dry-run")) return DryRun(parts, loaded);
  const std::string dir = loaded.config.Directory();
  if (!command.Has("resume") && std::filesystem::exists(dir) && !std::filesystem::is_empty(dir)) {
    throw ConfigError(dir + " exists; go on with that run by --resume, or choose another name (--name NAME)");
  }
  std::signal(SIGINT, OnSignal);
  std::signal(SIGTERM, OnSignal);
  return Run(parts, algorithms, std::move(loaded), command.Has("quiet")).Train(command.Get("resume"));
}

}  // namespace cogent
