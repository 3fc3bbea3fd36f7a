#include "policies/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "core/error.h"
#include "policies/parameters.h"

namespace cogent {
namespace {

// How many tokens of reasoning a completion may have, and what is put there when it has had them. The block is open behind
// a prompt that ends in its opening tag, or once the completion has written the tag; blocks of one completion add up.
class Reasoning {
 public:
  Reasoning() = default;  // without a limit
  Reasoning(const Sampling& sampling, std::vector<std::int32_t> closing, bool open) : sampling_(&sampling), closing_(std::move(closing)), open_(open) {}

  // The next token where it is not the policy's to choose.
  std::optional<std::int32_t> Forced() {
    if (sampling_ == nullptr || !open_ || spent_ < sampling_->max_thinking_tokens) return std::nullopt;
    return closing_[forced_++];
  }
  // What the token at hand adds to the text.
  void Add(std::string_view bytes) {
    if (sampling_ == nullptr) return;
    spent_ += open_ && forced_ == 0;
    tail_.append(bytes);
    while (true) {
      const std::string& tag = open_ ? sampling_->thinking_end : sampling_->thinking_start;
      const std::size_t at = tail_.find(tag);
      if (at == std::string::npos) {
        tail_.erase(0, tail_.size() - std::min(tail_.size(), tag.size() - 1));  // where one may have begun
        break;
      }
      tail_.erase(0, at + tag.size());
      open_ = !open_;
    }
    open_ = open_ && forced_ < closing_.size();
    if (!open_) forced_ = 0;
  }

 private:
  const Sampling* sampling_ = nullptr;
  std::vector<std::int32_t> closing_;
  bool open_ = false;
  int spent_ = 0;
  std::size_t forced_ = 0;  // of the closing ids
  std::string tail_;        // end of the text so far
};

// The ids that close reasoning; empty when it has no limit.
std::vector<std::int32_t> ClosingIds(const Sampling& sampling, const Tokenizer& tokenizer) {
  if (sampling.max_thinking_tokens == 0) return {};
  std::vector<std::int32_t> ids = tokenizer.Encode(sampling.thinking_end);
  if (!ids.empty() && tokenizer.Decode(ids) == sampling.thinking_end) return ids;
  throw DataError(fmt::format("max_thinking_tokens: the tokenizer has no tokens for the text that ends reasoning, '{}'; name the model's own by thinking_end, or set "
                              "max_thinking_tokens to 0", sampling.thinking_end));
}

bool OpensReasoning(const Sampling& sampling, const Tokenizer& tokenizer, const std::vector<std::int32_t>& prompt) {
  std::string text = tokenizer.Decode(prompt);
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  return text.ends_with(sampling.thinking_start);
}

// One completion on its way.
struct Running {
  Asked asked;
  int limit = 0;
  Generated out;
  std::string tail;                   // end of the text so far, for stop strings
  std::vector<std::int32_t> context;  // prompt and completion, for a repetition penalty; else empty
  Reasoning reasoning;

