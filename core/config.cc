#include "core/config.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cogent {
namespace {

// Lower case, and `-` as `_`, so that such slips cost nothing.
std::string Folded(std::string_view word) {
  std::string folded(word);
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-') c = '_';
  }
  return folded;
}

// Damerau-Levenshtein distance in its restricted form: insert, delete, replace, swap two neighbours.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = a[i - 1] == b[j - 1];
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string Location::ToString() const {
  if (line == 0) return file;
  return file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

Node::Node() = default;
Node::~Node() = default;
Node::Node(const Node&) = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(const Node&) = default;
Node& Node::operator=(Node&&) noexcept = default;

const Node* Node::Find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name == key) return &value;
  }
  return nullptr;
}

Node* Node::Find(std::string_view key) {
  return const_cast<Node*>(std::as_const(*this).Find(key));
}

const Location& Node::PlaceOf(std::string_view key) const {
  const Node* value = Find(key);
  return value ? value->location : location;
}

Node Node::Scalar(std::string text, Location location) {
  Node node;
  node.kind = Kind::kScalar;
  node.text = std::move(text);
  node.location = std::move(location);
  return node;
}

Node Node::Map(Location location) {
  Node node;
  node.kind = Kind::kMap;
  node.location = std::move(location);
  return node;
}

Node Node::List(Location location) {
  Node node;
  node.kind = Kind::kList;
  node.location = std::move(location);
  return node;
}

void Node::Set(std::string key, Node value) {
  key_locations.resize(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].first != key) continue;
    key_locations[i] = value.location;
    entries[i].second = std::move(value);
    return;
  }
  key_locations.push_back(value.location);
  entries.emplace_back(std::move(key), std::move(value));
}

Node TakeKeys(Node& map, std::initializer_list<std::string_view> keys) {
  Node taken = Node::Map(map.location), rest = Node::Map(map.location);
  for (std::size_t i = 0; i < map.entries.size(); ++i) {
    auto& [key, value] = map.entries[i];
    Node& side = std::find(keys.begin(), keys.end(), key) != keys.end() ? taken : rest;
    side.key_locations.push_back(i < map.key_locations.size() ? map.key_locations[i] : value.location);
    side.entries.emplace_back(key, std::move(value));
  }
  map = std::move(rest);
  return taken;
}

void Problems::Add(const Location& where, std::string what) {
  const std::string place = where.ToString();
  lines_.push_back(place.empty() ? std::move(what) : place + ": " + what);
}

void Problems::ThrowIfAny() const {
  if (lines_.empty()) return;
  std::string all;
  for (const std::string& line : lines_) all += (all.empty() ? "" : "\n") + line;
  throw ConfigError(all);
}

void FieldVisitor::operator()(const char* name, int& value, const char* help, Between range) {
  range.low = std::max<double>(range.low, std::numeric_limits<int>::min());
  range.high = std::min<double>(range.high, std::numeric_limits<int>::max());
  std::int64_t wide = value;
  Integer(name, wide, help, range);
  value = static_cast<int>(wide);
}

std::optional<std::string> Nearest(std::string_view word, const std::vector<std::string>& known) {
  const std::string folded = Folded(word);
  const std::string* best = nullptr;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  for (const std::string& candidate : known) {
    // Two words that share nothing are never near, however short they are.
    const std::size_t shorter = std::min(folded.size(), candidate.size());
    const std::size_t limit = std::max<std::size_t>(2, std::max(folded.size(), candidate.size()) / 3);
    if (std::max(folded.size(), candidate.size()) - shorter > limit) continue;
    const std::size_t distance = Distance(folded, Folded(candidate));
    if (distance > limit || distance >= std::max<std::size_t>(shorter, 1)) continue;
    if (distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  return best ? std::optional(*best) : std::nullopt;
}

}  // namespace cogent
