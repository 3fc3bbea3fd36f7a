// The fused CPU kernels behind ops.h: dense layers, norms, activation, router and experts.
// Attention and the output head are in ops_attention.cc and ops_head.cc.
#include "policies/ops.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cstring>

#include "policies/gradient.h"
#include "policies/ops_rows.h"

namespace cogent::ops {

namespace {

// u = scale * down x of every part, [N, parts r].
at::Tensor Compressed(const Rows& in, const LowRank& adapters, const at::TensorOptions& options) {
  const int width = static_cast<int>(adapters.down.size(0));
  at::Tensor u = at::empty({in.rows, width}, options);
  MultiplyOnce(in.data, in.stride, in.rows, {adapters.down.const_data_ptr<float>(), width, in.width, in.width}, Products::kFloat32, Data(u), width);
  return u.mul_(adapters.scale);
}

// y += up u, part by part.
void AddAdapters(const at::Tensor& u, const LowRank& adapters, const at::Tensor& y) {
  const int width = static_cast<int>(u.size(1)), rank = width / static_cast<int>(adapters.up.size());
  for (std::size_t p = 0; p < adapters.up.size(); ++p) {
    MultiplyOnce(Data(u) + static_cast<std::ptrdiff_t>(p) * rank, width, static_cast<int>(u.size(0)),
                 {adapters.up[p].const_data_ptr<float>(), static_cast<int>(adapters.up[p].size(0)), rank, rank}, Products::kFloat32, Data(y) + adapters.first[p], y.size(1),
                 PackedMatrix::Into::kAccumulate);
  }
}

// The weight with its adapters added, as what samples has it.
at::Tensor Merged(const at::Tensor& weight, const LowRank& adapters) {
  const at::Tensor sum = weight.detach().clone();
  const int width = static_cast<int>(weight.size(1)), rank = static_cast<int>(adapters.down.size(0)) / static_cast<int>(adapters.up.size());
  for (std::size_t p = 0; p < adapters.up.size(); ++p) {
    AddLowRank(adapters.down.const_data_ptr<float>() + static_cast<std::ptrdiff_t>(p) * rank * width, adapters.up[p].const_data_ptr<float>(),
               static_cast<int>(adapters.up[p].size(0)), width, rank, static_cast<float>(adapters.scale), Data(sum) + adapters.first[p] * width);
  }
  return sum;
}

// Gradients of down and of each up; adds the input's to dx where that is defined. `u` as AddAdapters returned it.
Gradients AdapterGradients(const Rows& in, const Rows& dy, const LowRank& adapters, const at::Tensor& u, const at::Tensor& dx) {
  const int width = static_cast<int>(u.size(1)), rank = width / static_cast<int>(adapters.up.size());
  at::Tensor du = at::empty_like(u), d_down = at::zeros_like(adapters.down);
  Gradients gradients{d_down};
  for (std::size_t p = 0; p < adapters.up.size(); ++p) {
    const std::ptrdiff_t column = static_cast<std::ptrdiff_t>(p) * rank;
    const float* dy_part = dy.data + adapters.first[p];
    const int rows = static_cast<int>(adapters.up[p].size(0));
    at::Tensor d_up = at::zeros_like(adapters.up[p]);
    AccumulateOuter(dy_part, dy.stride, rows, Data(u) + column, width, rank, in.rows, Data(d_up), rank);
    MultiplyOnce(dy_part, dy.stride, in.rows, {adapters.up[p].const_data_ptr<float>(), rank, rows, rank, true}, Products::kFloat32, Data(du) + column, width);
    gradients.push_back(d_up);
  }
  du.mul_(adapters.scale);
  AccumulateOuter(Data(du), width, width, in.data, in.stride, in.width, in.rows, Data(d_down), in.width);
  if (dx.defined()) {
    MultiplyOnce(Data(du), width, in.rows, {adapters.down.const_data_ptr<float>(), in.width, width, in.width, true}, Products::kFloat32, Data(dx), in.width,
                 PackedMatrix::Into::kAccumulate);
  }
  return gradients;
}

}  // namespace

at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, Products products, const LowRank& adapters) {
  if (!OnFastPath({x, weight})) return device::Linear(x, weight, bias, products, adapters);
  const Rows in(x);
  const int out_width = static_cast<int>(weight.size(0)), in_width = in.width;
  at::Tensor y = at::empty({in.rows, out_width}, x.options()), u;
  const bool adapted = adapters.down.defined(), merged = adapted && adapters.merged;
  const at::Tensor by = merged ? Merged(weight, adapters) : weight;
  MultiplyOnce(in.data, in.stride, in.rows, {by.const_data_ptr<float>(), out_width, in_width, in_width}, products, Data(y), out_width, PackedMatrix::Into::kReplace,
               bias.defined() ? bias.const_data_ptr<float>() : nullptr);
  if (adapted) u = Compressed(in, adapters, x.options());
  if (adapted && !merged) AddAdapters(u, adapters, y);
  std::vector<at::Tensor> inputs = {x, weight, bias};
  LowRank own = adapters;
  if (u.defined()) {
    inputs.push_back(adapters.down);
    inputs.insert(inputs.end(), adapters.up.begin(), adapters.up.end());
    own.down = own.down.detach();
    for (at::Tensor& up : own.up) up = up.detach();
  }
  // A frozen weight needs no gradient, and what it multiplied need not be kept for one.
  const bool need_x = NeedsGradient({x}), need_weight = NeedsGradient({weight}), need_adapters = NeedsGradient({adapters.down});
  const at::Tensor kept = need_weight || need_adapters ? x : at::Tensor();
  return Differentiable(y, inputs, [x = kept, weight, need_bias = NeedsGradient({bias}), products, own = std::move(own), u, need_x,
                                    need_weight, need_adapters](const at::Tensor& grad) -> Gradients {
    const Rows dy(grad);
    const int in_width = static_cast<int>(weight.size(1));
    at::Tensor dx, db, dw;
    if (need_x) {
      dx = at::empty({dy.rows, in_width}, grad.options());
      MultiplyOnce(dy.data, dy.stride, dy.rows, {weight.const_data_ptr<float>(), in_width, dy.width, in_width, true}, products, Data(dx), in_width);
    }
    if (need_weight) {
      const Rows in(x);
      const at::Tensor sum = GradientSink(weight);
      AccumulateOuter(dy.data, dy.stride, dy.width, in.data, in.stride, in_width, in.rows, Data(sum), in_width, products);
      dw = ForAutograd(weight, sum);
    }
    if (need_bias) db = grad.sum(0);
    Gradients gradients = {dx, dw, db};
    if (need_adapters) {
      const Gradients more = AdapterGradients(Rows(x), dy, own, u, dx);
      gradients.insert(gradients.end(), more.begin(), more.end());
    }
    return gradients;
  });
}

