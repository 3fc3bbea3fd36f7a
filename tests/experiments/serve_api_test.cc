// What a request says, and what a reply holds.
#include "experiments/serve_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/rng.h"
#include "tests/experiments/served.h"

namespace cogent {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;
using testing::ElementsAre;
using testing::HasSubstr;

const ServedModel kModel = served::Model();

Request Reads(const std::string& body, bool chat = false) { return ReadRequest(body, chat, kModel); }

TEST(ServeRequest, ReadsEveryFieldAndTakesWhatAsksForNothing) {
  const Request r = Reads(R"({"model": "m", "prompt": "ab", "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "min_p": 0.1, "repetition_penalty": 1.2,
                              "seed": -5, "stop": ["x", "yz"], "n": 2, "logprobs": 0, "return_token_ids": true, "stream": true, "stream_options": {"include_usage": true},
                              "ignore_eos": true, "user": "u", "frequency_penalty": 0.0, "echo": false, "logit_bias": null, "best_of": 1})");
  EXPECT_EQ(r.prompt, served::Bytes().Encode("ab"));
  const Sampling& s = r.sampling;
  EXPECT_EQ(s.max_new_tokens, 7);
  EXPECT_EQ(s.temperature, 0.5);
  EXPECT_EQ(s.top_p, 0.9);
  EXPECT_EQ(s.top_k, 3);
  EXPECT_EQ(s.min_p, 0.1);
  EXPECT_EQ(s.repetition_penalty, 1.2);
  EXPECT_THAT(s.stop, ElementsAre("x", "yz"));
  EXPECT_TRUE(s.ignore_eos);
  EXPECT_EQ(r.seed, static_cast<std::uint64_t>(-5));
  EXPECT_EQ(r.n, 2);
  EXPECT_TRUE(r.logprobs && r.return_token_ids && r.stream && r.stream_usage);
}

TEST(ServeRequest, LeavesOutWhatIsNotSaid) {
  const Request r = Reads(R"({"prompt": [1, 2, 258], "stop": "x", "top_k": -1, "seed": null})");
  EXPECT_EQ(r.prompt, (Ids{1, 2, 258}));
  EXPECT_EQ(r.sampling.max_new_tokens, 16);
  EXPECT_EQ(r.sampling.temperature, 1.0);
  EXPECT_EQ(r.sampling.top_k, 0);
  EXPECT_THAT(r.sampling.stop, ElementsAre("x"));
  EXPECT_FALSE(r.seed.has_value());
  EXPECT_FALSE(r.logprobs || r.return_token_ids || r.stream || r.sampling.ignore_eos);
}

TEST(ServeRequest, NoCompletionIsLongerThanTheContextLeavesRoomFor) {
  EXPECT_EQ(Reads(R"({"prompt": "abcd", "max_tokens": 1000})").sampling.max_new_tokens, 60);
  const Request r = Reads(R"({"messages": [{"role": "user", "content": "a"}]})", true);
  EXPECT_EQ(r.sampling.max_new_tokens, 64 - static_cast<int>(r.prompt.size())) << "a chat's answer has all of it";
}

TEST(ServeRequest, MessagesGoThroughTheChatTemplateWithTheirPartsOfText) {
  const Request r = Reads(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "n"}], "logprobs": true})", true);
  EXPECT_EQ(served::Bytes().Decode(r.prompt), R"(<[{"content":"ab","role":"user"}]>)");
  EXPECT_TRUE(r.logprobs);
}

// A value is copied on its way, each level of it on the stack.
TEST(ServeRequest, ABodyThatIsNestedWithoutEndIsRefused) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  for (const auto& [field, chat] : {std::pair{"stop", false}, std::pair{"prompt", false}, std::pair{"logit_bias", false}, std::pair{"stream_options", false}, std::pair{"messages", true}, std::pair{"x", true}}) {
    try {
      Reads("{\"" + std::string(field) + "\": " + nested(100000) + "}", chat);
      ADD_FAILURE() << field;
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status(), 400);
      EXPECT_THAT(error.what(), HasSubstr("nested more than 32 deep"));
    }
  }
  EXPECT_THROW(ReadModelPath("{\"model_path\": " + nested(100000) + "}"), ApiError);
  try {
    Reads(R"({"prompt": "a", "stop": )" + nested(31) + "}");
    ADD_FAILURE();
  } catch (const ApiError& error) {
    EXPECT_THAT(error.what(), HasSubstr("'stop' must be")) << "not too deep to be told so";
  }
}

