// Attention over a cache: against sums in double, and over rounded numbers the same bits as over the floats that they are.
#include "policies/decoder_attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "core/rng.h"

namespace cogent {
namespace {

float Widened(Bfloat16 x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16); }

TEST(CachedBfloat16, IsTheNearestThereIsAndTheEvenOneOfTwoAsNear) {
  const auto kept = [](float x) {
    Bfloat16 to = 0;
    Keep(x, &to);
    return Widened(to);
  };
  EXPECT_EQ(kept(1.0f), 1.0f);
  EXPECT_EQ(kept(-0.0f), 0.0f);
  EXPECT_TRUE(std::signbit(kept(-0.0f)));
  EXPECT_EQ(kept(1.0f + 1.0f / 256), 1.0f) << "between 1 and 1 + 1/128, which is odd";
  EXPECT_EQ(kept(1.0f + 3.0f / 256), 1.0f + 2.0f / 128) << "between 1 + 1/128, which is odd, and 1 + 2/128";
  EXPECT_EQ(kept(std::numeric_limits<float>::infinity()), std::numeric_limits<float>::infinity());
  const Rng rng(1);
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const float x = std::ldexp(static_cast<float>(rng.UniformAt(2 * i)) - 0.5f, static_cast<int>(rng.UniformAt(2 * i + 1) * 60) - 30), got = kept(x);
    Bfloat16 bits = 0;
    Keep(got, &bits);
    for (const int step : {-1, 1}) {
      EXPECT_LE(std::abs(got - x), std::abs(Widened(static_cast<Bfloat16>(bits + step)) - x)) << x;
    }
  }
}

// A cache of so many positions, as decoder.h lays it out, and queries for `tokens` at its end.
struct CachedScene {
  int width, r, heads, position, tokens;
  bool latent;
  std::vector<Bfloat16> keys, values;
  std::vector<float> wide_keys, wide_values, query;

  CachedScene(int width, int r, int heads, int position, int tokens, bool latent, std::uint64_t seed)
      : width(width), r(r), heads(heads), position(position), tokens(tokens), latent(latent) {
    const Rng rng(seed);
    std::uint64_t draw = 0;
    const auto fill = [&](std::vector<Bfloat16>& rounded, std::vector<float>& wide, std::size_t count) {
      rounded.resize(count), wide.resize(count);
      for (std::size_t i = 0; i < count; ++i) {
        Keep(static_cast<float>(rng.UniformAt(draw++)) * 2 - 1, &rounded[i]);
        wide[i] = Widened(rounded[i]);
      }
    };
    const int blocks = (position + tokens - 1) / kLanes + 1;
    fill(keys, wide_keys, static_cast<std::size_t>(blocks) * width * kLanes);
    if (!latent) fill(values, wide_values, static_cast<std::size_t>(blocks) * kLanes * r);
    query.resize(static_cast<std::size_t>(tokens) * heads * width);
    for (float& x : query) x = static_cast<float>(rng.UniformAt(draw++)) * 2 - 1;
  }

  template <typename Number>
  std::vector<float> Attend(const std::vector<Number>& k, const std::vector<Number>& v) const {
    std::vector<float> mixed(static_cast<std::size_t>(tokens) * heads * r, -7.0f);
    AttendRun<Number>({.keys = k.data(), .values = latent ? nullptr : v.data(), .next = latent ? k.data() : nullptr, .key_size = width, .value_size = r, .heads = heads}, query.data(),
                      static_cast<std::ptrdiff_t>(heads) * width, tokens, position, mixed.data(), static_cast<std::ptrdiff_t>(heads) * r);
    return mixed;
  }

  double Key(int p, int d) const { return wide_keys[(static_cast<std::size_t>(p / kLanes) * width + d) * kLanes + p % kLanes]; }
  // softmax(query K^T) V of one token and head, number d.
  double Wanted(int t, int h, int d) const {
    double sum = 0, mean = 0;
    for (int p = 0; p <= position + t; ++p) {
      double score = 0;
      for (int i = 0; i < width; ++i) score += query[(static_cast<std::size_t>(t) * heads + h) * width + i] * Key(p, i);
      sum += std::exp(score);
      mean += std::exp(score) * (latent ? Key(p, d) : wide_values[static_cast<std::size_t>(p) * r + d]);
    }
    return mean / sum;
  }
};

TEST(CachedBfloat16, IsAttendedLikeTheFloatsThatItIsToTheBitAndLikeTheFormula) {
  std::uint64_t seed = 10;
  for (const bool latent : {false, true}) for (const auto& [width, r] : {std::pair{24, 16}, {64, 64}, {40, 33}, {5, 3}}) {
    for (const auto& [heads, position, tokens] : {std::tuple{1, 0, 1}, {3, 6, 1}, {4, 40, 1}, {9, 63, 1}, {2, 0, 8}, {3, 29, 5}, {1, 100, 8}}) {
      const CachedScene s(width, r, heads, position, tokens, latent, ++seed);
      const std::vector<float> got = s.Attend(s.keys, s.values);
      EXPECT_EQ(got, s.Attend(s.wide_keys, s.wide_values)) << width << ", " << r << ", " << heads << " heads, " << tokens << " from " << position << (latent ? ", latent" : "");
      for (int t = 0; t < tokens; ++t) for (int h = 0; h < heads; ++h) for (int d = 0; d < r; d += 2) {
        EXPECT_NEAR(got[(static_cast<std::size_t>(t) * heads + h) * r + d], s.Wanted(t, h, d), 2e-5);
      }
    }
  }
}

}  // namespace
}  // namespace cogent
