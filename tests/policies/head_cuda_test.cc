// The GPU's head against its CPU twin. Built and run only where COGENT_CUDA is on.
#ifdef COGENT_CUDA
#include <ATen/ATen.h>
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <vector>

#include "policies/head_cuda.h"
#include "policies/ops.h"

namespace cogent {
namespace {

// Device memory that goes with the test.
template <typename T>
struct OnDevice {
  explicit OnDevice(const at::Tensor& t) : count(static_cast<std::size_t>(t.numel())) {
    EXPECT_EQ(cudaMalloc(&data, count * sizeof(T)), cudaSuccess);
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

}  // namespace
}  // namespace cogent
#endif
