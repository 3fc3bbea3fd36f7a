// The operations of ops.h for tensors that our CPU kernels do not take: a GPU's, or other types. ATen's own operators in
// batches large enough for a GPU, and our kernels for experts and the head where they are built in (experts_cuda.cu, head_cuda.cu).
// Sums run in one order (no atomic additions), but those inside ATen's attention.
#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>

#include "core/error.h"
#include "policies/gradient.h"
#include "policies/ops.h"
#ifdef COGENT_TORCH_CUDA
#include <c10/cuda/CUDAStream.h>

#include "policies/experts_cuda.h"
#include "policies/head_cuda.h"
#endif

namespace cogent::device {
namespace {

using Indices = std::vector<std::int64_t>;

#ifdef COGENT_TORCH_CUDA
void* Stream() { return c10::cuda::getCurrentCUDAStream().stream(); }
#endif

at::Tensor On(const at::Tensor& like, const Indices& values) { return at::tensor(values, at::kLong).to(like.device()); }

// A product in bfloat16 where asked for: factors rounded, sums in float32, the result float32 again.
bool Rounds(const at::Tensor& x, Products products) { return products == Products::kBfloat16 && x.scalar_type() == at::kFloat; }

at::Tensor Product(const at::Tensor& x, const at::Tensor& weight, Products products) {
  if (!Rounds(x, products)) return at::linear(x, weight);
  return at::linear(x.to(at::kBFloat16), weight.to(at::kBFloat16)).to(at::kFloat);
}

// Pairs of a token and an expert by expert: experts_cuda.h says what is what. order and place_of int64 [pairs], begin int32 [E + 1].
struct ByExpert {
  at::Tensor order, place_of, begin;
};

ByExpert SortByExpert(const at::Tensor& experts, std::int64_t count) {  // int32 [pairs]
  const auto wide = experts.options().dtype(at::kLong);
#ifdef COGENT_TORCH_CUDA
  if (experts.is_cuda()) {
    ByExpert sorted{at::empty(experts.sizes(), wide), at::empty(experts.sizes(), wide), at::empty({count + 1}, experts.options())};
    const int error = cuda::SortByExpert(experts.const_data_ptr<std::int32_t>(), static_cast<int>(experts.numel()), static_cast<int>(count), sorted.order.mutable_data_ptr<std::int64_t>(),
                                         sorted.place_of.mutable_data_ptr<std::int64_t>(), sorted.begin.mutable_data_ptr<std::int32_t>(), Stream());
    Check(error == 0, "the GPU refused the kernel that sorts by expert");
    return sorted;
  }
#endif
  const at::Tensor order = experts.argsort(/*stable=*/true, 0, false), ends = at::bincount(experts, {}, count).cumsum(0);
  return {order, at::empty_like(order).scatter_(0, order, at::arange(experts.numel(), wide)), at::cat({at::zeros({1}, wide), ends}).to(at::kInt)};
}

// The product of rows by expert, x [rows, in] with weight [E, out, in] to y [rows, out], and its two gradients.
enum class GroupedResult { kY, kInputGradient, kWeightGradient };

// y from x and weight, dx from dy and weight, dweight from dy and x. On a GPU of float32 or bfloat16, and float32 then.
at::Tensor Multiply(GroupedResult result, const at::Tensor& a, const at::Tensor& b, const at::Tensor& begin, at::IntArrayRef weight_sizes) {
  const std::int64_t count = weight_sizes[0], out = weight_sizes[1], in = weight_sizes[2], rows = a.size(0);
  std::vector<std::int64_t> sizes = {rows, result == GroupedResult::kY ? out : in};
  if (result == GroupedResult::kWeightGradient) sizes = {count, out, in};
#ifdef COGENT_TORCH_CUDA
  if (a.is_cuda()) {
    const at::Tensor left = a.contiguous(), right = b.contiguous(), made = at::empty(sizes, a.options().dtype(at::kFloat));
    const cuda::Grouped shapes{a.scalar_type() == at::kBFloat16 ? cuda::Element::kBfloat16 : cuda::Element::kFloat32, begin.const_data_ptr<std::int32_t>(), static_cast<int>(count),
                               static_cast<int>(rows), static_cast<int>(in), static_cast<int>(out)};
    const auto kernel = result == GroupedResult::kY ? cuda::GroupedProduct : result == GroupedResult::kInputGradient ? cuda::GroupedInputGradient : cuda::GroupedWeightGradient;
    Check(kernel(shapes, left.const_data_ptr(), right.const_data_ptr(), made.mutable_data_ptr<float>(), Stream()) == 0, "the GPU refused the experts' kernel");
    return made;
  }
#endif
  const at::Tensor made = at::zeros(sizes, a.options());
  const std::int32_t* first = begin.const_data_ptr<std::int32_t>();
  for (std::int64_t e = 0; e < count; ++e) {
    const std::int64_t n = first[e + 1] - first[e];
    if (n == 0) continue;
    const at::Tensor own = a.narrow(0, first[e], n);
    if (result == GroupedResult::kY) made.narrow(0, first[e], n).copy_(at::linear(own, b[e]));
    if (result == GroupedResult::kInputGradient) made.narrow(0, first[e], n).copy_(at::mm(own, b[e]));
    if (result == GroupedResult::kWeightGradient) made[e].copy_(at::mm(own.t(), b.narrow(0, first[e], n)));
  }
  return made;
}

at::Tensor GroupedProduct(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& begin, Products products) {
  const auto type = Rounds(x, products) ? at::kBFloat16 : x.scalar_type();
  const at::Tensor own = x.detach().to(type), own_weight = weight.detach().to(type);
  const at::Tensor y = Multiply(GroupedResult::kY, own, own_weight, begin, weight.sizes()).to(x.scalar_type());
  return Differentiable(y, {x, weight}, [=, need_x = NeedsGradient({x}), need_weight = NeedsGradient({weight})](const at::Tensor& grad) -> Gradients {
    const at::Tensor dy = grad.to(type);
    const auto gradient = [&](bool needed, GroupedResult of, const at::Tensor& factor, const at::Tensor& like) {
      return needed ? Multiply(of, dy, factor, begin, own_weight.sizes()).to(like.scalar_type()) : at::Tensor();
    };
    return {gradient(need_x, GroupedResult::kInputGradient, own_weight, x), gradient(need_weight, GroupedResult::kWeightGradient, own, weight)};
  });
}

// Sequences of about one length that run as one padded batch; with a parent, all its children.
struct Together {
  int parent = -1;
  std::vector<int> segments;
  int longest = 0;
};

std::vector<Together> Batches(const std::vector<Segment>& segments) {
  std::map<std::pair<int, int>, Together> batches;  // by parent and, of those without one, length to the next power of two
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment& s = segments[i];
    if (s.size() == 0) continue;
    Together& batch = batches[{s.parent, s.parent >= 0 ? 0 : static_cast<int>(std::bit_width(static_cast<unsigned>(s.size() - 1)))}];
    batch.parent = s.parent;
    batch.segments.push_back(static_cast<int>(i));
    batch.longest = std::max(batch.longest, s.size());
  }
  std::vector<Together> result;
  for (auto& [key, batch] : batches) result.push_back(std::move(batch));
  return result;
}

constexpr std::int64_t kLogits = std::int64_t{1} << 24;  // numbers of logits held at a time

// Log-probabilities, entropies and log-sums of rows of logits, all [n].
struct HeadRows {
  at::Tensor logprobs, entropy, log_sums;
};

HeadRows ReduceHead(const at::Tensor& logits, const at::Tensor& targets, double temperature) {
#ifdef COGENT_TORCH_CUDA
  if (logits.is_cuda()) {
    const std::int64_t rows = logits.size(0);
    HeadRows r{at::empty({rows}, logits.options()), at::empty({rows}, logits.options()), at::empty({rows}, logits.options())};
    const int error = cuda::TokenLogprobs(logits.const_data_ptr<float>(), targets.const_data_ptr<std::int64_t>(), static_cast<int>(rows), static_cast<int>(logits.size(1)),
                                          static_cast<float>(temperature), r.logprobs.mutable_data_ptr<float>(), r.entropy.mutable_data_ptr<float>(),
                                          r.log_sums.mutable_data_ptr<float>(), Stream());
    Check(error == 0, "the GPU refused the head's kernel");
    return r;
  }
#endif
  const at::Tensor cold = logits / temperature, log_sums = at::logsumexp(cold, -1);
  const at::Tensor logp = cold - log_sums.unsqueeze(-1);
  return {logp.gather(-1, targets.unsqueeze(-1)).squeeze(-1), -(logp.exp() * logp).sum(-1), log_sums};
}

// Turns the logits into the gradient of sum(d_logprobs * logprobs + d_entropy * entropy).
at::Tensor HeadGradient(const at::Tensor& logits, const at::Tensor& targets, double temperature, const HeadRows& r, const at::Tensor& d_logprobs,
                        const at::Tensor& d_entropy) {
#ifdef COGENT_TORCH_CUDA
  if (logits.is_cuda()) {
    const int error = cuda::TokenLogprobsBackward(logits.mutable_data_ptr<float>(), targets.const_data_ptr<std::int64_t>(), static_cast<int>(logits.size(0)),
                                                  static_cast<int>(logits.size(1)), static_cast<float>(temperature), r.log_sums.const_data_ptr<float>(),
                                                  r.entropy.const_data_ptr<float>(), d_logprobs.const_data_ptr<float>(), d_entropy.const_data_ptr<float>(), Stream());
    Check(error == 0, "the GPU refused the head's kernel");
    return logits;
  }
#endif
  const auto column = [&](const at::Tensor& t) { return t.to(logits.scalar_type()).unsqueeze(-1); };
  const at::Tensor logp = logits / temperature - column(r.log_sums);
  const at::Tensor gradient = -logp.exp() * (column(d_logprobs) + column(d_entropy) * (logp + column(r.entropy)));
  return gradient.scatter_add(-1, targets.unsqueeze(-1), column(d_logprobs)) / temperature;
}

}  // namespace

