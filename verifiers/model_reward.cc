#include "verifiers/model_reward.h"

#include <cmath>
#include <cstdio>
#include <optional>

#include "core/error.h"
#include "verifiers/extract.h"
#include "verifiers/format.h"

namespace cogent {
namespace {

AskRewardModel& Asked() {
  static AskRewardModel ask;
  return ask;
}

class ModelReward final : public BatchReward {
 public:
  struct Config {
    std::string checkpoint, prompt_template = "r1_zero", reads = "whole", token = "|special_token|";
    bool sigmoid = true;
    void VisitFields(FieldVisitor& visit) {
      visit("checkpoint", checkpoint, "the reward model, as `algorithm: reward_model` saves it");
      visit("prompt_template", prompt_template, "the template that it learned with");
      visit("reads", reads, "all that the policy wrote, or the summary behind the reasoning", OneOf{"whole", "summary"});
      visit("token", token, "of the cold-start layout, whose summary stands behind the second");
      visit("sigmoid", sigmoid, "put what it says between 0 and 1; false: as it is");
    }
    void Validate(Problems& problems, const Location& where) const {
      if (checkpoint.empty()) problems.Add(where, "reward_model needs `checkpoint`, the directory of a reward model");
    }
  };
  explicit ModelReward(const Config& config) : config_(config) {}

  std::vector<Verdict> ScoreAll(const std::vector<Answered>& answered) const override {
    if (!Asked()) throw ConfigError("reward 'reward_model' asks a network, which is there in training, evaluation and sampling alone");
    std::vector<Verdict> verdicts(answered.size(), {0.0, "no summary"});
    RewardModelQuestion question{config_.checkpoint, config_.prompt_template, {}};
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < answered.size(); ++i) {
      const auto text = Read(answered[i].completion->text);
      if (!text) continue;
      question.texts.emplace_back(answered[i].task->prompt, *text);
      places.push_back(i);
    }
    const std::vector<double> values = question.texts.empty() ? std::vector<double>() : Asked()(question);
    for (std::size_t i = 0; i < places.size(); ++i) {
      char said[48];
      std::snprintf(said, sizeof said, "the model says %.3f", values[i]);
      verdicts[places[i]] = {config_.sigmoid ? 1.0 / (1.0 + std::exp(-values[i])) : values[i], said, !std::isfinite(values[i])};
    }
    return verdicts;
  }

 private:
  std::optional<std::string> Read(const std::string& completion) const {
    return config_.reads == "whole" ? completion : SummaryToRead(completion, config_.token);
  }

  Config config_;
};

}  // namespace

std::optional<std::string> SummaryToRead(const std::string& completion, const std::string& token) {
  if (auto summary = Summary(completion, {.layout = Layout::kColdStart, .token = token})) return summary;
  if (!Reasoning(completion)) return std::nullopt;
  const auto rest = AfterReasoning(completion);
  if (!rest || TrimAscii(*rest).empty()) return std::nullopt;
  return std::string(TrimAscii(*rest));
}

void SetRewardModels(AskRewardModel ask) { Asked() = std::move(ask); }

void RegisterModelRewards(RewardRegistry& rewards) { rewards.Add<ModelReward>("reward_model", "what a trained reward model says, of the whole or of the summary"); }

}  // namespace cogent
