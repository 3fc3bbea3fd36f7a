// Matrix products: PackedMatrix and AccumulateOuter.
#include "policies/kernels.h"

#ifdef __FMA__
#include <immintrin.h>
#endif

#include <algorithm>
#include <utility>

#include "policies/tiles.h"

namespace cogent {
namespace {

constexpr int kPanel = PackedMatrix::kPanel;
constexpr int kRows = kRegisters == 32 ? 8 : 6;  // of a block: sums in two vectors each, and room for a panel's vectors and a factor

typedef std::uint32_t UnsignedVec __attribute__((vector_size(4 * kLanes), aligned(4 * kLanes)));

// Both kinds of product have one layout: units of 4 bytes on the left, vectors on the right.
// A unit is a float, or a pair of bfloat16 whose two products join one float32 sum.
template <Products kProducts>
inline Vec MultiplyAdd(Vec sum, Vec x, Vec w) {
  if constexpr (kProducts == Products::kFloat32) return FusedSum(sum, x, w);
#ifdef __AVX512BF16__
  return reinterpret_cast<Vec>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w)));
#else
  // A bfloat16 is the upper half of a float: both of a unit are widened where they stand.
  const auto upper = [](Vec v) { return reinterpret_cast<Vec>(reinterpret_cast<UnsignedVec>(v) & 0xFFFF0000u); };
  const auto lower = [](Vec v) { return reinterpret_cast<Vec>(reinterpret_cast<UnsignedVec>(v) << 16); };
  return FusedSum(FusedSum(sum, upper(x), upper(w)), lower(x), lower(w));
#endif
}

// Rounds pairs (low[i], high[i]) to bfloat16, to nearest even, and lays each pair into one unit.
inline Vec Pairs(Vec low, Vec high) {
#ifdef __AVX512BF16__
  const auto narrow = [](Vec v) { return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(v)))); };
  return reinterpret_cast<Vec>(_mm512_or_si512(narrow(low), _mm512_slli_epi32(narrow(high), 16)));
#else
  const auto narrow = [](Vec v) {
    const auto bits = reinterpret_cast<UnsignedVec>(v);
    return (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  };
  return reinterpret_cast<Vec>(narrow(low) | (narrow(high) << 16));
#endif
}

// Sixteen and sixteen neighbours (as many as there are lanes) as units in their order.
inline Vec NeighbourPairs(const float* row) {
#ifdef __AVX512BF16__
  return reinterpret_cast<Vec>(_mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(Load(row + kLanes)), reinterpret_cast<__m512>(Load(row))));
#else
  alignas(64) float even[kLanes], odd[kLanes];
  for (int i = 0; i < kLanes; ++i) even[i] = row[2 * i], odd[i] = row[2 * i + 1];
  return Pairs(Load(even), Load(odd));
#endif
}

// v[i] lane j becomes v[j] lane i: as many times as halving a row gives, each row is zipped with the one half the rows below.
inline void Transpose(Vec* v) {
  constexpr std::make_integer_sequence<int, kLanes> lanes;
  for (int stage = 1; stage < kLanes; stage *= 2) {
    Vec next[kLanes];
    for (int i = 0; i < kLanes / 2; ++i) {
      next[2 * i] = Zip(v[i], v[i + kLanes / 2], lanes, false);
      next[2 * i + 1] = Zip(v[i], v[i + kLanes / 2], lanes, true);
    }
    std::copy_n(next, kLanes, v);
  }
}

// Holds a vector in its register. GCC 12 reads it again from memory for each of its uses where few registers are taken, and loads,
// not sums, are then what four rows wait for.
inline Vec Kept(Vec v) {
#if defined(__x86_64__) && !defined(__AVX512F__)
  asm("" : "+x"(v));
#endif
  return v;
}

// What a block asks memory for while it multiplies, at `from` + k * `step`: as much as it uses itself, into the first cache level, or
// one cache line into the second. Weights larger than the caches pass once a product, and the processor alone does not run far enough
// ahead of the arithmetic of many rows.
enum class Ahead { kNone, kPanel, kLine };
struct Fetch {
  const float* from = nullptr;
  int step = 0;
};

