// The CPU kernels against the same arithmetic in double precision, and the promise that everything
// else stands on: the bits of a row do not depend on its neighbours.
#include "policies/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "core/rng.h"

namespace cogent {
namespace {

using Floats = std::vector<float>;

Floats Random(Rng& rng, std::size_t count, double size = 1.0) {
  Floats values(count);
  for (float& v : values) v = static_cast<float>(rng.Normal() * size);
  return values;
}
float* Row(Floats& values, int row, int stride) { return values.data() + static_cast<std::ptrdiff_t>(row) * stride; }

// A float32 sum of `terms` products of size about `size` may be off by this much.
double SumTolerance(int terms, double size) { return 1e-6 * (size + std::sqrt(static_cast<double>(terms))); }

// x [rows, in] times weight [out, in] transposed, with the sum of absolute terms beside it.
struct Exact {
  double value = 0.0, size = 0.0;
};
Exact Dot(const float* a, const float* b, int n, std::ptrdiff_t b_stride = 1) {
  Exact e;
  for (int i = 0; i < n; ++i) {
    const double term = static_cast<double>(a[i]) * b[i * b_stride];
    e.value += term;
    e.size += std::abs(term);
  }
  return e;
}

void ExpectProduct(int rows, int out, int in) {
  SCOPED_TRACE("rows " + std::to_string(rows) + ", out " + std::to_string(out) + ", in " + std::to_string(in));
  Rng rng = Rng(7).Fork(static_cast<std::uint64_t>(rows)).Fork(static_cast<std::uint64_t>(out)).Fork(static_cast<std::uint64_t>(in));
  const int x_stride = in + 3, w_stride = in + 2, y_stride = out + 5;
  Floats x = Random(rng, static_cast<std::size_t>(rows) * x_stride), weight = Random(rng, static_cast<std::size_t>(out) * w_stride);
  const Floats bias = Random(rng, static_cast<std::size_t>(out)), before = Random(rng, static_cast<std::size_t>(rows) * y_stride);
  PackedMatrix packed;
  packed.Pack(weight.data(), out, in, w_stride);
  ASSERT_EQ(packed.out(), out);
  ASSERT_EQ(packed.in(), in);
  Floats plain = before, both = before;
  packed.Multiply(x.data(), x_stride, rows, plain.data(), y_stride);
  packed.Multiply(x.data(), x_stride, rows, both.data(), y_stride, PackedMatrix::Into::kAccumulate, bias.data());
  for (int r = 0; r < rows; ++r) {
    for (int o = 0; o < out; ++o) {
      const Exact want = Dot(Row(x, r, x_stride), Row(weight, o, w_stride), in);
      const double tolerance = SumTolerance(in, want.size);
      ASSERT_NEAR(Row(plain, r, y_stride)[o], want.value, tolerance) << "row " << r << ", column " << o;
      ASSERT_NEAR(Row(both, r, y_stride)[o], want.value + bias[o] + before[static_cast<std::size_t>(r) * y_stride + o], tolerance);
    }
    for (int o = out; o < y_stride; ++o) {  // what stands between the rows is nobody's business
      ASSERT_EQ(Row(plain, r, y_stride)[o], before[static_cast<std::size_t>(r) * y_stride + o]) << "row " << r << ", behind column " << o;
      ASSERT_EQ(Row(both, r, y_stride)[o], before[static_cast<std::size_t>(r) * y_stride + o]);
    }
  }
}

TEST(PackedMatrix, MultipliesLikeTheDefinitionForEveryNumberOfRows) {
  for (int rows = 1; rows <= 20; ++rows) ExpectProduct(rows, 37, 29);
  for (int rows : {33, 40, 65}) ExpectProduct(rows, 50, 64);
}

TEST(PackedMatrix, MultipliesLikeTheDefinitionForEveryWidth) {
  for (int out = 1; out <= 70; ++out) {
    ExpectProduct(1, out, 17);
    ExpectProduct(3, out, 9);
    ExpectProduct(9, out, 5);
  }
  for (int out : {96, 112, 127, 128, 129, 160, 257}) {
    for (int rows : {1, 2, 4, 8, 33}) ExpectProduct(rows, out, 11);
  }
}

TEST(PackedMatrix, MultipliesLikeTheDefinitionForEveryLength) {
  for (int in = 1; in <= 130; ++in) ExpectProduct(1 + in % 11, 1 + in % 40, in);
}

TEST(PackedMatrix, PartsOfAProductAreTheBitsOfTheWhole) {
  Rng rng(5);
  constexpr int kPanel = PackedMatrix::kPanel;
  for (const Products products : {Products::kFloat32, Products::kBfloat16}) {
    for (const auto& [out, in] : {std::pair{300, 37}, {256, 16}, {49, 33}, {300, 64}}) {
      const Floats weight = Random(rng, static_cast<std::size_t>(out) * in), x = Random(rng, static_cast<std::size_t>(37) * in), bias = Random(rng, static_cast<std::size_t>(out));
      PackedMatrix packed;
      packed.Pack(weight.data(), out, in, in, products);
      for (const int rows : {1, 2, 3, 4, 5, 7, 8, 9, 37}) {
        Floats whole(static_cast<std::size_t>(rows) * out), parts(whole.size(), -7.0f), middle(whole.size(), -7.0f);
        packed.Multiply(x.data(), in, rows, whole.data(), out, PackedMatrix::Into::kReplace, bias.data());
        for (int first = 0; first < out;) {
          const int last = first + kPanel * (1 + first / kPanel % 3);
          packed.Multiply(x.data(), in, rows, parts.data(), out, PackedMatrix::Into::kReplace, bias.data(), {.first = first, .columns = last});
          first = last;
        }
        EXPECT_EQ(parts, whole) << rows << " rows of " << out << " columns";
        packed.Multiply(x.data(), in, rows, middle.data(), out, PackedMatrix::Into::kReplace, bias.data(), {.first = kPanel, .columns = 2 * kPanel});
        for (int o = 0; o < out; ++o) EXPECT_EQ(middle[o], o >= kPanel && o < 2 * kPanel ? whole[o] : -7.0f) << "column " << o;
      }
    }
  }
}

TEST(PackedMatrix, PackTransposedTakesTheOtherLayoutOfTheSameWeights) {
  Rng rng(3);
  for (const auto& [out, in] : {std::pair{1, 1}, {16, 5}, {17, 40}, {33, 8}, {70, 130}}) {
    Floats weight = Random(rng, static_cast<std::size_t>(out) * in), turned(weight.size());
    for (int o = 0; o < out; ++o) for (int k = 0; k < in; ++k) turned[static_cast<std::size_t>(k) * out + o] = weight[static_cast<std::size_t>(o) * in + k];
    const Floats x = Random(rng, static_cast<std::size_t>(3) * in);
    PackedMatrix a, b;
    a.Pack(weight.data(), out, in, in);
    b.PackTransposed(turned.data(), in, out, out);
    Floats ya(static_cast<std::size_t>(3) * out), yb(ya.size());
    a.Multiply(x.data(), in, 3, ya.data(), out);
    b.Multiply(x.data(), in, 3, yb.data(), out);
    EXPECT_EQ(ya, yb);
  }
}

TEST(PackedMatrix, ComputesTheFirstColumnsAloneWithTheSameBits) {
  Rng rng(4);
  const int out = 100, in = 24, rows = 9;
  const Floats weight = Random(rng, static_cast<std::size_t>(out) * in), x = Random(rng, static_cast<std::size_t>(rows) * in);
  PackedMatrix packed;
  packed.Pack(weight.data(), out, in, in);
  Floats whole(static_cast<std::size_t>(rows) * out);
  packed.Multiply(x.data(), in, rows, whole.data(), out);
  for (int columns : {0, 1, 31, 32, 33, 64, 99, 100}) {
    constexpr int kPanel = PackedMatrix::kPanel;
    const int panels = std::min(out, (columns + kPanel - 1) / kPanel * kPanel);  // rounded up to a panel
    Floats part(whole.size(), -7.0f);
    packed.Multiply(x.data(), in, rows, part.data(), out, PackedMatrix::Into::kReplace, nullptr, {.columns = columns});
    for (int r = 0; r < rows; ++r) {
      for (int o = 0; o < out; ++o) {
        const std::size_t at = static_cast<std::size_t>(r) * out + o;
        ASSERT_EQ(part[at], o < panels ? whole[at] : -7.0f) << columns << " columns, row " << r << ", column " << o;
      }
    }
  }
}

TEST(PackedMatrix, OfAPartInDepthIsWhatZerosBehindItWouldGive) {
  Rng rng(23);
  const int in = 230, out = 83, most = 150;
  const Floats weight = Random(rng, static_cast<std::size_t>(out) * in), x = Random(rng, static_cast<std::size_t>(most) * in);
  PackedMatrix packed;
  packed.Pack(weight.data(), out, in, in);
  for (const int depth : {0, 1, 15, 32, 197, 229, 230}) {
    Floats zeros = x, anything = x;
    for (int r = 0; r < most; ++r) {
      std::fill(Row(zeros, r, in) + depth, Row(zeros, r, in) + in, 0.0f);
      std::fill(Row(anything, r, in) + depth, Row(anything, r, in) + in, std::nanf(""));
    }
    for (const int rows : {1, 2, 3, 5, 7, 8, 9, 64, 71, 150}) {
      Floats want(static_cast<std::size_t>(rows) * out), got(want.size());
      packed.Multiply(zeros.data(), in, rows, want.data(), out);
      packed.Multiply(anything.data(), in, rows, got.data(), out, PackedMatrix::Into::kReplace, nullptr, {.depth = depth});
      EXPECT_EQ(got, want) << rows << " rows, depth " << depth;
    }
  }
}

TEST(PackedMatrix, TheBitsOfARowDoNotDependOnHowManyRowsStandBesideIt) {
  Rng rng(5);
  // The last two are longer than the part of a column that many rows take at a time.
  for (const auto& [out, in, products] :
       {std::tuple{1, 7, Products::kFloat32}, {15, 33, Products::kFloat32}, {16, 64, Products::kFloat32}, {31, 48, Products::kFloat32}, {64, 100, Products::kFloat32},
        {129, 77, Products::kFloat32}, {200, 130, Products::kFloat32}, {49, 33, Products::kBfloat16}, {16, 32, Products::kBfloat16}, {129, 96, Products::kBfloat16},
        {45, 1700, Products::kFloat32}, {45, 3334, Products::kBfloat16}}) {
    const int most = 300;
    const Floats weight = Random(rng, static_cast<std::size_t>(out) * in), bias = Random(rng, static_cast<std::size_t>(out));
    Floats x = Random(rng, static_cast<std::size_t>(most) * in);
    PackedMatrix packed;
    packed.Pack(weight.data(), out, in, in, products);
    for (const auto into : {PackedMatrix::Into::kReplace, PackedMatrix::Into::kAccumulate}) {
      Floats alone = Random(rng, static_cast<std::size_t>(most) * out);
      const Floats before = alone;
      for (int r = 0; r < most; ++r) packed.Multiply(x.data() + static_cast<std::ptrdiff_t>(r) * in, in, 1, Row(alone, r, out), out, into, bias.data());
      for (int rows : {2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 36, 64, 70, 128, 136, 137, 225, 256, 258, 288, 289, 300}) {
        Floats together(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(rows) * out);
        packed.Multiply(x.data(), in, rows, together.data(), out, into, bias.data());
        const Floats wanted(alone.begin(), alone.begin() + static_cast<std::ptrdiff_t>(together.size()));
        ASSERT_EQ(together, wanted) << rows << " rows, out " << out << ", in " << in;
      }
    }
  }
}

TEST(MultiplyOnce, GivesTheBitsOfThePackedMatrixInBothLayouts) {
  Rng rng(12);
  for (const Products products : {Products::kFloat32, Products::kBfloat16}) {
    for (const auto& [out, in] : {std::pair{1, 1}, {33, 8}, {70, 131}, {700, 1700}, {64, 2048}}) {  // the last two: several times what is packed at once
      const int w_stride = in + 3, turned_stride = out + 1, x_stride = in + 2, y_stride = out + 5;
      Floats weight = Random(rng, static_cast<std::size_t>(out) * w_stride), turned(static_cast<std::size_t>(in) * turned_stride);
      for (int o = 0; o < out; ++o) for (int k = 0; k < in; ++k) Row(turned, k, turned_stride)[o] = Row(weight, o, w_stride)[k];
      const Floats bias = Random(rng, static_cast<std::size_t>(out));
      PackedMatrix packed;
      packed.Pack(weight.data(), out, in, w_stride, products);
      for (const int rows : {1, 5, 33, 150}) {
        const Floats x = Random(rng, static_cast<std::size_t>(rows) * x_stride), before = Random(rng, static_cast<std::size_t>(rows) * y_stride);
        for (const auto into : {PackedMatrix::Into::kReplace, PackedMatrix::Into::kAccumulate}) {
          Floats wanted = before, plain = before, other = before;
          packed.Multiply(x.data(), x_stride, rows, wanted.data(), y_stride, into, bias.data());
          MultiplyOnce(x.data(), x_stride, rows, {weight.data(), out, in, w_stride}, products, plain.data(), y_stride, into, bias.data());
          MultiplyOnce(x.data(), x_stride, rows, {turned.data(), out, in, turned_stride, /*turned=*/true}, products, other.data(), y_stride, into, bias.data());
          EXPECT_EQ(plain, wanted) << rows << " rows, out " << out << ", in " << in;
          EXPECT_EQ(other, wanted) << rows << " rows, out " << out << ", in " << in << ", turned";
        }
      }
    }
  }
}

TEST(AccumulateOuter, AddsTheProductOfTransposedRows) {
  Rng rng(6);
  for (const auto& [m, n, rows] : {std::tuple{1, 1, 1}, {8, 32, 4}, {7, 33, 5}, {17, 70, 31}, {40, 16, 300}, {9, 5, 513}, {3, 3, 0}}) {
    SCOPED_TRACE("m " + std::to_string(m) + ", n " + std::to_string(n) + ", rows " + std::to_string(rows));
    const int a_stride = m + 1, b_stride = n + 2, c_stride = n + 3;
    const Floats a = Random(rng, static_cast<std::size_t>(rows) * a_stride), b = Random(rng, static_cast<std::size_t>(rows) * b_stride);
    const Floats before = Random(rng, static_cast<std::size_t>(m) * c_stride);
    Floats c = before;
    AccumulateOuter(a.data(), a_stride, m, b.data(), b_stride, n, rows, c.data(), c_stride);
    for (int i = 0; i < m; ++i) {
      for (int j = 0; j < c_stride; ++j) {
        const std::size_t at = static_cast<std::size_t>(i) * c_stride + j;
        double want = before[at], size = 0.0;
        for (int r = 0; j < n && r < rows; ++r) {
          const double term = static_cast<double>(a[static_cast<std::size_t>(r) * a_stride + i]) * b[static_cast<std::size_t>(r) * b_stride + j];
          want += term, size += std::abs(term);
        }
        if (j < n) ASSERT_NEAR(c[at], want, SumTolerance(rows, size)) << i << ", " << j;
        else ASSERT_EQ(c[at], before[at]) << i << ", " << j;
      }
    }
  }
}

// Rounds to bfloat16, to nearest even.
float Rounded(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7FFFu + ((bits >> 16) & 1u)) & 0xFFFF0000u;
  std::memcpy(&x, &bits, sizeof bits);
  return x;
}

TEST(Bfloat16Products, AreExactProductsOfRoundedFactorsForEveryShape) {
  for (const auto& [rows, out, in] : {std::tuple{1, 1, 1}, std::tuple{3, 16, 2}, std::tuple{8, 33, 31}, std::tuple{19, 50, 64}, std::tuple{37, 96, 129},
                                     std::tuple{33, 40, 96}, std::tuple{1, 48, 32}, std::tuple{600, 270, 32}}) {
    SCOPED_TRACE(testing::Message() << rows << " x " << out << " x " << in);
    Rng rng = Rng(11).Fork(static_cast<std::uint64_t>(rows));
    Floats x = Random(rng, static_cast<std::size_t>(rows) * in), weight = Random(rng, static_cast<std::size_t>(out) * in);
    Floats y(static_cast<std::size_t>(rows) * out), alone(static_cast<std::size_t>(out)), turned(static_cast<std::size_t>(in) * out);
    for (int o = 0; o < out; ++o) {
      for (int k = 0; k < in; ++k) turned[static_cast<std::size_t>(k) * out + o] = weight[static_cast<std::size_t>(o) * in + k];
    }
    PackedMatrix packed, transposed;
    packed.Pack(weight.data(), out, in, in, Products::kBfloat16);
    transposed.PackTransposed(turned.data(), in, out, out, Products::kBfloat16);
    packed.Multiply(x.data(), in, rows, y.data(), out);
    Floats again(y.size());
    transposed.Multiply(x.data(), in, rows, again.data(), out);
    EXPECT_EQ(y, again);
    packed.Multiply(Row(x, rows - 1, in), in, 1, alone.data(), out);
    Floats narrow_x = x, narrow_weight = weight;
    for (float& v : narrow_x) v = Rounded(v);
    for (float& v : narrow_weight) v = Rounded(v);
    for (int r = 0; r < rows; ++r) {
      for (int o = 0; o < out; ++o) {
        const Exact want = Dot(Row(narrow_x, r, in), Row(narrow_weight, o, in), in);
        EXPECT_NEAR(y[static_cast<std::size_t>(r) * out + o], want.value, SumTolerance(in, want.size)) << r << ", " << o;
      }
    }
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), y.end() - out)) << "a row's bits depend on its neighbours";
    Floats c(static_cast<std::size_t>(out) * in);
    AccumulateOuter(y.data(), out, out, x.data(), in, in, rows, c.data(), in, Products::kBfloat16);
    for (int o = 0; o < out; ++o) {
      for (int k = 0; k < in; ++k) {
        double want = 0, size = 0;
        for (int r = 0; r < rows; ++r) {
          const double term = static_cast<double>(Rounded(y[static_cast<std::size_t>(r) * out + o])) * narrow_x[static_cast<std::size_t>(r) * in + k];
          want += term, size += std::abs(term);
        }
        EXPECT_NEAR(c[static_cast<std::size_t>(o) * in + k], want, SumTolerance(rows, size)) << o << ", " << k;
      }
    }
  }
}

