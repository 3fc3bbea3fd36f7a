#include "policies/sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "policies/kernels.h"

namespace cogent {
namespace {

// Ids kept by top-k, top-p and min-p, likeliest first; empty when all three are off.
std::vector<std::int32_t> Shortlist(const float* logits, int vocabulary, const Sampling& s, float cold) {
  const bool cut_k = s.top_k > 0 && s.top_k < vocabulary, cut_p = s.top_p < 1.0, cut_min = s.min_p > 0.0;
  if (!cut_k && !cut_p && !cut_min) return {};
  std::vector<std::int32_t> ids(static_cast<std::size_t>(vocabulary));
  std::iota(ids.begin(), ids.end(), 0);
  // Held to the likeliest, which no cut takes away: the share p / p_max is the same in front of the other cuts and behind.
  const float top = cut_min ? *std::max_element(logits, logits + vocabulary) : 0.0f;
  const auto rare = [&](std::int32_t id) { return static_cast<double>(logits[id] - top) * cold < std::log(s.min_p); };
  if (cut_min && !cut_k && !cut_p) std::erase_if(ids, rare);  // few are left to sort
  const auto likelier = [&](std::int32_t a, std::int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
  std::sort(ids.begin(), ids.end(), likelier);
  if (cut_k) ids.resize(static_cast<std::size_t>(s.top_k));
  if (cut_p) {
    double total = 0.0, sum = 0.0;
    for (const auto id : ids) total += std::exp(static_cast<double>(logits[id] - logits[ids[0]]) * cold);
    std::size_t kept = 0;
    while (kept < ids.size() && (kept == 0 || sum < s.top_p * total)) sum += std::exp(static_cast<double>(logits[ids[kept++]] - logits[ids[0]]) * cold);
    ids.resize(kept);
  }
  if (cut_min) std::erase_if(ids, rare);
  return ids;
}

// The row with each token of `context` made less likely, once however often it stands there.
std::vector<float> Penalized(const float* logits, int vocabulary, double penalty, std::span<const std::int32_t> context) {
  std::vector<float> row(logits, logits + vocabulary);
  const auto by = static_cast<float>(penalty);
  for (const std::int32_t id : context) {
    if (id >= 0 && id < vocabulary) row[static_cast<std::size_t>(id)] = logits[id] < 0 ? logits[id] * by : logits[id] / by;
  }
  return row;
}

}  // namespace

void Sampling::VisitFields(FieldVisitor& visit) {
  visit("temperature", temperature, "divides the logits; 0 = greedy", {0.0, 100.0});
  visit("top_k", top_k, "keep the k likeliest tokens, 0 = all", {0, 1 << 24});
  visit("top_p", top_p, "keep the likeliest tokens until their sum reaches p", {0.0, 1.0});
  visit("min_p", min_p, "keep the tokens that have at least this share of the likeliest one's probability, 0 = all", {0.0, 1.0});
  visit("repetition_penalty", repetition_penalty, "makes tokens of the prompt and of the completion so far less likely: divides their logits where "
        "positive, multiplies them where negative; 1 = off", {0.01, 100.0});
  visit("max_new_tokens", max_new_tokens, "longest completion of one turn, tokens", {1, 1 << 24});
  visit("max_thinking_tokens", max_thinking_tokens, "reasoning that is longer is closed by force, and the answer follows; 0 = no limit. For eval, sample, "
        "generate and chat: a run cannot learn from tokens that the policy did not choose", {0, 1 << 24});
  visit("thinking_start", thinking_start, "the text that opens reasoning, at the end of the prompt or in the completion");
  visit("thinking_end", thinking_end, "the text that closes it, and is written where max_thinking_tokens are spent");
  visit("stop", stop, "a completion ends behind the first of these texts");
}

void Sampling::Validate(Problems& problems, const Location& where) const {
  if (max_thinking_tokens > 0 && (thinking_start.empty() || thinking_end.empty() || thinking_start == thinking_end)) {
    problems.Add(where, fmt::format("thinking_start ('{}') and thinking_end ('{}') must be two different texts", thinking_start, thinking_end));
  }
}

SampledToken SampleToken(const float* logits, int vocabulary, const Sampling& s, double uniform, std::span<const std::int32_t> context) {
  const float plain = SumLogits(logits, vocabulary, 1.0f).log_sum;
  const bool penalized = s.repetition_penalty != 1.0;
  const std::vector<float> changed = penalized ? Penalized(logits, vocabulary, s.repetition_penalty, context) : std::vector<float>();
  const float* row = penalized ? changed.data() : logits;  // what the token is chosen by
  SampledToken token;
  if (s.temperature == 0.0) {
    token.id = static_cast<std::int32_t>(std::max_element(row, row + vocabulary) - row);
    token.logprob = logits[token.id] - plain;
    return token;  // drawn from a point: log 1 = 0
  }
  const float cold = static_cast<float>(1.0 / s.temperature);
  const auto kept = Shortlist(row, vocabulary, s, cold);
  float log_sum = plain;
  if (!kept.empty()) {
    double total = 0.0;
    for (const auto id : kept) total += std::exp(static_cast<double>(row[id] - row[kept[0]]) * cold);
    log_sum = static_cast<float>(std::log(total)) + row[kept[0]] * cold;
  } else if (cold != 1.0f || penalized) {
    log_sum = SumLogits(row, vocabulary, cold).log_sum;
  }
  double left = uniform;
  const int count = kept.empty() ? vocabulary : static_cast<int>(kept.size());
  int pick = -1;
  for (int first = 0; first < count && pick < 0; first += kLanes) {
    const int n = std::min(kLanes, count - first);
    alignas(64) float p[kLanes];
    for (int i = 0; i < n; ++i) p[i] = row[kept.empty() ? first + i : kept[first + i]];
    for (int i = n; i < kLanes; ++i) p[i] = -std::numeric_limits<float>::max();
    const Vec shares = Exp(Load(p) * cold - log_sum);
    if (const float all = Sum(shares); left >= all) {
      left -= all;
      continue;
    }
    Store(p, shares);
    for (int i = 0; i < n && left >= 0; ++i) {
      left -= p[i];
      if (p[i] > 0) pick = first + i;  // the last of them where rounding leaves a sliver
    }
  }
  if (pick < 0) {  // rounding left a sliver: the likeliest
    pick = kept.empty() ? static_cast<int>(std::max_element(row, row + vocabulary) - row) : 0;
  }
  token.id = kept.empty() ? pick : kept[pick];
  token.logprob = logits[token.id] - plain;
  token.sampled_logprob = LogProbability(row[token.id], cold, log_sum);
  return token;
}

}  // namespace cogent
