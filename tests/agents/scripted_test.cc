// Scripted agents and the person, through the rollout.
#include "agents/scripted.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>

#include "agents/rollout.h"
#include "core/error.h"

namespace cogent {
namespace {

using ::testing::HasSubstr;

MakeEnv ScriptedEnvs(const std::string& name, const std::string& settings = "{}") {
  return [name, settings] {
    Problems problems;
    auto env = BuiltinEnvs().Make({.name = name, .settings = ParseYaml(settings, "test.yaml")}, problems);
    problems.ThrowIfAny();
    return env;
  };
}

std::vector<Group> Collect(Agent& agent, const MakeEnv& envs, std::uint64_t tasks, int members = 1) {
  std::vector<TaskId> ids;
  for (std::uint64_t i = 0; i < tasks; ++i) ids.push_back({Split::kTest, 1, i});
  Problems problems;
  const Rubric rubric = Rubric::Make({{.name = "accuracy"}, {.name = "format"}}, BuiltinRewards(), problems);
  problems.ThrowIfAny();
  return CollectGroups({.group_size = members}, envs, rubric, agent, ids, Rng(1));
}

TEST(OracleAgent, IsPaidInFullByEveryEnvironmentThatWritesGold) {
  for (const char* name : {"arithmetic", "countdown", "signs", "word_problems"}) {
    OracleAgent oracle;
    for (const Group& group : Collect(oracle, ScriptedEnvs(name), 10)) EXPECT_EQ(group.members[0].reward, 2.0) << name;
  }
}

TEST(WrongAgent, HasTheLayoutAndNothingElse) {
  WrongAgent wrong;
  for (const char* name : {"arithmetic", "countdown", "signs", "word_problems"}) {
    for (const Group& group : Collect(wrong, ScriptedEnvs(name), 10)) {
      EXPECT_EQ(group.members[0].scores[0].score, 0.0) << name;
      EXPECT_EQ(group.members[0].scores[1].score, 1.0) << name;
    }
  }
}

TEST(OracleAgent, SaysSoWhereThereIsNoGold) {
  OracleAgent oracle;
  EXPECT_THROW(Collect(oracle, ScriptedEnvs("code", "{judge: false}"), 1), ConfigError);
}

TEST(ScriptedAgents, CountAByteAsAToken) {
  WrongAgent wrong;
  const auto groups = Collect(wrong, ScriptedEnvs("arithmetic"), 1);
  const Trajectory& t = groups[0].members[0];
  EXPECT_EQ(t.CompletionTokens(), static_cast<int>(t.turns[0].text.size()));
  EXPECT_EQ(t.turns[0].logprobs.size(), t.turns[0].completion_ids.size());
}

class ReplayFile : public testing::Test {
 protected:
  void TearDown() override { std::remove(path_.c_str()); }
  void Write(const std::string& text) { std::ofstream(path_) << text; }
  std::string path_ = testing::TempDir() + "/cogent_replay." + std::to_string(getpid());
};

TEST_F(ReplayFile, GivesTheCompletionsOfATaskInTurn) {
  const auto env = ScriptedEnvs("arithmetic")();
  env->Reset({Split::kTest, 1, 0});
  const std::string task = env->task().prompt;
  Write("{\"task\": \"" + task + "\", \"prompt\": \"in a template\", \"completion\": \"first\"}\n{\"prompt\": \"" + task + "\", \"completion\": \"second\"}\n");
  ReplayAgent replay(path_);
  const auto groups = Collect(replay, ScriptedEnvs("arithmetic"), 1, 3);
  EXPECT_EQ(groups[0].members[0].turns[0].text, "first");
  EXPECT_EQ(groups[0].members[1].turns[0].text, "second");
  EXPECT_EQ(groups[0].members[2].turns[0].text, "first");
  try {
    Collect(replay, ScriptedEnvs("arithmetic"), 2);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr(path_ + " has completions of 1 tasks, and none of 'What is"));
  }
}

TEST_F(ReplayFile, ABadLineIsToldWithItsNumber) {
  Write("{\"task\": \"a\", \"completion\": \"b\"}\n{\"task\": \"a\"}\n");
  try {
    ReplayAgent replay(path_);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr(path_ + ":2: "));
  }
  Write("\n");
  EXPECT_THROW(ReplayAgent replay(path_), DataError);
}

TEST(PersonAgent, ReadsLinesUpToAnEmptyOneAndKeepsBlocksWhole) {
  std::istringstream in("\n<think>a\r\nb</think>\n\n```python\nx = 1\n\ny = 2\n```\n\nlast");
  std::ostringstream out;
  PersonAgent person(in, out);
  const std::vector<Message> asked = {{Role::kUser, "first?"}, {Role::kAssistant, "said before"}, {Role::kTool, "told"}};
  const auto answer = [&] { return person.Act({{asked}}, {Rng(1)}).at(0).text; };
  EXPECT_EQ(answer(), "<think>a\nb</think>");
  EXPECT_EQ(out.str(), "told\n");  // what is new since the person spoke
  EXPECT_EQ(answer(), "```python\nx = 1\n\ny = 2\n```");
  EXPECT_EQ(answer(), "last");
  EXPECT_FALSE(person.left());
  EXPECT_EQ(answer(), "");
  EXPECT_TRUE(person.left());
}

TEST(PersonAgent, TakesTheTurnsOfAnEpisode) {
  std::istringstream in("<calculator>2+3</calculator>\n\n<answer>5</answer>\n");
  std::ostringstream out;
  PersonAgent person(in, out);
  const auto groups = Collect(person, ScriptedEnvs("tools", "{tool: calculator}"), 1);
  EXPECT_EQ(groups[0].members[0].turns.size(), 2u);
  EXPECT_THAT(out.str(), HasSubstr("<output>5</output>"));
}

}  // namespace
}  // namespace cogent
