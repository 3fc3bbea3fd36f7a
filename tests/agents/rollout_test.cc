// The rollout with scripted agents and tiny environments: what a trajectory holds, and that a failure of
// ours is never a reward of 0.
#include "agents/rollout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>

namespace cogent {
namespace {

// Asks `turns` times for the task's number; the verdict is 1 when the last answer is the number.
class CountingEnv final : public Env {
 public:
  struct Script {
    int turns = 1;
    std::function<void(const TaskId&)> on_reset = {};
    std::function<void(const TaskId&, const Completion&)> on_step = {};
    bool waits = false;
  };
  explicit CountingEnv(Script script) : script_(std::move(script)) {}

  Observation Reset(const TaskId& id) override {
    if (script_.on_reset) script_.on_reset(id);
    id_ = id;
    task_ = {"say " + std::to_string(id.index), std::to_string(id.index), {}};
    return {{{Role::kSystem, "be brief"}, {Role::kUser, task_.prompt}}};
  }
  StepResult Step(const Completion& completion) override {
    if (script_.on_step) script_.on_step(id_, completion);
    ++steps_;
    if (steps_ < script_.turns) return {{{{Role::kUser, "again " + std::to_string(steps_)}}}, false, {}};
    const bool right = completion.text == task_.answer;
    return {{}, true, {right ? 1.0 : 0.0, right ? "right" : "wrong"}};
  }
  bool StepWaits() const override { return script_.waits; }
  const Task& task() const override { return task_; }

 private:
  Script script_;
  TaskId id_;
  Task task_;
  int steps_ = 0;
};

// Answers by a function of the conversation and the draws; remembers what it saw.
class ScriptedAgent final : public Agent {
 public:
  using Answer = std::function<std::string(const Conversation&, Rng&)>;
  explicit ScriptedAgent(Answer answer, int threads = 1) : answer_(std::move(answer)), threads_(threads) {}

  std::vector<Turn> Act(const std::vector<Conversation>& conversations, const std::vector<Rng>& draws) override {
    EXPECT_EQ(conversations.size(), draws.size());
    calls.push_back(conversations);
    std::vector<Turn> turns(conversations.size());
    std::vector<std::thread> workers;
    for (int t = 0; t < threads_; ++t) {
      workers.emplace_back([&, t] {
        for (std::size_t i = turns.size(); i-- > 0;) {
          if (static_cast<int>(i) % threads_ == t) turns[i] = One(conversations[i], draws[i]);
        }
      });
    }
    for (auto& worker : workers) worker.join();
    return turns;
  }

  std::vector<std::vector<Conversation>> calls;
  int cut_at = 1 << 30;  // longer answers are cut

 private:
  Turn One(const Conversation& c, Rng draws) const {
    Turn turn;
    for (const char letter : c.messages.back().text) turn.prompt_ids.push_back(letter);
    turn.text = answer_(c, draws);
    turn.truncated = static_cast<int>(turn.text.size()) > cut_at;
    if (turn.truncated) turn.text.resize(static_cast<std::size_t>(cut_at));
    for (const char letter : turn.text) {
      turn.completion_ids.push_back(letter);
      turn.logprobs.push_back(static_cast<float>(-draws.Uniform()));
      turn.sampled_logprobs.push_back(turn.logprobs.back());
    }
    return turn;
  }
  Answer answer_;
  int threads_;
};

MakeEnv Envs(CountingEnv::Script script) {
  return [script] { return std::make_unique<CountingEnv>(script); };
}
ScriptedAgent::Answer Random() {
  return [](const Conversation&, Rng& draws) { return draws.Letters(static_cast<int>(draws.Range(1, 9))); };
}
std::vector<TaskId> Tasks(std::initializer_list<std::uint64_t> indices) {
  std::vector<TaskId> tasks;
  for (const auto index : indices) tasks.push_back({Split::kTrain, 1, index});
  return tasks;
}

// A rubric of rewards given as functions.
class FunctionReward final : public Reward {
 public:
  using Score_ = std::function<Verdict(const Task&, const Completion&)>;
  struct Config { void VisitFields(FieldVisitor&) {} };
  explicit FunctionReward(const Config&) : score_(next) {}
  Verdict Score(const Task& task, const Completion& completion) const override { return score_(task, completion); }
  static inline Score_ next;

