// GKD, generalized knowledge distillation: the student's whole distribution is drawn to a teacher's.
// Source: Agarwal et al., "On-policy distillation of language models", arXiv 2306.13649, algorithm 1.
//
//   L = 1/M sum over completion tokens of JSD_beta(teacher || student)          (policies/divergence.h)
//
// on the data's completions or, in a share `on_policy` of the steps, on completions that the student writes itself: it is
// taught where it goes, not where the teacher would have gone. No gradient goes through the sampling.
//
// What the paper leaves open, and our defaults:
//   beta        0.5 (TRL)
//   on_policy   0.5 (TRL's lmbda): a draw from the run's seed for each step
//   temperature 1 of both distributions, as TRL's loss; completions are drawn as `rollout` says
//   teacher     `reference`, a checkpoint with the student's tokenizer
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/objective.h"

namespace cogent {
namespace {

class Gkd final : public Objective {
 public:
  struct Config {
    double beta = 0.5;
    double temperature = 1.0;
    double on_policy = 0.5;
    void VisitFields(FieldVisitor& visit) {
      visit("beta", beta, "0: KL(teacher || student), 1: KL(student || teacher), between them the Jensen-Shannon divergence", {0.0, 1.0});
      visit("temperature", temperature, "of both distributions", {1e-3, 100.0});
      visit("on_policy", on_policy, "share of the steps in which the student writes the completions (TRL: lmbda)", {0.0, 1.0});
    }
  };
  explicit Gkd(const Config& config) : config_(config) {}

  bool NeedsReference() const override { return true; }
  std::optional<Divergence> FromTeacher() const override { return Divergence{config_.beta, config_.temperature}; }
  double OnPolicyShare() const override { return config_.on_policy; }
  double Denominator(const ExampleBatch& step) const override { return static_cast<double>(step.targets()); }

  ObjectiveLoss ComputeLoss(const ExampleBatch&, const TokenOutputs& outputs) const override {
    return {outputs.divergence.sum(), {{"nll", -outputs.logprobs.detach().sum()}, {"entropy", outputs.entropy.detach().sum()}}};
  }

 private:
  Config config_;
};

}  // namespace

void RegisterGkd(ObjectiveRegistry& objectives) { objectives.Add<Gkd>("gkd", "distillation of a teacher's distribution, on data and on policy"); }

}  // namespace cogent
