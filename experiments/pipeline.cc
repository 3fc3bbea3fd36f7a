// The file of a pipeline: stages, references, recipes. Running it is pipeline_run.cc.
#include "experiments/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cinttypes>
#include <filesystem>
#include <functional>
#include <set>

#include "core/file.h"
#include "core/rng.h"
#include "experiments/cli.h"
#include "experiments/pairs.h"
#include "experiments/refine.h"

namespace cogent {
namespace {

const std::vector<std::string> kKinds = {"train", "sample", "refine", "rewrite", "judge", "pairs"};
bool TakesLines(const std::string& kind) { return kind == "refine" || kind == "pairs"; }

std::string List(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ", ")); }

// Calls `each` with every ${...} of the text and gives what it becomes.
std::string ReplaceReferences(const std::string& text, const std::function<std::string(const std::string& reference)>& each) {
  std::string out;
  for (std::size_t at = 0;;) {
    const std::size_t begin = text.find("${", at), end = begin == std::string::npos ? begin : text.find('}', begin);
    out += text.substr(at, end == std::string::npos ? end : begin - at);
    if (end == std::string::npos) return out;
    out += each(text.substr(begin + 2, end - begin - 2));
    at = end + 1;
  }
}

// Every scalar of the tree; the text may be changed.
void ForEachText(Node& node, const std::function<void(Node& scalar)>& each) {
  if (node.kind == Node::Kind::kScalar) each(node);
  for (Node& item : node.items) ForEachText(item, each);
  for (auto& [key, value] : node.entries) ForEachText(value, each);
}

// "stage" or "stage.artefact".
std::pair<std::string, std::string> CutReference(const std::string& reference) {
  const std::size_t dot = reference.find('.');
  return {reference.substr(0, dot), dot == std::string::npos ? "" : reference.substr(dot + 1)};
}

// Keys with dots are paths, as on the command line.
Node Expand(const Node& flat) {
  if (flat.kind != Node::Kind::kMap) return flat;
  Node tree = Node::Map(flat.location);
  for (const auto& [key, value] : flat.entries) {
    if (key.find('.') == std::string::npos) tree.Set(key, value);
  }
  for (const auto& [key, value] : flat.entries) {
    if (key.find('.') != std::string::npos) Overlay(tree, key, value, value.location);
  }
  return tree;
}

class Reader {
 public:
  Reader(const std::string& path, const std::vector<std::string>& overrides) {
    Node root = ParseYamlFile(path);
    for (const std::string& override : overrides) ApplyOverride(root, override);
    Top top = ReadConfig<Top>(root, problems_, "a pipeline");
    problems_.ThrowIfAny();
    pipeline_.name = top.name, pipeline_.seed = top.seed, pipeline_.directory = top.output + "/" + top.name;
    if (!top.base_config.empty()) {
      pipeline_.settings = ParseYamlFile((std::filesystem::path(path).parent_path() / top.base_config).string());
    }
    if (top.settings.kind == Node::Kind::kMap) pipeline_.settings = MergeYaml(pipeline_.settings, Expand(top.settings));
    if (top.evaluate.kind == Node::Kind::kMap) pipeline_.evaluate = Expand(top.evaluate);
    ForEachText(pipeline_.evaluate, [&](Node& scalar) {
      ReplaceReferences(scalar.text, [&](const std::string& reference) {
        problems_.Add(scalar.location, "evaluate names ${" + reference + "}, but every stage's policy is measured in one way, also before that stage has run; give the path of something that is there");
        return std::string();
      });
    });
    for (const auto& [name, body] : top.stages.entries) ReadStage(name, body);
    problems_.ThrowIfAny();
    for (PipelineStage& stage : stages_) FindNeeds(stage);
    problems_.ThrowIfAny();
    Sort();
    problems_.ThrowIfAny();
  }
  Pipeline Take() { return std::move(pipeline_); }

