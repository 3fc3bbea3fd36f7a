// How far a student's distribution over the vocabulary is from a teacher's: the generalized Jensen-Shannon divergence of
// Agarwal et al., arXiv 2306.13649, equation 1, as TRL has it.
//
//   beta = 0    KL(teacher || student)                       forward: cover all that the teacher may say
//   beta = 1    KL(student || teacher)                       reverse: say only what the teacher may say
//   between     beta KL(teacher || m) + (1 - beta) KL(student || m),   m = beta teacher + (1 - beta) student
//
// Thread rule: a free function of its arguments.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace cogent {

struct Divergence {
  double beta = 0.5;         // 0 to 1
  double temperature = 1.0;  // of both distributions, above 0
};

// Of the distributions softmax(x[rows[m]] head^T / temperature) and the teacher's of the same row, [M], nats. Differentiable
// in x [N, D] and head [V, D]; the teacher's width may be another, its vocabulary not. Never holds [M, V]: a chunk of
// rows is projected, reduced and forgotten, and projected again in the backward pass.
at::Tensor TokenDivergence(const at::Tensor& x, const at::Tensor& head, const at::Tensor& teacher_x, const at::Tensor& teacher_head,
                           const std::vector<std::int64_t>& rows, const Divergence& divergence);

}  // namespace cogent
