// The kernels of policies/*.cu, run on the CPU (tests/support/cuda_on_cpu), against what they say that they compute. On a
// GPU the same kernels are held against their CPU twins by gpu_test.cc and by every test of other devices.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "policies/kernels.h"
#include "policies/sampling.h"

#define cuda on_cpu  // the functions of a build with CUDA have the other name
#include "policies/experts_cuda.cu"
#include "policies/head_cuda.cu"
#include "policies/sampling_cuda.cu"
#undef cuda

namespace cogent {
namespace {

std::vector<float> Random(std::size_t count, float scale, unsigned seed) {
  std::mt19937 draws(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(draws);
  return values;
}

TEST(KernelsOfCuda, PairsStandByExpertInTheOrderInWhichTheyCame) {
  const int groups = 7, pairs = 1000;
  std::mt19937 draws(1);
  std::vector<std::int32_t> experts(pairs), begin(groups + 1, -1);
  for (auto& e : experts) e = std::vector<std::int32_t>{0, 2, 3, 3, 3, 5}[draws() % 6];  // none has expert 1, 4 or 6
  std::vector<std::int64_t> order(pairs, -1), place_of(pairs, -1), want(pairs);
  ASSERT_EQ(on_cpu::SortByExpert(experts.data(), pairs, groups, order.data(), place_of.data(), begin.data(), nullptr), cudaSuccess);
  std::iota(want.begin(), want.end(), 0);
  std::stable_sort(want.begin(), want.end(), [&](auto a, auto b) { return experts[a] < experts[b]; });
  EXPECT_EQ(order, want);
  for (int i = 0; i < pairs; ++i) EXPECT_EQ(order[static_cast<std::size_t>(place_of[i])], i);
  for (int e = 0; e <= groups; ++e) EXPECT_EQ(begin[e], std::count_if(experts.begin(), experts.end(), [&](int x) { return x < e; })) << e;
}

// A product of experts whose rows are as given, element by element in double; factors are exact in bfloat16.
struct Product {
  std::vector<int> rows_of;
  int in = 0, out = 0;
  bool bfloat16 = false;
};

class GroupedProducts : public testing::TestWithParam<Product> {
 protected:
  void SetUp() override {
    for (const int rows : p.rows_of) begin.push_back(begin.back() + rows);
    x = Rounded(static_cast<std::size_t>(begin.back()) * p.in, 1), w = Rounded(p.rows_of.size() * p.in * p.out, 2), dy = Rounded(static_cast<std::size_t>(begin.back()) * p.out, 3);
    shapes = {p.bfloat16 ? on_cpu::Element::kBfloat16 : on_cpu::Element::kFloat32, begin.data(), static_cast<int>(p.rows_of.size()), begin.back(), p.in, p.out};
  }
  static std::vector<float> Rounded(std::size_t count, unsigned seed) {
    std::vector<float> values = Random(count, 1.0f, seed);
    for (float& value : values) value = static_cast<float>(__nv_bfloat16(value));
    return values;
  }
  const void* Factor(const std::vector<float>& values) {
    if (!p.bfloat16) return values.data();
    return kept.emplace_back(values.begin(), values.end()).data();
  }
  // Each number of `got` is sum(n, k of 0..depth), to float32's rounding.
  template <typename Sum>
  void Expect(const std::vector<float>& got, Sum sum) const {
    for (std::size_t n = 0; n < got.size(); ++n) ASSERT_NEAR(got[n], sum(n), 1e-4) << n;
  }
  int ExpertOf(std::size_t row) const { return static_cast<int>(std::upper_bound(begin.begin(), begin.end(), static_cast<int>(row)) - begin.begin()) - 1; }

  const Product& p = GetParam();
  std::vector<std::int32_t> begin = {0};
  std::vector<float> x, w, dy;
  std::vector<std::vector<__nv_bfloat16>> kept;
  on_cpu::Grouped shapes;
};

TEST_P(GroupedProducts, EveryRowMeetsTheMatrixOfItsExpert) {
  std::vector<float> y(dy.size(), NAN);
  ASSERT_EQ(on_cpu::GroupedProduct(shapes, Factor(x), Factor(w), y.data(), nullptr), cudaSuccess);
  Expect(y, [&](std::size_t n) {
    double sum = 0.0;
    for (int k = 0; k < p.in; ++k) sum += static_cast<double>(x[n / p.out * p.in + k]) * w[(static_cast<std::size_t>(ExpertOf(n / p.out)) * p.out + n % p.out) * p.in + k];
    return sum;
  });
}

TEST_P(GroupedProducts, TheGradientOfTheInputGoesThroughTheSameMatrix) {
  std::vector<float> dx(x.size(), NAN);
  ASSERT_EQ(on_cpu::GroupedInputGradient(shapes, Factor(dy), Factor(w), dx.data(), nullptr), cudaSuccess);
  Expect(dx, [&](std::size_t n) {
    double sum = 0.0;
    for (int k = 0; k < p.out; ++k) sum += static_cast<double>(dy[n / p.in * p.out + k]) * w[(static_cast<std::size_t>(ExpertOf(n / p.in)) * p.out + k) * p.in + n % p.in];
    return sum;
  });
}

TEST_P(GroupedProducts, TheGradientOfAMatrixIsTheSumOverItsRowsAndZeroWithoutAny) {
  std::vector<float> dw(w.size(), NAN);
  ASSERT_EQ(on_cpu::GroupedWeightGradient(shapes, Factor(dy), Factor(x), dw.data(), nullptr), cudaSuccess);
  Expect(dw, [&](std::size_t n) {
    const std::size_t expert = n / (static_cast<std::size_t>(p.in) * p.out), row = n / p.in % p.out, column = n % p.in;
    double sum = 0.0;
    for (int r = begin[expert]; r < begin[expert + 1]; ++r) sum += static_cast<double>(dy[static_cast<std::size_t>(r) * p.out + row]) * x[static_cast<std::size_t>(r) * p.in + column];
    return sum;
  });
}

INSTANTIATE_TEST_SUITE_P(KernelsOfCuda, GroupedProducts,
                         testing::Values(Product{{0, 1, 0, 17, 5}, 40, 70, false}, Product{{0, 1, 0, 17, 5}, 40, 70, true},  // tiles of 16 rows
                                         Product{{130, 0, 65}, 70, 33, false}, Product{{130, 0, 65}, 70, 33, true}),         // of 64
                         [](const auto& info) { return std::string(info.param.bfloat16 ? "Bfloat16" : "Float32") + (info.param.in == 40 ? "FewRows" : "ManyRows"); });

TEST(KernelsOfCuda, ADrawIsTheOneOfTheCpuWithTheSameNumber) {
  const int rows = 16, vocabulary = 301, width = 320;
  for (const float temperature : {1.0f, 0.6f}) {
    std::vector<float> logits = Random(rows * width, 3.0f, 4);
    for (int i = 0; i < rows * width; i += 3) logits[i] = -std::numeric_limits<float>::infinity();
    std::vector<double> uniforms(rows);
    std::mt19937_64 draws(5);
    for (double& u : uniforms) u = std::uniform_real_distribution<double>()(draws);
    uniforms[0] = 0.0, uniforms[1] = std::nextafter(1.0, 0.0);
    std::vector<std::int64_t> ids(rows, -1);
    std::vector<float> logprobs(rows), sampled(rows);
    ASSERT_EQ(on_cpu::DrawTokens(logits.data(), rows, width, vocabulary, temperature, uniforms.data(), ids.data(), logprobs.data(), sampled.data(), nullptr), cudaSuccess);
    Sampling sampling;
    sampling.temperature = temperature;
    EXPECT_EQ(ids[1], vocabulary - 1);  // the last with a share, however the sums are rounded
    for (int r = 0; r < rows; ++r) {
      if (r == 1) continue;
      const SampledToken want = SampleToken(logits.data() + r * width, vocabulary, sampling, uniforms[r]);
      EXPECT_EQ(ids[r], want.id) << r << ", u = " << uniforms[r];
      EXPECT_NEAR(logprobs[r], logits[r * width + want.id] - SumLogits(logits.data() + r * width, width, 1.0f).log_sum, 1e-4);
      EXPECT_NEAR(sampled[r], want.sampled_logprob, 1e-4);
    }
  }
}

TEST(KernelsOfCuda, ADrawFromWhatIsNoNumberIsAnIdWithoutALogprob) {
  std::vector<float> logits(20, std::numeric_limits<float>::quiet_NaN());
  const double uniform = 0.5;
  std::int64_t id = -1;
  float logprob = 0.0f, sampled = 0.0f;
  ASSERT_EQ(on_cpu::DrawTokens(logits.data(), 1, 20, 20, 1.0f, &uniform, &id, &logprob, &sampled, nullptr), cudaSuccess);
  EXPECT_EQ(id, 0);
  EXPECT_TRUE(std::isnan(logprob) && std::isnan(sampled));
}

TEST(KernelsOfCuda, TheHeadGivesLogprobsEntropiesAndTheirGradient) {
  const int rows = 3, vocabulary = 301;
  const float temperature = 0.7f;
  const std::vector<float> logits = Random(rows * vocabulary, 3.0f, 6), gl = Random(rows, 1.0f, 7), ge = Random(rows, 1.0f, 8);
  const std::vector<std::int64_t> targets = {0, 150, 300};
  std::vector<float> logprobs(rows), entropy(rows), log_sums(rows), gradient = logits;
  ASSERT_EQ(on_cpu::TokenLogprobs(logits.data(), targets.data(), rows, vocabulary, temperature, logprobs.data(), entropy.data(), log_sums.data(), nullptr), cudaSuccess);
  ASSERT_EQ(on_cpu::TokenLogprobsBackward(gradient.data(), targets.data(), rows, vocabulary, temperature, log_sums.data(), entropy.data(), gl.data(), ge.data(), nullptr), cudaSuccess);
  for (int r = 0; r < rows; ++r) {
    const auto row = std::span(logits).subspan(static_cast<std::size_t>(r * vocabulary), vocabulary);
    double sum = 0.0, h = 0.0;
    for (const float x : row) sum += std::exp(x / 0.7);
    for (const float x : row) h -= std::exp(x / 0.7) / sum * (x / 0.7 - std::log(sum));
    EXPECT_NEAR(log_sums[r], std::log(sum), 1e-5);
    EXPECT_NEAR(logprobs[r], row[static_cast<std::size_t>(targets[r])] / 0.7 - std::log(sum), 1e-5);
    EXPECT_NEAR(entropy[r], h, 1e-5);
    for (int j = 0; j < vocabulary; ++j) {
      const double logp = row[static_cast<std::size_t>(j)] / 0.7 - std::log(sum), p = std::exp(logp);
      EXPECT_NEAR(gradient[r * vocabulary + j], ((j == targets[r] ? gl[r] : 0.0) - p * (gl[r] + ge[r] * (logp + h))) / 0.7, 1e-5) << r << ", " << j;
    }
  }
}

}  // namespace
}  // namespace cogent