TEST(Exp, IsWithinTwoUnitsInTheLastPlaceOverItsWholeRange) {
  double worst = 0.0;
  for (double x = -87.0; x <= 88.0; x += 1.0 / 512) {
    alignas(64) float out[kLanes];
    Store(out, Exp(Fill(static_cast<float>(x))));
    const double want = std::exp(static_cast<double>(static_cast<float>(x)));
    const double unit = std::nextafter(static_cast<float>(want), HUGE_VALF) - static_cast<double>(static_cast<float>(want));
    worst = std::max(worst, std::abs(out[0] - want) / unit);
  }
  EXPECT_LE(worst, 2.0);
}

TEST(Exp, IsExactAtZeroNothingFarBelowAndFiniteFarAbove) {
  const auto at = [](float x) { return Sum(Exp(Fill(x))) / kLanes; };
  EXPECT_EQ(at(0.0f), 1.0f);
  EXPECT_EQ(at(-88.0f), 0.0f);
  EXPECT_EQ(at(-1e30f), 0.0f);
  EXPECT_EQ(at(-HUGE_VALF), 0.0f);
  EXPECT_TRUE(std::isfinite(Largest(Exp(Fill(1e30f)))));
  EXPECT_GT(Largest(Exp(Fill(1e30f))), 1e38f);
}

