#include "policies/device_decoder.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#ifdef COGENT_TORCH_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "policies/sampling_cuda.h"
#endif

#include <algorithm>
#include <limits>
#include <map>

#include "core/error.h"
#include "policies/parameters.h"

namespace cogent {
namespace {

// Attention looks at a multiple of so many positions, so that few shapes, and few graphs, are enough.
constexpr std::int64_t kSeen = 256;

// The leaves as generation reads them; those of routers stay float32, as everything that decides.
std::vector<at::Tensor> Rounded(const ParameterSet& parameters) {
  std::vector<at::Tensor> leaves = parameters.Leaves();
  const auto layout = ParameterLayout(parameters.config());
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (i >= layout.size() || !layout[i].name.ends_with("mlp.gate.weight")) leaves[i] = leaves[i].to(at::kBFloat16);
  }
  return leaves;
}

}  // namespace

DeviceWeights::DeviceWeights(const ParameterSet& parameters, Products products) : products_(products) { Update(parameters); }

void DeviceWeights::Update(const ParameterSet& parameters) {
  model_ = std::make_unique<Transformer>(parameters.config(), products_ == Products::kBfloat16 ? Rounded(parameters) : parameters.Leaves(), parameters.biases());
}

// What a step of every slot runs from: its inputs, which keep their place, and on a GPU the graphs that read them, each recorded once for so
// many seen positions and replayed from then on.
struct DeviceDecoder::Replay {
  at::Tensor ids, positions;  // [slots], int64 on the device
#ifdef COGENT_TORCH_CUDA
  struct Graph {
    at::cuda::CUDAGraph graph;
    CachedRows rows;
    at::Tensor hidden;
  };
  std::map<std::int64_t, std::unique_ptr<Graph>> by_seen;
#endif
};

DeviceDecoder::DeviceDecoder(const DeviceWeights& weights, int slots, int longest)
    : weights_(&weights), slots_(slots), longest_(longest), replay_(std::make_unique<Replay>()) {
  const c10::NoGradGuard no_grad;
  cache_ = weights.model().MakeCache(slots, longest + 1);  // idle slots write to the last place, which nobody reads
  const auto options = cache_.keys[0].options().dtype(at::kLong);
  replay_->ids = at::zeros({slots}, options), replay_->positions = at::full({slots}, longest, options);
}

DeviceDecoder::~DeviceDecoder() = default;

std::size_t DeviceDecoder::CacheBytes(const DeviceWeights& weights, int slots, int longest) {
  const KeyValueCache one = weights.model().MakeCache(1, 1);
  std::size_t bytes = 0;
  for (const auto* part : {&one.keys, &one.values}) {
    for (const at::Tensor& t : *part) bytes += t.nbytes();
  }
  return bytes * slots * (longest + 1);
}

void DeviceDecoder::Run(const std::vector<DecodeRow>& rows, const std::vector<int>& wanted) {
  const c10::NoGradGuard no_grad;
  const int vocabulary = weights_->model().config().vocab_size;
  for (const DecodeRow& row : rows) {
    Check(row.slot >= 0 && row.slot < slots_ && row.position >= 0 && row.position < longest_, "a row lies outside the cache");
    Check(row.token >= 0 && row.token < vocabulary, "a token lies outside the vocabulary");
  }
  Check(!rows.empty(), "a step has rows");
  place_.clear();
  rows[0].position == 0 ? RunPrompt(rows) : RunStep(rows);
  host_logits_ = at::Tensor();
  if (wanted.empty()) return;
  std::vector<std::int64_t> which;
  for (const int row : wanted) which.push_back(place_[static_cast<std::size_t>(row)]);
  const at::Tensor chosen = hidden_.index_select(0, at::tensor(which, at::kLong).to(hidden_.device()));
  logits_ = weights_->model().Logits(chosen).to(at::kFloat);
}

void DeviceDecoder::RunPrompt(const std::vector<DecodeRow>& rows) {
  std::vector<std::int64_t> ids;
  for (const DecodeRow& row : rows) {
    Check(row.slot == rows[0].slot && row.position == static_cast<int>(ids.size()), "a new sequence is one slot's, from position 0");
    place_.push_back(row.position);
    ids.push_back(row.token);
  }
  CachedRows cached;
  cached.cache = &cache_;
  cached.prompt_slot = rows[0].slot;
  cached.ids = at::tensor(ids, at::kLong).to(cache_.keys[0].device());
  cached.positions = at::arange(static_cast<std::int64_t>(ids.size()), cached.ids.options());
  cached.seen = static_cast<std::int64_t>(ids.size());
  hidden_ = weights_->model().Decode(cached);
  experts_ = cached.experts;
}

