#include "experiments/report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/file.h"
#include "experiments/page.h"
#include "experiments/report_plots.h"
#include "experiments/run_reader.h"
#include "experiments/svg.h"
#include "experiments/text.h"

namespace cogent {
namespace {

constexpr std::size_t kSamplePairs = 6;

std::string Duration(double seconds) {
  const long long whole = std::llround(std::max(0.0, seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

// The first and the last of an evaluation's numbers, for a run that has no summary yet.
std::pair<Metrics, Metrics> SoFar(const RunRecords& run) {
  if (run.evals.empty()) return {};
  auto eval = run.evals.find("sampled");
  if (eval == run.evals.end()) eval = run.evals.begin();
  Metrics first = eval->second.front().values, last = eval->second.back().values;
  first.erase("time");
  last.erase("time");
  return {first, last};
}

std::string IntervalText(const Metrics& metrics, const std::string& name) {
  const auto low = metrics.find(name + "_low"), high = metrics.find(name + "_high");
  if (low == metrics.end() || high == metrics.end()) return {};
  return fmt::format("{} to {}", FormatMetric(name, low->second), FormatMetric(name, high->second));
}

std::string Card(const std::string& name, const Metrics& before, const Metrics& after) {
  const auto from = before.find(name), to = after.find(name);
  std::string value;
  if (from != before.end()) {
    value += fmt::format("<span class=\"from\">{} &rarr;</span> ", FormatMetric(name, from->second));
  }
  value += to != after.end() ? FormatMetric(name, to->second) : "...";
  const std::string interval = IntervalText(after, name);
  const std::string more = interval.empty() ? "" : "after, 95%: " + interval;
  return fmt::format(
      "<div class=\"card\"><div class=\"name\">{}</div><div class=\"value\">{}</div>"
      "<div class=\"more\">{}</div></div>\n",
      EscapeMarkup(name), value, more);
}

std::string Headline(const RunRecords& run) {
  auto [before, after] = run.finished ? std::pair{run.before, run.after} : SoFar(run);
  std::set<std::string> names;
  for (const Metrics* side : {&before, &after}) {
    for (const auto& [name, value] : *side) {
      if (!name.ends_with("_low") && !name.ends_with("_high")) names.insert(name);
    }
  }
  std::string cards;
  for (const char* first : {"pass@1", "mean_length"}) {
    if (names.erase(first)) cards += Card(first, before, after);
  }
  for (const std::string& name : names) cards += Card(name, before, after);
  if (cards.empty()) return {};
  return "<div class=\"cards\">\n" + cards + "</div>\n";
}

std::string Title(const RunRecords& run) {
  const std::filesystem::path path = std::filesystem::absolute(run.dir).lexically_normal();
  return (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
}

// "finished, 200 steps, 8 min 03 s; Cogent 0.1.0 (commit), seed 7, 2 threads, ..."
std::string StatusLines(const RunRecords& run) {
  std::string text = run.finished          ? "finished"
                     : run.metrics.empty() ? "no step recorded yet"
                                           : "going on, or stopped early";
  if (!run.metrics.empty()) {
    double seconds = 0.0;
    for (const StepMetrics& line : run.metrics) {
      const auto time = line.values.find("timing_s/step");
      if (time != line.values.end()) seconds += time->second;
    }
    text += fmt::format("; step {}", run.metrics.back().step);
    if (seconds > 0.0) text += ", " + Duration(seconds) + " of training";
  }
  for (const auto& [name, value] : run.run)
    text += fmt::format("; {} {}", name, FormatMetric(name, value));
  for (const auto& [name, value] : run.run_text) text += fmt::format("; {} {}", name, value);
  std::string where;
  for (const auto& [key, word] : {std::pair{"version", "Cogent "},
                                  {"commit", "commit "},
                                  {"seed", "seed "},
                                  {"threads", "threads "},
                                  {"libtorch", "LibTorch "},
                                  {"machine.processor", ""},
                                  {"started", "started "}}) {
    const auto found = run.environment.find(key);
    if (found == run.environment.end() || found->second.empty()) continue;
    where += (where.empty() ? "" : "; ") + (word + found->second);
  }
  return fmt::format("<p class=\"line soft\">{}</p><p class=\"line soft\">{}</p>\n",
                     EscapeMarkup(text), EscapeMarkup(where));
}

// Completions of one problem, early and late, side by side where both were kept.
struct SamplePair {
  const SampleLine* before = nullptr;
  const SampleLine* after = nullptr;
  const SampleLine& any() const { return before ? *before : *after; }
};

std::vector<SamplePair> PairUp(const RunRecords& run) {
  std::vector<SamplePair> pairs, singles;
  std::set<const SampleLine*> taken;
  for (const SampleLine& before : run.first_samples) {
    const auto same = std::find_if(
        run.last_samples.begin(), run.last_samples.end(),
        [&](const SampleLine& after) { return after.task == before.task && !taken.count(&after); });
    if (same == run.last_samples.end()) {
      singles.push_back({&before, nullptr});
      continue;
    }
    taken.insert(&*same);
    pairs.push_back({&before, &*same});
  }
  if (!pairs.empty()) return pairs;
  for (std::size_t i = 0; i < run.last_samples.size();
       ++i) {  // nothing in common: just one beside the other
    if (i == singles.size()) singles.push_back({});
    singles[i].after = &run.last_samples[i];
  }
  return singles;
}

std::string Samples(const RunRecords& run) {
  const std::vector<SamplePair> pairs = PairUp(run);
  if (pairs.empty()) return {};
  std::string out = fmt::format("<h2>Completions, step {}", run.first_samples.front().step);
  if (!run.last_samples.empty()) out += fmt::format(" and step {}", run.last_samples.front().step);
  out += "</h2>\n";
  std::set<std::string> seen;
  std::size_t shown = 0;
  for (const SamplePair& pair : pairs) {
    if (shown == kSamplePairs) break;
    if (!seen.insert(pair.any().task).second) continue;
    ++shown;
    const bool same = !pair.before || !pair.after || pair.before->task == pair.after->task;
    std::string task = pair.any().task;
    if (!pair.any().answer.empty()) task += "   [" + pair.any().answer + "]";
    if (!same) task += "   |   " + pair.after->task;
    out += fmt::format("<div class=\"task\">{}</div>\n<div class=\"pair\">{}{}</div>\n",
                       EscapeMarkup(task, kMostText), SampleCard(pair.before),
                       run.last_samples.empty() ? "" : SampleCard(pair.after));
  }
  const std::string& prompt = pairs.front().any().prompt;
  if (!prompt.empty()) {
    out += "<details><summary>The prompt in full</summary><pre class=\"card\">" +
           EscapeMarkup(prompt, kMostText) + "</pre></details>\n";
  }
  return out;
}

std::string Timings(const RunRecords& run) {
  Metrics sums;
  double whole = 0.0;
  for (const StepMetrics& line : run.metrics) {
    for (const auto& [name, value] : line.values) {
      if (!name.starts_with("timing_s/")) continue;
      (name == "timing_s/step" ? whole : sums[name.substr(9)]) += value;
    }
  }
  double phases = 0.0;
  for (const auto& [name, seconds] : sums) phases += seconds;
  whole = std::max(whole, phases);
  if (!(whole > 0.0)) return {};
  if (whole - phases > 0.005 * whole) sums["other"] = whole - phases;
  std::vector<std::pair<std::string, double>> rows(sums.begin(), sums.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  const double steps = static_cast<double>(run.metrics.size());
  std::string out =
      "<h2>Where the time goes</h2>\n<div class=\"card\"><table><tr><th>phase</th><th>s a step</th>"
      "<th>in all</th><th>share</th><th></th></tr>\n";
  for (const auto& [name, seconds] : rows) {
    const MetricInfo* info = FindMetric("timing_s/" + name);
    const bool described = info && info->name != "timing_s/*" && name != "other";
    fmt::format_to(
        std::back_inserter(out),
        "<tr><td>{} <span "
        "class=\"soft\">{}</span></td><td>{:.3g}</td><td>{}</td><td>{:.1f}%</td><td class=\"wide\">"
        "<div class=\"bar\" style=\"width:{:.1f}%\"></div></td></tr>\n",
        EscapeMarkup(name), described ? EscapeMarkup(info->meaning) : "", seconds / steps,
        Duration(seconds), 100.0 * seconds / whole, 100.0 * seconds / whole);
  }
  return out + "</table></div>\n";
}

std::string Facts(const RunRecords& run) {
  std::string out;
  if (!run.config.empty()) {
    out += "<details><summary>Configuration</summary><pre class=\"card\">" +
           EscapeMarkup(run.config) + "</pre></details>\n";
  }
  if (!run.environment.empty()) {
    out += "<details><summary>Environment</summary><div class=\"card\"><table>\n";
    for (const auto& [name, value] : run.environment) {
      out += "<tr><td>" + EscapeMarkup(name) + "</td><td>" + EscapeMarkup(value) + "</td></tr>\n";
    }
    out += "</table></div></details>\n";
  }
  return out;
}

}  // namespace

std::string ReportHtml(const std::string& run_dir) {
  const RunRecords run = ReadRun(run_dir);
  std::string out = PageHead(Title(run), "Cogent run");
  out += StatusLines(run) + Headline(run);
  out += "<h2>Curves</h2>\n<div class=\"plots\">\n";
  for (const Plot& plot : RunPlots(run)) out += "<div class=\"card\">" + PlotSvg(plot) + "</div>\n";
  out += "</div>\n" + Samples(run) + Timings(run) + Facts(run);
  return out + PageEnd();
}

std::string WriteReport(const std::string& run_dir) {
  const std::string path = run_dir + "/report.html";
  WriteFileAtomic(path, ReportHtml(run_dir));
  return path;
}

std::string CurvesSvg(const std::string& run_dir) {
  const RunRecords run = ReadRun(run_dir);
  return PanelsSvg({AccuracyPlot(run), LengthPlot(run)});
}

}  // namespace cogent
