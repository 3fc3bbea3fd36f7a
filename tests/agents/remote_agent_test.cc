// An OpenAI-compatible server as an agent, against one in this process.
#include "agents/remote_agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "agents/prompted_agent.h"
#include "agents/rollout.h"
#include "core/error.h"
#include "core/file.h"
#include "tests/support/http_server.h"

namespace cogent {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

std::string Reply(const std::string& text, const std::string& finish = "stop") {
  return Json{{"choices", {{{"message", {{"role", "assistant"}, {"content", text}}}, {"finish_reason", finish}}}}, {"usage", {{"completion_tokens", 3}}}}.dump();
}
RemoteSettings At(const HttpServer& server) {
  RemoteSettings settings;
  settings.url = server.url(), settings.model = "m", settings.timeout = 5, settings.retries = 2, settings.concurrent = 3;
  return settings;
}
Conversation Asks(const std::string& text) { return {{{Role::kUser, text}}, nullptr}; }
const Sampling kAsked{.temperature = 0.6, .top_p = 0.95, .max_new_tokens = 40};

TEST(RemoteAgent, SendsTheConversationAsMessagesAndReadsTheAnswer) {
  HttpServer server([](const auto&) { return HttpServer::Reply{200, Reply("four")}; });
  RemoteAgent agent(At(server), "plain", kAsked);
  const auto turns = agent.Act({{{{Role::kSystem, "be brief"}, {Role::kUser, "2+2?"}, {Role::kAssistant, "5"}, {Role::kTool, "no"}}, nullptr}}, {Rng(7)});
  ASSERT_EQ(turns.size(), 1u);
  EXPECT_EQ(turns[0].text, "four");
  EXPECT_EQ(turns[0].failure, "");
  EXPECT_FALSE(turns[0].truncated);
  EXPECT_EQ(turns[0].completion_ids, std::vector<std::int32_t>(3, kNoToken));
  ASSERT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(server.requests()[0].path, "/v1/chat/completions");
  const Json sent = Json::parse(server.requests()[0].body);
  EXPECT_EQ(sent["model"], "m");
  EXPECT_EQ(sent["max_tokens"], 40);
  EXPECT_EQ(sent["temperature"], 0.6);
  EXPECT_EQ(sent["top_p"], 0.95);
  for (const char* unset : {"top_k", "min_p", "repetition_penalty"}) EXPECT_FALSE(sent.contains(unset)) << unset;
  EXPECT_TRUE(sent["seed"].is_number_unsigned());
  std::vector<std::string> roles;
  for (const Json& message : sent["messages"]) roles.push_back(message["role"]);
  EXPECT_THAT(roles, ElementsAre("system", "user", "assistant", "user"));
}

TEST(RemoteAgent, AnswersStandInTheOrderOfTheQuestionsHoweverTheyCome) {
  HttpServer server([](const HttpServer::Request& request) {
    const std::string asked = Json::parse(request.body)["messages"][0]["content"];
    if (asked == "0") std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return HttpServer::Reply{200, Reply("re " + asked)};
  });
  RemoteAgent agent(At(server), "plain", kAsked);
  std::vector<Conversation> asked;
  std::vector<Rng> draws;
  for (int i = 0; i < 20; ++i) asked.push_back(Asks(std::to_string(i))), draws.emplace_back(i);
  const auto turns = agent.Act(asked, draws);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(turns[static_cast<std::size_t>(i)].text, "re " + std::to_string(i));
  EXPECT_LE(server.connections(), 3) << "a connection is kept for the next request";
}

TEST(RemoteAgent, TheSameDrawsAskForTheSameSeedAndOthersForOthers) {
  HttpServer server([](const auto&) { return HttpServer::Reply{200, Reply("x")}; });
  RemoteSettings one = At(server);
  one.concurrent = 1;
  RemoteAgent agent(one, "plain", kAsked);
  agent.Act({Asks("a"), Asks("a"), Asks("a")}, {Rng(1), Rng(1), Rng(2)});
  const auto seed = [&](std::size_t i) { return Json::parse(server.requests()[i].body)["seed"].get<int>(); };
  EXPECT_EQ(seed(0), seed(1));
  EXPECT_NE(seed(0), seed(2));
}

TEST(RemoteAgent, SendsWhatIsSetOfDrawingTokensAndRefusesWhatNoServerDoes) {
  HttpServer server([](const auto&) { return HttpServer::Reply{200, Reply("x")}; });
  RemoteAgent(At(server), "plain", {.top_k = 5, .min_p = 0.1, .repetition_penalty = 1.2}).Act({Asks("a")}, {Rng(1)});
  const Json sent = Json::parse(server.requests()[0].body);
  EXPECT_EQ(sent["top_k"], 5);
  EXPECT_EQ(sent["min_p"], 0.1);
  EXPECT_EQ(sent["repetition_penalty"], 1.2);
  Sampling limited;
  limited.max_thinking_tokens = 10;
  EXPECT_THROW(RemoteAgent(At(server), "plain", limited), ConfigError);
}

TEST(RemoteAgent, PutsReasoningThatTheServerCutOutBackInFront) {
  HttpServer server([](const auto&) {
    return HttpServer::Reply{200, R"({"choices": [{"message": {"content": "<answer>4</answer>", "reasoning_content": "2 and 2"}, "finish_reason": "stop"}]})"};
  });
  RemoteAgent agent(At(server), "plain", kAsked);
  EXPECT_EQ(agent.Act({Asks("a")}, {Rng(1)})[0].text, "<think>2 and 2</think><answer>4</answer>");
}

TEST(RemoteAgent, ReadsLogprobsWhereThereIsOneForEachToken) {
  int count = 2;
  HttpServer server([&](const auto&) {
    Json content = Json::array();
    for (int i = 0; i < count; ++i) content.push_back({{"token", "t"}, {"logprob", -0.5 * i}});
    return HttpServer::Reply{200, Json{{"choices", {{{"message", {{"content", "tt"}}}, {"finish_reason", "length"}, {"logprobs", {{"content", content}}}}}}, {"usage", {{"completion_tokens", 2}}}}.dump()};
  });
  RemoteSettings settings = At(server);
  settings.logprobs = true;
  RemoteAgent agent(settings, "plain", kAsked);
  const Turn whole = agent.Act({Asks("a")}, {Rng(1)})[0];
  EXPECT_THAT(whole.logprobs, ElementsAre(0.0f, -0.5f));
  EXPECT_TRUE(whole.truncated);
  count = 1;
  const Turn part = agent.Act({Asks("a")}, {Rng(1)})[0];
  EXPECT_TRUE(part.logprobs.empty());
  EXPECT_EQ(part.completion_ids.size(), 2u);
}

TEST(RemoteAgent, ABaseModelReadsThePromptTemplateWithExamplesAndTurnsAsOneText) {
  HttpServer server([](const auto&) { return HttpServer::Reply{200, R"({"choices": [{"text": " 9", "finish_reason": "stop"}]})"}; });
  RemoteSettings settings = At(server);
  settings.api = "completions";
  RemoteAgent agent(settings, "Q: {prompt}\nA:", kAsked);
  const std::vector<Turn> own(1);
  const auto turns = agent.Act({{{{Role::kUser, "1+1"}, {Role::kAssistant, " 2"}, {Role::kUser, "4+5"}}, nullptr},
                                {{{Role::kUser, "4+5"}, {Role::kAssistant, " calc"}, {Role::kTool, "[9]"}}, &own}}, {Rng(1), Rng(2)});
  EXPECT_EQ(turns[0].text, " 9");
  std::map<std::string, int> prompts;
  for (const auto& request : server.requests()) {
    EXPECT_EQ(request.path, "/v1/completions");
    ++prompts[Json::parse(request.body)["prompt"]];
  }
  EXPECT_EQ(prompts.count("Q: 1+1\nA: 2\n\nQ: 4+5\nA:"), 1u);
  EXPECT_EQ(prompts.count("Q: 4+5\nA: calc[9]"), 1u);
}

TEST(RemoteAgent, TriesAgainWhenTheServerIsBusyOrHangsUp) {
  int asked = 0;
  HttpServer server([&](const auto&) {
    ++asked;
    if (asked == 1) return HttpServer::Reply{503, R"({"error": {"message": "loading"}})", "0"};
    if (asked == 2) return HttpServer::Reply{.status = 429, .body = "slow down", .retry_after = "0", .close = true};
    return HttpServer::Reply{200, Reply("at last")};
  });
  RemoteAgent agent(At(server), "plain", kAsked);
  EXPECT_EQ(agent.Act({Asks("a")}, {Rng(1)})[0].text, "at last");
  EXPECT_EQ(asked, 3);
}

TEST(RemoteAgent, WhatFailsForGoodIsAFailureThatSaysWhyAndNoAnswer) {
  HttpServer server([](const HttpServer::Request& request) {
    const std::string asked = Json::parse(request.body)["messages"][0]["content"];
    if (asked == "busy") return HttpServer::Reply{500, R"({"error": {"message": "out of memory"}})", "0"};
    if (asked == "long") return HttpServer::Reply{400, R"({"message": "prompt is longer than the context"})"};
    if (asked == "odd") return HttpServer::Reply{200, "<html>"};
    return HttpServer::Reply{200, Reply("fine")};
  });
  RemoteAgent agent(At(server), "plain", kAsked);
  const auto turns = agent.Act({Asks("busy"), Asks("long"), Asks("odd"), Asks("good")}, {Rng(1), Rng(2), Rng(3), Rng(4)});
  EXPECT_THAT(turns[0].failure, HasSubstr("500 Internal Server Error: 'out of memory' (3 attempts)"));
  EXPECT_THAT(turns[1].failure, HasSubstr("400 Bad Request: 'prompt is longer than the context'"));
  EXPECT_THAT(turns[2].failure, HasSubstr("no `choices`"));
  EXPECT_EQ(turns[3].failure, "");
  EXPECT_EQ(turns[3].text, "fine");
}

TEST(RemoteAgent, AServerThatIsNotThereOrDoesNotAnswerInTimeIsAFailure) {
  RemoteSettings nowhere;
  {
    HttpServer gone([](const auto&) { return HttpServer::Reply{}; });
    nowhere = At(gone);
  }
  nowhere.retries = 0;
  EXPECT_THAT(RemoteAgent(nowhere, "plain", kAsked).Act({Asks("a")}, {Rng(1)})[0].failure, HasSubstr("Connection refused"));
  HttpServer silent([](const auto&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    return HttpServer::Reply{.drop = true};
  });
  RemoteSettings hasty = At(silent);
  hasty.retries = 0, hasty.timeout = 0.05;
  EXPECT_THAT(RemoteAgent(hasty, "plain", kAsked).Act({Asks("a")}, {Rng(1)})[0].failure, HasSubstr("no answer within 0.05 s"));
}

TEST(RemoteAgent, AWrongKeyOrModelEndsAtOnceAndTheKeyIsInNoMessage) {
  HttpServer server([](const HttpServer::Request& request) {
    return request.authorization == "Bearer secret-7" ? HttpServer::Reply{404, R"({"error": {"message": "no model m"}})"} : HttpServer::Reply{401, ""};
  });
  RemoteSettings settings = At(server);
  settings.key_variable = "COGENT_TEST_KEY";
  EXPECT_THROW(RemoteAgent(settings, "plain", kAsked), ConfigError);
  ::setenv("COGENT_TEST_KEY", "secret-7", 1);
  RemoteAgent agent(settings, "plain", kAsked);
  try {
    agent.Act({Asks("a")}, {Rng(1)});
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_THAT(error.what(), HasSubstr("404 Not Found: 'no model m'"));
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("secret")));
  }
  ::unsetenv("COGENT_TEST_KEY");
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(CheckServer, AnyAnswerIsAServerButARefusalOfTheKey) {
  std::string path, key;
  int status = 200;
  HttpServer server([](const auto&) { return HttpServer::Reply{500, "never asked"}; },
                    [&](const HttpServer::Request& request) {
                      path = request.path, key = request.authorization;
                      return HttpServer::Reply{status, R"({"error": {"message": "as I please"}})", "0"};
                    });
  RemoteSettings settings = At(server);
  for (const int answer : {200, 301, 400, 404, 405, 500, 503}) {
    status = answer;
    EXPECT_NO_THROW(CheckServer(settings)) << answer;
  }
  EXPECT_EQ(path, "/v1/models");
  EXPECT_EQ(key, "");
  EXPECT_TRUE(server.requests().empty());
  const auto refused = [&](const std::string& said) {
    try {
      CheckServer(settings);
      ADD_FAILURE() << "was taken";
    } catch (const RemoteError& error) {
      EXPECT_THAT(error.what(), testing::AllOf(HasSubstr(settings.url), HasSubstr(said), testing::Not(HasSubstr("secret"))));
    }
  };
  status = 401;
  refused("answers 401 Unauthorized: 'as I please'; it wants a key: set remote.key_variable");
  settings.key_variable = "COGENT_TEST_KEY";
  ::setenv("COGENT_TEST_KEY", "secret-7", 1);
  status = 403;
  refused("answers 403 Forbidden: 'as I please'; look at the key in COGENT_TEST_KEY");
  EXPECT_EQ(key, "Bearer secret-7");
  ::unsetenv("COGENT_TEST_KEY");
}