// Rows that are wanted soon, `floats` of them one behind another: the blocks until then fetch equal shares, `step` floats for each of k.
struct Coming {
  const float* from = nullptr;
  std::ptrdiff_t floats = 0;
  int step = 0;
  Fetch Share(int depth) {  // of a block of so many k; without `from` once nothing is left
    if (floats <= 0) return {};
    const Fetch share{from, step};
    from += static_cast<std::ptrdiff_t>(depth) * step, floats -= static_cast<std::ptrdiff_t>(depth) * step;
    return share;
  }
};

// A stretch of the chain of sums: where it begins it begins with zeros and where it ends y takes the sums; between, they wait in `sums`,
// [rows][columns of the block].
struct Stretch {
  bool begins = true, ends = true;
  float* sums = nullptr;
};

// R rows times V vectors of columns, P panels of them side by side, over `depth` of k; all sums stay in registers, and
// each is one chain over k, in order. `a_row` and `a_k` are the strides of the left matrix, `apart` that of the panels.
template <Products kProducts, int R, int V, int P, Ahead kAhead>
void Block(const float* a, std::ptrdiff_t a_row, std::ptrdiff_t a_k, const float* panel, std::ptrdiff_t apart, int depth, const Target& to, int column,
           Fetch fetch = {}, Stretch stretch = {}) {
  Vec sum[R][P * V];
  for (int r = 0; r < R; ++r) {
    for (int p = 0; p < P * V; ++p) {
      sum[r][p] = stretch.begins ? Vec{} : Load(stretch.sums + (r * P * V + p) * kLanes);
      __builtin_prefetch(to.y + r * to.stride + column + p * kLanes, /*to write*/ 1);
    }
  }
  for (int k = 0; k < depth; ++k) {
    const float* ahead = fetch.from + k * fetch.step;
    if constexpr (kAhead == Ahead::kLine) __builtin_prefetch(ahead, 0, 2);
    for (int v = 0; kAhead == Ahead::kPanel && v < V; ++v) __builtin_prefetch(ahead + v * kLanes);
    Vec w[P * V];
    for (int p = 0; p < P; ++p) {
      for (int v = 0; v < V; ++v) {
        const Vec from = Load(panel + p * apart + (static_cast<std::size_t>(k) * V + v) * kLanes);
        w[p * V + v] = P == 1 ? Kept(from) : from;  // several panels' are more than there are registers
      }
    }
    for (int r = 0; r < R; ++r) {
      const Vec x = Fill(a[r * a_row + k * a_k]);
      for (int p = 0; p < P * V; ++p) sum[r][p] = MultiplyAdd<kProducts>(sum[r][p], x, w[p]);
    }
  }
  if (stretch.ends && !to.bias && column + P * V * kLanes <= to.out) {  // what the checks of the loop below cost is much of a short block
    for (int r = 0; r < R; ++r) {
      for (int p = 0; p < P * V; ++p) {
        float* y = to.y + r * to.stride + column + p * kLanes;
        Store(y, to.accumulate ? sum[r][p] + Load(y) : sum[r][p]);
      }
    }
    return;
  }
  for (int r = 0; r < R; ++r) {
    for (int p = 0; p < P * V; ++p) {
      const int at = column + p * kLanes;
      if (!stretch.ends) Store(stretch.sums + (r * P * V + p) * kLanes, sum[r][p]);
      else if (at < to.out) StoreSum(sum[r][p], to.y + r * to.stride, at, to);
    }
  }
}

// R rows against the panels; few rows take several panels at once, so that enough sums run side by side. Several panels are several
// streams, which the processor follows by itself; a single one is fetched this far ahead.
constexpr int kDistance = 4096;  // units
template <Products kProducts, int R>
void RowBlock(const float* a, std::ptrdiff_t a_row, const float* panel, int in, int depth, const Target& to) {
  constexpr int kWide = kRegisters == 32 ? (R <= 2 ? 4 : R < 4 ? 2 : 1) : R == 1 ? 4 : R <= 3 ? 2 : 1;
  const std::ptrdiff_t panel_size = static_cast<std::ptrdiff_t>(in) * kPanel;
  int column = to.first;
  if constexpr (kWide > 1) {
    for (; column + (kWide - 1) * kPanel + kLanes < to.out; column += kWide * kPanel, panel += kWide * panel_size) {
      Block<kProducts, R, 2, kWide, Ahead::kNone>(a, a_row, 1, panel, panel_size, depth, to, column);
    }
  }
  for (; column + kLanes < to.out; column += kPanel, panel += panel_size) {
    Block<kProducts, R, 2, 1, Ahead::kPanel>(a, a_row, 1, panel, 0, depth, to, column, {panel + kDistance, kPanel});
  }
  if (column < to.out) Block<kProducts, R, 1, 1, Ahead::kNone>(a, a_row, 1, panel, 0, depth, to, column);
}

