#include "experiments/ablation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/scalar.h"

namespace cogent {
namespace {

constexpr std::size_t kMostArms = 1000;
constexpr std::size_t kLongestName = 80;

// The section as it is written; lists and maps are looked into below.
struct AblateSection {
  Node seeds, arms, grid;
  bool share_base = true;
  std::string against;
  void VisitFields(FieldVisitor& visit) {
    visit("seeds", seeds, "a list of whole numbers: every arm is run with each");
    visit("arms", arms, "names of arms, each with the settings that make it: {grpo: {algorithm: grpo}}");
    visit("grid", grid, "dotted keys, each with a list of values: every combination is an arm");
    visit("share_base", share_base, "arms that would make the same base model of a seed share one");
    visit("against", against, "the arm that reports compare all others to; without it, every pair is compared");
  }
};

using Setting = AblationSettings::Setting;
using ArmSettings = AblationSettings::ArmSettings;

std::vector<std::uint64_t> ReadSeeds(const Node& node, const Location& section, Problems& problems) {
  std::vector<std::uint64_t> seeds;
  if (node.kind != Node::Kind::kList || node.items.empty()) {
    problems.Add(node.kind == Node::Kind::kNull ? section : node.location, "ablate.seeds must be a list of whole numbers, as in `seeds: [1, 2, 3, 4, 5]`");
    return seeds;
  }
  for (const Node& item : node.items) {
    const auto seed = ParseUnsigned(item.text);
    if (item.kind != Node::Kind::kScalar || item.quoted || !seed.ok()) {
      problems.Add(item.location, "a seed must be a whole number from 0 on, found " + OneLineYaml(item));
    } else if (std::find(seeds.begin(), seeds.end(), seed.value) != seeds.end()) {
      problems.Add(item.location, fmt::format("seed {} is given twice; remove one", seed.value));
    } else {
      seeds.push_back(seed.value);
    }
  }
  return seeds;
}

// What belongs to the ablation and not to an arm.
bool IsReserved(const std::string& key, const Location& where, Problems& problems) {
  const std::string head = key.substr(0, key.find('.'));
  const std::map<std::string, std::string> reserved = {{"seed", "seeds stand in ablate.seeds"},
                                                       {"name", "the name is the ablation's"},
                                                       {"output", "the directory is the ablation's"},
                                                       {"threads", "threads are the same for all arms: set them in the file itself"},
                                                       {"extends", "`extends` stands at the top of the file"},
                                                       {"ablate", "an ablation cannot hold another"}};
  const auto found = reserved.find(head);
  if (found == reserved.end()) return false;
  problems.Add(where, "'" + key + "' cannot differ between arms: " + found->second);
  return true;
}

// A name that is a folder and stands well in a table.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name.size() <= kLongestName && name[0] != '.' && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || std::string_view("._+-=,").find(static_cast<char>(c)) != std::string_view::npos; });
}

std::vector<ArmSettings> ReadArms(const Node& node, Problems& problems) {
  std::vector<ArmSettings> arms;
  if (node.kind == Node::Kind::kNull) return arms;
  if (node.kind != Node::Kind::kMap || node.entries.empty()) {
    problems.Add(node.location, "ablate.arms must be names with settings, as in `arms: {grpo: {algorithm: grpo}, high_kl: {algorithm.kl_coef: 0.1}}`");
    return arms;
  }
  for (std::size_t i = 0; i < node.entries.size(); ++i) {
    const auto& [name, settings] = node.entries[i];
    ArmSettings arm{name, {}};
    if (!IsPlainName(name)) {
      problems.Add(node.key_locations[i], "arm " + Quoted(name) + ": a name is a folder, so letters, digits and . _ + - = , only, and at most " + std::to_string(kLongestName));
    }
    if (name.rfind("base-", 0) == 0) problems.Add(node.key_locations[i], "arm '" + name + "': shared base models are called so; choose another name");
    if (settings.kind != Node::Kind::kMap && settings.kind != Node::Kind::kNull) {
      problems.Add(settings.location, "arm '" + name + "' must be settings, as in {algorithm.kl_coef: 0.1}; {} is the file as it stands");
      continue;
    }
    for (std::size_t k = 0; k < settings.entries.size(); ++k) {
      const auto& [key, value] = settings.entries[k];
      if (!IsReserved(key, settings.key_locations[k], problems)) arm.settings.push_back({key, value, settings.key_locations[k]});
    }
    arms.push_back(std::move(arm));
  }
  return arms;
}

// How a value is called in an arm's name: its text, a choice's name, else its place in the list.
std::string ValueName(const Node& value, std::size_t index) {
  const Node* name = value.kind == Node::Kind::kMap ? value.Find("name") : nullptr;
  const std::string text = name && value.entries.size() == 1 ? name->text : value.kind == Node::Kind::kScalar ? value.text : "";
  return IsPlainName(text) && text.size() <= 24 ? text : "#" + std::to_string(index + 1);
}

struct GridKey {
  std::string key, label;
  Location where;
  std::vector<Node> values;
};

std::vector<GridKey> ReadGrid(const Node& node, Problems& problems) {
  std::vector<GridKey> grid;
  if (node.kind == Node::Kind::kNull) return grid;
  if (node.kind != Node::Kind::kMap || node.entries.empty()) {
    problems.Add(node.location, "ablate.grid must be dotted keys with lists, as in `grid: {rollout.group_size: [4, 8, 16]}`");
    return grid;
  }
  for (std::size_t i = 0; i < node.entries.size(); ++i) {
    const auto& [key, values] = node.entries[i];
    if (IsReserved(key, node.key_locations[i], problems)) continue;
    if (values.kind != Node::Kind::kList || values.items.empty()) {
      problems.Add(values.location, "ablate.grid: '" + key + "' must be a list of values, found " + OneLineYaml(values));
      continue;
    }
    std::set<std::string> seen;
    for (const Node& value : values.items) {
      if (!seen.insert(OneLineYaml(value)).second) problems.Add(value.location, "the value " + OneLineYaml(value) + " of '" + key + "' is given twice; remove one");
    }
    grid.push_back({key, key.substr(key.rfind('.') + 1), node.key_locations[i], values.items});
  }
  for (GridKey& one : grid) {  // the last part of a key names it, unless that names two
    const auto same = [&](const GridKey& other) { return other.key.substr(other.key.rfind('.') + 1) == one.label; };
    if (std::count_if(grid.begin(), grid.end(), same) > 1) one.label = one.key;
  }
  return grid;
}

std::vector<ArmSettings> Multiply(std::vector<ArmSettings> arms, const std::vector<GridKey>& grid) {
  if (arms.empty()) arms.push_back({});
  for (const GridKey& key : grid) {
    std::vector<ArmSettings> longer;
    for (const ArmSettings& arm : arms) {
      for (std::size_t i = 0; i < key.values.size() && longer.size() <= kMostArms; ++i) {
        ArmSettings one = arm;
        one.name += (one.name.empty() ? "" : ",") + key.label + "=" + ValueName(key.values[i], i);
        one.settings.push_back({key.key, key.values[i], key.where});
        longer.push_back(std::move(one));
      }
    }
    arms = std::move(longer);
  }
  return arms;
}

std::string SettingsText(const ArmSettings& arm) {
  std::string text;
  for (const Setting& setting : arm.settings) text += (text.empty() ? "" : ", ") + setting.key + ": " + OneLineYaml(setting.value);
  return text.empty() ? "the file as it stands" : text;
}

// Mistakes of several arms, each once. What all arms say is the file's own; the rest is told with its arm.
void Report(const std::vector<std::pair<std::string, Problems>>& by_arm, Problems& problems) {
  std::map<std::string, std::size_t> counts;
  for (const auto& [arm, found] : by_arm) {
    for (const std::string& line : std::set<std::string>(found.lines().begin(), found.lines().end())) ++counts[line];
  }
  std::set<std::string> told;
  for (const auto& [arm, found] : by_arm) {
    for (const std::string& line : found.lines()) {
      if (told.insert(line).second) problems.Add({}, line + (counts[line] == by_arm.size() ? "" : " (arm '" + arm + "')"));
    }
  }
}

// The configuration with everything that training by rewards alone reads at its default: equal texts, equal bases.
RunConfig BaseConfig(const RunConfig& arm, const CheckAlgorithm& write_out) {
  const RunConfig defaults;
  RunConfig base = arm;
  base.rewards = {};
  base.algorithm = {.name = "grpo", .settings = Node::Map(), .location = {}};
  base.critic = defaults.critic;
  base.data.reset();
  base.reference.clear();
  base.rollout = defaults.rollout;
  base.rollout.sampling.max_new_tokens = 1;  // fits every model; the run of a base completes one task
  base.optimizer = defaults.optimizer;
  base.train = defaults.train;
  base.train.steps = 0;
  base.train.products = arm.train.products;
  base.train.micro_batch_tokens = arm.train.micro_batch_tokens;
  base.eval = defaults.eval;
  base.eval.tasks = base.eval.final_tasks = 1;
  base.eval.greedy = false;
  base.checkpoint = {.every = defaults.checkpoint.every, .keep = 1};
  Problems none;
  if (write_out) write_out(base, Purpose::kTrain, none);
  return base;
}

void ShareBases(Ablation& ablation, const CheckAlgorithm& check_algorithm) {
  std::map<std::string, int> known;
  for (Arm& arm : ablation.arms) {
    if (!arm.config.pretrain) continue;
    RunConfig base = BaseConfig(arm.config, check_algorithm);
    const int next = static_cast<int>(ablation.bases.size());
    const auto [found, fresh] = known.emplace(ResolvedYaml(base), next);
    arm.base = found->second;
    if (fresh) ablation.bases.push_back(std::move(base));
  }
}

}  // namespace