void DeviceDecoder::RunStep(const std::vector<DecodeRow>& rows) {
  std::vector<std::int64_t> ids(static_cast<std::size_t>(slots_)), positions(ids.size(), longest_);
  std::int64_t last = 0;
  for (const DecodeRow& row : rows) {
    Check(positions[static_cast<std::size_t>(row.slot)] == longest_, "a step has one row a slot");
    ids[static_cast<std::size_t>(row.slot)] = row.token;
    positions[static_cast<std::size_t>(row.slot)] = row.position;
    place_.push_back(row.slot);
    last = std::max<std::int64_t>(last, row.position);
  }
  const std::int64_t seen = std::min<std::int64_t>((last / kSeen + 1) * kSeen, longest_ + 1);
  replay_->ids.copy_(at::tensor(ids, at::kLong));
  replay_->positions.copy_(at::tensor(positions, at::kLong));
  CachedRows cached;
  cached.cache = &cache_;
  cached.ids = replay_->ids, cached.positions = replay_->positions;
  cached.seen = seen;
#ifdef COGENT_TORCH_CUDA
  if (cached.ids.is_cuda()) {
    auto& one = replay_->by_seen[seen];
    if (!one) {
      one = std::make_unique<Replay::Graph>();
      one->rows = cached;
      c10::cuda::device_synchronize();
      const c10::cuda::CUDAStream stream = c10::cuda::getStreamFromPool();  // a graph is recorded on another stream than the default one
      const c10::cuda::CUDAStreamGuard guard(stream);
      weights_->model().Decode(one->rows);  // what is made at a first call (handles, work space) is made outside the graph
      stream.synchronize();
      one->graph.capture_begin();
      one->hidden = weights_->model().Decode(one->rows);
      one->graph.capture_end();
      stream.synchronize();
    }
    one->graph.replay();
    hidden_ = one->hidden;
    experts_ = one->rows.experts;
    return;
  }
#endif
  hidden_ = weights_->model().Decode(cached);
  experts_ = cached.experts;
}

const float* DeviceDecoder::Logits(int i) {
  if (!host_logits_.defined()) host_logits_ = OnHost(logits_);
  return host_logits_.const_data_ptr<float>() + i * host_logits_.size(1);
}

void DeviceDecoder::AppendExperts(int row, std::vector<std::int32_t>& to) {
  for (at::Tensor& layer : experts_) {
    if (!layer.is_cpu()) layer = layer.cpu();
    const std::int32_t* chosen = layer.const_data_ptr<std::int32_t>() + place_[static_cast<std::size_t>(row)] * layer.size(1);
    to.insert(to.end(), chosen, chosen + layer.size(1));
  }
}

void DeviceDecoder::CopySlot(int from, int to, int tokens) {
  const c10::NoGradGuard no_grad;
  for (std::vector<at::Tensor>* part : {&cache_.keys, &cache_.values}) {
    for (at::Tensor& layer : *part) layer.select(0, to).narrow(0, 0, tokens).copy_(layer.select(0, from).narrow(0, 0, tokens));
  }
}

std::vector<SampledToken> DeviceDecoder::Draw(const Sampling& sampling, int vocabulary, const std::vector<double>& uniforms) {
  if (sampling.repetition_penalty != 1.0) return {};
  return DrawTokens(logits_, vocabulary, sampling, uniforms);
}