at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, Products products, const LowRank& adapters) {
  if (!Rounds(x, products)) return reference::Linear(x, weight, bias, adapters);
  const at::Tensor y = Product(x, weight, products);
  const at::Tensor full = bias.defined() ? y + bias : y;
  return adapters.down.defined() ? reference::AddAdapters(full, x, adapters) : full;
}

at::Tensor Rotate(const at::Tensor& x, const Rotation& rotation, bool halves) { return reference::Rotate(x, rotation, halves).to(x.scalar_type()); }

at::Tensor Attention(const at::Tensor& q, const at::Tensor& kv, const at::Tensor& key_rope, const Rotation& rotation, const Heads& h,
                     const std::vector<Segment>& segments) {
  const bool halves = h.groups > 0;
  const at::Tensor q3 = q.reshape({-1, h.count, h.nope + h.rope}), kv3 = kv.reshape({-1, h.ValueHeads(), h.nope + h.value});
  const at::Tensor queries = at::cat({q3.narrow(-1, 0, h.nope), Rotate(q3.narrow(-1, h.nope, h.rope), rotation, halves)}, -1);
  const at::Tensor rope = Rotate(key_rope.reshape({-1, h.RopeHeads(), h.rope}), rotation, halves);  // [N, RopeHeads, dr]
  const at::Tensor keys = at::cat({kv3.narrow(-1, 0, h.nope), rope.expand({-1, h.ValueHeads(), -1})}, -1), values = kv3.narrow(-1, h.nope, h.value);
  std::vector<at::Tensor> parts;
  Indices from(static_cast<std::size_t>(q.size(0)));  // of each row: where in the parts it is
  std::int64_t before = 0;
  for (const Together& batch : Batches(segments)) {
    const std::int64_t count = static_cast<std::int64_t>(batch.segments.size()), longest = batch.longest;
    Indices rows;  // of each place of the padded batch
    for (const int s : batch.segments) {
      for (int i = 0; i < batch.longest; ++i) {
        const bool real = i < segments[s].size();
        rows.push_back(segments[s].begin + (real ? i : 0));
        if (real) from[static_cast<std::size_t>(rows.back())] = before + static_cast<std::int64_t>(rows.size()) - 1;
      }
    }
    before += count * longest;
    const at::Tensor which = On(q, rows);
    const auto padded = [&](const at::Tensor& t) { return t.index_select(0, which).view({count, longest, t.size(1), t.size(2)}).transpose(1, 2); };  // [S, H, L, d]
    at::Tensor k = padded(keys), v = padded(values);
    std::optional<at::Tensor> mask;
    if (batch.parent >= 0) {
      const Segment& parent = segments[batch.parent];
      const auto behind = [&](const at::Tensor& all, const at::Tensor& own) {
        const at::Tensor shared = all.narrow(0, parent.begin, parent.size()).transpose(0, 1).unsqueeze(0);  // [1, H, P, d]
        return at::cat({shared.expand({count, -1, -1, -1}), own}, 2);
      };
      k = behind(keys, k), v = behind(values, v);
      mask = at::ones({longest, k.size(2)}, q.options().dtype(at::kBool)).tril(parent.size());
    }
    // A place of padding stands behind the real ones, so that the causal mask hides it from them.
    const at::Tensor mixed = at::scaled_dot_product_attention(padded(queries), k, v, mask, 0.0, !mask, h.scale, h.groups > 0);
    parts.push_back(mixed.transpose(1, 2).reshape({count * longest, -1}));
  }
  return at::cat(parts).index_select(0, On(q, from));
}

