// The names of everything a run measures: name, unit, meaning, in one table.
//
// Names are TRL's where TRL has the thing, verl's for time and speed, CleanRL's `losses/` for a
// critic. The table prints as the documentation and tells which numbers depend on the clock, that
// is, which may differ between a run and its exact repetition.
//
//   Metrics metrics{{"reward", 0.75}, {"completions/mean_length", 31.5}};
//   FindMetric("rewards/accuracy/mean")->unit   // the row `rewards/*/mean`
//   IsTimeMetric("timing_s/gen")                // true: not part of "bit for bit"
//
// Thread rule: constant data, free functions.
// Source: TRL's GRPO trainer documentation; verl's metric_utils; CleanRL's PPO page.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cogent {

// One step's numbers by name. Ordered, so that the same numbers always write the same line.
using Metrics = std::map<std::string, double>;

struct MetricInfo {
  std::string_view name;  // `*` stands for one or more characters: a reward's name, a layer
  std::string_view unit;  // "tokens", "nats", "s", "tokens/s", "share" (0 to 1), ...; "1" for none
  std::string_view meaning;  // one sentence
};

// Every metric, grouped as the documentation prints them.
const std::vector<MetricInfo>& MetricTable();

// The row that describes `name`: the exact one, else the first pattern that fits; null when no row
// does. The prefixes `eval_` and `eval/` are looked through.
const MetricInfo* FindMetric(std::string_view name);

// True for what depends on the machine of the moment: seconds, rates, memory. All else repeats
// exactly.
bool IsTimeMetric(std::string_view name);

// The table as Markdown: | metric | unit | meaning |.
std::string MetricTableMarkdown();

}  // namespace cogent
