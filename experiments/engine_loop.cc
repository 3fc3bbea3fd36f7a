#include "experiments/engine_loop.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <iostream>

#include "core/error.h"
#include "core/progress.h"
#include "experiments/engine_commands.h"
#include "experiments/engine_evaluate.h"
#include "experiments/report.h"

namespace cogent {

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

namespace {

// Of this process so far, GB.
double MostMemory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024 / 1e9;
}

// Equal ids must mean equal texts.
void CheckTokenizer(const Run& run, const std::string& dir) {
  const Tokenizer other = Tokenizer::Load(dir);
  const int differing = DifferingIds(run.tokenizer, other), ids = LoadPolicyConfig(dir).vocab_size;
  if (differing == 0 && ids == run.parameters.config().vocab_size) return;
  throw DataError(fmt::format("reference {}: its tokenizer is another than the policy's ({} ids and {}, {} of them mean other texts or are in one alone; the models have {} and {} "
                              "rows); both must read the same ids", dir, other.vocab_size(), run.tokenizer.vocab_size(), differing, ids, run.parameters.config().vocab_size));
}

}  // namespace

TrainingLoop::TrainingLoop(Run& run, RunLog& log, bool needs_reference) : run_(run), log_(log), optimizer_(run.parameters, run.config.optimizer) {
  if (!needs_reference) return;
  const std::string& other = run_.config.reference;
  if (other.empty() && run_.parameters.config().lora) {  // the start is the base, which no step changes
    reference_ = std::make_unique<ParameterSet>(run_.parameters.Base());
    return;
  }
  if (!other.empty()) CheckTokenizer(run_, other);
  reference_ = std::make_unique<ParameterSet>(other.empty() ? run_.parameters.config() : LoadPolicyConfig(other));
  reference_->MoveTo(run_.parameters.flat().device());
  reference_->Load(other.empty() ? run_.checkpoints.BasePath() : other, Rng(0));
}

Metrics TrainingLoop::MeasureHeldOut(std::int64_t) { return {}; }

int TrainingLoop::Train(std::int64_t from) {
  Start(from);
  ProgressOptions options;
  if (run_.quiet) options.style = ProgressOptions::Style::kNone;
  options.first = state_.step;
  const std::int64_t steps = Steps();
  Progress bar(run_.config.algorithm.name, steps, "steps", options);
  while (state_.step < steps && !OutOfPatience()) {
    const std::int64_t step = state_.step + 1;
    const double start = Now();
    Metrics metrics = OneStep(step);
    bool improved = false;
    if (step % run_.config.eval.every == 0 && step != steps) {
      const double testing = Now();
      improved = EvaluateOnTheWay(step);
      metrics["timing_s/testing"] = Now() - testing;
    }
    state_.step = step;
    state_.after.clear();
    metrics["timing_s/step"] = metrics["step_time"] = Now() - start;
    metrics["perf/max_memory_gb"] = MostMemory();
    state_.seconds += metrics["step_time"];
    log_.AddMetrics(step, metrics);
    bar.Advance(1, Describe(metrics));
    if (step == steps || OutOfPatience()) break;
    const bool stop = StopRequested();
    if (step % run_.config.checkpoint.every == 0 || improved || stop) {
      Save();
      if (improved) run_.checkpoints.MarkBest(step);
    }
    if (stop) {
      bar.Finish();
      return run_.Stopped(fmt::format("at step {} of {}", step, steps));
    }
  }
  bar.Finish();
  return Finish();
}

void TrainingLoop::Start(std::int64_t from) {
  if (from >= 0) {
    state_ = run_.checkpoints.Load("step", from, run_.parameters, optimizer_);
  } else {
    run_.parameters.Load(run_.checkpoints.BasePath(), Rng(0));
  }
  if (run_.config.critic) critic_ = from >= 0 ? StoredCritic(run_, from) : FirstCritic(run_);
  if (writes()) {
    Generator::Options options = SamplerOptions(run_.config.rollout, Threads(run_.config));
    options.record_experts = run_.config.train.replay_experts && !run_.config.data;
    options.latents = run_.config.deterministic ? Latents::kExpanded : Latents::kAbsorbed;
    generator_.emplace(run_.parameters, run_.tokenizer, options);
  }
  trainer_.emplace(run_.parameters, reference_.get(), optimizer_, MakeTrainerConfig(run_.config, run_.config.train.mixture), critic_.get());
  trainer_->set_state(state_.algorithm);
  if (from >= 0) return run_.checkpoints.Settle("step", state_, run_.config.checkpoint.keep);
  state_.before = EvaluateAll();
  Improves(state_.before, 0);
  Save();
  run_.checkpoints.MarkBest(0);
}

