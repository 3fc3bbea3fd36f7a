// The local policy as an agent: prompts rendered once, sampled ids kept as they were.
#include "agents/policy_agent.h"

#include <gtest/gtest.h>

#include "agents/rollout.h"
#include "core/error.h"
#include "envs/template.h"
#include "tests/policies/tiny_model.h"
#include "tests/support/nagging.h"

namespace cogent {
namespace {

using Ids = std::vector<std::int32_t>;

// A tokenizer with merges: text decoded and encoded again need not give the same ids.
Tokenizer Merging() {
  return Tokenizer::Train({"hello hello there there the the question is what what is is is it it"},
                          {.vocab_size = 300, .added_tokens = {{"<|pad|>", true}, {"<|end|>", true}}});
}

struct Scene {
  Scene() : tokenizer(Merging()), weights(tiny::Weights(Config(tokenizer.vocab_size()), 1)), generator(weights, tokenizer, {}) {}
  static ModelConfig Config(int vocabulary) {
    ModelConfig c = tiny::Config(vocabulary);
    c.max_position_embeddings = 256;
    return c;
  }
  Tokenizer tokenizer;
  ParameterSet weights;
  Generator generator;
};

const Sampling kSampling{.max_new_tokens = 12};

TEST(PolicyAgent, APromptThatLeavesNoRoomIsAMistakeOrOneFailureAmongOthers) {
  const Scene s;
  std::string text;
  while (s.tokenizer.Encode(text).size() < 256) text += "what is it ";
  const std::vector<Conversation> asked = {{{{Role::kUser, text}}, nullptr}, {{{Role::kUser, "there"}}, nullptr}};
  PolicyAgent strict(s.generator, "{prompt}", kSampling);
  EXPECT_THROW(strict.Act(asked, {Rng(1), Rng(2)}), DataError);
  PolicyAgent lenient(s.generator, "{prompt}", kSampling, true);
  const auto turns = lenient.Act(asked, {Rng(1), Rng(2)});
  EXPECT_EQ(turns[0].failure, "a prompt leaves no room in the model's context of 256 tokens");
  EXPECT_TRUE(turns[0].completion_ids.empty());
  EXPECT_EQ(turns[1].failure, "");
  EXPECT_EQ(turns[1].completion_ids, strict.Act({asked[1]}, {Rng(2)})[0].completion_ids);
}

TEST(PolicyAgent, ExamplesInFrontAreEachAPromptAndACompletionWithItsEnd) {
  const Scene s;
  PolicyAgent agent(s.generator, "Q: {prompt}\nA:", kSampling);
  const auto turns = agent.Act({{{{Role::kUser, "what"}, {Role::kAssistant, " it"}, {Role::kUser, "there"}}, nullptr}}, {Rng(1)});
  Ids expected = s.tokenizer.Encode("Q: what\nA:");
  for (const std::int32_t id : s.tokenizer.Encode(" it")) expected.push_back(id);
  expected.push_back(s.tokenizer.eos_id());
  for (const std::int32_t id : s.tokenizer.Encode("Q: there\nA:")) expected.push_back(id);
  EXPECT_EQ(turns[0].prompt_ids, expected);
}

TEST(PolicyAgent, RendersTheFirstPromptByItsTemplate) {
  const Scene s;
  PolicyAgent agent(s.generator, "Q: {prompt}\nA:", kSampling);
  const auto turns = agent.Act({{{{Role::kUser, "what is it"}}, nullptr}, {{{Role::kUser, "there"}}, nullptr}}, {Rng(1), Rng(2)});
  ASSERT_EQ(turns.size(), 2u);
  EXPECT_EQ(turns[0].prompt_ids, s.tokenizer.Encode("Q: what is it\nA:"));
  EXPECT_EQ(turns[1].prompt_ids, s.tokenizer.Encode("Q: there\nA:"));
  EXPECT_THROW(PolicyAgent(s.generator, "no such template", kSampling), ConfigError);
}

TEST(PolicyAgent, GivesWhatTheGeneratorGaveWithTheEndLeftOutOfTheText) {
  const Scene s;
  PolicyAgent agent(s.generator, "{prompt}", kSampling);
  std::vector<Conversation> conversations(40, {{{Role::kUser, "hello"}}, nullptr});
  std::vector<Rng> draws;
  for (std::uint64_t i = 0; i < 40; ++i) draws.push_back(Rng(i));
  const auto turns = agent.Act(conversations, draws);
  const auto want = s.generator.Generate(std::vector<Ids>(40, s.tokenizer.Encode("hello")), draws, kSampling);
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(turns[i].completion_ids, want[i].ids);
    EXPECT_EQ(turns[i].logprobs, want[i].logprobs);
    EXPECT_EQ(turns[i].sampled_logprobs, want[i].sampled_logprobs);
    EXPECT_EQ(turns[i].truncated, want[i].truncated);
    EXPECT_EQ(turns[i].text.find("<|end|>"), std::string::npos);
    const bool ended = want[i].ids.back() == s.tokenizer.eos_id();
    EXPECT_EQ(turns[i].text, s.tokenizer.Decode(Ids(want[i].ids.begin(), want[i].ids.end() - (ended ? 1 : 0))));
  }
}

TEST(PolicyAgent, LeavesEveryEndThatTheModelNamesOutOfTheText) {
  Scene s;
  ModelConfig config = s.weights.config();
  const std::int32_t second = s.generator.Generate({s.tokenizer.Encode("hello")}, {Rng(0)}, kSampling)[0].ids[3];
  config.more_eos_token_ids = {second};
  ParameterSet weights(config);
  weights.flat().copy_(s.weights.flat());
  weights.biases().copy_(s.weights.biases());
  const Generator generator(weights, s.tokenizer, {});
  PolicyAgent agent(generator, "{prompt}", kSampling);
  std::vector<Rng> draws;
  for (std::uint64_t i = 0; i < 40; ++i) draws.push_back(Rng(i));
  int ended = 0;
  for (const Turn& turn : agent.Act(std::vector<Conversation>(40, {{{Role::kUser, "hello"}}, nullptr}), draws)) {
    if (turn.completion_ids.back() != second) continue;
    ++ended;
    EXPECT_FALSE(turn.truncated);
    EXPECT_EQ(turn.text, s.tokenizer.Decode(Ids(turn.completion_ids.begin(), turn.completion_ids.end() - 1)));
  }
  EXPECT_GT(ended, 0);
}

// The turn that follows earlier ones, as the generator gives it for a context written out by hand.
void ExpectSecondTurn(const Scene& s, const std::vector<Message>& messages, const std::vector<Turn>& turns, const std::string& added) {
  PolicyAgent agent(s.generator, "Q: {prompt}\nA:", kSampling);
  const auto got = agent.Act({{messages, &turns}}, {Rng(3)}).front();
  Ids context;
  for (const Turn& turn : turns) {
    context.insert(context.end(), turn.prompt_ids.begin(), turn.prompt_ids.end());
    context.insert(context.end(), turn.completion_ids.begin(), turn.completion_ids.end());
  }
  const Ids own = s.tokenizer.Encode(added);
  context.insert(context.end(), own.begin(), own.end());
  EXPECT_EQ(got.prompt_ids, own) << "only what is new, without the template";
  const auto want = s.generator.Generate({context}, {Rng(3)}, kSampling).front();
  EXPECT_EQ(got.completion_ids, want.ids);
  EXPECT_EQ(got.logprobs, want.logprobs);
}

// A first turn whose ids are not those that encoding its text would give.
Turn SpelledOut(const Scene& s) {
  Turn turn;
  turn.prompt_ids = s.tokenizer.Encode("Q: what\nA:");
  for (const char letter : std::string(" the hello")) turn.completion_ids.push_back(s.tokenizer.Encode(std::string(1, letter)).front());
  turn.text = " the hello";
  return turn;
}

TEST(PolicyAgent, TheSecondTurnsContextIsTheKeptIdsAndNeverEncodedAgain) {
  const Scene s;
  const Turn first = SpelledOut(s);
  ASSERT_NE(s.tokenizer.Encode(first.text), first.completion_ids) << "else this test shows nothing";
  ASSERT_EQ(s.tokenizer.Decode(first.completion_ids), first.text);
  ExpectSecondTurn(s, {{Role::kUser, "what"}, {Role::kAssistant, first.text}, {Role::kUser, "\nis it?"}}, {first}, "\nis it?");
}

TEST(PolicyAgent, EveryMessageSinceTheLastTurnIsAppended) {
  const Scene s;
  const Turn first = SpelledOut(s);
  ExpectSecondTurn(s, {{Role::kUser, "what"}, {Role::kAssistant, first.text}, {Role::kTool, "4\n"}, {Role::kUser, "go on"}}, {first}, "4\ngo on");
}

TEST(PolicyAgent, GoesOnWhereNothingNewWasSaid) {
  const Scene s;
  const Turn first = SpelledOut(s);
  ExpectSecondTurn(s, {{Role::kUser, "what"}, {Role::kAssistant, first.text}}, {first}, "");
}

TEST(PolicyAgent, ARolloutOfSeveralTurnsIsTheSameForAnyNumberOfThreads) {
  const Scene s;
  Sampling sampling = kSampling;
  sampling.ignore_eos = true;
  std::vector<std::vector<Group>> runs;
  for (const int threads : {1, 2, 3}) {
    const Generator generator(s.weights, s.tokenizer, {.threads = threads, .slots = threads});
    PolicyAgent agent(generator, "{prompt}", sampling);
    runs.push_back(CollectGroups({.group_size = 3}, [] { return std::make_unique<Nagging>("\nwhat is it? "); }, Rubric(), agent,
                                 {{Split::kTrain, 0, 1}, {Split::kTrain, 0, 2}}, Rng(4)));
  }
  for (const auto& groups : runs) {
    for (std::size_t g = 0; g < groups.size(); ++g) {
      for (std::size_t m = 0; m < groups[g].members.size(); ++m) {
        const Trajectory &got = groups[g].members[m], &want = runs[0][g].members[m];
        ASSERT_EQ(got.turns.size(), want.turns.size());
        for (std::size_t t = 0; t < got.turns.size(); ++t) {
          EXPECT_EQ(got.turns[t].completion_ids, want.turns[t].completion_ids);
          EXPECT_EQ(got.turns[t].logprobs, want.turns[t].logprobs);
        }
      }
    }
  }
}

}  // namespace
}  // namespace cogent
