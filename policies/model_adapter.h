// Low-rank adapters: what a run says of them, and which matrices of a model they go to. A matrix W [out, in] stays as it
// is and learns as W + alpha / rank * B A with A [rank, in] and B [out, rank].
//
//   config.lora = LoraConfig{.rank = 8, .alpha = 16, .targets = {"q_proj", "v_proj"}};
//   for (const AdaptedLeaf& leaf : AdapterLayout(config)) ...
//
// Source: Hu and others, LoRA, arXiv 2106.09685, section 4.1; names, scale and first values as PEFT has them.
// Adapters go to the projections of attention and, in a model without experts, of its dense layers. Embedding, head, norms,
// router, experts and the prediction module never have one. Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.h"

namespace cogent {

struct ModelConfig;

// Every projection that can have one.
inline constexpr const char* kAllLinear = "all-linear";

struct LoraConfig {
  int rank = 16;
  double alpha = 32.0;
  std::vector<std::string> targets = {kAllLinear};  // ends of names as PEFT's target_modules, or kAllLinear

  double Scale() const { return alpha / rank; }
  void VisitFields(FieldVisitor& visit);
};

// A leaf of ParameterLayout, of which some parts have an adapter. All their A read the same input.
struct AdaptedLeaf {
  struct Part {
    std::string module;             // "model.layers.0.self_attn.q_proj"
    std::int64_t first = 0;         // its rows in the leaf
    std::int64_t rows = 0;
  };
  std::string leaf;
  std::int64_t width = 0;           // in
  std::vector<Part> parts;
};

// Of config.lora; empty where there is none. ConfigError when a target names nothing.
std::vector<AdaptedLeaf> AdapterLayout(const ModelConfig& config);
// Last names of the modules that can have one, in alphabetical order: "down_proj", "gate_proj", ...
std::vector<std::string> AdapterTargets(const ModelConfig& config);
// How many numbers an adapter of config.lora has.
std::int64_t AdapterSize(const ModelConfig& config);

}  // namespace cogent
