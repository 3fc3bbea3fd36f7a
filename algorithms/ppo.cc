// PPO, proximal policy optimization, with a critic of its own.
// Sources: Schulman et al., arXiv 1707.06347, equations 7, 9, 11, 12; generalized advantages: arXiv 1506.02438; for language
// models: Ziegler et al., arXiv 1909.08593, and Ouyang et al., arXiv 2203.02155.
//
//   r_t     = [last token] r - beta log(pi_old / pi_ref)              KL in the reward, k1
//   delta_t = r_t + gamma V_{t+1} - V_t
//   A_t     = delta_t + gamma lambda A_{t+1}                          t over the tokens the policy chose: V and A are carried
//   R_t     = A_t + V_t                                               over tokens of tools as if these were not there
//   J       = mean over all tokens of min(rho A', clip(rho, 1 - eps, 1 + eps) A'),   A' = A whitened over the batch
//   L_V     = 1/2 mean max( (V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2 )
//
// What the papers leave open, and our defaults:
//   gamma, lambda  1 and 1, as verl: the return of a verdict at the end reaches every token (TRL: lambda 0.95)
//   beta           0.001 (verl; TRL: 0.05), k1 at every token
//   whitening      advantages over the whole rollout (Bessel, + 1e-8 under the root); rewards are not whitened
//   c              `value_clip: 0.2` (TRL, SkyRL, slime; verl and OpenRLHF: 0.5)
//   L_V's weight   `value_coef: 1` (verl; TRL: 0.1). The critic has an optimizer of its own, so AdamW takes most of it back
//   average        over all tokens, for both losses
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"

namespace cogent {
namespace {

struct PpoConfig {
  double discount = 1.0;
  double gae_lambda = 1.0;
  double value_clip = 0.2;
  double value_coef = 1.0;
  bool whiten_rewards = false;
  Clip clip;
  PolicyGradient shared = {.average = "tokens", .whiten_advantages = true, .kl_estimator = "k1", .kl_in = "reward"};

  void VisitFields(FieldVisitor& visit) {
    clip.VisitFields(visit);
    visit("discount", discount, "gamma: what a reward is worth one token earlier", {0.0, 1.0});
    visit("gae_lambda", gae_lambda, "lambda: 1 trusts the rewards that came, 0 the critic's next value", {0.0, 1.0});
    visit("value_clip", value_clip, "how far a value may move from the one before the step; 0 = any distance", {0.0, 1e9});
    visit("value_coef", value_coef, "weight of the critic's loss", {0.0, 1e9});
    visit("whiten_rewards", whiten_rewards, "rewards of all tokens get variance 1 and keep their mean (TRL)");
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const {
    clip.Validate(problems, section);
    shared.Validate(problems, section);
  }
};

class Ppo final : public WithKnobs<PpoConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override { return config_.shared.Finish(batch, Plain(batch)); }  // [M]
  at::Tensor Returns(const Batch& batch) const override {                                                          // [M]
    return (Plain(batch) + batch.old_values).to(batch.old_values.scalar_type());
  }
  bool NeedsCritic() const override { return true; }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor ratio = LogRatio(batch, logprobs).exp();                                                 // [m]
    return config_.shared.Total(batch, config_.clip.Surrogate(ratio, batch.advantages), ratio, logprobs, entropy);
  }

  Loss ComputeValueLoss(const Batch& batch, const at::Tensor& values) const override {
    const double c = config_.value_clip;
    at::Tensor error = (values - batch.returns).square();                                                     // [m]
    Loss loss;
    if (c > 0) {
      const at::Tensor near = at::minimum(at::maximum(values, batch.old_values - c), batch.old_values + c);
      const at::Tensor clipped = (near - batch.returns).square();
      loss.token_sums["losses/clipfrac"] = clipped.gt(error).sum();
      error = at::maximum(error, clipped);
    }
    loss.value = config_.value_coef * 0.5 * (batch.weights * error).sum();
    loss.parts["losses/value_loss"] = loss.value.detach();
    return loss;
  }

 private:
  at::Tensor Plain(const Batch& batch) const {  // float64 [M], A before whitening
    at::Tensor rewards = config_.shared.TokenRewards(batch);
    if (config_.whiten_rewards) rewards = Whiten(rewards, /*keep_mean=*/true);
    return Gae(batch, rewards, batch.old_values, config_.discount, config_.gae_lambda);
  }
};

}  // namespace

void RegisterPpo(AlgorithmRegistry& algorithms) {
  algorithms.Add<Ppo>("ppo", "clipped surrogate with a critic and generalized advantages (Schulman et al., 2017)");
}

}  // namespace cogent
