#include "experiments/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace cogent {
namespace {

TEST(MetricTable, SaysNameUnitAndMeaningOfEachOnce) {
  std::set<std::string_view> names;
  for (const MetricInfo& info : MetricTable()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name << " stands twice";
    EXPECT_FALSE(info.unit.empty()) << info.name;
    EXPECT_GT(info.meaning.size(), 8u) << info.name;
    EXPECT_LE(std::count(info.name.begin(), info.name.end(), '*'), 1) << info.name;
  }
}

TEST(MetricTable, HasTrlsNames) {
  for (const char* name : {"loss",
                           "reward",
                           "reward_std",
                           "frac_reward_zero_std",
                           "completions/mean_length",
                           "completions/min_length",
                           "completions/max_length",
                           "completions/clipped_ratio",
                           "completions/mean_terminated_length",
                           "completions/min_terminated_length",
                           "completions/max_terminated_length",
                           "rewards/accuracy/mean",
                           "rewards/format/std",
                           "kl",
                           "entropy",
                           "clip_ratio/low_mean",
                           "clip_ratio/low_min",
                           "clip_ratio/high_mean",
                           "clip_ratio/high_max",
                           "clip_ratio/region_mean",
                           "policy_loss",
                           "grad_norm",
                           "learning_rate",
                           "num_tokens",
                           "step_time",
                           "aux_loss",
                           "sampling/sampling_logp_difference/mean",
                           "sampling/sampling_logp_difference/max",
                           "sampling/importance_sampling_ratio/min",
                           "sampling/importance_sampling_ratio/mean",
                           "sampling/importance_sampling_ratio/max"}) {
    EXPECT_NE(FindMetric(name), nullptr) << name;
  }
}

TEST(FindMetric, PrefersTheExactNameToAPattern) {
  EXPECT_EQ(FindMetric("timing_s/gen")->name, "timing_s/gen");
  EXPECT_EQ(FindMetric("timing_s/anything")->name, "timing_s/*");
  EXPECT_EQ(FindMetric("pass@16")->name, "pass@*");
  EXPECT_EQ(FindMetric("pass@16_low")->name, "pass@*_low");
  EXPECT_EQ(FindMetric("moe/expert_load/layer_1/max")->name, "moe/expert_load/*/max");
  EXPECT_EQ(FindMetric("eval_pass@1")->name, "pass@*");
}

TEST(FindMetric, FindsNothingForUnknownNamesAndEmptyStars) {
  EXPECT_EQ(FindMetric("nonsense"), nullptr);
  EXPECT_EQ(FindMetric("timing_s/"), nullptr);
  EXPECT_EQ(FindMetric("rewards//mean"), nullptr);
  EXPECT_EQ(FindMetric(""), nullptr);
}

TEST(IsTimeMetric, TellsWhatMayDifferBetweenARunAndItsRepetition) {
  for (const char* name :
       {"time", "timing_s/gen", "timing_s/new_phase", "step_time", "perf/throughput"}) {
    EXPECT_TRUE(IsTimeMetric(name)) << name;
  }
  for (const char* name : {"reward", "step", "perf/total_num_tokens", "num_tokens", "nonsense"}) {
    EXPECT_FALSE(IsTimeMetric(name)) << name;
  }
}

TEST(MetricTable, PrintsOneRowAMetricWithBarsKeptInsideTheirCell) {
  const std::string text = MetricTableMarkdown();
  EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')),
            MetricTable().size() + 2);
  EXPECT_NE(text.find("| `rewards/*/mean` | 1 | "), std::string::npos);
  EXPECT_NE(text.find("largest \\|bias\\|"), std::string::npos);
}

}  // namespace
}  // namespace cogent
