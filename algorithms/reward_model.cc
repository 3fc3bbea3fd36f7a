// A pairwise reward model: a number for a whole completion, from pairs of which one is better.
// Source: Bradley and Terry, "Rank analysis of incomplete block designs", 1952; Ouyang et al., arXiv 2203.02155, equation 1;
// the margin: Touvron et al. (Llama 2), arXiv 2307.09288, equation 2; centring: Eisenstein et al., arXiv 2312.09244, section 3.1.
//
//   L = mean over pairs of  - log sigmoid(r(chosen) - r(rejected) - margin) + c (r(chosen) + r(rejected))^2
//
// r is what the value head says at the completion's last token, the end of sequence. Only differences are learned from
// preferences; `center` keeps the sum near 0.
//
// What the papers leave open, and our defaults:
//   margin   of the pair, from the data (`margin`), 0 where it has none; TRL's
//   center   0; TRL's center_rewards_coefficient, off as there
//   start    the trunk of a language model with a head that says 0
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/objective.h"

namespace cogent {
namespace {

class RewardModel final : public Objective {
 public:
  struct Config {
    double center = 0.0;
    void VisitFields(FieldVisitor& visit) {
      visit("center", center, "weight of the squared sum of a pair's rewards, which keeps them around 0 (TRL: 0.01 where it is used)", {0.0, 1e6});
    }
  };
  explicit RewardModel(const Config& config) : config_(config) {}

  ExampleKind Kind() const override { return ExampleKind::kPreference; }
  bool LearnsValues() const override { return true; }
  double Denominator(const ExampleBatch& step) const override { return static_cast<double>(step.examples()); }

  ObjectiveLoss ComputeLoss(const ExampleBatch& batch, const TokenOutputs& outputs) const override {
    const at::Tensor rewards = outputs.values.view({-1, 2}), chosen = rewards.select(1, 0), rejected = rewards.select(1, 1);  // [e, 2], [e], [e]
    const at::Tensor better = chosen - rejected;
    ObjectiveLoss loss;
    loss.value = -at::log_sigmoid(better - batch.margins.to(better.scalar_type())).sum();
    if (config_.center > 0) loss.value = loss.value + config_.center * (chosen + rejected).square().sum();
    loss.sums = {{"accuracy", better.detach().gt(0).sum()}, {"margin", better.detach().sum()}, {"mean_reward", rewards.detach().mean(1).sum()}};
    return loss;
  }

 private:
  Config config_;
};

}  // namespace

void RegisterRewardModel(ObjectiveRegistry& objectives) { objectives.Add<RewardModel>("reward_model", "a reward for completions, from preferences (Bradley-Terry)"); }

}  // namespace cogent
