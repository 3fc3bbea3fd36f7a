// Running a pipeline: what is done, what is left, one stage after the other as a child process.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/progress.h"
#include "experiments/ablation_plan.h"
#include "experiments/pipeline.h"
#include "experiments/pipeline_report.h"
#include "experiments/processes.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

enum class StageState { kDone, kStopped, kNew, kChanged };

class PipelineRun {
 public:
  PipelineRun(const Pipeline& pipeline, std::string file, bool quiet) : pipeline_(pipeline), file_(std::move(file)), quiet_(quiet) {}

  std::string Plan() const {
    std::string text = fmt::format("{}: {} stages\n", pipeline_.directory, pipeline_.stages.size());
    bool again = false;
    Recipes recipes(pipeline_);
    for (const PipelineStage& stage : pipeline_.stages) {
      const StageState state = StateOf(stage, recipes);
      again = again || state == StageState::kChanged;
      text += fmt::format("  {:<16}{:<8}{:<28}{}\n", stage.name, stage.kind, State(state), stage.needs.empty() ? "" : "needs " + fmt::format("{}", fmt::join(stage.needs, ", ")));
    }
    if (again) text += "  changed: its settings, a file, or a stage that it needs; what it made is moved aside and it runs again\n";
    return text;
  }

  // All stages that are not done, or the one.
  int Run(const std::string& only) {
    if (!only.empty()) CheckOnly(only);
    CheckServers(only);
    for (const PipelineStage& stage : pipeline_.stages) {
      if (!only.empty() && stage.name != only) continue;
      Recipes recipes(pipeline_);  // a file may have changed while the last stage ran
      if (StateOf(stage, recipes) != StageState::kDone) {
        const int code = RunStage(stage, recipes);
        if (code != kExitDone) return code;
      }
      const int code = Score(stage);
      if (code != kExitDone) return code;
    }
    WriteFileAtomic(pipeline_.directory + "/report.html", PipelineReportHtml(pipeline_));
    WriteFileAtomic(pipeline_.directory + "/scores.csv", PipelineCsv(pipeline_));
    std::cout << PipelineTable(pipeline_) << "report: " << pipeline_.directory << "/report.html\n";
    return kExitDone;
  }

 private:
  std::string Path(const char* folder, const std::string& name, const char* end) const { return pipeline_.directory + "/" + folder + "/" + name + end; }
  std::string Note(const PipelineStage& stage) const { return Path("stages", stage.name, ".json"); }
  static const char* State(StageState state) {
    switch (state) {
      case StageState::kDone: return "done";
      case StageState::kStopped: return "to be resumed";
      case StageState::kNew: return "to run";
      default: return "changed: to run again";
    }
  }

  StageState StateOf(const PipelineStage& stage, Recipes& recipes) const {
    if (!fs::exists(Note(stage))) return StageState::kNew;
    const OrderedJson note = OrderedJson::parse(ReadFile(Note(stage)), nullptr, false);
    if (!note.is_object() || note.value("recipe", "") != recipes.Of(stage)) return StageState::kChanged;
    return note.value("finished", false) ? StageState::kDone : StageState::kStopped;
  }

  void CheckOnly(const std::string& only) const {
    std::vector<std::string> names, missing;
    for (const PipelineStage& stage : pipeline_.stages) names.push_back(stage.name);
    if (std::find(names.begin(), names.end(), only) == names.end()) {
      const auto near = Nearest(only, names);
      throw ConfigError(fmt::format("--stage {}: there is no such stage.{} Stages: {}", only, near ? " Did you mean '" + *near + "'?" : "", fmt::join(names, ", ")));
    }
    Recipes recipes(pipeline_);
    for (const std::string& need : pipeline_.Find(only).needs) {
      if (StateOf(pipeline_.Find(need), recipes) != StageState::kDone) missing.push_back(need);
    }
    if (!missing.empty()) throw ConfigError(fmt::format("--stage {}: it needs {}, which {} not done", only, fmt::join(missing, ", "), missing.size() == 1 ? "is" : "are"));
  }

  // Asks each server of what is left to run whether it is there.
  void CheckServers(const std::string& only) const {
    Recipes recipes(pipeline_);
    std::set<std::string> asked;
    for (const PipelineStage& stage : pipeline_.stages) {
      if (!stage.server || (!only.empty() && stage.name != only) || StateOf(stage, recipes) == StageState::kDone) continue;
      if (!asked.insert(stage.server->url + "\n" + stage.server->key_variable).second) continue;
      try {
        CheckServer(*stage.server);
      } catch (const RemoteError& error) {
        const std::string first = stage.needs.empty() ? "" : fmt::format(". If it is to serve what an earlier stage makes, run that one first: cogent pipeline {} --stage {}", file_, stage.needs.front());
        throw RemoteError(fmt::format("stage '{}': {}{}", stage.name, error.what(), first));
      }
    }
  }