 private:
  struct Top {
    std::string name = "pipeline", output = "runs", base_config;
    std::uint64_t seed = 1;
    Node settings, evaluate, stages;
    void VisitFields(FieldVisitor& visit) {
      visit("name", name, "the pipeline's directory is OUTPUT/NAME");
      visit("output", output, "directory of runs");
      visit("seed", seed, "of every stage that does not name its own");
      visit("base_config", base_config, "a run's file, beside this one, that `settings` are laid over");
      visit("settings", settings, "laid under every train stage");
      visit("evaluate", evaluate, "laid over a stage's settings to measure its policy; null = not measured");
      visit("stages", stages, "name: {kind: settings}");
    }
    void Validate(Problems& problems, const Node& section) const {
      if (stages.kind != Node::Kind::kMap || stages.entries.empty()) problems.Add(section.PlaceOf("stages"), "stages: there is none; write `stages: {base: {train: {...}}}`");
      if (name.empty() || name.find('/') != std::string::npos) problems.Add(section.PlaceOf("name"), "name must be a directory's name");
    }
  };

  struct StageOptions {
    bool scored = true;
    void VisitFields(FieldVisitor& visit) { visit("scored", scored, "measure its policy as `evaluate` says"); }
  };

  void ReadStage(const std::string& name, const Node& body) {
    const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; });
    if (!plain) problems_.Add(body.location, "a stage's name has letters, digits, _ and -; found '" + name + "'");
    Node kinds = body;
    StageOptions options;
    if (kinds.kind == Node::Kind::kMap) options = ReadConfig<StageOptions>(TakeKeys(kinds, {"scored"}), problems_, "stage '" + name + "'");
    if (kinds.kind != Node::Kind::kMap || kinds.entries.size() != 1) {
      return problems_.Add(body.location, "stage '" + name + "': one kind is wanted, as in `" + name + ": {train: {...}}`. Known: " + List(kKinds));
    }
    const auto& [kind, settings] = kinds.entries.front();
    if (std::find(kKinds.begin(), kKinds.end(), kind) == kKinds.end()) {
      const auto near = Nearest(kind, kKinds);
      return problems_.Add(body.location, "stage '" + name + "': '" + kind + "' is no kind of a stage." + (near ? " Did you mean '" + *near + "'?" : "") + " Known: " + List(kKinds));
    }
    PipelineStage stage{name, kind, settings.kind == Node::Kind::kNull ? Node::Map(settings.location) : Expand(settings), {}, options.scored};
    if (stage.settings.kind != Node::Kind::kMap) return problems_.Add(settings.location, "stage '" + name + "': settings are a map");
    if (kind != "train" && stage.settings.Find("from") == nullptr) {
      problems_.Add(settings.location, "stage '" + name + "': '" + kind + "' needs `from`, the " + (TakesLines(kind) ? "lines" : "run") + " that it takes");
    }
    if ((kind == "judge" || kind == "rewrite") && stage.settings.Find("input") == nullptr) {
      problems_.Add(settings.location, "stage '" + name + "': '" + kind + "' needs `input`, the lines that it takes");
    }
    stages_.push_back(std::move(stage));
  }

  void FindNeeds(PipelineStage& stage) {
    Node all = stage.settings;
    if (stage.kind == "train") all = MergeYaml(pipeline_.settings, all);
    ForEachText(all, [&](Node& scalar) {
      ReplaceReferences(scalar.text, [&](const std::string& reference) {
        const auto [name, artefact] = CutReference(reference);
        const auto found = std::find_if(stages_.begin(), stages_.end(), [&name = name](const PipelineStage& s) { return s.name == name; });
        if (found == stages_.end()) {
          std::vector<std::string> names;
          for (const PipelineStage& one : stages_) names.push_back(one.name);
          const auto near = Nearest(name, names);
          problems_.Add(scalar.location, "stage '" + stage.name + "' needs ${" + reference + "}, which no stage makes." + (near ? " Did you mean '" + *near + "'?" : "") + " Stages: " + List(names));
          return std::string();
        }
        const auto artefacts = ArtefactsOf(pipeline_, *found);
        if (!artefact.empty() && artefacts.count(artefact) == 0) {
          std::vector<std::string> names;
          for (const auto& [key, path] : artefacts) names.push_back(key);
          problems_.Add(scalar.location, "stage '" + stage.name + "' needs ${" + reference + "}; '" + name + "' makes " + List(names));
        }
        if (std::find(stage.needs.begin(), stage.needs.end(), name) == stage.needs.end()) stage.needs.push_back(name);
        return std::string();
      });
    });
  }

  // Each stage behind those that it needs, else in the file's order.
  void Sort() {
    std::set<std::string> placed;
    while (placed.size() < stages_.size()) {
      const std::size_t before = placed.size();
      for (const PipelineStage& stage : stages_) {
        const bool ready = std::all_of(stage.needs.begin(), stage.needs.end(), [&](const std::string& need) { return placed.count(need) > 0; });
        if (placed.count(stage.name) > 0 || !ready) continue;
        placed.insert(stage.name);
        pipeline_.stages.push_back(stage);
      }
      if (placed.size() > before) continue;
      std::vector<std::string> left;
      Location first;
      for (const PipelineStage& stage : stages_) {
        if (placed.count(stage.name) > 0) continue;
        if (left.empty()) first = stage.settings.location;
        left.push_back(stage.name + " needs " + List(stage.needs));
      }
      return problems_.Add(first, "the stages wait for one another in a circle: " + fmt::format("{}", fmt::join(left, "; ")));
    }
  }

  Problems problems_;
  Pipeline pipeline_;
  std::vector<PipelineStage> stages_;
};