template <Products kProducts, int R>
void FewRows(int rows, const float* a, std::ptrdiff_t a_row, const float* panels, int in, int depth, const Target& to) {
  if (rows == R) return RowBlock<kProducts, R>(a, a_row, panels, in, depth, to);
  if constexpr (R > 1) FewRows<kProducts, R - 1>(rows, a, a_row, panels, in, depth, to);
}

// Up to R rows against one panel.
template <Products kProducts, int R, int V, Ahead kAhead>
void OnePanel(int rows, const float* a, std::ptrdiff_t a_row, std::ptrdiff_t a_k, const float* panel, int depth, const Target& to, int column, Fetch fetch,
              Stretch stretch) {
  if constexpr (R > 1) {
    if (rows < R) return OnePanel<kProducts, R - 1, V, kAhead>(rows, a, a_row, a_k, panel, depth, to, column, fetch, stretch);
  }
  Block<kProducts, R, V, 1, kAhead>(a, a_row, a_k, panel, 0, depth, to, column, fetch, stretch);
}

// Any number of rows over the first `all` of k; `panels` begins at column to.first. A strip of rows stays in the second cache level
// while the panels pass, and a panel, or the part of it that has room there, in the first one while the rows of the strip do. The first
// blocks of the strip fetch the next panel, each a share, and the others the next strip. What is too few for a strip of its own joins the
// last one, and its blocks are alike: the panels would pass once more for it.
template <Products kProducts>
void AllRows(const float* a, std::ptrdiff_t a_row, int rows, const float* panels, int in, int all, Target to) {
  constexpr int kStrip = 64, kPart = (24 << 10) / (4 * kPanel), kShares = 4;  // rows; of k, 24 KB of a panel; blocks
  if (to.first >= to.out) return;
  const std::ptrdiff_t panel_size = static_cast<std::ptrdiff_t>(in) * kPanel;
  while (rows >= kRows) {
    const int strip = rows < kStrip + kRows ? rows : kStrip, blocks = (strip + kRows - 1) / kRows;
    const int parts = strip < kStrip ? 1 : (all + kPart - 1) / kPart, step = kPanel / std::min(blocks, kShares);  // few rows are not worth parts
    const int takers = (to.out - to.first + kPanel - 1) / kPanel * std::max(blocks - kShares, 1);  // of the next strip
    Coming next{a + strip * a_row, rows > strip && a_row == in ? std::ptrdiff_t{kStrip} * in : 0, (kStrip + takers - 1) / takers};
    alignas(64) float sums[(kStrip + kRows) * kPanel];
    int begin[kStrip / kRows + 3];  // of each block; divisions are much of a short one
    for (int b = 0; b <= blocks; ++b) begin[b] = strip * b / blocks;
    const float* panel = panels;
    for (int column = to.first; column < to.out; column += kPanel, panel += panel_size) {
      const bool whole = column + kLanes < to.out;
      for (int part = 0; part < parts; ++part) {
        const int k = parts == 1 ? 0 : static_cast<int>(std::int64_t{all} * part / parts);
        const int depth = parts == 1 ? all : static_cast<int>(std::int64_t{all} * (part + 1) / parts) - k;
        const float* units = panel + static_cast<std::ptrdiff_t>(k) * (whole ? kPanel : kLanes);
        for (int b = 0; b < blocks; ++b) {
          const int r = begin[b], count = begin[b + 1] - r;
          Target block = to;
          block.y += r * to.stride;
          const Fetch fetch = blocks == 1   ? Fetch{units + kDistance, kPanel}
                              : b < kShares ? Fetch{units + panel_size + static_cast<std::ptrdiff_t>(b) * depth * step, step}
                                            : next.Share(depth);
          const auto multiply = !whole        ? OnePanel<kProducts, kRows, 1, Ahead::kNone>
                                : blocks == 1 ? OnePanel<kProducts, kRows, 2, Ahead::kPanel>
                                : fetch.from  ? OnePanel<kProducts, kRows, 2, Ahead::kLine>
                                              : OnePanel<kProducts, kRows, 2, Ahead::kNone>;
          multiply(count, a + r * a_row + k, a_row, 1, units, depth, block, column, fetch, {part == 0, part + 1 == parts, sums + r * kPanel});
        }
      }
    }
    a += strip * a_row, to.y += strip * to.stride, rows -= strip;
  }
  if (rows > 0) FewRows<kProducts, kRows - 1>(rows, a, a_row, panels, in, all, to);
}

