// cogent model forward
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"
#include "core/file.h"
#include "experiments/engine_commands.h"
#include "policies/decoder.h"
#include "policies/transformer.h"
#include "policies/safetensors.h"

namespace cogent {
namespace {

using Ids = std::vector<std::int64_t>;
using Tensors = std::map<std::string, at::Tensor>;
constexpr char kShape[] = R"({"sequences": [[1, 2, 3], ...]})";

Ids ReadSequence(const nlohmann::json& ids, const std::string& where, const ModelConfig& config, int greedy) {
  if (!ids.is_array()) throw DataError(fmt::format("{}: a list of token ids is wanted, found {}", where, ids.type_name()));
  if (ids.empty()) throw DataError(where + ": the sequence is empty; give it at least one token id");
  const std::int64_t room = config.max_position_embeddings - greedy;
  if (static_cast<std::int64_t>(ids.size()) > room) {
    throw DataError(fmt::format("{}: {} tokens{} do not fit in the model's context (max_position_embeddings) of {}; shorten the sequence", where,
                                ids.size(), greedy > 0 ? fmt::format(" and {} greedy ones", greedy) : "", config.max_position_embeddings));
  }
  Ids out;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    // Signed and unsigned numbers are compared as they are: none wraps around.
    const bool fits = ids[i].is_number_unsigned() ? ids[i].get<std::uint64_t>() < static_cast<std::uint64_t>(config.vocab_size) : false;
    if (!fits) {
      throw DataError(fmt::format("{}[{}]: {} is no token id of this model; ids are whole numbers from 0 to {}", where, i,
                                  ids[i].dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 40), config.vocab_size - 1));
    }
    out.push_back(ids[i].get<std::int64_t>());
  }
  return out;
}

std::vector<Ids> ReadSequences(const std::string& path, const ModelConfig& config, int greedy) {
  nlohmann::json root;
  try {
    root = nlohmann::json::parse(ReadFile(path));
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("{}: this is no JSON ({}); wanted is {}", path, error.what(), kShape));
  }
  if (!root.is_object() || !root.contains("sequences") || !root["sequences"].is_array()) {
    throw DataError(fmt::format("{}: there is no list named \"sequences\"; wanted is {}", path, kShape));
  }
  std::vector<Ids> sequences;
  for (const auto& ids : root["sequences"]) {
    sequences.push_back(ReadSequence(ids, fmt::format("{}: sequences[{}]", path, sequences.size()), config, greedy));
  }
  if (sequences.empty()) throw DataError(fmt::format("{}: \"sequences\" is empty; wanted is {}", path, kShape));
  return sequences;
}

// The trainer's forward pass, one sequence at a time.
void AddForward(const Transformer& model, const Ids& ids, const std::string& prefix, Tensors& out) {
  const int size = static_cast<int>(ids.size());
  Tensors trace;
  const ForwardResult result = model.Forward({ids, {{0, size, -1}}}, {.trace = &trace});
  out[prefix + "logits"] = model.Logits(result.hidden);
  std::vector<std::int64_t> rows(static_cast<std::size_t>(size) - 1);
  std::iota(rows.begin(), rows.end(), 0);
  out[prefix + "logprobs"] = rows.empty() ? at::empty({0}, at::kFloat)
                                          : model.Logprobs(result.hidden, rows, {ids.begin() + 1, ids.end()}, 1.0).logprobs;
  for (const auto& [name, tensor] : trace) {
    if (name.ends_with(".router_topk")) out[prefix + name] = tensor.to(at::kLong);
  }
}

// The likeliest next tokens by the cached decoder; no token ends the continuation.
at::Tensor Continue(const DecoderWeights& weights, const Ids& ids, int count) {
  const int size = static_cast<int>(ids.size()), vocabulary = weights.config().vocab_size;
  Decoder decoder(weights, 1, size + count);
  std::vector<DecodeRow> rows;
  for (int p = 0; p < size; ++p) rows.push_back({0, p, static_cast<std::int32_t>(ids[static_cast<std::size_t>(p)])});
  at::Tensor out = at::empty({count}, at::kLong);
  for (int i = 0; i < count; ++i) {
    decoder.Run(rows, {static_cast<int>(rows.size()) - 1});
    const auto best = static_cast<std::int32_t>(std::max_element(decoder.Logits(0), decoder.Logits(0) + vocabulary) - decoder.Logits(0));
    out.mutable_data_ptr<std::int64_t>()[i] = best;
    rows = {{0, size + i, best}};
  }
  return out;
}

void Write(const std::string& path, Tensors& tensors) {
  std::map<std::string, TensorView> views;
  for (auto& [name, tensor] : tensors) {
    tensor = tensor.contiguous();
    views[name] = {tensor.scalar_type() == at::kLong ? DType::kI64 : DType::kF32, tensor.sizes().vec(),
                   {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()}};
  }
  WriteSafetensors(path, views, {{"format", "pt"}});
}

}  // namespace

int ModelForwardCommand(const Command& command) {
  const int greedy = command.Has("greedy") ? WholeNumber("--greedy", command.Get("greedy"), 1, 1 << 24) : 0;
  // The input is read before the weights: a mistake in it costs nothing.
  const auto sequences = ReadSequences(command.Get("input"), LoadPolicyConfig(command.Get("model")), greedy);
  const ParameterSet parameters = LoadWeights(command.Get("model"));
  c10::NoGradGuard no_grad;
  const Transformer model(parameters.config(), parameters.Leaves(), parameters.biases());
  Tensors out;
  for (std::size_t i = 0; i < sequences.size(); ++i) AddForward(model, sequences[i], fmt::format("seq{}.", i), out);
  if (greedy > 0) {
    const DecoderWeights weights(parameters);
    for (std::size_t i = 0; i < sequences.size(); ++i) out[fmt::format("seq{}.greedy", i)] = Continue(weights, sequences[i], greedy);
  }
  Write(command.Get("output"), out);
  return kExitDone;
}

}  // namespace cogent
