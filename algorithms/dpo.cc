// DPO, direct preference optimization: learns from pairs of a chosen and a rejected completion, without rewards.
// Sources: Rafailov et al., arXiv 2305.18290, equation 7; IPO: Azar et al., arXiv 2310.12036, equation 17;
// hinge: Zhao et al. (SLiC-HF), arXiv 2305.10425; label smoothing: Chowdhury et al. (robust DPO), arXiv 2403.00409.
//
//   h       = log pi(y) / pi_ref(y)                 of a completion, the sum over its tokens      (log-ratio)
//   delta   = h(chosen) - h(rejected)
//   sigmoid = - log sigmoid(beta delta)
//   robust  = (-(1 - e) log sigmoid(beta delta) + e log sigmoid(-beta delta)) / (1 - 2 e)         e: label_smoothing
//   hinge   = max(0, 1 - beta delta)
//   ipo     = (h(chosen) / |chosen| - h(rejected) / |rejected| - 1 / (2 beta))^2
//   sigmoid_norm = - log sigmoid(beta (h(chosen) / |chosen| - h(rejected) / |rejected|))
//   L       = mean over the pairs of the optimizer step
//
// What the papers leave open, and our defaults:
//   reference     the weights that the run started from
//   beta          0.1 (TRL); of ipo it is the paper's tau
//   length        ipo divides by the number of tokens, as TRL does on its authors' word
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/objective.h"

namespace cogent {
namespace {

class Dpo final : public Objective {
 public:
  struct Config {
    std::string loss = "sigmoid";
    double beta = 0.1;
    double label_smoothing = 0.1;

    void VisitFields(FieldVisitor& visit) {
      visit("loss", loss, "sigmoid, hinge, ipo, robust (sigmoid when labels may be wrong), sigmoid_norm (per token)",
            OneOf{"sigmoid", "hinge", "ipo", "robust", "sigmoid_norm"});
      visit("beta", beta, "how far the policy is held to the reference: larger is nearer", {1e-6, 1e6});
      visit("label_smoothing", label_smoothing, "share of pairs whose preference is wrong (loss robust alone)", {0.0, 0.49});
    }
  };
  explicit Dpo(const Config& config) : config_(config) {}

  ExampleKind Kind() const override { return ExampleKind::kPreference; }
  bool NeedsReference() const override { return true; }
  double Denominator(const ExampleBatch& step) const override { return static_cast<double>(step.examples()); }

  ObjectiveLoss ComputeLoss(const ExampleBatch& batch, const TokenOutputs& tokens) const override {
    const at::Tensor log_ratios = batch.SequenceSums(tokens.logprobs - batch.ref_logprobs).view({-1, 2});  // [e, 2]
    const at::Tensor rewards = config_.beta * log_ratios.detach();
    const at::Tensor margins = rewards.select(1, 0) - rewards.select(1, 1);                                // [e]
    const at::Tensor logps = batch.SequenceSums(tokens.logprobs.detach()).view({-1, 2});
    ObjectiveLoss loss;
    loss.value = PairLoss(log_ratios, batch.lengths.view({-1, 2})).sum();
    loss.sums = {{"rewards/chosen", rewards.select(1, 0).sum()}, {"rewards/rejected", rewards.select(1, 1).sum()},
                 {"rewards/margins", margins.sum()},             {"rewards/accuracies", margins.gt(0).sum()},
                 {"logps/chosen", logps.select(1, 0).sum()},     {"logps/rejected", logps.select(1, 1).sum()}};
    return loss;
  }

 private:
  at::Tensor PairLoss(const at::Tensor& log_ratios, const at::Tensor& lengths) const {                     // [e, 2] -> [e]
    const bool per_token = config_.loss == "ipo" || config_.loss == "sigmoid_norm";
    const at::Tensor h = per_token ? log_ratios / lengths.clamp_min(1) : log_ratios;
    const at::Tensor delta = h.select(1, 0) - h.select(1, 1);                                              // [e]
    if (config_.loss == "ipo") return (delta - 1.0 / (2.0 * config_.beta)).square();
    if (config_.loss == "hinge") return (1.0 - config_.beta * delta).relu();
    const at::Tensor right = -at::log_sigmoid(config_.beta * delta);
    if (config_.loss != "robust") return right;
    const double e = config_.label_smoothing;
    return ((1.0 - e) * right + e * at::log_sigmoid(-config_.beta * delta)) / (1.0 - 2.0 * e);
  }

  Config config_;
};

}  // namespace

void RegisterDpo(ObjectiveRegistry& objectives) { objectives.Add<Dpo>("dpo", "direct preference optimization on chosen and rejected completions"); }

}  // namespace cogent