TEST(CheckServer, OneThatIsNotThereOrDoesNotAnswerIsTold) {
  const auto expect = [](RemoteSettings settings, const std::string& said) {
    settings.retries = 0;
    try {
      CheckServer(settings);
      ADD_FAILURE() << "was taken";
    } catch (const RemoteError& error) {
      EXPECT_THAT(error.what(), testing::AllOf(HasSubstr(settings.url + ": no server answers there ("), HasSubstr(said), HasSubstr("start it, or correct remote.url")));
    }
  };
  RemoteSettings nowhere;
  {
    HttpServer gone([](const auto&) { return HttpServer::Reply{}; });
    nowhere = At(gone);
  }
  expect(nowhere, "Connection refused");
  HttpServer silent([](const auto&) { return HttpServer::Reply{}; },
                    [](const auto&) {
                      std::this_thread::sleep_for(std::chrono::milliseconds(300));
                      return HttpServer::Reply{.drop = true};
                    });
  RemoteSettings hasty = At(silent);
  hasty.timeout = 0.05;
  expect(hasty, "no answer within 0.05 s");
}

TEST(RemoteAgent, AUrlThatCannotBeUsedIsRefused) {
  for (const char* url : {"127.0.0.1:8000", "ftp://x/v1", "http://", "http://x:0/v1", "http://x:99999", "http://key@x/v1", "http:///v1"}) {
    RemoteSettings settings;
    settings.url = url, settings.model = "m";
    EXPECT_THROW(RemoteAgent(settings, "plain", kAsked), ConfigError) << url;
  }
}