  // What an earlier recipe made, or was made without a note of its recipe, keeps another name.
  void MoveAside(const PipelineStage& stage) const {
    const std::string base = pipeline_.directory + "/stages/" + stage.name;
    int number = 1;
    while (fs::exists(fmt::format("{}.before-{}", base, number)) || fs::exists(fmt::format("{}.before-{}.jsonl", base, number))) ++number;
    const std::string aside = fmt::format("{}.before-{}", base, number);
    bool moved = false;
    for (const char* end : {"", ".jsonl", ".jsonl.report.json", ".jsonl.state.json"}) {
      if (!fs::exists(base + end)) continue;
      fs::rename(base + end, aside + end);
      moved = true;
    }
    std::error_code ignored;
    fs::remove(Path("scores", stage.name, ".json"), ignored);
    if (moved) LogInfo(fmt::format("{}: runs again; what it had made is now {}*", stage.name, aside));
  }

  std::vector<std::string> Words(const PipelineStage& stage, bool resume) const {
    if (stage.kind == "train") {
      const std::string directory = ArtefactsOf(pipeline_, stage).at("run"), config = Path("configs", stage.name, ".yaml");
      if (resume && fs::exists(directory + "/config.yaml")) return {"train", directory + "/config.yaml", "--resume"};
      fs::remove_all(directory);  // killed before its first file was whole
      WriteFileAtomic(config, DumpYaml(TrainConfig(pipeline_, stage)));
      return {"train", config};
    }
    const std::string output = ArtefactsOf(pipeline_, stage).at("data");
    const Node settings = WithPaths(pipeline_, stage.settings);
    const std::string from = settings.Find("from")->text;
    if (stage.kind == "refine" || stage.kind == "pairs") return LinesCommand(pipeline_, stage, from);
    // A checkpoint of a stage stands for its run.
    std::string run = from, best;
    for (const PipelineStage& other : pipeline_.stages) {
      if (other.kind != "train") continue;
      const auto made = ArtefactsOf(pipeline_, other);
      if (from == made.at("best")) best = from;
      if (from == made.at("checkpoint") || from == made.at("best")) run = made.at("run");
    }
    std::vector<std::string> words = {stage.kind, run, "-o", output};
    if (!best.empty()) words.insert(words.end(), {"--checkpoint", best});
    if (const Node* input = settings.Find("input"); input != nullptr && stage.kind != "sample") words.insert(words.end(), {"-i", input->text});
    if (resume && fs::exists(output + ".state.json")) words.push_back("--resume");
    else fs::remove(output);
    for (const auto& [key, value] : settings.entries) {
      if (key != "from" && !(key == "input" && stage.kind != "sample")) AddOverrides(key, value, words);
    }
    return words;
  }
  // Leaves alone, so that a section's other values stay.
  static void AddOverrides(const std::string& path, const Node& value, std::vector<std::string>& words) {
    if (value.kind != Node::Kind::kMap || value.entries.empty() || value.Find("name") != nullptr) return words.push_back(path + "=" + OneLineYaml(value));
    for (const auto& [key, inner] : value.entries) AddOverrides(path + "." + key, inner, words);
  }

  bool IsWhole(const PipelineStage& stage) const {
    const auto artefacts = ArtefactsOf(pipeline_, stage);
    if (stage.kind == "train") return cogent::StateOf(artefacts.at("run")) == RunState::kFinished;
    const std::string& data = artefacts.at("data");
    return fs::exists(data) && fs::exists(data + ".report.json") && !fs::exists(data + ".state.json");
  }

  int RunStage(const PipelineStage& stage, Recipes& recipes) {
    const StageState state = StateOf(stage, recipes);
    if (state != StageState::kStopped) MoveAside(stage);
    const bool resume = state == StageState::kStopped;
    OrderedJson note = {{"kind", stage.kind}, {"recipe", recipes.Of(stage)}, {"finished", false}};
    const OrderedJson earlier = resume ? OrderedJson::parse(ReadFile(Note(stage)), nullptr, false) : OrderedJson::object();
    const double before = earlier.value("seconds", 0.0);
    note["seconds"] = before;
    WriteFileAtomic(Note(stage), note.dump(2) + "\n");
    // A kill may have come between a stage's end and this note.
    if (resume && !earlier.value("failed", false) && IsWhole(stage)) {
      note["finished"] = true;
      WriteFileAtomic(Note(stage), note.dump(2) + "\n");
      return kExitDone;
    }
    std::optional<std::int64_t> steps;
    if (stage.kind == "train") {
      const Node config = TrainConfig(pipeline_, stage);
      const auto number = [&](const char* section, const char* key) -> const Node* {
        const Node* found = config.Find(section);
        return found != nullptr ? found->Find(key) : nullptr;
      };
      const Node *count = number("train", "steps"), *epochs = number("data", "epochs");
      steps = count != nullptr ? std::atoll(count->text.c_str()) : TrainSettings().steps;
      if (*steps == 0) steps.reset();  // a base alone
      if (epochs != nullptr && std::atof(epochs->text.c_str()) > 0) steps = 0;  // as many as the examples ask for
    }
    const ChildEnd end = Child(stage.name, Words(stage, resume), Path("logs", stage.name, ".log"), steps, Path("stages", stage.name, "/metrics.jsonl"));
    note["seconds"] = before + end.seconds;
    note["finished"] = end.exit_code == kExitDone;
    note["failed"] = end.exit_code != kExitDone && end.exit_code != kExitStopped && end.signal == 0;  // what it wrote does not count
    WriteFileAtomic(Note(stage), note.dump(2) + "\n");
    return Judge(stage.name, end, Path("logs", stage.name, ".log"));
  }

