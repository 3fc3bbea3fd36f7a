#include "algorithms/trainer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <numeric>
#include <thread>

#include "core/error.h"

namespace cogent {

// A micro-batch: packed rows, and which row predicts which chosen token.
struct Trainer::Piece {
  std::size_t first = 0, last = 0;  // trajectories
  PackedTokens tokens;
  std::vector<std::int64_t> rows, targets;  // of the chosen tokens, in the order of the batch
};

namespace {

// Everything of a trajectory behind its first prompt, with a mark on the tokens that the policy chose.
void AppendContinuation(const Trajectory& t, int parent, int prompt_last_row, PackedTokens& tokens, std::vector<std::int64_t>& rows,
                        std::vector<std::int64_t>& targets) {
  Segment segment{static_cast<int>(tokens.ids.size()), 0, parent};
  int before = prompt_last_row;  // the row that predicts the next token
  for (std::size_t turn = 0; turn < t.turns.size(); ++turn) {
    if (turn > 0) {
      for (const auto id : t.turns[turn].prompt_ids) before = static_cast<int>(tokens.ids.size()), tokens.ids.push_back(id);
    }
    for (const auto id : t.turns[turn].completion_ids) {
      rows.push_back(before);
      targets.push_back(id);
      before = static_cast<int>(tokens.ids.size());
      tokens.ids.push_back(id);
    }
  }
  // The last token predicts nothing that is learned from; it needs no row.
  if (static_cast<int>(tokens.ids.size()) > segment.begin) tokens.ids.pop_back();
  segment.end = static_cast<int>(tokens.ids.size());
  if (segment.size() > 0) tokens.segments.push_back(segment);
}

// The rollout's experts of the rows from `first` on, which are `t`'s rows from `skip` on; the router chooses where `t` has none.
void AppendExperts(const Trajectory& t, std::size_t first, std::size_t skip, std::size_t per_row, PackedTokens& tokens) {
  std::vector<std::int32_t> all;
  for (const Turn& turn : t.turns) all.insert(all.end(), turn.experts.begin(), turn.experts.end());
  const std::size_t begin = skip * per_row, count = (tokens.ids.size() - first) * per_row;
  if (begin + count > all.size()) tokens.experts.insert(tokens.experts.end(), count, -1);
  else tokens.experts.insert(tokens.experts.end(), all.begin() + static_cast<std::ptrdiff_t>(begin), all.begin() + static_cast<std::ptrdiff_t>(begin + count));
}

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

}  // namespace

Trainer::Trainer(ParameterSet& parameters, const ParameterSet* reference, AdamW& optimizer, const TrainerConfig& config)
    : parameters_(&parameters), reference_(reference), optimizer_(&optimizer), config_(config) {
  for (int lane = 0; lane < config.lanes; ++lane) gradients_.push_back(at::zeros_like(parameters.flat()));
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

double Trainer::Apply(double learning_rate, const at::Tensor& load, StepReport& report) {
  for (std::size_t lane = 1; lane < gradients_.size(); ++lane) gradients_[0].add_(gradients_[lane]);
  const double norm = optimizer_->Step(gradients_[0], learning_rate);
  for (at::Tensor& gradient : gradients_) gradient.zero_();
  const at::Tensor& biases = parameters_->biases();
  if (biases.size(0) > 0) {
    UpdateBiases(biases, load, config_.bias_speed);
    const at::Tensor share = load.to(at::kDouble) / load.sum(-1, true).clamp_min(1).to(at::kDouble);  // [L, E]
    report.metrics["moe/max_violation"] = (share.amax(-1) * static_cast<double>(share.size(1)) - 1.0).max().item<double>();
    report.metrics["moe/bias_max"] = biases.abs().max().item<double>();
    for (std::int64_t l = 0; l < share.size(0); ++l) {
      if (share[l].sum().item<double>() == 0) continue;  // the prediction module rests while rewards train
      for (std::int64_t e = 0; e < share.size(1); ++e) {
        report.metrics["moe/expert_load/" + std::to_string(l) + "/" + std::to_string(e)] = share[l][e].item<double>();
      }
    }
  }
  report.metrics["grad_norm"] = norm;
  report.metrics["learning_rate"] = learning_rate;
  return norm;
}

// As many rows as asked for, or fewer, so that every lane has work.
int Trainer::RowsAPiece(std::size_t rows) const {
  const std::size_t lanes = gradients_.size(), most = static_cast<std::size_t>(config_.micro_batch_tokens);
  const std::size_t rounds = std::max<std::size_t>(1, (rows + lanes * most - 1) / (lanes * most));
  return static_cast<int>(std::max<std::size_t>(1, (rows + lanes * rounds - 1) / (lanes * rounds)));
}

std::vector<Trainer::Piece> Trainer::Cut(const std::vector<const Trajectory*>& trajectories, std::size_t first, std::size_t last) const {
  std::vector<Piece> pieces;
  std::size_t rows = 0;
  for (std::size_t i = first; i < last; ++i) rows += static_cast<std::size_t>(trajectories[i]->CompletionTokens());
  const int room = RowsAPiece(rows);
  const std::size_t experts_per_row = config_.replay_experts ? static_cast<std::size_t>(parameters_->config().MixtureLayers() * parameters_->config().num_experts_per_tok) : 0;
  int parent = -1, prompt_last_row = -1;
  const std::vector<std::int32_t>* prompt = nullptr;
  for (std::size_t i = first; i < last; ++i) {
    const Trajectory& t = *trajectories[i];
    if (pieces.empty() || static_cast<int>(pieces.back().tokens.ids.size()) >= room) {
      pieces.push_back({i, i, {}, {}, {}});
      prompt = nullptr;
    }
    Piece& piece = pieces.back();
    const auto& own = t.turns.front().prompt_ids;
    const std::size_t first_row = piece.tokens.ids.size();
    std::size_t known = own.size();  // rows of this trajectory that stand in the piece already
    if (prompt == nullptr || *prompt != own) {
      prompt = &own;
      known = 0;
      parent = static_cast<int>(piece.tokens.segments.size());
      const int begin = static_cast<int>(piece.tokens.ids.size());
      piece.tokens.ids.insert(piece.tokens.ids.end(), own.begin(), own.end());
      prompt_last_row = static_cast<int>(piece.tokens.ids.size()) - 1;
      piece.tokens.segments.push_back({begin, prompt_last_row + 1, -1});
    }
    AppendContinuation(t, parent, prompt_last_row, piece.tokens, piece.rows, piece.targets);
    if (experts_per_row > 0) AppendExperts(t, first_row, known, experts_per_row, piece.tokens);
    piece.last = i + 1;
  }
  return pieces;
}

at::Tensor Trainer::LogprobsOf(const ParameterSet& parameters, const std::vector<const Trajectory*>& trajectories) {
  auto pieces = Cut(trajectories, 0, trajectories.size());
  if (&parameters != parameters_) {
    for (Piece& piece : pieces) piece.tokens.experts.clear();  // the rollout's experts are the policy's
  }
  std::vector<at::Tensor> logprobs(pieces.size());
  OnLanes(pieces.size(), [&](std::size_t, std::size_t i) {
    c10::NoGradGuard no_grad;
    const DeepseekV3 model(parameters.config(), parameters.Leaves(), parameters.biases());
    const Piece& piece = pieces[i];
    logprobs[i] = model.Logprobs(model.Forward(piece.tokens, {.products = config_.products}).hidden, piece.rows, piece.targets, config_.temperature).logprobs;
  });
  return at::cat(logprobs);
}

StepReport Trainer::Step(const std::vector<Group>& groups, const Algorithm& algorithm, double learning_rate) {
  std::vector<const Trajectory*> trajectories;
  for (const Group& group : groups) {
    for (const Trajectory& t : group.members) trajectories.push_back(&t);
  }
  Batch batch = MakeBatch(groups);
  StepReport report;
  // The sampler's log-probabilities are float32 at temperature 1. Where the trainer's are not, the ratio needs
  // the trainer's own; of a single update they are those of the pass itself.
  const bool rounded = Supported(config_.products) != Products::kFloat32, once = config_.epochs * config_.minibatches == 1;
  const bool other_engine = algorithm.Importance(batch).defined();
  if (config_.temperature != 1.0 || (rounded && !once) || other_engine) batch.old_logprobs = LogprobsOf(*parameters_, trajectories);
  if (algorithm.NeedsReference()) {
    Check(reference_ != nullptr, "an algorithm that compares with a reference needs one");
    batch.ref_logprobs = LogprobsOf(*reference_, trajectories);
  }
  batch.state = state_;
  FixTargets(batch, algorithm);
  CheckFinite(batch.advantages, batch, trajectories, "advantage");
  if (batch.importance.defined() && batch.importance.numel() > 0) {
    report.metrics["sampling/importance_sampling_ratio/min"] = batch.importance.min().item<double>();
    report.metrics["sampling/importance_sampling_ratio/mean"] = batch.importance.mean().item<double>();
    report.metrics["sampling/importance_sampling_ratio/max"] = batch.importance.max().item<double>();
  }
  const at::Tensor means = batch.PerTrajectory(batch.advantages) / batch.lengths.clamp_min(1);  // [B]
  for (std::int64_t i = 0; i < batch.size(); ++i) report.advantages.push_back(means[i].item<double>());
  const double tokens = static_cast<double>(batch.sequence.size(0));
  report.metrics["advantages/std"] = batch.advantages.numel() > 1 ? batch.advantages.std().item<double>() : 0.0;

  std::map<std::string, double> sums;
  double largest_difference = 0.0, lowest_ratio = 1e30, highest_ratio = 0.0;
  const std::size_t count = trajectories.size(), parts = static_cast<std::size_t>(config_.minibatches);
  for (int epoch = 0; epoch < config_.epochs; ++epoch) {
    for (std::size_t part = 0; part < parts; ++part) {
      const std::size_t first = count * part / parts, last = count * (part + 1) / parts;
      const Batch minibatch = OptimizerStep(batch, algorithm, static_cast<std::int64_t>(first), static_cast<std::int64_t>(last));
      const auto pieces = Cut(trajectories, first, last);
      struct Result {
        std::map<std::string, double> sums;
        double difference = 0.0, low = 1e30, high = 0.0;
        at::Tensor load;
      };
      std::vector<Result> results(pieces.size());
      OnLanes(pieces.size(), [&](std::size_t lane, std::size_t i) {
        const Piece& piece = pieces[i];
        Batch slice = minibatch.Slice(static_cast<std::int64_t>(piece.first - first), static_cast<std::int64_t>(piece.last - first));
        const DeepseekV3 model(parameters_->config(), parameters_->Leaves(gradients_[lane]), parameters_->biases());
        const ForwardResult out = model.Forward(piece.tokens, {.balance_alpha = config_.balance_alpha, .products = config_.products});
        const TokenStats stats = model.Logprobs(out.hidden, piece.rows, piece.targets, config_.temperature, config_.products);
        CheckFinite(stats.logprobs.detach(), slice, {trajectories.begin() + static_cast<std::ptrdiff_t>(piece.first), trajectories.end()}, "log-probability");
        const at::Tensor difference = (stats.logprobs.detach() - slice.old_logprobs);
        if (rounded && once) slice.old_logprobs = stats.logprobs.detach();
        Loss loss = algorithm.ComputeLoss(slice, stats.logprobs, stats.entropy);
        at::Tensor total = loss.value;
        Result& result = results[i];
        const double as_sum = tokens / static_cast<double>(parts);  // each minibatch has a mean of its own
        result.sums["loss"] = loss.value.item<double>() * as_sum;
        for (const auto& [name, part] : loss.parts) result.sums[name] = part.item<double>() * as_sum;
        if (out.balance_loss.defined()) {
          const at::Tensor share = out.balance_loss * (static_cast<double>(piece.last - piece.first) / static_cast<double>(last - first));
          total = total + share;
          result.sums["aux_loss"] = share.item<double>() * as_sum;
        }
        total.backward();
        for (const auto& [name, sum] : loss.token_sums) result.sums[name] = sum.item<double>();
        result.sums["entropy"] = stats.entropy.sum().item<double>();
        result.sums["sampling/sampling_logp_difference/mean"] = difference.abs().sum().item<double>();
        if (difference.numel() > 0) {
          result.difference = difference.abs().max().item<double>();
          result.low = std::exp(difference.min().item<double>());
          result.high = std::exp(difference.max().item<double>());
        }
        result.load = out.load;
      });
      at::Tensor load = at::zeros_like(parameters_->biases()).to(at::kLong);
      for (const Result& result : results) {
        AddInto(sums, result.sums);
        load += result.load;
        // The very first pass still has the weights that sampled: engine against trainer.
        if (epoch == 0 && part == 0) largest_difference = std::max(largest_difference, result.difference);
        lowest_ratio = std::min(lowest_ratio, result.low);
        highest_ratio = std::max(highest_ratio, result.high);
      }
      Apply(learning_rate, load, report);
    }
  }
  for (const auto& [name, sum] : sums) report.metrics[name] = sum / (tokens * config_.epochs);
  report.metrics["sampling/sampling_logp_difference/max"] = largest_difference;
  report.metrics["ratio/min"] = lowest_ratio;
  report.metrics["ratio/max"] = highest_ratio;
  state_ = algorithm.NextState(batch, report.metrics);
  for (const auto& [name, value] : state_) report.metrics[name] = value;
  return report;
}

StepReport Trainer::Pretrain(const std::vector<Document>& documents, double learning_rate, double prediction_weight) {
  struct Text {
    PackedTokens tokens;
    std::vector<std::int64_t> rows, targets, ahead_rows, ahead_targets;
    std::size_t documents = 0;
  };
  std::vector<Text> pieces;
  double targets = 0, ahead_targets = 0;
  std::size_t rows = 0;
  for (const Document& d : documents) rows += d.ids.size();
  const int room = RowsAPiece(rows);
  for (const Document& d : documents) {
    if (d.ids.size() < 2) continue;
    if (pieces.empty() || static_cast<int>(pieces.back().tokens.ids.size()) >= room) pieces.emplace_back();
    Text& p = pieces.back();
    const int begin = static_cast<int>(p.tokens.ids.size()), size = static_cast<int>(d.ids.size());
    p.tokens.ids.insert(p.tokens.ids.end(), d.ids.begin(), d.ids.end());
    p.tokens.segments.push_back({begin, begin + size, -1});
    ++p.documents;
    for (int i = std::max(1, d.first_target); i < size; ++i) p.rows.push_back(begin + i - 1), p.targets.push_back(d.ids[i]), ++targets;
    for (int i = std::max(2, d.first_target); i < size; ++i) p.ahead_rows.push_back(begin + i - 2), p.ahead_targets.push_back(d.ids[i]), ++ahead_targets;
  }
  const bool predict = prediction_weight > 0 && parameters_->config().num_nextn_predict_layers > 0;
  struct Result {
    double loss = 0, ahead = 0, aux = 0;
    at::Tensor load;
  };
  std::vector<Result> results(pieces.size());
  OnLanes(pieces.size(), [&](std::size_t lane, std::size_t i) {
    const Text& p = pieces[i];
    const ForwardOptions options{.balance_alpha = config_.balance_alpha, .products = config_.products};
    const DeepseekV3 model(parameters_->config(), parameters_->Leaves(gradients_[lane]), parameters_->biases());
    const ForwardResult out = model.Forward(p.tokens, options);
    at::Tensor total = model.Logprobs(out.hidden, p.rows, p.targets, 1.0, config_.products).logprobs.sum() * (-1.0 / targets);
    results[i].loss = total.item<double>();
    results[i].load = out.load;
    const double share = static_cast<double>(p.documents) / static_cast<double>(documents.size());
    if (out.balance_loss.defined()) {
      results[i].aux = out.balance_loss.item<double>() * share;
      total = total + out.balance_loss * share;
    }
    if (predict && !p.ahead_rows.empty()) {
      const ForwardResult ahead = model.Predict(p.tokens, out.hidden, options);
      const at::Tensor loss = model.Logprobs(ahead.hidden, p.ahead_rows, p.ahead_targets, 1.0, config_.products).logprobs.sum() * (-1.0 / ahead_targets);
      results[i].ahead = loss.item<double>();
      results[i].load = out.load + ahead.load;
      total = total + loss * prediction_weight;
      if (ahead.balance_loss.defined()) total = total + ahead.balance_loss * share;
    }
    total.backward();
  });
  StepReport report;
  at::Tensor load = at::zeros_like(parameters_->biases()).to(at::kLong);
  double loss = 0, ahead = 0, aux = 0;
  for (const Result& result : results) {
    loss += result.loss, ahead += result.ahead, aux += result.aux;
    load += result.load;
  }
  report.metrics["loss"] = loss;
  if (predict) report.metrics["mtp_loss"] = ahead;
  if (config_.balance_alpha > 0) report.metrics["aux_loss"] = aux;
  Apply(learning_rate, load, report);
  return report;
}

}  // namespace cogent
