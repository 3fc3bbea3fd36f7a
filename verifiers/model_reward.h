// The reward `reward_model`: what a trained reward model says of a completion.
//
//   rewards:
//     - {name: accuracy, weight: 1.0}
//     - {name: reward_model, checkpoint: runs/r1/stages/helpful/checkpoints/latest, reads: summary, weight: 0.3}
//
// A reward model is what `algorithm: reward_model` makes from preferences (docs/supervised.md); it reads the prompt in the template
// that it learned with, then the completion, then the end of sequence, and says a number there. `sigmoid: true` puts that
// between 0 and 1. DeepSeek-R1 (arXiv 2501.12948, section 2.3.4) asks one for helpfulness, which reads the final summary alone, and
// one for harmlessness, which reads all: `reads` is `summary` (behind the reasoning, or behind the second token of the cold-start
// layout; a completion without one gets 0) or `whole`.
// The networks belong to the engine: it gives the function that reads them when it starts. Without it (`cogent verify`) the reward
// says so.
// Thread rule: SetRewardModels before any reward is asked; ScoreAll may be called from several threads.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "verifiers/reward.h"

namespace cogent {

struct RewardModelQuestion {
  std::string checkpoint, prompt_template;
  std::vector<std::pair<std::string, std::string>> texts;  // prompts and completions
};
// One number for each text; throws DataError for a checkpoint that is no reward model.
using AskRewardModel = std::function<std::vector<double>(const RewardModelQuestion&)>;
void SetRewardModels(AskRewardModel ask);

// What `reads: summary` reads of a completion: the summary of the cold-start layout, else all that stands behind the reasoning
// (<answer> tags included). Nothing where that is nothing.
std::optional<std::string> SummaryToRead(const std::string& completion, const std::string& token);

void RegisterModelRewards(RewardRegistry& rewards);

}  // namespace cogent
