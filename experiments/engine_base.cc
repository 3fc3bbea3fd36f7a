#include "experiments/engine_base.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <filesystem>

#include "core/log.h"
#include "core/progress.h"
#include "envs/template.h"
#include "experiments/engine_evaluate.h"

namespace cogent {
namespace {

using Clock = std::chrono::steady_clock;
double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

std::vector<std::int32_t> DocumentIds(const RunConfig& config, const Tokenizer& tokenizer, const Env::Document& document) {
  std::vector<std::int32_t> ids;
  if (!document.prompt.empty()) ids = tokenizer.Encode(RenderPrompt(TemplateText(config.prompt_template), {{Role::kUser, document.prompt}}));
  const auto text = tokenizer.Encode(document.text);
  ids.insert(ids.end(), text.begin(), text.end());
  ids.push_back(tokenizer.eos_id());
  return ids;
}

std::vector<Document> Documents(const Run& run, const Env& env, std::int64_t step) {
  std::vector<Document> documents;
  const Rng draws = run.rng.Fork("corpus").Fork(static_cast<std::uint64_t>(step));
  const std::size_t longest = static_cast<std::size_t>(run.parameters.config().max_position_embeddings);
  for (int tokens = 0; tokens < run.config.pretrain->tokens_per_step;) {
    Rng draw = draws.Fork(documents.size());
    Document document{{}, 1};
    for (const Env::Document& part : env.CorpusPage(draw)) {
      const auto ids = DocumentIds(run.config, run.tokenizer, part);
      document.ids.insert(document.ids.end(), ids.begin(), ids.end());
    }
    if (document.ids.size() > longest) document.ids.resize(longest);
    tokens += static_cast<int>(document.ids.size());
    documents.push_back(std::move(document));
  }
  return documents;
}

int Pretrain(Run& run, bool resuming) {
  const PretrainConfig& p = *run.config.pretrain;
  const std::string dir = run.config.Directory() + "/pretrain";
  AdamW optimizer(run.parameters, p.optimizer);
  TrainerState state;
  const auto steps = run.checkpoints.Steps("pretrain");
  if (resuming && !steps.empty()) state = run.checkpoints.Load("pretrain", steps.back(), run.parameters, optimizer);
  const bool again = std::filesystem::exists(dir + "/config.yaml");
  if (!again) std::filesystem::remove_all(dir);  // a kill may have come before its first file was whole
  RunLog log = again ? RunLog::Resume(dir, state.step > 0 ? state.step : -1) : RunLog::Create(dir, run.resolved, Environment(run.config));
  Trainer trainer(run.parameters, nullptr, optimizer, MakeTrainerConfig(run.config, p.mixture));
  const auto env = EnvFactory(run.config, run.parts)();
  ProgressOptions options;
  if (run.quiet) options.style = ProgressOptions::Style::kNone;
  options.first = state.step;
  Progress bar("pretrain", p.steps, "steps", options);
  while (state.step < p.steps) {
    const auto start = Clock::now();
    const std::int64_t step = state.step + 1;
    const auto documents = Documents(run, *env, step);
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
    const bool stop = StopRequested();
    if (step % p.checkpoint_every == 0 || stop) {
      log.Sync();
      run.checkpoints.Save("pretrain", run.parameters, run.tokenizer, optimizer, state, run.config.checkpoint.keep);
    }
    if (stop) {
      bar.Finish();
      return run.Stopped(fmt::format("in pre-training at step {} of {}", step, p.steps));
    }
  }
  return kExitDone;
}

}  // namespace

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
  model.pad_token_id = tokenizer.has_pad() ? tokenizer.pad_id() : -1;
  return model;
}

int MakeBase(Run& run, bool resuming) {
  if (run.checkpoints.HasBase()) {
    run.checkpoints.DropPhase("pretrain");  // a kill may have come in between
    return kExitDone;
  }
  if (run.config.pretrain) {
    const int code = Pretrain(run, resuming);
    if (code != kExitDone) return code;
  }
  run.checkpoints.SaveBase(run.parameters, run.tokenizer);
  run.checkpoints.DropPhase("pretrain");
  return kExitDone;
}

}  // namespace cogent
