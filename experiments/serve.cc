#include "experiments/serve.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "core/scalar.h"

namespace cogent {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using HttpRequest = http::request<http::string_body>;
using HttpReply = http::response<http::string_body>;

constexpr auto kGrace = std::chrono::milliseconds(500);  // for last replies, when it ends

std::chrono::nanoseconds Seconds(double seconds) { return std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 * seconds)); }

}  // namespace

bool Desk::Put(const std::vector<std::shared_ptr<Ticket>>& tickets) {
  {
    const std::lock_guard lock(guard_);
    if (closed_ || waiting_.size() + tickets.size() > room_) return false;
    for (const auto& ticket : tickets) {
      ticket->number = next_++;
      waiting_.push_back(ticket);
    }
  }
  changed_.notify_all();
  return true;
}

bool Desk::Put(Reload reload) {
  {
    const std::lock_guard lock(guard_);
    if (closed_ || reloads_.size() >= room_) return false;
    reloads_.push_back(std::move(reload));
  }
  changed_.notify_all();
  return true;
}

Desk::News Desk::Collect(Ticket& ticket) {
  const std::lock_guard lock(guard_);
  News news{std::move(ticket.tokens_), ticket.over_, ticket.truncated_};
  ticket.tokens_.clear();
  return news;
}

void Desk::Drop(const Ticket& ticket) {
  const std::lock_guard lock(guard_);
  std::erase_if(waiting_, [&](const auto& other) { return other->number == ticket.number; });
  const auto found = under_way_.find(ticket.number);
  if (found != under_way_.end()) found->second->dropped_ = true;
}

void Desk::Close() {
  {
    const std::lock_guard lock(guard_);
    closed_ = true;
    const auto hang_up = [](Ticket& ticket) {
      if (ticket.ring) ticket.ring();
      ticket.ring = nullptr;
    };
    for (const auto& ticket : waiting_) hang_up(*ticket);
    for (const auto& [number, ticket] : under_way_) hang_up(*ticket);
    if (loading_) reloads_.push_back(std::move(*loading_));
    for (const Reload& reload : reloads_) reload.done(false, "the server is ending");
    waiting_.clear();
    reloads_.clear();
    loading_.reset();
  }
  changed_.notify_all();
}

std::shared_ptr<Ticket> Desk::Take(bool wait) {
  std::unique_lock lock(guard_);
  if (wait) changed_.wait(lock, [&] { return closed_ || !reloads_.empty() || !waiting_.empty(); });
  if (closed_ || !reloads_.empty() || waiting_.empty()) return nullptr;
  std::shared_ptr<Ticket> ticket = std::move(waiting_.front());
  waiting_.pop_front();
  under_way_[ticket->number] = ticket;
  return ticket;
}

bool Desk::Token(std::size_t number, const SampledToken& token) {
  const std::lock_guard lock(guard_);
  Ticket& ticket = *under_way_.at(number);
  if (closed_ || ticket.dropped_) return false;
  ticket.tokens_.push_back(token);
  if (ticket.each) ticket.ring();
  return true;
}

void Desk::Done(std::size_t number, bool truncated) {
  const std::lock_guard lock(guard_);
  const auto found = under_way_.find(number);
  Ticket& ticket = *found->second;
  ticket.over_ = true, ticket.truncated_ = truncated;
  if (ticket.ring) ticket.ring();
  under_way_.erase(found);
}

std::optional<std::string> Desk::TakeReload() {
  const std::lock_guard lock(guard_);
  if (reloads_.empty()) return std::nullopt;
  loading_ = std::move(reloads_.front());
  reloads_.pop_front();
  return loading_->path;
}

void Desk::Reloaded(bool success, const std::string& message) {
  const std::lock_guard lock(guard_);
  if (loading_) loading_->done(success, message);
  loading_.reset();
}

bool Desk::closed() const {
  const std::lock_guard lock(guard_);
  return closed_;
}

std::size_t Desk::waiting() const {
  const std::lock_guard lock(guard_);
  return waiting_.size();
}

bool Desk::reloading() const {
  const std::lock_guard lock(guard_);
  return loading_.has_value() || !reloads_.empty();
}

