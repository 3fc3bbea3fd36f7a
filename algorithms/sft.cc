// SFT, supervised fine-tuning: next-token likelihood of demonstrations.
// Sources: Ouyang et al., "Training language models to follow instructions", arXiv 2203.02155, section 3.5;
// for `dft`: Wu et al., "On the generalization of SFT", arXiv 2508.05629, equation 9.
//
//   L      = - 1/M sum_t log pi(y_t | x, y_<t)                        over the M targets of the step     (nll)
//   L_dft  = - 1/M sum_t sg[pi(y_t | x, y_<t)] log pi(y_t | x, y_<t)  sg: no gradient through it         (dft)
//
// What the paper leaves open, and our defaults:
//   targets       the completion's tokens and the end of sequence; the prompt is read only
//   mean          over all targets of the optimizer step, as TRL's and verl's SFT trainers: a long
//                 demonstration counts more than a short one
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/objective.h"

namespace cogent {
namespace {

class Sft final : public Objective {
 public:
  struct Config {
    std::string loss = "nll";
    void VisitFields(FieldVisitor& visit) {
      visit("loss", loss, "nll: likelihood; dft: each token's term times its own probability, so that what the policy finds absurd pulls less",
            OneOf{"nll", "dft"});
    }
  };
  explicit Sft(const Config& config) : config_(config) {}

  double Denominator(const ExampleBatch& step) const override { return static_cast<double>(step.targets()); }

  ObjectiveLoss ComputeLoss(const ExampleBatch&, const TokenOutputs& tokens) const override {
    at::Tensor nll = -tokens.logprobs;                                                   // [m]
    ObjectiveLoss loss;
    loss.sums = {{"nll", nll.detach().sum()}, {"entropy", tokens.entropy.detach().sum()}};
    if (config_.loss == "dft") nll = nll * tokens.logprobs.detach().exp();
    loss.value = nll.sum();
    return loss;
  }

 private:
  Config config_;
};

}  // namespace

void RegisterSft(ObjectiveRegistry& objectives) { objectives.Add<Sft>("sft", "supervised fine-tuning on demonstrations"); }

}  // namespace cogent
