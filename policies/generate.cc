#include "policies/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <tuple>

#include "core/error.h"
#include "policies/parameters.h"

namespace cogent {
namespace {

// How many tokens of reasoning a completion may have, and what is put there when it has had them. The block is open behind
// a prompt that ends in its opening tag, or once the completion has written the tag; blocks of one completion add up.
class Reasoning {
 public:
  Reasoning() = default;  // without a limit
  Reasoning(const Sampling& sampling, const std::vector<std::int32_t>& closing, bool open) : sampling_(&sampling), closing_(&closing), open_(open) {}

  // The next token where it is not the policy's to choose.
  std::optional<std::int32_t> Forced() {
    if (sampling_ == nullptr || !open_ || spent_ < sampling_->max_thinking_tokens) return std::nullopt;
    return (*closing_)[forced_++];
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
    open_ = open_ && forced_ < closing_->size();
    if (!open_) forced_ = 0;
  }

 private:
  const Sampling* sampling_ = nullptr;
  const std::vector<std::int32_t>* closing_ = nullptr;
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
  std::size_t index = 0;
  int prompt_tokens = 0;
  int limit = 0;
  std::int32_t last = 0;
  std::string tail;                   // end of the text so far, for stop strings
  std::vector<std::int32_t> context;  // prompt and completion, for a repetition penalty; else empty
  Reasoning reasoning;
};

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
    weights_.emplace(parameters, options.weights);
  } else {
    device_weights_.emplace(parameters, options.weights);
    options_.threads = 1;
    options_.slots = std::max(options_.slots, 128);  // a GPU is as fast with many as with few
  }
}

bool Generator::Ends(std::int32_t id) const { return std::binary_search(ends_.begin(), ends_.end(), id); }

void Generator::Refresh(const ParameterSet& parameters) { weights_ ? weights_->Update(parameters) : device_weights_->Update(parameters); }

std::unique_ptr<BatchDecoder> Generator::MakeDecoder(int slots, int longest, Team* team) const {
  if (device_weights_) return std::make_unique<DeviceDecoder>(*device_weights_, slots, longest);
  return std::make_unique<Decoder>(*weights_, slots, longest, team);
}

// What the threads of one call share. Each unit is a run of equal prompts.
struct Generator::Job {
  const std::vector<std::vector<std::int32_t>>& prompts;
  const std::vector<Rng>& draws;
  const Sampling& sampling;
  std::vector<std::int32_t> closing;  // of reasoning
  std::vector<std::pair<std::size_t, std::size_t>> units;
  int longest = 0, slots = 1;
  std::vector<Generated> results;
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  Usage usage;
  std::exception_ptr error;
};

std::vector<Generated> Generator::Generate(const std::vector<std::vector<std::int32_t>>& prompts, const std::vector<Rng>& draws,
                                           const Sampling& sampling, Usage* usage) const {
  Check(prompts.size() == draws.size(), "each prompt needs its draws");
  Job job{prompts, draws, sampling, ClosingIds(sampling, *tokenizer_), {}, 0, 1, {}, {}, {}, {}, {}};
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
    if (!job.units.empty() && prompts[i] == prompts[job.units.back().first] && i - job.units.back().first < kUnit) job.units.back().second = i + 1;
    else job.units.push_back({i, i + 1});
  }
  job.results.resize(prompts.size());
  const bool share = options_.threads > 1 && weights_->MatrixBytes() >= options_.share_from;
  const int members = share ? options_.threads : 1;
  const int threads = share ? 1 : std::max(1, std::min(options_.threads, static_cast<int>(job.units.size())));
  job.slots = std::clamp(static_cast<int>((prompts.size() + threads - 1) / threads), 1, options_.slots * members);
  if (share) {
    Team team(members);
    Work(job, &team);
  } else {
    std::vector<std::thread> workers;
    for (int t = 1; t < threads; ++t) workers.emplace_back([&] { Work(job, nullptr); });
    Work(job, nullptr);
    for (std::thread& worker : workers) worker.join();
  }
  if (job.error) std::rethrow_exception(job.error);
  if (usage != nullptr) *usage = job.usage;
  return std::move(job.results);
}