at::Tensor Embedding(const at::Tensor& weight, const at::Tensor& ids) {
  if (!OnFastPath({weight})) return at::embedding(weight, ids);
  const at::Tensor y = at::embedding(weight.detach(), ids);
  return Differentiable(y, {weight}, [weight, ids](const at::Tensor& grad) -> Gradients {
    const Rows dy(grad);
    const at::Tensor sum = GradientSink(weight);
    const std::int64_t* id = ids.const_data_ptr<std::int64_t>();
    for (int r = 0; r < dy.rows; ++r) {
      AddRow(dy.data + r * dy.stride, dy.width, Data(sum) + id[r] * dy.width);
    }
    return {ForAutograd(weight, sum)};
  });
}

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  if (!OnFastPath({x, weight})) return reference::RmsNorm(x, weight, eps);
  const Rows in(x);
  at::Tensor y = at::empty({in.rows, in.width}, x.options()), scale = at::empty({in.rows}, x.options());
  RmsNormRows(in.data, in.stride, weight.const_data_ptr<float>(), static_cast<float>(eps), in.rows, in.width, Data(y), in.width,
              Data(scale));
  return Differentiable(y, {x, weight}, [x, weight, scale](const at::Tensor& grad) -> Gradients {
    const Rows in(x), dy(grad);
    const at::Tensor dx = at::empty({in.rows, in.width}, x.options()), dw = GradientSink(weight);
    RmsNormBackwardRows({in.data, in.stride, weight.const_data_ptr<float>(), scale.const_data_ptr<float>(), dy.data, dy.stride}, in.rows, in.width, Data(dx), in.width,
                        Data(dw));
    return {dx, ForAutograd(weight, dw)};
  });
}

