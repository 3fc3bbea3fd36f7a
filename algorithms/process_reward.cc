// A process reward model: a verdict on every step of a reasoning.
// Sources: Uesato et al., arXiv 2211.14275, section 2.5; Lightman et al., "Let's verify step by step", arXiv 2305.20050, section 2.5.
//
//   L = mean over steps of - y log sigmoid(v) - (1 - y) log(1 - sigmoid(v))
//
// v is what the value head says at the last token of the step, its separator; y is 1 where the step is right. Cross entropy
// over two classes, as TRL's former PRMTrainer had it, is the same with v the difference of its two logits.
//
// What the papers leave open, and our defaults:
//   mean         over all steps of the optimizer step
//   separator    a line break behind each step (`data.step_separator`)
#include <ATen/ATen.h>

#include "algorithms/builtin.h"
#include "algorithms/objective.h"

namespace cogent {
namespace {

class ProcessReward final : public Objective {
 public:
  struct Config {
    void VisitFields(FieldVisitor&) {}
  };
  explicit ProcessReward(const Config&) {}

  ExampleKind Kind() const override { return ExampleKind::kSteps; }
  bool LearnsValues() const override { return true; }
  double Denominator(const ExampleBatch& step) const override { return static_cast<double>(step.targets()); }

  ObjectiveLoss ComputeLoss(const ExampleBatch& batch, const TokenOutputs& outputs) const override {
    const at::Tensor& v = outputs.values;                                                          // [m]
    const at::Tensor right = batch.labels.to(v.scalar_type());
    ObjectiveLoss loss;
    loss.value = -(right * at::log_sigmoid(v) + (1 - right) * at::log_sigmoid(-v)).sum();
    loss.sums = {{"accuracy", v.detach().gt(0).eq(right.gt(0.5)).sum()}, {"mean_reward", v.detach().sigmoid().sum()}};
    return loss;
  }
};

}  // namespace

void RegisterProcessReward(ObjectiveRegistry& objectives) { objectives.Add<ProcessReward>("process_reward", "a verdict on every step, from labelled steps"); }

}  // namespace cogent
