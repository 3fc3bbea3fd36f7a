// The output head: log-probabilities of chosen tokens without ever holding [rows, vocabulary].
// Forward, some rows are projected to all of the vocabulary, reduced and forgotten. The backward pass knows their sums and projects all
// rows again to some of the vocabulary at a time: those rows of the head are then read once, and their gradient written once. A small
// vocabulary's logits, a few megabytes at most, are kept instead.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "policies/gradient.h"
#include "policies/ops.h"
#include "policies/ops_rows.h"

namespace cogent::ops {
namespace {

constexpr int kLogits = 6 << 20;      // floats of a forward chunk, within these bounds of rows
constexpr int kFewestRows = 64, kMostRows = 512;
constexpr int kTokens = 1024;         // of the vocabulary, at a time in the backward pass
constexpr int kKept = 1 << 20;        // logits in all that are kept for it, where one such part is the whole vocabulary

}  // namespace

TokenStats TokenLogprobs(const at::Tensor& x, const at::Tensor& head, const std::vector<std::int64_t>& rows,
                         const std::vector<std::int64_t>& targets, double temperature, const HeadProducts& products) {
  Check(rows.size() == targets.size(), "each row needs a target");
  if (!OnFastPath({x, head})) return device::TokenLogprobs(x, head, rows, targets, temperature, products.gradients);
  const Rows in(x);
  const int vocabulary = static_cast<int>(head.size(0)), count = static_cast<int>(rows.size());
  const float cold = static_cast<float>(1.0 / temperature);
  at::Tensor logprobs = at::empty({count}, x.options()), entropy = at::empty({count}, x.options()), log_sums = at::empty({count}, x.options());
  const auto gather = [](const Rows& from, const std::vector<std::int64_t>& which, int first, int n) {
    Floats rows(static_cast<std::size_t>(n) * from.width);
    for (int i = 0; i < n; ++i) std::memcpy(rows.data() + static_cast<std::ptrdiff_t>(i) * from.width, from.data + which[first + i] * from.stride, from.width * sizeof(float));
    return rows;
  };
  // Logits of rows of hidden states for `tokens` of the vocabulary from `token` on, before the temperature.
  const auto project = [width = in.width, products](const Floats& hidden, int n, const at::Tensor& head, int token, int tokens, float* out) {
    MultiplyOnce(hidden.data(), width, n, {head.const_data_ptr<float>() + static_cast<std::ptrdiff_t>(token) * width, tokens, width, width}, products.logits, out, tokens);
  };
  const bool keep = vocabulary <= kTokens && static_cast<std::int64_t>(count) * vocabulary <= kKept && NeedsGradient({x, head});
  const int chunk = std::min(count, keep ? count : std::clamp(kLogits / vocabulary, kFewestRows, kMostRows));
  Floats logits(static_cast<std::size_t>(chunk) * vocabulary);
  for (int first = 0; first < count; first += chunk) {
    const int n = std::min(chunk, count - first);
    project(gather(in, rows, first, n), n, head, 0, vocabulary, logits.data());
    for (int i = 0; i < n; ++i) {
      const float* row = logits.data() + static_cast<std::ptrdiff_t>(i) * vocabulary;
      const LogitSums sums = SumLogits(row, vocabulary, cold);
      Data(log_sums)[first + i] = sums.log_sum;
      Data(logprobs)[first + i] = LogProbability(row[targets[first + i]], cold, sums.log_sum);
      Data(entropy)[first + i] = sums.log_sum - sums.mean;
    }
  }
  auto outputs = Differentiable(
      {logprobs, entropy}, {x, head},
      [=, need_head = NeedsGradient({head}), entropies = entropy.detach(), logits = keep ? std::move(logits) : Floats()](
          const std::vector<at::Tensor>& grads) mutable -> Gradients {
        // d logprob_t / d logit_j = [j = t] - p_j;  d entropy / d logit_j = -p_j (log p_j + entropy).
        const Rows in(x);
        at::Tensor dx = at::zeros({in.rows, in.width}, x.options()), dw;
        if (need_head) dw = GradientSink(head);
        const at::Tensor g_logprob = grads[0].contiguous(), g_entropy = grads[1].contiguous();
        const Floats hidden = gather(in, rows, 0, count);
        Floats d_hidden(hidden.size(), 0.0f);
        logits.resize(static_cast<std::size_t>(count) * std::min(kTokens, vocabulary));
        for (int token = 0; token < vocabulary; token += kTokens) {
          const int tokens = std::min(kTokens, vocabulary - token);
          if (!keep) project(hidden, count, head, token, tokens, logits.data());
          for (int i = 0; i < count; ++i) {
            float* row = logits.data() + static_cast<std::ptrdiff_t>(i) * tokens;
            const float log_sum = Data(log_sums)[i], gl = Data(g_logprob)[i] * cold, ge = Data(g_entropy)[i] * cold, h = Data(entropies)[i];
            int j = 0;
            for (; j + kLanes <= tokens; j += kLanes) {
              const Vec log_p = Load(row + j) * cold - log_sum, p = Exp(log_p);
              Store(row + j, -p * (gl + ge * (log_p + h)));
            }
            for (; j < tokens; ++j) {
              const float log_p = row[j] * cold - log_sum, p = std::exp(log_p);
              row[j] = -p * (gl + ge * (log_p + h));
            }
            if (targets[i] >= token && targets[i] < token + tokens) row[targets[i] - token] += gl;
          }
          const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(token) * in.width;
          MultiplyOnce(logits.data(), tokens, count, {head.const_data_ptr<float>() + at, in.width, tokens, in.width, /*turned=*/true}, products.gradients, d_hidden.data(), in.width,
                       PackedMatrix::Into::kAccumulate);
          if (need_head) AccumulateOuter(logits.data(), tokens, tokens, hidden.data(), in.width, in.width, count, Data(dw) + at, in.width, products.gradients);
        }
        for (int i = 0; i < count; ++i) {
          float* to = Data(dx) + rows[i] * in.width;
          for (int c = 0; c < in.width; ++c) to[c] += d_hidden[static_cast<std::size_t>(i) * in.width + c];
        }
        return {dx, need_head ? ForAutograd(head, dw) : dw};
      });
  return {outputs[0], outputs[1]};
}

}  // namespace cogent::ops
