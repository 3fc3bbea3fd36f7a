// Gives a tensor that our own kernels computed its place in autograd's graph.
//
//   at::Tensor y = at::empty_like(x);
//   Kernel(x, y);
//   return Differentiable(y, {x, w}, [=](const at::Tensor& dy) -> Gradients { return {dx, dw}; });
//
// The closure keeps what it needs; it must not keep the output itself (that would be a cycle). It is
// called once, with autograd off. An undefined tensor in its answer means "no gradient".
// LibTorch's own graph headers cost 10 s of compilation a file; this header costs none.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace cogent {

using Gradients = std::vector<at::Tensor>;

// `inputs` in the order of the closure's answer. When none of them needs a gradient (or autograd is
// off) the output is returned as it is.
at::Tensor Differentiable(at::Tensor output, const std::vector<at::Tensor>& inputs,
                          std::function<Gradients(const at::Tensor&)> backward);
// The same for several outputs; gradients of outputs that nothing used come as zeros.
std::vector<at::Tensor> Differentiable(std::vector<at::Tensor> outputs, const std::vector<at::Tensor>& inputs,
                                       std::function<Gradients(const std::vector<at::Tensor>&)> backward);
// Runs `layer` without a graph; its gradient runs it once more, with one. In between, x and the outputs are all that is kept
// of it (gradient checkpointing: Chen and others, arXiv 1604.06174). `layer` gives the same outputs for the same x, and what
// it needs lives as long as it does. Gradients of the leaves that it reads go to their .grad as usual; `leaves` are those,
// of which one must need a gradient where x needs none.
std::vector<at::Tensor> Recomputed(const std::function<std::vector<at::Tensor>(const at::Tensor& x)>& layer, const at::Tensor& x,
                                   const std::vector<at::Tensor>& leaves);
// Where a backward pass may add the gradient of `input`: the gradient that a leaf has already, else zeros of its shape. Its answer for
// autograd is then ForAutograd(input, sink), "no gradient" in the first case: a large matrix is spared the zeros, and the sum of both.
at::Tensor GradientSink(const at::Tensor& input);
at::Tensor ForAutograd(const at::Tensor& input, const at::Tensor& sink);
// True when autograd is on and at least one of the tensors needs a gradient.
bool NeedsGradient(const std::vector<at::Tensor>& inputs);

}  // namespace cogent