TEST(Vectors, PartsTouchNothingBehindTheirEnd) {
  Floats source(kLanes), target(kLanes);
  for (int n = 0; n < kLanes; ++n) {
    for (int i = 0; i < kLanes; ++i) source[i] = static_cast<float>(i + 1), target[i] = -1.0f;
    const Vec v = LoadPart(source.data(), n);
    EXPECT_EQ(Sum(v), static_cast<float>(n * (n + 1) / 2));
    EXPECT_EQ(Largest(v), static_cast<float>(n));
    StorePart(target.data(), v, n);
    for (int i = 0; i < kLanes; ++i) EXPECT_EQ(target[i], i < n ? source[i] : -1.0f);
  }
}

double SwiGlu(double gate, double up) { return gate / (1.0 + std::exp(-gate)) * up; }

TEST(Vectors, FoldToTheSumAndTheLargestOfTheirLanesAndManyAtOnceLaneByLane) {
  Rng rng(24);
  for (int round = 0; round < 50; ++round) {
    Vec vectors[kLanes], copies[kLanes];
    Floats values = Random(rng, static_cast<std::size_t>(kLanes) * kLanes);
    for (int i = 0; i < kLanes; ++i) vectors[i] = copies[i] = Load(Row(values, i, kLanes));
    float each[kLanes];
    Store(each, SumEach(copies));
    for (int i = 0; i < kLanes; ++i) {
      const float* lanes = Row(values, i, kLanes);
      double sum = 0.0, size = 0.0;
      for (int j = 0; j < kLanes; ++j) sum += lanes[j], size += std::abs(lanes[j]);
      EXPECT_NEAR(Sum(vectors[i]), sum, SumTolerance(kLanes, size));
      EXPECT_NEAR(each[i], sum, SumTolerance(kLanes, size)) << "lane " << i;
      EXPECT_EQ(Largest(vectors[i]), *std::max_element(lanes, lanes + kLanes));
    }
  }
}

