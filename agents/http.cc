#include "agents/http.h"

#ifdef COGENT_TLS
#include <openssl/ssl.h>
#endif

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#ifdef COGENT_TLS
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/ssl.hpp>
#endif
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "core/parallel.h"
#include "core/scalar.h"

namespace cogent {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

constexpr double kFirstWait = 0.5, kLongestWait = 30.0, kLongestAsked = 60.0;
constexpr std::uint64_t kMostBytes = 64u << 20;

std::chrono::nanoseconds Seconds(double seconds) { return std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 * seconds)); }

// One connection to the server, opened when it is needed and kept while the server keeps it. Every step has the deadline of an
// attempt, which only asynchronous operations can have: each is started, and waited for.
class Connection {
 public:
  Connection(const std::string& host, const std::string& port, bool tls, double timeout) : host_(host), port_(port), tls_(tls), timeout_(timeout) {}

  // Throws boost::system::system_error.
  Response Exchange(const Request& request) {
    const bool kept = open_;
    try {
      return Once(request);
    } catch (const boost::system::system_error& error) {
      Drop();
      // The server may have closed a kept connection meanwhile: that is no failure of this request.
      if (!kept || error.code() == beast::error::timeout) throw;
    }
    return Once(request);
  }
  void Drop() {
    open_ = false;
    plain_.reset();
#ifdef COGENT_TLS
    secure_.reset();
#endif
  }

 private:
  template <typename Start>
  void Await(const Start& start) {
    boost::system::error_code result;
    start([&](const boost::system::error_code& error, const auto&...) { result = error; });
    io_.restart();
    io_.run();
    if (result) throw boost::system::system_error(result);
  }

  Response Once(const Request& request) {
    if (!open_) Open();
#ifdef COGENT_TLS
    Response response = tls_ ? Talk(*secure_, request) : Talk(*plain_, request);
#else
    Response response = Talk(*plain_, request);
#endif
    if (!response.keep_alive()) Drop();
    return response;
  }

  template <typename Stream>
  Response Talk(Stream& stream, const Request& request) {
    beast::get_lowest_layer(stream).expires_after(Seconds(timeout_));
    Await([&](auto done) { http::async_write(stream, request, std::move(done)); });
    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMostBytes);
    Await([&](auto done) { http::async_read(stream, buffer, parser, std::move(done)); });
    beast::get_lowest_layer(stream).expires_never();
    return parser.release();
  }

  void Open() {
    asio::ip::tcp::resolver resolver(io_);
    const auto places = resolver.resolve(host_, port_);
    const auto connect = [&](beast::tcp_stream& stream) {
      stream.expires_after(Seconds(timeout_));
      Await([&](auto done) { stream.async_connect(places, std::move(done)); });
    };
#ifdef COGENT_TLS
    if (tls_) {
      context_.set_default_verify_paths();
      secure_ = std::make_unique<beast::ssl_stream<beast::tcp_stream>>(io_, context_);
      secure_->set_verify_mode(asio::ssl::verify_peer);
      secure_->set_verify_callback(asio::ssl::host_name_verification(host_));
      SSL_set_tlsext_host_name(secure_->native_handle(), host_.c_str());
      connect(beast::get_lowest_layer(*secure_));
      Await([&](auto done) { secure_->async_handshake(asio::ssl::stream_base::client, std::move(done)); });
      open_ = true;
      return;
    }
#endif
    plain_ = std::make_unique<beast::tcp_stream>(io_);
    connect(*plain_);
    open_ = true;
  }

  asio::io_context io_;
  std::string host_, port_;
  [[maybe_unused]] bool tls_;
  double timeout_;
  bool open_ = false;
  std::unique_ptr<beast::tcp_stream> plain_;
#ifdef COGENT_TLS
  asio::ssl::context context_{asio::ssl::context::tls_client};
  std::unique_ptr<beast::ssl_stream<beast::tcp_stream>> secure_;
#endif
};

bool WorthAnotherTry(const HttpReply& reply) {
  const int s = reply.status;
  return s == 0 || s == 408 || s == 409 || s == 425 || s == 429 || s >= 500;
}

double WaitBefore(int attempt, const std::string& retry_after, double uniform) {
  const auto asked = ParseReal(retry_after);
  if (asked.ok() && asked.value >= 0) return std::min(asked.value, kLongestAsked);
  double wait = kFirstWait;
  for (int i = 1; i < attempt; ++i) wait = std::min(2 * wait, kLongestWait);
  return wait * (0.5 + 0.5 * uniform);
}

}  // namespace

