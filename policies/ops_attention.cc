// Grouped attention, and multi-head latent attention in its expanded form, on packed rows: the CPU kernel of training.
//
// For one segment and one head at a time, scores are computed for a block of queries against the keys
// up to the block's last one; the backward pass computes the probabilities again from the saved
// log-sum-exp of each row (FlashAttention-2, arXiv 2307.08691, section 3), so that memory grows with
// the length and not with its square.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "policies/gradient.h"
#include "policies/ops.h"
#include "policies/ops_rows.h"

namespace cogent::ops {
namespace {

constexpr int kQueries = 32;  // queries a block

// One head's rows of one segment, its parent's keys in front. Keys are [n, dn + dr], rotated.
struct HeadView {
  const Heads& h;
  const float* q;      // rotated queries times the scale, [N, H (dn + dr)]
  const float* kv;     // [N, ValueHeads (dn + dv)]
  std::ptrdiff_t kv_stride;
  const float* key_rope;  // rotated [N, RopeHeads dr]
  Floats keys, values;
  std::vector<int> rows;  // of each key

  // Whether `head` has other keys and values than the head before it.
  bool IsNew(int head) const { return head == 0 || h.ValueHead(head) != h.ValueHead(head - 1); }

  void Gather(const Segment& segment, const Segment* parent, int head) {
    rows.clear();
    if (parent) for (int r = parent->begin; r < parent->end; ++r) rows.push_back(r);
    for (int r = segment.begin; r < segment.end; ++r) rows.push_back(r);
    const int dk = h.nope + h.rope;
    keys.resize(rows.size() * dk);
    values.resize(rows.size() * h.value);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const float* from = kv + rows[i] * kv_stride + h.ValueHead(head) * (h.nope + h.value);
      CopyRow(from, h.nope, keys.data() + i * dk);
      CopyRow(key_rope + (static_cast<std::ptrdiff_t>(rows[i]) * h.RopeHeads() + h.RopeHead(head)) * h.rope, h.rope, keys.data() + i * dk + h.nope);
      CopyRow(from + h.nope, h.value, values.data() + i * h.value);
    }
  }
};

// v with `filler` from lane `used` on.
Vec FirstLanes(Vec v, int used, float filler) {
  IntVec lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  return lane < used ? v : Fill(filler);
}

// Row of scores -> probabilities over the first `seen` entries, zeros to `width`, a multiple of the lanes. Returns log-sum-exp.
float SoftmaxRow(float* s, int seen, int width) {
  constexpr float kNever = -std::numeric_limits<float>::max();
  const int last = (seen - 1) / kLanes * kLanes;  // of the vectors in which something is seen
  const Vec rest = FirstLanes(Load(s + last), seen - last, kNever);
  Vec tops = rest;
  for (int i = 0; i < last; i += kLanes) tops = Max(tops, Load(s + i));
  const float top = Largest(tops);
  Vec sums{};
  for (int i = 0; i <= last; i += kLanes) {
    const Vec e = Exp((i < last ? Load(s + i) : rest) - top);
    Store(s + i, e);
    sums += e;
  }
  const float sum = Sum(sums), inverse = 1.0f / sum;
  for (int i = 0; i <= last; i += kLanes) Store(s + i, Load(s + i) * inverse);
  for (int i = last + kLanes; i < width; i += kLanes) Store(s + i, Vec{});
  return top + std::log(sum);
}

int RoundUp(int n) { return (n + 2 * kLanes - 1) / (2 * kLanes) * (2 * kLanes); }

// `heads` heads a row, each with `before` numbers that are not rotated; then all of them times `scale`.
void RotateRows(const float* from, std::ptrdiff_t from_stride, float* to, int rows, int heads, int before, const Heads& h, const Rotation& rotation,
                float direction, float scale = 1.0f) {
  const int size = before + h.rope, pairs = h.rope / 2;
  const auto rotate = h.groups > 0 ? RotateHalves : RotatePairs;
  const float* cosines = rotation.cosines.const_data_ptr<float>();
  const float* sines = rotation.sines.const_data_ptr<float>();
  std::vector<float> turned(static_cast<std::size_t>(pairs));
  for (int r = 0; r < rows; ++r) {
    for (int i = 0; i < pairs; ++i) turned[i] = sines[r * pairs + i] * direction;
    float* row = to + static_cast<std::ptrdiff_t>(r) * heads * size;
    if (row != from + r * from_stride) std::copy_n(from + r * from_stride, heads * size, row);
    for (int j = 0; j < heads; ++j) rotate(row + j * size + before, cosines + r * pairs, turned.data(), pairs);
    if (scale != 1.0f) for (int d = 0; d < heads * size; ++d) row[d] *= scale;
  }
}

void Forward(HeadView& view, const std::vector<Segment>& segments, float* out, float* log_sums, int total_rows) {
  const Heads& h = view.h;
  const int dk = h.nope + h.rope, q_width = h.count * dk, out_width = h.count * h.value;
  PackedMatrix keys, values;
  Floats scores;
  for (const Segment& segment : segments) {
    const Segment* parent = segment.parent >= 0 ? &segments[segment.parent] : nullptr;
    const int before = parent ? parent->size() : 0, n = before + segment.size(), stride = RoundUp(n);
    scores.resize(static_cast<std::size_t>(kQueries) * stride);
    for (int head = 0; head < h.count; ++head) {
      if (view.IsNew(head)) {
        view.Gather(segment, parent, head);
        keys.Pack(view.keys.data(), n, dk, dk);
        values.PackTransposed(view.values.data(), n, h.value, h.value);
      }
      for (int first = 0; first < segment.size(); first += kQueries) {
        const int count = std::min(kQueries, segment.size() - first), seen = before + first + count, row = segment.begin + first;
        keys.Multiply(view.q + static_cast<std::ptrdiff_t>(row) * q_width + head * dk, q_width, count, scores.data(), stride,
                      PackedMatrix::Into::kReplace, nullptr, {.columns = seen});
        for (int i = 0; i < count; ++i) {
          log_sums[static_cast<std::ptrdiff_t>(head) * total_rows + row + i] =
              SoftmaxRow(scores.data() + static_cast<std::size_t>(i) * stride, before + first + i + 1, RoundUp(seen));
        }
        values.Multiply(scores.data(), stride, count, out + static_cast<std::ptrdiff_t>(row) * out_width + head * h.value, out_width,
                        PackedMatrix::Into::kReplace, nullptr, {.depth = seen});
      }
    }
  }
}

// What the backward pass reads and adds to; all over N rows.
struct BackwardRows {
  const float *grad, *log_sums;
  std::ptrdiff_t grad_stride;
  float *d_q, *d_kv, *d_key_rope;  // of the rotated and scaled q, and of the rotated key_rope
  int total_rows;
};

void BackwardHead(const HeadView& view, const Segment& segment, int before, int head, const BackwardRows& b, PackedMatrix& keys,
                  PackedMatrix& keys_back, PackedMatrix& values_back, Floats& scratch) {
  const Heads& h = view.h;
  const int dk = h.nope + h.rope, q_width = h.count * dk, n = before + segment.size(), stride = RoundUp(n);
  float* p = Room(scratch, static_cast<std::size_t>(2 * kQueries) * stride + static_cast<std::size_t>(n) * (dk + h.value));
  float* dp = p + static_cast<std::ptrdiff_t>(kQueries) * stride;
  float* d_keys = dp + static_cast<std::ptrdiff_t>(kQueries) * stride;
  float* d_values = d_keys + static_cast<std::ptrdiff_t>(n) * dk;
  std::fill_n(d_keys, static_cast<std::ptrdiff_t>(n) * (dk + h.value), 0.0f);
  if (view.IsNew(head)) {
    keys.Pack(view.keys.data(), n, dk, dk);
    keys_back.PackTransposed(view.keys.data(), n, dk, dk);
    values_back.Pack(view.values.data(), n, h.value, h.value);
  }
  for (int first = 0; first < segment.size(); first += kQueries) {
    const int count = std::min(kQueries, segment.size() - first), seen = before + first + count, row = segment.begin + first, width = RoundUp(seen);
    const float* q = view.q + static_cast<std::ptrdiff_t>(row) * q_width + head * dk;
    const float* d_out = b.grad + row * b.grad_stride + head * h.value;
    keys.Multiply(q, q_width, count, p, stride, PackedMatrix::Into::kReplace, nullptr, {.columns = seen});
    values_back.Multiply(d_out, b.grad_stride, count, dp, stride, PackedMatrix::Into::kReplace, nullptr, {.columns = seen});
    for (int i = 0; i < count; ++i) {
      float* pi = p + static_cast<std::ptrdiff_t>(i) * stride;
      float* di = dp + static_cast<std::ptrdiff_t>(i) * stride;
      const int own = before + first + i + 1;
      const float log_sum = b.log_sums[static_cast<std::ptrdiff_t>(head) * b.total_rows + row + i];
      const int last = (own - 1) / kLanes * kLanes;
      Store(di + last, FirstLanes(Load(di + last), own - last, 0.0f));  // what the row does not see may be anything
      Vec dots{};
      for (int j = 0; j <= last; j += kLanes) {
        Vec probability = Exp(Load(pi + j) - log_sum);
        if (j == last) probability = FirstLanes(probability, own - last, 0.0f);
        Store(pi + j, probability);
        dots += probability * Load(di + j);
      }
      const float mean = own == 1 ? di[0] : Sum(dots);  // of a single key the gradient is 0, not what rounding leaves
      for (int j = 0; j <= last; j += kLanes) Store(di + j, Load(pi + j) * (Load(di + j) - mean));
      for (int j = last + kLanes; j < width; j += kLanes) Store(pi + j, Vec{}), Store(di + j, Vec{});
    }
    keys_back.Multiply(dp, stride, count, b.d_q + static_cast<std::ptrdiff_t>(row) * q_width + head * dk, q_width, PackedMatrix::Into::kReplace, nullptr,
                       {.depth = seen});
    AccumulateOuter(dp, stride, seen, q, q_width, dk, count, d_keys, dk);
    AccumulateOuter(p, stride, seen, d_out, b.grad_stride, h.value, count, d_values, h.value);
  }
  for (int j = 0; j < n; ++j) {
    const auto row = static_cast<std::ptrdiff_t>(view.rows[j]);
    float* to = b.d_kv + (row * h.ValueHeads() + h.ValueHead(head)) * (h.nope + h.value);
    float* rope = b.d_key_rope + (row * h.RopeHeads() + h.RopeHead(head)) * h.rope;
    AddRow(d_keys + static_cast<std::ptrdiff_t>(j) * dk, h.nope, to);
    AddRow(d_keys + static_cast<std::ptrdiff_t>(j) * dk + h.nope, h.rope, rope);
    AddRow(d_values + static_cast<std::ptrdiff_t>(j) * h.value, h.value, to + h.nope);
  }
}

}  // namespace

