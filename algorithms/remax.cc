// ReMax, REINFORCE with the reward of a greedy completion as baseline.
// Source: Li et al., arXiv 2310.10505, section 4.1; numbers as verl's `remax`.
//
//   A_i = r_i - r(greedy completion of the same prompt)
//   J   = mean over tokens of min(rho A, clip(rho, 1 - eps, 1 + eps) A)
//
// One completion a prompt is enough (rollout.group_size: 1); the greedy one, drawn beside, costs as much as a member and
// teaches nothing itself. Where greedy is as good as sampled, nothing is learned.
//
// What the paper leaves open, and our defaults:
//   clip       as PPO's, for several optimizer steps on a rollout (verl); with one step the ratio is 1
//   KL         k1 in the reward (verl's use_kl_in_reward), off; it is in A at the tokens that come after, and no baseline
//              takes it off again
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"
#include "core/error.h"

namespace cogent {
namespace {

struct RemaxConfig {
  Clip clip;
  PolicyGradient shared = {.average = "tokens", .kl_coef = 0.0, .kl_estimator = "k1", .kl_in = "reward"};

  void VisitFields(FieldVisitor& visit) {
    clip.VisitFields(visit);
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const {
    clip.Validate(problems, section);
    shared.Validate(problems, section);
  }
};

class Remax final : public WithKnobs<RemaxConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    if (!batch.greedy_rewards.defined()) throw DataError("'greedy_rewards' is missing: this algorithm compares with a greedy completion of the prompt");
    const at::Tensor returns = DiscountedReturns(batch, config_.shared.TokenRewards(batch), 1.0);             // [M]
    return config_.shared.Finish(batch, returns - batch.PerToken(batch.greedy_rewards));                      // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor ratio = LogRatio(batch, logprobs).exp();                                                 // [m]
    return config_.shared.Total(batch, config_.clip.Surrogate(ratio, batch.advantages), ratio, logprobs, entropy);
  }

  bool NeedsGreedy() const override { return true; }
};

}  // namespace

void RegisterRemax(AlgorithmRegistry& algorithms) {
  algorithms.Add<Remax>("remax", "the reward of a greedy completion as baseline (Li et al., 2023)");
}

}  // namespace cogent
