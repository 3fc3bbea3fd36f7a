#include "policies/kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

namespace cogent {
namespace {

constexpr int kPanel = 2 * kLanes;
#ifdef __AVX512F__
constexpr int kRows = 8;
#else
constexpr int kRows = 4;
#endif

// Where a block of the product goes.
struct Target {
  float* y;
  std::ptrdiff_t stride;
  int out;
  bool accumulate;
  const float* bias;
};

// R rows times V vectors of columns, P panels of them side by side; all sums stay in registers, and
// each is one chain over k, in order. `a_row` and `a_k` are the strides of the left matrix.
template <int R, int V, int P>
void Block(const float* a, std::ptrdiff_t a_row, std::ptrdiff_t a_k, const float* panel, int in, const Target& to, int column) {
  const std::size_t panel_size = static_cast<std::size_t>(in) * V * kLanes;
  Vec sum[R][P * V];
  const auto step = [&](int k, auto first) {
    Vec w[P * V];
    for (int p = 0; p < P; ++p) {
      for (int v = 0; v < V; ++v) w[p * V + v] = Load(panel + p * panel_size + (static_cast<std::size_t>(k) * V + v) * kLanes);
    }
    for (int r = 0; r < R; ++r) {
      const Vec x = Fill(a[r * a_row + k * a_k]);
      for (int p = 0; p < P * V; ++p) sum[r][p] = first ? x * w[p] : sum[r][p] + x * w[p];
    }
  };
  step(0, std::true_type());  // in >= 1; the sums begin here, without a pass that clears them
  for (int k = 1; k < in; ++k) step(k, std::false_type());
  for (int r = 0; r < R; ++r) {
    for (int p = 0; p < P * V; ++p) {
      const int at = column + p * kLanes, n = std::min(kLanes, to.out - at);
      if (n <= 0) break;
      float* y = to.y + r * to.stride + at;
      Vec v = sum[r][p];
      if (to.bias) v += n == kLanes ? Load(to.bias + at) : LoadPart(to.bias + at, n);
      if (to.accumulate) v += n == kLanes ? Load(y) : LoadPart(y, n);
      n == kLanes ? Store(y, v) : StorePart(y, v, n);
    }
  }
}

// R rows against all panels; few rows take several panels at once, so that enough sums run side by side.
template <int R>
void RowBlock(const float* a, std::ptrdiff_t a_row, std::ptrdiff_t a_k, const float* panels, int in, const Target& to) {
  constexpr int kWide = R <= 2 ? 4 : R <= 4 ? 2 : 1;
  const std::size_t panel_size = static_cast<std::size_t>(in) * kPanel;
  int column = 0;
  const float* panel = panels;
  if constexpr (kWide > 1) {
    for (; column + (kWide - 1) * kPanel + kLanes < to.out; column += kWide * kPanel, panel += kWide * panel_size) {
      Block<R, 2, kWide>(a, a_row, a_k, panel, in, to, column);
    }
  }
  for (; column + kLanes < to.out; column += kPanel, panel += panel_size) Block<R, 2, 1>(a, a_row, a_k, panel, in, to, column);
  if (column < to.out) Block<R, 1, 1>(a, a_row, a_k, panel, in, to, column);
}

template <int R>
void FewRows(int rows, const float* a, std::ptrdiff_t a_row, std::ptrdiff_t a_k, const float* panels, int in, const Target& to) {
  if (rows == R) return RowBlock<R>(a, a_row, a_k, panels, in, to);
  if constexpr (R > 1) FewRows<R - 1>(rows, a, a_row, a_k, panels, in, to);
}

// Any number of rows. A strip of rows stays in the first cache level while the panels pass.
void AllRows(const float* a, std::ptrdiff_t a_row, std::ptrdiff_t a_k, int rows, const float* panels, int in, Target to) {
  constexpr int kStrip = 4 * kRows;
  const std::size_t panel_size = static_cast<std::size_t>(in) * kPanel;
  while (rows >= kRows) {
    const int strip = std::min(kStrip, rows / kRows * kRows);
    const float* panel = panels;
    for (int column = 0; column < to.out; column += kPanel, panel += panel_size) {
      for (int r = 0; r < strip; r += kRows) {
        const Target part{to.y + r * to.stride, to.stride, to.out, to.accumulate, to.bias};
        if (column + kLanes < to.out) Block<kRows, 2, 1>(a + r * a_row, a_row, a_k, panel, in, part, column);
        else Block<kRows, 1, 1>(a + r * a_row, a_row, a_k, panel, in, part, column);
      }
    }
    a += strip * a_row, to.y += strip * to.stride, rows -= strip;
  }
  if (rows > 0) FewRows<kRows - 1>(rows, a, a_row, a_k, panels, in, to);
}

// Copies element (k, o) at base[k * k_stride + o * o_stride] into panels.
void PackPanels(const float* base, std::ptrdiff_t k_stride, std::ptrdiff_t o_stride, int in, int out, float* to) {
  for (int column = 0; column < out; column += kPanel) {
    const int width = out - column > kLanes ? kPanel : kLanes;
    const int used = std::min(width, out - column);
    for (int k = 0; k < in; ++k, to += width) {
      const float* from = base + k * k_stride + column * o_stride;
      for (int o = 0; o < used; ++o) to[o] = from[o * o_stride];
      for (int o = used; o < width; ++o) to[o] = 0.0f;
    }
  }
}

std::size_t PanelFloats(int in, int out) { return static_cast<std::size_t>((out + kLanes - 1) / kLanes) * kLanes * in; }

}  // namespace

void PackedMatrix::Pack(const float* weight, int out, int in, std::ptrdiff_t stride) {
  out_ = out, in_ = in;
  panels_.resize(PanelFloats(in, out));
  PackPanels(weight, 1, stride, in, out, panels_.data());
}

void PackedMatrix::PackTransposed(const float* weight, int in, int out, std::ptrdiff_t stride) {
  out_ = out, in_ = in;
  panels_.resize(PanelFloats(in, out));
  PackPanels(weight, stride, 1, in, out, panels_.data());
}

void PackedMatrix::Multiply(const float* x, std::ptrdiff_t x_stride, int rows, float* y, std::ptrdiff_t y_stride, Into into,
                            const float* bias, int columns) const {
  int out = out_;
  if (columns >= 0) out = std::min(out_, (columns + kPanel - 1) / kPanel * kPanel);
  AllRows(x, x_stride, 1, rows, panels_.data(), in_, {y, y_stride, out, into == Into::kAccumulate, bias});
}

void AccumulateOuter(const float* a, std::ptrdiff_t a_stride, int m, const float* b, std::ptrdiff_t b_stride, int n, int rows, float* c,
                     std::ptrdiff_t c_stride) {
  constexpr int kChunk = 256;  // rows at a time: a panel of b and a strip of a stay in cache
  thread_local std::vector<float> panels, strip;
  panels.resize(PanelFloats(std::min(rows, kChunk), n));
  strip.resize(static_cast<std::size_t>(kChunk) * kRows);
  for (int row = 0; row < rows; row += kChunk) {
    const int count = std::min(kChunk, rows - row);
    PackPanels(b + row * b_stride, b_stride, 1, count, n, panels.data());
    for (int i = 0; i < m; i += kRows) {
      const int used = std::min(kRows, m - i);
      for (int k = 0; k < count; ++k) {
        for (int r = 0; r < used; ++r) strip[static_cast<std::size_t>(k) * kRows + r] = a[(row + k) * a_stride + i + r];
      }
      AllRows(strip.data(), 1, kRows, used, panels.data(), count, {c + i * c_stride, c_stride, n, true, nullptr});
    }
  }
}

void RmsNormRows(const float* x, std::ptrdiff_t x_stride, const float* weight, float eps, int rows, int width, float* y,
                 std::ptrdiff_t y_stride, float* scale) {
  for (int r = 0; r < rows; ++r) {
    const float* in = x + r * x_stride;
    float* out = y + r * y_stride;
    Vec squares{};
    int i = 0;
    for (; i + kLanes <= width; i += kLanes) squares += Load(in + i) * Load(in + i);
    if (i < width) squares += LoadPart(in + i, width - i) * LoadPart(in + i, width - i);
    const float factor = 1.0f / std::sqrt(Sum(squares) / static_cast<float>(width) + eps);
    for (i = 0; i + kLanes <= width; i += kLanes) Store(out + i, Load(in + i) * factor * Load(weight + i));
    for (; i < width; ++i) out[i] = in[i] * factor * weight[i];
    if (scale) scale[r] = factor;
  }
}

void SwiGluRows(const float* gate_up, std::ptrdiff_t stride, int rows, int width, float* y, std::ptrdiff_t y_stride) {
  for (int r = 0; r < rows; ++r) {
    const float* gate = gate_up + r * stride;
    const float* up = gate + width;
    float* out = y + r * y_stride;
    int i = 0;
    for (; i + kLanes <= width; i += kLanes) {
      const Vec g = Load(gate + i);
      Store(out + i, g * Sigmoid(g) * Load(up + i));
    }
    if (i < width) {
      const Vec g = LoadPart(gate + i, width - i);
      StorePart(out + i, g * Sigmoid(g) * LoadPart(up + i, width - i), width - i);
    }
  }
}

void SwiGluBackwardRows(const float* gate_up, std::ptrdiff_t stride, const float* dy, std::ptrdiff_t dy_stride, int rows, int width,
                        float* d_gate_up, std::ptrdiff_t d_stride) {
  for (int r = 0; r < rows; ++r) {
    const float* gate = gate_up + r * stride;
    const float* grad = dy + r * dy_stride;
    float* out = d_gate_up + r * d_stride;
    for (int i = 0; i < width; i += kLanes) {
      const int n = std::min(kLanes, width - i);
      const bool whole = n == kLanes;
      const Vec g = whole ? Load(gate + i) : LoadPart(gate + i, n);
      const Vec u = whole ? Load(gate + width + i) : LoadPart(gate + width + i, n);
      const Vec d = whole ? Load(grad + i) : LoadPart(grad + i, n);
      const Vec s = Sigmoid(g);
      const Vec dg = d * u * s * (1.0f + g * (1.0f - s)), du = d * g * s;
      whole ? Store(out + i, dg) : StorePart(out + i, dg, n);
      whole ? Store(out + width + i, du) : StorePart(out + width + i, du, n);
    }
  }
}

void RmsNormBackwardRows(const float* x, std::ptrdiff_t x_stride, const float* weight, const float* scale, const float* dy,
                         std::ptrdiff_t dy_stride, int rows, int width, float* dx, std::ptrdiff_t dx_stride, float* d_weight) {
  // y = x s w with s = (mean x^2 + eps)^-1/2, so dx = s (w dy - x s^2 mean(x w dy)).
  for (int r = 0; r < rows; ++r) {
    const float* in = x + r * x_stride;
    const float* grad = dy + r * dy_stride;
    float* out = dx + r * dx_stride;
    const float s = scale[r];
    Vec dot{};
    for (int i = 0; i < width; i += kLanes) {
      const int n = std::min(kLanes, width - i);
      const bool whole = n == kLanes;
      const Vec xi = whole ? Load(in + i) : LoadPart(in + i, n), gi = whole ? Load(grad + i) : LoadPart(grad + i, n);
      const Vec wi = whole ? Load(weight + i) : LoadPart(weight + i, n), di = whole ? Load(d_weight + i) : LoadPart(d_weight + i, n);
      dot += xi * wi * gi;
      const Vec sum = di + gi * xi * s;
      whole ? Store(d_weight + i, sum) : StorePart(d_weight + i, sum, n);
    }
    const float pull = Sum(dot) * s * s * s / static_cast<float>(width);
    for (int i = 0; i < width; i += kLanes) {
      const int n = std::min(kLanes, width - i);
      const bool whole = n == kLanes;
      const Vec xi = whole ? Load(in + i) : LoadPart(in + i, n), gi = whole ? Load(grad + i) : LoadPart(grad + i, n);
      const Vec wi = whole ? Load(weight + i) : LoadPart(weight + i, n);
      const Vec v = wi * gi * s - xi * pull;
      whole ? Store(out + i, v) : StorePart(out + i, v, n);
    }
  }
}

void RotatePairs(float* x, const float* cosines, const float* sines, int pairs) {
  for (int i = 0; i < pairs; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cosines[i] - b * sines[i];
    x[2 * i + 1] = b * cosines[i] + a * sines[i];
  }
}

void RouteToken(const RouterRule& rule, const float* logits, const float* bias, std::int32_t* experts, float* weights, float* scores) {
  const int per_group = rule.experts / rule.groups;
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  thread_local std::vector<float> biased, group_score;
  biased.resize(static_cast<std::size_t>(rule.experts));
  for (int e = 0; e < rule.experts; ++e) {
    scores[e] = 1.0f / (1.0f + std::exp(-logits[e]));
    biased[e] = scores[e] + bias[e];
  }
  if (rule.groups > 1) {
    group_score.assign(static_cast<std::size_t>(rule.groups), 0.0f);
    for (int g = 0; g < rule.groups; ++g) {
      float first = kNever, second = kNever;
      for (int e = g * per_group; e < (g + 1) * per_group; ++e) {
        if (biased[e] > first) second = first, first = biased[e];
        else if (biased[e] > second) second = biased[e];
      }
      group_score[g] = first + second;
    }
    for (int g = 0; g < rule.groups; ++g) {
      int better = 0;
      for (int o = 0; o < rule.groups; ++o) better += group_score[o] > group_score[g] || (group_score[o] == group_score[g] && o < g);
      if (better >= rule.kept_groups) std::fill_n(biased.begin() + g * per_group, per_group, kNever);
    }
  }
  for (int k = 0; k < rule.chosen; ++k) {
    int best = 0;
    for (int e = 1; e < rule.experts; ++e) {
      if (biased[e] > biased[best]) best = e;
    }
    experts[k] = best;
    biased[best] = kNever;
  }
  std::sort(experts, experts + rule.chosen);
  float sum = 0.0f;
  for (int k = 0; k < rule.chosen; ++k) sum += scores[experts[k]];
  for (int k = 0; k < rule.chosen; ++k) {
    weights[k] = scores[experts[k]] * (rule.normalize ? 1.0f / (sum + 1e-20f) : 1.0f) * rule.scale;
  }
}

}  // namespace cogent
