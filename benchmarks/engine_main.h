// What the benchmarks of the engine share: their own options, and how they are run.
//
//   int main(int argc, char** argv) {
//     return cogent::RunBenchmarks("engine_bench", argc, argv, [](std::vector<char*>& words) {
//       cogent::g_model = cogent::TakeOption(words, "model");
//       cogent::Register();
//     });
//   }
#pragma once

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/memory.h"
#include "core/scalar.h"
#include "policies/decoder.h"

namespace cogent {

// The value of --NAME=VALUE, which leaves the line; empty where it does not stand there.
inline std::string TakeOption(std::vector<char*>& words, const std::string& name) {
  const std::string begin = "--" + name + "=";
  std::string value;
  std::erase_if(words, [&](const char* word) {
    const bool found = std::string_view(word).starts_with(begin);
    if (found) value = word + begin.size();
    if (found && value.empty()) throw ConfigError("--" + name + " is empty; write " + begin + "VALUE, or leave it out");
    return found;
  });
  return value;
}

inline int TakeNumber(std::vector<char*>& words, const std::string& name, int otherwise) {
  constexpr int kMost = 1 << 20;
  const std::string text = TakeOption(words, name);
  if (text.empty()) return otherwise;
  const auto number = ParseInteger(text);
  if (!number.ok() || number.value < 1 || number.value > kMost) {
    throw ConfigError("--" + name + ": " + Quoted(text) + " is no whole number from 1 to " + std::to_string(kMost));
  }
  return static_cast<int>(number.value);
}

// --cache=float32|bfloat16: what the sampler holds keys and values in.
inline Cached TakeCached(std::vector<char*>& words) {
  const std::string text = TakeOption(words, "cache");
  if (!text.empty() && text != "float32" && text != "bfloat16") throw ConfigError("--cache: " + Quoted(text) + " is neither float32 nor bfloat16");
  return text == "bfloat16" ? Cached::kBfloat16 : Cached::kFloat32;
}

// `prepare` takes the program's own options from the line and registers its benchmarks; the rest of the line is Google Benchmark's.
inline int RunBenchmarks(const char* program, int argc, char** argv, const std::function<void(std::vector<char*>& words)>& prepare) try {
  at::set_num_threads(1);
  KeepMemory();  // as the engine's long commands do
  std::vector<char*> words(argv, argv + argc);
  prepare(words);
  int count = static_cast<int>(words.size());
  benchmark::Initialize(&count, words.data());
  if (benchmark::ReportUnrecognizedArguments(count, words.data())) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s: %s\n", program, error.what());
  return 2;
}

}  // namespace cogent
