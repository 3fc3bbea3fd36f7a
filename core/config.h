// Reading YAML strictly: every value knows its file, line and column, and one listing of a struct's
// fields serves reading, dumping, help and error hints.
//
//   struct SamplerConfig {
//     double temperature = 1.0;
//     int max_new_tokens = 128;
//     std::string mode = "sample";
//     void VisitFields(FieldVisitor& visit) {
//       visit("temperature", temperature, "divides the logits before the softmax", {0.0, 10.0});
//       visit("max_new_tokens", max_new_tokens, "longest completion, in tokens", {1, 1 << 20});
//       visit("mode", mode, "how a token is chosen", OneOf{"sample", "greedy"});
//     }
//     // Optional: rules between fields. Takes a const Location& instead where one place is enough.
//     void Validate(Problems& problems, const Node& section) const {
//       if (mode == "greedy" && temperature != 1.0) {
//         problems.Add(section.PlaceOf("temperature"), "'temperature' has no effect when greedy.");
//       }
//     }
//   };
//
//   Node root = ParseYamlFile("run.yaml");
//   ApplyOverride(root, "sampler.temperature=0.7");
//   Problems problems;
//   auto config = ReadConfig<SamplerConfig>(root, problems);
//   problems.ThrowIfAny();            // ConfigError, all mistakes at once, one a line
//
// Mistakes found: unknown keys (with the nearest known one and the list), duplicate keys, a wrong
// type, a value out of range. Nothing is allocated or run before they are all reported. A section's
// Validate is skipped while a value in it could not be read.
// Thread rule: none of this is shared between threads.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"

namespace cogent {

// Where a value stands. `file` is a path or "command line"; line and column count from 1, 0 = unknown.
struct Location {
  std::string file;
  int line = 0;
  int column = 0;
  std::string ToString() const;  // "run.yaml:9:5", or just the file where the line is unknown
};

// A parsed YAML value. Scalars keep their text and whether they were quoted; types are decided by
// the field that reads them (YAML 1.2 core schema: true/false, ints, 1e-3, 1_000 are read, `no` is text).
class Node {
 public:
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  std::string text;                                   // of a scalar
  bool quoted = false;                                // of a scalar
  std::vector<Node> items;                            // of a list
  std::vector<std::pair<std::string, Node>> entries;  // of a map, in file order
  std::vector<Location> key_locations;                // of a map, beside `entries`
  Location location;

  // Written out because clang cannot make them while Node is a part of its own `entries`.
  Node();
  ~Node();
  Node(const Node&);
  Node(Node&&) noexcept;
  Node& operator=(const Node&);
  Node& operator=(Node&&) noexcept;

  const Node* Find(std::string_view key) const;  // null when absent or not a map
  Node* Find(std::string_view key);
  const Location& PlaceOf(std::string_view key) const;  // of the value, or of this where absent
  static Node Scalar(std::string text, Location location = {});
  static Node Map(Location location = {});
  static Node List(Location location = {});
  void Set(std::string key, Node value);          // replaces or appends
};

// Reads a file, and the one it names in a top-level `extends: other.yaml` (relative to the file; the
// file's own keys win, maps are merged, a section with another `name:` is replaced). Throws ConfigError
// with file:line:column on bad syntax, duplicate keys, merge keys, tags and cycles of `extends`.
Node ParseYamlFile(const std::string& path);
// Reads text; `extends` stays an ordinary key. Limits: 10 MB, depth 100, 250,000 values.
Node ParseYaml(std::string_view text, const std::string& file_name);
// Applies `a.b.c=value` (value is YAML: `[1, 2]`, `{a: 1}`; list items by index: `a.0.b=c`). Creates
// missing maps; a choice written as a word becomes a map (`grpo`, then `{name: grpo, b: c}`). The
// reading that follows rejects unknown keys with the override as their place. Throws ConfigError.
void ApplyOverride(Node& root, std::string_view assignment);
// `own` laid over `base` as `extends` does it: maps are merged, all else is replaced, and so is a section
// that names another choice, for the settings of one are not those of the other.
Node MergeYaml(Node base, Node own);
// `value` laid over what stands at a dotted path; maps on the way are made, with `where` as their place.
void Overlay(Node& root, std::string_view path, Node value, const Location& where);
// Moves these keys, with their places, out of a map into one of their own: what a part's owner reads, and what the part does.
Node TakeKeys(Node& map, std::initializer_list<std::string_view> keys);
// YAML text that ParseYaml reads back to an equal tree.
std::string DumpYaml(const Node& node);
std::string OneLineYaml(const Node& node);  // {name: grpo, range: [1, 2]}

// Collects mistakes, so that all of a file are reported in one pass.
class Problems {
 public:
  void Add(const Location& where, std::string what);
  bool empty() const { return lines_.empty(); }
  const std::vector<std::string>& lines() const { return lines_; }
  void ThrowIfAny() const;  // ConfigError, one line a mistake

 private:
  std::vector<std::string> lines_;
};

// Allowed range, both ends included.
struct Between {
  double low;
  double high;
};
// Allowed words.
struct OneOf {
  std::vector<std::string> words;
  OneOf(std::initializer_list<std::string> list) : words(list) {}
  explicit OneOf(std::vector<std::string> list) : words(std::move(list)) {}
};

// An inclusive range as a value: written `[2, 4]` or `3` (both ends).
struct IntRange {
  std::int64_t low = 0;
  std::int64_t high = 0;
};

// A part chosen by name with settings of its own: `{name: grpo, clip_ratio: 0.2}` or just `grpo`.
// Which settings exist is for the registry of that kind to say; the node keeps its places.
struct Choice {
  std::string name;
  Node settings = Node::Map();  // the map without `name`
  Location location;
};

// Visits the fields of a struct. Implementations: the reader, the dumper, the help printer.
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;

