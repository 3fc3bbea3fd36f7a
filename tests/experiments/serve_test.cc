// The HTTP of `cogent serve` and the desk behind it, without a network: a parrot draws.
#include "experiments/serve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <nlohmann/json.hpp>

#include "agents/http.h"
#include "agents/remote_agent.h"
#include "tests/experiments/served.h"

namespace cogent {
namespace {

using Json = nlohmann::json;
using tcp = boost::asio::ip::tcp;
using testing::HasSubstr;
using testing::StartsWith;

// A connection by hand.
class Wire {
 public:
  explicit Wire(int port) : socket_(io_) { socket_.connect({boost::asio::ip::address_v4::loopback(), static_cast<unsigned short>(port)}); }
  void Send(const std::string& text) { boost::asio::write(socket_, boost::asio::buffer(text)); }
  // All until the server closes.
  std::string Rest() {
    std::string text;
    boost::system::error_code error;
    boost::asio::read(socket_, boost::asio::dynamic_buffer(text), error);
    return text;
  }
  void HangUp() { socket_.close(); }

 private:
  boost::asio::io_context io_;
  tcp::socket socket_;
};

std::string Post(const std::string& path, const std::string& body, const std::string& more = "Content-Type: application/json\r\n") {
  return "POST " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + more + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class ServeTest : public testing::Test {
 protected:
  void Start(ServeOptions options = {}, std::size_t room = 100) {
    options.port = 0;
    parrot_.reset(), server_.reset();
    desk_ = std::make_unique<Desk>(room);
    server_ = std::make_unique<ModelServer>(options, model_, *desk_);
    parrot_ = std::make_unique<served::Parrot>(*desk_);
  }
  std::string Url(const std::string& path = "/v1") const { return "http://127.0.0.1:" + std::to_string(server_->port()) + path; }
  HttpReply Ask(const std::string& path, const std::string& body, int retries = 0) const {
    return HttpClient({.url = Url(""), .timeout_seconds = 20, .retries = retries}).PostAll(path, {body}, Rng(1)).front();
  }
  std::string Raw(const std::string& text) const {
    Wire wire(server_->port());
    wire.Send(text);
    return wire.Rest();
  }
  // Until it holds.
  static void Until(const std::function<bool()>& holds) {
    while (!holds()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  const ServedModel model_ = served::Model();
  std::unique_ptr<Desk> desk_;
  std::unique_ptr<ModelServer> server_;
  std::unique_ptr<served::Parrot> parrot_;  // ends first
};

TEST_F(ServeTest, AnswersACompletionAndAChat) {
  Start();
  const Json reply = Json::parse(Ask("/v1/completions", R"({"model": "m", "prompt": "abc", "logprobs": 0, "return_token_ids": true})").body);
  EXPECT_EQ(reply["choices"][0]["text"], "abc");
  EXPECT_EQ(reply["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(reply["choices"][0]["token_ids"].size(), 4u) << "the end of sequence, too";
  EXPECT_EQ(reply["choices"][0]["logprobs"]["token_logprobs"], Json({0.0, -0.125, -0.25, -0.375}));
  EXPECT_EQ(reply["usage"]["completion_tokens"], 4);
  const Json cut = Json::parse(Ask("/v1/completions", R"({"prompt": "abc", "max_tokens": 2})").body);
  EXPECT_EQ(cut["choices"][0]["text"], "ab");
  EXPECT_EQ(cut["choices"][0]["finish_reason"], "length");
  const Json chat = Json::parse(Ask("/v1/chat/completions", R"({"messages": [{"role": "user", "content": "a"}], "stop": "role"})").body);
  EXPECT_EQ(chat["choices"][0]["message"]["content"], R"(<[{"content":"a",")");
}

TEST_F(ServeTest, ManyAtOnceAreEachAnsweredTheirOwn) {
  Start();
  std::vector<std::string> bodies;
  for (int i = 0; i < 60; ++i) bodies.push_back(Json{{"prompt", "p" + std::to_string(i)}, {"n", 1 + i % 3}}.dump());
  const auto replies = HttpClient({.url = Url(), .concurrent = 12}).PostAll("/completions", bodies, Rng(1));
  for (int i = 0; i < 60; ++i) {
    const Json reply = Json::parse(replies[static_cast<std::size_t>(i)].body);
    ASSERT_EQ(reply["choices"].size(), static_cast<std::size_t>(1 + i % 3));
    for (const Json& choice : reply["choices"]) EXPECT_EQ(choice["text"], "p" + std::to_string(i));
  }
  EXPECT_LE(server_->connections(), 12);
}

TEST_F(ServeTest, AStreamSaysWhatTheWholeReplySays) {
  Start();
  const std::string body = R"("prompt": "grün</x>", "stop": ["</x>"], "n": 2, "max_tokens": 40, "logprobs": 0, "return_token_ids": true)";
  const Json whole = Json::parse(Ask("/v1/completions", "{" + body + "}").body);
  const HttpReply reply = Ask("/v1/completions", "{" + body + R"(, "stream": true, "stream_options": {"include_usage": true}})");
  ASSERT_EQ(reply.status, 200);
  std::vector<Json> choices(2, Json{{"text", ""}, {"token_ids", Json::array()}, {"token_logprobs", Json::array()}});
  Json usage;
  std::istringstream lines(reply.body);
  std::string line, last;
  while (std::getline(lines, line)) {
    if (line.empty()) continue;
    ASSERT_THAT(line, StartsWith("data: "));
    last = line.substr(6);
    if (last == "[DONE]") continue;
    const Json event = Json::parse(last);
    if (event["choices"].empty()) {
      usage = event["usage"];
      continue;
    }
    const Json& part = event["choices"][0];
    Json& choice = choices[part["index"].get<std::size_t>()];
    choice["text"] = choice["text"].get<std::string>() + part["text"].get<std::string>();
    for (const Json& id : part["token_ids"]) choice["token_ids"].push_back(id);
    for (const Json& value : part["logprobs"]["token_logprobs"]) choice["token_logprobs"].push_back(value);
    choice["finish_reason"] = part["finish_reason"];
  }
  EXPECT_EQ(last, "[DONE]");
  EXPECT_EQ(usage, whole["usage"]);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(choices[i]["text"], whole["choices"][i]["text"]);
    EXPECT_EQ(choices[i]["text"], "grün");
    EXPECT_EQ(choices[i]["token_ids"], whole["choices"][i]["token_ids"]);
    EXPECT_EQ(choices[i]["token_logprobs"], whole["choices"][i]["logprobs"]["token_logprobs"]);
    EXPECT_EQ(choices[i]["finish_reason"], whole["choices"][i]["finish_reason"]);
  }
}

TEST_F(ServeTest, ARemoteAgentReadsItsTurns) {
  Start();
  RemoteSettings settings;
  settings.url = Url(), settings.model = "m", settings.api = "completions";
  const Turn turn = RemoteAgent(settings, "Q {prompt}\n", {.max_new_tokens = 30}, {&served::Bytes(), model_.ends, model_.context}).Act({{{{Role::kUser, "1"}}, nullptr}}, {Rng(1)}).front();
  EXPECT_EQ(turn.failure, "");
  EXPECT_EQ(turn.text, "Q 1\n");
  EXPECT_EQ(turn.completion_ids.size(), 5u);
  EXPECT_EQ(turn.logprobs[2], -0.25f);
}

TEST_F(ServeTest, SaysWhatItHasAndThatItIsWell) {
  Start();
  EXPECT_THAT(Raw("GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"), HasSubstr("200 OK"));
  const std::string models = Raw("GET /v1/models?x=1 HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(Json::parse(models.substr(models.find("\r\n\r\n")))["data"][0]["id"], "m");
}

TEST_F(ServeTest, WhatIsNoRequestIsRefusedAndSaysWhy) {
  ServeOptions options;
  options.most_bytes = 2000;
  Start(options);
  const std::string good = R"({"prompt": "a"})";
  EXPECT_THAT(Raw(Post("/v1/completion", good)), testing::AllOf(HasSubstr("404 Not Found"), HasSubstr("there is no '/v1/completion'")));
  EXPECT_THAT(Raw("GET /v1/completions HTTP/1.1\r\nConnection: close\r\n\r\n"), testing::AllOf(HasSubstr("405"), HasSubstr("asked by POST")));
  EXPECT_THAT(Raw(Post("/v1/completions", good, "Content-Type: text/plain\r\n")), HasSubstr("415"));
  EXPECT_THAT(Raw(Post("/v1/completions", "{")), testing::AllOf(HasSubstr("400 Bad Request"), HasSubstr("no JSON object")));
  EXPECT_THAT(Raw(Post("/v1/completions", R"({"prompt": ")" + std::string(3000, 'a') + "\"}")), testing::AllOf(HasSubstr("413"), HasSubstr("2000 bytes")));
  EXPECT_THAT(Raw("POST /v1/completions HTTP/1.1\r\nX: " + std::string(20000, 'x') + "\r\n\r\n"), HasSubstr("413"));
  EXPECT_THAT(Raw("hello\r\n\r\n"), HasSubstr("400 Bad Request"));
  EXPECT_THAT(Raw(Post("/update_weights_from_disk", R"({"path": "x"})")), HasSubstr("'model_path' is missing"));
  EXPECT_EQ(Json::parse(Ask("/v1/completions", good).body)["choices"][0]["text"], "a") << "and it goes on";
}

TEST_F(ServeTest, AClientThatAsksOnAndOnIsAskedToWait) {
  Start({}, 2);
  parrot_->held = true;
  std::vector<std::unique_ptr<Wire>> wires;
  const std::string body = R"({"prompt": "a"})";
  for (std::size_t i = 0; i < 3; ++i) {
    wires.push_back(std::make_unique<Wire>(server_->port()));
    wires.back()->Send(Post("/v1/completions", body));
    Until([&] { return parrot_->in_hand == 1 && desk_->waiting() == i; });  // one is taken first: three may not wait
  }
  EXPECT_THAT(Raw(Post("/v1/completions", body)), testing::AllOf(HasSubstr("503"), HasSubstr("Retry-After: 1"), HasSubstr("too many requests wait")));
  parrot_->held = false;
  for (const auto& wire : wires) EXPECT_THAT(wire->Rest(), HasSubstr("200 OK"));
}

TEST_F(ServeTest, WhoHangsUpHasNothingDrawnAnyMore) {
  Start();
  parrot_->held = true;
  Wire gone(server_->port()), gone_too(server_->port());
  gone.Send(Post("/v1/completions", R"({"prompt": "abcdef"})"));
  Until([&] { return parrot_->in_hand == 1; });
  gone_too.Send(Post("/v1/completions", R"({"prompt": "waits"})"));
  Until([&] { return desk_->waiting() > 0; });
  gone.HangUp(), gone_too.HangUp();
  Until([&] { return server_->connections() == 0; });
  EXPECT_EQ(desk_->waiting(), 0u);
  parrot_->held = false;
  EXPECT_EQ(Json::parse(Ask("/v1/completions", R"({"prompt": "b"})").body)["choices"][0]["text"], "b");
  EXPECT_EQ(parrot_->dropped, 1);
}

TEST_F(ServeTest, AStreamThatNobodyReadsOnEndsItsCompletion) {
  Start();
  parrot_->held = true;
  Wire gone(server_->port());
  gone.Send(Post("/v1/completions", R"({"prompt": "abcdef", "stream": true})"));
  Until([&] { return parrot_->in_hand == 1; });
  gone.HangUp();
  Until([&] { return server_->connections() == 0; });
  parrot_->held = false;
  EXPECT_EQ(Ask("/v1/completions", R"({"prompt": "b"})").status, 200);
  EXPECT_EQ(parrot_->dropped, 1);
}

TEST_F(ServeTest, ASlowClientIsLeftAndHoldsUpNobody) {
  ServeOptions options;
  options.patience = 0.5;
  Start(options);
  Wire slow(server_->port()), silent(server_->port());
  slow.Send("POST /v1/completions HTTP/1.1\r\nContent-Le");
  EXPECT_EQ(Ask("/v1/completions", R"({"prompt": "b"})").status, 200);
  EXPECT_EQ(slow.Rest(), "");
  EXPECT_EQ(silent.Rest(), "");
  Until([&] { return server_->connections() == 0; });
}

TEST_F(ServeTest, MoreConnectionsThanItTakesWaitTheirTurn) {
  ServeOptions options;
  options.most_connections = 2, options.patience = 0.5;
  Start(options);
  const Wire one(server_->port()), other(server_->port());
  EXPECT_EQ(Ask("/v1/completions", R"({"prompt": "b"})").status, 200) << "when the idle ones were closed";
}

TEST_F(ServeTest, LoadsOtherWeightsBetweenCompletionsAndSaysWhatCameOfIt) {
  Start();
  EXPECT_EQ(Json::parse(Ask("/update_weights_from_disk", R"({"model_path": "/w"})").body), Json({{"success", true}, {"message", "loaded /w"}}));
  EXPECT_EQ(parrot_->loaded, 1);
  parrot_->refuses = true;
  const HttpReply refused = Ask("/update_weights_from_disk", R"({"model_path": "/w"})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.Failure(), HasSubstr("/w: another architecture"));
}

TEST_F(ServeTest, AtTheEndWhoWaitsIsToldSo) {
  Start();
  parrot_->held = true;
  Wire wire(server_->port()), stream(server_->port()), load(server_->port());
  wire.Send(Post("/v1/completions", R"({"prompt": "a"})"));
  Until([&] { return parrot_->in_hand == 1; });
  stream.Send(Post("/v1/completions", R"({"prompt": "a", "stream": true})"));
  load.Send(Post("/update_weights_from_disk", R"({"model_path": "/w"})"));
  Until([&] { return desk_->waiting() == 1 && desk_->reloading(); });
  desk_->Close();
  EXPECT_THAT(wire.Rest(), testing::AllOf(HasSubstr("503"), HasSubstr("the server is ending")));
  EXPECT_THAT(stream.Rest(), testing::Not(HasSubstr("[DONE]")));
  EXPECT_THAT(load.Rest(), HasSubstr("the server is ending"));
}

TEST_F(ServeTest, ItEndsWithConnectionsOpenAndCompletionsUnderWay) {
  Start();
  parrot_->held = true;
  Wire idle(server_->port()), asks(server_->port());
  asks.Send(Post("/v1/completions", R"({"prompt": "a"})"));
  Until([&] { return server_->connections() == 2 && parrot_->in_hand == 1; });
  server_.reset();
  parrot_.reset();
}

TEST(ModelServer, AnAddressThatCannotBeHadIsSaidWithWhatToDo) {
  const ServedModel model = served::Model();
  Desk desk(1);
  const ModelServer first({.port = 0}, model, desk);
  for (const ServeOptions& options : {ServeOptions{.port = first.port()}, ServeOptions{.host = "nowhere", .port = 0}}) {
    try {
      const ModelServer second(options, model, desk);
      ADD_FAILURE();
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr("cannot listen at " + options.host));
    }
  }
}

TEST(ModelServer, ARequestsDrawsAreThoseOfItsSeedAndPlace) {
  const ServedModel model = served::Model();
  Desk desk(10);
  const ModelServer server({.port = 0, .seed = 9}, model, desk);
  const auto draws = [&](const std::string& body) {
    Wire wire(server.port());
    wire.Send(Post("/v1/completions", body));
    std::vector<std::uint64_t> keys;
    for (int i = 0; i < 2; ++i) keys.push_back(desk.Take(true)->draws.key());
    return keys;
  };
  const auto once = draws(R"({"prompt": "a", "n": 2, "seed": 5})");
  EXPECT_EQ(once, draws(R"({"prompt": "b", "n": 2, "seed": 5})"));
  EXPECT_EQ(once[0], Rng(5).Fork(0).key());
  EXPECT_NE(once[0], once[1]);
  const auto unsaid = draws(R"({"prompt": "a", "n": 2})");
  EXPECT_NE(unsaid, once);
  EXPECT_NE(unsaid, draws(R"({"prompt": "a", "n": 2})")) << "requests without a seed differ";
  desk.Close();
}

}  // namespace
}  // namespace cogent