TEST(Vectors, RowsOfAnyLengthAreCopiedAddedAndMultipliedAndNothingBehindThem) {
  Rng rng(25);
  for (int n = 0; n <= 3 * kLanes + 1; ++n) {
    const Floats a = Random(rng, static_cast<std::size_t>(n) + 2), b = Random(rng, a.size());
    Floats copy = b, sum = b;
    CopyRow(a.data(), n, copy.data());
    AddRow(a.data(), n, sum.data());
    for (std::size_t i = 0; i < a.size(); ++i) {
      const bool inside = i < static_cast<std::size_t>(n);
      EXPECT_EQ(copy[i], inside ? a[i] : b[i]) << n;
      EXPECT_EQ(sum[i], inside ? a[i] + b[i] : b[i]) << n;
    }
    const Exact want = Dot(a.data(), b.data(), n);
    EXPECT_NEAR(cogent::Dot(a.data(), b.data(), n), want.value, SumTolerance(n, want.size)) << n;
  }
}

TEST(Floats, BeginAtACacheLineAndKeepWhatTheyHoldWhenTheyGrow) {
  for (const std::size_t size : {1, 7, 100, 5000}) {
    cogent::Floats buffer(3, 2.5f);
    const float* begin = Room(buffer, size);
    EXPECT_EQ(begin, buffer.data());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(begin) % 64, 0u);
    EXPECT_EQ(buffer.size(), std::max<std::size_t>(size, 3));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(buffer[i], 2.5f);
  }
}

