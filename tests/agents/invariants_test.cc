// What must hold of a trajectory: each fault is found, and named with its trajectory.
#include "agents/invariants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "core/error.h"

namespace cogent {
namespace {

using testing::HasSubstr;

// Two groups of two; two turns each, the second with three tokens of a tool before it.
std::vector<Group> Sound() {
  std::vector<Group> groups(2);
  for (std::size_t g = 0; g < 2; ++g) {
    for (int m = 0; m < 2; ++m) {
      Trajectory t;
      t.id = {Split::kTrain, 9, 40 + g};
      std::vector<std::int32_t> read;
      for (int k = 0; k < 2; ++k) {
        Turn turn;
        turn.prompt_ids = k == 0 ? std::vector<std::int32_t>{static_cast<std::int32_t>(g), 2} : std::vector<std::int32_t>{7, 8, 9};
        turn.completion_ids = {m, 5};
        turn.logprobs = turn.sampled_logprobs = {-0.5f, -1.5f};
        read.insert(read.end(), turn.prompt_ids.begin(), turn.prompt_ids.end());
        turn.context = ContextHash(read);
        read.insert(read.end(), turn.completion_ids.begin(), turn.completion_ids.end());
        t.turns.push_back(turn);
      }
      t.scores = {{"accuracy", 1.0, 1.0, "right"}};
      t.reward = 1.0;
      groups[g].members.push_back(t);
    }
  }
  return groups;
}

TEST(Invariants, HoldOfASoundRollout) {
  EXPECT_NO_THROW(CheckGroups(Sound(), 2));
  auto groups = Sound();
  for (Group& group : groups) {
    for (Trajectory& t : group.members) t.turns[1].context.reset();  // an agent that does not say what it read
  }
  EXPECT_NO_THROW(CheckGroups(groups, 2));
}

TEST(Invariants, ATurnThatFoundNoRoomMayBeEmpty) {
  auto groups = Sound();
  Turn& turn = groups[0].members[0].turns[1];
  turn.completion_ids.clear(), turn.logprobs.clear(), turn.sampled_logprobs.clear();
  turn.truncated = true;
  EXPECT_NO_THROW(CheckGroups(groups, 2));
}

TEST(Invariants, EachViolationIsNamedWithItsTrajectory) {
  const std::vector<std::pair<std::string, std::function<void(Trajectory&)>>> faults = {
      {"turn 1: 2 tokens were chosen, but 1 and 2 log-probabilities", [](Trajectory& t) { t.turns[1].logprobs.pop_back(); }},
      {"turn 0: 3 tokens were chosen", [](Trajectory& t) { t.turns[0].completion_ids.push_back(3); }},
      {"turn 0: token 1 has a log-probability that is not finite", [](Trajectory& t) { t.turns[0].logprobs[1] = std::numeric_limits<float>::quiet_NaN(); }},
      {"turn 1: 2 tokens were forced, not chosen by the policy", [](Trajectory& t) { t.turns[1].forced = 2; }},
      {"turn 1: the policy chose no token", [](Trajectory& t) {
         t.turns[1].completion_ids.clear(), t.turns[1].logprobs.clear(), t.turns[1].sampled_logprobs.clear();
       }},
      {"turn 1: the policy read other tokens", [](Trajectory& t) { t.turns[0].completion_ids[0] = 6; }},  // encoded again
      {"turn 1: the policy read other tokens", [](Trajectory& t) { std::swap(t.turns[1].prompt_ids[0], t.turns[1].prompt_ids[1]); }},
      {"has another prompt", [](Trajectory& t) { t.id.index = 12; }},
      {"its reward is not finite", [](Trajectory& t) { t.reward = std::numeric_limits<double>::infinity(); }},
      {"the score 'accuracy' is not finite", [](Trajectory& t) { t.scores[0].score = std::numeric_limits<double>::quiet_NaN(); }},
      {"has no turn", [](Trajectory& t) { t.turns.clear(); }}};
  for (const auto& [said, fault] : faults) {
    auto groups = Sound();
    fault(groups[1].members[1]);
    try {
      CheckGroups(groups, 2);
      ADD_FAILURE() << said;
    } catch (const InternalError& error) {
      EXPECT_THAT(error.what(), HasSubstr(said));
      EXPECT_THAT(error.what(), HasSubstr("of seed 9, member 1"));
    }
  }
}

TEST(Invariants, AGroupMustBeComplete) {
  auto groups = Sound();
  groups[1].members.pop_back();
  try {
    CheckGroups(groups, 2);
    FAIL();
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), HasSubstr("train task 41 of seed 9, member 0: its group has 1 members, not 2"));
  }
}

}  // namespace
}  // namespace cogent