std::string Default(const PipelineStage& stage) { return stage.kind == "train" ? "checkpoint" : "data"; }

std::string PathOf(const Pipeline& pipeline, const std::string& reference, const std::string& otherwise) {
  const auto [name, artefact] = CutReference(reference);
  const PipelineStage& stage = pipeline.Find(name);
  return ArtefactsOf(pipeline, stage).at(!artefact.empty() ? artefact : otherwise.empty() ? Default(stage) : otherwise);
}

// `max_repeated` is --max-repeated.
std::string OptionOf(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

std::string Fingerprint(const std::string& text) { return fmt::format("{:016x}", Rng(0).Fork(text).key()); }

// The server in a section of a run's settings. What is wrong there is said where the run is checked.
std::optional<RemoteSettings> ServerIn(const Node& settings, const std::string& section) {
  const Node* own = settings.Find(section);
  const Node* remote = own == nullptr ? nullptr : own->Find("remote");
  if (remote == nullptr || remote->kind != Node::Kind::kMap) return std::nullopt;
  Problems ignored;
  return ReadConfig<RemoteSettings>(*remote, ignored, section);
}

// The settings in a run's file or directory; nothing where that cannot be read, which its stage says when it runs.
Node SettingsAt(const std::string& run) {
  try {
    return ParseYamlFile(std::filesystem::is_directory(run) ? run + "/config.yaml" : run);
  } catch (const Error&) {
    return Node::Map();
  }
}

// Stand-ins where stages have not made anything yet.
void PutStandIns(const Pipeline& pipeline, Node& node) {
  ForEachText(node, [&](Node& scalar) {
    scalar.text = ReplaceReferences(scalar.text, [&](const std::string& reference) {
      const auto [name, artefact] = CutReference(reference);
      return std::string((artefact.empty() ? Default(pipeline.Find(name)) : artefact) == "data" ? "/dev/null" : ".");
    });
  });
}

// The stage whose artefact a text is; none where it is a path.
const PipelineStage* Referred(const Pipeline& pipeline, const std::string& text) {
  if (!text.starts_with("${") || text.find('}') != text.size() - 1) return nullptr;
  return &pipeline.Find(CutReference(text.substr(2, text.size() - 3)).first);
}

// The settings of a stage's run, to be checked before anything runs. A stage that uses the run of another (`from`) lays its own over that one's.
// Finds the stage's server, too.
void CheckRun(const Pipeline& pipeline, PipelineStage& stage, const Parts& parts, const CheckAlgorithm& check_algorithm, Problems& problems) {
  Node own = stage.settings, node = pipeline.settings;
  if (stage.kind != "train") {
    TakeKeys(own, {"input"});
    const Node from = TakeKeys(own, {"from"});
    const Node& given = from.entries.front().second;
    const PipelineStage* run = Referred(pipeline, given.text);
    if (run == nullptr) {  // a run from elsewhere: its own file says the rest
      stage.server = ServerIn(MergeYaml(SettingsAt(given.text), own), stage.kind);
      return;
    }
    if (run->kind != "train") return problems.Add(given.location, "stage '" + stage.name + "': `from` must be a run, and '" + run->name + "' makes lines");
    node = MergeYaml(node, run->settings);
  }
  node = MergeYaml(node, own);
  PutStandIns(pipeline, node);
  const RunConfig config = CheckRunConfig(node, "stage '" + stage.name + "'", parts, check_algorithm, stage.kind == "train" ? Purpose::kTrain : Purpose::kAsk, problems);
  if (stage.kind != "train") stage.server = ServerIn(node, stage.kind);
  else if (config.train.steps > 0) stage.server = config.rollout.remote;
}

// What measures the stage's policy: `evaluate` over its settings. Nothing where nothing does.
std::optional<Node> Measuring(const Pipeline& pipeline, const PipelineStage& stage) {
  if (stage.kind != "train" || !stage.scored || pipeline.evaluate.kind != Node::Kind::kMap) return std::nullopt;
  Node node = MergeYaml(pipeline.settings, stage.settings);
  const Node* algorithm = node.Find("algorithm");
  if (algorithm != nullptr && algorithm->kind == Node::Kind::kMap) algorithm = algorithm->Find("name");
  if (algorithm != nullptr && (algorithm->text == "reward_model" || algorithm->text == "process_reward")) return std::nullopt;  // no policy
  return MergeYaml(std::move(node), pipeline.evaluate);
}

// `cogent eval` puts a checkpoint in the place of what a policy came from.
void CheckMeasuring(const Pipeline& pipeline, const PipelineStage& stage, const Parts& parts, const CheckAlgorithm& check_algorithm, Problems& problems) {
  std::optional<Node> node = Measuring(pipeline, stage);
  if (!node) return;
  PutStandIns(pipeline, *node);
  node->Set("pretrain", Node());
  Overlay(*node, "policy.checkpoint", Node::Scalar("."), {});
  CheckRunConfig(*node, "evaluate, over stage '" + stage.name + "'", parts, check_algorithm, Purpose::kAsk, problems);
}

// The options of a stage that takes lines, as its command's own parser reads them.
void CheckLines(const Pipeline& pipeline, const PipelineStage& stage, Problems& problems) {
  const std::string title = "stage '" + stage.name + "': ";
  const Node& from = *stage.settings.Find("from");
  const PipelineStage* lines = Referred(pipeline, from.text);
  if (lines != nullptr && lines->kind == "train") return problems.Add(from.location, title + "`from` must be lines, and '" + lines->name + "' makes a run");
  for (const auto& [key, value] : stage.settings.entries) {
    if (value.kind != Node::Kind::kScalar) return problems.Add(value.location, title + "'" + key + "' must be one value");
  }
  const ParsedLine line = ParseCommandLine("cogent", LinesCommand(pipeline, stage, from.text.find("${") != std::string::npos ? "/dev/null" : from.text));
  std::string wrong;
  if (line.command) {
    try {
      stage.kind == "refine" ? CheckRefine(*line.command) : CheckPairs(*line.command);
      return;
    } catch (const ConfigError& error) {
      wrong = error.what();
    }
  } else {
    wrong = line.text.substr(0, line.text.find("\nSee: "));
    wrong.erase(0, wrong.find(": ") + 2);  // the program's name
  }
  const auto named = std::find_if(stage.settings.entries.begin(), stage.settings.entries.end(), [&](const auto& entry) { return wrong.find(OptionOf(entry.first)) != std::string::npos; });
  problems.Add(named != stage.settings.entries.end() ? named->second.location : stage.settings.location, title + wrong);
}

}  // namespace