TEST(SwiGluRows, MultipliesTheGatedHalfByTheOther) {
  Rng rng(8);
  for (int width : {1, 5, 15, 16, 17, 40, 64}) {
    const int rows = 3, stride = 2 * width + 1, y_stride = width + 2;
    Floats x = Random(rng, static_cast<std::size_t>(rows) * stride, 3.0), y(static_cast<std::size_t>(rows) * y_stride, -7.0f);
    SwiGluRows(x.data(), stride, rows, width, y.data(), y_stride);
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < width; ++i) {
        const double want = SwiGlu(Row(x, r, stride)[i], Row(x, r, stride)[width + i]);
        ASSERT_NEAR(Row(y, r, y_stride)[i], want, 1e-6 * (1 + std::abs(want))) << "width " << width;
      }
      for (int i = width; i < y_stride; ++i) ASSERT_EQ(Row(y, r, y_stride)[i], -7.0f);
    }
  }
}

// Central difference of f at x, in double precision.
double Slope(const std::function<double(double)>& f, double x) { return (f(x + 1e-5) - f(x - 1e-5)) / 2e-5; }

TEST(SwiGluBackwardRows, IsTheSlopeOfTheForwardPass) {
  Rng rng(9);
  for (int width : {1, 13, 16, 35}) {
    const int rows = 2, stride = 2 * width;
    Floats x = Random(rng, static_cast<std::size_t>(rows) * stride, 2.0), dy = Random(rng, static_cast<std::size_t>(rows) * width), dx(x.size());
    SwiGluBackwardRows(x.data(), stride, dy.data(), width, rows, width, dx.data(), stride);
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < width; ++i) {
        const double gate = Row(x, r, stride)[i], up = Row(x, r, stride)[width + i], d = Row(dy, r, width)[i];
        ASSERT_NEAR(Row(dx, r, stride)[i], d * Slope([&](double g) { return SwiGlu(g, up); }, gate), 1e-5 * (1 + std::abs(d * up)));
        ASSERT_NEAR(Row(dx, r, stride)[width + i], d * Slope([&](double u) { return SwiGlu(gate, u); }, up), 1e-5 * (1 + std::abs(d * gate)));
      }
    }
  }
}

