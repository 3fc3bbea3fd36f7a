// Resets of the generated environments on one thread: tasks a second, by CPU time. Built without the engine.
//
//   build/free/envs_bench
//
// A held-out task takes about eight draws, for one problem in eight is held out. `items_per_second` is what benchmarks/README.md quotes.
#include <benchmark/benchmark.h>

#include <string>
#include <utility>

#include "core/error.h"
#include "envs/env.h"

namespace cogent {
namespace {

void Reset(benchmark::State& state, const std::string& name, const std::string& settings, Split split) {
  Problems problems;
  const auto env = BuiltinEnvs().Make({.name = name, .settings = ParseYaml(settings, "bench.yaml"), .location = {}}, problems);
  problems.ThrowIfAny();
  std::uint64_t index = 0;
  for (auto _ : state) benchmark::DoNotOptimize(env->Reset({split, 1, index++}));
  state.SetItemsProcessed(state.iterations());
}

const bool kRegistered = [] {
  const std::pair<const char*, const char*> envs[] = {{"signs", "{}"}, {"signs", "{languages: [en, zh]}"}, {"small_talk", "{}"}, {"arithmetic", "{}"},
                                                     {"word_problems", "{languages: [en, zh]}"}, {"countdown", "{}"}, {"code", "{}"}, {"tools", "{task: {name: arithmetic}}"}};
  for (const auto& [name, settings] : envs) {
    for (const Split split : {Split::kTrain, Split::kTest}) {
      const std::string title = std::string(name) + " " + settings + (split == Split::kTrain ? " train" : " test");
      benchmark::RegisterBenchmark(title.c_str(), [name = std::string(name), settings = std::string(settings), split](benchmark::State& state) { Reset(state, name, settings, split); });
    }
  }
  return true;
}();

}  // namespace
}  // namespace cogent

BENCHMARK_MAIN();
