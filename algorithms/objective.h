// What a supervised objective is: a loss from labelled sequences. The counterpart of Algorithm, for data that is
// there before training begins: demonstrations (SFT), preferences (DPO, reward models), judged steps, a teacher's distribution.
//
// Legend: E examples of a step, S sequences in them, M targets in all sequences, m <= M of one micro-batch. Everything
// per target is flat, [M]: sequence 0's targets, then sequence 1's. There is no padding to mask.
//
// A loss is a sum over the examples given; the trainer divides by Denominator(), which sees the whole optimizer step
// before it begins. An example is never cut. So the loss is the same number however the step is cut into
// micro-batches, in whatever order, on however many threads.
//
//   class Likelihood final : public Objective {
//    public:
//     struct Config { void VisitFields(FieldVisitor&) {} };
//     explicit Likelihood(const Config&) {}
//     double Denominator(const ExampleBatch& step) const override { return step.targets(); }   // a mean over targets
//     ObjectiveLoss ComputeLoss(const ExampleBatch&, const TokenOutputs& tokens) const override {
//       return {-tokens.logprobs.sum(), {}};
//     }
//   };
//
// Thread rule: const; ComputeLoss is called from several threads at once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/registry.h"
#include "policies/divergence.h"

namespace cogent {

// Tokens, and which of them are learned from.
struct Sequence {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> targets;  // places in `ids`, rising, each at least 1; the others are read only
  std::vector<double> labels;         // of each target, where the data has them: 1 = this step is right
};

// What belongs together and is never cut: one sequence, or a pair, first the chosen, then the rejected one.
struct Example {
  std::vector<Sequence> sequences;
  double margin = 0.0;  // of a pair: by how much the first is better, where the data says so
  bool good = true;     // of a judged completion
};

// One sequence; a pair; one with a label a target; one that is good or not.
enum class ExampleKind { kDemonstration, kPreference, kSteps, kJudged };
// Sequences of an example of the kind.
int SequenceCount(ExampleKind kind);

struct ExampleBatch {
  at::Tensor margins;       // float64 [E]
  at::Tensor good;          // bool [E]
  at::Tensor example;       // int64 [S], each sequence's example
  at::Tensor lengths;       // int64 [S], targets
  at::Tensor sequence;      // int64 [M], each target's sequence
  at::Tensor labels;        // float64 [M]; 0 where the data has none
  at::Tensor ref_logprobs;  // float32 [M], of the reference policy; undefined when the objective needs none, and in Denominator

  // Where the objective asks for it: how far the policy has moved from the reference on completions that do not belong to
  // their prompts, the mean over the step of log(pi / pi_ref) of a whole completion, at least 0.
  double drift = 0.0;

  std::int64_t examples() const { return margins.size(0); }
  std::int64_t targets() const { return sequence.size(0); }
  // [M] -> [S]: each sequence's sum over its targets.
  at::Tensor SequenceSums(const at::Tensor& per_target) const;
};

// What the network says of each target, differentiable.
struct TokenOutputs {
  at::Tensor logprobs;    // [m], nats
  at::Tensor entropy;     // [m], of the distribution that the target was predicted from, nats
  at::Tensor values = {};      // [m], what is said at the target's own place, of a network with a value head; then alone
  at::Tensor divergence = {};  // [m], from the teacher's distribution, where the objective asks for it
};

struct ObjectiveLoss {
  at::Tensor value;  // scalar, a sum over the examples given
  // Sums for the log, by metric name; the trainer divides them by Denominator(), too.
  std::map<std::string, at::Tensor> sums;
};

class Objective {
 public:
  virtual ~Objective() = default;
  // What the sum over a whole step is divided by: its targets, its examples. Above 0 for any step with a target.
  virtual double Denominator(const ExampleBatch& step) const = 0;
  virtual ObjectiveLoss ComputeLoss(const ExampleBatch& batch, const TokenOutputs& tokens) const = 0;
  virtual ExampleKind Kind() const { return ExampleKind::kDemonstration; }
  virtual bool NeedsReference() const { return false; }
  // ExampleBatch::drift is wanted. It pairs each example with the one before it in the step, so it depends on their order.
  virtual bool NeedsDrift() const { return false; }
  // The network has a value head instead of the language model's: a reward model.
  virtual bool LearnsValues() const { return false; }
  // The reference is a teacher, and TokenOutputs has the divergence from it.
  virtual std::optional<Divergence> FromTeacher() const { return std::nullopt; }
  // Share of the steps in which the policy writes the completions itself.
  virtual double OnPolicyShare() const { return 0.0; }
};

class ObjectiveRegistry : public Registry<Objective> {
 public:
  ObjectiveRegistry() : Registry<Objective>("algorithm") {}
};
ObjectiveRegistry BuiltinObjectives();

// The examples first..last-1, all tensors but ref_logprobs.
ExampleBatch MakeExampleBatch(const std::vector<Example>& examples, std::size_t first, std::size_t last);

}  // namespace cogent