AblationSettings ReadAblationSettings(const Node& ablate, Problems& problems) {
  const AblateSection section = ReadConfig<AblateSection>(ablate, problems, "ablate");
  AblationSettings settings;
  settings.share_base = section.share_base;
  settings.against = section.against;
  settings.seeds = ReadSeeds(section.seeds, ablate.location, problems);
  if (section.arms.kind == Node::Kind::kNull && section.grid.kind == Node::Kind::kNull) {
    problems.Add(ablate.location, "ablate needs `arms` or `grid`: what is compared?");
    return settings;
  }
  settings.arms = Multiply(ReadArms(section.arms, problems), ReadGrid(section.grid, problems));
  if (settings.arms.size() > kMostArms) problems.Add(ablate.location, fmt::format("more than {} arms; the grid multiplies its lists", kMostArms));
  std::vector<std::string> names;
  for (const ArmSettings& arm : settings.arms) {
    if (std::find(names.begin(), names.end(), arm.name) != names.end()) {
      problems.Add(ablate.location, "two arms are called '" + arm.name + "'; give them names under ablate.arms");
    }
    names.push_back(arm.name);
  }
  if (!settings.against.empty() && std::find(names.begin(), names.end(), settings.against) == names.end()) {
    const auto near = Nearest(settings.against, names);
    problems.Add(ablate.PlaceOf("against"), "ablate.against: there is no arm '" + settings.against + "'." + (near ? " Did you mean '" + *near + "'?" : ""));
  }
  return settings;
}