// Everything here but the constructor, the destructor and what is called `ring` runs on the one thread of io_.
class ModelServer::Impl {
 public:
  Impl(const ServeOptions& options, const ServedModel& model, Desk& desk, bool on_signal) : options_(options), model_(model), desk_(desk), acceptor_(io_), signals_(io_) {
    Listen();
    if (on_signal) AwaitSignal();
    asio::co_spawn(io_, Accept(), [](std::exception_ptr) {});
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Impl() {
    desk_.Close();
    asio::post(io_, [this] { End(); });
    thread_.join();
  }
  int port() const { return acceptor_.local_endpoint().port(); }
  int connections() const { return open_; }

 private:
  // What a handler waits at until there is news. Rung from any thread; late rings do no harm.
  struct Bell {
    explicit Bell(asio::io_context& io) : timer(io) {}
    asio::steady_timer timer;
    bool gone = false;  // the client
    static std::function<void()> Ring(const std::shared_ptr<Bell>& bell, asio::io_context& io) {
      return [weak = std::weak_ptr<Bell>(bell), &io] {
        asio::post(io, [weak] {
          if (const auto there = weak.lock()) there->timer.cancel();
        });
      };
    }
    asio::awaitable<void> Wait() {
      error_code ignored;
      timer.expires_at(asio::steady_timer::time_point::max());
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  };

  void Listen() {
    try {
      const tcp::endpoint place(asio::ip::make_address(options_.host), static_cast<unsigned short>(options_.port));
      acceptor_.open(place.protocol());
      acceptor_.set_option(tcp::acceptor::reuse_address(true));
      acceptor_.bind(place);
      acceptor_.listen();
    } catch (const boost::system::system_error& error) {
      throw ConfigError("cannot listen at " + options_.host + ", port " + std::to_string(options_.port) + ": " + error.code().message() +
                        "; --host takes an address as 127.0.0.1 or 0.0.0.0, --port 0 any free port");
    }
  }

  void AwaitSignal() {
    signals_.add(SIGINT);
    signals_.add(SIGTERM);
    signals_.async_wait([this](const error_code& error, int) {
      if (error) return;
      signals_.clear();  // the next one ends the process
      desk_.Close();
    });
  }

  void End() {
    error_code ignored;
    acceptor_.close(ignored);
    ending_ = true;
    if (open_ == 0) return io_.stop();
    auto timer = std::make_shared<asio::steady_timer>(io_, kGrace);
    timer->async_wait([this, timer](const error_code&) { io_.stop(); });
  }

  asio::awaitable<void> Accept() {
    while (acceptor_.is_open()) {
      asio::steady_timer pause(io_, std::chrono::milliseconds(20));
      error_code error;
      if (open_ >= options_.most_connections) {  // others wait in the system's queue
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
        continue;
      }
      tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error == asio::error::operation_aborted) co_return;
      if (error) {  // no file descriptor left, say
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
        continue;
      }
      ++open_;
      asio::co_spawn(io_, Converse(beast::tcp_stream(std::move(socket))), [this](std::exception_ptr) {
        if (--open_ == 0 && ending_) io_.stop();
      });
    }
  }

  asio::awaitable<void> Converse(beast::tcp_stream stream) {
    beast::flat_buffer buffer;
    while (!ending_) {
      error_code error;
      http::request_parser<http::string_body> parser;
      parser.body_limit(options_.most_bytes);
      stream.expires_after(Seconds(options_.patience));
      co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
      if (!error && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
        http::response<http::empty_body> go_on{http::status::continue_, 11};
        co_await http::async_write(stream, go_on, asio::use_awaitable);
      }
      if (!error) co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
      if (error) {
        if (error.category() == http::make_error_code(http::error::bad_method).category() && error != http::error::end_of_stream && error != http::error::partial_message) {
          const bool large = error == http::error::body_limit || error == http::error::header_limit;
          const ApiError wrong(large ? 413 : 400, "", large ? "the request is too large; a body may have " + std::to_string(options_.most_bytes) + " bytes" : "not a request of HTTP/1.1");
          co_await Send(stream, Reply(wrong.status(), wrong.Body()), false);
          co_await Drain(stream);
        }
        break;
      }
      stream.expires_never();
      const HttpRequest request = parser.release();
      if (!co_await Answer(stream, request)) break;
    }
    error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  // A connection that is closed with something unread may take the last reply with it.
  static asio::awaitable<void> Drain(beast::tcp_stream& stream) {
    error_code error;
    stream.socket().shutdown(tcp::socket::shutdown_send, error);
    std::array<char, 65536> scratch;
    stream.expires_after(kGrace);
    while (!error) co_await stream.async_read_some(asio::buffer(scratch), asio::redirect_error(asio::use_awaitable, error));
  }

  static HttpReply Reply(int status, std::string body) {
    HttpReply reply{static_cast<http::status>(status), 11};
    reply.set(http::field::content_type, "application/json");
    if (status == 503) reply.set(http::field::retry_after, "1");
    reply.body() = std::move(body);
    return reply;
  }

  asio::awaitable<void> Send(beast::tcp_stream& stream, HttpReply reply, bool keep) {
    reply.set(http::field::server, "cogent");
    reply.keep_alive(keep);
    reply.prepare_payload();
    stream.expires_after(Seconds(options_.patience));
    co_await http::async_write(stream, reply, asio::use_awaitable);
    stream.expires_never();
  }

  // True when the connection goes on.
  asio::awaitable<bool> Answer(beast::tcp_stream& stream, const HttpRequest& http_request) {
    const bool keep = http_request.keep_alive();
    HttpReply reply;
    try {
      const std::string path(http_request.target().substr(0, http_request.target().find('?')));
      const bool chat = path == "/v1/chat/completions";
      CheckForm(http_request, path);
      if (path == "/health") {
        reply = Reply(200, R"({"status":"ok"})");
      } else if (path == "/v1/models") {
        reply = Reply(200, ModelsBody(model_));
      } else if (path == "/update_weights_from_disk") {
        reply = co_await Load(ReadModelPath(http_request.body()));
      } else {
        const Request request = ReadRequest(http_request.body(), chat, model_);
        const std::uint64_t id = next_id_++;
        if (request.stream) co_return co_await Stream(stream, request, id, keep);
        reply = co_await Complete(stream, request, id);
      }
    } catch (const ApiError& error) {
      reply = Reply(error.status(), error.Body());
    } catch (const boost::system::system_error&) {
      throw;  // of the connection
    } catch (const std::exception& error) {
      reply = Reply(500, ApiError(500, "", error.what()).Body());
    }
    co_await Send(stream, std::move(reply), keep && !ending_);
    co_return keep;
  }

  static void CheckForm(const HttpRequest& request, const std::string& path) {
    const bool asks = path == "/v1/completions" || path == "/v1/chat/completions" || path == "/update_weights_from_disk";
    if (!asks && path != "/health" && path != "/v1/models") {
      throw ApiError(404, "", "there is no " + Quoted(path) + "; there are POST /v1/completions, /v1/chat/completions, /update_weights_from_disk and GET /v1/models, /health");
    }
    if (request.method() != (asks ? http::verb::post : http::verb::get)) throw ApiError(405, "", path + " is asked by " + (asks ? "POST" : "GET"));
    if (asks && !std::string(request[http::field::content_type]).starts_with("application/json")) throw ApiError(415, "", "a body must come as Content-Type: application/json");
  }

  // The completions of one request, at the desk until they are done or this is destroyed: the client is gone, or the server ends.
  struct Order {
    Order(Impl& server, beast::tcp_stream& stream, const Request& request, std::uint64_t id) : desk(server.desk_), bell(std::make_shared<Bell>(server.io_)), socket(stream.socket()) {
      const Rng draws = request.seed ? Rng(*request.seed) : Rng(server.options_.seed).Fork("requests").Fork(id);
      for (int i = 0; i < request.n; ++i) {
        auto ticket = std::make_shared<Ticket>();
        ticket->prompt = request.prompt, ticket->sampling = request.sampling, ticket->each = request.stream;
        ticket->draws = draws.Fork(static_cast<std::uint64_t>(i));
        ticket->ring = Bell::Ring(bell, server.io_);
        tickets.push_back(std::move(ticket));
      }
      if (!desk.Put(tickets)) throw ApiError(503, "", desk.closed() ? "the server is ending" : "too many requests wait; try again later");
      NoteIfGone(bell, socket);
    }
    ~Order() {
      for (const auto& ticket : tickets) desk.Drop(*ticket);
      error_code ignored;
      socket.cancel(ignored);  // of NoteIfGone
    }
    Order(const Order&) = delete;

    Desk& desk;
    std::shared_ptr<Bell> bell;
    tcp::socket& socket;
    std::vector<std::shared_ptr<Ticket>> tickets;
  };

  // Something to read while a reply is awaited is the next request, or the end of the connection.
  static void NoteIfGone(const std::shared_ptr<Bell>& bell, tcp::socket& socket) {
    socket.async_wait(tcp::socket::wait_read, [weak = std::weak_ptr<Bell>(bell), &socket](const error_code& error) {
      const auto there = weak.lock();  // as long as the order, and so the socket
      error_code broken;
      if (error || !there || socket.available(broken) > 0) return;
      there->gone = true;
      there->timer.cancel();
    });
  }

  asio::awaitable<HttpReply> Complete(beast::tcp_stream& stream, const Request& request, std::uint64_t id) {
    Order order(*this, stream, request, id);
    std::vector<ReplyChoice> choices;
    for (const auto& ticket : order.tickets) {
      ReplyChoice choice{static_cast<int>(choices.size())};
      while (true) {
        const Desk::News news = desk_.Collect(*ticket);
        choice.tokens.insert(choice.tokens.end(), news.tokens.begin(), news.tokens.end());
        choice.over = news.over, choice.truncated = news.truncated;
        CheckGoing(order);
        if (choice.over) break;
        co_await order.bell->Wait();
      }
      CompletionText text(model_, request.sampling.stop);
      for (const SampledToken& token : choice.tokens) choice.text += text.Add(token.id);
      choice.text += text.Finish();
      choices.push_back(std::move(choice));
    }
    co_return Reply(200, ReplyBody(request, model_, id, choices));
  }

  static void CheckGoing(const Order& order) {
    if (order.bell->gone) throw boost::system::system_error(asio::error::connection_reset);
    if (order.desk.closed()) throw ApiError(503, "", "the server is ending");
  }

  asio::awaitable<bool> Stream(beast::tcp_stream& stream, const Request& request, std::uint64_t id, bool keep) {
    Order order(*this, stream, request, id);
    http::response<http::empty_body> head{http::status::ok, 11};
    head.set(http::field::server, "cogent");
    head.set(http::field::content_type, "text/event-stream");
    head.set(http::field::cache_control, "no-cache");
    head.keep_alive(keep);
    head.chunked(true);
    http::response_serializer<http::empty_body> serializer(head);
    stream.expires_after(Seconds(options_.patience));
    co_await http::async_write_header(stream, serializer, asio::use_awaitable);
    struct Part {
      CompletionText text;
      bool begun = false, over = false;
    };
    std::vector<Part> parts(order.tickets.size(), Part{CompletionText(model_, request.sampling.stop)});
    std::size_t left = parts.size(), tokens = 0;
    while (left > 0) {
      std::string events;
      for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i].over) continue;
        const Desk::News news = desk_.Collect(*order.tickets[i]);
        ReplyChoice choice{static_cast<int>(i), {}, news.tokens, news.over, news.truncated};
        for (const SampledToken& token : news.tokens) choice.text += parts[i].text.Add(token.id);
        if (news.over) choice.text += parts[i].text.Finish(), parts[i].over = true, --left;
        tokens += news.tokens.size();
        if (news.tokens.empty() && !news.over) continue;
        events += StreamEvent(request, model_, id, choice, !parts[i].begun);
        parts[i].begun = true;
      }
      if (order.bell->gone || desk_.closed()) co_return false;  // cut off: a stream that is whole ends in [DONE]
      if (left == 0) events += StreamEnd(request, model_, id, tokens);
      if (events.empty()) {
        co_await order.bell->Wait();
        continue;
      }
      stream.expires_after(Seconds(options_.patience));
      co_await asio::async_write(stream, http::make_chunk(asio::buffer(events)), asio::use_awaitable);
    }
    co_await asio::async_write(stream, http::make_chunk_last(), asio::use_awaitable);
    stream.expires_never();
    co_return keep;
  }

  asio::awaitable<HttpReply> Load(std::string path) {
    struct Outcome {
      bool over = false, success = false;
      std::string message;
    };
    const auto bell = std::make_shared<Bell>(io_);
    const auto outcome = std::make_shared<Outcome>();
    const auto done = [this, bell = std::weak_ptr<Bell>(bell), outcome](bool success, const std::string& message) {
      asio::post(io_, [=] {
        *outcome = {true, success, message};
        if (const auto there = bell.lock()) there->timer.cancel();
      });
    };
    if (!desk_.Put(Reload{std::move(path), done})) throw ApiError(503, "", "the server is ending");
    while (!outcome->over) co_await bell->Wait();
    const nlohmann::ordered_json body{{"success", outcome->success}, {"message", outcome->message}};
    co_return Reply(outcome->success ? 200 : 400, body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  }

  const ServeOptions options_;
  const ServedModel& model_;
  Desk& desk_;
  std::uint64_t next_id_ = 0;
  std::atomic<int> open_ = 0;
  bool ending_ = false;
  std::thread thread_;
  asio::io_context io_;  // goes before all above: what waits in it speaks to them
  tcp::acceptor acceptor_;
  asio::signal_set signals_;
};

ModelServer::ModelServer(const ServeOptions& options, const ServedModel& model, Desk& desk, bool on_signal) : impl_(std::make_unique<Impl>(options, model, desk, on_signal)) {}
ModelServer::~ModelServer() = default;
int ModelServer::port() const { return impl_->port(); }
int ModelServer::connections() const { return impl_->connections(); }

}  // namespace cogent