TEST(ServeRequest, WhatIsWrongIsSaidWithItsField) {
  struct Case {
    std::string body, field, said;
    int status = 400;
    bool chat = false;
  };
  const std::string user = R"({"messages": [{"role": "user", "content": "a"}], )";
  const std::vector<Case> cases = {
      {"", "", "no JSON object"},
      {"[1]", "", "no JSON object"},
      {R"({"prompt": "a")", "", "no JSON object: parse error at line 1, column 15"},
      {R"({"prompt": 1e400})", "", "no JSON object: number overflow"},
      {"{\n\"prompt\": 'a'}", "", "line 2, column 11"},
      {R"({"prompt": "a", "model": "gpt"})", "model", "no model 'gpt' here; it is called 'm'", 404},
      {R"({})", "prompt", "missing"},
      {R"({"prompt": ""})", "prompt", "no tokens"},
      {R"({"prompt": 3})", "prompt", "a text or a list of token ids"},
      {R"({"prompt": ["a", "b"]})", "prompt", "several requests"},
      {R"({"prompt": [1, 259]})", "prompt", "the id 259, but the model has ids from 0 to 258"},
      {R"({"prompt": [-1]})", "prompt", "the id -1"},
      {R"({"prompt": [18446744073709551615]})", "prompt", "the id 18446744073709551615"},
      {R"({"prompt": [1.5]})", "prompt", "token ids"},
      {R"({"prompt": ")" + std::string(64, 'a') + "\"}", "prompt", "64 tokens, which leaves no room in the context of 64"},
      {R"({"prompt": "a", "temperature": -1})", "temperature", "'temperature'"},
      {R"({"prompt": "a", "temperature": "hot"})", "temperature", "'temperature'"},
      {R"({"prompt": "a", "temperature": "1"})", "temperature", "'temperature'"},
      {R"({"prompt": "a", "top_p": 1.5})", "top_p", "'top_p'"},
      {R"({"prompt": "a", "top_p": [1]})", "top_p", "a list"},
      {R"({"prompt": "a", "max_tokens": 0})", "max_tokens", "'max_tokens'"},
      {R"({"prompt": "a", "max_tokens": 1.5})", "max_tokens", "'max_tokens'"},
      {R"({"prompt": "a", "n": 1000})", "n", "'n'"},
      {R"({"prompt": "a", "seed": 1e30})", "seed", "'seed'"},
      {R"({"prompt": "a", "stream": 1})", "stream", "'stream'"},
      {R"({"prompt": "a", "logprobs": 5})", "logprobs", "alternatives are not kept"},
      {R"({"prompt": "a", "stop": [""]})", "stop", "'stop'"},
      {R"({"prompt": "a", "stop": 3})", "stop", "'stop'"},
      {R"({"prompt": "a", "stream_options": {"include_usage": 1}})", "stream_options", "include_usage"},
      {R"({"prompt": "a", "presence_penalty": 0.5})", "presence_penalty", "leave it out"},
      {R"({"prompt": "a", "echo": true})", "echo", "leave it out"},
      {R"({"prompt": "a", "temprature": 1})", "temprature", "Did you mean 'temperature'?"},
      {R"({"prompt": "a", "messages": []})", "messages", "unknown"},
      {R"({})", "messages", "missing", 400, true},
      {R"({"messages": "a"})", "messages", "must be a list", 400, true},
      {R"({"prompt": "a", "xyz": 1})", "xyz", "Known: prompt, stop, stream_options, model"},
      {R"({"messages": [{"role": "king", "content": "a"}]})", "messages", "found \"king\"", 400, true},
      {R"({"messages": ["a"]})", "messages", "'role'", 400, true},
      {R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})", "messages", "'content'", 400, true},
      {user + R"("tools": [{"type": "function"}]})", "tools", "leave it out", 400, true},
      {user + R"("logprobs": 0})", "logprobs", "'logprobs'", 400, true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.body);
    try {
      Reads(c.body, c.chat);
      ADD_FAILURE() << "it was taken";
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status(), c.status);
      const Json body = Json::parse(error.Body())["error"];
      EXPECT_EQ(body["param"], c.field.empty() ? Json() : Json(c.field));
      EXPECT_THAT(body["message"].get<std::string>(), HasSubstr(c.said));
    }
  }
}