// The server's failures are not the policy's: no reward of 0.
TEST(RemoteAgent, AnEpisodeWhoseAgentFailsCannotBeScored) {
  HttpServer server([](const auto&) { return HttpServer::Reply{400, "no"}; });
  RemoteAgent agent(At(server), "plain", kAsked);
  Problems problems;
  const Rubric rubric = Rubric::Make({{"accuracy", Node::Map(), {}}}, BuiltinRewards(), problems);
  const EnvRegistry envs = BuiltinEnvs();
  const auto groups = CollectGroups({.group_size = 2}, [&] { return envs.Make({"arithmetic", Node::Map(), {}}, problems); }, rubric, agent, {{Split::kTrain, 1, 0}}, Rng(1));
  problems.ThrowIfAny();
  for (const Trajectory& t : groups[0].members) {
    EXPECT_EQ(t.status, TrajectoryStatus::kUnscorable);
    EXPECT_THAT(t.cause, HasSubstr("agent: 400 Bad Request"));
  }
}

TEST(RemoteAgent, AnHttpsAddressIsNeverSpokenToInThePlain) {
  HttpServer plain([](const auto&) { return HttpServer::Reply{200, Reply("x")}; });
  RemoteSettings settings = At(plain);
  settings.url = "https://127.0.0.1:" + std::to_string(plain.port());
  settings.retries = 0, settings.timeout = 0.2;
  try {
    EXPECT_NE(RemoteAgent(settings, "plain", kAsked).Act({Asks("a")}, {Rng(1)})[0].failure, "") << "no TLS is spoken there";
  } catch (const MachineError& error) {
    EXPECT_THAT(error.what(), HasSubstr("libssl-dev"));  // a build without
  }
  EXPECT_TRUE(plain.requests().empty());
}

