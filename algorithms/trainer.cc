#include "algorithms/trainer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <numeric>
#include <thread>

#include "algorithms/trainer_parts.h"
#include "core/error.h"

namespace cogent {
namespace {

using Clock = std::chrono::steady_clock;

// No number that is not finite may reach the weights: the first trajectory that has one is named.
void CheckFinite(const at::Tensor& per_token, const Batch& batch, const std::vector<const Trajectory*>& trajectories, const std::string& what) {
  const at::Tensor bad = per_token.isfinite().logical_not().nonzero();
  if (bad.size(0) == 0) return;
  const std::int64_t index = batch.sequence[bad[0][0]].item<std::int64_t>();
  const Trajectory& t = *trajectories[static_cast<std::size_t>(index)];
  throw InternalError("train task " + std::to_string(t.id.index) + " of seed " + std::to_string(t.id.seed) + ", trajectory " + std::to_string(index) +
                      " of its part: the " + what + " of a token is not finite. Nothing is learned from it, and the last checkpoint is whole: go on from there, "
                      "with a lower learning rate or a narrower clip if the rewards are sound");
}

void AddInto(std::map<std::string, double>& sums, const std::map<std::string, double>& more) {
  for (const auto& [name, value] : more) sums[name] += value;
}

void DescribeTargets(const Batch& batch, StepReport& report) {
  auto& m = report.metrics;
  if (batch.importance.defined() && batch.importance.numel() > 0) {
    m["sampling/importance_sampling_ratio/min"] = batch.importance.min().item<double>();
    m["sampling/importance_sampling_ratio/mean"] = batch.importance.mean().item<double>();
    m["sampling/importance_sampling_ratio/max"] = batch.importance.max().item<double>();
  }
  const at::Tensor means = batch.PerTrajectory(batch.advantages) / batch.lengths.clamp_min(1);  // [B]
  for (std::int64_t i = 0; i < batch.size(); ++i) report.advantages.push_back(means[i].item<double>());
  const std::int64_t tokens = batch.advantages.numel();
  m["advantages/std"] = tokens > 1 ? batch.advantages.std().item<double>() : 0.0;
  if (tokens > 0) {
    m["advantages/mean"] = batch.advantages.mean().item<double>();
    m["advantages/min"] = batch.advantages.min().item<double>();
    m["advantages/max"] = batch.advantages.max().item<double>();
  }
  if (!batch.returns.defined() || tokens == 0) return;
  const at::Tensor returns = batch.returns.to(at::kDouble), values = batch.old_values.to(at::kDouble);
  m["critic/values/mean"] = values.mean().item<double>();
  m["critic/returns/mean"] = returns.mean().item<double>();
  const double variance = tokens > 1 ? returns.var().item<double>() : 0.0;
  if (variance > 0) m["losses/explained_variance"] = 1.0 - (returns - values).var().item<double>() / variance;
}

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

// One optimizer step with the sum of the lanes' gradients, which are 0 again after it. Its norm and whether it was
// clipped go into the metrics under `prefix`.
void TakeStep(const ParameterSet& parameters, AdamW& optimizer, std::vector<at::Tensor>& gradients, double learning_rate, const at::Tensor& load,
              double bias_speed, const std::string& prefix, StepReport& report) {
  for (std::size_t lane = 1; lane < gradients.size(); ++lane) gradients[0].add_(gradients[lane]);
  const double norm = optimizer.Step(gradients[0], learning_rate);
  for (at::Tensor& gradient : gradients) gradient.zero_();
  if (parameters.config().HasCorrection() && !parameters.config().lora) UpdateBiases(parameters.biases(), load, bias_speed);
  report.metrics[prefix + "grad_norm"] = norm;
  report.metrics[prefix + "grad_clipped"] += optimizer.Clips(norm);
  report.metrics[prefix + "learning_rate"] = learning_rate;
}

void DescribeExperts(const at::Tensor& biases, const at::Tensor& load, StepReport& report) {
  if (biases.size(0) == 0) return;
  const at::Tensor total = load.sum(-1, true);                                             // [L, 1]
  const at::Tensor share = load.to(at::kDouble) / total.clamp_min(1).to(at::kDouble);      // [L, E]
  const double experts = static_cast<double>(share.size(1));
  report.metrics["moe/max_violation"] = (share.amax(-1) * experts - 1.0).max().item<double>();
  report.metrics["moe/bias_max"] = biases.abs().max().item<double>();
  report.metrics["moe/dead_experts"] = (load.eq(0).logical_and(total.gt(0))).sum().item<double>();
  for (std::int64_t l = 0; l < share.size(0); ++l) {
    if (total[l].item<std::int64_t>() == 0) continue;  // the prediction module rests while rewards train
    const std::string layer = "moe/expert_load/" + std::to_string(l) + "/";
    for (std::int64_t e = 0; e < share.size(1); ++e) report.metrics[layer + std::to_string(e)] = share[l][e].item<double>();
    report.metrics[layer + "max"] = share[l].max().item<double>() * experts;
    report.metrics[layer + "min"] = share[l].min().item<double>() * experts;
  }
}

}  // namespace

Trainer::Trainer(ParameterSet& parameters, const ParameterSet* reference, AdamW& optimizer, const TrainerConfig& config, Critic* critic)
    : parameters_(&parameters), reference_(reference), optimizer_(&optimizer), config_(config), critic_(critic) {
  for (int lane = 0; lane < config.lanes; ++lane) {
    gradients_.push_back(at::zeros_like(parameters.trained()));
    if (critic != nullptr) critic_gradients_.push_back(at::zeros_like(critic->parameters.flat()));
  }
}

// Calls run(lane, piece number) for all pieces; lane k takes the pieces k, k + lanes, ...
void Trainer::OnLanes(std::size_t count, const std::function<void(std::size_t, std::size_t)>& run) {
  std::vector<std::exception_ptr> errors(gradients_.size());
  const auto work = [&](std::size_t lane) {
    try {
      at::set_num_threads(1);
      for (std::size_t i = lane; i < count; i += gradients_.size()) run(lane, i);
    } catch (...) {
      errors[lane] = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t lane = 1; lane < gradients_.size(); ++lane) threads.emplace_back(work, lane);
  work(0);
  for (std::thread& thread : threads) thread.join();
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

void Trainer::Apply(double learning_rate, const at::Tensor& load, StepReport& report) {
  TakeStep(*parameters_, *optimizer_, gradients_, learning_rate, load, config_.bias_speed, "", report);
  DescribeExperts(parameters_->biases(), load, report);
}

// What a network says of every chosen token, [M].
at::Tensor Trainer::AskAll(const ParameterSet& parameters, const std::vector<const Trajectory*>& trajectories,
                           const std::function<at::Tensor(const Transformer& model, const at::Tensor& hidden, const Piece& piece)>& read) {
  const auto pieces = Cut(trajectories, 0, trajectories.size(), &parameters == parameters_);
  std::vector<at::Tensor> answers(pieces.size());
  OnLanes(pieces.size(), [&](std::size_t, std::size_t i) {
    c10::NoGradGuard no_grad;
    const Transformer model(parameters.config(), parameters.Leaves(), parameters.biases());
    answers[i] = read(model, model.Forward(pieces[i].tokens, {.products = config_.products, .merged_adapters = config_.deterministic}).hidden, pieces[i]);
  });
  return at::cat(answers);
}

at::Tensor Trainer::LogprobsOf(const ParameterSet& parameters, const std::vector<const Trajectory*>& trajectories) {
  return AskAll(parameters, trajectories, [&](const Transformer& model, const at::Tensor& hidden, const Piece& piece) {
    return model.Logprobs(hidden, piece.rows, piece.targets, config_.temperature, Head()).logprobs;
  });
}

at::Tensor Trainer::ValuesOf(const std::vector<const Trajectory*>& trajectories) {
  return AskAll(critic_->parameters, trajectories, [](const Transformer& model, const at::Tensor& hidden, const Piece& piece) { return model.Values(hidden, piece.rows); });
}

// What an optimizer step may not change any more: log-probabilities and values of before, advantages, returns.
Trainer::Lesson Trainer::Prepare(const std::vector<Group>& groups, const Algorithm& algorithm, StepReport& report) {
  Lesson lesson;
  for (const Group& group : groups) {
    for (const Trajectory& t : group.members) lesson.trajectories.push_back(&t);
  }
  lesson.batch = MakeBatch(groups);
  Batch& batch = lesson.batch;
  const auto timed = [&](const char* phase, const auto& compute) {
    const auto start = Clock::now();
    at::Tensor result = compute();
    report.metrics[std::string("timing_s/") + phase] = Seconds(start);
    return result;
  };
  // The sampler's log-probabilities are float32 at temperature 1. Where the trainer's are not, or the sampler's weights are
  // rounded, the ratio needs the trainer's own; of a single update they are those of the pass itself.
  const bool once = config_.epochs * config_.minibatches == 1;
  const bool other_engine = algorithm.Importance(batch).defined();
  if (config_.temperature != 1.0 || (Apart() && !once) || other_engine) {
    const at::Tensor sampled = config_.temperature == 1.0 ? batch.old_logprobs : batch.sampler_logprobs;
    batch.old_logprobs = timed("old_log_prob", [&] { return LogprobsOf(*parameters_, lesson.trajectories); });
    const at::Tensor gap = (batch.old_logprobs - sampled).abs();
    if (gap.numel() > 0) lesson.gap = {gap.mean().item<double>(), gap.max().item<double>()};
  }
  if (algorithm.NeedsReference()) {
    Check(reference_ != nullptr, "an algorithm that compares with a reference needs one");
    batch.ref_logprobs = timed("ref", [&] { return LogprobsOf(*reference_, lesson.trajectories); });
  }
  if (algorithm.NeedsCritic()) {
    Check(critic_ != nullptr, "an algorithm that learns from a critic needs one");
    batch.old_values = timed("values", [&] { return ValuesOf(lesson.trajectories); });
    CheckFinite(batch.old_values, batch, lesson.trajectories, "critic's value");
  }
  batch.state = state_;
  const auto fixing = Clock::now();
  FixTargets(batch, algorithm);
  report.metrics["timing_s/adv"] = Seconds(fixing);
  CheckFinite(batch.advantages, batch, lesson.trajectories, "advantage");
  DescribeTargets(batch, report);
  return lesson;
}

StepReport Trainer::Step(const std::vector<Group>& groups, const Algorithm& algorithm, double learning_rate, double critic_rate) {
  StepReport report;
  const Lesson lesson = Prepare(groups, algorithm, report);
  if (algorithm.NeedsCritic()) UpdateCritic(lesson, algorithm, critic_rate, report);
  UpdatePolicy(lesson, algorithm, learning_rate, report);
  state_ = algorithm.NextState(lesson.batch, report.metrics);
  for (const auto& [name, value] : state_) report.metrics[name] = value;
  return report;
}

StepReport Trainer::StepCritic(const std::vector<Group>& groups, const Algorithm& algorithm, double critic_rate) {
  StepReport report;
  const Lesson lesson = Prepare(groups, algorithm, report);
  UpdateCritic(lesson, algorithm, critic_rate, report);
  return report;
}

template <typename Update>
void Trainer::EachMinibatch(const Lesson& lesson, const Algorithm& algorithm, bool policy, const Update& update) const {
  const std::size_t count = lesson.trajectories.size(), parts = static_cast<std::size_t>(config_.minibatches);
  for (int epoch = 0; epoch < config_.epochs; ++epoch) {
    for (std::size_t part = 0; part < parts; ++part) {
      Minibatch minibatch;
      minibatch.first = count * part / parts, minibatch.last = count * (part + 1) / parts;
      minibatch.untouched = epoch == 0 && part == 0;
      minibatch.tokens = static_cast<double>(lesson.batch.sequence.size(0)) / static_cast<double>(parts);
      minibatch.batch = OptimizerStep(lesson.batch, algorithm, static_cast<std::int64_t>(minibatch.first), static_cast<std::int64_t>(minibatch.last));
      minibatch.pieces = Cut(lesson.trajectories, minibatch.first, minibatch.last, policy);
      update(minibatch);
    }
  }
}

// Forward, loss and backward of one micro-batch.
Trainer::Result Trainer::LearnPolicy(const Lesson& lesson, const Algorithm& algorithm, const Minibatch& step, const Piece& piece, std::size_t lane) const {
  const bool own_old = Apart() && config_.epochs * config_.minibatches == 1;
  Batch slice = step.Slice(piece);
  const Transformer model(parameters_->config(), parameters_->Leaves(gradients_[lane]), parameters_->biases());
  const ForwardResult out = model.Forward(piece.tokens, {.balance_alpha = config_.balance_alpha, .products = config_.products, .gradient_checkpointing = config_.gradient_checkpointing, .merged_adapters = config_.deterministic});
  const TokenStats stats = model.Logprobs(out.hidden, piece.rows, piece.targets, config_.temperature, Head());
  CheckFinite(stats.logprobs.detach(), slice, lesson.From(piece), "log-probability");
  const at::Tensor difference = (stats.logprobs.detach() - slice.old_logprobs);
  if (own_old) slice.old_logprobs = stats.logprobs.detach();
  Loss loss = algorithm.ComputeLoss(slice, stats.logprobs, stats.entropy);
  at::Tensor total = loss.value;
  Result result;
  result.sums["loss"] = loss.value.item<double>() * step.tokens;  // each minibatch has a mean of its own
  for (const auto& [name, part] : loss.parts) result.sums[name] = part.item<double>() * step.tokens;
  if (out.balance_loss.defined()) {
    const at::Tensor share = out.balance_loss * (static_cast<double>(piece.last - piece.first) / static_cast<double>(step.last - step.first));
    total = total + share;
    result.sums["aux_loss"] = share.item<double>() * step.tokens;
  }
  total.backward();
  for (const auto& [name, sum] : loss.token_sums) result.sums[name] = sum.item<double>();
  result.sums["entropy"] = stats.entropy.sum().item<double>();
  result.differences = difference.abs().sum().item<double>();
  if (difference.numel() > 0) {
    result.difference = difference.abs().max().item<double>();
    result.low = own_old ? 1.0 : std::exp(difference.min().item<double>());
    result.high = own_old ? 1.0 : std::exp(difference.max().item<double>());
  }
  result.load = out.load;
  return result;
}

void Trainer::UpdatePolicy(const Lesson& lesson, const Algorithm& algorithm, double learning_rate, StepReport& report) {
  const auto start = Clock::now();
  std::map<std::string, double> sums;
  double largest_difference = 0.0, differences = 0.0, untouched = 0.0, lowest_ratio = 1e30, highest_ratio = 0.0, least_clipped = 1.0, most_clipped = 0.0;
  at::Tensor all_load = at::zeros(parameters_->biases().sizes(), at::kLong);
  EachMinibatch(lesson, algorithm, true, [&](const Minibatch& step) {
    std::vector<Result> results(step.pieces.size());
    OnLanes(step.pieces.size(), [&](std::size_t lane, std::size_t i) { results[i] = LearnPolicy(lesson, algorithm, step, step.pieces[i], lane); });
    at::Tensor load = at::zeros_like(all_load);
    std::map<std::string, double> own;
    for (const Result& result : results) {
      AddInto(own, result.sums);
      load += result.load;
      // The very first pass still has the weights that sampled: engine against trainer.
      if (step.untouched) largest_difference = std::max(largest_difference, result.difference), differences += result.differences;
      lowest_ratio = std::min(lowest_ratio, result.low);
      highest_ratio = std::max(highest_ratio, result.high);
    }
    AddInto(sums, own);
    const double tokens = static_cast<double>(std::max<std::int64_t>(1, step.batch.sequence.size(0)));
    if (step.untouched) untouched = tokens;
    least_clipped = std::min(least_clipped, own["clip_ratio/low_mean"] / tokens);
    most_clipped = std::max(most_clipped, own["clip_ratio/high_mean"] / tokens);
    Apply(learning_rate, load, report);
    all_load += load;
  });
  DescribeExperts(parameters_->biases(), all_load, report);
  Average(sums, lesson, "", report);
  report.metrics["sampling/sampling_logp_difference/mean"] = differences / std::max(1.0, untouched);
  report.metrics["sampling/sampling_logp_difference/max"] = largest_difference;
  if (lesson.gap) {  // the first pass was held to the trainer's own
    report.metrics["sampling/sampling_logp_difference/mean"] = lesson.gap->first;
    report.metrics["sampling/sampling_logp_difference/max"] = lesson.gap->second;
  }
  if (sums.count("clip_ratio/low_mean") > 0) {
    report.metrics["clip_ratio/low_min"] = least_clipped;
    report.metrics["clip_ratio/high_max"] = most_clipped;
  }
  report.metrics["ratio/min"] = lowest_ratio;
  report.metrics["ratio/max"] = highest_ratio;
  report.metrics["timing_s/update_actor"] = Seconds(start);
}

void Trainer::UpdateCritic(const Lesson& lesson, const Algorithm& algorithm, double learning_rate, StepReport& report) {
  const auto start = Clock::now();
  const ParameterSet& parameters = critic_->parameters;
  std::map<std::string, double> sums;
  EachMinibatch(lesson, algorithm, false, [&](const Minibatch& step) {
    std::vector<Result> results(step.pieces.size());
    OnLanes(step.pieces.size(), [&](std::size_t lane, std::size_t i) {
      const Piece& piece = step.pieces[i];
      const Batch slice = step.Slice(piece);
      const Transformer model(parameters.config(), parameters.Leaves(critic_gradients_[lane]), parameters.biases());
      const ForwardResult out = model.Forward(piece.tokens, {.products = config_.products, .gradient_checkpointing = config_.gradient_checkpointing});
      const at::Tensor values = model.Values(out.hidden, piece.rows);
      CheckFinite(values.detach(), slice, lesson.From(piece), "critic's value");
      const Loss loss = algorithm.ComputeValueLoss(slice, values);
      loss.value.backward();
      for (const auto& [name, part] : loss.parts) results[i].sums[name] = part.item<double>() * step.tokens;
      for (const auto& [name, sum] : loss.token_sums) results[i].sums[name] = sum.item<double>();
      results[i].load = out.load;
    });
    at::Tensor load = at::zeros(parameters.biases().sizes(), at::kLong);
    for (const Result& result : results) {
      AddInto(sums, result.sums);
      load += result.load;
    }
    TakeStep(parameters, critic_->optimizer, critic_gradients_, learning_rate, load, config_.bias_speed, "critic/", report);
  });
  Average(sums, lesson, "critic/", report);
  report.metrics["timing_s/update_critic"] = Seconds(start);
}

// Sums over the tokens of all epochs become means; so does the share of clipped steps.
void Trainer::Average(const std::map<std::string, double>& sums, const Lesson& lesson, const std::string& prefix, StepReport& report) const {
  const double tokens = static_cast<double>(lesson.batch.sequence.size(0));
  for (const auto& [name, sum] : sums) report.metrics[name] = sum / (tokens * config_.epochs);
  report.metrics[prefix + "grad_clipped"] /= config_.epochs * config_.minibatches;
}

}  // namespace cogent