TEST(ServeRequest, AModelWithoutAChatTemplateSaysSo) {
  ServedModel base = kModel;
  base.chat_prompt = nullptr;
  EXPECT_THROW(ReadRequest(R"({"messages": [{"role": "user", "content": "a"}]})", true, base), ApiError);
}

// Bodies with bytes changed, cut out and doubled: a request that the model can be asked, or an error with a body that is JSON.
TEST(ServeRequest, AnyBodyIsARequestOrAnError) {
  const std::vector<std::string> whole = {R"({"model": "m", "prompt": "ab", "max_tokens": 7, "temperature": 0.5, "stop": ["x"], "n": 2, "logprobs": 0, "seed": 5})",
                                          R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "\u00e9"}]}], "top_k": 4, "stream_options": {}})"};
  Rng rng(1);
  int taken = 0;
  for (int round = 0; round < 4000; ++round) {
    const bool chat = round % 2 == 1;
    std::string body = whole[chat];
    for (std::int64_t changes = rng.Range(0, 3); changes > 0; --changes) {
      const auto at = static_cast<std::size_t>(rng.Range(0, static_cast<std::int64_t>(body.size()) - 1)), size = static_cast<std::size_t>(rng.Range(1, 6));
      switch (rng.Range(0, 2)) {
        case 0: body[at] = static_cast<char>(rng.Range(0, 255)); break;
        case 1: body.erase(at, size); break;
        default: body.insert(at, body.substr(at, size));
      }
      if (body.empty()) body = " ";
    }
    try {
      const Request r = Reads(body, chat);
      ++taken;
      EXPECT_TRUE(!r.prompt.empty() && r.n >= 1 && r.sampling.max_new_tokens >= 1 && static_cast<int>(r.prompt.size()) + r.sampling.max_new_tokens <= 64) << body;
    } catch (const ApiError& error) {
      EXPECT_TRUE(Json::parse(error.Body())["error"]["message"].is_string()) << body;
    }
  }
  EXPECT_GT(taken, 800);
}

std::string TextOf(const std::string& bytes, const std::vector<std::string>& stop, std::vector<std::string>* parts = nullptr) {
  CompletionText text(kModel, stop);
  std::string all;
  Ids ids = served::Bytes().Encode(bytes);
  ids.push_back(served::Bytes().eos_id());
  for (const std::int32_t id : ids) {
    const std::string part = text.Add(id);
    if (parts != nullptr) parts->push_back(part);
    all += part;
  }
  return all + text.Finish();
}

TEST(CompletionText, EndsBeforeTheFirstStopTextAndShowsNoPartOfOne) {
  EXPECT_EQ(TextOf("abcd", {}), "abcd");
  EXPECT_EQ(TextOf("ab</x> and", {"</x>"}), "ab");
  EXPECT_EQ(TextOf("aaab", {"aab"}), "a");
  EXPECT_EQ(TextOf("ab</", {"</x>"}), "ab</") << "what only began as one belongs to the text";
  EXPECT_EQ(TextOf("one two", {"two", "e t"}), "on");
  std::vector<std::string> parts;
  TextOf("ab</x>", {"</x>"}, &parts);
  EXPECT_THAT(parts, ElementsAre("a", "b", "", "", "", "", ""));
}

TEST(CompletionText, ShowsWholeCharactersAlone) {
  std::vector<std::string> parts;
  EXPECT_EQ(TextOf("é€", {}, &parts), "é€");
  EXPECT_THAT(parts, ElementsAre("", "é", "", "", "€", ""));
}

