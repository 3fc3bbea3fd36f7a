#include "experiments/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/scalar.h"
#include "experiments/find_runs.h"
#include "experiments/run_config.h"
#include "experiments/statistics.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
constexpr int kTasksCompared = 8;

// ---- one run ----

// What makes the run's arm: its configuration without what may differ between runs of one arm. A run that took its
// base model from another is told by how that one made it.
std::map<std::string, std::string> ArmConfig(const RunRecords& records, std::uint64_t seed) {
  std::map<std::string, std::string> flat = FlatConfig(records.config);
  for (const char* own : {"name", "output", "seed", "threads"}) flat.erase(own);
  const std::string checkpoint = ParseYaml(flat["policy.checkpoint"], "policy.checkpoint").text;
  const std::string maker = (fs::path(checkpoint) / "../../config.yaml").lexically_normal().string();
  if (LastPart(checkpoint) == "base" && fs::exists(maker)) {
    std::erase_if(flat, [](const auto& entry) { return entry.first == "pretrain" || entry.first.rfind("pretrain.", 0) == 0; });
    for (const auto& [key, value] : FlatConfig(ReadFile(maker))) {
      if (key == "policy.checkpoint" || key == "pretrain" || key.rfind("pretrain.", 0) == 0) flat[key] = value;
    }
  }
  std::string& path = flat["policy.checkpoint"];
  const std::string number = fmt::format("seed-{}/", seed);
  if (const std::size_t at = path.find(number); at != std::string::npos) path.replace(at, number.size(), "seed-*/");
  return flat;
}

struct Axes {
  double tokens = 0.0, seconds = 0.0;
};

// Tokens and seconds of training until the end of each step.
std::map<std::int64_t, Axes> AxesOf(const RunRecords& records) {
  std::map<std::int64_t, Axes> axes{{0, {}}};
  double seconds = 0.0;
  for (const StepMetrics& line : records.metrics) {
    const auto value = [&](const char* name, double otherwise) {
      const auto found = line.values.find(name);
      return found == line.values.end() ? otherwise : found->second;
    };
    seconds += value("timing_s/step", kNaN) - value("timing_s/testing", 0.0);
    axes[line.step] = {value("num_tokens", kNaN), seconds};
  }
  return axes;
}

// "pass@1" is of the evaluation "sampled", where there is one of that name.
const std::vector<StepMetrics>* FindEvaluation(const RunRecords& records, const std::string& metric, std::string& name) {
  const std::size_t slash = metric.find('/');
  if (slash != std::string::npos) {
    const auto named = records.evals.find(metric.substr(0, slash));
    if (named != records.evals.end()) return name = metric.substr(slash + 1), &named->second;
  }
  name = metric;
  const auto sampled = records.evals.find("sampled");
  if (sampled != records.evals.end()) return &sampled->second;
  return records.evals.empty() ? nullptr : &records.evals.begin()->second;
}

std::string KnownMetrics(const RunRecords& records) {
  std::string known;
  for (const auto& [eval, lines] : records.evals) {
    std::set<std::string> names;
    for (const StepMetrics& line : lines) {
      for (const auto& [name, value] : line.values) names.insert(name);
    }
    names.erase("time");
    for (const std::string& name : names) known += (known.empty() ? "" : ", ") + (eval == "sampled" ? name : eval + "/" + name);
  }
  return known;
}

// ---- may they be compared at all? ----

// The first held-out tasks, as the environment itself asks them; nothing where it cannot be made here.
std::vector<std::string> HeldOutTasks(const Choice& choice, std::uint64_t seed, const Parts& parts) {
  Problems problems;
  const auto env = parts.envs.Has(choice.name) ? parts.envs.Make(choice, problems) : nullptr;
  std::vector<std::string> tasks;
  if (!env) return tasks;
  for (std::uint64_t i = 0; i < kTasksCompared; ++i) {
    env->Reset({Split::kTest, seed, i});
    tasks.push_back(env->task().prompt);
  }
  return tasks;
}

// The settings of the environment that differ, as "env.digits is 3 and 4".
std::string DifferingSettings(const std::map<std::string, std::string>& one, const std::map<std::string, std::string>& other) {
  std::string text;
  for (const auto& [key, value] : one) {
    if (key.rfind("env.", 0) != 0) continue;
    const auto same = other.find(key);
    const std::string there = same == other.end() ? "absent" : same->second;
    if (there != value) text += fmt::format("{}{} is {} and {}", text.empty() ? "" : ", ", key, value, there);
  }
  return text;
}

