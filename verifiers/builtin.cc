// The rewards this library ships.
#include "verifiers/code.h"
#include "verifiers/format.h"
#include "verifiers/language.h"
#include "verifiers/length.h"
#include "verifiers/math.h"
#include "verifiers/model_reward.h"
#include "verifiers/repetition.h"
#include "verifiers/reward.h"

namespace cogent {

RewardRegistry BuiltinRewards() {
  RewardRegistry rewards("reward");
  RegisterTextRewards(rewards);
  RegisterLanguageReward(rewards);
  RegisterLengthRewards(rewards);
  RegisterMathRewards(rewards);
  RegisterModelRewards(rewards);
  RegisterRepetitionReward(rewards);
  RegisterCodeReward(rewards);
  return rewards;
}

}  // namespace cogent