Joined JoinAndNorm(const at::Tensor& stream, const at::Tensor& branch, const at::Tensor& weight, double eps) {
  if (!OnFastPath({stream, weight})) {
    const at::Tensor sum = branch.defined() ? stream + branch : stream;
    return {sum, reference::RmsNorm(sum, weight, eps)};
  }
  const Rows in(stream);
  // Without a branch the same memory, as another tensor: this one has another place in the graph.
  const at::Tensor sum = branch.defined() ? at::empty({in.rows, in.width}, stream.options()) : in.held.detach();
  at::Tensor normed = at::empty({in.rows, in.width}, stream.options()), scale = at::empty({in.rows}, stream.options());
  const Rows joins(branch.defined() ? branch : sum), sums(sum);
  constexpr int kTogether = 64;  // rows that are still in the first cache level when they are normed
  for (int first = 0; first < in.rows; first += kTogether) {
    const int count = std::min(kTogether, in.rows - first);
    for (int r = first; branch.defined() && r < first + count; ++r) {
      float* to = Data(sum) + static_cast<std::ptrdiff_t>(r) * in.width;
      CopyRow(in.data + r * in.stride, in.width, to);
      AddRow(joins.data + r * joins.stride, in.width, to);
    }
    RmsNormRows(sums.data + first * sums.stride, sums.stride, weight.const_data_ptr<float>(), static_cast<float>(eps), count, in.width,
                Data(normed) + static_cast<std::ptrdiff_t>(first) * in.width, in.width, Data(scale) + first);
  }
  auto outputs = Differentiable({sum, normed}, {stream, branch, weight},
                                [kept = sum.detach(), weight, scale, both = branch.defined()](const std::vector<at::Tensor>& grads) -> Gradients {
    const Rows x(kept), d_sum(grads[0]), dy(grads[1]);
    const at::Tensor dx = at::empty({x.rows, x.width}, kept.options()), dw = GradientSink(weight);
    RmsNormBackwardRows({x.data, x.stride, weight.const_data_ptr<float>(), scale.const_data_ptr<float>(), dy.data, dy.stride, d_sum.data, d_sum.stride}, x.rows, x.width,
                        Data(dx), x.width, Data(dw));
    return {dx, both ? dx : at::Tensor(), ForAutograd(weight, dw)};
  });
  return {outputs[0], outputs[1]};
}

std::vector<at::Tensor> NormParts(const at::Tensor& x, const std::vector<std::int64_t>& sizes, const std::vector<at::Tensor>& weights, double eps) {
  Check(sizes.size() == weights.size(), "each part has a weight, or an undefined one");
  if (!OnFastPath({x})) return reference::NormParts(x, sizes, weights, eps);
  const Rows in(x);
  std::vector<at::Tensor> parts, scales;  // of each run and row, [runs, N]
  std::int64_t first = 0;
  for (std::size_t p = 0; p < sizes.size(); first += sizes[p++]) {
    if (!weights[p].defined()) {
      parts.push_back(in.held.detach().narrow(1, first, sizes[p]).detach());  // the same memory, as a tensor with a place of its own in the graph
      scales.emplace_back();
      continue;
    }
    const std::int64_t size = weights[p].size(0), runs = sizes[p] / size;
    parts.push_back(at::empty({in.rows, sizes[p]}, x.options()));
    scales.push_back(at::empty({runs, in.rows}, x.options()));
    for (std::int64_t run = 0; run < runs; ++run) {
      RmsNormRows(in.data + first + run * size, in.stride, weights[p].const_data_ptr<float>(), static_cast<float>(eps), in.rows, static_cast<int>(size),
                  Data(parts[p]) + run * size, sizes[p], Data(scales[p]) + run * in.rows);
    }
  }
  std::vector<at::Tensor> inputs = {x};
  inputs.insert(inputs.end(), weights.begin(), weights.end());
  return Differentiable(parts, inputs, [x, sizes, weights, scales](const std::vector<at::Tensor>& grads) -> Gradients {
    const Rows in(x);
    const at::Tensor dx = at::empty({in.rows, in.width}, x.options());
    Gradients gradients = {dx};
    std::int64_t first = 0;
    for (std::size_t p = 0; p < sizes.size(); first += sizes[p++]) {
      const Rows dy(grads[p]);
      gradients.emplace_back();
      if (!weights[p].defined()) {
        for (int r = 0; r < in.rows; ++r) CopyRow(dy.data + r * dy.stride, dy.width, Data(dx) + static_cast<std::ptrdiff_t>(r) * in.width + first);
        continue;
      }
      const at::Tensor dw = GradientSink(weights[p]);
      const std::int64_t size = weights[p].size(0);
      for (std::int64_t run = 0; run < sizes[p] / size; ++run) {
        RmsNormBackwardRows({in.data + first + run * size, in.stride, weights[p].const_data_ptr<float>(), scales[p].const_data_ptr<float>() + run * in.rows,
                             dy.data + run * size, dy.stride}, in.rows, static_cast<int>(size), Data(dx) + first + run * size, in.width, Data(dw));
      }
      gradients.back() = ForAutograd(weights[p], dw);
    }
    return gradients;
  });
}

