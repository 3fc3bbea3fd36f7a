#include "policies/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "policies/kernels.h"

namespace cogent {
namespace {

struct LogSum {
  float top, log_sum;
};

LogSum LogSumExp(const float* x, int n, float scale) {
  float top = x[0];
  for (int i = 1; i < n; ++i) top = std::max(top, x[i]);
  Vec sums{};
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) sums += Exp((Load(x + i) - top) * scale);
  float sum = Sum(sums);
  for (; i < n; ++i) sum += std::exp((x[i] - top) * scale);
  return {top * scale, top * scale + std::log(sum)};
}

// Ids kept by top-k and top-p, likeliest first; empty when both are off.
std::vector<std::int32_t> Shortlist(const float* logits, int vocabulary, const Sampling& s, float cold) {
  const bool cut_k = s.top_k > 0 && s.top_k < vocabulary;
  if (!cut_k && s.top_p >= 1.0) return {};
  std::vector<std::int32_t> ids(static_cast<std::size_t>(vocabulary));
  std::iota(ids.begin(), ids.end(), 0);
  const auto likelier = [&](std::int32_t a, std::int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
  std::sort(ids.begin(), ids.end(), likelier);
  if (cut_k) ids.resize(static_cast<std::size_t>(s.top_k));
  if (s.top_p < 1.0) {
    double total = 0.0, sum = 0.0;
    for (const auto id : ids) total += std::exp(static_cast<double>(logits[id] - logits[ids[0]]) * cold);
    std::size_t kept = 0;
    while (kept < ids.size() && (kept == 0 || sum < s.top_p * total)) sum += std::exp(static_cast<double>(logits[ids[kept++]] - logits[ids[0]]) * cold);
    ids.resize(kept);
  }
  return ids;
}

}  // namespace

void Sampling::VisitFields(FieldVisitor& visit) {
  visit("temperature", temperature, "divides the logits; 0 = greedy", {0.0, 100.0});
  visit("top_k", top_k, "keep the k likeliest tokens, 0 = all", {0, 1 << 24});
  visit("top_p", top_p, "keep the likeliest tokens until their sum reaches p", {0.0, 1.0});
  visit("max_new_tokens", max_new_tokens, "longest completion of one turn, tokens", {1, 1 << 24});
  visit("stop", stop, "a completion ends behind the first of these texts");
}

float LogSumExp(const float* logits, int count) { return LogSumExp(logits, count, 1.0f).log_sum; }

SampledToken SampleToken(const float* logits, int vocabulary, const Sampling& s, double uniform) {
  const LogSum plain = LogSumExp(logits, vocabulary, 1.0f);
  SampledToken token;
  if (s.temperature == 0.0) {
    token.id = static_cast<std::int32_t>(std::max_element(logits, logits + vocabulary) - logits);
    token.logprob = logits[token.id] - plain.log_sum;
    return token;  // drawn from a point: log 1 = 0
  }
  const float cold = static_cast<float>(1.0 / s.temperature);
  const auto kept = Shortlist(logits, vocabulary, s, cold);
  float log_sum = plain.log_sum;
  double total = 0.0;
  if (kept.empty()) {
    if (cold != 1.0f) log_sum = LogSumExp(logits, vocabulary, cold).log_sum;
    total = 1.0;
  } else {
    for (const auto id : kept) total += std::exp(static_cast<double>(logits[id] - logits[kept[0]]) * cold);
    log_sum = static_cast<float>(std::log(total)) + logits[kept[0]] * cold;
    total = 1.0;
  }
  double left = uniform * total;
  const int count = kept.empty() ? vocabulary : static_cast<int>(kept.size());
  int pick = -1;
  for (int first = 0; first < count && pick < 0; first += kLanes) {
    const int n = std::min(kLanes, count - first);
    alignas(64) float p[kLanes];
    for (int i = 0; i < n; ++i) p[i] = logits[kept.empty() ? first + i : kept[first + i]];
    for (int i = n; i < kLanes; ++i) p[i] = -std::numeric_limits<float>::max();
    Store(p, Exp(Load(p) * cold - log_sum));
    for (int i = 0; i < n && pick < 0; ++i) {
      left -= p[i];
      if (left < 0) pick = first + i;
    }
  }
  if (pick < 0) {  // rounding left a sliver: the likeliest
    pick = kept.empty() ? static_cast<int>(std::max_element(logits, logits + vocabulary) - logits) : 0;
  }
  token.id = kept.empty() ? pick : kept[pick];
  token.logprob = logits[token.id] - plain.log_sum;
  token.sampled_logprob = logits[token.id] * cold - log_sum;
  return token;
}

}  // namespace cogent
