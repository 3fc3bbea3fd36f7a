// KTO, Kahneman-Tversky optimization: learns from completions that are good or not, without pairs.
// Sources: Ethayarajh et al., arXiv 2402.01306, equation 7; apo_zero_unpaired: D'Oosterlinck et al., arXiv 2408.06266, equation 7
// as TRL has it without pairs.
//
//   h    = log pi(y) / pi_ref(y)                               the sum over the completion's tokens      (log-ratio)
//   z    = max(0, mean of h over completions put behind other prompts), no gradient                      (drift)
//   kto  = w_good (1 - sigmoid(beta (h - z))) where y is good, w_bad (1 - sigmoid(beta (z - h))) where not
//   apo_zero_unpaired = w_good (1 - sigmoid(beta h)), w_bad sigmoid(beta h)
//   L    = mean over the examples of the optimizer step
//
// What the papers leave open, and our defaults:
//   beta, w_good, w_bad    0.1, 1 and 1 (TRL); unequal counts of good and bad are made up for by the weights
//   z    the completion of the example before, of the whole optimizer step; TRL: of its micro-batch
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/objective.h"

namespace cogent {
namespace {

class Kto final : public Objective {
 public:
  struct Config {
    std::string loss = "kto";
    double beta = 0.1;
    double good_weight = 1.0;
    double bad_weight = 1.0;
    void VisitFields(FieldVisitor& visit) {
      visit("loss", loss, "kto, or apo_zero_unpaired: without the drift", OneOf{"kto", "apo_zero_unpaired"});
      visit("beta", beta, "how far the policy is held to the reference: larger is nearer", {1e-6, 1e6});
      visit("good_weight", good_weight, "weight of good completions", {0.0, 1e6});
      visit("bad_weight", bad_weight, "weight of the others", {0.0, 1e6});
    }
  };
  explicit Kto(const Config& config) : config_(config) {}

  ExampleKind Kind() const override { return ExampleKind::kJudged; }
  bool NeedsReference() const override { return true; }
  bool NeedsDrift() const override { return config_.loss == "kto"; }
  double Denominator(const ExampleBatch& step) const override { return static_cast<double>(step.examples()); }

  ObjectiveLoss ComputeLoss(const ExampleBatch& batch, const TokenOutputs& tokens) const override {
    const at::Tensor h = batch.SequenceSums(tokens.logprobs - batch.ref_logprobs);                          // [e]
    const at::Tensor sign = at::where(batch.good, 1.0, -1.0).to(h.scalar_type());
    const at::Tensor weight = at::where(batch.good, config_.good_weight, config_.bad_weight).to(h.scalar_type());
    const at::Tensor losses = weight * (1.0 - at::sigmoid(config_.beta * sign * (h - batch.drift)));
    const at::Tensor rewards = config_.beta * h.detach();
    ObjectiveLoss loss;
    loss.value = losses.sum();
    loss.sums = {{"rewards/chosen", (rewards * batch.good).sum()}, {"rewards/rejected", (rewards * batch.good.logical_not()).sum()},
                 {"kl", at::full({}, batch.drift * static_cast<double>(batch.examples()), at::kDouble)}};
    return loss;
  }

 private:
  Config config_;
};

}  // namespace

void RegisterKto(ObjectiveRegistry& objectives) { objectives.Add<Kto>("kto", "learns from completions that are good or not, without pairs"); }

}  // namespace cogent
