#include "policies/divergence.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "policies/gradient.h"

namespace cogent {
namespace {

constexpr std::int64_t kChunk = 256;  // rows projected at a time

struct Chunk {
  at::Tensor value;     // [n]
  at::Tensor gradient;  // [n, V], of each row's value with respect to its own student logits
};

// With s and t the log-probabilities, p and q the probabilities of student and teacher, the gradient in the student's logits is
// p (d - sum p d), where d is the derivative of the value by the probabilities' logarithm, over p.
Chunk Compare(const at::Tensor& student, const at::Tensor& teacher, const Divergence& divergence, bool with_gradient) {
  const at::Tensor s = at::log_softmax(student / divergence.temperature, -1), t = at::log_softmax(teacher / divergence.temperature, -1);
  const at::Tensor p = s.exp();
  const double beta = divergence.beta;
  Chunk chunk;
  at::Tensor slope;  // [n, V], d value / d s, over p: the part that is the same for all tokens drops out below
  if (beta == 0) {
    const at::Tensor q = t.exp();
    chunk.value = (q * (t - s)).sum(-1);
    if (with_gradient) chunk.gradient = (p - q) / divergence.temperature;
    return chunk;
  }
  if (beta == 1) {
    chunk.value = (p * (s - t)).sum(-1);
    slope = s - t;
  } else {
    const at::Tensor q = t.exp(), m = at::logaddexp(s + std::log1p(-beta), t + std::log(beta));
    chunk.value = beta * (q * (t - m)).sum(-1) + (1 - beta) * (p * (s - m)).sum(-1);
    slope = (1 - beta) * (s - m);  // the terms through m cancel: the sum of q beta / m and p (1 - beta) / m is 1
  }
  if (with_gradient) chunk.gradient = p * (slope - (p * slope).sum(-1, true)) / divergence.temperature;
  return chunk;
}

}  // namespace

at::Tensor TokenDivergence(const at::Tensor& x, const at::Tensor& head, const at::Tensor& teacher_x, const at::Tensor& teacher_head,
                           const std::vector<std::int64_t>& rows, const Divergence& divergence) {
  Check(head.size(0) == teacher_head.size(0), "student and teacher have one vocabulary");
  const at::Tensor which = at::tensor(rows, at::kLong).to(x.device());
  const auto count = static_cast<std::int64_t>(rows.size());
  const at::Tensor own = x.detach(), own_head = head.detach(), other = teacher_x.detach(), other_head = teacher_head.detach();
  const auto each = [=](const auto& take, bool with_gradient) {
    for (std::int64_t first = 0; first < count; first += kChunk) {
      const at::Tensor part = which.narrow(0, first, std::min(kChunk, count - first)), hidden = own.index_select(0, part);
      take(first, part, hidden, Compare(hidden.matmul(own_head.t()), other.index_select(0, part).matmul(other_head.t()), divergence, with_gradient));
    }
  };
  const at::Tensor values = at::empty({count}, own.options());
  each([&](std::int64_t first, const at::Tensor& part, const at::Tensor&, const Chunk& chunk) { values.narrow(0, first, part.size(0)).copy_(chunk.value); }, false);
  return Differentiable(values, {x, head}, [=, need_head = NeedsGradient({head})](const at::Tensor& upstream) -> Gradients {
    at::Tensor dx = at::zeros_like(own), dhead;
    if (need_head) dhead = at::zeros_like(own_head);
    each([&](std::int64_t first, const at::Tensor& part, const at::Tensor& hidden, const Chunk& chunk) {
      const at::Tensor gradient = chunk.gradient * upstream.narrow(0, first, part.size(0)).unsqueeze(1);  // [n, V]
      dx.index_add_(0, part, gradient.matmul(own_head));
      if (need_head) dhead.add_(gradient.t().matmul(hidden));
    }, true);
    return {dx, dhead};
  });
}

}  // namespace cogent
