// The trainer's steps on labelled examples. Whole examples make a micro-batch; what the sequences of an example have in
// common at their beginning, a prompt, stands in it once.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "algorithms/trainer.h"
#include "core/error.h"

namespace cogent {
namespace {

struct Pack {
  std::size_t first = 0, last = 0;  // examples
  PackedTokens tokens;
  std::vector<std::int64_t> rows, targets;
};

// Leading tokens that all sequences of a pair share and that none of them learns from.
int SharedPrompt(const Example& example) {
  if (example.sequences.size() < 2) return 0;
  const Sequence& one = example.sequences.front();
  std::size_t shared = one.ids.size() - 1;
  for (const Sequence& s : example.sequences) {
    if (!s.targets.empty()) shared = std::min(shared, static_cast<std::size_t>(s.targets.front()));
    shared = std::min(shared, s.ids.size() - 1);
    for (std::size_t i = 0; i < shared; ++i) {
      if (s.ids[i] != one.ids[i]) shared = i;
    }
  }
  return static_cast<int>(shared);
}

// A target is read at the row that predicts it, or, with a value head, at its own. The last token of a sequence predicts
// nothing that is learned from; it needs no row then.
void Append(const Example& example, bool values, Pack& pack) {
  auto& ids = pack.tokens.ids;
  const int shared = SharedPrompt(example);
  const int prompt = static_cast<int>(ids.size());
  int parent = -1;
  if (shared > 0) {
    parent = static_cast<int>(pack.tokens.segments.size());
    ids.insert(ids.end(), example.sequences.front().ids.begin(), example.sequences.front().ids.begin() + shared);
    pack.tokens.segments.push_back({prompt, prompt + shared, -1});
  }
  for (const Sequence& s : example.sequences) {
    const int begin = static_cast<int>(ids.size());
    ids.insert(ids.end(), s.ids.begin() + shared, s.ids.end() - (values ? 0 : 1));
    if (static_cast<int>(ids.size()) > begin) pack.tokens.segments.push_back({begin, static_cast<int>(ids.size()), parent});
    for (const std::int32_t place : s.targets) {
      const int row = values ? place : place - 1;
      pack.rows.push_back(row < shared ? prompt + row : begin + row - shared);
      pack.targets.push_back(s.ids[static_cast<std::size_t>(place)]);
    }
  }
}

std::size_t Rows(const Example& example) {
  std::size_t rows = 0;
  for (const Sequence& s : example.sequences) rows += s.ids.size();
  return rows;
}

std::vector<Pack> CutExamples(const std::vector<Example>& examples, bool values, int room) {
  std::vector<Pack> packs;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (packs.empty() || static_cast<int>(packs.back().tokens.ids.size()) >= room) packs.push_back({i, i, {}, {}, {}});
    Append(examples[i], values, packs.back());
    packs.back().last = i + 1;
  }
  return packs;
}

// What a network says of a micro-batch.
struct Reading {
  Transformer model;
  ForwardResult out;

  Reading(const Pack& pack, const ParameterSet& parameters, const std::vector<at::Tensor>& leaves, const ForwardOptions& options)
      : model(parameters.config(), leaves, parameters.biases()), out(model.Forward(pack.tokens, options)) {}
  TokenOutputs Tokens(const Pack& pack, Products products) const {
    if (model.config().value_head) return {{}, {}, model.Values(out.hidden, pack.rows)};
    const TokenStats stats = model.Logprobs(out.hidden, pack.rows, pack.targets, 1.0, {products});
    return {stats.logprobs, stats.entropy};
  }
};

void CheckShape(const std::vector<Example>& examples, ExampleKind kind) {
  for (const Example& e : examples) {
    Check(static_cast<int>(e.sequences.size()) == SequenceCount(kind), "an example has as many sequences as its objective reads");
    for (const Sequence& s : e.sequences) {
      Check(!s.ids.empty(), "a sequence has tokens");
      Check(s.targets.empty() || (s.targets.front() >= 1 && s.targets.back() < static_cast<int>(s.ids.size())), "targets are places behind the first token");
    }
  }
}

// Each prompt with the completion of the example before it; the first takes the last one's.
std::vector<Example> Mismatched(const std::vector<Example>& examples, std::size_t longest) {
  std::vector<Example> mixed;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const Sequence &own = examples[i].sequences.front(), &other = examples[(i + examples.size() - 1) % examples.size()].sequences.front();
    const int prompt = own.targets.front(), begin = other.targets.front();
    Sequence s{{own.ids.begin(), own.ids.begin() + prompt}, {}, {}};
    s.ids.insert(s.ids.end(), other.ids.begin() + begin, other.ids.end());
    if (s.ids.size() > longest) s.ids.resize(longest);
    for (const std::int32_t place : other.targets) {
      if (place - begin + prompt < static_cast<int>(s.ids.size())) s.targets.push_back(place - begin + prompt);
    }
    mixed.push_back({{std::move(s)}});
  }
  return mixed;
}

}  // namespace

