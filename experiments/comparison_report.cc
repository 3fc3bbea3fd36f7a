#include "experiments/comparison_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "core/scalar.h"
#include "experiments/comparison_plots.h"
#include "experiments/page.h"
#include "experiments/text.h"

namespace cogent {
namespace {

constexpr std::size_t kTasksShown = 6;
constexpr std::size_t kSentences = 6;  // about differences that are not shown

using Row = std::vector<std::string>;

// ---- numbers ----

// A score, or a difference of scores: shares in percent, without the sign that its heading says.
std::string Score(const std::string& metric, double value, bool with_sign = false) {
  if (!std::isfinite(value)) return "-";
  const double shown = IsShare(metric) ? 100 * value : value;
  const std::string text = IsShare(metric) ? fmt::format("{:.1f}", shown) : fmt::format("{:.4g}", shown);
  return with_sign && text[0] != '-' ? "+" + text : text;
}

std::string Range(const std::string& metric, const Interval& interval, bool with_sign = false) {
  if (!std::isfinite(interval.low)) return "-";
  return Score(metric, interval.low, with_sign) + " to " + Score(metric, interval.high, with_sign);
}

std::string Unit(const std::string& metric) { return IsShare(metric) ? metric + ", %" : metric; }

std::string Chance(double p) { return p < 0.001 ? "<0.001" : fmt::format("{:.3f}", p); }

std::string ViewTitle(const ScoreView& view) {
  switch (view.at) {
    case ScoreView::At::kEnd:
      return "At the end of each run";
    case ScoreView::At::kTokens:
      return "At equal tokens: " + FormatCount(view.budget) + " in training";
    case ScoreView::At::kTime:
      return "At equal time: " + (view.budget < 60 ? fmt::format("{:.1f} s", view.budget) : FormatDuration(view.budget)) + " of training";
  }
  return {};
}

const char* ViewName(const ScoreView& view) {
  switch (view.at) {
    case ScoreView::At::kEnd:
      return "end";
    case ScoreView::At::kTokens:
      return "tokens";
    case ScoreView::At::kTime:
      return "seconds";
  }
  return "";
}

const char* VerdictName(DifferenceVerdict verdict) {
  switch (verdict) {
    case DifferenceVerdict::kTooFewSeeds:
      return "too few seeds";
    case DifferenceVerdict::kNoSpread:
      return "no spread";
    case DifferenceVerdict::kNotShown:
      return "not shown";
    case DifferenceVerdict::kReal:
      return "real";
  }
  return "";
}

// ---- the tables of terminal and page ----

std::vector<Row> ScoreRows(const Comparison& c, const ScoreView& view) {
  std::vector<Row> rows = {{"arm", "runs", "mean", "std", "95% of mean (t)", "IQM", "95% of IQM (bootstrap)"}};
  for (const ArmScore& arm : view.arms) {
    rows.push_back({arm.arm, std::to_string(arm.runs), Score(c.metric, arm.mean), Score(c.metric, arm.std), Range(c.metric, arm.student),
                    Score(c.metric, arm.iqm), arm.runs < kFewestSeeds ? "-" : Range(c.metric, arm.bootstrap)});
  }
  return rows;
}

std::string SeedsText(const Difference& d) {
  if (d.verdict == DifferenceVerdict::kTooFewSeeds || d.verdict == DifferenceVerdict::kNoSpread) return "-";
  return d.seeds_needed ? std::to_string(*d.seeds_needed) : ">10000";
}

std::vector<Row> DifferenceRows(const Comparison& c, const ScoreView& view) {
  std::vector<Row> rows = {{"difference", "seeds", "mean", "95% (t)", "95% (bootstrap)", "effect g", "p (Holm)", "seeds needed", "verdict"}};
  for (const Difference& d : view.differences) {
    const bool few = d.verdict == DifferenceVerdict::kTooFewSeeds;
    rows.push_back({d.arm + " - " + d.other, std::to_string(d.seeds.size()), Score(c.metric, d.mean, true), few ? "-" : Range(c.metric, d.student, true),
                    few ? "-" : Range(c.metric, d.bootstrap, true), std::isfinite(d.effect) ? fmt::format("{:+.2f}", d.effect) : "-",
                    std::isfinite(d.effect) ? Chance(d.p_holm) : "-", SeedsText(d), VerdictName(d.verdict)});
  }
  return rows;
}

std::vector<Row> KeyRows(const Comparison& c) {
  std::vector<Row> rows = {{"key"}};
  rows[0].insert(rows[0].end(), c.arms.begin(), c.arms.end());
  for (const auto& [key, values] : c.keys) {
    rows.push_back({key});
    for (const std::string& value : values) rows.back().push_back(value.empty() ? "-" : Shortened(value, 60));
  }
  return rows;
}

// Columns as wide as their longest cell; all but the first are set to the right.
std::string TextTable(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) text += i == 0 ? fmt::format("  {:<{}}", row[i], widths[i]) : fmt::format("  {:>{}}", row[i], widths[i]);
    text += "\n";
  }
  return text;
}

