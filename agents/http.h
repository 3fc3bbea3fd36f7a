// JSON over HTTP: several requests to one server, some at a time, tried again where that may help.
//
//   HttpClient client({.url = "http://127.0.0.1:8000/v1", .retries = 5});
//   std::vector<HttpReply> replies = client.PostAll("/chat/completions", bodies, rng);
//   if (replies[0].status != 200) ... replies[0].Failure()
//
// A connection that fails, a deadline that passes, and the statuses 408, 409, 425, 429 and 5xx are tried again after a wait that
// doubles (half a second, at most half a minute, each drawn from its upper half), or as long as the server's Retry-After says (a minute
// at most). What fails for good is a reply, too, with the status 0 where the server gave none: nothing is thrown for it.
// https:// needs a build with OpenSSL (libssl-dev); certificates are checked against the system's.
// Source: Boost.Beast. Thread rule: one call at a time; it returns when all is answered.
#pragma once

#include <string>
#include <vector>

#include "core/rng.h"

namespace cogent {

struct HttpOptions {
  std::string url;  // http://HOST[:PORT][/PATH]; what is posted to stands behind PATH
  std::string bearer;  // sent as `Authorization: Bearer`; never part of a message. Empty = none
  double timeout_seconds = 120.0;  // of one attempt
  int retries = 5;                 // attempts after the first
  int concurrent = 8;              // requests under way at once, each on a connection of its own that is kept
};

struct HttpReply {
  int status = 0;
  std::string body;
  std::string error;  // why there is no status
  int attempts = 0;
  // For messages: `503 Service Unavailable: ...`, with what an OpenAI-like error object says; empty for 2xx.
  std::string Failure() const;
};

class HttpClient {
 public:
  // ConfigError for a URL that cannot be used; MachineError for https:// without TLS in this build.
  explicit HttpClient(HttpOptions options);
  // One reply a body, in order. `rng` draws the waits.
  std::vector<HttpReply> PostAll(const std::string& path, const std::vector<std::string>& bodies, const Rng& rng) const;
  HttpReply Get(const std::string& path) const;

 private:
  std::vector<HttpReply> SendAll(bool post, const std::string& path, const std::vector<std::string>& bodies, const Rng& rng) const;

  HttpOptions options_;
  bool tls_ = false;
  std::string host_, port_, prefix_;
};

}  // namespace cogent
