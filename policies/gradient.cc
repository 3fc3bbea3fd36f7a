#include "policies/gradient.h"

#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

namespace cogent {
namespace {

namespace ag = torch::autograd;

// A node of autograd's graph whose gradient is a closure.
struct ClosureNode : ag::Node {
  std::function<Gradients(const std::vector<at::Tensor>&)> backward;
  std::vector<at::TensorOptions> options;
  std::vector<std::vector<std::int64_t>> sizes;

  ag::variable_list apply(ag::variable_list&& grads) override {
    for (std::size_t i = 0; i < grads.size(); ++i) {
      if (!grads[i].defined()) grads[i] = at::zeros(sizes[i], options[i]);
    }
    at::NoGradGuard no_grad;
    return backward(grads);
  }
  void release_variables() override { backward = nullptr; }
  std::string name() const override { return "cogent::ClosureNode"; }
};

}  // namespace

bool NeedsGradient(const std::vector<at::Tensor>& inputs) {
  if (!at::GradMode::is_enabled()) return false;
  for (const at::Tensor& input : inputs) {
    if (input.defined() && input.requires_grad()) return true;
  }
  return false;
}

at::Tensor GradientSink(const at::Tensor& input) {
  if (input.is_leaf() && input.grad().defined() && input.grad().is_contiguous() && input.grad().options().type_equal(input.options())) return input.grad();
  return at::zeros(input.sizes(), input.options());
}

at::Tensor ForAutograd(const at::Tensor& input, const at::Tensor& sink) { return input.is_leaf() && sink.is_same(input.grad()) ? at::Tensor() : sink; }

std::vector<at::Tensor> Differentiable(std::vector<at::Tensor> outputs, const std::vector<at::Tensor>& inputs,
                                       std::function<Gradients(const std::vector<at::Tensor>&)> backward) {
  if (!NeedsGradient(inputs)) return outputs;
  std::shared_ptr<ClosureNode> node(new ClosureNode, ag::deleteNode);
  node->backward = std::move(backward);
  node->set_next_edges(ag::collect_next_edges(inputs));
  for (at::Tensor& output : outputs) {
    node->options.push_back(output.options());
    node->sizes.push_back(output.sizes().vec());
    ag::set_history(output, node);
  }
  return outputs;
}

std::vector<at::Tensor> Recomputed(const std::function<std::vector<at::Tensor>(const at::Tensor&)>& layer, const at::Tensor& x,
                                   const std::vector<at::Tensor>& leaves) {
  const bool need_x = NeedsGradient({x});
  if (!need_x && !NeedsGradient(leaves)) return layer(x);
  std::vector<at::Tensor> outputs;
  {
    const at::NoGradGuard no_grad;
    outputs = layer(x);
  }
  const std::vector<at::Tensor> inputs = need_x ? std::vector<at::Tensor>{x} : leaves;
  return Differentiable(std::move(outputs), inputs, [layer, x = x.detach(), need_x, count = inputs.size()](const std::vector<at::Tensor>& grads) {
    const at::AutoGradMode with_gradients(true);
    const at::Tensor own = x.detach().requires_grad_(need_x);
    const std::vector<at::Tensor> outputs = layer(own);
    ag::variable_list again, pulls;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].requires_grad()) again.push_back(outputs[i]), pulls.push_back(grads[i]);
    }
    ag::backward(again, pulls);
    Gradients gradients(count);  // of leaves none: they have theirs already
    if (need_x) gradients[0] = own.grad();
    return gradients;
  });
}

at::Tensor Differentiable(at::Tensor output, const std::vector<at::Tensor>& inputs,
                          std::function<Gradients(const at::Tensor&)> backward) {
  return Differentiable(std::vector<at::Tensor>{std::move(output)}, inputs,
                        [backward = std::move(backward)](const std::vector<at::Tensor>& grads) { return backward(grads[0]); })[0];
}

}  // namespace cogent
