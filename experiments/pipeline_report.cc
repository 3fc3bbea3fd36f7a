#include "experiments/pipeline_report.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "core/file.h"
#include "core/progress.h"
#include "experiments/page.h"
#include "experiments/report.h"
#include "experiments/run_reader.h"
#include "experiments/text.h"

namespace cogent {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct StageRow {
  std::string stage, kind, needs, seconds, pass, greedy, length, kept;
  std::string report;  // relative to the pipeline's directory
};

OrderedJson ReadObject(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return OrderedJson::object();
  OrderedJson json = OrderedJson::parse(ReadFile(path), nullptr, false);
  return json.is_object() ? json : OrderedJson::object();
}

std::string Share(const OrderedJson& metrics, const std::string& key) {
  if (!metrics.contains(key) || !metrics[key].is_number()) return "";
  return fmt::format("{:.1f}%", 100 * metrics[key].get<double>());
}

// What lies there of a stage; empty objects for what does not.
struct Found {
  OrderedJson note, score, drawn, greedy, data;
};
Found Find(const Pipeline& pipeline, const PipelineStage& stage) {
  Found found;
  found.note = ReadObject(pipeline.directory + "/stages/" + stage.name + ".json");
  found.score = ReadObject(pipeline.directory + "/scores/" + stage.name + ".json");
  found.drawn = found.score.value("drawn", OrderedJson::object()), found.greedy = found.score.value("greedy", OrderedJson::object());
  found.data = stage.kind == "train" ? OrderedJson::object() : ReadObject(ArtefactsOf(pipeline, stage).at("data") + ".report.json");
  return found;
}
const char* AllOf(const PipelineStage& stage) { return stage.kind == "sample" ? "completions" : "lines"; }

std::vector<StageRow> Rows(const Pipeline& pipeline) {
  std::vector<StageRow> rows;
  for (const PipelineStage& stage : pipeline.stages) {
    StageRow row{stage.name, stage.kind, fmt::format("{}", fmt::join(stage.needs, ", ")), "", "", "", "", "", ""};
    const auto [note, score, drawn, greedy, data] = Find(pipeline, stage);
    if (note.contains("seconds")) row.seconds = FormatDuration(note["seconds"].get<double>());
    row.pass = Share(drawn, "pass@1");
    if (!row.pass.empty()) row.pass += " (" + Share(drawn, "pass@1_low") + " to " + Share(drawn, "pass@1_high") + ")";
    row.greedy = Share(greedy, "pass@1");
    if (drawn.contains("mean_length")) row.length = fmt::format("{:.1f}", drawn["mean_length"].get<double>());
    if (stage.kind == "train") row.report = "stages/" + stage.name + "/report.html";
    const char* all = AllOf(stage);
    if (data.contains("kept") && data.contains(all)) row.kept = fmt::format("{} of {}", data["kept"].get<double>(), data[all].get<double>());
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::string PipelineTable(const Pipeline& pipeline) {
  std::string text = fmt::format("{:<16}{:<8}{:>10}  {:<28}{:>8}{:>9}  {}\n", "stage", "kind", "time", "pass@1 (95%)", "greedy", "tokens", "kept");
  for (const StageRow& row : Rows(pipeline)) {
    text += fmt::format("{:<16}{:<8}{:>10}  {:<28}{:>8}{:>9}  {}\n", row.stage, row.kind, row.seconds, row.pass, row.greedy, row.length, row.kept);
  }
  return text;
}

std::string PipelineCsv(const Pipeline& pipeline) {
  // Means of rewards and measures: whatever `evaluate` and its environment name.
  std::set<std::string> rewards;
  const auto is_reward = [](const std::string& key) { return key.starts_with("rewards/") && key.ends_with("/mean"); };
  for (const PipelineStage& stage : pipeline.stages) {
    const Found found = Find(pipeline, stage);
    for (const auto& [key, value] : found.drawn.items()) {
      if (is_reward(key)) rewards.insert(key);
    }
  }
  std::string text = "stage,kind,seconds,tasks,pass@1,pass@1_low,pass@1_high,greedy,mean_length,kept,of";
  for (const std::string& key : rewards) text += "," + key;
  text += "\n";
  const auto number = [](const OrderedJson& object, const char* key) { return object.contains(key) && object[key].is_number() ? fmt::format("{:g}", object[key].get<double>()) : std::string(); };
  for (const PipelineStage& stage : pipeline.stages) {
    const auto [note, score, drawn, greedy, data] = Find(pipeline, stage);
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{}", stage.name, stage.kind, number(note, "seconds"), number(score, "tasks"), number(drawn, "pass@1"), number(drawn, "pass@1_low"),
                        number(drawn, "pass@1_high"), number(greedy, "pass@1"), number(drawn, "mean_length"), number(data, "kept"), number(data, AllOf(stage)));
    for (const std::string& key : rewards) text += "," + number(drawn, key.c_str());
    text += "\n";
  }
  return text;
}

std::string PipelineReportHtml(const Pipeline& pipeline) {
  std::string page = PageHead(pipeline.name, "Cogent pipeline");
  page += "<h2>Stages</h2><p>Scores are of each stage's policy on the same held-out tasks.</p>"
          "<table><tr><th>stage</th><th>kind</th><th>needs</th><th>time</th><th>pass@1 (95%)</th><th>greedy</th><th>tokens</th><th>kept</th></tr>\n";
  for (const StageRow& row : Rows(pipeline)) {
    const std::string name = row.report.empty() ? EscapeMarkup(row.stage) : fmt::format("<a href=\"{}\">{}</a>", EscapeMarkup(row.report), EscapeMarkup(row.stage));
    page += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n", name, row.kind, EscapeMarkup(row.needs), row.seconds,
                        row.pass, row.greedy, row.length, row.kept);
  }
  page += "</table>\n";
  for (const PipelineStage& stage : pipeline.stages) {
    const std::string directory = pipeline.directory + "/stages/" + stage.name;
    std::error_code ignored;
    if (stage.kind != "train" || !std::filesystem::is_directory(directory, ignored)) continue;
    page += "<h2>" + EscapeMarkup(stage.name) + "</h2>\n" + CurvesSvg(directory);
  }
  return page + PageEnd();
}

}  // namespace cogent
