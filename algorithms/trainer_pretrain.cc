// The trainer's steps on plain documents: next-token prediction, and the prediction of the token after the next.
#include <ATen/ATen.h>

#include <algorithm>

#include "algorithms/trainer.h"

namespace cogent {

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
    const ForwardOptions options{.balance_alpha = config_.balance_alpha, .products = config_.products, .gradient_checkpointing = config_.gradient_checkpointing};
    const Transformer model(parameters_->config(), parameters_->Leaves(gradients_[lane]), parameters_->biases());
    const ForwardResult out = model.Forward(p.tokens, options);
    at::Tensor total = model.Logprobs(out.hidden, p.rows, p.targets, 1.0, {config_.products}).logprobs.sum() * (-1.0 / targets);
    results[i].loss = total.item<double>();
    results[i].load = out.load;
    const double share = static_cast<double>(p.documents) / static_cast<double>(documents.size());
    if (out.balance_loss.defined()) {
      results[i].aux = out.balance_loss.item<double>() * share;
      total = total + out.balance_loss * share;
    }
    if (predict && !p.ahead_rows.empty()) {
      const ForwardResult ahead = model.Predict(p.tokens, out.hidden, options);
      const at::Tensor loss = model.Logprobs(ahead.hidden, p.ahead_rows, p.ahead_targets, 1.0, {config_.products}).logprobs.sum() * (-1.0 / ahead_targets);
      results[i].ahead = loss.item<double>();
      results[i].load = out.load + ahead.load;
      total = total + loss * prediction_weight;
      if (ahead.balance_loss.defined()) total = total + ahead.balance_loss * share;
    }
    total.backward();
  });
  StepReport report;
  at::Tensor load = at::zeros(parameters_->biases().sizes(), at::kLong);
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