// A server whose turns are learned from: it answers "ok" with ids, unless the test spoils the reply.
class LearnedTurns : public testing::Test {
 protected:
  Json Answer(const Json& prompt) const {
    std::vector<std::int32_t> ids = tokenizer_.Encode("ok");
    ids.push_back(tokenizer_.eos_id());
    return {{"choices", {{{"text", "ok"}, {"finish_reason", "stop"}, {"token_ids", ids}, {"prompt_token_ids", prompt}, {"logprobs", {{"token_logprobs", {-0.25, -0.5, -1}}}}}}}};
  }
  std::vector<Turn> Act(const std::vector<Conversation>& conversations, const std::string& api = "completions", int context = 60) {
    HttpServer server([&](const HttpServer::Request& request) {
      const Json asked = Json::parse(request.body);
      Json reply = Answer(asked.contains("prompt") ? asked["prompt"] : Json(seen_by_server_));
      spoil_(reply);
      return HttpServer::Reply{200, reply.dump()};
    });
    RemoteSettings settings = At(server);
    settings.api = api;
    RemoteAgent agent(settings, "Q {prompt}\n", sampling_, {&tokenizer_, {tokenizer_.eos_id()}, context});
    std::vector<Rng> draws;
    for (std::size_t i = 0; i < conversations.size(); ++i) draws.emplace_back(i);
    const auto turns = agent.Act(conversations, draws);
    for (const auto& request : server.requests()) asked_.push_back(Json::parse(request.body));
    return turns;
  }
  std::string WhyNot(const std::function<void(Json&)>& spoil) {
    spoil_ = spoil;
    try {
      Act({Asks("2+2?")});
    } catch (const RemoteError& error) {
      return error.what();
    }
    return "it was taken";
  }