at::Tensor SwiGlu(const at::Tensor& gate_up) {
  if (!OnFastPath({gate_up})) return reference::SwiGlu(gate_up);
  const Rows in(gate_up);
  const int width = in.width / 2;
  at::Tensor y = at::empty({in.rows, width}, gate_up.options());
  SwiGluRows(in.data, in.stride, in.rows, width, Data(y), width);
  return Differentiable(y, {gate_up}, [gate_up, width](const at::Tensor& grad) -> Gradients {
    const Rows in(gate_up), dy(grad);
    at::Tensor dx = at::empty({in.rows, in.width}, grad.options());
    SwiGluBackwardRows(in.data, in.stride, dy.data, dy.stride, in.rows, width, Data(dx), in.width);
    return {dx};
  });
}

Routes Route(const at::Tensor& logits, const at::Tensor& bias, const RouterRule& rule, const at::Tensor& replayed) {
  if (!OnFastPath({logits, bias})) return reference::Route(logits, bias, rule, replayed);
  const Rows in(logits);
  at::Tensor experts = replayed.defined() ? replayed.clone() : at::full({in.rows, rule.chosen}, -1, at::kInt);
  at::Tensor weights = at::empty({in.rows, rule.chosen}, logits.options()), scores = at::empty({in.rows, rule.experts}, logits.options());
  for (int r = 0; r < in.rows; ++r) {
    const float* row = in.data + r * in.stride;
    std::int32_t* chosen = experts.mutable_data_ptr<std::int32_t>() + r * rule.chosen;
    float *weight = Data(weights) + r * rule.chosen, *score = Data(scores) + r * rule.experts;
    if (chosen[0] < 0) RouteToken(rule, row, bias.const_data_ptr<float>(), chosen, weight, score);
    else WeighExperts(rule, row, chosen, weight, score);
  }
  // w_k = scale s_k / sum s over the chosen; ds = (dw_k - sum_j dw_j w_j / scale) scale / sum s.
  auto outputs = Differentiable({weights, scores}, {logits}, [experts, scores = scores.detach(), rule](const std::vector<at::Tensor>& grads) -> Gradients {
    const Rows dw(grads[0]), ds(grads[1]), s(scores);
    at::Tensor dx = at::empty({s.rows, s.width}, scores.options());
    const std::int32_t* chosen = experts.const_data_ptr<std::int32_t>();
    for (int r = 0; r < s.rows; ++r, chosen += rule.chosen) {
      const float* score = s.data + r * s.stride;
      const float* d_weight = dw.data + r * dw.stride;
      float* out = Data(dx) + r * rule.experts;
      for (int e = 0; e < rule.experts; ++e) out[e] = ds.data[r * ds.stride + e];
      float sum = 1e-20f, pull = 0.0f;
      for (int k = 0; k < rule.chosen; ++k) sum += score[chosen[k]];
      for (int k = 0; k < rule.chosen; ++k) pull += d_weight[k] * score[chosen[k]] / sum;
      for (int k = 0; k < rule.chosen; ++k) {
        out[chosen[k]] += rule.normalize ? (d_weight[k] - pull) * rule.scale / sum : d_weight[k] * rule.scale;
      }
      float mean = 0.0f;
      for (int e = 0; e < rule.experts && rule.softmax; ++e) mean += out[e] * score[e];
      for (int e = 0; e < rule.experts; ++e) out[e] = rule.softmax ? score[e] * (out[e] - mean) : out[e] * (score[e] * (1.0f - score[e]));
    }
    return {dx};
  });
  return {experts, outputs[0], outputs[1]};
}