  // The policy of a stage on the tasks that all stages share.
  int Score(const PipelineStage& stage) {
    const std::optional<Node> node = MeasuringConfig(pipeline_, stage);
    if (!node) return kExitDone;
    const std::string checkpoint = ArtefactsOf(pipeline_, stage).at("checkpoint"), output = Path("scores", stage.name, ".json"), config = Path("configs", stage.name, ".eval.yaml");
    const std::string text = DumpYaml(*node);
    if (fs::exists(output) && fs::exists(config) && ReadFile(config) == text && fs::last_write_time(output) >= fs::last_write_time(Note(stage))) return kExitDone;
    std::error_code ignored;
    fs::remove(output, ignored);  // before what it was measured by is forgotten: a kill from here on leaves no old numbers beside new settings
    WriteFileAtomic(config, text);
    const std::string log = Path("logs", stage.name, ".eval.log");
    return Judge("measuring " + stage.name, Child("eval " + stage.name, {"eval", config, "--checkpoint", checkpoint, "--output", output}, log, std::nullopt, ""), log);
  }

  // `steps` of a training: 0 = not known beforehand.
  ChildEnd Child(const std::string& title, const std::vector<std::string>& words, const std::string& log, std::optional<std::int64_t> steps, const std::string& metrics) {
    std::error_code none;
    log_begin_ = fs::file_size(log, none);
    if (none) log_begin_ = 0;
    std::optional<Progress> bar;
    if (!quiet_ && steps) bar.emplace(title, *steps, "steps");
    else if (!quiet_) std::cerr << title << " ...\n";
    ChildEnd result;
    bool started = false, ended = false;
    ChildPlan plan;
    plan.next = [&]() -> std::optional<ChildJob> {
      if (std::exchange(started, true)) return std::nullopt;
      return ChildJob{.id = 0, .words = words, .log = log};
    };
    plan.ended = [&](const ChildEnd& end) { result = end, ended = true; };
    plan.tick = [&] {
      if (bar) bar->Advance((*steps > 0 ? std::min(*steps, LastStep(metrics)) : LastStep(metrics)) - bar->state().done);
    };
    const bool whole = RunChildren(plan);
    if (bar) bar->Finish();
    if (!whole || !ended) result.exit_code = kExitStopped;
    return result;
  }

  int Judge(const std::string& what, const ChildEnd& end, const std::string& log) const {
    if (end.exit_code == kExitDone) {
      if (!quiet_) std::cerr << fmt::format("{} done in {}\n", what, FormatDuration(end.seconds));
      return kExitDone;
    }
    if (end.exit_code == kExitStopped) {
      std::cerr << fmt::format("\nStopped in {}; what is done stays. Go on with:\n  cogent pipeline {}\n", what, file_);
      return kExitStopped;
    }
    std::cerr << fmt::format("{} FAILED{}: {}\nWhat is done stays. All that it said is in {}; when the cause is gone, go on with:\n  cogent pipeline {}\n", what,
                             end.signal != 0 ? fmt::format(" by signal {}", end.signal) : "", LastLine(log, log_begin_), log, file_);
    return kExitFailed;
  }

  const Pipeline& pipeline_;
  std::string file_;
  bool quiet_;
  std::uintmax_t log_begin_ = 0;  // of the child that runs, or ran last
};

}  // namespace

int PipelineCommand(const Parts& parts, const CheckAlgorithm& check_algorithm, const Command& command) {
  const std::string& file = command.arguments.at(0);
  const Pipeline pipeline = LoadPipeline(file, {command.arguments.begin() + 1, command.arguments.end()}, parts, check_algorithm);
  PipelineRun run(pipeline, file, command.Has("quiet"));
  if (command.Has("dry-run")) {
    std::cout << run.Plan();
    return kExitDone;
  }
  if (!command.Has("quiet")) std::cerr << run.Plan();
  unsetenv("COGENT_SEED");  // the seeds of a pipeline stand in its file
  std::error_code error;
  for (const char* folder : {"stages", "configs", "logs", "scores"}) {
    fs::create_directories(pipeline.directory + "/" + folder, error);
    if (error) throw DataError(pipeline.directory + "/" + folder + ": cannot be made: " + error.message());
  }
  const DirectoryLock lock(pipeline.directory, "this pipeline");
  return run.Run(command.Get("stage"));
}

}  // namespace cogent
