#include "policies/kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cogent {

void RmsNormRows(const float* x, std::ptrdiff_t x_stride, const float* weight, float eps, int rows, int width, float* y,
                 std::ptrdiff_t y_stride, float* scale) {
  // As many rows as there are lanes, so that their sums are folded as one.
  for (int first = 0; first < rows; first += kLanes, x += kLanes * x_stride, y += kLanes * y_stride) {
    const int count = std::min(kLanes, rows - first);
    Vec squares[kLanes] = {};
    for (int r = 0; r < count; ++r) {
      const float* in = x + r * x_stride;
      Vec sum{};
      int i = 0;
      for (; i + kLanes <= width; i += kLanes) sum += Load(in + i) * Load(in + i);
      if (i < width) sum += LoadPart(in + i, width - i) * LoadPart(in + i, width - i);
      squares[r] = sum;
    }
    alignas(64) float factors[kLanes];
    Store(factors, SumEach(squares) / static_cast<float>(width) + eps);
    for (float& factor : factors) factor = 1.0f / std::sqrt(factor);
    for (int r = 0; r < count; ++r) {
      const float* in = x + r * x_stride;
      float* out = y + r * y_stride;
      int i = 0;
      for (; i + kLanes <= width; i += kLanes) Store(out + i, Load(in + i) * factors[r] * Load(weight + i));
      for (; i < width; ++i) out[i] = in[i] * factors[r] * weight[i];
    }
    if (scale) std::copy_n(factors, count, scale + first);
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

void RmsNormBackwardRows(const NormGradient& of, int rows, int width, float* dx, std::ptrdiff_t dx_stride, float* d_weight) {
  // y = x s w with s = (mean x^2 + eps)^-1/2, so dx = s (w dy - x s^2 mean(x w dy)). As many rows as there are lanes, so that their means
  // are folded as one.
  for (int first = 0; first < rows; first += kLanes) {
    const int count = std::min(kLanes, rows - first);
    const float *x = of.x + first * of.x_stride, *dy = of.dy + first * of.dy_stride, *others = of.others ? of.others + first * of.others_stride : nullptr;
    alignas(64) float scale[kLanes] = {}, pull[kLanes];
    std::copy_n(of.scale + first, count, scale);
    Vec dots[kLanes] = {};
    for (int i = 0; i < width; i += kLanes) {
      const int n = std::min(kLanes, width - i);
      const auto load = [n](const float* from) { return n == kLanes ? Load(from) : LoadPart(from, n); };
      const Vec w = load(of.weight + i);
      Vec sum = load(d_weight + i);
      for (int r = 0; r < count; ++r) {
        const Vec product = load(x + r * of.x_stride + i) * load(dy + r * of.dy_stride + i);
        dots[r] += product * w;
        sum += product * scale[r];
      }
      n == kLanes ? Store(d_weight + i, sum) : StorePart(d_weight + i, sum, n);
    }
    const Vec s = Load(scale);
    Store(pull, SumEach(dots) * s * s * s / static_cast<float>(width));
    for (int r = 0; r < count; ++r) {
      float* out = dx + (first + r) * dx_stride;
      for (int i = 0; i < width; i += kLanes) {
        const int n = std::min(kLanes, width - i);
        const auto load = [n](const float* from) { return n == kLanes ? Load(from) : LoadPart(from, n); };
        Vec v = load(of.weight + i) * load(dy + r * of.dy_stride + i) * scale[r] - load(x + r * of.x_stride + i) * pull[r];
        if (others) v += load(others + r * of.others_stride + i);
        n == kLanes ? Store(out + i, v) : StorePart(out + i, v, n);
      }
    }
  }
}

LogitSums SumLogits(const float* logits, int count, float scale) {
  float top = logits[0];
  int i = 0;
  Vec tops = Fill(top);
  for (; i + kLanes <= count; i += kLanes) tops = Max(tops, Load(logits + i));
  top = Largest(tops);
  for (; i < count; ++i) top = std::max(top, logits[i]);
  Vec sums{}, weighted{};
  float sum = 0.0f, weight = 0.0f;
  for (i = 0; i + kLanes <= count; i += kLanes) {
    const Vec x = (Load(logits + i) - top) * scale, e = Exp(x);
    sums += e;
    weighted += e * x;
  }
  for (; i < count; ++i) {
    const float x = (logits[i] - top) * scale, e = std::exp(x);
    sum += e;
    weight += e * x;
  }
  sum += Sum(sums);
  weight += Sum(weighted);
  return {top * scale + std::log(sum), top * scale + weight / sum};
}

void RotatePairs(float* x, const float* cosines, const float* sines, int pairs) {
  for (int i = 0; i < pairs; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cosines[i] - b * sines[i];
    x[2 * i + 1] = b * cosines[i] + a * sines[i];
  }
}

void RotateHalves(float* x, const float* cosines, const float* sines, int pairs) {
  for (int i = 0; i < pairs; ++i) {
    const float a = x[i], b = x[pairs + i];
    x[i] = a * cosines[i] - b * sines[i];
    x[pairs + i] = b * cosines[i] + a * sines[i];
  }
}

namespace {

void ScoreExperts(const RouterRule& rule, const float* logits, float* scores) {
  if (!rule.softmax) {
    for (int e = 0; e < rule.experts; ++e) scores[e] = 1.0f / (1.0f + std::exp(-logits[e]));
    return;
  }
  const float top = *std::max_element(logits, logits + rule.experts);
  float sum = 0.0f;
  for (int e = 0; e < rule.experts; ++e) sum += scores[e] = std::exp(logits[e] - top);
  for (int e = 0; e < rule.experts; ++e) scores[e] /= sum;
}

}  // namespace

void RouteToken(const RouterRule& rule, const float* logits, const float* bias, std::int32_t* experts, float* weights, float* scores) {
  const int per_group = rule.experts / rule.groups;
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  thread_local std::vector<float> biased, group_score;
  biased.resize(static_cast<std::size_t>(rule.experts));
  ScoreExperts(rule, logits, biased.data());
  for (int e = 0; e < rule.experts; ++e) biased[e] += bias[e];
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
  WeighExperts(rule, logits, experts, weights, scores);
}

void WeighExperts(const RouterRule& rule, const float* logits, const std::int32_t* experts, float* weights, float* scores) {
  ScoreExperts(rule, logits, scores);
  float sum = 0.0f;
  for (int k = 0; k < rule.chosen; ++k) sum += scores[experts[k]];
  for (int k = 0; k < rule.chosen; ++k) {
    weights[k] = scores[experts[k]] * (rule.normalize ? 1.0f / (sum + 1e-20f) : 1.0f) * rule.scale;
  }
}

}  // namespace cogent