std::string HtmlTable(const std::vector<Row>& rows) {
  std::string text = "<div class=\"card scroll\"><table>\n";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    text += "<tr>";
    for (std::size_t i = 0; i < rows[r].size(); ++i) {
      const char* tag = r == 0 ? "th" : "td";
      const char* style = i == 0 ? "" : rows[r][i] == VerdictName(DifferenceVerdict::kReal) ? " class=\"n real\"" : " class=\"n\"";
      text += fmt::format("<{0}{1}>{2}</{0}>", tag, style, EscapeMarkup(rows[r][i]));
    }
    text += "</tr>\n";
  }
  return text + "</table></div>\n";
}

// ---- what follows ----

// What a view says in words: every difference that is real, and how many others there are.
std::vector<std::string> Sentences(const Comparison& c, const ScoreView& view) {
  std::vector<std::string> real, others;
  for (const Difference& d : view.differences) (d.verdict == DifferenceVerdict::kReal ? real : others).push_back(DifferenceSentence(d, c.metric));
  if (real.empty() && !others.empty()) real.push_back("No difference is shown to be more than chance.");
  if (others.size() <= kSentences) real.insert(real.end(), others.begin(), others.end());
  else real.push_back(fmt::format("{} of {} differences are not shown to be more than chance; the table says what it would take.", others.size(), view.differences.size()));
  return real;
}

std::string Counted(const Comparison& c) {
  std::size_t counted = 0, most = 0;
  for (const ArmScore& arm : c.views[0].arms) counted += arm.runs, most = std::max(most, arm.runs);
  return fmt::format("{}: {} arms, {} runs, {} of them counted, at most {} seeds an arm", c.metric, c.arms.size(), c.runs.size(), counted, most);
}

const char* kHowToRead[] = {
    "A run gives one score and stands for one seed. Arms are compared by the differences of the seeds that both have: runs of one seed meet the same tasks.",
    "A difference is called real when p of Student's paired t-test, corrected by Holm's step-down over all differences of its table, is below 0.05, and neither the t interval nor the bootstrap interval of the mean difference holds zero. Each table is corrected by itself; decide beforehand which one you go by.",
    "With few seeds the bootstrap is too narrow (of normal scores, where it says 95% it holds the truth in 76% of cases with 3 seeds, 84% with 5 and 90% with 10), so it can only veto. The t interval is exact where differences are normal, and wide with few seeds: that is the price of few seeds.",
    "IQM is the mean of the middle half of the runs (Agarwal et al. 2021); its interval resamples runs within the environment, 10,000 times. Curves show the IQM over seeds and its pointwise interval, 2,000 times. Seeds of the resampling are fixed: the same runs give the same report.",
    "Effect g is the mean difference over its standard deviation between seeds, with Hedges' correction for few seeds. Seeds needed: the smallest n at which the paired t-test at level 0.05 / (number of differences) has power 0.8 if the true effect is the one seen: P(|T'| > t(1 - level/2, n-1)), T' noncentral t with n-1 degrees and noncentrality g sqrt(n).",
    "Equal tokens and equal time mean the most that every counted run has reached; between evaluations the curve is taken as a straight line. Time is training alone, without evaluations. Pre-training is in neither.",
};

// ---- samples ----

// The samples of a run's last step that has any.
const std::vector<SampleLine>& LastSamples(const ComparedRun& run) {
  return run.records.last_samples.empty() ? run.records.first_samples : run.records.last_samples;
}

const SampleLine* SampleOf(const ComparedRun& run, const std::string& task) {
  const std::vector<SampleLine>& samples = LastSamples(run);
  const auto found = std::find_if(samples.begin(), samples.end(), [&](const SampleLine& sample) { return sample.task == task; });
  return found == samples.end() ? nullptr : &*found;
}