// Rows of a source become columns of a panel, as many of each as there are lanes: row(o) stands in column o.
template <typename Row>
void TurnRows(int used, int width, const Row& row, float* to) {
  for (int v = 0; v < width; v += kLanes) {
    Vec square[kLanes];
    for (int o = 0; o < kLanes; ++o) square[o] = v + o < used ? row(v + o) : Vec{};
    Transpose(square);
    for (int i = 0; i < kLanes; ++i) Store(to + i * width + v, square[i]);
  }
}

// Copies element (k, o) at base[k * k_stride + o * o_stride] into panels; one of the strides is 1.
void PackPanels(const float* base, std::ptrdiff_t k_stride, std::ptrdiff_t o_stride, int in, int out, float* to) {
  const int whole = o_stride == 1 ? out / kPanel * kPanel : 0;  // rows of the source lie across the panels: each is read from end to end
  for (int k = 0; whole > 0 && k < in; ++k) {
    const float* from = base + k * k_stride;
    float* row = to + static_cast<std::ptrdiff_t>(k) * kPanel;
    for (int column = 0; column < whole; column += kPanel, row += static_cast<std::ptrdiff_t>(in) * kPanel) {
      Store(row, Load(from + column));
      Store(row + kLanes, Load(from + column + kLanes));
    }
  }
  base += whole, out -= whole, to += static_cast<std::ptrdiff_t>(whole) * in;
  for (int column = 0; column < out; column += kPanel) {
    const int width = out - column > kLanes ? kPanel : kLanes;
    const int used = std::min(width, out - column);
    int k = 0;
    // Columns are rows of the source: squares of them are turned.
    for (; o_stride > 1 && k + kLanes <= in; k += kLanes, to += kLanes * width) {
      TurnRows(used, width, [&](int o) { return Load(base + (column + o) * o_stride + k); }, to);
    }
    for (; k < in; ++k, to += width) {
      const float* from = base + k * k_stride + column * o_stride;
      for (int o = 0; o < used; ++o) to[o] = from[o * o_stride];
      for (int o = used; o < width; ++o) to[o] = 0.0f;
    }
  }
}

// The same as pairs of bfloat16: unit (k, o) holds the elements 2k and 2k + 1; what is missing up to `units` is zero.
void PackPairPanels(const float* base, std::ptrdiff_t k_stride, std::ptrdiff_t o_stride, int in, int out, int units, float* to) {
  alignas(64) float low[kPanel], high[kPanel];
  for (int column = 0; column < out; column += kPanel) {
    const int width = out - column > kLanes ? kPanel : kLanes;
    const int used = std::min(width, out - column);
    float* const end = to + static_cast<std::ptrdiff_t>(units) * width;
    std::fill_n(low, kPanel, 0.0f);
    std::fill_n(high, kPanel, 0.0f);
    int k = 0;
    for (; o_stride > 1 && k + 2 * kLanes <= in; k += 2 * kLanes, to += kLanes * width) {
      TurnRows(used, width, [&](int o) { return NeighbourPairs(base + (column + o) * o_stride + k); }, to);
    }
    for (; k < in; k += 2, to += width) {
      const float* from = base + k * k_stride + column * o_stride;
      if (o_stride == 1 && used == width && k + 1 < in) {
        for (int v = 0; v < width; v += kLanes) Store(to + v, Pairs(Load(from + v), Load(from + k_stride + v)));
        continue;
      }
      for (int o = 0; o < used; ++o) low[o] = from[o * o_stride];
      if (k + 1 < in) {
        for (int o = 0; o < used; ++o) high[o] = from[k_stride + o * o_stride];
      } else {
        std::fill_n(high, used, 0.0f);
      }
      for (int v = 0; v < width; v += kLanes) Store(to + v, Pairs(Load(low + v), Load(high + v)));
    }
    std::fill(to, end, 0.0f);
    to = end;
  }
}

