#include "policies/decoder_attention.h"

#include <algorithm>
#include <limits>

namespace cogent {
namespace {

template <int N, typename Work>
void Part(int count, int first, const Work& work) {
  if (count == N) return work.template operator()<N>(first);
  if constexpr (N > 1) Part<N - 1>(count, first, work);
}
// Calls work.operator()<N>(i) for i, i + 1, .. i + N - 1 until `count` are done: in parts of at most kMost that differ by one at most, for a
// small one costs as much time as a large one where sums wait for themselves.
template <int kMost, typename Work>
void InParts(int count, const Work& work) {
  for (int i = 0; i < count;) {
    const int parts = (count - i + kMost - 1) / kMost, n = (count - i + parts - 1) / parts;
    Part<kMost>(n, i, work);
    i += n;
  }
}

// Scores of H heads against B blocks of keys from block b on: lanes are positions.
template <int H, int B, typename Number>
void ScoreBlocks(const Number* keys, const float* query, int width, int b, int blocks, float* scores) {
  const std::ptrdiff_t block = static_cast<std::ptrdiff_t>(width) * kLanes;
  Vec sum[B][H] = {};
  const Number* from = keys + b * block;
  for (int d = 0; d < width; ++d, from += kLanes) {
    Vec k[B];
    for (int i = 0; i < B; ++i) k[i] = Load(from + i * block), __builtin_prefetch(from + (B + i) * block);
    for (int j = 0; j < H; ++j) {
      const Vec q = Fill(query[j * width + d]);
      for (int i = 0; i < B; ++i) sum[i][j] = FusedSum(sum[i][j], q, k[i]);
    }
  }
  for (int j = 0; j < H; ++j) {
    for (int i = 0; i < B; ++i) Store(scores + (static_cast<std::ptrdiff_t>(j) * blocks + b + i) * kLanes, sum[i][j]);
  }
}

// Against all blocks; several at a time, so that enough sums run side by side.
template <int H, typename Number>
void Scores(const Number* keys, const float* query, int width, int blocks, float* scores) {
  constexpr int kTogether = H <= 2 || (H <= 4 && kRegisters == 32) ? 4 : 2;
  InParts<kTogether>(blocks, [&]<int B>(int b) { ScoreBlocks<H, B>(keys, query, width, b, blocks, scores); });
}

// The mean of the keys' first r numbers under H heads' probabilities, [H, r]. As many keys from `next` on are fetched meanwhile.
template <int H, typename Number>
void MixedKeys(const Number* keys, const Number* next, int width, const float* scores, int blocks, int r, float* mixed) {
  constexpr int kTogether = kRegisters == 32 ? 4 : 2;  // numbers
  const std::ptrdiff_t block = static_cast<std::ptrdiff_t>(width) * kLanes;
  for (int first = 0; first < r; first += kLanes) {
    const int n = std::min(kLanes, r - first);
    Vec sums[H][kLanes];  // of a head and a number; over its lanes they are the mean
    for (int i = 0; i < kLanes; i += kTogether) {
      std::ptrdiff_t at[kTogether];  // behind the last number it is read again, for nothing
      for (int c = 0; c < kTogether; ++c) at[c] = static_cast<std::ptrdiff_t>(first + std::min(i + c, n - 1)) * kLanes;
      Vec sum[H][kTogether] = {};
      for (int b = 0; b < blocks; ++b) {
        Vec values[kTogether];
        for (int c = 0; c < kTogether; ++c) {
          values[c] = Load(keys + b * block + at[c]);
          __builtin_prefetch(next + b * block + at[c], 0, 2);
        }
        for (int j = 0; j < H; ++j) {
          const Vec probabilities = Load(scores + (static_cast<std::ptrdiff_t>(j) * blocks + b) * kLanes);
          for (int c = 0; c < kTogether; ++c) sum[j][c] = FusedSum(sum[j][c], probabilities, values[c]);
        }
      }
      for (int j = 0; j < H; ++j) {
        for (int c = 0; c < kTogether; ++c) sums[j][i + c] = sum[j][c];
      }
    }
    for (int j = 0; j < H; ++j) {
      const Vec means = SumEach(sums[j]);
      n == kLanes ? Store(mixed + j * r + first, means) : StorePart(mixed + j * r + first, means, n);
    }
  }
  for (int b = 0; b < blocks; ++b) {
    for (int d = r; d < width; ++d) __builtin_prefetch(next + b * block + static_cast<std::ptrdiff_t>(d) * kLanes, 0, 2);
  }
}

// The mean of rows of values, V vectors of them, the last with n lanes.
template <int H, int V, typename Number>
void MixColumns(const Number* values, int r, const float* scores, std::ptrdiff_t scores_stride, int positions, int n, float* mixed) {
  constexpr int kAhead = 8;  // rows
  Vec sum[H][V] = {};
  for (int p = 0; p < positions; ++p, values += r) {
    Vec v[V];
    for (int i = 0; i < V; ++i) {
      v[i] = i + 1 < V || n == kLanes ? Load(values + i * kLanes) : LoadPart(values + i * kLanes, n);
      __builtin_prefetch(values + kAhead * r + i * kLanes);
    }
    for (int j = 0; j < H; ++j) {
      const Vec probability = Fill(scores[j * scores_stride + p]);
      for (int i = 0; i < V; ++i) sum[j][i] = FusedSum(sum[j][i], probability, v[i]);
    }
  }
  for (int j = 0; j < H; ++j) {
    for (int i = 0; i < V; ++i) {
      float* to = mixed + static_cast<std::ptrdiff_t>(j) * r + i * kLanes;
      i + 1 < V || n == kLanes ? Store(to, sum[j][i]) : StorePart(to, sum[j][i], n);
    }
  }
}

template <int H, typename Number>
void MixedValues(const Number* values, const float* scores, std::ptrdiff_t scores_stride, int positions, int r, float* mixed) {
  constexpr int kVectors = kRegisters == 32 ? 4 : 2;
  int d = 0;
  for (; d + kVectors * kLanes <= r; d += kVectors * kLanes) MixColumns<H, kVectors>(values + d, r, scores, scores_stride, positions, kLanes, mixed + d);
  for (; d < r; d += kLanes) MixColumns<H, 1>(values + d, r, scores, scores_stride, positions, std::min(kLanes, r - d), mixed + d);
}

}  // namespace

template <typename Number>
void AttendRun(const CachePart<Number>& part, const float* query, std::ptrdiff_t query_stride, int tokens, int position, float* mixed,
               std::ptrdiff_t mixed_stride) {
  constexpr int kTogether = kRegisters == 32 ? 8 : 4;
  const int heads = part.heads, h = tokens * heads, r = part.value_size, width = part.key_size, blocks = (position + tokens - 1) / kLanes + 1;
  thread_local Floats scores_room, query_room, mixed_room;
  float* scores = Room(scores_room, static_cast<std::size_t>(h) * blocks * kLanes);
  float* means = tokens == 1 ? mixed : Room(mixed_room, static_cast<std::size_t>(h) * r);
  if (tokens > 1) {
    float* dense = Room(query_room, static_cast<std::size_t>(h) * width);
    for (int t = 0; t < tokens; ++t) CopyRow(query + t * query_stride, heads * width, dense + static_cast<std::ptrdiff_t>(t) * heads * width);
    query = dense;
  }
  const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(blocks) * kLanes;
  InParts<kTogether>(h, [&]<int H>(int j) { Scores<H>(part.keys, query + static_cast<std::ptrdiff_t>(j) * width, width, blocks, scores + j * row); });
  for (int j = 0; j < h; ++j) {
    float* s = scores + j * row;
    const int own = position + j / heads, used = own / kLanes + 1;
    for (int p = own + 1; p < used * kLanes; ++p) s[p] = -std::numeric_limits<float>::max();
    Vec tops = Load(s);
    for (int b = 1; b < used; ++b) tops = Max(tops, Load(s + b * kLanes));
    const float top = Largest(tops);
    Vec sums{};
    for (int b = 0; b < used; ++b) {
      const Vec e = Exp(Load(s + b * kLanes) - top);
      Store(s + b * kLanes, e);
      sums += e;
    }
    const float inverse = 1.0f / Sum(sums);
    for (int b = 0; b < used; ++b) Store(s + b * kLanes, Load(s + b * kLanes) * inverse);
    for (int b = used; b < blocks; ++b) Store(s + b * kLanes, Vec{});
  }
  InParts<4>(h, [&]<int H>(int j) {
    float* to = means + static_cast<std::ptrdiff_t>(j) * r;
    if (part.values != nullptr) return MixedValues<H>(part.values, scores + j * row, row, position + tokens, r, to);
    // Lanes past a position hold zero probability; what the cache holds there is finite (zeros or other tokens).
    MixedKeys<H>(part.keys, j == 0 ? part.next : part.keys, width, scores + j * row, blocks, r, to);
  });
  for (int t = 0; tokens > 1 && t < tokens; ++t) CopyRow(means + static_cast<std::ptrdiff_t>(t) * heads * r, heads * r, mixed + t * mixed_stride);
}

template void AttendRun(const CachePart<float>&, const float*, std::ptrdiff_t, int, int, float*, std::ptrdiff_t);
template void AttendRun(const CachePart<Bfloat16>&, const float*, std::ptrdiff_t, int, int, float*, std::ptrdiff_t);

}  // namespace cogent