// Completions of one seed's held-out tasks, an arm beside the other.
std::string SamplesHtml(const Comparison& c) {
  std::map<std::uint64_t, std::vector<const ComparedRun*>> by_seed;
  for (const ComparedRun& run : c.runs) {
    if (!LastSamples(run).empty()) by_seed[run.seed].push_back(&run);
  }
  const auto most = std::max_element(by_seed.begin(), by_seed.end(), [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  if (most == by_seed.end()) return {};
  const auto& [seed, runs] = *most;
  std::vector<std::string> tasks;
  for (const SampleLine& sample : LastSamples(*runs[0])) {
    const bool shared = runs.size() == 1 || std::any_of(runs.begin() + 1, runs.end(), [&](const ComparedRun* run) { return SampleOf(*run, sample.task); });
    if (shared && tasks.size() < kTasksShown && std::find(tasks.begin(), tasks.end(), sample.task) == tasks.end()) tasks.push_back(sample.task);
  }
  if (tasks.empty()) return {};
  std::string out = fmt::format("<h2>Completions at equal prompts, seed {}, at the end of each run</h2>\n", seed);
  for (const std::string& task : tasks) {
    out += "<div class=\"task\">" + EscapeMarkup(task, kMostText) + "</div>\n<div class=\"row\">\n";
    for (const ComparedRun* run : runs) out += "<div><div class=\"soft\">" + EscapeMarkup(run->arm) + "</div>" + SampleCard(SampleOf(*run, task)) + "</div>\n";
    out += "</div>\n";
  }
  return out;
}

// ---- CSV ----

std::string CsvCell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char ch : text) quoted += ch == '"' ? std::string("\"\"") : std::string(1, ch);
  return quoted + "\"";
}
std::string Cell(double value) { return std::isfinite(value) ? FormatReal(value) : ""; }

void WriteCsv(const std::string& path, const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) text += (i ? "," : "") + CsvCell(row[i]);
    text += "\n";
  }
  WriteFileAtomic(path, text);
}

std::vector<Row> RunsCsv(const Comparison& c) {
  std::vector<Row> rows = {{"arm", "seed", "directory", "finished", "counts", "steps", "tokens", "seconds", "score"}};
  for (const ScoreView& view : c.views) {
    if (view.at != ScoreView::At::kEnd) rows[0].push_back(std::string("score_at_equal_") + ViewName(view));
  }
  for (const ComparedRun& run : c.runs) {
    const CurvePoint last = run.curve.empty() ? CurvePoint{NAN, NAN, NAN, NAN} : run.curve.back();
    rows.push_back({run.arm, std::to_string(run.seed), run.dir, run.records.finished ? "1" : "0", run.counts ? "1" : "0",
                    Cell(last.step), Cell(last.tokens), Cell(last.seconds), Cell(last.value)});
    for (const ScoreView& view : c.views) {
      if (view.at == ScoreView::At::kEnd) continue;
      rows.back().push_back(Cell(ValueAt(run.curve, view.at == ScoreView::At::kTokens ? &CurvePoint::tokens : &CurvePoint::seconds, view.budget)));
    }
  }
  return rows;
}

std::vector<Row> ArmsCsv(const Comparison& c) {
  std::vector<Row> rows = {{"at", "budget", "arm", "runs", "mean", "std", "t_low", "t_high", "iqm", "iqm_low", "iqm_high"}};
  for (const ScoreView& view : c.views) {
    for (const ArmScore& arm : view.arms) {
      rows.push_back({ViewName(view), view.at == ScoreView::At::kEnd ? "" : Cell(view.budget), arm.arm, std::to_string(arm.runs), Cell(arm.mean), Cell(arm.std), Cell(arm.student.low),
                      Cell(arm.student.high), Cell(arm.iqm), Cell(arm.bootstrap.low), Cell(arm.bootstrap.high)});
    }
  }
  return rows;
}

std::vector<Row> DifferencesCsv(const Comparison& c) {
  std::vector<Row> rows = {{"at", "budget", "arm", "other", "seeds", "mean", "t_low", "t_high", "bootstrap_low", "bootstrap_high", "effect_g", "p", "p_holm", "seeds_needed", "verdict"}};
  for (const ScoreView& view : c.views) {
    for (const Difference& d : view.differences) {
      const bool tested = std::isfinite(d.effect);
      rows.push_back({ViewName(view), view.at == ScoreView::At::kEnd ? "" : Cell(view.budget), d.arm, d.other, std::to_string(d.seeds.size()), Cell(d.mean), Cell(d.student.low), Cell(d.student.high),
                      Cell(d.bootstrap.low), Cell(d.bootstrap.high), Cell(d.effect), tested ? Cell(d.p) : "", tested ? Cell(d.p_holm) : "",
                      d.seeds_needed ? std::to_string(*d.seeds_needed) : "", VerdictName(d.verdict)});
    }
  }
  return rows;
}

}  // namespace

