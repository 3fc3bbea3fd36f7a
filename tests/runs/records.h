// What two runs recorded, compared without their times.
#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "experiments/metrics.h"
#include "tests/runs/program.h"

namespace cogent::runs {

inline bool OfTime(const std::string& name) { return name == "time" || name == "seconds" || IsTimeMetric(name); }

inline nlohmann::json WithoutTimes(const nlohmann::json& j) {
  if (!j.is_object()) return j;
  nlohmann::json kept = nlohmann::json::object();
  for (const auto& [key, value] : j.items()) {
    if (!OfTime(key)) kept[key] = WithoutTimes(value);
  }
  return kept;
}

inline std::vector<std::string> LinesWithoutTimes(const std::string& path) {
  std::vector<std::string> lines;
  std::istringstream text(Read(path));
  for (std::string line; std::getline(text, line);) lines.push_back(WithoutTimes(nlohmann::json::parse(line)).dump());
  return lines;
}

inline std::vector<std::string> FilesUnder(const std::string& dir) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    const std::string name = entry.path().lexically_relative(dir).string();
    if (name.find("tfevents") == std::string::npos) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline std::vector<std::string> Without(const std::vector<std::string>& all, const std::vector<std::string>& some) {
  std::vector<std::string> left;
  std::set_difference(all.begin(), all.end(), some.begin(), some.end(), std::back_inserter(left));
  return left;
}

// Everything but times: records line by line, weights and moments byte by byte, the same files.
inline void ExpectEqualRuns(const std::string& a, const std::string& b) {
  EXPECT_THAT(Without(FilesUnder(a), FilesUnder(b)), testing::IsEmpty());
  EXPECT_THAT(Without(FilesUnder(b), FilesUnder(a)), testing::IsEmpty());
  for (const char* file : {"metrics.jsonl", "eval.jsonl", "pretrain/metrics.jsonl"}) {
    EXPECT_FALSE(Read(a + "/" + file).empty()) << file;
    EXPECT_EQ(LinesWithoutTimes(a + "/" + file), LinesWithoutTimes(b + "/" + file)) << file;
  }
  const std::string weights = std::filesystem::exists(b + "/checkpoints/latest/adapter_config.json") ? "adapter_model.safetensors" : "model.safetensors";
  for (const std::string& file : {std::string("samples.jsonl"), std::string("checkpoints/base/model.safetensors"), "checkpoints/latest/" + weights,
                                  std::string("checkpoints/latest/optimizer.safetensors"), "checkpoints/best/" + weights}) {
    EXPECT_FALSE(Read(a + "/" + file).empty()) << file;
    EXPECT_TRUE(Read(a + "/" + file) == Read(b + "/" + file)) << file;
  }
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {  // nothing, where the algorithm has no critic
    EXPECT_TRUE(Read(a + "/checkpoints/latest/critic/" + file) == Read(b + "/checkpoints/latest/critic/" + file)) << "critic/" << file;
  }
  for (const char* file : {"summary.json", "checkpoints/latest/trainer_state.json"}) {
    EXPECT_EQ(WithoutTimes(nlohmann::json::parse(Read(a + "/" + file))), WithoutTimes(nlohmann::json::parse(Read(b + "/" + file)))) << file;
  }
}

}  // namespace cogent::runs