const PipelineStage& Pipeline::Find(const std::string& stage) const {
  const auto found = std::find_if(stages.begin(), stages.end(), [&](const PipelineStage& s) { return s.name == stage; });
  Check(found != stages.end(), "a stage that is not there");
  return *found;
}

std::map<std::string, std::string> ArtefactsOf(const Pipeline& pipeline, const PipelineStage& stage) {
  const std::string base = pipeline.directory + "/stages/" + stage.name;
  if (stage.kind == "train") return {{"checkpoint", base + "/checkpoints/latest"}, {"best", base + "/checkpoints/best"}, {"run", base}};
  return {{"data", base + ".jsonl"}};
}

Node WithPaths(const Pipeline& pipeline, const Node& settings) {
  Node node = settings;
  ForEachText(node, [&](Node& scalar) {
    scalar.text = ReplaceReferences(scalar.text, [&](const std::string& reference) { return PathOf(pipeline, reference, ""); });
  });
  return node;
}

Node TrainConfig(const Pipeline& pipeline, const PipelineStage& stage) {
  Node node = WithPaths(pipeline, MergeYaml(pipeline.settings, stage.settings));
  node.Set("name", Node::Scalar(stage.name));
  node.Set("output", Node::Scalar(pipeline.directory + "/stages"));
  if (stage.settings.Find("seed") == nullptr) node.Set("seed", Node::Scalar(std::to_string(pipeline.seed)));  // base_config has one too
  return node;
}