Ablation LoadAblation(const std::string& path, const std::vector<std::string>& overrides, const Parts& parts,
                      const CheckAlgorithm& check_algorithm) {
  Node root = ParseYamlFile(path);
  for (const std::string& override : overrides) ApplyOverride(root, override);
  Problems problems;
  const Node* section = root.Find("ablate");
  if (!section) {
    problems.Add(root.location, "there is no section `ablate`; for a single run: cogent train " + path);
    problems.ThrowIfAny();
  }
  const AblationSettings settings = ReadAblationSettings(*section, problems);
  problems.ThrowIfAny();

  Ablation ablation;
  ablation.resolved = DumpYaml(root);
  ablation.seeds = settings.seeds;
  Node own = Node::Map(root.location);
  for (std::size_t i = 0; i < root.entries.size(); ++i) {
    if (root.entries[i].first == "ablate") continue;
    own.entries.push_back(root.entries[i]);
    own.key_locations.push_back(root.key_locations[i]);
  }
  CheckAlgorithm check_arm = check_algorithm;
  if (settings.share_base && check_algorithm) {
    check_arm = [&](RunConfig& config, Purpose purpose, Problems& mistakes) {
      const auto pretrain = std::exchange(config.pretrain, std::nullopt);  // a run of its own does that
      const bool critic = check_algorithm(config, purpose, mistakes);
      config.pretrain = pretrain;
      return critic;
    };
  }
  std::vector<std::pair<std::string, Problems>> found;
  for (const ArmSettings& arm : settings.arms) {
    Node tree = own;
    for (const Setting& setting : arm.settings) Overlay(tree, setting.key, setting.value, setting.where);
    Problems of_arm;
    RunConfig config = CheckRunConfig(tree, path, parts, check_arm, Purpose::kTrain, of_arm);
    found.emplace_back(arm.name, std::move(of_arm));
    ablation.arms.push_back({arm.name, SettingsText(arm), std::move(config)});
  }
  Report(found, problems);
  problems.ThrowIfAny();
  ablation.name = ablation.arms.front().config.name;
  ablation.directory = ablation.arms.front().config.Directory();
  if (settings.share_base) ShareBases(ablation, check_algorithm);
  return ablation;
}

std::vector<PlannedRun> PlanRuns(const Ablation& ablation, int threads) {
  std::vector<PlannedRun> runs;
  const auto add = [&](const std::string& arm, const std::string& folder, std::uint64_t seed, const RunConfig& config) {
    PlannedRun run{.name = fmt::format("{}/seed-{}", arm.empty() ? folder : arm, seed), .arm = arm, .seed = seed, .config = config};
    run.config.output = ablation.directory + "/" + folder;
    run.config.name = fmt::format("seed-{}", seed);
    run.config.seed = seed;
    run.config.threads = threads;
    run.directory = run.config.Directory();
    runs.push_back(std::move(run));
  };
  for (std::size_t base = 0; base < ablation.bases.size(); ++base) {
    for (const std::uint64_t seed : ablation.seeds) add("", fmt::format("base-{}", base + 1), seed, ablation.bases[base]);
  }
  for (std::size_t s = 0; s < ablation.seeds.size(); ++s) {
    for (const Arm& arm : ablation.arms) {
      add(arm.name, "arms/" + arm.name, ablation.seeds[s], arm.config);
      if (arm.base < 0) continue;
      PlannedRun& run = runs.back();
      run.needs = arm.base * static_cast<int>(ablation.seeds.size()) + static_cast<int>(s);
      run.config.pretrain.reset();
      run.config.policy.checkpoint = runs[static_cast<std::size_t>(run.needs)].directory + "/checkpoints/base";
    }
  }
  return runs;
}

}  // namespace cogent