Choice EnvOf(const std::string& config) {
  Problems ignored;  // keys of another version
  return ReadConfig<RunConfig>(ParseYaml(config, "config.yaml"), ignored).env;
}

// ---- arms ----

// "kl_coef=0.1": what differs, in short; for arms that no ablation named.
std::string ShortLabel(const std::map<std::string, std::string>& config, const std::set<std::string>& differing) {
  std::string label;
  for (const std::string& key : differing) {
    const auto value = config.find(key);
    if (value == config.end()) continue;
    const std::string last = key.substr(key.rfind('.') + 1);
    label += (label.empty() ? "" : ",") + (last == "name" ? value->second : last + "=" + value->second);
  }
  return label;
}

class Grouping {
 public:
  // The arm of a run with this configuration.
  std::size_t ArmOf(const std::map<std::string, std::string>& config, const FoundRun& run) {
    const auto [found, fresh] = arms_.emplace(config, configs_.size());
    if (fresh) configs_.push_back(config), named_.push_back(run);
    counts_.resize(configs_.size());
    ++counts_[found->second];
    return found->second;
  }
  std::map<std::string, std::vector<std::string>> DifferingKeys() const {
    std::set<std::string> all;
    for (const auto& config : configs_) {
      for (const auto& [key, value] : config) all.insert(key);
    }
    std::map<std::string, std::vector<std::string>> differing;
    for (const std::string& key : all) {
      std::vector<std::string> values;
      for (const auto& config : configs_) values.push_back(config.count(key) ? config.at(key) : "");
      if (std::set<std::string>(values.begin(), values.end()).size() > 1) differing[key] = values;
    }
    return differing;
  }
  std::vector<std::string> Names() const {
    std::set<std::string> differing;
    for (const auto& [key, values] : DifferingKeys()) differing.insert(key);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < configs_.size(); ++i) {
      std::string name = named_[i].arm;
      if (name.empty() && counts_[i] > 1) name = ShortLabel(configs_[i], differing);
      if (name.empty() || name.size() > 48) name = LastPart(named_[i].dir);
      const std::string plain = name;
      for (int n = 2; std::find(names.begin(), names.end(), name) != names.end(); ++n) name = fmt::format("{} ({})", plain, n);
      names.push_back(name);
    }
    return names;
  }

 private:
  std::map<std::map<std::string, std::string>, std::size_t> arms_;
  std::vector<std::map<std::string, std::string>> configs_;
  std::vector<FoundRun> named_;  // the first run of each
  std::vector<int> counts_;
};

// ---- scores ----

ScoreView MakeView(const Comparison& c, ScoreView::At at, double budget, const std::function<double(const ComparedRun&)>& score) {
  ScoreView view{.at = at, .budget = budget};
  for (const std::string& arm : c.arms) {
    ArmScores scores{arm, {}};
    for (const ComparedRun& run : c.runs) {
      const double value = run.arm == arm && run.counts ? score(run) : kNaN;
      if (std::isfinite(value)) scores.by_seed[run.seed] = value;
    }
    std::vector<double> values;
    for (const auto& [seed, value] : scores.by_seed) values.push_back(value);
    view.arms.push_back({arm, values.size(), Mean(values), Std(values), StudentInterval(values), Iqm(values),
                         BootstrapIqm({values}, Rng(0).Fork("scores"), 10000)});
    view.scores.push_back(std::move(scores));
  }
  view.differences = CompareArms(view.scores, c.against, Rng(0).Fork("differences"));
  return view;
}

// The largest budget that every run which counts has reached; NaN where one does not say.
double CommonBudget(const Comparison& c, double CurvePoint::*axis) {
  double budget = std::numeric_limits<double>::infinity();
  for (const ComparedRun& run : c.runs) {
    if (!run.counts) continue;
    const double reached = run.curve.back().*axis;
    if (!std::isfinite(reached)) return kNaN;
    budget = std::min(budget, reached);
  }
  return budget;
}

void AddViews(Comparison& c) {
  c.views.push_back(MakeView(c, ScoreView::At::kEnd, 0.0, [](const ComparedRun& run) { return run.curve.back().value; }));
  for (const auto& [at, axis, what] : {std::tuple{ScoreView::At::kTokens, &CurvePoint::tokens, "tokens"}, std::tuple{ScoreView::At::kTime, &CurvePoint::seconds, "seconds"}}) {
    const double budget = CommonBudget(c, axis);
    if (std::isfinite(budget) && budget > 0) {
      c.views.push_back(MakeView(c, at, budget, [axis = axis, budget](const ComparedRun& run) { return ValueAt(run.curve, axis, budget); }));
    } else {
      c.notes.push_back(fmt::format("There is no table at equal {0}: a run does not say how many {0} its steps took.", what));
    }
  }
}