at::Tensor Experts(const at::Tensor& x, const Routes& routes, const at::Tensor& gate_up, const at::Tensor& down, Products products) {
  const std::int64_t rows = x.size(0), chosen = routes.experts.size(1), pairs = rows * chosen;
  const ByExpert sorted = SortByExpert(routes.experts.to(at::kInt).flatten(), gate_up.size(0));
  const at::Tensor weights = routes.weights.to(x.scalar_type()).reshape({rows, chosen, 1});
  // Repeated first, so that each row of its gradient comes from one place, and the sum over the pairs has an order.
  const at::Tensor repeated = x.unsqueeze(1).expand({-1, chosen, -1}).reshape({pairs, -1}).index_select(0, sorted.order);  // [N K, D]
  const at::Tensor act = reference::SwiGlu(GroupedProduct(repeated, gate_up, sorted.begin, products));
  const at::Tensor y = GroupedProduct(act, down, sorted.begin, products).index_select(0, sorted.place_of);
  return (y.view({rows, chosen, -1}) * weights).sum(1);
}

TokenStats TokenLogprobs(const at::Tensor& x, const at::Tensor& head, const std::vector<std::int64_t>& rows, const std::vector<std::int64_t>& targets,
                         double temperature, Products gradients) {
  const at::Tensor which = On(x, rows), ids = On(x, targets), own = x.detach(), own_head = head.detach();
  const auto count = static_cast<std::int64_t>(rows.size()), chunk = std::clamp<std::int64_t>(kLogits / head.size(0), 16, 4096);
  // take(first, n, hidden rows, logits) for every chunk; logits are float32, or wider where x is.
  const auto each = [=](const auto& take) {
    for (std::int64_t first = 0; first < count; first += chunk) {
      const std::int64_t n = std::min(chunk, count - first);
      const at::Tensor hidden = own.index_select(0, which.narrow(0, first, n)), logits = at::linear(hidden, own_head);
      take(first, n, hidden, logits.scalar_type() == at::kDouble ? logits : logits.to(at::kFloat));
    }
  };
  const auto type = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  HeadRows all{at::empty({count}, x.options().dtype(type)), {}, {}};
  all.entropy = at::empty_like(all.logprobs), all.log_sums = at::empty_like(all.logprobs);
  each([&](std::int64_t first, std::int64_t n, const at::Tensor&, const at::Tensor& logits) {
    const HeadRows part = ReduceHead(logits, ids.narrow(0, first, n), temperature);
    all.logprobs.narrow(0, first, n).copy_(part.logprobs);
    all.entropy.narrow(0, first, n).copy_(part.entropy);
    all.log_sums.narrow(0, first, n).copy_(part.log_sums);
  });
  const auto outputs = Differentiable({all.logprobs, all.entropy}, {x, head},
                                      [=, need_head = NeedsGradient({head}), kept = HeadRows{{}, all.entropy.clone(), all.log_sums}](const std::vector<at::Tensor>& grads) -> Gradients {
    const at::Tensor d_logprobs = grads[0].contiguous(), d_entropy = grads[1].contiguous();
    at::Tensor dx = at::zeros_like(own), dhead;
    if (need_head) dhead = at::zeros_like(own_head);
    each([&](std::int64_t first, std::int64_t n, const at::Tensor& hidden, const at::Tensor& logits) {
      const auto part = [&](const at::Tensor& t) { return t.narrow(0, first, n); };
      const at::Tensor gradient =
          HeadGradient(logits, part(ids), temperature, {{}, part(kept.entropy), part(kept.log_sums)}, part(d_logprobs), part(d_entropy)).to(own.scalar_type());  // [n, V]
      dx.index_put_({part(which)}, Product(gradient, own_head.t(), gradients), /*accumulate=*/true);
      if (need_head) dhead.add_(Product(gradient.t(), hidden.t(), gradients));
    });
    return {dx, dhead};
  });
  return {outputs[0], outputs[1]};
}

}  // namespace cogent::device
