// The differentiable operations that a decoder is made of, on packed rows: no padding anywhere.
//
// Each has implementations with equal results: our fused CPU kernels (float32 on the CPU); `device::`, ATen's operators in
// large batches, for all other tensors; and `reference::`, the definition in plain ATen, which the tests hold
// both against. Legend: N rows (tokens), D width, H heads, E experts, K experts a
// token, V vocabulary; dn, dr, dv head sizes without position, with position, of values.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "policies/kernels.h"

namespace cogent {

// A run of rows that is one sequence, or the continuation of another: with `parent` >= 0 its tokens
// follow those of segment `parent` (a prompt shared by a group) and see them, too.
struct Segment {
  int begin = 0, end = 0;  // rows
  int parent = -1;         // an earlier segment, itself without a parent
  int size() const { return end - begin; }
};

// Precomputed cosines and sines of every row, [N, dr / 2].
struct Rotation {
  at::Tensor cosines, sines;
};

// Latent attention has keys and values of each head and one rotated key for all; grouped attention has `groups` heads of
// keys, all of them rotated, and of values, each for a run of neighbouring query heads.
struct Heads {
  int count = 0, nope = 0, rope = 0, value = 0;
  double scale = 1.0;  // of the scores
  int groups = 0;      // 0 = latent
  int ValueHeads() const { return groups > 0 ? groups : count; }
  int RopeHeads() const { return groups > 0 ? groups : 1; }
  int ValueHead(int head) const { return head / (count / ValueHeads()); }
  int RopeHead(int head) const { return head / (count / RopeHeads()); }
};

struct Routes {
  at::Tensor experts;  // int32 [N, K], rising
  at::Tensor weights;  // [N, K], carries the gradient to the router
  at::Tensor scores;   // [N, E], of all experts, carries the gradient too
};

struct TokenStats {
  at::Tensor logprobs;  // [M] of the target of each row, nats
  at::Tensor entropy;   // [M] of each row's distribution, nats
};

// Of the head: logits are float32 where nothing else is said, the products of their gradient what training has.
struct HeadProducts {
  Products gradients = Products::kFloat32, logits = Products::kFloat32;
};

// Adapters of a matrix or of parts of it (LoRA, arXiv 2106.09685): to the outputs from first[p] on comes
// scale * up[p] down_p x. Always float32.
struct LowRank {
  at::Tensor down;                  // A of every part, one behind another, [parts r, in]
  std::vector<at::Tensor> up;       // B of each part, [rows of the part, r]
  std::vector<std::int64_t> first;  // of each part
  double scale = 1.0;
  bool merged = false;  // multiply by their sum with the weight, as sampling does, which is another rounding; on the CPU
};

// The stream of hidden states behind a branch that joined it, and its norm.
struct Joined {
  at::Tensor stream, normed;  // [N, D]
};

namespace ops {

// [N, in], [out, in] -> [N, out], plus the adapters where there are any. `products` also holds for the gradients.
at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {}, Products products = Products::kFloat32,
                  const LowRank& adapters = {});
at::Tensor Embedding(const at::Tensor& weight, const at::Tensor& ids);                               // [V, D], int64 [N] -> [N, D]
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);                       // [N, D] -> [N, D]
// stream + branch, and the RmsNorm of that; without a branch the stream as it is. Whoever reads the stream and its norm both uses this:
// their gradients are then one tensor from the start.
Joined JoinAndNorm(const at::Tensor& stream, const at::Tensor& branch, const at::Tensor& weight, double eps);
// The parts of each row, `sizes` wide, one behind another. Of a part with a weight every run of as many numbers as the weight has is normed
// by itself: a compressed query, or each head of a query. A part without one is passed on as it is.
std::vector<at::Tensor> NormParts(const at::Tensor& x, const std::vector<std::int64_t>& sizes, const std::vector<at::Tensor>& weights, double eps);
at::Tensor SwiGlu(const at::Tensor& gate_up);                                                        // [N, 2 D] -> [N, D]
// q [N, H (dn + dr)] and the keys' rotary part [N, RopeHeads dr] come unrotated; kv [N, ValueHeads (dn + dv)] -> [N, H dv].
// Grouped attention has dn = 0 and rotates by halves, latent attention rotates neighbouring pairs.
at::Tensor Attention(const at::Tensor& q, const at::Tensor& kv, const at::Tensor& key_rope, const Rotation& rotation,
                           const Heads& heads, const std::vector<Segment>& segments);
// [N, E], [E]. `replayed`, int32 [N, K] if defined, holds experts chosen before; a row that begins with -1 chooses anew.
Routes Route(const at::Tensor& logits, const at::Tensor& bias, const RouterRule& rule, const at::Tensor& replayed = {});
// sum over the chosen experts of weight * down(swiglu(gate_up(x))), plus `others`, [N, D], if given. gate_up [E, 2 W, D], down [E, D, W].
at::Tensor Experts(const at::Tensor& x, const Routes& routes, const at::Tensor& gate_up, const at::Tensor& down,
                   Products products = Products::kFloat32, const at::Tensor& others = {});
// Log-probability of targets[m] under softmax(x[rows[m]] head^T / temperature). Never holds [M, V].
TokenStats TokenLogprobs(const at::Tensor& x, const at::Tensor& head, const std::vector<std::int64_t>& rows,
                         const std::vector<std::int64_t>& targets, double temperature, const HeadProducts& products = {});

}  // namespace ops

namespace reference {

at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {}, const LowRank& adapters = {});
at::Tensor AddAdapters(at::Tensor y, const at::Tensor& x, const LowRank& adapters);  // y [N, out] with what they add
// Rotates pairs, interleaved or halves: (a, b) -> (a cos - b sin, b cos + a sin). x [N, H, dr].
at::Tensor Rotate(const at::Tensor& x, const Rotation& rotation, bool halves);
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);
std::vector<at::Tensor> NormParts(const at::Tensor& x, const std::vector<std::int64_t>& sizes, const std::vector<at::Tensor>& weights, double eps);
at::Tensor SwiGlu(const at::Tensor& gate_up);
at::Tensor Attention(const at::Tensor& q, const at::Tensor& kv, const at::Tensor& key_rope, const Rotation& rotation,
                           const Heads& heads, const std::vector<Segment>& segments);
Routes Route(const at::Tensor& logits, const at::Tensor& bias, const RouterRule& rule, const at::Tensor& replayed = {});
at::Tensor Experts(const at::Tensor& x, const Routes& routes, const at::Tensor& gate_up, const at::Tensor& down);
TokenStats TokenLogprobs(const at::Tensor& x, const at::Tensor& head, const std::vector<std::int64_t>& rows,
                         const std::vector<std::int64_t>& targets, double temperature);

}  // namespace reference

// As in ops::, on any device and of any type. What ops:: has and this has not is the reference's.
namespace device {

at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, Products products, const LowRank& adapters);
at::Tensor Rotate(const at::Tensor& x, const Rotation& rotation, bool halves);  // of x's type
at::Tensor Attention(const at::Tensor& q, const at::Tensor& kv, const at::Tensor& key_rope, const Rotation& rotation,
                     const Heads& heads, const std::vector<Segment>& segments);
at::Tensor Experts(const at::Tensor& x, const Routes& routes, const at::Tensor& gate_up, const at::Tensor& down, Products products);
TokenStats TokenLogprobs(const at::Tensor& x, const at::Tensor& head, const std::vector<std::int64_t>& rows,
                         const std::vector<std::int64_t>& targets, double temperature, Products gradients);

}  // namespace device
}  // namespace cogent