void Generator::Work(Job& job, Team* team) const try {
  // The last slot holds the prompt of the unit at hand; its members are copies.
  const auto decoder = MakeDecoder(job.slots + 1, job.longest, team);
  const int vocabulary = std::min(config().vocab_size, tokenizer_->vocab_size());
  const bool penalized = job.sampling.repetition_penalty != 1.0, limited = job.sampling.max_thinking_tokens > 0;
  std::vector<int> free;
  for (int s = job.slots; s-- > 0;) free.push_back(s);
  std::vector<Running> running(static_cast<std::size_t>(job.slots));
  std::vector<int> active;
  std::vector<DecodeRow> rows;
  std::vector<int> wanted;
  std::vector<SampledToken> tokens;
  std::vector<double> uniforms;
  Usage usage;
  std::vector<float> prompt_logits;
  std::vector<std::int32_t> prompt_experts;
  bool prompt_reasons = false;
  std::size_t at = 0, end = 0;

  // The next token of a slot. Slots may draw side by side.
  const auto draw = [&](int slot, const float* logits) {
    Running& r = running[slot];
    Generated& out = job.results[r.index];
    const auto forced = r.reasoning.Forced();
    SampledToken token;
    if (forced) token = {*forced, 0.0f, 0.0f}, ++out.forced;
    else token = SampleToken(logits, vocabulary, job.sampling, job.draws[r.index].UniformAt(out.ids.size()), r.context);
    // Ids that are never sampled still have their share of the softmax that the trainer sees.
    if (forced || vocabulary < config().vocab_size) token.logprob = logits[token.id] - LogSumExp(logits, config().vocab_size);
    return token;
  };
  // Takes it; false when that ended the completion.
  const auto accept = [&](int slot, const SampledToken& token) {
    Running& r = running[slot];
    Generated& out = job.results[r.index];
    out.ids.push_back(token.id);
    out.logprobs.push_back(token.logprob);
    out.sampled_logprobs.push_back(token.sampled_logprob);
    r.last = token.id;
    if (penalized) r.context.push_back(token.id);
    if (limited) r.reasoning.Add(tokenizer_->TokenBytes(token.id));
    if (options_.on_token) options_.on_token(r.index, token.id);
    if (!job.sampling.ignore_eos && Ends(token.id)) return false;
    if (EndsWithStop(r, tokenizer_->TokenBytes(token.id), job.sampling.stop)) return false;
    if (static_cast<int>(out.ids.size()) < r.limit) return true;
    out.truncated = true;
    return false;
  };

  while (true) {
    while (!free.empty()) {
      if (at == end) {
        const std::size_t unit = job.next.fetch_add(1);
        if (unit >= job.units.size()) break;
        std::tie(at, end) = job.units[unit];
        const auto& prompt = job.prompts[at];
        rows.clear();
        for (std::size_t p = 0; p < prompt.size(); ++p) rows.push_back({job.slots, static_cast<int>(p), prompt[p]});
        decoder->Run(rows, {static_cast<int>(prompt.size()) - 1});
        prompt_logits.assign(decoder->Logits(0), decoder->Logits(0) + config().vocab_size);
        prompt_experts.clear();
        prompt_reasons = limited && OpensReasoning(job.sampling, *tokenizer_, prompt);
        if (options_.record_experts) {
          for (std::size_t row = 0; row < prompt.size(); ++row) decoder->AppendExperts(static_cast<int>(row), prompt_experts);
        }
      }
      const int slot = free.back(), size = static_cast<int>(job.prompts[at].size());
      job.results[at].experts = prompt_experts;
      running[slot] = {at, size, std::min(job.sampling.max_new_tokens, config().max_position_embeddings - size), 0, {}, {}, {}};
      if (penalized) running[slot].context = job.prompts[at];
      if (limited) running[slot].reasoning = Reasoning(job.sampling, job.closing, prompt_reasons);
      ++at;
      if (!accept(slot, draw(slot, prompt_logits.data()))) continue;
      free.pop_back();
      decoder->CopySlot(job.slots, slot, size);
      active.push_back(slot);
    }
    if (active.empty()) break;
    rows.clear();
    wanted.clear();
    for (std::size_t i = 0; i < active.size(); ++i) {
      const Running& r = running[active[i]];
      rows.push_back({active[i], r.prompt_tokens + static_cast<int>(job.results[r.index].ids.size()) - 1, r.last});
      wanted.push_back(static_cast<int>(i));
    }
    decoder->Run(rows, wanted);
    ++usage.steps, usage.rows += static_cast<std::int64_t>(active.size()), usage.slots += job.slots;
    tokens.clear();
    if (!limited) {  // where the logits are; limited reasoning has tokens that are not drawn
      uniforms.clear();
      for (const int slot : active) uniforms.push_back(job.draws[running[slot].index].UniformAt(job.results[running[slot].index].ids.size()));
      tokens = decoder->Draw(job.sampling, vocabulary, uniforms);
    }
    if (tokens.empty()) {
      tokens.resize(active.size());
      const auto draw_some = [&](int first, int last) {
        for (int i = first; i < last; ++i) tokens[i] = draw(active[i], decoder->Logits(i));
      };
      team ? team->Share(static_cast<int>(active.size()), 1, draw_some) : draw_some(0, static_cast<int>(active.size()));
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < active.size(); ++i) {
      if (options_.record_experts) decoder->AppendExperts(static_cast<int>(i), job.results[running[active[i]].index].experts);
      if (accept(active[i], tokens[i])) active[kept++] = active[i];
      else free.push_back(active[i]);
    }
    active.resize(kept);
  }
  const std::lock_guard lock(job.mutex);
  job.usage = {job.usage.steps + usage.steps, job.usage.rows + usage.rows, job.usage.slots + usage.slots};
} catch (...) {
  const std::lock_guard lock(job.mutex);
  job.error = std::current_exception();
  job.next = job.units.size();
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