namespace {

bool Cuts(const Sampling& s, int vocabulary) { return (s.top_k > 0 && s.top_k < vocabulary) || s.top_p < 1.0 || s.min_p > 0.0; }

// Of each row the token, its log-probability under the logits as they are and under what it was drawn from; all [n, 1].
struct Drawn {
  at::Tensor ids, logprobs, sampled_logprobs;
};

#ifdef COGENT_TORCH_CUDA
// In three passes over the logits, where ATen makes a dozen, half of them in double.
Drawn DrawOnGpu(const at::Tensor& logits, int vocabulary, const Sampling& sampling, const at::Tensor& uniforms) {
  const at::Tensor rows = logits.contiguous(), room = at::empty({rows.size(0), 1}, rows.options());
  const Drawn drawn{at::empty(room.sizes(), room.options().dtype(at::kLong)), at::empty_like(room), at::empty_like(room)};
  const int error = cuda::DrawTokens(rows.const_data_ptr<float>(), static_cast<int>(rows.size(0)), static_cast<int>(rows.size(1)), vocabulary, static_cast<float>(sampling.temperature),
                                     uniforms.const_data_ptr<double>(), drawn.ids.mutable_data_ptr<std::int64_t>(), drawn.logprobs.mutable_data_ptr<float>(),
                                     drawn.sampled_logprobs.mutable_data_ptr<float>(), c10::cuda::getCurrentCUDAStream().stream());
  Check(error == 0, "the GPU refused the kernel that draws tokens");
  return drawn;
}
#endif

Drawn DrawByAten(const at::Tensor& logits, int vocabulary, const Sampling& sampling, const at::Tensor& uniforms) {
  const at::Tensor known = logits.narrow(1, 0, vocabulary);
  at::Tensor ids, sampled;
  if (sampling.temperature == 0.0) {
    ids = known.argmax(-1, true);
    sampled = at::zeros(ids.sizes(), logits.options());
  } else {
    // By falling probability where something is cut off, so that what is kept stands in front; else by id.
    const bool cuts = Cuts(sampling, vocabulary);
    const at::Tensor cold = known / sampling.temperature;
    at::Tensor row = cold, order;
    if (cuts) std::tie(row, order) = cold.sort(/*stable=*/true, -1, /*descending=*/true);
    const auto drop = [&](const at::Tensor& which) { row = row.masked_fill(which, -std::numeric_limits<double>::infinity()); };
    if (sampling.top_k > 0 && sampling.top_k < vocabulary) drop(at::arange(vocabulary, logits.options()).ge(sampling.top_k).unsqueeze(0));
    if (sampling.top_p < 1.0) {
      const at::Tensor p = at::softmax(row.to(at::kDouble), -1), in_front = p.cumsum(-1) - p;
      drop(in_front.ge(sampling.top_p).logical_and(at::arange(vocabulary, logits.options()).gt(0)));
    }
    if (sampling.min_p > 0.0) drop((row - row.narrow(-1, 0, 1)).lt(std::log(sampling.min_p)));
    const at::Tensor logq = at::log_softmax(row, -1), sums = logq.to(at::kDouble).exp().cumsum(-1);
    const at::Tensor below = uniforms.unsqueeze(-1) * sums.narrow(-1, vocabulary - 1, 1);
    const at::Tensor last = row.gt(-std::numeric_limits<double>::infinity()).sum(-1, true) - 1;  // where rounding goes beyond the end
    at::Tensor place = at::searchsorted(sums, below, /*out_int32=*/false, /*right=*/true);
    if (cuts) place = at::minimum(place, last);
    else place = place.clamp_max(vocabulary - 1);
    sampled = logq.gather(-1, place);
    ids = cuts ? order.gather(-1, place) : place;
  }
  return {ids, logits.gather(-1, ids) - logits.logsumexp(-1, true), sampled};
}

}  // namespace

std::vector<SampledToken> DrawTokens(const at::Tensor& logits, int vocabulary, const Sampling& sampling, const std::vector<double>& uniforms) {
  const c10::NoGradGuard no_grad;
  const std::int64_t rows = logits.size(0);
  Check(static_cast<std::int64_t>(uniforms.size()) == rows, "each row needs its draw");
  auto draw = DrawByAten;
#ifdef COGENT_TORCH_CUDA
  if (logits.is_cuda() && logits.scalar_type() == at::kFloat && sampling.temperature > 0.0 && !Cuts(sampling, vocabulary)) draw = DrawOnGpu;
#endif
  const Drawn drawn = draw(logits, vocabulary, sampling, at::tensor(uniforms, at::kDouble).to(logits.device()));
  const at::Tensor out = at::cat({drawn.logprobs.to(at::kFloat), drawn.sampled_logprobs.to(at::kFloat)}, 1).cpu(), chosen = drawn.ids.cpu().contiguous();
  std::vector<SampledToken> tokens;
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* numbers = out.const_data_ptr<float>() + 2 * i;
    tokens.push_back({static_cast<std::int32_t>(chosen.const_data_ptr<std::int64_t>()[i]), numbers[0], numbers[1]});
  }
  return tokens;
}

}  // namespace cogent
