// Kernels on a GPU against their CPU twins. Built and run only where COGENT_CUDA is on; kernels_cuda_test.cc runs the same kernels anywhere.
#ifdef COGENT_CUDA
#include <ATen/ATen.h>
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <vector>

#include "policies/device_decoder.h"
#include "policies/head_cuda.h"
#include "policies/ops.h"

namespace cogent {
namespace {

// Device memory that goes with the test.
template <typename T>
struct OnDevice {
  explicit OnDevice(const at::Tensor& t) : count(static_cast<std::size_t>(t.numel())) {
    EXPECT_EQ(cudaMalloc(reinterpret_cast<void**>(&data), count * sizeof(T)), cudaSuccess);
    EXPECT_EQ(cudaMemcpy(data, t.contiguous().const_data_ptr<T>(), count * sizeof(T), cudaMemcpyHostToDevice), cudaSuccess);
  }
  ~OnDevice() { cudaFree(data); }
  at::Tensor Back(at::IntArrayRef sizes) const {
    at::Tensor t = at::empty(sizes, at::kFloat);
    EXPECT_EQ(cudaMemcpy(t.mutable_data_ptr<float>(), data, count * sizeof(T), cudaMemcpyDeviceToHost), cudaSuccess);
    return t;
  }
  std::size_t count;
  T* data = nullptr;
};

TEST(HeadCuda, LogprobsEntropyAndGradientEqualTheCpus) {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) GTEST_SKIP() << "this machine has no GPU";
  const int rows = 37, vocabulary = 301;
  const float temperature = 0.7f;
  const at::Tensor logits = at::randn({rows, vocabulary}) * 3, targets = at::randint(vocabulary, {rows}, at::kLong);
  const at::Tensor d_logprobs = at::randn({rows}), d_entropy = at::randn({rows});
  const at::Tensor leaf = logits.clone().requires_grad_(true), logp = at::log_softmax(leaf / temperature, -1);
  const at::Tensor want = logp.gather(1, targets.unsqueeze(1)).squeeze(1), want_entropy = -(logp.exp() * logp).sum(-1);
  ((want * d_logprobs).sum() + (want_entropy * d_entropy).sum()).backward();

  const at::Tensor room = at::zeros({rows});
  OnDevice<float> x(logits), logprobs(room), entropy(room), log_sums(room), gl(d_logprobs), ge(d_entropy);
  OnDevice<std::int64_t> t(targets);
  ASSERT_EQ(cuda::TokenLogprobs(x.data, t.data, rows, vocabulary, temperature, logprobs.data, entropy.data, log_sums.data, nullptr), 0);
  ASSERT_EQ(cuda::TokenLogprobsBackward(x.data, t.data, rows, vocabulary, temperature, log_sums.data, entropy.data, gl.data, ge.data, nullptr), 0);
  EXPECT_TRUE(at::allclose(logprobs.Back({rows}), want.detach(), 1e-5, 1e-5));
  EXPECT_TRUE(at::allclose(entropy.Back({rows}), want_entropy.detach(), 1e-5, 1e-5));
  EXPECT_TRUE(at::allclose(x.Back({rows, vocabulary}), leaf.grad(), 1e-4, 1e-5));
}

TEST(ExpertsCuda, ResultsAndGradientsEqualTheCpus) {
  if (!at::globalContext().hasCUDA()) GTEST_SKIP() << "this machine has no GPU";
  for (const int rows : {2, 40, 700}) {
    for (const Products products : {Products::kFloat32, Products::kBfloat16}) {
      const at::Tensor chosen = std::get<0>(std::get<1>(at::rand({rows, 8}).topk(2)).sort()).to(at::kInt), pull = at::randn({rows, 72});
      std::vector<at::Tensor> inputs = {at::randn({rows, 72}), at::rand({rows, 2}), at::randn({8, 80, 72}) * 0.2, at::randn({8, 72, 40}) * 0.2};
      std::vector<at::Tensor> results[2];
      for (const at::Device place : {at::Device(at::kCPU), at::Device(at::kCUDA, 0)}) {
        std::vector<at::Tensor> own;
        for (const at::Tensor& input : inputs) own.push_back(input.to(place, /*non_blocking=*/false, /*copy=*/true).requires_grad_(true));
        const at::Tensor y = device::Experts(own[0], Routes{chosen.to(place), own[1], {}}, own[2], own[3], products);
        y.backward(pull.to(place));
        auto& kept = results[place.is_cuda()];
        kept.push_back(y.detach().cpu());
        for (const at::Tensor& leaf : own) kept.push_back(leaf.grad().cpu());
      }
      const double rounding = products == Products::kFloat32 ? 1e-4 : 0.03;  // in bfloat16 the CPU's results are rounded once more
      for (std::size_t i = 0; i < results[0].size(); ++i) {
        EXPECT_TRUE(at::allclose(results[1][i], results[0][i], 0.0, rounding * results[0][i].abs().max().item<double>())) << i << ", rows: " << rows;
      }
    }
  }
}

TEST(DrawCuda, TokensAreThoseOfTheCpuWithTheSameNumbers) {
  if (!at::globalContext().hasCUDA()) GTEST_SKIP() << "this machine has no GPU";
  const int rows = 100, vocabulary = 49000;
  const at::Tensor logits = at::randn({rows, 49152}) * 3, numbers = at::rand({rows}, at::kDouble);
  const std::vector<double> uniforms(numbers.const_data_ptr<double>(), numbers.const_data_ptr<double>() + rows);
  for (const double temperature : {1.0, 0.6}) {
    Sampling sampling;
    sampling.temperature = temperature;
    const auto want = DrawTokens(logits, vocabulary, sampling, uniforms), got = DrawTokens(logits.to(at::kCUDA), vocabulary, sampling, uniforms);
    int other = 0;  // a number that falls on the border of two tokens
    for (int r = 0; r < rows; ++r) {
      if (got[r].id != want[r].id) {
        ++other;
        continue;
      }
      EXPECT_NEAR(got[r].logprob, want[r].logprob, 1e-4);
      EXPECT_NEAR(got[r].sampled_logprob, want[r].sampled_logprob, 1e-4);
    }
    EXPECT_LE(other, 2);
  }
}

}  // namespace
}  // namespace cogent
#endif