namespace {

// Rows sorted by expert: assignment i of expert e reads row token[i], with weight index slot[i].
struct Dispatch {
  std::vector<int> begin;  // [E + 1]
  std::vector<int> token, slot;
  int largest = 0;
};

Dispatch SortByExpert(const at::Tensor& experts, int count) {
  const int rows = static_cast<int>(experts.size(0)), chosen = static_cast<int>(experts.size(1));
  const std::int32_t* id = experts.const_data_ptr<std::int32_t>();
  Dispatch d;
  d.begin.assign(static_cast<std::size_t>(count) + 1, 0);
  for (int i = 0; i < rows * chosen; ++i) ++d.begin[id[i] + 1];
  for (int e = 0; e < count; ++e) {
    d.largest = std::max(d.largest, d.begin[e + 1]);
    d.begin[e + 1] += d.begin[e];
  }
  std::vector<int> next(d.begin.begin(), d.begin.end() - 1);
  d.token.resize(static_cast<std::size_t>(rows) * chosen);
  d.slot.resize(d.token.size());
  for (int i = 0; i < rows * chosen; ++i) {
    const int at = next[id[i]]++;
    d.token[at] = i / chosen;
    d.slot[at] = i;
  }
  return d;
}

void GatherRows(const Rows& from, const int* token, int count, float* to) {
  for (int i = 0; i < count; ++i) std::memcpy(to + static_cast<std::size_t>(i) * from.width, from.data + token[i] * from.stride, from.width * sizeof(float));
}

void ScatterAddRows(const float* from, int width, const int* token, int count, float* to) {
  for (int i = 0; i < count; ++i) {
    AddRow(from + static_cast<std::ptrdiff_t>(i) * width, width, to + static_cast<std::ptrdiff_t>(token[i]) * width);
  }
}

// The gradient of Experts(): one expert at a time, everything but the gate-up products computed again.
Gradients ExpertsBackward(const at::Tensor& x, const at::Tensor& weights, const at::Tensor& gate_up, const at::Tensor& down,
                          const at::Tensor& gate_ups, const Dispatch& d, const at::Tensor& grad, Products products, bool need_weights) {
  const Rows in(x), dy(grad);
  const int width = static_cast<int>(down.size(2)), count = static_cast<int>(gate_up.size(0));
  at::Tensor dx = at::zeros({in.rows, in.width}, x.options()), dw = at::zeros_like(weights);
  at::Tensor d_gate_up, d_down;  // stay undefined where the experts are frozen
  if (need_weights) d_gate_up = GradientSink(gate_up), d_down = GradientSink(down);
  const float* weight = weights.const_data_ptr<float>();
  const std::size_t most = static_cast<std::size_t>(d.largest);
  Floats xs(most * in.width), dys(most * in.width), act(most * width), d_act(most * width), d_products(most * 2 * width);
  for (int e = 0; e < count; ++e) {
    const int n = d.begin[e + 1] - d.begin[e];
    if (n == 0) continue;
    const int* token = d.token.data() + d.begin[e];
    const int* slot = d.slot.data() + d.begin[e];
    const float* gu = gate_ups.const_data_ptr<float>() + static_cast<std::size_t>(d.begin[e]) * 2 * width;
    const float* gate_up_e = gate_up.const_data_ptr<float>() + static_cast<std::size_t>(e) * 2 * width * in.width;
    const float* down_e = down.const_data_ptr<float>() + static_cast<std::size_t>(e) * in.width * width;
    GatherRows(in, token, n, xs.data());
    GatherRows(dy, token, n, dys.data());
    SwiGluRows(gu, 2 * width, n, width, act.data(), width);
    MultiplyOnce(dys.data(), in.width, n, {down_e, width, in.width, width, true}, products, d_act.data(), width);  // gradient of weight * act
    for (int i = 0; i < n; ++i) {
      float* a = act.data() + static_cast<std::size_t>(i) * width;
      float* da = d_act.data() + static_cast<std::size_t>(i) * width;
      const float w = weight[slot[i]];
      Data(dw)[slot[i]] = Dot(da, a, width);
      for (int c = 0; c < width; ++c) {
        a[c] *= w;
        da[c] *= w;
      }
    }
    if (need_weights) {
      AccumulateOuter(dys.data(), in.width, in.width, act.data(), width, width, n, Data(d_down) + static_cast<std::size_t>(e) * in.width * width, width, products);
    }
    SwiGluBackwardRows(gu, 2 * width, d_act.data(), width, n, width, d_products.data(), 2 * width);
    if (need_weights) {
      AccumulateOuter(d_products.data(), 2 * width, 2 * width, xs.data(), in.width, in.width, n,
                      Data(d_gate_up) + static_cast<std::size_t>(e) * 2 * width * in.width, in.width, products);
    }
    MultiplyOnce(d_products.data(), 2 * width, n, {gate_up_e, in.width, 2 * width, in.width, true}, products, xs.data(), in.width);
    ScatterAddRows(xs.data(), in.width, token, n, Data(dx));
  }
  if (need_weights) d_gate_up = ForAutograd(gate_up, d_gate_up), d_down = ForAutograd(down, d_down);
  return {dx, dw, d_gate_up, d_down};
}

}  // namespace

