// A server in this process for tests of what speaks HTTP: each request is shown to a function, whose reply goes back.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace cogent {

class HttpServer {
 public:
  struct Request {
    std::string path, body, authorization;
  };
  struct Reply {
    int status = 200;
    std::string body;
    std::string retry_after = {};
    bool close = false;  // the connection ends behind it
    bool drop = false;   // it ends without a reply
  };
  using Answer = std::function<Reply(const Request&)>;

  // GETs are no requests: `looks` answers them, a list of models where nothing else is said.
  explicit HttpServer(Answer answer, Answer looks = {})
      : answer_(std::move(answer)), looks_(looks ? std::move(looks) : NoModels), acceptor_(io_, {boost::asio::ip::address_v4::loopback(), 0}), accepting_([this] { Accept(); }) {}
  ~HttpServer() {
    over_ = true;
    // Wakes the one that accepts.
    boost::asio::io_context io;
    boost::asio::ip::tcp::socket socket(io);
    boost::system::error_code ignored;
    socket.connect(acceptor_.local_endpoint(), ignored);
    socket.close(ignored);
    accepting_.join();
    {
      const std::lock_guard lock(guard_);
      for (auto& open : sockets_) open->shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
    }
    for (std::thread& thread : serving_) thread.join();
  }
  int port() const { return acceptor_.local_endpoint().port(); }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port()) + "/v1"; }
  int connections() const { return connections_; }
  std::vector<Request> requests() {
    const std::lock_guard lock(guard_);
    return requests_;
  }

 private:
  static Reply NoModels(const Request&) { return {200, R"({"object": "list", "data": []})"}; }

  void Accept() {
    while (true) {
      auto socket = std::make_shared<boost::asio::ip::tcp::socket>(io_);
      boost::system::error_code error;
      acceptor_.accept(*socket, error);
      if (over_ || error) return;
      ++connections_;
      const std::lock_guard lock(guard_);
      sockets_.push_back(socket);
      serving_.emplace_back([this, socket] { Serve(*socket); });
    }
  }
  void Serve(boost::asio::ip::tcp::socket& socket) {
    namespace http = boost::beast::http;
    boost::beast::flat_buffer buffer;
    boost::system::error_code error;
    while (true) {
      http::request<http::string_body> request;
      http::read(socket, buffer, request, error);
      if (error) return;
      const Request seen{std::string(request.target()), request.body(), std::string(request[http::field::authorization])};
      const bool look = request.method() == http::verb::get;
      if (!look) {
        const std::lock_guard lock(guard_);
        requests_.push_back(seen);
      }
      const Reply reply = look ? looks_(seen) : answer_(seen);
      if (!reply.drop) {
        http::response<http::string_body> response{static_cast<http::status>(reply.status), 11};
        if (!reply.retry_after.empty()) response.set(http::field::retry_after, reply.retry_after);
        response.body() = reply.body;
        response.keep_alive(!reply.close);
        response.prepare_payload();
        http::write(socket, response, error);
      }
      if (reply.drop || reply.close || error) {
        socket.shutdown(boost::asio::ip::tcp::socket::shutdown_both, error);
        return;
      }
    }
  }

  Answer answer_, looks_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::atomic<bool> over_ = false;
  std::atomic<int> connections_ = 0;
  std::mutex guard_;
  std::vector<Request> requests_;
  std::vector<std::shared_ptr<boost::asio::ip::tcp::socket>> sockets_;
  std::vector<std::thread> serving_;
  std::thread accepting_;
};

}  // namespace cogent