std::string DifferenceSentence(const Difference& d, const std::string& metric) {
  const std::string unit = IsShare(metric) ? " points" : "";
  const auto size = [&](double value) { return Score(metric, value) + unit; };
  switch (d.verdict) {
    case DifferenceVerdict::kTooFewSeeds:
      return fmt::format("{} and {} have {} seeds in common; with fewer than {} nothing can be said.", d.arm, d.other, d.seeds.size(), kFewestSeeds);
    case DifferenceVerdict::kNoSpread:
      if (std::abs(d.mean) < 1e-12) return fmt::format("{} and {} have equal scores in every one of {} seeds.", d.arm, d.other, d.seeds.size());
      return fmt::format("{} and {} differ by the same {} in every seed: there is no spread to judge chance by. Evaluate on more tasks.", d.arm, d.other, size(d.mean));
    case DifferenceVerdict::kNotShown: {
      const bool alone = d.student.low > 0 || d.student.high < 0;  // the interval knows nothing of the other comparisons
      return fmt::format("{} and {}: no difference is shown ({}, 95%: {}{}). {}", d.arm, d.other, Score(metric, d.mean, true) + unit, Range(metric, d.student, true),
                         alone ? "; among all comparisons Holm's p is " + Chance(d.p_holm) : "",
                         d.seeds_needed ? fmt::format("If this is the true size, {} seeds would show it.", *d.seeds_needed) : "More than 10,000 seeds would be needed to show one of this size.");
    }
    case DifferenceVerdict::kReal:
      return fmt::format("{} is {} than {} by {} (95%: {}; Holm's p {}, {} seeds).", d.arm, d.mean > 0 ? "higher" : "lower", d.other, size(std::abs(d.mean)),
                         d.mean > 0 ? Range(metric, d.student) : Range(metric, {-d.student.high, -d.student.low}), Chance(d.p_holm), d.seeds.size());
  }
  return {};
}

std::string ComparisonText(const Comparison& c) {
  std::string text = Counted(c) + "\n";
  for (const ScoreView& view : c.views) {
    text += "\n" + ViewTitle(view) + " (" + Unit(c.metric) + ")\n" + TextTable(ScoreRows(c, view));
    if (!view.differences.empty()) text += "\n" + TextTable(DifferenceRows(c, view));
  }
  if (!c.keys.empty()) text += "\nWhat differs between the arms\n" + TextTable(KeyRows(c));
  text += "\n";
  for (const std::string& line : Sentences(c, c.views[0])) text += line + "\n";
  for (const std::string& note : c.notes) text += "note: " + note + "\n";
  return ToValidUtf8(text);
}

std::string ComparisonHtml(const Comparison& c) {
  std::string out = PageHead(c.title, "Cogent comparison") + "<p class=\"line soft\">" + EscapeMarkup(Counted(c)) + "</p>\n";
  for (const std::string& line : Sentences(c, c.views[0])) out += "<p class=\"note\">" + EscapeMarkup(line) + "</p>\n";
  for (const std::string& note : c.notes) out += "<p class=\"note soft\">Note: " + EscapeMarkup(note) + "</p>\n";
  out += "<h2>Learning curves</h2>\n<div class=\"plots\">\n";
  for (const Plot& plot : ComparisonPlots(c)) out += "<div class=\"card\">" + PlotSvg(plot) + "</div>\n";
  out += "</div>\n";
  for (const ScoreView& view : c.views) {
    out += "<h2>" + EscapeMarkup(ViewTitle(view) + " (" + Unit(c.metric) + ")") + "</h2>\n" + HtmlTable(ScoreRows(c, view));
    if (!view.differences.empty()) out += "<p></p>" + HtmlTable(DifferenceRows(c, view));
  }
  if (!c.keys.empty()) out += "<h2>What differs between the arms</h2>\n" + HtmlTable(KeyRows(c));
  out += SamplesHtml(c);
  out += "<details><summary>How this is computed</summary><div class=\"card\">\n";
  for (const char* line : kHowToRead) out += "<p>" + EscapeMarkup(line) + "</p>\n";
  return out + "</div></details>\n<details><summary>Runs</summary>" + HtmlTable(RunsCsv(c)) + "</details>\n" + PageEnd();
}

std::string WriteComparisonHtml(const Comparison& c, const std::string& path) {
  WriteFileAtomic(path, ComparisonHtml(c));
  return path;
}

void WriteComparisonCsv(const Comparison& c, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw DataError(folder + ": cannot be made: " + error.message());
  WriteCsv(folder + "/runs.csv", RunsCsv(c));
  WriteCsv(folder + "/arms.csv", ArmsCsv(c));
  WriteCsv(folder + "/differences.csv", DifferencesCsv(c));
}

}  // namespace cogent