  int Position() const { return static_cast<int>(asked.prompt->size() + out.ids.size()) - 1; }  // of the last token
};

// Whether one call can draw for both.
bool DrawAlike(const Sampling& a, const Sampling& b) {
  return a.temperature == b.temperature && a.top_k == b.top_k && a.top_p == b.top_p && a.min_p == b.min_p && a.repetition_penalty == b.repetition_penalty;
}

bool EndsWithStop(Running& r, std::string_view bytes, const std::vector<std::string>& stop) {
  if (stop.empty()) return false;
  std::size_t longest = 0;
  for (const auto& s : stop) longest = std::max(longest, s.size());
  r.tail.append(bytes);
  bool found = false;
  for (const auto& s : stop) found = found || (!s.empty() && r.tail.find(s) != std::string::npos);
  if (r.tail.size() > longest) r.tail.erase(0, r.tail.size() - longest);
  return found;
}

}  // namespace

std::vector<std::int32_t> EndIds(const ModelConfig& config, const Tokenizer& tokenizer) {
  std::set<std::int32_t> ids(config.more_eos_token_ids.begin(), config.more_eos_token_ids.end());
  ids.insert(tokenizer.eos_id());
  if (config.eos_token_id >= 0) ids.insert(config.eos_token_id);
  return {ids.begin(), ids.end()};
}

Generator::Generator(const ParameterSet& parameters, const Tokenizer& tokenizer, const Options& options)
    : config_(parameters.config()), tokenizer_(&tokenizer), options_(options), ends_(EndIds(config_, tokenizer)) {
  if (parameters.OnFastPath()) {
    weights_.emplace(parameters, options.weights, options.latents);
  } else {
    if (options.cache == Cached::kBfloat16 && options.weights == Products::kFloat32) {
      throw ConfigError("a cache in bfloat16 beside weights in float32 is for the CPU; on another device the cache is what the weights are: hold both in bfloat16");
    }
    device_weights_.emplace(parameters, options.weights);
    options_.threads = 1;
    options_.slots = std::max(options_.slots, 128);  // a GPU is as fast with many as with few
  }
}

bool Generator::Ends(std::int32_t id) const { return std::binary_search(ends_.begin(), ends_.end(), id); }

void Generator::Refresh(const ParameterSet& parameters) { weights_ ? weights_->Update(parameters) : device_weights_->Update(parameters); }

std::unique_ptr<BatchDecoder> Generator::MakeDecoder(int slots, int longest, Team* team) const {
  if (device_weights_) return std::make_unique<DeviceDecoder>(*device_weights_, slots, longest);
  return std::make_unique<Decoder>(*weights_, slots, longest, team, options_.cache);
}

// What the threads of one call share.
struct Generator::Job {
  // Adds the next completions, all of one prompt; false: none for now. `wait` as Service::next.
  std::function<bool(bool wait, std::vector<Asked>& unit)> next;
  std::function<bool(std::size_t, const SampledToken&)> on_token;  // or none
  std::function<void(std::size_t, Generated)> done;
  std::function<void()> on_failure;  // or none
  int slots = 1, longest = 0;  // of each thread, or of all together where they share steps
  std::atomic<bool> failed{false};
  std::mutex mutex;
  Usage usage;
  std::exception_ptr error;
};

std::vector<Generated> Generator::Generate(const std::vector<std::vector<std::int32_t>>& prompts, const std::vector<Rng>& draws,
                                           const Sampling& sampling, Usage* usage) const {
  Check(prompts.size() == draws.size(), "each prompt needs its draws");
  ClosingIds(sampling, *tokenizer_);  // what is wrong with them is said before anything is drawn
  Job job;
  std::vector<std::pair<std::size_t, std::size_t>> units;  // runs of equal prompts
  const int context = config().max_position_embeddings;
  constexpr std::size_t kUnit = 16;  // longer groups are shared by threads
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const int size = static_cast<int>(prompts[i].size());
    if (size == 0) throw DataError("a prompt has no tokens; give it at least one");
    if (size >= context) {
      throw DataError(fmt::format("a prompt has {} tokens, but the model's context (max_position_embeddings) is {}; shorten the prompt or "
                                  "use a model with a longer context", size, context));
    }
    job.longest = std::max(job.longest, std::min(size + sampling.max_new_tokens, context));
    if (!units.empty() && prompts[i] == prompts[units.back().first] && i - units.back().first < kUnit) units.back().second = i + 1;
    else units.push_back({i, i + 1});
  }
  std::vector<Generated> results(prompts.size());
  std::atomic<std::size_t> next{0};
  job.next = [&](bool, std::vector<Asked>& unit) {
    const std::size_t at = next.fetch_add(1);
    if (at >= units.size()) return false;
    for (std::size_t i = units[at].first; i < units[at].second; ++i) unit.push_back({i, &prompts[i], &sampling, draws[i]});
    return true;
  };
  if (options_.on_token) {
    job.on_token = [&](std::size_t number, const SampledToken& token) {
      options_.on_token(number, token.id);
      return true;
    };
  }
  job.done = [&](std::size_t number, Generated completion) { results[number] = std::move(completion); };
  const int threads = ThreadsFor(static_cast<int>(units.size()));
  job.slots = std::clamp(static_cast<int>((prompts.size() + threads - 1) / threads), 1, options_.slots * (Shares() ? options_.threads : 1));
  Run(job, threads);
  if (usage != nullptr) *usage = job.usage;
  return results;
}

void Generator::Serve(const Service& service, int slots, int longest) const {
  Job job;
  job.next = [&](bool wait, std::vector<Asked>& unit) {
    if (auto asked = service.next(wait)) unit.push_back(std::move(*asked));
    return !unit.empty();
  };
  job.on_token = service.on_token;
  job.done = service.done;
  job.on_failure = service.failed;
  job.longest = longest;
  const int threads = ThreadsFor(slots);
  job.slots = (slots + threads - 1) / threads;
  Run(job, threads);
}

