// A served model without a network: bytes as tokens, and a thread that draws what stands at the desk by a rule.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "experiments/serve.h"

namespace cogent::served {

inline const Tokenizer& Bytes() {
  static const Tokenizer tokenizer = Tokenizer::Train({}, {.vocab_size = 259, .added_tokens = {{"<|pad|>", true}, {"<|end|>", true}, {"<s>", false}}});
  return tokenizer;
}

inline ServedModel Model(int context = 64) {
  ServedModel model{"m", &Bytes(), {Bytes().eos_id()}, Bytes().vocab_size(), context};
  model.chat_prompt = [](const std::string& messages) { return "<" + messages + ">"; };
  return model;
}

// Draws the prompt once more and then the end, as far as max_new_tokens goes; token n has the log-probability -n / 8, and -n / 16 of the
// distribution drawn from. One completion after the other; while `held`, the one in hand waits.
class Parrot {
 public:
  explicit Parrot(Desk& desk) : desk_(desk), thread_([this] { Run(); }) {}
  ~Parrot() {
    desk_.Close();
    thread_.join();
  }
  std::atomic<bool> held = false;
  std::atomic<bool> refuses = false;  // weights
  std::atomic<int> in_hand = 0, dropped = 0, loaded = 0;

 private:
  void Run() {
    while (!desk_.closed()) {
      if (const auto ticket = desk_.Take(true)) Draw(*ticket);
      if (const auto path = desk_.TakeReload()) {
        loaded += !refuses;
        desk_.Reloaded(!refuses, refuses ? *path + ": another architecture" : "loaded " + *path);
      }
    }
  }
  void Draw(const Ticket& ticket) {
    std::vector<std::int32_t> ids = ticket.prompt;
    ids.push_back(Bytes().eos_id());
    const auto most = static_cast<std::size_t>(ticket.sampling.max_new_tokens);
    const bool cut = ids.size() > most;
    if (cut) ids.resize(most);
    ++in_hand;
    for (std::size_t n = 0; n < ids.size(); ++n) {
      while (held && !desk_.closed()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (!desk_.Token(ticket.number, {ids[n], -static_cast<float>(n) / 8, -static_cast<float>(n) / 16})) {
        ++dropped;
        break;
      }
    }
    --in_hand;
    desk_.Done(ticket.number, cut);
  }

  Desk& desk_;
  std::thread thread_;
};

}  // namespace cogent::served
