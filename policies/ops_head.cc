// The output head: log-probabilities of chosen tokens without ever holding [rows, vocabulary].
// A chunk of rows is projected, reduced and forgotten; the backward pass projects it again.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "policies/gradient.h"
#include "policies/ops.h"
#include "policies/ops_rows.h"

namespace cogent::ops {
namespace {

constexpr int kChunk = 64;

// Log-sum-exp of a row and sum of p * logit.
struct RowSums {
  float log_sum, mean_logit;
};
RowSums Reduce(const float* row, int width) {
  float top = row[0];
  int i = 0;
  Vec tops = Fill(top);
  for (; i + kLanes <= width; i += kLanes) tops = Max(tops, Load(row + i));
  top = Largest(tops);
  for (; i < width; ++i) top = std::max(top, row[i]);
  Vec sums{}, weighted{};
  float sum = 0.0f, weight = 0.0f;
  for (i = 0; i + kLanes <= width; i += kLanes) {
    const Vec x = Load(row + i) - top, e = Exp(x);
    sums += e;
    weighted += e * x;
  }
  for (; i < width; ++i) {
    const float x = row[i] - top, e = std::exp(x);
    sum += e;
    weight += e * x;
  }
  sum += Sum(sums);
  weight += Sum(weighted);
  return {top + std::log(sum), top + weight / sum};
}

}  // namespace

TokenStats TokenLogprobs(const at::Tensor& x, const at::Tensor& head, const std::vector<std::int64_t>& rows,
                         const std::vector<std::int64_t>& targets, double temperature, Products gradients) {
  Check(rows.size() == targets.size(), "each row needs a target");
  if (!OnFastPath({x, head})) return device::TokenLogprobs(x, head, rows, targets, temperature, gradients);
  const Rows in(x);
  const int vocabulary = static_cast<int>(head.size(0)), count = static_cast<int>(rows.size());
  const float cold = static_cast<float>(1.0 / temperature);
  at::Tensor logprobs = at::empty({count}, x.options()), entropy = at::empty({count}, x.options()), log_sums = at::empty({count}, x.options());
  std::vector<float> hidden(static_cast<std::size_t>(kChunk) * in.width), logits(static_cast<std::size_t>(kChunk) * vocabulary);
  PackedMatrix packed;
  packed.Pack(head.const_data_ptr<float>(), vocabulary, in.width, in.width);
  const auto project = [vocabulary, cold, width = in.width](const Rows& from, const std::vector<std::int64_t>& which, int first, int n, const PackedMatrix& by,
                                                            float* gathered, float* out) {
    for (int i = 0; i < n; ++i) std::memcpy(gathered + static_cast<std::ptrdiff_t>(i) * width, from.data + which[first + i] * from.stride, width * sizeof(float));
    by.Multiply(gathered, width, n, out, vocabulary);
    if (cold != 1.0f) for (std::ptrdiff_t i = 0; i < static_cast<std::ptrdiff_t>(n) * vocabulary; ++i) out[i] *= cold;
  };
  for (int first = 0; first < count; first += kChunk) {
    const int n = std::min(kChunk, count - first);
    project(in, rows, first, n, packed, hidden.data(), logits.data());
    for (int i = 0; i < n; ++i) {
      const float* row = logits.data() + static_cast<std::ptrdiff_t>(i) * vocabulary;
      const RowSums sums = Reduce(row, vocabulary);
      Data(log_sums)[first + i] = sums.log_sum;
      Data(logprobs)[first + i] = row[targets[first + i]] - sums.log_sum;
      Data(entropy)[first + i] = sums.log_sum - sums.mean_logit;
    }
  }
  auto outputs = Differentiable(
      {logprobs, entropy}, {x, head},
      [=, x = x.detach(), head = head.detach(), need_head = NeedsGradient({head}), entropies = entropy.clone()](const std::vector<at::Tensor>& grads) -> Gradients {
        // d logprob_t / d logit_j = [j = t] - p_j;  d entropy / d logit_j = -p_j (log p_j + entropy).
        const Rows in(x);
        at::Tensor dx = at::zeros({in.rows, in.width}, x.options()), dw;
        if (need_head) dw = at::zeros_like(head);
        const at::Tensor g_logprob = grads[0].contiguous(), g_entropy = grads[1].contiguous();
        PackedMatrix packed, back;
        packed.Pack(head.const_data_ptr<float>(), vocabulary, in.width, in.width);
        back.PackTransposed(head.const_data_ptr<float>(), vocabulary, in.width, in.width, gradients);
        std::vector<float> hidden(static_cast<std::size_t>(kChunk) * in.width), d_hidden(hidden.size()), logits(static_cast<std::size_t>(kChunk) * vocabulary);
        for (int first = 0; first < count; first += kChunk) {
          const int n = std::min(kChunk, count - first);
          project(in, rows, first, n, packed, hidden.data(), logits.data());
          for (int i = 0; i < n; ++i) {
            float* row = logits.data() + static_cast<std::ptrdiff_t>(i) * vocabulary;
            const float log_sum = Data(log_sums)[first + i], gl = Data(g_logprob)[first + i] * cold, ge = Data(g_entropy)[first + i] * cold;
            const float h = Data(entropies)[first + i];
            int j = 0;
            for (; j + kLanes <= vocabulary; j += kLanes) {
              const Vec log_p = Load(row + j) - log_sum, p = Exp(log_p);
              Store(row + j, -p * (gl + ge * (log_p + h)));
            }
            for (; j < vocabulary; ++j) {
              const float log_p = row[j] - log_sum, p = std::exp(log_p);
              row[j] = -p * (gl + ge * (log_p + h));
            }
            row[targets[first + i]] += gl;
          }
          back.Multiply(logits.data(), vocabulary, n, d_hidden.data(), in.width);
          if (need_head) AccumulateOuter(logits.data(), vocabulary, vocabulary, hidden.data(), in.width, in.width, n, Data(dw), in.width, gradients);
          for (int i = 0; i < n; ++i) {
            float* to = Data(dx) + rows[first + i] * in.width;
            for (int c = 0; c < in.width; ++c) to[c] += d_hidden[static_cast<std::ptrdiff_t>(i) * in.width + c];
          }
        }
        return {dx, dw};
      });
  return {outputs[0], outputs[1]};
}

}  // namespace cogent::ops
