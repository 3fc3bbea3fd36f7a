// On-policy distillation by the reverse KL, token by token: the policy is paid for what the teacher finds likely.
// Sources: Agarwal et al., arXiv 2306.13649, section 3 (reverse KL on the student's own completions); Lu et al., "On-policy
// distillation", Thinking Machines Lab, 2025; verl's distillation with the KL as an advantage.
//
//   A_t = teacher (log pi_teacher - log pi_old) + task A_i          of each token that the policy drew
//   L   = - sum_t weight min(rho A, clip(rho, 1 - eps, 1 + eps) A)
//
// log pi_old - log pi_teacher of a drawn token estimates KL(policy || teacher) there, so this is its policy gradient with
// discount 0: each token answers for itself. A teacher is asked for one number a token, never for a distribution.
//
// What the sources leave open, and our defaults:
//   teacher   `reference`, a checkpoint with the policy's tokenizer
//   task      0: weight of the group's advantage by reward, beside the teacher
//   cut       a token's term counts up to `largest` on either side: 20
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"

namespace cogent {
namespace {

struct DistillConfig {
  double teacher = 1.0;
  double task = 0.0;
  double largest = 20.0;
  std::string advantage = "trl";
  Clip clip;
  PolicyGradient shared = {.average = "tokens", .kl_coef = 0.0};

  void VisitFields(FieldVisitor& visit) {
    visit("teacher", teacher, "weight of log(pi_teacher / pi) of each token", {0.0, 1e6});
    visit("task", task, "weight of the advantage by reward; 0 = the teacher alone", {0.0, 1e6});
    visit("largest", largest, "a token's log(pi_teacher / pi) counts up to this on either side", {0.0, 1e6});
    visit("advantage", advantage, "of `task`: what becomes of a group's rewards", OneOf{kGroupAdvantages});
    clip.VisitFields(visit);
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const {
    clip.Validate(problems, section);
    shared.Validate(problems, section);
    if (teacher == 0 && task == 0) problems.Add(section.PlaceOf("teacher"), "'teacher' and 'task' are both 0: nothing would be learned.");
  }
};

class Distill final : public WithKnobs<DistillConfig> {
 public:
  using WithKnobs::WithKnobs;

  at::Tensor Advantages(const Batch& batch) const override {
    at::Tensor advantages = config_.teacher * (batch.ref_logprobs - batch.old_logprobs).clamp(-config_.largest, config_.largest);  // [M]
    if (config_.task > 0) advantages = advantages + config_.task * batch.PerToken(GroupAdvantages(config_.advantage, batch, config_.shared.Outcomes(batch)));
    return config_.shared.Finish(batch, advantages);
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor ratio = LogRatio(batch, logprobs).exp();                                                 // [m]
    TokenLoss policy = config_.clip.Surrogate(ratio, batch.advantages);
    policy.token_sums["reverse_kl"] = (batch.old_logprobs - batch.ref_logprobs).sum();
    return config_.shared.Total(batch, policy, ratio, logprobs, entropy);
  }

  bool NeedsReference() const override { return true; }
  bool NeedsTeacher() const override { return true; }
};

}  // namespace

void RegisterDistill(AlgorithmRegistry& algorithms) {
  algorithms.Add<Distill>("distill", "on-policy distillation: a teacher's log-probabilities as advantages");
}

}  // namespace cogent
