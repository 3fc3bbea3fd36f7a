// GRPO, group relative policy optimization.
// Sources: DeepSeekMath, arXiv 2402.03300, section 4.1; DeepSeek-R1, arXiv 2501.12948, section 2.2.1.
//
//   A_i  = (r_i - mean(r)) / (std(r) + 1e-4)   over the G completions of one prompt       (advantage)
//   rho  = pi_theta / pi_old                   of each token that was sampled             (ratio)
//   J    = mean_i mean_t [ min(rho A, clip(rho, 1 - eps, 1 + eps) A) - beta KL ]          (objective)
//   KL   = pi_ref / pi_theta - log(pi_ref / pi_theta) - 1                                 (k3, >= 0)
//
// What the paper leaves open, and our defaults:
//   std           with Bessel's correction plus 1e-4, as TRL (`advantage: trl`); `verl` adds 1e-6 and takes
//                 a group of one as mean 0 and std 1; `mean_only` does not divide (Dr. GRPO)
//   average       each completion's token mean, then the mean over completions, as the paper
//                 (`average: paper`); `tokens` is the mean over all tokens (DAPO; TRL's default)
//   truncated     completions cut by the length limit count, unless `mask_truncated`
//   clip          eps below and above alike unless `clip_ratio_high` is set
//   overflow      a log-ratio above 20 counts as 20 (verl): exp of more would soon be infinite, and 0 times that NaN
#include <ATen/ATen.h>

#include "algorithms/algorithm.h"
#include "algorithms/builtin.h"

namespace cogent {
namespace {

class Grpo final : public Algorithm {
 public:
  struct Config {
    double clip_ratio = 0.2;
    double clip_ratio_high = 0.0;
    double kl_coef = 0.001;
    double entropy_coef = 0.0;
    std::string advantage = "trl";
    std::string average = "paper";
    bool mask_truncated = false;

    void VisitFields(FieldVisitor& visit) {
      visit("clip_ratio", clip_ratio, "epsilon: the ratio counts between 1 - epsilon and 1 + epsilon", {0.0, 10.0});
      visit("clip_ratio_high", clip_ratio_high, "epsilon above 1, 0 = as clip_ratio (DAPO's clip-higher: 0.28)", {0.0, 10.0});
      visit("kl_coef", kl_coef, "beta: weight of the k3 estimate of KL to the reference; 0 = no reference is kept", {0.0, 100.0});
      visit("entropy_coef", entropy_coef, "weight of the mean token entropy, added to the objective", {0.0, 100.0});
      visit("advantage", advantage, "what the reward is divided by: trl (std + 1e-4), verl (std + 1e-6), mean_only (nothing)",
            OneOf{"trl", "verl", "mean_only"});
      visit("average", average, "paper: token mean, then completion mean; tokens: mean over all tokens", OneOf{"paper", "tokens"});
      visit("mask_truncated", mask_truncated, "completions cut by the length limit add nothing to the loss");
    }
  };
  explicit Grpo(const Config& config) : config_(config) {}

  at::Tensor Advantages(const Batch& batch) const override {
    const at::Tensor counts = at::bincount(batch.groups).to(at::kDouble);                                   // [P]
    const at::Tensor mean = at::zeros_like(counts).index_add(0, batch.groups, batch.rewards) / counts;      // [P]
    at::Tensor centered = batch.rewards - mean.index_select(0, batch.groups);                               // [B]
    const at::Tensor variance = at::zeros_like(counts).index_add(0, batch.groups, centered.square()) / (counts - 1).clamp_min(1);
    at::Tensor std = variance.sqrt();                                                                       // [P], Bessel
    if (config_.advantage == "mean_only") return batch.PerToken(centered).to(at::kFloat);
    const bool verl = config_.advantage == "verl";
    if (verl) {
      const at::Tensor alone = counts.eq(1).index_select(0, batch.groups);
      centered = at::where(alone, batch.rewards, centered);
      std = at::where(counts.eq(1), at::ones_like(std), std);
    }
    const at::Tensor advantages = centered / (std.index_select(0, batch.groups) + (verl ? 1e-6 : 1e-4));    // [B]
    return batch.PerToken(advantages).to(at::kFloat);                                                       // [M]
  }

  at::Tensor Weights(const Batch& batch) const override {
    const at::Tensor weights = config_.average == "paper" ? SequenceMean(batch) : TokenMean(batch);         // [M]
    if (!config_.mask_truncated) return weights;
    // A masked completion leaves the token count, too (TRL); the count of completions stays.
    const at::Tensor kept = batch.PerToken(batch.truncated).logical_not().to(at::kFloat);
    if (config_.average == "paper") return weights * kept;
    return kept / kept.sum().clamp_min(1.0);
  }

  Loss ComputeLoss(const Batch& batch, const at::Tensor& logprobs, const at::Tensor& entropy) const override {
    const double high = config_.clip_ratio_high > 0 ? config_.clip_ratio_high : config_.clip_ratio;
    const at::Tensor& advantage = batch.advantages;                                                          // [m]
    const at::Tensor ratio = (logprobs - batch.old_logprobs).clamp_max(kLargestLogRatio).exp();              // [m]
    const at::Tensor clipped = ratio.clamp(1.0 - config_.clip_ratio, 1.0 + high);
    at::Tensor objective = at::minimum(ratio * advantage, clipped * advantage);
    const at::Tensor low_cut = ratio.lt(1.0 - config_.clip_ratio).logical_and(advantage.lt(0));
    const at::Tensor high_cut = ratio.gt(1.0 + high).logical_and(advantage.gt(0));
    Loss loss;
    loss.token_sums = {{"ratio/mean", ratio.detach().sum()},
                       {"policy_loss", -objective.detach().sum()},
                       {"clip_ratio/low_mean", low_cut.sum()},
                       {"clip_ratio/high_mean", high_cut.sum()},
                       {"clip_ratio/region_mean", low_cut.logical_or(high_cut).sum()}};
    if (NeedsReference()) {
      const at::Tensor kl = KlEstimateK3(logprobs, batch.ref_logprobs);                                      // [m]
      objective = objective - config_.kl_coef * kl;
      loss.token_sums["kl"] = kl.detach().sum();
    }
    if (config_.entropy_coef > 0) objective = objective + config_.entropy_coef * entropy;
    loss.value = -(batch.weights * objective).sum();
    return loss;
  }

  bool NeedsReference() const override { return config_.kl_coef > 0; }

 private:
  Config config_;
};

}  // namespace

void RegisterGrpo(AlgorithmRegistry& algorithms) {
  algorithms.Add<Grpo>("grpo", "group relative policy optimization (DeepSeekMath, DeepSeek-R1)");
}

}  // namespace cogent
