#include "verifiers/format.h"

#include "verifiers/extract.h"

namespace cogent {
namespace {

class FormatReward final : public Reward {
 public:
  struct Config {
    void VisitFields(FieldVisitor&) {}
  };
  explicit FormatReward(const Config&) {}
  Verdict Score(const Task&, const Completion& completion) const override {
    if (FormatOk(completion.text)) return {1.0, "well laid out"};
    return {0.0, "not <think>..</think> <answer>..</answer> and nothing else"};
  }
};

class ExactReward final : public Reward {
 public:
  struct Config {
    void VisitFields(FieldVisitor&) {}
  };
  explicit ExactReward(const Config&) {}
  Verdict Score(const Task& task, const Completion& completion) const override {
    const Extraction found = Extract(completion.text);
    if (!found.text) return {0.0, "no answer"};
    if (*found.text == TrimAscii(task.answer)) return {1.0, "the same text"};
    return {0.0, "another text"};
  }
};

}  // namespace

void RegisterTextRewards(RewardRegistry& rewards) {
  rewards.Add<FormatReward>("format", "pays for the layout <think>..</think> <answer>..</answer>");
  rewards.Add<ExactReward>("exact", "pays for an answer that is the task's, letter by letter");
}

}  // namespace cogent
