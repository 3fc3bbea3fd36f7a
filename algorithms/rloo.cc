// RLOO, REINFORCE leave-one-out.
// Sources: Ahmadian et al., arXiv 2402.14740, section 3; Kool, van Hoof and Welling, 2019.
//
//   R_i = r_i - beta sum_t log(pi_old / pi_ref)                       KL in the reward, k1
//   A_i = R_i - 1/(G-1) sum_{j != i} R_j                              the other completions are the baseline
//   J   = mean_i min(rho_i A_i, clip(rho_i, 1 - eps, 1 + eps) A_i),   rho_i = exp( sum_t log(pi_theta / pi_old) )
//
// The paper takes the whole completion as one action and one step a rollout, so rho = 1 and J's gradient is REINFORCE's; the
// clipped ratio is TRL's, for several steps.
//
// What the paper leaves open, and our defaults:
//   ratio         `sequence`: of the whole completion, not averaged over its length (TRL); `token`: PPO's (verl)
//   group of one  no baseline: `alone: zero` teaches nothing (TRL, verl vectorised), `alone: reward` takes the reward (verl)
//   beta          0.05, as TRL
//   average       over completions (`paper`); with `ratio: token` verl takes `tokens`
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"

namespace cogent {
namespace {

struct RlooConfig {
  std::string ratio = "sequence";
  std::string alone = "zero";
  bool normalize = false;
  Clip clip;
  PolicyGradient shared = {.average = "paper", .kl_coef = 0.05, .kl_estimator = "k1", .kl_in = "reward"};

  void VisitFields(FieldVisitor& visit) {
    clip.VisitFields(visit);
    visit("ratio", ratio, "sequence: one a completion, the product over its tokens; token: one a token", OneOf{"sequence", "token"});
    visit("alone", alone, "advantage of a group of one: zero, or the reward itself", OneOf{"zero", "reward"});
    visit("normalize", normalize, "advantages of all completions: (A - mean) / (std + 1e-4) (TRL's normalize_advantages)");
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const {
    clip.Validate(problems, section);
    shared.Validate(problems, section);
  }
};

class Rloo final : public WithKnobs<RlooConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    const std::string kind = config_.alone == "zero" ? "leave_one" : "verl_leave_one";
    at::Tensor advantages = GroupAdvantages(kind, batch, config_.shared.Outcomes(batch));                     // [B]
    if (config_.normalize && advantages.numel() > 1) advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-4);
    return config_.shared.Finish(batch, batch.PerToken(advantages));                                          // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const auto level = config_.ratio == "sequence" ? RatioLevel::kSequenceSum : RatioLevel::kToken;
    const at::Tensor ratio = LogRatio(batch, logprobs, level).exp();                                          // [m], rho_i
    return config_.shared.Total(batch, config_.clip.Surrogate(ratio, batch.advantages), ratio, logprobs, entropy);
  }
};

}  // namespace

void RegisterRloo(AlgorithmRegistry& algorithms) {
  algorithms.Add<Rloo>("rloo", "the other completions' mean as baseline (Ahmadian et al., 2024)");
}

}  // namespace cogent
