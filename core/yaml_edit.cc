// Writing a tree as YAML text, and changing one value of it from the command line.
#include <algorithm>
#include <charconv>

#include "core/config.h"
#include "core/fields.h"
#include "core/scalar.h"

namespace cogent {
namespace {

// Text that every YAML reader takes as itself when it stands without quotes, in lists too.
bool IsPlain(std::string_view text) {
  if (text.empty() || text.back() == ' ' || text.back() == ':') return false;
  if (text.substr(0, 3) == "---" || text.substr(0, 3) == "...") return false;
  if (std::string_view(" -?:#&*!|>'\"%@`").find(text[0]) != std::string_view::npos) {
    const bool minus_number = text[0] == '-' && text.size() > 1 && text[1] != ' ';
    if (!minus_number) return false;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte >= 0x7F) return false;
    if (std::string_view(",?[]{}").find(text[i]) != std::string_view::npos) return false;
    if (text[i] == ':' && text[i + 1 < text.size() ? i + 1 : i] == ' ') return false;
    if (text[i] == '#' && i > 0 && text[i - 1] == ' ') return false;
  }
  return true;
}

std::string DoubleQuoted(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::string_view rest = text.substr(i, 3);
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text[i];
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else if (rest == "\xEF\xBB\xBF") {  // a byte order mark
      out += "\\uFEFF";
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out + "\"";
}

std::string WriteScalar(const Node& node) {
  const bool plain = !node.quoted && !IsNullText(node.text) && IsPlain(node.text);
  return plain ? node.text : DoubleQuoted(node.text);
}

std::string WriteKey(const std::string& key) {
  return IsPlain(key) && !IsNullText(key) && key != "<<" ? key : DoubleQuoted(key);
}

bool IsLeaf(const Node& node) {
  return node.kind == Node::Kind::kNull || node.kind == Node::Kind::kScalar ||
         (node.kind == Node::Kind::kMap && node.entries.empty()) ||
         (node.kind == Node::Kind::kList && node.items.empty());
}

// Lists of short values fit a line; anything deeper gets lines of its own.
bool FitsOneLine(const Node& node) {
  if (node.kind != Node::Kind::kList) return IsLeaf(node);
  std::size_t width = 0;
  for (const Node& item : node.items) {
    if (!IsLeaf(item)) return false;
    width += item.text.size() + 2;
  }
  return width <= 80;
}

// Writes `node`, whose first line continues the current one and whose others start at `indent`.
void WriteBlock(const Node& node, std::size_t indent, std::string& out) {
  const std::string margin(indent, ' ');
  bool first = true;
  const auto start = [&](const std::string& head) {
    if (!std::exchange(first, false)) out += margin;
    out += head;
  };
  for (const Node& item : node.items) {
    start("- ");
    if (FitsOneLine(item)) {
      out += OneLineYaml(item) + "\n";
    } else {
      WriteBlock(item, indent + 2, out);
    }
  }
  for (const auto& [key, value] : node.entries) {
    start(WriteKey(key) + ":");
    if (FitsOneLine(value)) {
      out += " " + OneLineYaml(value) + "\n";
    } else {
      out += "\n" + margin + "  ";
      WriteBlock(value, indent + 2, out);
    }
  }
}

// Gives a value and all below it one place.
void Place(Node& node, const Location& where) {
  node.location = where;
  for (Node& item : node.items) Place(item, where);
  for (auto& [key, value] : node.entries) Place(value, where);
  node.key_locations.assign(node.entries.size(), where);
}

[[noreturn]] void Refuse(const Location& where, const std::string& what) {
  Problems problem;
  problem.Add(where, what);
  problem.ThrowIfAny();
  throw InternalError(what);
}

// The item of a list that `part` counts to.
Node& ItemAt(Node& list, std::string_view part, const std::string& path, const Location& where) {
  std::size_t index = 0;
  const auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), index);
  const bool number = error == std::errc() && stop == part.data() + part.size();
  if (number && index < list.items.size()) return list.items[index];
  const std::string count = std::to_string(list.items.size());
  if (list.items.empty()) Refuse(where, "'" + path + "' is an empty list; give the whole list.");
  Refuse(where, "'" + path + "' is a list of " + count + "; " + Quoted(part) + " must be a number from 0 to " +
                    std::to_string(list.items.size() - 1) + ".");
}

