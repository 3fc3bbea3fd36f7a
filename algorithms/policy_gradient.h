// What the policy-gradient algorithms share: the knobs with their YAML keys, and the mathematics behind them.
// An algorithm's file says what is its own; its Config holds these structs and lists their fields beside its own.
//
//   at::Tensor Advantages(const Batch& b) const override {
//     return config_.shared.Finish(b, b.PerToken(GroupAdvantages("trl", b, config_.shared.Outcomes(b))));
//   }
//   Loss ComputeLoss(const Batch& b, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
//     const at::Tensor ratio = LogRatio(b, logprobs).exp();
//     return config_.shared.Total(b, config_.clip.Surrogate(ratio, b.advantages), ratio, logprobs, entropy);
//   }
//
// Shapes as in algorithms/algorithm.h. Results have the type of Batch::old_logprobs (float32 in training, float64 to
// check numbers by hand). Which option equals whose code: docs/algorithms.md; that it does: tests/algorithms.
// Thread rule: const functions of their arguments.
#pragma once

#include <map>
#include <string>

#include "algorithms/algorithm.h"

namespace cogent {

// The loss of each token, before importance, weights and the other terms; with sums for the log.
struct TokenLoss {
  at::Tensor loss;  // [m]
  std::map<std::string, at::Tensor> token_sums;
};

struct PolicyGradient {
  // The average over tokens.
  std::string average = "paper";
  int length_scale = 0;
  int micro_batch = 1;
  bool mask_truncated = false;
  // Rewards and advantages.
  double reward_clip = 0.0;
  bool whiten_advantages = false;
  // KL to the reference.
  double kl_coef = 0.001;
  std::string kl_estimator = "k3";
  std::string kl_in = "loss";
  double kl_limit = 0.0;
  bool kl_ratio = false;
  double kl_target = 0.0;
  double kl_horizon = 10000.0;
  // Entropy.
  double entropy_coef = 0.0;
  std::string entropy_average = "tokens";
  double entropy_target = 0.0;
  double entropy_step = 0.005;
  double entropy_max = 1.0;
  double top_entropy = 1.0;
  // Where another engine sampled.
  std::string importance = "none";
  double importance_low = 0.0;
  double importance_high = 3.0;
  bool importance_normalize = false;
  double off_policy_threshold = 0.0;
  std::string rejection = "none";
  double rejection_low = 0.5;
  double rejection_high = 2.0;

  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Node& section) const;

  bool NeedsReference() const { return kl_coef > 0; }
  at::Tensor Weights(const Batch& batch) const;      // [M], by `average`
  at::Tensor Importance(const Batch& batch) const;   // [M], or undefined
  // Clipped, less the KL where it is in the reward: a token's, float64 [M], or a trajectory's in all, [B].
  at::Tensor TokenRewards(const Batch& batch) const;
  at::Tensor Outcomes(const Batch& batch) const;
  // [M] in the batch's type, whitened where asked for.
  at::Tensor Finish(const Batch& batch, const at::Tensor& advantages) const;
  // The step's loss: policy term, KL in the loss, entropy bonus. `ratio` [m] is pi_theta / pi_old.
  Loss Total(const Batch& batch, const TokenLoss& policy, const at::Tensor& ratio, const at::Tensor& logprobs, const at::Tensor& entropy) const;
  AlgorithmState NextState(const Batch& batch, const std::map<std::string, double>& metrics) const;

 private:
  bool PenaltyInReward() const { return kl_coef > 0 && kl_in == "reward"; }
  at::Tensor Counted(const Batch& batch) const;  // bool [M], tokens that mask_truncated and rejection leave
  at::Tensor Penalty(const Batch& batch) const;  // float64 [M]
  at::Tensor TopEntropy(const at::Tensor& entropy) const;  // bool [m]
  double KlCoef(const Batch& batch) const;
  double EntropyCoef(const Batch& batch) const;
};

// The members of an algorithm that its knobs answer for. Its settings C hold a PolicyGradient called `shared`.
//   class Grpo final : public WithKnobs<GrpoConfig> { public: using WithKnobs::WithKnobs; ... };
template <typename C>
class WithKnobs : public Algorithm {
 public:
  using Config = C;
  explicit WithKnobs(const Config& config) : config_(config) {}
  at::Tensor Weights(const Batch& batch) const override { return config_.shared.Weights(batch); }
  at::Tensor Importance(const Batch& batch) const override { return config_.shared.Importance(batch); }
  bool NeedsReference() const override { return config_.shared.NeedsReference(); }
  AlgorithmState NextState(const Batch& batch, const std::map<std::string, double>& metrics) const override {
    return config_.shared.NextState(batch, metrics);
  }

 protected:
  const Config config_;
};

// The clipped surrogate of PPO, its sign turned: what is minimised.
struct Clip {
  double clip_ratio = 0.2;
  double clip_ratio_high = 0.0;
  double dual_clip = 0.0;
  double ratio_cap = 0.0;

  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Node& section) const;

  double high() const { return clip_ratio_high > 0 ? clip_ratio_high : clip_ratio; }
  //   -min(ratio A, clip(ratio, 1 - low, 1 + high) A), per token
  TokenLoss Surrogate(const at::Tensor& ratio, const at::Tensor& advantages) const;
};

// Ratios of probabilities are taken up to e^20: further ones would overflow, and teach nothing that this does not.
inline constexpr double kLargestLogRatio = 20.0;

// log(pi_theta / pi_old): of each token; of each trajectory's tokens their mean (GSPO) or their sum (RLOO), at each token.
enum class RatioLevel { kToken, kSequenceMean, kSequenceSum };
at::Tensor LogRatio(const Batch& batch, const at::Tensor& logprobs, RatioLevel level = RatioLevel::kToken,
                    double largest = kLargestLogRatio);

// Estimates of KL(policy || reference) per token (Schulman, "Approximating KL divergence", 2020): k1 = l - q, k2 = k1^2 / 2,
// k3 = exp(q - l) - (q - l) - 1, abs = |k1|; "k1+" and "k3+" have the value of k1 and k3 and the gradient of k2.
// With `limit` above 0 the value is cut to [-limit, limit].
at::Tensor KlEstimate(const std::string& estimator, const at::Tensor& logprobs, const at::Tensor& ref_logprobs, double limit = 0.0);

// float64 [B]: advantages within groups. Kinds and their sources: docs/algorithms.md.
at::Tensor GroupAdvantages(const std::string& kind, const Batch& batch, const at::Tensor& outcomes);
extern const std::vector<std::string> kGroupAdvantages;

// (A - mean A) (l - mean l), of each token given, [m].
at::Tensor TokenCovariance(const at::Tensor& advantages, const at::Tensor& logprobs);

// (x - mean) / sqrt(var + 1e-8), Bessel's variance; with `keep_mean` the mean is added again. One value alone: 0, or itself.
at::Tensor Whiten(const at::Tensor& x, bool keep_mean = false);

// Over each trajectory's tokens, float64 [M]: R_t = r_t + discount R_{t+1}.
at::Tensor DiscountedReturns(const Batch& batch, const at::Tensor& token_rewards, double discount);
// Generalized advantage estimation (Schulman et al., arXiv 1506.02438): delta_t = r_t + discount V_{t+1} - V_t,
// A_t = delta_t + discount gae_lambda A_{t+1}; behind the last token both are 0.
at::Tensor Gae(const Batch& batch, const at::Tensor& token_rewards, const at::Tensor& values, double discount, double gae_lambda);

}  // namespace cogent