// Which runs count, and what a reader has to know of the others.
void Settle(Comparison& c) {
  const bool any_finished = std::any_of(c.runs.begin(), c.runs.end(), [](const ComparedRun& run) { return run.records.finished && !run.curve.empty(); });
  for (ComparedRun& run : c.runs) {
    run.counts = !run.curve.empty() && (run.records.finished || !any_finished);
    if (run.curve.empty()) {
      c.notes.push_back(fmt::format("{} has no evaluation with '{}' yet and is left out.", run.dir, c.metric));
    } else if (!run.records.finished) {
      c.notes.push_back(fmt::format("{} is not finished (step {}): {}.", run.dir, run.records.metrics.empty() ? 0 : run.records.metrics.back().step,
                                    any_finished ? "its curve is drawn, its score does not count" : "its last whole evaluation is taken"));
    }
  }
  if (std::none_of(c.runs.begin(), c.runs.end(), [](const ComparedRun& run) { return run.counts; })) {
    const std::string known = KnownMetrics(c.runs.front().records);
    throw DataError(fmt::format("no run has an evaluation with '{}'.{}", c.metric, known.empty() ? " An evaluation is written before the first step, every eval.every steps and at the end" : " Known: " + known));
  }
  std::set<std::string> threads;
  for (const ComparedRun& run : c.runs) {
    const auto found = run.records.environment.find("threads");
    if (found != run.records.environment.end()) threads.insert(found->second);
  }
  if (threads.size() > 1) c.notes.push_back("The runs had different numbers of threads: their times cannot be compared fairly.");
}

// A score measures how an arm samples, too, where that differs. A run of a version that had no such setting has its default.
void NoteSampling(Comparison& c) {
  Sampling defaults;
  std::string keys;
  for (const auto& [name, value] : DumpFields([&](FieldVisitor& v) { defaults.VisitFields(v); }).entries) {
    const auto found = c.keys.find("rollout." + name);
    if (found == c.keys.end()) continue;
    std::set<std::string> values;
    for (const std::string& of_arm : found->second) values.insert(of_arm.empty() ? OneLineYaml(value) : of_arm);
    if (values.size() > 1) keys += (keys.empty() ? "" : ", ") + found->first;
  }
  if (!keys.empty()) c.notes.push_back("Arms were evaluated as they sample, and that differs (" + keys + "); `cogent eval` measures all in one way.");
}

void CheckAgainst(const Comparison& c) {
  if (c.against.empty() || std::find(c.arms.begin(), c.arms.end(), c.against) != c.arms.end()) return;
  const auto near = Nearest(c.against, c.arms);
  throw ConfigError("there is no arm '" + c.against + "' to compare to." + (near ? " Did you mean '" + *near + "'?" : "") + fmt::format(" Arms: {}", fmt::join(c.arms, ", ")));
}

}  // namespace

std::string WhyNotComparable(const std::string& config, const std::string& other, std::uint64_t seed, const Parts& parts) {
  const Choice env = EnvOf(config), other_env = EnvOf(other);
  if (env.name != other_env.name) {
    return fmt::format("their environments are '{}' and '{}', and a score in one says nothing of the other", env.name, other_env.name);
  }
  const std::map<std::string, std::string> flat = FlatConfig(config), other_flat = FlatConfig(other);
  for (const char* key : {"eval.tasks", "eval.final_tasks", "eval.samples"}) {
    const auto text = [&](const auto& of) { return of.count(key) ? of.at(key) : std::string("absent"); };
    if (text(flat) == text(other_flat)) continue;
    return fmt::format("they were evaluated on different tasks ({} is {} and {}); `cogent eval` measures both in the same way", key, text(flat), text(other_flat));
  }
  const std::string differing = DifferingSettings(flat, other_flat);
  if (differing.empty()) return {};
  const auto tasks = HeldOutTasks(env, seed, parts), other_tasks = HeldOutTasks(other_env, seed, parts);
  if (tasks.empty() || other_tasks.empty()) {
    return fmt::format("the settings of their environment differ ({}), and this program does not know '{}', so that it cannot tell whether the tasks are the same",
                       differing, env.name);
  }
  if (tasks == other_tasks) return {};
  return fmt::format("they were evaluated on different tasks ({}); with seed {} the first asks {} and the second {}", differing, seed,
                     Quoted(Shortened(tasks.front(), 80)), Quoted(Shortened(other_tasks.front(), 80)));
}

