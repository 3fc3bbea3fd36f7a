#include "algorithms/objective.h"

#include <ATen/ATen.h>

#include "algorithms/builtin.h"

namespace cogent {

int SequenceCount(ExampleKind kind) { return kind == ExampleKind::kPreference ? 2 : 1; }

at::Tensor ExampleBatch::SequenceSums(const at::Tensor& per_target) const {
  return at::zeros({lengths.size(0)}, per_target.options()).index_add(0, sequence, per_target);
}

ExampleBatch MakeExampleBatch(const std::vector<Example>& examples, std::size_t first, std::size_t last) {
  std::vector<double> margins, labels;
  std::vector<std::uint8_t> good;
  std::vector<std::int64_t> example, lengths, sequence;
  for (std::size_t e = first; e < last; ++e) {
    margins.push_back(examples[e].margin);
    good.push_back(examples[e].good);
    for (const Sequence& s : examples[e].sequences) {
      sequence.insert(sequence.end(), s.targets.size(), static_cast<std::int64_t>(lengths.size()));
      lengths.push_back(static_cast<std::int64_t>(s.targets.size()));
      for (std::size_t t = 0; t < s.targets.size(); ++t) labels.push_back(s.labels.empty() ? 0.0 : s.labels.at(t));
      example.push_back(static_cast<std::int64_t>(e - first));
    }
  }
  return {at::tensor(margins, at::kDouble), at::tensor(good, at::kByte).to(at::kBool), at::tensor(example, at::kLong), at::tensor(lengths, at::kLong), at::tensor(sequence, at::kLong), at::tensor(labels, at::kDouble), {}};
}

ObjectiveRegistry BuiltinObjectives() {
  ObjectiveRegistry objectives;
  RegisterSft(objectives);
  RegisterDpo(objectives);
  RegisterRewardModel(objectives);
  RegisterProcessReward(objectives);
  RegisterKto(objectives);
  RegisterGkd(objectives);
  return objectives;
}

}  // namespace cogent
