// A name to a factory. Registries are values that the program builds and passes along; nothing
// registers itself.
//
//   EnvRegistry envs = BuiltinEnvs();
//   envs.Add<ReverseEnv>("reverse", "spell a word backwards");   // ReverseEnv::Config is its settings
//   std::unique_ptr<Env> env = envs.Make(choice, problems);      // unknown names: nearest known one
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/config.h"

namespace cogent {

template <typename Part>
class Registry {
 public:
  // `kind` is the word in messages: "environment", "algorithm".
  explicit Registry(std::string kind) : kind_(std::move(kind)) {}

  // Registers a type with a nested Config and a constructor that takes it; or it and this registry and where to put
  // mistakes, for a part that is made of other parts. Throws InternalError on a name that is taken.
  template <typename T>
  void Add(const std::string& name, const std::string& summary) {
    using Config = typename T::Config;
    Insert(name, {summary,
                  [name](const Registry& all, const Node& settings, Problems& problems) -> std::unique_ptr<Part> {
                    const std::size_t before = problems.lines().size();
                    Config config = ReadConfig<Config>(settings, problems, all.kind() + " '" + name + "'");
                    if (problems.lines().size() != before) return nullptr;
                    std::unique_ptr<Part> part;
                    if constexpr (std::is_constructible_v<T, Config, const Registry&, Problems&>) part = std::make_unique<T>(config, all, problems);
                    else part = std::make_unique<T>(config);
                    return problems.lines().size() == before ? std::move(part) : nullptr;
                  },
                  [] { Config config; return DescribeFields([&](FieldVisitor& v) { VisitAll(config, v); }); },
                  [name, kind = kind_](const Node& settings) {
                    Problems ignored;
                    Config config = ReadConfig<Config>(settings, ignored, kind + " '" + name + "'");
                    return DumpFields([&](FieldVisitor& v) { VisitAll(config, v); });
                  }});
  }

  // Makes the part named in `choice`. On a mistake adds to `problems` and returns null.
  std::unique_ptr<Part> Make(const Choice& choice, Problems& problems) const {
    const Entry* entry = FindOrReport(choice, problems);
    return entry ? entry->make(*this, choice.settings, problems) : nullptr;
  }
  // The settings of `choice` with every default written out, for the resolved config.
  Node Resolve(const Choice& choice) const {
    auto it = entries_.find(choice.name);
    return it == entries_.end() ? choice.settings : it->second.resolve(choice.settings);
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_) names.push_back(name);
    return names;
  }
  bool Has(const std::string& name) const { return entries_.count(name) > 0; }
  const std::string& Summary(const std::string& name) const { return entries_.at(name).summary; }
  std::string Describe(const std::string& name) const { return entries_.at(name).describe(); }
  const std::string& kind() const { return kind_; }

 private:
  struct Entry {
    std::string summary;
    std::function<std::unique_ptr<Part>(const Registry&, const Node&, Problems&)> make;
    std::function<std::string()> describe;
    std::function<Node(const Node&)> resolve;
  };
  void Insert(const std::string& name, Entry entry) {
    Check(entries_.emplace(name, std::move(entry)).second, "a name was registered twice");
  }
  const Entry* FindOrReport(const Choice& choice, Problems& problems) const {
    auto it = entries_.find(choice.name);
    if (it != entries_.end()) return &it->second;
    std::string text = choice.name.empty() ? "no " + kind_ + " is named; write `name: ...`"
                                           : "unknown " + kind_ + " '" + choice.name + "'.";
    if (auto near = Nearest(choice.name, Names())) text += " Did you mean '" + *near + "'?";
    text += " Known:";
    for (const auto& name : Names()) text += (text.back() == ':' ? " " : ", ") + name;
    text += ".";
    problems.Add(choice.location, text);
    return nullptr;
  }

  std::string kind_;
  std::map<std::string, Entry> entries_;
};

}  // namespace cogent