  const Tokenizer tokenizer_ = Tokenizer::Train({}, {.vocab_size = 258, .added_tokens = {{"<|pad|>", true}, {"<|end|>", true}}});
  Sampling sampling_{.max_new_tokens = 40};
  std::function<void(Json&)> spoil_ = [](Json&) {};
  std::vector<std::int32_t> seen_by_server_;  // of a chat
  std::vector<Json> asked_;
};

TEST_F(LearnedTurns, HaveTheServersIdsAndLogprobsAndThePromptByOurTokenizer) {
  const Turn turn = Act({Asks("2+2?")})[0];
  EXPECT_EQ(turn.failure, "");
  EXPECT_EQ(turn.prompt_ids, tokenizer_.Encode("Q 2+2?\n"));
  EXPECT_EQ(turn.completion_ids.size(), 3u);
  EXPECT_EQ(turn.completion_ids.back(), tokenizer_.eos_id());
  EXPECT_THAT(turn.logprobs, ElementsAre(-0.25f, -0.5f, -1.0f));
  EXPECT_EQ(turn.sampled_logprobs, turn.logprobs);
  EXPECT_EQ(turn.text, "ok");
  EXPECT_FALSE(turn.truncated);
  EXPECT_EQ(turn.context, ContextHash(turn.prompt_ids));
  EXPECT_EQ(asked_[0]["prompt"], Json(turn.prompt_ids)) << "ids go out, not a text";
  EXPECT_EQ(asked_[0]["logprobs"], 0);
  EXPECT_EQ(asked_[0]["return_token_ids"], true);
  EXPECT_EQ(asked_[0]["seed"], SeedFor(Rng(0)));
}

TEST_F(LearnedTurns, ALaterTurnIsAskedWithTheIdsOfTheEarlierOnes) {
  const std::vector<Turn> own = Act({Asks("2+2?")});
  const Turn next = Act({{{{Role::kUser, "2+2?"}, {Role::kAssistant, "ok"}, {Role::kTool, "[4]"}}, &own}})[0];
  EXPECT_EQ(next.prompt_ids, tokenizer_.Encode("[4]"));
  std::vector<std::int32_t> all = own[0].prompt_ids;
  for (const auto& part : {own[0].completion_ids, next.prompt_ids}) all.insert(all.end(), part.begin(), part.end());
  EXPECT_EQ(asked_.back()["prompt"], Json(all));
  EXPECT_EQ(next.context, ContextHash(all));
}