// Rows of x as pairs of neighbouring elements, [rows][(in + 1) / 2] units.
void PairRows(const float* x, std::ptrdiff_t stride, int rows, int in, float* to) {
  const int units = (in + 1) / 2;
  for (int r = 0; r < rows; ++r, to += units) {
    const float* row = x + r * stride;
    int k = 0;
    for (; k + 2 * kLanes <= in; k += 2 * kLanes) Store(to + k / 2, NeighbourPairs(row + k));
    for (; k < in; k += 2) StorePart(to + k / 2, Pairs(Fill(row[k]), Fill(k + 1 < in ? row[k + 1] : 0.0f)), 1);
  }
}

// Columns of a in strips of kRows, [strip][rows][kRows] units, the strips `apart` floats from each other.
void PackStrips(const float* a, std::ptrdiff_t stride, int rows, int columns, std::ptrdiff_t apart, float* to) {
  const int whole = columns / kRows, rest = columns % kRows;
  for (int k = 0; k < rows; ++k, a += stride, to += kRows) {
    for (int s = 0; s < whole; ++s) std::memcpy(to + s * apart, a + s * kRows, kRows * sizeof(float));
    if (rest > 0) std::copy_n(a + whole * kRows, rest, to + whole * apart);
  }
}

// One strip, its units pairs of rows.
void PackStripPairs(const float* a, std::ptrdiff_t stride, int rows, int used, float* to) {
  for (int k = 0; k < rows; k += 2, a += 2 * stride, to += kRows) {
#ifdef __AVX512BF16__
    static_assert(kRows == 8);
    const __mmask8 mask = static_cast<__mmask8>((1u << used) - 1);
    const __m128i low = reinterpret_cast<__m128i>(_mm256_cvtneps_pbh(_mm256_maskz_loadu_ps(mask, a)));
    const __m128i high = k + 1 < rows ? reinterpret_cast<__m128i>(_mm256_cvtneps_pbh(_mm256_maskz_loadu_ps(mask, a + stride))) : _mm_setzero_si128();
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_unpacklo_epi16(low, high));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 4), _mm_unpackhi_epi16(low, high));
#else
    for (int i = 0; i < used; ++i) StorePart(to + i, Pairs(Fill(a[i]), Fill(k + 1 < rows ? a[stride + i] : 0.0f)), 1);
#endif
  }
}

// Columns of a as rows of pairs, [used][units]; zeros behind the last pair.
void PackColumnPairs(const float* a, std::ptrdiff_t stride, int rows, int used, int units, float* to) {
  for (int i = 0; i < used; i += kLanes) {
    const int n = std::min(kLanes, used - i);
    const auto row = [&](int k) { return k >= rows ? Vec{} : n == kLanes ? Load(a + k * stride + i) : LoadPart(a + k * stride + i, n); };
    for (int unit = 0; unit < units; unit += kLanes) {
      Vec square[kLanes];
      for (int u = 0; u < kLanes; ++u) square[u] = Pairs(row(2 * (unit + u)), row(2 * (unit + u) + 1));
      Transpose(square);
      for (int c = 0; c < n; ++c) Store(to + static_cast<std::ptrdiff_t>(i + c) * units + unit, square[c]);
    }
  }
}

