#include "experiments/run_reader.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// Calls visit(step, object) for each whole line that is an object with a step.
void ForEachLine(const std::string& path,
                 const std::function<void(std::int64_t, const Json&)>& visit) {
  std::ifstream file(path, std::ios::binary);
  for (std::string line; std::getline(file, line) && !file.eof();) {
    const Json object = Json::parse(line, nullptr, false);
    if (!object.is_object()) continue;
    const auto step = object.find("step");
    if (step != object.end() && step->is_number_integer()) visit(step->get<std::int64_t>(), object);
  }
}

Metrics NumbersOf(const Json& object) {
  Metrics numbers;
  if (!object.is_object()) return numbers;
  for (const auto& [name, value] : object.items()) {
    if (value.is_number() && name != "step") numbers[name] = value.get<double>();
  }
  return numbers;
}

std::string TextOf(const Json& object, const char* name) {
  const auto value = object.find(name);
  return value != object.end() && value->is_string() ? value->get<std::string>() : std::string();
}

double NumberOf(const Json& object, const char* name) {
  const auto value = object.find(name);
  return value != object.end() && value->is_number() ? value->get<double>() : 0.0;
}

SampleLine SampleOf(std::int64_t step, const Json& object) {
  return {.step = step,
          .split = TextOf(object, "split"),
          .task = TextOf(object, "task"),
          .answer = TextOf(object, "answer"),
          .prompt = TextOf(object, "prompt"),
          .completion = TextOf(object, "completion"),
          .status = TextOf(object, "status"),
          .cause = TextOf(object, "cause"),
          .rewards = object.contains("rewards") ? NumbersOf(object["rewards"]) : Metrics{},
          .reward = NumberOf(object, "reward"),
          .length = NumberOf(object, "length")};
}

// The samples of the first and of the last step, without keeping those between.
struct FirstAndLast {
  std::vector<SampleLine> first, last;
  void Add(SampleLine sample) {
    if (first.empty() || first.front().step == sample.step) {
      first.push_back(std::move(sample));
      return;
    }
    if (!last.empty() && last.front().step != sample.step) last.clear();
    last.push_back(std::move(sample));
  }
};

void ReadSamples(RunRecords& run) {
  FirstAndLast held_out, training;
  ForEachLine(run.dir + "/samples.jsonl", [&](std::int64_t step, const Json& object) {
    SampleLine sample = SampleOf(step, object);
    FirstAndLast& side = sample.split == "test" ? held_out : training;
    side.Add(std::move(sample));
  });
  FirstAndLast& chosen = held_out.first.empty() ? training : held_out;
  run.first_samples = std::move(chosen.first);
  run.last_samples = std::move(chosen.last);
}

Json ReadJson(const std::string& path) {
  if (!fs::is_regular_file(path)) return {};
  return Json::parse(ReadFile(path), nullptr, false);
}

void ReadSummary(RunRecords& run) {
  const Json summary = ReadJson(run.dir + "/summary.json");
  if (!summary.is_object()) return;
  run.finished = true;
  const auto part = [&](const char* name) {
    const auto found = summary.find(name);
    return found == summary.end() ? Json() : *found;
  };
  run.before = NumbersOf(part("before"));
  run.after = NumbersOf(part("after"));
  const Json about = part("run");
  run.run = NumbersOf(about);
  if (!about.is_object()) return;
  for (const auto& [name, value] : about.items()) {
    if (value.is_string()) run.run_text[name] = value.get<std::string>();
  }
}

void Flatten(const Json& object, const std::string& prefix,
             std::map<std::string, std::string>& out) {
  for (const auto& [name, value] : object.items()) {
    const std::string path = prefix + name;
    if (value.is_object()) {
      Flatten(value, path + ".", out);
    } else if (value.is_string()) {
      out[path] = value.get<std::string>();
    } else if (value.is_array()) {
      out[path] = std::to_string(value.size());
    } else {
      out[path] = value.dump();
    }
  }
}

}  // namespace

RunRecords ReadRun(const std::string& dir) {
  if (!fs::is_directory(dir)) throw DataError(dir + ": no such run directory; check the name");
  RunRecords run;
  run.dir = dir;
  ForEachLine(dir + "/metrics.jsonl", [&](std::int64_t step, const Json& object) {
    run.metrics.push_back({step, NumbersOf(object)});
  });
  ForEachLine(dir + "/eval.jsonl", [&](std::int64_t step, const Json& object) {
    run.evals[TextOf(object, "eval")].push_back({step, NumbersOf(object)});
  });
  ReadSamples(run);
  ReadSummary(run);
  const Json environment = ReadJson(dir + "/environment.json");
  if (environment.is_object()) Flatten(environment, "", run.environment);
  if (fs::is_regular_file(dir + "/config.yaml")) run.config = ReadFile(dir + "/config.yaml");
  return run;
}

}  // namespace cogent