void TrainingLoop::Save() {
  log_.Sync();
  run_.checkpoints.Save("step", run_.parameters, run_.tokenizer, optimizer_, state_, run_.config.checkpoint.keep, critic_.get());
}

// The numbers of summary.json.
Metrics TrainingLoop::EvaluateAll() {
  Metrics all = has_env() ? FullEvaluation(run_, log_, *generator_, state_.step) : Metrics();
  for (const auto& [name, value] : MeasureHeldOut(state_.step)) all[name] = value;
  return all;
}

bool TrainingLoop::EvaluateOnTheWay(std::int64_t step) {
  Metrics all;
  if (has_env()) {
    all = Evaluate(run_.config, run_.parts, *generator_, SampledPlan(run_.config, run_.config.eval.tasks), run_.rng.Fork("eval").Fork(static_cast<std::uint64_t>(step))).metrics;
    log_.AddEval(step, "sampled", all);
  }
  for (const auto& [name, value] : MeasureHeldOut(step)) all[name] = value;
  return Improves(all, step);
}

// The environment's verdict decides, or the held-out loss where there is none; without both, the newest is the best.
bool TrainingLoop::Improves(const Metrics& metrics, std::int64_t step) {
  const auto score = metrics.find("pass@1"), loss = metrics.find("held_out/loss");
  const bool first = state_.best_step < 0, measured = score != metrics.end() || loss != metrics.end();
  const double value = score != metrics.end() ? score->second : measured ? -loss->second : 0.0;
  if (!first && measured && value <= state_.best) return false;
  state_.best = value;
  state_.best_step = step;
  return true;
}

// An evaluation at the end may be the best one, so a run that ended counts as ended.
bool TrainingLoop::OutOfPatience() const {
  const std::int64_t every = run_.config.eval.every, patience = run_.config.train.patience;
  return patience > 0 && (!state_.after.empty() || (state_.step > 0 && state_.step % every == 0 && state_.step - state_.best_step >= patience * every));
}

int TrainingLoop::Finish() {
  if (state_.after.empty()) {  // else it was saved, and a kill came before the summary
    state_.after = EvaluateAll();
    Improves(state_.after, state_.step);
    Save();
  }
  run_.checkpoints.MarkBest(state_.best_step);
  RunSummary summary;
  summary.before = Metrics(state_.before.begin(), state_.before.end());
  summary.after = Metrics(state_.after.begin(), state_.after.end());
  summary.run = {{"steps", static_cast<double>(state_.step)}, {"seconds", state_.seconds}, {"num_tokens", state_.num_tokens},
                 {"parameters", CountParameters(run_.parameters.config()).total}, {"seed", static_cast<double>(run_.config.seed)}};
  summary.text = {{"algorithm", run_.config.algorithm.name}, {"env", run_.config.env.name}};
  log_.WriteSummary(summary);
  const std::string report = WriteReport(run_.config.Directory());
  if (run_.quiet) return kExitDone;
  if (has_env()) {
    std::cout << fmt::format("pass@1 on {} held-out tasks: {:.1f}% -> {:.1f}%; mean completion {:.1f} -> {:.1f} tokens\n", run_.config.eval.final_tasks,
                             100 * summary.before["pass@1"], 100 * summary.after["pass@1"], summary.before["mean_length"], summary.after["mean_length"]);
  }
  if (summary.after.count("held_out/loss") > 0) {
    std::cout << fmt::format("loss on held-out examples: {:.4f} -> {:.4f}\n", summary.before["held_out/loss"], summary.after["held_out/loss"]);
  }
  std::cout << "report: " << report << "\n";
  return kExitDone;
}

}  // namespace cogent
