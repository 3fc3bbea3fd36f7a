// DAPO, decoupled clip and dynamic sampling policy optimization.
// Source: Yu et al., arXiv 2503.14476, section 3.
//
//   J = 1 / sum_i |o_i| sum_i sum_t min(rho A, clip(rho, 1 - eps_low, 1 + eps_high) A)    (equation 8)
//   so that 0 < |{ i : o_i is right }| < G                                                (dynamic sampling)
//
// Its four parts, and where they are:
//   clip-higher          `clip_ratio: 0.2`, `clip_ratio_high: 0.28`: unlikely tokens have room to grow (section 3.1)
//   dynamic sampling     Keep(): groups that are all right or all wrong are left out and others drawn in their place,
//                        at most `rollout.max_batches` times (section 3.2). Judged by the environment's own verdict,
//                        before weights and penalties: a length penalty alone must not make a group look informative
//   token-level mean     `average: tokens` (section 3.3)
//   soft overlong        a reward of its own, {name: overlong} under `rewards` (section 3.4, equation 13)
//
// What the paper leaves open, and our defaults: std as TRL (`advantage: trl`; verl's is `verl`), no KL, no dual clip (verl's
// recipe: 10).
#include <ATen/ATen.h>

#include <algorithm>

#include "algorithms/builtin.h"
#include "algorithms/policy_gradient.h"

namespace cogent {
namespace {

struct DapoConfig {
  std::string advantage = "trl";
  bool dynamic_sampling = true;
  Clip clip = {.clip_ratio_high = 0.28};
  PolicyGradient shared = {.average = "tokens", .kl_coef = 0.0};

  void VisitFields(FieldVisitor& visit) {
    clip.VisitFields(visit);
    visit("dynamic_sampling", dynamic_sampling, "leave out groups that are all right or all wrong, and draw others");
    visit("advantage", advantage, "what becomes of a group's rewards: trl, verl, mean_only, ...", OneOf{kGroupAdvantages});
    shared.VisitFields(visit);
  }
  void Validate(Problems& problems, const Node& section) const {
    clip.Validate(problems, section);
    shared.Validate(problems, section);
  }
};

class Dapo final : public WithKnobs<DapoConfig> {
 public:
  using WithKnobs::WithKnobs;

  bool Keep(const Group& group) const override {
    if (!config_.dynamic_sampling || group.members.size() < 2) return true;
    const auto accuracy = [](const Trajectory& t) { return Accuracy(t).value_or(t.reward); };
    const double first = accuracy(group.members.front());
    return std::any_of(group.members.begin(), group.members.end(), [&](const Trajectory& t) { return accuracy(t) != first; });
  }

  at::Tensor Advantages(const Batch& batch) const override {
    const at::Tensor advantages = GroupAdvantages(config_.advantage, batch, config_.shared.Outcomes(batch));  // [B]
    return config_.shared.Finish(batch, batch.PerToken(advantages));                                          // [M]
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const at::Tensor ratio = LogRatio(batch, logprobs).exp();                                                 // [m]
    return config_.shared.Total(batch, config_.clip.Surrogate(ratio, batch.advantages), ratio, logprobs, entropy);
  }
};

}  // namespace

void RegisterDapo(AlgorithmRegistry& algorithms) {
  algorithms.Add<Dapo>("dapo", "clip-higher, dynamic sampling, token-level mean (Yu et al., 2025)");
}

}  // namespace cogent