  void operator()(const char* name, bool& value, const char* help) { Bool(name, value, help); }
  void operator()(const char* name, int& value, const char* help, Between range);
  void operator()(const char* name, std::int64_t& value, const char* help, Between range) { Integer(name, value, help, range); }
  void operator()(const char* name, std::uint64_t& value, const char* help) { Unsigned(name, value, help); }
  void operator()(const char* name, double& value, const char* help, Between range) { Real(name, value, help, range); }
  void operator()(const char* name, std::string& value, const char* help) { Text(name, value, help, nullptr); }
  void operator()(const char* name, std::string& value, const char* help, const OneOf& allowed) { Text(name, value, help, &allowed); }
  void operator()(const char* name, IntRange& value, const char* help, Between range) { Range(name, value, help, range); }
  void operator()(const char* name, std::vector<std::string>& value, const char* help) { Texts(name, value, help); }
  void operator()(const char* name, std::vector<double>& value, const char* help, Between range) { Doubles(name, value, help, range); }
  void operator()(const char* name, Choice& value, const char* help) { OneChoice(name, value, help); }
  void operator()(const char* name, std::vector<Choice>& value, const char* help) { Choices(name, value, help); }
  void operator()(const char* name, Node& value, const char* help) { Raw(name, value, help); }  // any YAML, kept as it is

  // A nested struct with VisitFields of its own.
  template <typename Config>
    requires requires(Config& c, FieldVisitor& v) { c.VisitFields(v); }
  void operator()(const char* name, Config& value, const char* help) {
    Nested(name, help, {[&](FieldVisitor& inner) { value.VisitFields(inner); },
                        [&](Problems& problems, const Node& node) { RunValidate(value, problems, node); }});
  }
  // A nested struct that may be absent (its section not written, or `null`).
  template <typename Config>
    requires requires(Config& c, FieldVisitor& v) { c.VisitFields(v); }
  void operator()(const char* name, std::optional<Config>& value, const char* help) {
    Maybe maybe{value.has_value(), [&] { value.emplace(); }, [&] { value.reset(); }};
    Optional(name, help, maybe, {[&](FieldVisitor& inner) { value->VisitFields(inner); },
                                 [&](Problems& problems, const Node& node) { RunValidate(*value, problems, node); }});
  }

  // Calls config.Validate(problems, section or its location) where it exists.
  template <typename Config>
  static void RunValidate(const Config& config, Problems& problems, const Node& section) {
    if constexpr (requires { config.Validate(problems, section); }) config.Validate(problems, section);
    else if constexpr (requires { config.Validate(problems, section.location); }) config.Validate(problems, section.location);
  }

 protected:
  struct Section {
    std::function<void(FieldVisitor&)> visit;
    std::function<void(Problems&, const Node&)> validate;
  };
  struct Maybe {
    bool present;
    std::function<void()> make;  // with its defaults
    std::function<void()> drop;
  };
  virtual void Bool(const char* name, bool& value, const char* help) = 0;
  virtual void Integer(const char* name, std::int64_t& value, const char* help, Between range) = 0;
  virtual void Unsigned(const char* name, std::uint64_t& value, const char* help) = 0;
  virtual void Real(const char* name, double& value, const char* help, Between range) = 0;
  virtual void Text(const char* name, std::string& value, const char* help, const OneOf* allowed) = 0;
  virtual void Range(const char* name, IntRange& value, const char* help, Between range) = 0;
  virtual void Texts(const char* name, std::vector<std::string>& value, const char* help) = 0;
  virtual void Doubles(const char* name, std::vector<double>& value, const char* help, Between range) = 0;
  virtual void OneChoice(const char* name, Choice& value, const char* help) = 0;
  virtual void Choices(const char* name, std::vector<Choice>& value, const char* help) = 0;
  virtual void Raw(const char* name, Node& value, const char* help) = 0;
  virtual void Nested(const char* name, const char* help, const Section& section) = 0;
  virtual void Optional(const char* name, const char* help, const Maybe& maybe, const Section& section) = 0;
};

// The three uses of a field listing, for any struct with VisitFields.
// Reading returns false when a value could not be read, so that rules between values make no sense.
bool ReadFields(const Node& node, const std::string& what, const std::function<void(FieldVisitor&)>& visit, Problems& problems);
Node DumpFields(const std::function<void(FieldVisitor&)>& visit);
// One line a field: name, type, default, range, help; nested fields indented.
std::string DescribeFields(const std::function<void(FieldVisitor&)>& visit);

// Visits the fields of a config; a struct without VisitFields has none.
template <typename Config>
void VisitAll(Config& config, FieldVisitor& visit) {
  if constexpr (requires { config.VisitFields(visit); }) config.VisitFields(visit);
}

// Reads `node` (a map, or null for all defaults) into a Config. `what` names the section in
// messages ("algorithm 'grpo'"). Runs Config::Validate when it exists.
template <typename Config>
Config ReadConfig(const Node& node, Problems& problems, const std::string& what = "the file") {
  Config config;
  const bool readable = ReadFields(node, what, [&](FieldVisitor& v) { VisitAll(config, v); }, problems);
  if (readable) FieldVisitor::RunValidate(config, problems, node);
  return config;
}

// The known word nearest to `word` by Damerau-Levenshtein distance, if near enough to be meant.
std::optional<std::string> Nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace cogent