std::size_t Generator::CacheBytes(int slots, int longest) const {
  const int threads = ThreadsFor(slots), each = (slots + threads - 1) / threads + 1;  // and the prompt that was read last
  return static_cast<std::size_t>(threads) * (device_weights_ ? DeviceDecoder::CacheBytes(*device_weights_, each, longest) : Decoder::CacheBytes(config_, each, longest, options_.latents, options_.cache));
}

// On so many threads, each with sequences of its own, or on one whose steps all share.
void Generator::Run(Job& job, int threads) const {
  if (Shares()) {
    Team team(options_.threads);
    Work(job, &team);
  } else {
    std::vector<std::thread> workers;
    for (int t = 1; t < threads; ++t) workers.emplace_back([&] { Work(job, nullptr); });
    Work(job, nullptr);
    for (std::thread& worker : workers) worker.join();
  }
  if (job.error) std::rethrow_exception(job.error);
}

void Generator::Work(Job& job, Team* team) const try {
  // The last slot holds the prompt that was read last; its completions are copies.
  const auto decoder = MakeDecoder(job.slots + 1, job.longest, team);
  const int vocabulary = std::min(config().vocab_size, tokenizer_->vocab_size());
  std::vector<int> free;
  for (int s = job.slots; s-- > 0;) free.push_back(s);
  std::vector<Running> running(static_cast<std::size_t>(job.slots));
  std::vector<int> active;
  std::vector<DecodeRow> rows;
  std::vector<int> wanted;
  std::vector<SampledToken> tokens;
  Usage usage;
  std::vector<std::int32_t> held;  // the prompt in the last slot
  std::vector<float> prompt_logits;
  std::vector<std::int32_t> prompt_experts;
  std::vector<Asked> unit;
  std::size_t at = 0;

  const auto read = [&](const std::vector<std::int32_t>& prompt) {
    if (prompt == held) return;
    rows.clear();
    for (std::size_t p = 0; p < prompt.size(); ++p) rows.push_back({job.slots, static_cast<int>(p), prompt[p]});
    decoder->Run(rows, {static_cast<int>(prompt.size()) - 1});
    prompt_logits.assign(decoder->Logits(0), decoder->Logits(0) + config().vocab_size);
    prompt_experts.clear();
    if (options_.record_experts) {
      for (std::size_t row = 0; row < prompt.size(); ++row) decoder->AppendExperts(static_cast<int>(row), prompt_experts);
    }
    held = prompt;
  };
  // Puts a completion of the prompt at hand into a slot.
  const auto begin = [&](int slot, const Asked& asked) {
    const Sampling& sampling = *asked.sampling;
    Running& r = running[static_cast<std::size_t>(slot)];
    r = {asked, std::min(sampling.max_new_tokens, std::min(config().max_position_embeddings, job.longest) - static_cast<int>(held.size())), {}, {}, {}, {}};
    r.out.experts = prompt_experts;
    if (sampling.repetition_penalty != 1.0) r.context = held;
    if (sampling.max_thinking_tokens > 0) r.reasoning = Reasoning(sampling, ClosingIds(sampling, *tokenizer_), OpensReasoning(sampling, *tokenizer_, held));
  };
  // The next token of a slot. Slots may draw side by side.
  const auto draw = [&](int slot, const float* logits) {
    Running& r = running[static_cast<std::size_t>(slot)];
    const auto forced = r.reasoning.Forced();
    SampledToken token;
    if (forced) token = {*forced, 0.0f, 0.0f}, ++r.out.forced;
    else token = SampleToken(logits, vocabulary, *r.asked.sampling, r.asked.draws.UniformAt(r.out.ids.size()), r.context);
    // Ids that are never sampled still have their share of the softmax that the trainer sees.
    if (forced || vocabulary < config().vocab_size) token.logprob = logits[token.id] - SumLogits(logits, config().vocab_size, 1.0f).log_sum;
    return token;
  };
  // A token for every active slot, drawn where the logits are; none where the decoder leaves that to us, or not all are drawn by one rule.
  const auto draw_there = [&]() -> std::vector<SampledToken> {
    if (!device_weights_) return {};
    const Sampling& rule = *running[static_cast<std::size_t>(active[0])].asked.sampling;
    std::vector<double> uniforms;
    for (const int slot : active) {
      const Running& r = running[static_cast<std::size_t>(slot)];
      if (!DrawAlike(*r.asked.sampling, rule) || r.asked.sampling->max_thinking_tokens > 0) return {};
      uniforms.push_back(r.asked.draws.UniformAt(r.out.ids.size()));
    }
    return decoder->Draw(rule, vocabulary, uniforms);
  };
  // Takes it; false when that ended the completion.
  const auto accept = [&](int slot, const SampledToken& token) {
    Running& r = running[static_cast<std::size_t>(slot)];
    const Sampling& sampling = *r.asked.sampling;
    r.out.ids.push_back(token.id);
    r.out.logprobs.push_back(token.logprob);
    r.out.sampled_logprobs.push_back(token.sampled_logprob);
    if (sampling.repetition_penalty != 1.0) r.context.push_back(token.id);
    if (sampling.max_thinking_tokens > 0) r.reasoning.Add(tokenizer_->TokenBytes(token.id));
    const bool wanted_on = !job.on_token || job.on_token(r.asked.number, token);
    if (wanted_on && (sampling.ignore_eos || !Ends(token.id)) && !EndsWithStop(r, tokenizer_->TokenBytes(token.id), sampling.stop)) {
      if (static_cast<int>(r.out.ids.size()) < r.limit) return true;
      r.out.truncated = true;
    }
    job.done(r.asked.number, std::move(r.out));
    return false;
  };

  while (true) {
    while (!free.empty()) {
      if (at == unit.size()) {
        unit.clear(), at = 0;
        if (job.failed || !job.next(active.empty(), unit)) break;
        read(*unit.front().prompt);
      }
      const int slot = free.back();
      begin(slot, unit[at++]);
      if (!accept(slot, draw(slot, prompt_logits.data()))) continue;
      free.pop_back();
      decoder->CopySlot(job.slots, slot, static_cast<int>(held.size()));
      active.push_back(slot);
    }
    if (active.empty()) break;
    rows.clear();
    wanted.clear();
    for (std::size_t i = 0; i < active.size(); ++i) {
      const Running& r = running[static_cast<std::size_t>(active[i])];
      rows.push_back({active[i], r.Position(), r.out.ids.back()});
      wanted.push_back(static_cast<int>(i));
    }
    decoder->Run(rows, wanted);
    ++usage.steps, usage.rows += static_cast<std::int64_t>(active.size()), usage.slots += job.slots;
    tokens = draw_there();
    if (tokens.empty()) {
      tokens.resize(active.size());
      const auto draw_some = [&](int first, int last) {
        for (int i = first; i < last; ++i) tokens[i] = draw(active[i], decoder->Logits(i));
      };
      team ? team->Share(static_cast<int>(active.size()), 1, draw_some) : draw_some(0, static_cast<int>(active.size()));
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < active.size(); ++i) {
      if (options_.record_experts) decoder->AppendExperts(static_cast<int>(i), running[static_cast<std::size_t>(active[i])].out.experts);
      if (accept(active[i], tokens[i])) active[kept++] = active[i];
      else free.push_back(active[i]);
    }
    active.resize(kept);
  }
  const std::lock_guard lock(job.mutex);
  job.usage = {job.usage.steps + usage.steps, job.usage.rows + usage.rows, job.usage.slots + usage.slots};
} catch (...) {
  const std::lock_guard lock(job.mutex);
  if (!job.error) job.error = std::current_exception();
  job.failed = true;
  if (job.on_failure) job.on_failure();
}

Generator::Greedy Generator::GreedyWithLogits(const std::vector<std::int32_t>& prompt, int count) const {
  const int size = static_cast<int>(prompt.size()), vocabulary = config().vocab_size;
  const auto decoder = MakeDecoder(1, size + count, nullptr);
  std::vector<DecodeRow> rows;
  for (int p = 0; p < size; ++p) rows.push_back({0, p, prompt[p]});
  Greedy out;
  for (int i = 0; i < count; ++i) {
    decoder->Run(rows, {static_cast<int>(rows.size()) - 1});
    const float* logits = decoder->Logits(0);
    out.ids.push_back(static_cast<std::int32_t>(std::max_element(logits, logits + vocabulary) - logits));
    out.logits.insert(out.logits.end(), logits, logits + vocabulary);
    rows = {{0, size + i, out.ids.back()}};
  }
  return out;
}

}  // namespace cogent