at::Tensor Attention(const at::Tensor& q, const at::Tensor& kv, const at::Tensor& key_rope, const Rotation& rotation,
                     const Heads& heads, const std::vector<Segment>& segments) {
  if (!OnFastPath({q, kv, key_rope})) return device::Attention(q, kv, key_rope, rotation, heads, segments);
  const Rows q_rows(q), kv_rows(kv), k_rows(key_rope);
  const int n = q_rows.rows;
  at::Tensor turned_q = at::empty({n, q_rows.width}, q.options()), turned_k = at::empty({n, k_rows.width}, q.options());
  const float scale = static_cast<float>(heads.scale);
  RotateRows(q_rows.data, q_rows.stride, Data(turned_q), n, heads.count, heads.nope, heads, rotation, 1.0f, scale);
  RotateRows(k_rows.data, k_rows.stride, Data(turned_k), n, heads.RopeHeads(), 0, heads, rotation, 1.0f);
  at::Tensor out = at::empty({n, heads.count * heads.value}, q.options()), log_sums = at::empty({heads.count, n}, q.options());
  HeadView view{heads, Data(turned_q), kv_rows.data, kv_rows.stride, Data(turned_k), {}, {}, {}};
  Forward(view, segments, Data(out), Data(log_sums), n);
  return Differentiable(out, {q, kv, key_rope}, [=](const at::Tensor& grad) -> Gradients {
    const Rows kv_rows(kv), dy(grad);
    at::Tensor d_q = at::empty_like(turned_q), d_kv = at::zeros({n, kv_rows.width}, kv.options()), d_k = at::zeros_like(turned_k);
    HeadView view{heads, Data(turned_q), kv_rows.data, kv_rows.stride, Data(turned_k), {}, {}, {}};
    const BackwardRows b{dy.data, Data(log_sums), dy.stride, Data(d_q), Data(d_kv), Data(d_k), n};
    PackedMatrix keys, keys_back, values_back;
    Floats scratch;
    for (const Segment& segment : segments) {
      const Segment* parent = segment.parent >= 0 ? &segments[segment.parent] : nullptr;
      for (int head = 0; head < heads.count; ++head) {
        if (view.IsNew(head)) view.Gather(segment, parent, head);
        BackwardHead(view, segment, parent ? parent->size() : 0, head, b, keys, keys_back, values_back, scratch);
      }
    }
    RotateRows(Data(d_q), static_cast<std::ptrdiff_t>(heads.count) * (heads.nope + heads.rope), Data(d_q), n, heads.count, heads.nope, heads, rotation, -1.0f, scale);
    RotateRows(Data(d_k), static_cast<std::ptrdiff_t>(heads.RopeHeads()) * heads.rope, Data(d_k), n, heads.RopeHeads(), 0, heads, rotation, -1.0f);
    return {d_q, d_kv, d_k};
  });
}

}  // namespace cogent::ops