TEST_F(LearnedTurns, AskForNoMoreThanTheContextHoldsAndNotAtAllWhenItIsFull) {
  const std::vector<Turn> own = Act({Asks("2+2?")}, "completions", 14);
  EXPECT_EQ(asked_[0]["max_tokens"], 14 - static_cast<int>(own[0].prompt_ids.size()));
  const auto turns = Act({{{{Role::kUser, "2+2?"}, {Role::kAssistant, "ok"}, {Role::kTool, "[four]"}}, &own}, Asks("1")}, "completions", 14);
  EXPECT_TRUE(turns[0].truncated);
  EXPECT_TRUE(turns[0].completion_ids.empty());
  EXPECT_EQ(turns[1].text, "ok");
  EXPECT_EQ(asked_.size(), 2u);
  EXPECT_THROW(Act({Asks("a prompt without room")}, "completions", 14), DataError);
}

TEST_F(LearnedTurns, AChatsPromptIsHeldToOurTokenizer) {
  seen_by_server_ = tokenizer_.Encode("Q 2+2?\n");
  EXPECT_EQ(Act({Asks("2+2?")}, "chat")[0].text, "ok");
  seen_by_server_ = tokenizer_.Encode("Q: 2+2?\n");
  try {
    Act({Asks("2+2?")}, "chat");
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_THAT(error.what(), HasSubstr("it read 8 tokens and not 7; token 1 is " + std::to_string(tokenizer_.Encode(":")[0]) + " (':') there and " + std::to_string(tokenizer_.Encode(" ")[0]) + " (' ') here"));
  }
}

TEST_F(LearnedTurns, EndTheRunWithTheReasonWhereTheyCannotBeLearnedFrom) {
  const auto choice = [](Json& reply) -> Json& { return reply["choices"][0]; };
  EXPECT_THAT(WhyNot([&](Json& reply) { choice(reply).erase("token_ids"); }), HasSubstr("they have no `token_ids`, which `return_token_ids` asks for"));
  EXPECT_THAT(WhyNot([&](Json& reply) { choice(reply).erase("prompt_token_ids"); }), HasSubstr("no `prompt_token_ids`"));
  EXPECT_THAT(WhyNot([&](Json& reply) { choice(reply)["token_ids"] = {1, -1, 2}; }), HasSubstr("no `token_ids`"));
  EXPECT_THAT(WhyNot([&](Json& reply) { choice(reply)["token_ids"] = {5, 9000, 1}; }), HasSubstr("the id 9000 is none of the policy's tokenizer"));
  EXPECT_THAT(WhyNot([&](Json& reply) { choice(reply)["prompt_token_ids"][2] = 7; }), HasSubstr("the server's prompt is not the policy's: it read 7 tokens and not 7; token 2 is 7 ("));
  EXPECT_THAT(WhyNot([&](Json& reply) { choice(reply)["prompt_token_ids"].push_back(7); }), HasSubstr("token 7 is 7"));
  EXPECT_THAT(WhyNot([&](Json& reply) { choice(reply).erase("logprobs"); }), HasSubstr("3 tokens come with 0 log-probabilities"));
  EXPECT_THAT(WhyNot([&](Json& reply) { choice(reply)["logprobs"]["token_logprobs"].push_back(-1); }), HasSubstr("3 tokens come with 4"));
  EXPECT_THAT(WhyNot([&](Json& reply) { choice(reply)["token_ids"] = {5, 6, 7}; }), HasSubstr("an answer ends with the id 7, which ends nothing"));
  EXPECT_THAT(WhyNot([&](Json& reply) { choice(reply)["token_ids"] = Json::array(), choice(reply)["logprobs"]["token_logprobs"] = Json::array(); }), HasSubstr("an answer has no tokens"));
  EXPECT_EQ(WhyNot([&](Json& reply) { choice(reply)["token_ids"] = {5, 6, 7}, choice(reply)["finish_reason"] = "length"; }), "it was taken") << "one that was cut has no end";
  EXPECT_EQ(WhyNot([&](Json& reply) { reply["prompt_token_ids"] = choice(reply)["prompt_token_ids"], choice(reply).erase("prompt_token_ids"); }), "it was taken") << "at the top, where vLLM's chat has them";
  sampling_.stop = {"k"};
  const std::vector<std::int32_t> ok = tokenizer_.Encode("!ok");
  EXPECT_EQ(WhyNot([&](Json& reply) { choice(reply)["token_ids"] = ok; }), "it was taken") << "a stop text ends it, too";
}