// Strips of kRows columns of a, `apart` floats from each other and their rows `a_k`, against all panels: one of these stays in the first
// cache level while the strips pass. `next` are fetched meanwhile.
template <Products kProducts>
void MultiplyStrips(const float* strips, std::ptrdiff_t apart, std::ptrdiff_t a_k, int columns, const float* panel, int units, const Target& to,
                    Coming (&next)[2]) {
  for (int column = 0; column < to.out; column += kPanel, panel += static_cast<std::ptrdiff_t>(units) * kPanel) {
    const bool whole = column + kLanes < to.out;
    Target strip = to;
    for (int i = 0; i < columns; i += kRows, strip.y += kRows * to.stride) {
      Fetch fetch = next[0].Share(units);
      if (!fetch.from) fetch = next[1].Share(units);
      const auto multiply = !whole       ? OnePanel<kProducts, kRows, 1, Ahead::kNone>
                            : fetch.from ? OnePanel<kProducts, kRows, 2, Ahead::kLine>
                                         : OnePanel<kProducts, kRows, 2, Ahead::kNone>;
      multiply(std::min(kRows, columns - i), strips + i / kRows * apart, 1, a_k, panel, units, strip, column, fetch, {});
    }
  }
}

int Units(int in, Products products) { return products == Products::kBfloat16 ? (in + 1) / 2 : in; }

std::size_t PanelFloats(int units, int out) { return static_cast<std::size_t>((out + kLanes - 1) / kLanes) * kLanes * units; }

}  // namespace

Products Supported(Products wanted) {
#ifdef __AVX512BF16__
  return wanted;
#else
  return wanted == Products::kBfloat16 ? Products::kFloat32 : wanted;
#endif
}

void PackedMatrix::PackAny(const float* base, std::ptrdiff_t k_stride, std::ptrdiff_t o_stride, int in, int out, Products products) {
  out_ = out, in_ = in, products_ = products;
  panels_.resize(PanelFloats(units(), out));
  products_ == Products::kBfloat16 ? PackPairPanels(base, k_stride, o_stride, in, out, units(), panels_.data())
                                   : PackPanels(base, k_stride, o_stride, in, out, panels_.data());
}

void PackedMatrix::Narrow(const float* x, std::ptrdiff_t x_stride, int rows, float* units) const { PairRows(x, x_stride, rows, in_, units); }

void PackedMatrix::MultiplyUnits(const float* left, std::ptrdiff_t left_stride, int rows, float* y, std::ptrdiff_t y_stride, Into into, const float* bias,
                                 Part part) const {
  int out = out_;
  if (part.columns >= 0) out = std::min(out_, (part.columns + kPanel - 1) / kPanel * kPanel);
  const Target to{y, y_stride, part.first, out, into == Into::kAccumulate, bias};
  const float* panels = panels_.data() + static_cast<std::size_t>(part.first) * units();
  // By the matrix alone, so that a row has the same bits among any number of rows.
  if (products_ == Products::kBfloat16 && units() % kTile == 0 && HasTiles()) return MultiplyTiles(left, left_stride, rows, panels, units(), to);
  products_ == Products::kBfloat16 ? AllRows<Products::kBfloat16>(left, left_stride, rows, panels, units(), units(), to)
                                   : AllRows<Products::kFloat32>(left, left_stride, rows, panels, units(), part.depth >= 0 ? part.depth : units(), to);
}

void PackedMatrix::Multiply(const float* x, std::ptrdiff_t x_stride, int rows, float* y, std::ptrdiff_t y_stride, Into into, const float* bias,
                            Part part) const {
  if (products_ == Products::kFloat32) return MultiplyUnits(x, x_stride, rows, y, y_stride, into, bias, part);
  thread_local Floats pairs;
  float* left = Room(pairs, static_cast<std::size_t>(rows) * units());
  Narrow(x, x_stride, rows, left);
  MultiplyUnits(left, units(), rows, y, y_stride, into, bias, part);
}