std::vector<CurvePoint> CurveOf(const RunRecords& records, const std::string& metric) {
  std::string name;
  const std::vector<StepMetrics>* lines = FindEvaluation(records, metric, name);
  if (!lines) return {};
  const std::map<std::int64_t, Axes> axes = AxesOf(records);
  std::vector<CurvePoint> curve;
  for (const StepMetrics& line : *lines) {
    const auto value = line.values.find(name);
    const auto axis = axes.find(line.step);
    if (value == line.values.end() || axis == axes.end()) continue;  // the step itself is not whole
    const CurvePoint point{static_cast<double>(line.step), axis->second.tokens, axis->second.seconds, value->second};
    if (!curve.empty() && curve.back().step == point.step) curve.back() = point;
    else curve.push_back(point);
  }
  return curve;
}

double ValueAt(const std::vector<CurvePoint>& curve, double CurvePoint::*axis, double budget) {
  for (std::size_t i = 0; i < curve.size(); ++i) {
    const double right = curve[i].*axis;
    if (right == budget) return curve[i].value;
    if (!(right > budget)) continue;
    if (i == 0) return kNaN;
    const double left = curve[i - 1].*axis;
    return curve[i - 1].value + (budget - left) / (right - left) * (curve[i].value - curve[i - 1].value);
  }
  return kNaN;
}

Comparison CompareRuns(const std::vector<std::string>& paths, const CompareOptions& options, const Parts& parts) {
  Comparison c{.title = paths.size() == 1 ? LastPart(paths[0]) : "comparison", .metric = options.metric, .against = options.against};
  Grouping grouping;
  std::vector<std::size_t> arm_of;
  std::map<std::pair<std::size_t, std::uint64_t>, std::string> taken;
  std::set<std::size_t> checked;
  const FoundRuns all = FindRuns(paths);
  if (c.against.empty()) c.against = all.against;
  c.notes = all.notes;
  for (const FoundRun& found : all.runs) {
    ComparedRun run{.dir = found.dir, .records = ReadRun(found.dir)};
    if (run.records.config.empty()) throw DataError(found.dir + "/config.yaml: is missing or empty; without it nobody can tell what was run");
    const auto flat = FlatConfig(run.records.config);
    const auto seed = flat.count("seed") ? ParseUnsigned(flat.at("seed")) : Parsed<std::uint64_t>{};
    if (!seed.ok()) throw DataError(found.dir + "/config.yaml: has no seed; is it the resolved configuration of a run?");
    run.seed = seed.value;
    const std::size_t arm = grouping.ArmOf(ArmConfig(run.records, run.seed), found);
    const auto [before, fresh] = taken.emplace(std::pair{arm, run.seed}, found.dir);
    if (!fresh) throw ConfigError(fmt::format("{} and {} are runs of one arm with the same seed ({}): the same configuration twice is no second observation. Leave one out", before->second, found.dir, run.seed));
    if (!c.runs.empty() && checked.insert(arm).second) {
      const ComparedRun& first = c.runs.front();
      const std::string why = WhyNotComparable(first.records.config, run.records.config, first.seed, parts);
      if (!why.empty()) throw ConfigError(first.dir + " and " + run.dir + " cannot be compared: " + why);
    }
    run.curve = CurveOf(run.records, options.metric);
    arm_of.push_back(arm);
    c.runs.push_back(std::move(run));
  }
  c.arms = grouping.Names();
  c.keys = grouping.DifferingKeys();
  NoteSampling(c);
  for (std::size_t i = 0; i < c.runs.size(); ++i) c.runs[i].arm = c.arms[arm_of[i]];
  std::stable_sort(c.runs.begin(), c.runs.end(), [&](const ComparedRun& a, const ComparedRun& b) {
    const auto place = [&](const ComparedRun& run) { return std::pair{std::find(c.arms.begin(), c.arms.end(), run.arm) - c.arms.begin(), run.seed}; };
    return place(a) < place(b);
  });
  CheckAgainst(c);
  Settle(c);
  AddViews(c);
  return c;
}

}  // namespace cogent