// Against the plain rule: the text up to the first place where any stop text stands.
TEST(CompletionText, IsTheTextUpToItsFirstStopHoweverItComes) {
  Rng rng(2);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (std::int64_t size = rng.Range(0, 12); size > 0; --size) text += static_cast<char>('a' + rng.Range(0, 1));
    std::vector<std::string> stop;
    for (std::int64_t count = rng.Range(0, 2); count > 0; --count) {
      stop.emplace_back();
      for (std::int64_t size = rng.Range(1, 4); size > 0; --size) stop.back() += static_cast<char>('a' + rng.Range(0, 1));
    }
    // The generator ends at the token that completes a stop text; of those that end at one place, the longest begins first.
    std::size_t end = text.size(), cut = text.size();
    for (const std::string& s : stop) {
      const std::size_t at = text.find(s);
      if (at != std::string::npos) end = std::min(end, at + s.size());
    }
    for (const std::string& s : stop) {
      const std::size_t at = text.substr(0, end).find(s);
      if (at != std::string::npos) cut = std::min(cut, at);
    }
    EXPECT_EQ(TextOf(text, stop), text.substr(0, cut)) << text << " " << testing::PrintToString(stop);
  }
}

TEST(ServeReply, HoldsTextsIdsLogprobsAndCounts) {
  Request r = Reads(R"({"prompt": "ab", "logprobs": 0, "return_token_ids": true, "n": 2})");
  const std::vector<SampledToken> tokens = {{5, -0.1f, -0.2f}, {300, -1.5f, -2.5f}};
  const Json reply = Json::parse(ReplyBody(r, kModel, 3, {{0, "x\xff", tokens, true, false}, {1, "y", {}, true, true}}));
  EXPECT_EQ(reply["id"], "cmpl-3");
  EXPECT_EQ(reply["object"], "text_completion");
  EXPECT_EQ(reply["model"], "m");
  const Json& first = reply["choices"][0];
  EXPECT_EQ(first["index"], 0);
  EXPECT_EQ(first["finish_reason"], "stop");
  EXPECT_EQ(first["token_ids"], Json({5, 300}));
  EXPECT_EQ(first["prompt_token_ids"], Json(r.prompt));
  EXPECT_EQ(first["logprobs"]["token_logprobs"][0].get<float>(), -0.1f) << "to the last bit";
  EXPECT_EQ(reply["choices"][1]["finish_reason"], "length");
  EXPECT_EQ(reply["usage"], Json({{"prompt_tokens", 2}, {"completion_tokens", 2}, {"total_tokens", 4}}));
  ServedModel processed = kModel;
  processed.processed_logprobs = true;
  EXPECT_EQ(Json::parse(ReplyBody(r, processed, 3, {{0, "", tokens, true, false}}))["choices"][0]["logprobs"]["token_logprobs"][1].get<float>(), -2.5f);
  r.logprobs = r.return_token_ids = false;
  const Json bare = Json::parse(ReplyBody(r, kModel, 3, {{0, "", tokens, true, false}}));
  EXPECT_TRUE(bare["choices"][0]["logprobs"].is_null());
  EXPECT_FALSE(bare["choices"][0].contains("token_ids"));
}

TEST(ServeReply, AChatHoldsAMessageAndThePromptsIdsAtTheTop) {
  const Request r = Reads(R"({"messages": [{"role": "user", "content": "a"}], "logprobs": true, "return_token_ids": true})", true);
  const Json reply = Json::parse(ReplyBody(r, kModel, 1, {{0, "hi", {{static_cast<std::int32_t>(served::Bytes().Encode("h")[0]), -1.0f, -1.0f}}, true, false}}));
  EXPECT_EQ(reply["object"], "chat.completion");
  EXPECT_EQ(reply["choices"][0]["message"], Json({{"role", "assistant"}, {"content", "hi"}}));
  EXPECT_EQ(reply["choices"][0]["logprobs"]["content"][0]["token"], "h");
  EXPECT_EQ(reply["choices"][0]["logprobs"]["content"][0]["logprob"], -1.0);
  EXPECT_EQ(reply["prompt_token_ids"], Json(r.prompt));
}

}  // namespace
}  // namespace cogent
