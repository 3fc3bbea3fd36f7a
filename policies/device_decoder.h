// Decoding on a GPU, by LibTorch's operators: the same transformer that trains, with a cache (Transformer::Decode).
//
// Every step runs one row for each of the slots, idle ones too, so that its shapes stay as they are and a GPU can replay it as
// one CUDA graph; a sequence that starts is read in a call of its own. Tokens are drawn where the logits are.
// A row's logits depend on what stands beside it as far as ATen's products do: equal up to rounding, not to the bit as decoder.h's.
//
//   DeviceWeights weights(parameters, Products::kBfloat16);
//   DeviceDecoder decoder(weights, slots, longest);
//   decoder.Run({{0, 0, 17}, {0, 1, 4}}, {1});        // a new sequence, from position 0
//   decoder.Run({{0, 2, 5}, {3, 7, 9}}, {0, 1});      // then one row a slot
#pragma once

#include <memory>
#include <vector>

#include "policies/decoder.h"
#include "policies/transformer.h"

namespace cogent {

// The weights where they are, float32: nothing is copied. In bfloat16: a copy, but for the routers.
class DeviceWeights {
 public:
  explicit DeviceWeights(const ParameterSet& parameters, Products products = Products::kFloat32);
  void Update(const ParameterSet& parameters);  // takes over changed weights
  const Transformer& model() const { return *model_; }
  Products products() const { return products_; }

 private:
  Products products_;
  std::unique_ptr<Transformer> model_;
};

class DeviceDecoder final : public BatchDecoder {
 public:
  // `slots` sequences of at most `longest` tokens. The weights must outlive the decoder and stay as they are.
  DeviceDecoder(const DeviceWeights& weights, int slots, int longest);
  ~DeviceDecoder() override;
  // Either the rows of one slot from position 0 on, or one row a slot.
  void Run(const std::vector<DecodeRow>& rows, const std::vector<int>& wanted) override;
  const float* Logits(int i) override;
  void AppendExperts(int row, std::vector<std::int32_t>& to) override;
  void CopySlot(int from, int to, int tokens) override;
  // Temperature, top-k, top-p, min-p and greedy choice; empty with a repetition penalty.
  std::vector<SampledToken> Draw(const Sampling& sampling, int vocabulary, const std::vector<double>& uniforms) override;
  static std::size_t CacheBytes(const DeviceWeights& weights, int slots, int longest);

 private:
  struct Replay;
  void RunPrompt(const std::vector<DecodeRow>& rows);
  void RunStep(const std::vector<DecodeRow>& rows);

  const DeviceWeights* weights_;
  int slots_, longest_;
  KeyValueCache cache_;
  std::vector<int> place_;      // of each row of the last Run: its row of hidden_
  at::Tensor hidden_, logits_;  // [rows, D], [wanted, V]
  at::Tensor host_logits_;      // a copy of logits_ for Logits(); undefined until asked for
  std::vector<at::Tensor> experts_;
  std::unique_ptr<Replay> replay_;
};

// One draw for each row of logits [n, vocabulary or more], as SampleToken (sampling.h) makes it from the same uniform numbers, but
// for rounding. REQUIRES no repetition penalty.
std::vector<SampledToken> DrawTokens(const at::Tensor& logits, int vocabulary, const Sampling& sampling, const std::vector<double>& uniforms);

}  // namespace cogent