std::vector<double> RmsNorm(const std::vector<double>& x, const std::vector<double>& weight, double eps) {
  double mean = 0.0;
  for (const double v : x) mean += v * v / static_cast<double>(x.size());
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] / std::sqrt(mean + eps) * weight[i];
  return y;
}
std::vector<double> Wide(const float* p, int n) { return {p, p + n}; }

TEST(RmsNormRows, DividesByTheRootMeanSquareAndReturnsItsInverse) {
  Rng rng(10);
  for (int width : {1, 7, 16, 33, 64, 100}) {
    const int rows = width == 33 ? 2 * kLanes + 3 : 3, stride = width + 4;
    const double eps = 1e-2;
    Floats x = Random(rng, static_cast<std::size_t>(rows) * stride), y(static_cast<std::size_t>(rows) * width), scale(rows);
    Floats weight = Random(rng, static_cast<std::size_t>(width));
    RmsNormRows(x.data(), stride, weight.data(), static_cast<float>(eps), rows, width, y.data(), width, scale.data());
    for (int r = 0; r < rows; ++r) {
      const auto in = Wide(Row(x, r, stride), width), want = RmsNorm(in, Wide(weight.data(), width), eps);
      double mean = 0.0;
      for (const double v : in) mean += v * v / width;
      ASSERT_NEAR(scale[r], 1 / std::sqrt(mean + eps), 1e-5);
      for (int i = 0; i < width; ++i) ASSERT_NEAR(Row(y, r, width)[i], want[i], 2e-6 * (1 + std::abs(want[i]))) << "width " << width;
    }
    // In place, as the decoder runs it.
    Floats same = x;
    RmsNormRows(same.data(), stride, weight.data(), static_cast<float>(eps), rows, width, same.data(), stride);
    for (int r = 0; r < rows; ++r) for (int i = 0; i < width; ++i) ASSERT_EQ(Row(same, r, stride)[i], Row(y, r, width)[i]);
  }
}

