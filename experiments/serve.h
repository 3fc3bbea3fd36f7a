// A model behind HTTP: connections on one side, what draws completions on the other, a desk between them. No LibTorch.
//
//   Desk desk(1024);
//   ModelServer server({.port = 8000}, model, desk);  // answers from here on, on a thread of its own
//   while (auto ticket = desk.Take(true)) ...         // the caller draws: desk.Token(...), desk.Done(...)
//
// Paths: POST /v1/completions, POST /v1/chat/completions (serve_api.h), GET /v1/models, GET /health, and SGLang's
// POST /update_weights_from_disk {"model_path": DIR}, answered {"success": true or false, "message": ...} when it is done.
// Bodies must be application/json, so that no web page can ask without the browser's check. Bodies, connections, what waits at the desk
// and the time of a connection that neither asks nor reads are bounded; a client that hangs up has its completions dropped. There is no
// key and no TLS: who can reach the port may ask, and may have weights loaded from any path the process can read.
// Source: Boost.Beast.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/rng.h"
#include "experiments/serve_api.h"

namespace cogent {

// One completion that is asked for. Its tokens belong to the desk until they are collected.
struct Ticket {
  std::size_t number = 0;  // given by the desk
  std::vector<std::int32_t> prompt;
  Sampling sampling;
  Rng draws{0};
  bool each = false;           // ring at every token, not at the end alone
  std::function<void()> ring;  // called from any thread when there is news, never after Close; must not wait or call the desk

 private:
  friend class Desk;
  std::vector<SampledToken> tokens_;
  bool over_ = false, truncated_ = false, dropped_ = false;
};

// Weights that are to be loaded.
struct Reload {
  std::string path;
  std::function<void(bool success, const std::string& message)> done;  // called once; as Ticket::ring
};

// Thread rule: any member from any thread.
class Desk {
 public:
  explicit Desk(std::size_t room) : room_(room) {}

  // What connections do. False: there is no room for all of them, or the desk is closed.
  bool Put(const std::vector<std::shared_ptr<Ticket>>& tickets);
  bool Put(Reload reload);
  struct News {
    std::vector<SampledToken> tokens;  // since the last time
    bool over = false, truncated = false;
  };
  News Collect(Ticket& ticket);
  void Drop(const Ticket& ticket);  // nobody waits for it any more
  void Close();                     // nothing more is taken or given out; what is under way ends at its next token

  // What the drawing side does. The next ticket, or none: with `wait` only when weights are to be loaded, which comes before whatever
  // waits, or when the desk is closed.
  std::shared_ptr<Ticket> Take(bool wait);
  bool Token(std::size_t number, const SampledToken& token);  // false: end this completion
  void Done(std::size_t number, bool truncated);
  std::optional<std::string> TakeReload();  // the path, where weights are to be loaded
  void Reloaded(bool success, const std::string& message);  // what came of the one taken
  bool closed() const;
  std::size_t waiting() const;
  bool reloading() const;  // or about to

 private:
  mutable std::mutex guard_;
  std::condition_variable changed_;
  std::size_t room_, next_ = 0;
  bool closed_ = false;
  std::deque<std::shared_ptr<Ticket>> waiting_;
  std::deque<Reload> reloads_;
  std::optional<Reload> loading_;
  std::unordered_map<std::size_t, std::shared_ptr<Ticket>> under_way_;
};

struct ServeOptions {
  std::string host = "127.0.0.1";  // an address to listen at
  int port = 8000;                 // 0: any that is free
  std::uint64_t seed = 0;          // of requests that bring none
  std::size_t most_bytes = 8u << 20;  // of a body
  int most_connections = 512;
  double patience = 30.0;  // seconds in which a request must have come or a reply have gone, and a connection may idle
};

class ModelServer {
 public:
  // ConfigError where it cannot listen. Model and desk must outlive it. `on_signal`: the first SIGINT or SIGTERM closes the desk (and
  // the next ends the process).
  ModelServer(const ServeOptions& options, const ServedModel& model, Desk& desk, bool on_signal = false);
  ~ModelServer();  // closes the desk
  int port() const;
  int connections() const;  // open now

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cogent