at::Tensor Experts(const at::Tensor& x, const Routes& routes, const at::Tensor& gate_up, const at::Tensor& down, Products products, const at::Tensor& others) {
  if (!OnFastPath({x, gate_up, down})) {
    const at::Tensor y = device::Experts(x, routes, gate_up, down, products);
    return others.defined() ? y + others : y;
  }
  const Rows in(x);
  const int width = static_cast<int>(down.size(2)), count = static_cast<int>(gate_up.size(0));
  Dispatch d = SortByExpert(routes.experts, count);
  const at::Tensor y = others.defined() ? others.detach().clone() : at::zeros({in.rows, in.width}, x.options());
  at::Tensor gate_ups = at::empty({static_cast<std::int64_t>(d.token.size()), 2 * width}, x.options());
  const float* weight = routes.weights.const_data_ptr<float>();
  Floats xs(static_cast<std::size_t>(d.largest) * in.width), act(static_cast<std::size_t>(d.largest) * width);
  for (int e = 0; e < count; ++e) {
    const int n = d.begin[e + 1] - d.begin[e];
    if (n == 0) continue;
    float* gu = Data(gate_ups) + static_cast<std::size_t>(d.begin[e]) * 2 * width;
    GatherRows(in, d.token.data() + d.begin[e], n, xs.data());
    MultiplyOnce(xs.data(), in.width, n, {gate_up.const_data_ptr<float>() + static_cast<std::size_t>(e) * 2 * width * in.width, 2 * width, in.width, in.width}, products, gu, 2 * width);
    SwiGluRows(gu, 2 * width, n, width, act.data(), width);
    for (int i = 0; i < n; ++i) {
      const float w = weight[d.slot[d.begin[e] + i]];
      for (int c = 0; c < width; ++c) act[static_cast<std::size_t>(i) * width + c] *= w;
    }
    MultiplyOnce(act.data(), width, n, {down.const_data_ptr<float>() + static_cast<std::size_t>(e) * in.width * width, in.width, width, width}, products, xs.data(), in.width);
    ScatterAddRows(xs.data(), in.width, d.token.data() + d.begin[e], n, Data(y));
  }
  return Differentiable(y, {x, routes.weights, gate_up, down, others},
                        [x, weights = routes.weights, gate_up, down, gate_ups, products,
                         need_weights = NeedsGradient({gate_up, down}), d = std::move(d)](const at::Tensor& grad) -> Gradients {
                          Gradients gradients = ExpertsBackward(x, weights, gate_up, down, gate_ups, d, grad, products, need_weights);
                          gradients.push_back(grad);
                          return gradients;
                        });
}

}  // namespace cogent::ops