std::optional<Node> MeasuringConfig(const Pipeline& pipeline, const PipelineStage& stage) {
  if (!Measuring(pipeline, stage)) return std::nullopt;
  Node node = MergeYaml(TrainConfig(pipeline, stage), pipeline.evaluate);
  if (pipeline.evaluate.Find("seed") == nullptr) node.Set("seed", Node::Scalar(std::to_string(pipeline.seed)));  // all stages' tasks are the same
  return node;
}

std::vector<std::string> LinesCommand(const Pipeline& pipeline, const PipelineStage& stage, const std::string& input) {
  std::vector<std::string> words = {stage.kind, "--input", input, "--output", ArtefactsOf(pipeline, stage).at("data")};
  const Node settings = WithPaths(pipeline, stage.settings);
  for (const auto& [key, value] : settings.entries) {
    if (key != "from") words.push_back(OptionOf(key) + "=" + value.text);
  }
  if (stage.kind == "pairs" && settings.Find("seed") == nullptr) words.push_back("--seed=" + std::to_string(pipeline.seed));
  return words;
}

const std::string& Recipes::Of(const PipelineStage& stage) {
  if (const auto known = stages_.find(stage.name); known != stages_.end()) return known->second;
  Node node = stage.kind == "train" ? MergeYaml(pipeline_.settings, stage.settings) : stage.settings;
  std::string files;
  ForEachText(node, [&](Node& scalar) {
    std::error_code ignored;
    if (scalar.text.find("${") != std::string::npos || !std::filesystem::is_regular_file(scalar.text, ignored)) return;
    std::string& print = files_[scalar.text];
    if (print.empty()) print = Fingerprint(ReadFile(scalar.text));
    files += scalar.text + "=" + print + "\n";
  });
  std::string text = stage.kind + "\nseed " + std::to_string(pipeline_.seed) + "\n" + DumpYaml(node) + files;
  for (const std::string& need : stage.needs) text += need + "=" + Of(pipeline_.Find(need)) + "\n";
  return stages_[stage.name] = Fingerprint(text);
}

Pipeline LoadPipeline(const std::string& path, const std::vector<std::string>& overrides, const Parts& parts, const CheckAlgorithm& check_algorithm) {
  Pipeline pipeline = Reader(path, overrides).Take();
  Problems problems;
  for (PipelineStage& stage : pipeline.stages) {
    TakesLines(stage.kind) ? CheckLines(pipeline, stage, problems) : CheckRun(pipeline, stage, parts, check_algorithm, problems);
  }
  problems.ThrowIfAny();
  for (const PipelineStage& stage : pipeline.stages) {
    CheckMeasuring(pipeline, stage, parts, check_algorithm, problems);
    problems.ThrowIfAny();  // they are likely the same over the next stage
  }
  return pipeline;
}

}  // namespace cogent