 private:
  Score_ score_;
};
class CountedBatchReward final : public BatchReward {
 public:
  struct Config { void VisitFields(FieldVisitor&) {} };
  explicit CountedBatchReward(const Config&) {}
  std::vector<Verdict> ScoreAll(const std::vector<Answered>& answered) const override {
    asked.push_back(static_cast<int>(answered.size()));
    seen.insert(seen.end(), answered.begin(), answered.end());
    std::vector<Verdict> verdicts;
    for (const Answered& a : answered) verdicts.push_back({static_cast<double>(a.completion->text.size()), a.task->answer});
    return verdicts;
  }
  static inline std::vector<int> asked;
  static inline std::vector<Answered> seen;  // their pointers are gone when the rollout is over
};

Rubric MakeRubric(const std::vector<std::pair<std::string, double>>& weights) {
  RewardRegistry registry("reward");
  registry.Add<FunctionReward>("function", "whatever the test says");
  registry.Add<CountedBatchReward>("batch", "length, all at once");
  std::vector<Choice> choices;
  for (const auto& [name, weight] : weights) {
    Choice choice{name, Node::Map(), {}};
    choice.settings.Set("weight", Node::Scalar(std::to_string(weight)));
    choices.push_back(choice);
  }
  Problems problems;
  Rubric rubric = Rubric::Make(choices, registry, problems);
  problems.ThrowIfAny();
  return rubric;
}

void ExpectSame(const std::vector<Group>& a, const std::vector<Group>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t g = 0; g < a.size(); ++g) {
    ASSERT_EQ(a[g].members.size(), b[g].members.size());
    for (std::size_t m = 0; m < a[g].members.size(); ++m) {
      const Trajectory &x = a[g].members[m], &y = b[g].members[m];
      EXPECT_EQ(x.reward, y.reward);
      EXPECT_EQ(x.status, y.status);
      ASSERT_EQ(x.turns.size(), y.turns.size());
      for (std::size_t t = 0; t < x.turns.size(); ++t) {
        EXPECT_EQ(x.turns[t].completion_ids, y.turns[t].completion_ids);
        EXPECT_EQ(x.turns[t].logprobs, y.turns[t].logprobs);
      }
    }
  }
}

TEST(CollectGroups, OneTurnIsTheSimpleCase) {
  ScriptedAgent agent([](const Conversation& c, Rng&) { return c.messages.back().text == "say 7" ? "7" : "nine"; });
  const auto groups = CollectGroups({.group_size = 2}, Envs({}), MakeRubric({}), agent, Tasks({7, 8}), Rng(1));
  ASSERT_EQ(groups.size(), 2u);
  const Trajectory &right = groups[0].members[1], &wrong = groups[1].members[0];
  EXPECT_EQ(right.prompt, "say 7");
  EXPECT_EQ(right.reward, 1.0);
  EXPECT_EQ(right.status, TrajectoryStatus::kDone);
  ASSERT_EQ(right.scores.size(), 1u);
  EXPECT_EQ(right.scores[0].name, "accuracy");
  EXPECT_EQ(right.scores[0].reason, "right");
  EXPECT_EQ(wrong.reward, 0.0);
  EXPECT_EQ(wrong.status, TrajectoryStatus::kDone) << "a wrong answer is an outcome, not a failure";
  EXPECT_EQ(wrong.CompletionTokens(), 4);
}

TEST(CollectGroups, MembersOfAGroupShareTheTaskAndDrawApart) {
  ScriptedAgent agent(Random());
  const auto groups = CollectGroups({.group_size = 6}, Envs({}), MakeRubric({}), agent, Tasks({3, 11, 5}), Rng(2));
  ASSERT_EQ(groups.size(), 3u);
  std::set<std::string> texts;
  for (std::size_t g = 0; g < 3; ++g) {
    ASSERT_EQ(groups[g].members.size(), 6u);
    for (const Trajectory& t : groups[g].members) {
      EXPECT_EQ(t.id.index, (std::vector<std::uint64_t>{3, 11, 5})[g]);
      EXPECT_EQ(t.task.answer, groups[g].members[0].task.answer);
      EXPECT_EQ(t.prompt, groups[g].members[0].prompt);
      texts.insert(t.turns[0].text);
    }
  }
  EXPECT_GT(texts.size(), 14u) << "18 draws of random letters";
  ASSERT_EQ(agent.calls.size(), 1u) << "all conversations at once";
  EXPECT_EQ(agent.calls[0].size(), 18u);
}

TEST(CollectGroups, SeveralTurnsKeepTheirIdsAndMaskedLengths) {
  ScriptedAgent agent(Random());
  const auto groups = CollectGroups({.group_size = 3}, Envs({.turns = 3}), MakeRubric({}), agent, Tasks({1, 2}), Rng(3));
  ASSERT_EQ(agent.calls.size(), 3u);
  for (const Group& group : groups) {
    for (const Trajectory& t : group.members) {
      ASSERT_EQ(t.turns.size(), 3u);
      int tokens = 0;
      for (std::size_t n = 0; n < 3; ++n) {
        const Turn& turn = t.turns[n];
        EXPECT_EQ(std::string(turn.completion_ids.begin(), turn.completion_ids.end()), turn.text);
        EXPECT_EQ(turn.logprobs.size(), turn.completion_ids.size());
        EXPECT_EQ(turn.sampled_logprobs.size(), turn.completion_ids.size());
        const std::string seen = n == 0 ? t.task.prompt : "again " + std::to_string(n);
        EXPECT_EQ(std::string(turn.prompt_ids.begin(), turn.prompt_ids.end()), seen) << "only what is new in this turn";
        tokens += static_cast<int>(turn.text.size());
      }
      EXPECT_EQ(t.CompletionTokens(), tokens);
      EXPECT_EQ(t.prompt, t.task.prompt);
    }
  }
  // The agent sees the whole conversation: its own turns as assistant messages.
  const auto& last = agent.calls[2][0].messages;
  ASSERT_EQ(last.size(), 6u);
  EXPECT_EQ(last[0].role, Role::kSystem);
  EXPECT_EQ(last[2].role, Role::kAssistant);
  EXPECT_EQ(last[2].text, groups[0].members[0].turns[0].text);
  EXPECT_EQ(last[4].text, groups[0].members[0].turns[1].text);
  EXPECT_EQ(last[5].text, "again 2");
}

TEST(CollectGroups, TheSameDrawsGiveTheSameGroupsWhateverTheAgentsThreads) {
  const auto run = [](int threads, std::uint64_t seed) {
    ScriptedAgent agent(Random(), threads);
    return CollectGroups({.group_size = 4}, Envs({.turns = 2}), MakeRubric({}), agent, Tasks({1, 2, 3}), Rng(seed));
  };
  const auto want = run(1, 9);
  for (const int threads : {1, 2, 5}) ExpectSame(run(threads, 9), want);
  EXPECT_NE(run(1, 10)[0].members[0].turns[0].text + run(1, 10)[0].members[1].turns[0].text,
            want[0].members[0].turns[0].text + want[0].members[1].turns[0].text);
}

TEST(CollectGroups, EpisodesOfDifferentLengthsEndEachOnItsOwn) {
  // Tasks of odd numbers take three turns, the others one.
  const MakeEnv envs = [] {
    class Mixed final : public Env {
     public:
      Observation Reset(const TaskId& id) override { inner_ = std::make_unique<CountingEnv>(CountingEnv::Script{.turns = id.index % 2 ? 3 : 1}); return inner_->Reset(id); }
      StepResult Step(const Completion& c) override { return inner_->Step(c); }
      const Task& task() const override { return inner_->task(); }

     private:
      std::unique_ptr<CountingEnv> inner_;
    };
    return std::unique_ptr<Env>(new Mixed);
  };
  ScriptedAgent agent(Random());
  const auto groups = CollectGroups({.group_size = 2}, envs, MakeRubric({}), agent, Tasks({1, 2, 3}), Rng(4));
  EXPECT_EQ(groups[0].members[0].turns.size(), 3u);
  EXPECT_EQ(groups[1].members[1].turns.size(), 1u);
  EXPECT_EQ(groups[2].members[1].turns.size(), 3u);
  ASSERT_EQ(agent.calls.size(), 3u);
  EXPECT_EQ(agent.calls[0].size(), 6u);
  EXPECT_EQ(agent.calls[1].size(), 4u) << "finished episodes are not asked again";
}

void ExpectUnscorable(const Trajectory& t, const std::string& cause) {
  EXPECT_EQ(t.status, TrajectoryStatus::kUnscorable);
  EXPECT_EQ(t.cause, cause);
  EXPECT_TRUE(t.scores.empty()) << "no score at all, not a score of 0";
}

TEST(CollectGroups, AnEnvironmentThatBreaksInAStepLosesItsOwnTrajectoryAlone) {
  ScriptedAgent agent([](const Conversation&, Rng& draws) { return draws.Range(0, 1) ? "break it" : "fine"; });
  const auto groups = CollectGroups({.group_size = 12},
                                    Envs({.on_step = [](const TaskId&, const Completion& c) {
                                      if (c.text == "break it") throw InternalError("the sandbox is gone");
                                    }}),
                                    MakeRubric({}), agent, Tasks({1, 2}), Rng(5));
  int broken = 0;
  for (const Group& group : groups) {
    for (const Trajectory& t : group.members) {
      ASSERT_EQ(t.turns.size(), 1u) << "what the policy wrote is kept";
      if (t.turns[0].text == "break it") {
        ExpectUnscorable(t, "environment: the sandbox is gone");
        ++broken;
      } else {
        EXPECT_EQ(t.status, TrajectoryStatus::kDone);
        EXPECT_EQ(t.scores.size(), 1u);
      }
    }
  }
  EXPECT_GT(broken, 0);
  EXPECT_LT(broken, 24);
}

TEST(CollectGroups, AnEnvironmentThatBreaksInItsResetLosesItsOwnTrajectoriesAlone) {
  ScriptedAgent agent(Random());
  const auto groups = CollectGroups({.group_size = 2},
                                    Envs({.on_reset = [](const TaskId& id) {
                                      if (id.index == 2) throw std::runtime_error("no such problem");
                                    }}),
                                    MakeRubric({{"batch", 1}}), agent, Tasks({1, 2, 3}), Rng(6));
  for (const Trajectory& t : groups[1].members) {
    ExpectUnscorable(t, "environment: no such problem");
    EXPECT_EQ(t.id.index, 2u);
  }
  for (const std::size_t g : {0, 2}) for (const Trajectory& t : groups[g].members) EXPECT_EQ(t.status, TrajectoryStatus::kDone);
}

TEST(CollectGroups, ARewardThatBreaksLosesTheTrajectoriesItBreaksOnAlone) {
  FunctionReward::next = [](const Task& task, const Completion& c) -> Verdict {
    if (task.answer == "2" && c.text.size() % 2 == 0) throw SandboxError("no room for processes");
    return {0.25, "fine"};
  };
  ScriptedAgent agent(Random());
  const auto groups = CollectGroups({.group_size = 10}, Envs({}), MakeRubric({{"accuracy", 1}, {"function", 2}}), agent, Tasks({1, 2}), Rng(7));
  int broken = 0;
  for (const Group& group : groups) {
    for (const Trajectory& t : group.members) {
      if (t.task.answer == "2" && t.turns[0].text.size() % 2 == 0) {
        ExpectUnscorable(t, "reward 'function': no room for processes");
        ++broken;
      } else {
        ASSERT_EQ(t.scores.size(), 2u);
        EXPECT_EQ(t.scores[1].name, "function");
        EXPECT_EQ(t.reward, 0.5);
      }
    }
  }
  EXPECT_GT(broken, 0);
  EXPECT_LT(broken, 10);
}

TEST(CollectGroups, ARewardThatIsNoNumberIsAFailureAndNotAScore) {
  FunctionReward::next = [](const Task&, const Completion&) -> Verdict { return {std::nan(""), ""}; };
  ScriptedAgent agent(Random());
  const auto groups = CollectGroups({.group_size = 2}, Envs({}), MakeRubric({{"function", 1}}), agent, Tasks({1}), Rng(8));
  for (const Trajectory& t : groups[0].members) ExpectUnscorable(t, "reward 'function': gave a score that is not a finite number");
}

TEST(CollectGroups, WhatSaysThatItBrokeLosesItsOwnTrajectoryAlone) {
  FunctionReward::next = [](const Task&, const Completion& c) -> Verdict {
    return {.score = 1.0, .reason = "the judge did not answer", .broken = c.text.size() % 2 == 0};
  };
  ScriptedAgent agent(Random());
  const auto groups = CollectGroups({.group_size = 10}, Envs({}), MakeRubric({{"function", 1}}), agent, Tasks({1, 2}), Rng(7));
  int broken = 0;
  for (const Group& group : groups) {
    for (const Trajectory& t : group.members) {
      if (t.turns[0].text.size() % 2 == 0) {
        ExpectUnscorable(t, "reward 'function': the judge did not answer");
        ++broken;
      } else {
        EXPECT_EQ(t.reward, 1.0);
      }
    }
  }
  EXPECT_GT(broken, 0);
  EXPECT_LT(broken, 20);
}

TEST(CollectGroups, RewardsSeeTheGroupAndTheEnvironmentsVerdict) {
  CountedBatchReward::seen.clear();
  ScriptedAgent agent(Random());
  const auto groups = CollectGroups({.group_size = 3}, Envs({}), MakeRubric({{"accuracy", 1}, {"batch", 0.5}}), agent, Tasks({4, 5}), Rng(9));
  ASSERT_EQ(CountedBatchReward::seen.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(CountedBatchReward::seen[i].group, static_cast<int>(i / 3));
    EXPECT_EQ(CountedBatchReward::seen[i].accuracy, groups[i / 3].members[i % 3].scores[0].score);
  }
}

TEST(CollectGroups, ABatchRewardIsAskedOnceForTheWholeRollout) {
  CountedBatchReward::asked.clear();
  ScriptedAgent agent(Random());
  const auto groups = CollectGroups({.group_size = 5}, Envs({.turns = 2}), MakeRubric({{"accuracy", 1}, {"batch", 0.5}}), agent, Tasks({1, 2, 3}), Rng(9));
  EXPECT_EQ(CountedBatchReward::asked, std::vector<int>{15});
  for (const Group& group : groups) {
    for (const Trajectory& t : group.members) {
      ASSERT_EQ(t.scores.size(), 2u);
      const auto size = static_cast<double>(t.turns.at(0).text.size() + 1 + t.turns.at(1).text.size());  // both turns and the line break between
      EXPECT_EQ(t.scores[1].score, size) << "each verdict at its own completion";
      EXPECT_EQ(t.scores[1].reason, t.task.answer);
      EXPECT_DOUBLE_EQ(t.reward, 0.5 * size);
    }
  }
}

TEST(CollectGroups, ACutCompletionEndsTheEpisodeAsTruncatedAndIsScoredStill) {
  ScriptedAgent agent([](const Conversation&, Rng& draws) { return draws.Range(0, 1) ? "1" : "1234567"; });
  agent.cut_at = 3;
  const auto groups = CollectGroups({.group_size = 12}, Envs({}), MakeRubric({}), agent, Tasks({1}), Rng(10));
  std::set<TrajectoryStatus> seen;
  for (const Trajectory& t : groups[0].members) {
    const bool cut = t.turns[0].text == "123";
    EXPECT_EQ(t.status, cut ? TrajectoryStatus::kTruncated : TrajectoryStatus::kDone);
    ASSERT_EQ(t.scores.size(), 1u);
    EXPECT_EQ(t.reward, cut ? 0.0 : 1.0);
    seen.insert(t.status);
  }
  EXPECT_EQ(seen.size(), 2u);
  const auto longer = CollectGroups({.group_size = 12}, Envs({.turns = 4}), MakeRubric({}), agent, Tasks({1}), Rng(10));
  for (const Trajectory& t : longer[0].members) {
    EXPECT_EQ(t.status == TrajectoryStatus::kTruncated, t.turns.back().truncated);
    for (std::size_t n = 0; n + 1 < t.turns.size(); ++n) EXPECT_FALSE(t.turns[n].truncated) << "nothing follows a cut turn";
  }
}

TEST(CollectGroups, StepsThatWaitAreTakenAtOnceAndGiveTheSame) {
  std::atomic<int> inside{0};
  std::atomic<bool> met{false};
  const auto wait = [&](const TaskId&, const Completion&) {
    ++inside;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (inside < 2 && !met && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    if (inside >= 2) met = true;
    --inside;
  };
  ScriptedAgent agent(Random()), other(Random());
  const auto together = CollectGroups({.group_size = 3}, Envs({.turns = 2, .on_step = wait, .waits = true}), MakeRubric({}), agent, Tasks({1, 2}), Rng(5));
  EXPECT_TRUE(met);
  ExpectSame(together, CollectGroups({.group_size = 3}, Envs({.turns = 2}), MakeRubric({}), other, Tasks({1, 2}), Rng(5)));
}

TEST(CollectGroups, EpisodesAreCutAfterMaxTurns) {
  ScriptedAgent agent(Random());
  const auto cut = CollectGroups({.group_size = 2, .max_turns = 3}, Envs({.turns = 5}), MakeRubric({}), agent, Tasks({1}), Rng(11));
  const auto whole = CollectGroups({.group_size = 2, .max_turns = 5}, Envs({.turns = 5}), MakeRubric({}), agent, Tasks({1}), Rng(11));
  for (const Trajectory& t : cut[0].members) {
    EXPECT_EQ(t.turns.size(), 3u);
    EXPECT_EQ(t.status, TrajectoryStatus::kTruncated);
    EXPECT_EQ(t.scores.size(), 1u);
  }
  for (const Trajectory& t : whole[0].members) {
    EXPECT_EQ(t.turns.size(), 5u);
    EXPECT_EQ(t.status, TrajectoryStatus::kDone) << "ended in its last turn by itself";
  }
}

TEST(CollectGroups, NoTasksGiveNoGroups) {
  ScriptedAgent agent(Random());
  EXPECT_TRUE(CollectGroups({}, Envs({}), MakeRubric({}), agent, {}, Rng(1)).empty());
  EXPECT_TRUE(agent.calls.empty());
}

}  // namespace
}  // namespace cogent