TEST(RmsNormRows, GivesARowTheSameBitsAmongAnyOthers) {
  Rng rng(18);
  const int rows = 2 * kLanes + 5, width = 43;
  Floats x = Random(rng, static_cast<std::size_t>(rows) * width), weight = Random(rng, static_cast<std::size_t>(width));
  Floats together(x.size()), alone(width);
  RmsNormRows(x.data(), width, weight.data(), 1e-6f, rows, width, together.data(), width);
  for (int r = 0; r < rows; ++r) {
    RmsNormRows(Row(x, r, width), width, weight.data(), 1e-6f, 1, width, alone.data(), width);
    ASSERT_EQ(0, std::memcmp(alone.data(), Row(together, r, width), width * sizeof(float))) << "row " << r;
  }
}

TEST(RmsNormBackwardRows, IsTheSlopeOfTheForwardPassAndAddsToTheWeights) {
  Rng rng(11);
  for (int width : {1, 6, 16, 21, 48}) {
    const int rows = width == 21 ? 2 * kLanes + 3 : 3;
    const double eps = 1e-3;
    Floats x = Random(rng, static_cast<std::size_t>(rows) * width), dy = Random(rng, x.size()), weight = Random(rng, static_cast<std::size_t>(width));
    const Floats before = Random(rng, weight.size());
    Floats y(x.size()), scale(rows), dx(x.size()), d_weight = before;
    RmsNormRows(x.data(), width, weight.data(), static_cast<float>(eps), rows, width, y.data(), width, scale.data());
    RmsNormBackwardRows({x.data(), width, weight.data(), scale.data(), dy.data(), width}, rows, width, dx.data(), width, d_weight.data());
    const auto w = Wide(weight.data(), width);
    const auto loss = [&](int r, const std::vector<double>& in, const std::vector<double>& by) {
      const auto out = RmsNorm(in, by, eps);
      double sum = 0.0;
      for (int i = 0; i < width; ++i) sum += out[i] * Row(dy, r, width)[i];
      return sum;
    };
    for (int i = 0; i < width; ++i) {
      double weight_slope = before[i];
      for (int r = 0; r < rows; ++r) {
        auto in = Wide(Row(x, r, width), width);
        const auto moved = [&](double v) { auto copy = in; copy[i] = v; return loss(r, copy, w); };
        ASSERT_NEAR(Row(dx, r, width)[i], Slope(moved, in[i]), 3e-4 * (1 + scale[r])) << "width " << width;
        weight_slope += Slope([&](double v) { auto copy = w; copy[i] = v; return loss(r, in, copy); }, w[i]);
      }
      ASSERT_NEAR(d_weight[i], weight_slope, 1e-4 * rows / 3) << "width " << width;
    }
    // Rows that join the gradient are added to it, and to nothing else.
    Floats others = Random(rng, static_cast<std::size_t>(rows) * (width + 2));
    Floats joined(x.size()), again = before;
    RmsNormBackwardRows({x.data(), width, weight.data(), scale.data(), dy.data(), width, others.data(), width + 2}, rows, width, joined.data(), width, again.data());
    EXPECT_EQ(again, d_weight);
    for (int r = 0; r < rows; ++r) for (int i = 0; i < width; ++i) ASSERT_EQ(Row(joined, r, width)[i], Row(dx, r, width)[i] + Row(others, r, width + 2)[i]);
  }
}

TEST(RotatePairs, TurnsEachNeighbouringPairByItsAngle) {
  const float quarter[] = {0.0f, 1.0f}, sines[] = {1.0f, 0.0f};
  float x[] = {3.0f, 4.0f, 5.0f, 6.0f};
  RotatePairs(x, quarter, sines, 2);
  EXPECT_EQ(Floats(x, x + 4), (Floats{-4.0f, 3.0f, 5.0f, 6.0f}));
}