double Trainer::Drift(const std::vector<Example>& examples) {
  const std::vector<Example> mixed = Mismatched(examples, static_cast<std::size_t>(parameters_->config().max_position_embeddings));
  std::size_t rows = 0;
  for (const Example& e : mixed) rows += Rows(e);
  const std::vector<Pack> packs = CutExamples(mixed, false, RowsAPiece(rows));
  std::vector<double> sums(packs.size());
  OnLanes(packs.size(), [&](std::size_t, std::size_t i) {
    const c10::NoGradGuard no_grad;
    const ForwardOptions options{.products = config_.products};
    const auto logprobs = [&](const ParameterSet& parameters) { return Reading(packs[i], parameters, parameters.Leaves(), options).Tokens(packs[i], options.products).logprobs; };
    sums[i] = (logprobs(*parameters_) - logprobs(*reference_)).sum().item<double>();
  });
  return std::max(0.0, std::accumulate(sums.begin(), sums.end(), 0.0) / static_cast<double>(mixed.size()));
}

StepReport Trainer::Learn(const std::vector<Example>& examples, const Objective& objective, double learning_rate) {
  return Pass(examples, objective, &learning_rate);
}

StepReport Trainer::Measure(const std::vector<Example>& examples, const Objective& objective) { return Pass(examples, objective, nullptr); }

// Learns where there is a learning rate.
StepReport Trainer::Pass(const std::vector<Example>& examples, const Objective& objective, const double* learning_rate) {
  CheckShape(examples, objective.Kind());
  Check(!objective.NeedsReference() || reference_ != nullptr, "an objective that compares with a reference needs one");
  const ExampleBatch step = MakeExampleBatch(examples, 0, examples.size());
  Check(step.targets() > 0, "examples to learn from have targets");
  const double denominator = objective.Denominator(step);
  std::size_t rows = 0;
  for (const Example& e : examples) rows += Rows(e);
  Check(parameters_->config().value_head == objective.LearnsValues(), "a value head is there where an objective learns values");
  const std::vector<Pack> packs = CutExamples(examples, objective.LearnsValues(), RowsAPiece(rows));
  const double drift = objective.NeedsDrift() ? Drift(examples) : 0.0;
  const std::optional<Divergence> from_teacher = objective.FromTeacher();
  double segments = 0;  // of which the balance loss is a mean
  for (const Pack& pack : packs) segments += static_cast<double>(pack.tokens.segments.size());
  const bool learning = learning_rate != nullptr;
  struct Result {
    std::map<std::string, double> sums;
    at::Tensor load;
  };
  std::vector<Result> results(packs.size());
  OnLanes(packs.size(), [&](std::size_t lane, std::size_t i) {
    const Pack& pack = packs[i];
    Result& result = results[i];
    ExampleBatch batch = MakeExampleBatch(examples, pack.first, pack.last);
    batch.drift = drift;
    ForwardOptions options{.products = config_.products};
    std::optional<Reading> reference;
    if (objective.NeedsReference()) {
      const c10::NoGradGuard no_grad;
      reference.emplace(pack, *reference_, reference_->Leaves(), options);
      if (!from_teacher) batch.ref_logprobs = reference->Tokens(pack, options.products).logprobs;
    }
    const c10::AutoGradMode with_gradients(learning);
    if (learning) options.balance_alpha = config_.balance_alpha, options.gradient_checkpointing = config_.gradient_checkpointing;
    const Reading now(pack, *parameters_, learning ? parameters_->Leaves(gradients_[lane]) : parameters_->Leaves(), options);
    TokenOutputs tokens = now.Tokens(pack, options.products);
    if (from_teacher) tokens.divergence = now.model.DivergenceFrom(reference->model, now.out.hidden, reference->out.hidden, pack.rows, *from_teacher);
    const ObjectiveLoss loss = objective.ComputeLoss(batch, tokens);
    result.load = now.out.load;
    at::Tensor total = loss.value / denominator;
    result.sums["loss"] = total.item<double>();
    for (const auto& [name, sum] : loss.sums) result.sums[name] = sum.item<double>() / denominator;
    if (now.out.balance_loss.defined()) {
      const at::Tensor share = now.out.balance_loss * (static_cast<double>(pack.tokens.segments.size()) / segments);
      result.sums["aux_loss"] = share.item<double>();
      total = total + share;
    }
    if (learning) total.backward();
  });
  StepReport report;
  at::Tensor load = at::zeros(parameters_->biases().sizes(), at::kLong);
  for (const Result& result : results) {
    for (const auto& [name, value] : result.sums) report.metrics[name] += value;
    load += result.load;
  }
  if (learning) Apply(*learning_rate, load, report);
  return report;
}

}  // namespace cogent