void AccumulateOuter(const float* a, std::ptrdiff_t a_stride, int m, const float* b, std::ptrdiff_t b_stride, int n, int rows, float* c,
                     std::ptrdiff_t c_stride, Products products) {
  const bool half = products == Products::kBfloat16, tiles = half && HasTiles();
  constexpr int kStrips = 8, kNear = 4096;  // floats: so few stay in the first cache level where they are
  const int chunk = tiles ? 512 : 192;  // rows at a time: of a panel of b so many have room in the first cache level
  const int height = tiles ? 256 : kStrips * kRows;  // columns of a at a time, which are rows of c
  thread_local Floats panels, strips;
  for (int row = 0; row < rows; row += chunk) {
    const int count = std::min(chunk, rows - row), pairs = Units(count, products), units = tiles ? (pairs + kTile - 1) / kTile * kTile : pairs;
    const std::ptrdiff_t apart = units * kRows + 16;  // a power of two would have all strips in the same places of a cache
    Room(panels, PanelFloats(units, n));
    float* left = Room(strips, tiles ? static_cast<std::size_t>(units) * height : static_cast<std::size_t>(apart) * kStrips);
    const float *from = b + row * b_stride, *left_from = a + row * a_stride;
    half ? PackPairPanels(from, b_stride, 1, count, n, units, panels.data()) : PackPanels(from, b_stride, 1, count, n, panels.data());
    // The next rows of both, where they lie one behind another.
    const std::ptrdiff_t more = std::min(chunk, rows - row - count), wanted = more * ((b_stride == n ? n : 0) + (a_stride == m ? m : 0));
    const std::ptrdiff_t turns = std::max<std::ptrdiff_t>(static_cast<std::ptrdiff_t>((m + kRows - 1) / kRows) * ((n + kPanel - 1) / kPanel) * units, 1);
    const int step = static_cast<int>((wanted + turns - 1) / turns);
    Coming next[2] = {{from + count * b_stride, b_stride == n ? more * n : 0, step}, {left_from + count * a_stride, a_stride == m ? more * m : 0, step}};
    for (int i = 0; i < m; i += height) {
      const int used = std::min(height, m - i);
      const float* columns = left_from + i;
      const Target to{c + i * c_stride, c_stride, 0, n, true, nullptr};
      if (tiles) {
        PackColumnPairs(columns, a_stride, count, used, units, left);
        MultiplyTiles(left, units, used, panels.data(), units, to);
      } else if (half) {
        for (int s = 0; s < used; s += kRows) PackStripPairs(columns + s, a_stride, count, std::min(kRows, used - s), left + s / kRows * apart);
        MultiplyStrips<Products::kBfloat16>(left, apart, kRows, used, panels.data(), units, to, next);
      } else if (count * a_stride <= kNear) {
        MultiplyStrips<Products::kFloat32>(columns, kRows, a_stride, used, panels.data(), units, to, next);
      } else {
        PackStrips(columns, a_stride, count, used, apart, left);
        MultiplyStrips<Products::kFloat32>(left, apart, kRows, used, panels.data(), units, to, next);
      }
    }
  }
}

void MultiplyOnce(const float* x, std::ptrdiff_t x_stride, int rows, const MatrixView& w, Products products, float* y, std::ptrdiff_t y_stride,
                  PackedMatrix::Into into, const float* bias) {
  thread_local PackedMatrix packed;
  thread_local Floats pairs;
  constexpr int kKept = 1 << 17;  // floats of packed columns: 512 KB
  const int units = Units(w.in, products), columns = std::max(kKept / units / kPanel, 1) * kPanel;
  const float* left = x;
  if (products == Products::kBfloat16) {
    PairRows(x, x_stride, rows, w.in, Room(pairs, static_cast<std::size_t>(rows) * units));
    left = pairs.data(), x_stride = units;
  }
  for (int first = 0; first < w.out; first += columns) {
    const int n = std::min(columns, w.out - first);
    w.turned ? packed.PackTransposed(w.data + first, w.in, n, w.stride, products) : packed.Pack(w.data + first * w.stride, n, w.in, w.stride, products);
    packed.MultiplyUnits(left, x_stride, rows, y + first, y_stride, into, bias ? bias + first : nullptr, {});
  }
}

void AddLowRank(const float* down, const float* up, int rows, int width, int rank, float scale, float* weight) {
  std::vector<float> scaled(up, up + static_cast<std::size_t>(rows) * rank);
  for (float& value : scaled) value *= scale;
  PackedMatrix packed;
  packed.PackTransposed(down, rank, width, width);
  packed.Multiply(scaled.data(), rank, rows, weight, width, PackedMatrix::Into::kAccumulate);
}

}  // namespace cogent