// One step down from `node`, making it a map where it is not one yet.
Node& Step(Node& node, const std::string& part, const std::string& path, const Location& where) {
  if (node.kind == Node::Kind::kList) return ItemAt(node, part, path, where);
  if (node.kind != Node::Kind::kMap) {
    Node map = Node::Map(where);
    // `algorithm: grpo` with `algorithm.clip_ratio=0.3` means {name: grpo, clip_ratio: 0.3}.
    if (node.kind == Node::Kind::kScalar) map.Set("name", std::move(node));
    node = std::move(map);
  }
  if (!node.Find(part)) node.Set(part, Node());
  Node& child = *node.Find(part);
  if (child.location.file.empty()) {
    child.location = where;
    for (std::size_t i = 0; i < node.entries.size(); ++i) {
      if (&node.entries[i].second == &child) node.key_locations[i] = where;
    }
  }
  return child;
}

// The value at a dotted path, made where it is not there yet.
Node& ValueAt(Node& root, std::string_view path, const Location& where) {
  Node* node = &root;
  std::string walked;
  for (bool more = true; more;) {
    const std::size_t dot = path.find('.');
    const std::string part(path.substr(0, dot));
    if (part.empty()) Refuse(where, "the key has an empty part; write it as in a.b.c=value.");
    node = &Step(*node, part, walked.empty() ? "the file" : walked, where);
    walked += (walked.empty() ? "" : ".") + part;
    more = dot != std::string_view::npos;
    if (more) path.remove_prefix(dot + 1);
  }
  return *node;
}

}  // namespace

std::string OneLineYaml(const Node& node) {
  if (node.kind == Node::Kind::kNull) return "null";
  if (node.kind == Node::Kind::kScalar) return WriteScalar(node);
  std::string inside;
  for (const Node& item : node.items) inside += (inside.empty() ? "" : ", ") + OneLineYaml(item);
  for (const auto& [key, value] : node.entries) {
    inside += (inside.empty() ? "" : ", ") + WriteKey(key) + ": " + OneLineYaml(value);
  }
  return node.kind == Node::Kind::kList ? "[" + inside + "]" : "{" + inside + "}";
}

std::string DumpYaml(const Node& node) {
  if (FitsOneLine(node)) return OneLineYaml(node) + "\n";
  std::string out;
  WriteBlock(node, 0, out);
  return out;
}

void ApplyOverride(Node& root, std::string_view assignment) {
  const Location where{"override '" + std::string(assignment) + "'", 0, 0};
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos) Refuse(where, "'=' is missing; write key=value, as in seed=3.");
  Node value;
  try {
    value = ParseYaml(assignment.substr(equals + 1), "value");
  } catch (const ConfigError& error) {
    Refuse(where, error.what());
  }
  Place(value, where);

  ValueAt(root, assignment.substr(0, equals), where) = std::move(value);
}

void Overlay(Node& root, std::string_view path, Node value, const Location& where) {
  Node& old = ValueAt(root, path, where);
  old = MergeYaml(std::move(old), std::move(value));
}

Node MergeYaml(Node base, Node own) {
  if (base.kind != Node::Kind::kMap || own.kind != Node::Kind::kMap) {
    const bool settings_of_word = base.kind == Node::Kind::kScalar && own.kind == Node::Kind::kMap && !own.Find("name");
    if (settings_of_word) own.Set("name", std::move(base));
    return own;
  }
  const Node* base_name = base.Find("name");
  const Node* own_name = own.Find("name");
  if (base_name && own_name && base_name->text != own_name->text) return own;
  base.location = own.location;
  for (std::size_t i = 0; i < own.entries.size(); ++i) {
    const std::string& key = own.entries[i].first;
    Node& value = own.entries[i].second;
    Node* old = base.Find(key);
    base.Set(key, old ? MergeYaml(std::move(*old), std::move(value)) : std::move(value));
    const auto at = std::find_if(base.entries.begin(), base.entries.end(), [&](const auto& e) { return e.first == key; });
    base.key_locations[static_cast<std::size_t>(at - base.entries.begin())] = own.key_locations[i];
  }
  return base;
}

}  // namespace cogent