TEST_F(LearnedTurns, WhatFailsOnTheWayIsAFailureOfTheTurnAlone) {
  spoil_ = [](Json& reply) { reply = {{"detail", "odd"}}; };
  EXPECT_THAT(Act({Asks("2+2?")})[0].failure, HasSubstr("no `choices`"));
}

// What it was asked, as one text for each conversation.
struct Listening final : Agent {
  std::vector<std::string> asked;
  std::vector<Turn> Act(const std::vector<Conversation>& conversations, const std::vector<Rng>&) override {
    for (const Conversation& c : conversations) {
      std::string text;
      for (const Message& m : c.messages) text += (m.role == Role::kAssistant ? "A(" : "U(") + m.text + ")";
      asked.push_back(text);
    }
    return std::vector<Turn>(conversations.size());
  }
};

TEST(PromptedAgent, PutsTheQuestionInItsOwnWords) {
  Listening inner;
  PromptedAgent agent(inner, {.ask = "Think. {prompt}"}, Rng(1));
  agent.Act({Asks("2+2?")}, {Rng(1)});
  EXPECT_THAT(inner.asked, ElementsAre("U(Think. 2+2?)"));
}

TEST(PromptedAgent, ExamplesStandInFrontEachOnceAndNeverTheQuestionItself) {
  const std::string path = testing::TempDir() + "/cogent_shots.jsonl";
  WriteFileAtomic(path, "{\"prompt\": \"a\", \"completion\": \"1\"}\n\n{\"prompt\": \"b\", \"completion\": \"2\"}\n{\"prompt\": \"c\", \"completion\": \"3\"}\n");
  Listening inner;
  PromptedAgent agent(inner, {.examples = path, .shots = 2}, Rng(1));
  for (int i = 0; i < 20; ++i) agent.Act({Asks("a"), Asks("x" + std::to_string(i))}, {Rng(i), Rng(i)});
  std::map<std::string, int> seen;
  for (std::size_t i = 0; i < inner.asked.size(); ++i) {
    const std::string& text = inner.asked[i];
    if (i % 2 == 0) EXPECT_TRUE(text == "U(b)A(2)U(c)A(3)U(a)" || text == "U(c)A(3)U(b)A(2)U(a)") << text;
    else ++seen[text.substr(0, 14)];
    for (const char* one : {"A(1)", "A(2)", "A(3)"}) EXPECT_EQ(text.find(one), text.rfind(one)) << text;
  }
  EXPECT_GT(seen.size(), 2u) << "examples change with the question";
}

TEST(PromptedAgent, ExamplesAreThoseOfTheSeedWhateverTheDraws) {
  const std::string path = testing::TempDir() + "/cogent_shots_seed.jsonl";
  WriteFileAtomic(path, "{\"prompt\": \"a\", \"completion\": \"1\"}\n{\"prompt\": \"b\", \"completion\": \"2\"}\n{\"prompt\": \"c\", \"completion\": \"3\"}\n");
  const auto asked = [&](std::uint64_t seed, std::uint64_t draws) {
    Listening inner;
    PromptedAgent agent(inner, {.examples = path, .shots = 1}, Rng(seed));
    for (int i = 0; i < 10; ++i) agent.Act({Asks("x" + std::to_string(i))}, {Rng(draws)});
    return inner.asked;
  };
  EXPECT_EQ(asked(1, 7), asked(1, 8));
  EXPECT_NE(asked(1, 7), asked(2, 7));
}

TEST(PromptedAgent, TooFewOrMalformedExamplesAreToldWithTheirLine) {
  const std::string path = testing::TempDir() + "/cogent_shots_bad.jsonl";
  Listening inner;
  WriteFileAtomic(path, "{\"prompt\": \"a\", \"completion\": \"1\"}\n");
  EXPECT_THROW(PromptedAgent(inner, {.examples = path, .shots = 1}, Rng(1)), DataError);
  WriteFileAtomic(path, "{\"prompt\": \"a\", \"completion\": \"1\"}\n{\"prompt\": 3}\n");
  try {
    PromptedAgent(inner, {.examples = path, .shots = 1}, Rng(1));
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr(":2: "));
  }
}

}  // namespace
}  // namespace cogent