nlohmann::json RoutingCases() {
  std::ifstream in(std::string(COGENT_SOURCE_DIR) + "/tests/data/parity/routing/cases.json");
  return nlohmann::json::parse(in)["cases"];
}
RouterRule RuleOf(const nlohmann::json& c) {
  return {c["n_routed_experts"], c["num_experts_per_tok"], c["n_group"], c["topk_group"], c["norm_topk_prob"], c["routed_scaling_factor"]};
}

TEST(RouteToken, ChoosesAndWeighsAsInEveryReferenceCase) {
  const auto cases = RoutingCases();
  ASSERT_GE(cases.size(), 8u);
  for (std::size_t n = 0; n < cases.size(); ++n) {
    const auto& c = cases[n];
    const RouterRule rule = RuleOf(c);
    const Floats bias = c["e_score_correction_bias"];
    std::vector<int> load(static_cast<std::size_t>(rule.experts));
    for (std::size_t t = 0; t < c["router_logits"].size(); ++t) {
      const Floats logits = c["router_logits"][t];
      std::vector<std::int32_t> experts(static_cast<std::size_t>(rule.chosen));
      Floats weights(experts.size()), scores(static_cast<std::size_t>(rule.experts));
      RouteToken(rule, logits.data(), bias.data(), experts.data(), weights.data(), scores.data());
      EXPECT_EQ(experts, c["topk_sorted_by_expert"][t].get<std::vector<std::int32_t>>()) << "case " << n << ", token " << t;
      for (std::size_t k = 0; k < weights.size(); ++k) {
        const double want = c["weights"][t][k];
        EXPECT_NEAR(weights[k], want, 1e-6 * want) << "case " << n << ", token " << t;
      }
      for (std::size_t e = 0; e < scores.size(); ++e) EXPECT_NEAR(scores[e], 1 / (1 + std::exp(-static_cast<double>(logits[e]))), 1e-6);
      for (const auto e : experts) ++load[e];
    }
    EXPECT_EQ(load, c["load"].get<std::vector<int>>()) << "case " << n;
  }
}

std::vector<std::int32_t> Chosen(const RouterRule& rule, const Floats& logits, const Floats& bias) {
  std::vector<std::int32_t> experts(static_cast<std::size_t>(rule.chosen));
  Floats weights(experts.size()), scores(logits.size());
  RouteToken(rule, logits.data(), bias.data(), experts.data(), weights.data(), scores.data());
  return experts;
}

TEST(RouteToken, TiesGoToTheSmallerId) {
  using Ids = std::vector<std::int32_t>;
  const Floats none(8, 0.0f);
  EXPECT_EQ(Chosen({8, 3}, none, none), (Ids{0, 1, 2}));
  EXPECT_EQ(Chosen({8, 3}, {0, 1, 0, 1, 0, 1, 0, 1}, none), (Ids{1, 3, 5}));
  EXPECT_EQ(Chosen({8, 2, 4, 2}, none, none), (Ids{0, 1}));                           // of equal groups the first
  EXPECT_EQ(Chosen({8, 4, 4, 2}, {0, 0, 1, 1, 0, 0, 1, 1}, none), (Ids{2, 3, 6, 7}));
  EXPECT_EQ(Chosen({8, 3, 4, 2}, {0, 0, 1, 1, 1, 1, 1, 1}, none), (Ids{2, 3, 4}));
}

TEST(RouteToken, ABiasMovesTheChoiceButNotTheWeights) {
  const RouterRule rule{4, 2, 1, 1, false, 1.0f};
  const Floats logits{2.0f, 1.0f, 0.0f, -1.0f}, bias{0.0f, -1.0f, 0.0f, 1.0f};
  std::int32_t experts[2];
  float weights[2], scores[4];
  RouteToken(rule, logits.data(), bias.data(), experts, weights, scores);
  EXPECT_EQ(experts[0], 0);
  EXPECT_EQ(experts[1], 3);
  EXPECT_FLOAT_EQ(weights[0], static_cast<float>(1 / (1 + std::exp(-2.0))));
  EXPECT_FLOAT_EQ(weights[1], static_cast<float>(1 / (1 + std::exp(1.0))));
}

TEST(RouteToken, KeepsAGroupWhoseBiasedScoresAreNegative) {
  // Masking the dropped groups with 0 instead of minus infinity would choose from them here.
  EXPECT_EQ(Chosen({4, 2, 2, 1}, {0, 0, 0, 0}, {-0.9f, -0.9f, -0.8f, -0.8f}), (std::vector<std::int32_t>{2, 3}));
}

}  // namespace
}  // namespace cogent
