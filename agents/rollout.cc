#include "agents/rollout.h"

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"

namespace cogent {
namespace {

// An episode under way.
struct Episode {
  std::unique_ptr<Env> env;
  std::vector<Message> messages;
  Trajectory* trajectory = nullptr;
  int group = 0;  // its task's place in the list
  Rng draws{0};
  Verdict verdict;
  std::vector<NamedScore> measures;
  bool open = true;

  void Fail(const std::string& cause) {
    trajectory->status = TrajectoryStatus::kUnscorable;
    trajectory->cause = cause;
    open = false;
  }
};

Completion LastCompletion(const Trajectory& trajectory) {
  const Turn& turn = trajectory.turns.back();
  return {turn.text, static_cast<int>(turn.completion_ids.size()), turn.truncated};
}

// All that the policy wrote in the episode, as rewards see it.
Completion WholeCompletion(const Trajectory& trajectory) {
  Completion whole;
  for (const Turn& turn : trajectory.turns) {
    if (&turn != &trajectory.turns.front()) whole.text += '\n';
    whole.text += turn.text;
    whole.tokens += static_cast<int>(turn.completion_ids.size());
    whole.truncated = turn.truncated;
  }
  return whole;
}

void Start(Episode& episode) {
  Trajectory& t = *episode.trajectory;
  try {
    episode.messages = episode.env->Reset(t.id).messages;
    t.task = episode.env->task();
  } catch (const std::exception& error) {
    return episode.Fail(std::string("environment: ") + error.what());
  }
  t.prompt = episode.messages.empty() ? std::string() : episode.messages.back().text;
}

void TakeStep(Episode& episode, Turn turn, int max_turns) {
  Trajectory& t = *episode.trajectory;
  if (!turn.failure.empty()) return episode.Fail("agent: " + turn.failure);
  t.turns.push_back(std::move(turn));
  episode.messages.push_back({Role::kAssistant, t.turns.back().text});
  StepResult result;
  try {
    result = episode.env->Step(LastCompletion(t));
  } catch (const std::exception& error) {
    return episode.Fail(std::string("environment: ") + error.what());
  }
  if (result.verdict.broken) return episode.Fail("environment: " + result.verdict.reason);
  const bool cut = t.turns.back().truncated || (!result.done && static_cast<int>(t.turns.size()) >= max_turns);
  if (cut) t.status = TrajectoryStatus::kTruncated;
  if (result.done || cut) {
    episode.verdict = result.verdict;
    episode.measures = std::move(result.measures);
    episode.open = false;
  } else {
    for (Message& m : result.observation.messages) episode.messages.push_back(std::move(m));
  }
}

void ScoreEpisodes(std::vector<Episode>& episodes, const Rubric& rubric) {
  std::vector<Episode*> scored;
  std::vector<Completion> completions;
  for (Episode& e : episodes) {
    if (e.trajectory->status == TrajectoryStatus::kUnscorable) continue;
    scored.push_back(&e);
    completions.push_back(WholeCompletion(*e.trajectory));
  }
  std::vector<Answered> answered;
  for (std::size_t i = 0; i < scored.size(); ++i) {
    answered.push_back({&scored[i]->trajectory->task, &completions[i], scored[i]->group, scored[i]->verdict.score});
  }
  auto scores = rubric.ScoreAll(answered);
  for (std::size_t i = 0; i < scored.size(); ++i) {
    const auto broken = std::find_if(scores[i].begin(), scores[i].end(), [](const NamedScore& score) { return score.broken; });
    if (broken != scores[i].end()) {
      scored[i]->Fail("reward '" + broken->name + "': " + broken->reason);
      continue;
    }
    Trajectory& t = *scored[i]->trajectory;
    t.scores.push_back({"accuracy", scored[i]->verdict.score, rubric.accuracy_weight(), scored[i]->verdict.reason});
    t.scores.insert(t.scores.end(), scores[i].begin(), scores[i].end());
    for (NamedScore& measure : scored[i]->measures) {
      measure.weight = 0.0;
      t.scores.push_back(std::move(measure));
    }
    t.reward = TotalReward(t.scores);
    t.answer = std::move(scored[i]->verdict.answer);
  }
}

}  // namespace

std::vector<Group> CollectGroups(const RolloutOptions& options, const MakeEnv& make_env, const Rubric& rubric, Agent& agent,
                                 const std::vector<TaskId>& tasks, const Rng& rng) {
  std::vector<Group> groups(tasks.size());
  std::vector<Episode> episodes;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    groups[t].members.resize(static_cast<std::size_t>(options.group_size));
    for (int m = 0; m < options.group_size; ++m) {
      Episode e;
      e.env = make_env();
      e.trajectory = &groups[t].members[static_cast<std::size_t>(m)];
      e.trajectory->id = tasks[t];
      e.group = static_cast<int>(t);
      e.draws = rng.Fork(static_cast<std::uint64_t>(options.first_task + t)).Fork(static_cast<std::uint64_t>(m));
      Start(e);
      episodes.push_back(std::move(e));
    }
  }
  while (true) {
    std::vector<Episode*> open;
    std::vector<Conversation> conversations;
    std::vector<Rng> draws;
    for (Episode& e : episodes) {
      if (!e.open) continue;
      open.push_back(&e);
      conversations.push_back({e.messages, &e.trajectory->turns, e.env.get()});
      draws.push_back(e.draws.Fork(static_cast<std::uint64_t>(e.trajectory->turns.size())));
    }
    if (open.empty()) break;
    std::vector<Turn> turns = agent.Act(conversations, draws);
    const bool wait = open.front()->env->StepWaits();
    ForEachOnThreads(open.size(), wait ? ThreadsThatWait() : 1, [&](std::size_t i) { TakeStep(*open[i], std::move(turns[i]), options.max_turns); });
  }
  ScoreEpisodes(episodes, rubric);
  return groups;
}

}  // namespace cogent
