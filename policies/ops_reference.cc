// The operations of ops.h in plain ATen: the definition.
#include <ATen/ATen.h>

#include "policies/ops.h"

namespace cogent::reference {

at::Tensor Rotate(const at::Tensor& x, const Rotation& rotation, bool halves) {
  const std::int64_t where = halves ? -2 : -1;
  const at::Tensor pairs = halves ? x.unflatten(-1, {2, -1}) : x.unflatten(-1, {-1, 2});  // [N, H, 2, dr/2] or [N, H, dr/2, 2]
  const at::Tensor a = pairs.select(where, 0), b = pairs.select(where, 1);                // [N, H, dr/2]
  const at::Tensor c = rotation.cosines.unsqueeze(1), s = rotation.sines.unsqueeze(1);
  return at::stack({a * c - b * s, b * c + a * s}, where).flatten(-2);
}

at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const LowRank& adapters) {
  const at::Tensor y = at::linear(x, weight, bias);
  return adapters.down.defined() ? AddAdapters(y, x, adapters) : y;
}

at::Tensor AddAdapters(at::Tensor y, const at::Tensor& x, const LowRank& adapters) {
  const at::Tensor u = at::linear(x, adapters.down) * adapters.scale;  // [N, parts r]
  const std::int64_t rank = u.size(1) / static_cast<std::int64_t>(adapters.up.size());
  for (std::size_t p = 0; p < adapters.up.size(); ++p) {
    const at::Tensor part = at::linear(u.narrow(1, static_cast<std::int64_t>(p) * rank, rank), adapters.up[p]);
    y = y + at::constant_pad_nd(part, {adapters.first[p], y.size(1) - adapters.first[p] - part.size(1)});
  }
  return y;
}

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.to(at::kFloat);
  return (wide * at::rsqrt(wide.square().mean(-1, true) + eps)).to(x.scalar_type()) * weight;
}

std::vector<at::Tensor> NormParts(const at::Tensor& x, const std::vector<std::int64_t>& sizes, const std::vector<at::Tensor>& weights, double eps) {
  auto parts = x.split_with_sizes(sizes, 1);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (weights[p].defined()) parts[p] = RmsNorm(parts[p].reshape({-1, weights[p].size(0)}), weights[p], eps).reshape({x.size(0), sizes[p]});
  }
  return parts;
}

at::Tensor SwiGlu(const at::Tensor& gate_up) {
  const auto halves = gate_up.chunk(2, -1);
  return at::silu(halves[0]) * halves[1];
}

at::Tensor Attention(const at::Tensor& q, const at::Tensor& kv, const at::Tensor& key_rope, const Rotation& rotation,
                     const Heads& h, const std::vector<Segment>& segments) {
  const bool halves = h.groups > 0;
  const auto of_each_head = [&](const at::Tensor& t) { return t.repeat_interleave(h.count / t.size(1), 1); };
  const at::Tensor q3 = q.reshape({-1, h.count, h.nope + h.rope}), kv3 = of_each_head(kv.reshape({-1, h.ValueHeads(), h.nope + h.value}));
  const at::Tensor queries = at::cat({q3.narrow(-1, 0, h.nope), Rotate(q3.narrow(-1, h.nope, h.rope), rotation, halves)}, -1);
  const at::Tensor shared = of_each_head(Rotate(key_rope.reshape({-1, h.RopeHeads(), h.rope}), rotation, halves));
  const at::Tensor keys = at::cat({kv3.narrow(-1, 0, h.nope), shared}, -1), values = kv3.narrow(-1, h.nope, h.value);
  std::vector<at::Tensor> out;
  for (const Segment& segment : segments) {
    const auto rows = [&](const at::Tensor& t) { return t.narrow(0, segment.begin, segment.size()); };
    at::Tensor k = rows(keys), v = rows(values);
    if (segment.parent >= 0) {
      const Segment& parent = segments[segment.parent];
      k = at::cat({keys.narrow(0, parent.begin, parent.size()), k});
      v = at::cat({values.narrow(0, parent.begin, parent.size()), v});
    }
    const at::Tensor scores = at::einsum("qhd,khd->hqk", {rows(queries), k}) * h.scale;
    const at::Tensor later = at::ones({segment.size(), k.size(0)}, scores.options().dtype(at::kBool)).triu(k.size(0) - segment.size() + 1);
    const at::Tensor p = at::softmax(scores.to(at::kFloat).masked_fill(later, -INFINITY), -1).to(v.scalar_type());
    out.push_back(at::einsum("hqk,khd->qhd", {p, v}).flatten(1));
  }
  return at::cat(out);
}

Routes Route(const at::Tensor& logits, const at::Tensor& bias, const RouterRule& rule, const at::Tensor& replayed) {
  const at::Tensor wide = logits.to(at::kFloat);
  const at::Tensor scores = rule.softmax ? at::softmax(wide, -1) : at::sigmoid(wide);   // [N, E]
  at::Tensor biased = (scores + bias).detach();
  if (rule.groups > 1) {
    const at::Tensor grouped = biased.unflatten(-1, {rule.groups, -1});                // [N, G, E/G]
    const at::Tensor best = std::get<0>(grouped.topk(2, -1)).sum(-1);                  // [N, G]
    const at::Tensor kept = std::get<1>(best.topk(rule.kept_groups, -1));
    const at::Tensor dropped = at::ones_like(best).scatter(-1, kept, 0).to(at::kBool);
    biased = grouped.masked_fill(dropped.unsqueeze(-1), -INFINITY).flatten(-2);
  }
  at::Tensor chosen = std::get<0>(std::get<1>(biased.topk(rule.chosen, -1)).sort(-1));  // [N, K]
  if (replayed.defined()) {
    const at::Tensor before = replayed.to(chosen.device(), at::kLong);
    chosen = at::where(before.narrow(1, 0, 1).ge(0), before, chosen);
  }
  at::Tensor weights = scores.gather(-1, chosen);
  if (rule.normalize) weights = weights / (weights.sum(-1, true) + 1e-20);
  return {chosen.to(at::kInt), weights * rule.scale, scores};
}

at::Tensor Experts(const at::Tensor& x, const Routes& routes, const at::Tensor& gate_up, const at::Tensor& down) {
  at::Tensor y = at::zeros_like(x);
  for (std::int64_t e = 0; e < gate_up.size(0); ++e) {
    const at::Tensor where = routes.experts.eq(e).nonzero();                           // [n, 2]: row, slot
    if (where.size(0) == 0) continue;
    const at::Tensor row = where.select(1, 0);
    const at::Tensor weight = routes.weights.index({row, where.select(1, 1)}).unsqueeze(-1).to(x.scalar_type());
    y = y.index_add(0, row, at::linear(SwiGlu(at::linear(x.index({row}), gate_up[e])) * weight, down[e]));
  }
  return y;
}

TokenStats TokenLogprobs(const at::Tensor& x, const at::Tensor& head, const std::vector<std::int64_t>& rows,
                         const std::vector<std::int64_t>& targets, double temperature) {
  const auto ids = [&](const std::vector<std::int64_t>& v) { return at::tensor(v, at::kLong).to(x.device()); };
  const at::Tensor logits = at::linear(x.index({ids(rows)}), head).to(at::kFloat) / temperature;
  const at::Tensor logprobs = at::log_softmax(logits, -1);                             // [M, V]
  return {logprobs.gather(-1, ids(targets).unsqueeze(-1)).squeeze(-1), -(logprobs.exp() * logprobs).sum(-1)};
}

}  // namespace cogent::reference