std::string HttpReply::Failure() const {
  if (status >= 200 && status < 300) return {};
  if (status == 0) return error;
  std::string text = std::to_string(status) + " " + std::string(http::obsolete_reason(static_cast<http::status>(status)));
  const auto json = nlohmann::json::parse(body, nullptr, false);
  const auto message = [](const nlohmann::json& object) { return object.is_object() && object.contains("message") && object["message"].is_string() ? object["message"].get<std::string>() : std::string(); };
  std::string said = json.is_object() && json.contains("error") ? message(json["error"]) : message(json);
  if (said.empty() && !json.is_object()) said = body;
  if (said.empty()) return text;
  said = Shortened(said, 400);
  std::replace_if(said.begin(), said.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  return text + ": '" + said + "'";
}

HttpClient::HttpClient(HttpOptions options) : options_(std::move(options)) {
  const std::string& url = options_.url;
  const std::size_t scheme = url.find("://");
  const std::string name = url.substr(0, scheme == std::string::npos ? 0 : scheme);
  if (name != "http" && name != "https") throw ConfigError("url: " + Quoted(url) + " must begin with http:// or https://, as in http://127.0.0.1:8000/v1");
  tls_ = name == "https";
#ifndef COGENT_TLS
  if (tls_) throw MachineError("url: " + Quoted(url) + " needs TLS, which this build lacks: install libssl-dev and run ./setup.sh again");
#endif
  const std::size_t begin = scheme + 3, slash = std::min(url.find('/', begin), url.size());
  std::string place = url.substr(begin, slash - begin);
  if (place.find('@') != std::string::npos) throw ConfigError("url: a name or key in the URL is not taken; name the variable that holds the key");
  const std::size_t colon = place.find(':', place.starts_with('[') ? place.find(']') : 0);
  port_ = colon == std::string::npos ? (tls_ ? "443" : "80") : place.substr(colon + 1);
  host_ = place.substr(0, colon);
  if (host_.starts_with('[') && host_.ends_with(']')) host_ = host_.substr(1, host_.size() - 2);  // an IPv6 address
  const auto number = ParseInteger(port_);
  if (host_.empty() || !number.ok() || number.value < 1 || number.value > 65535) throw ConfigError("url: " + Quoted(url) + " names no host and port");
  prefix_ = url.substr(slash);
  while (prefix_.ends_with('/')) prefix_.pop_back();
}

std::vector<HttpReply> HttpClient::PostAll(const std::string& path, const std::vector<std::string>& bodies, const Rng& rng) const { return SendAll(true, path, bodies, rng); }

HttpReply HttpClient::Get(const std::string& path) const { return SendAll(false, path, {""}, Rng(0)).front(); }

std::vector<HttpReply> HttpClient::SendAll(bool post, const std::string& path, const std::vector<std::string>& bodies, const Rng& rng) const {
  std::vector<HttpReply> replies(bodies.size());
  std::atomic<std::size_t> next = 0;
  const auto answer = [&](Connection& connection, std::size_t i) {
    Request request{post ? http::verb::post : http::verb::get, prefix_ + path, 11};
    request.set(http::field::host, (host_.find(':') == std::string::npos ? host_ : "[" + host_ + "]") + ":" + port_);
    request.set(http::field::user_agent, "cogent");
    if (post) request.set(http::field::content_type, "application/json");
    request.set(http::field::accept, "application/json");
    if (!options_.bearer.empty()) request.set(http::field::authorization, "Bearer " + options_.bearer);
    request.keep_alive(true);
    request.body() = bodies[i];
    request.prepare_payload();
    HttpReply& reply = replies[i];
    while (true) {
      const int attempt = reply.attempts + 1;
      reply = {};
      reply.attempts = attempt;
      std::string retry_after;
      try {
        Response response = connection.Exchange(request);
        reply.status = static_cast<int>(response.result_int());
        retry_after = std::string(response[http::field::retry_after]);
        reply.body = std::move(response.body());
      } catch (const boost::system::system_error& error) {
        connection.Drop();
        reply.error = host_ + ":" + port_ + ": " +
                      (error.code() == beast::error::timeout ? "no answer within " + FormatReal(options_.timeout_seconds) + " s" : error.code().message());
      }
      if (!WorthAnotherTry(reply) || attempt > options_.retries) return;
      std::this_thread::sleep_for(Seconds(WaitBefore(attempt, retry_after, rng.Fork(i).UniformAt(static_cast<std::uint64_t>(attempt)))));
    }
  };
  const std::size_t workers = std::min(bodies.size(), static_cast<std::size_t>(std::max(1, options_.concurrent)));
  ForEachOnThreads(workers, workers, [&](std::size_t) {
    Connection connection(host_, port_, tls_, options_.timeout_seconds);
    for (std::size_t i; (i = next.fetch_add(1)) < bodies.size();) answer(connection, i);
  });
  return replies;
}

}  // namespace cogent
