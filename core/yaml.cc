// YAML text to a tree with places: yaml-cpp finds the syntax, this file the rest of the rules.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <unordered_map>

#include "core/config.h"
#include "core/file.h"
#include "core/scalar.h"

namespace cogent {
namespace {

constexpr std::size_t kMostBytes = 10 * 1000 * 1000;
constexpr std::size_t kMostCopiedBytes = 2 * kMostBytes;
constexpr int kMostDepth = 100;
constexpr int kMostValues = 250'000;
constexpr std::size_t kLongestKey = 200;
constexpr std::size_t kMostExtends = 20;

[[noreturn]] void Fail(const Location& where, const std::string& what) {
  Problems problem;
  problem.Add(where, what);
  problem.ThrowIfAny();
  throw InternalError(what);
}

// Length of the UTF-8 character at `i`, 0 where there is none.
std::size_t CharacterLength(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) {
    return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0;
  };
  const unsigned first = byte(0);
  const std::size_t length = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  for (std::size_t k = 1; k < length; ++k) {
    if ((byte(k) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool outside = (first == 0xED && byte(1) >= 0xA0) || (first == 0xF4 && byte(1) >= 0x90);
  return overlong || outside ? 0 : length;
}

// YAML is UTF-8 without control characters; yaml-cpp would change or cut such text in silence.
void CheckCharacters(std::string_view text, const std::string& file) {
  Location at{file, 1, 1};
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = CharacterLength(text, i);
    const auto byte = static_cast<unsigned char>(text[i]);
    if (length == 0) Fail(at, "this is not UTF-8 text; save the file as UTF-8.");
    if (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') {
      Fail(at, "control character " + Quoted(text.substr(i, 1)) + "; remove it, or write it as an escape in double quotes.");
    }
    i += length;
    at = byte == '\n' ? Location{file, at.line + 1, 1} : Location{file, at.line, at.column + 1};
  }
}

// yaml-cpp writes the escapes \N and \_ as one byte each, 0x85 and 0xA0, where UTF-8 has two.
std::string WithWholeCharacters(const std::string& text) {
  std::string whole;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = CharacterLength(text, i);
    if (length == 0) whole += '\xC2';
    whole += text.substr(i, std::max<std::size_t>(1, length));
    i += std::max<std::size_t>(1, length);
  }
  return whole;
}

// Builds the tree from yaml-cpp's events.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(std::string file) : file_(std::move(file)) {}

  Node& root() { return root_; }
  Problems& problems() { return problems_; }
  const YAML::Mark& last_quoted() const { return last_quoted_; }
  Location Place(const YAML::Mark& mark) const {
    return mark.is_null() ? Location{file_, 0, 0} : Location{file_, mark.line + 1, mark.column + 1};
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) Fail(Place(mark), "a second document starts here; a file holds one. Split it, or remove '---'.");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    // yaml-cpp puts an absent value anywhere; its key is where a person looks.
    node.location = ExpectsValue() ? frames_.back().key_location : Place(mark);
    Complete({std::move(node)}, anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& text) override {
    Node node = Node::Scalar(WithWholeCharacters(text), Place(mark));
    node.quoted = IsTextTag(tag, node.location);
    if (node.quoted) last_quoted_ = mark;
    Complete({std::move(node), 1, 1, text.size()}, anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) Fail(Place(mark), "this alias stands inside the value that it names.");
    Spend(it->second, Place(mark));
    Value copy = it->second;
    if (ExpectsKey()) problems_.Add(Place(mark), "a key must be text, not an alias.");
    Complete(std::move(copy), 0);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    Open(Node::List(Place(mark)), tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    Open(Node::Map(Place(mark)), tag, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  // A finished value, with what a copy of it costs.
  struct Value {
    Node node;
    int height = 1;
    int values = 1;
    std::size_t bytes = 0;
  };
  // A list or map that is still open.
  struct Frame {
    Value value;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    bool bad_key = false;
    std::string key;
    Location key_location;
    std::unordered_map<std::string, Location> seen;
  };

  bool InMap() const { return !frames_.empty() && frames_.back().value.node.kind == Node::Kind::kMap; }
  bool ExpectsKey() const { return InMap() && !frames_.back().has_key; }
  bool ExpectsValue() const { return InMap() && frames_.back().has_key; }

  // True for quoted text and `!!str`. Any tag of a program's own is a mistake.
  bool IsTextTag(const std::string& tag, const Location& where) {
    static const std::string kCore = "tag:yaml.org,2002:";
    if (tag.empty() || tag == "?") return false;
    if (tag == "!" || tag == kCore + "str") return true;
    for (const char* known : {"int", "float", "bool", "null", "map", "seq"}) {
      if (tag == kCore + known) return false;
    }
    problems_.Add(where, "the tag " + Quoted(tag) + " means nothing here; remove it.");
    return false;
  }

  // Counts values, so that a short file with aliases of aliases cannot fill the memory.
  void Spend(const Value& copied, const Location& where) {
    values_ += copied.values;
    copied_bytes_ += copied.bytes;
    if (values_ > kMostValues || copied_bytes_ > kMostCopiedBytes) {
      Fail(where, "too many values for one file (aliases count each time); the most is " + std::to_string(kMostValues) + ".");
    }
  }

  void Open(Node node, const std::string& tag, YAML::anchor_t anchor) {
    IsTextTag(tag, node.location);
    if (frames_.size() >= kMostDepth) TooDeep(node.location);
    Frame frame;
    frame.value.node = std::move(node);
    frame.anchor = anchor;
    frames_.push_back(std::move(frame));
  }
  void Close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    Complete(std::move(frame.value), frame.anchor);
  }
  [[noreturn]] void TooDeep(const Location& where) const {
    Fail(where, "lists and maps are nested more than " + std::to_string(kMostDepth) + " deep.");
  }

  // Puts a finished value where it belongs: the root, a list, a key or a key's value.
  void Complete(Value value, YAML::anchor_t anchor) {
    Spend({{}, 1, 1, 0}, value.node.location);
    if (anchor != 0) {
      Spend(value, value.node.location);
      anchors_[anchor] = value;
    }
    if (frames_.empty()) {
      root_ = std::move(value.node);
      return;
    }
    Frame& frame = frames_.back();
    if (ExpectsKey()) return TakeKey(frame, std::move(value.node));
    frame.value.height = std::max(frame.value.height, value.height + 1);
    if (static_cast<int>(frames_.size()) + value.height > kMostDepth + 1) TooDeep(value.node.location);
    frame.value.values += value.values;
    frame.value.bytes += value.bytes;
    if (frame.value.node.kind == Node::Kind::kList) {
      frame.value.node.items.push_back(std::move(value.node));
    } else {
      TakeValue(frame, std::move(value.node));
    }
  }

  void TakeKey(Frame& frame, Node key) {
    frame.has_key = true;
    frame.bad_key = true;
    frame.key_location = key.location;
    frame.key = std::move(key.text);
    if (key.kind != Node::Kind::kScalar) {
      problems_.Add(key.location, "a key must be text; write `key: value`, and quotes around unusual keys.");
    } else if (frame.key == "<<" && !key.quoted) {
      problems_.Add(key.location, "merge keys (<<) are not supported; write the keys out, or put `extends: FILE` at the top of the file.");
    } else if (frame.key.size() > kLongestKey) {
      problems_.Add(key.location, "the key " + Quoted(frame.key) + " is longer than " + std::to_string(kLongestKey) + " bytes.");
    } else if (const auto [it, fresh] = frame.seen.emplace(frame.key, key.location); !fresh) {
      problems_.Add(key.location, "key " + Quoted(frame.key) + " is given twice; the first is at " + it->second.ToString() + ". Remove one of them.");
    } else {
      frame.bad_key = false;
    }
  }

  void TakeValue(Frame& frame, Node value) {
    frame.has_key = false;
    if (frame.bad_key) return;
    frame.value.bytes += frame.key.size();
    frame.value.node.key_locations.push_back(std::move(frame.key_location));
    frame.value.node.entries.emplace_back(std::move(frame.key), std::move(value));
  }

  std::string file_;
  Node root_;
  Problems problems_;
  std::vector<Frame> frames_;
  std::unordered_map<YAML::anchor_t, Value> anchors_;
  YAML::Mark last_quoted_ = YAML::Mark::null_mark();
  int documents_ = 0;
  int values_ = 0;
  std::size_t copied_bytes_ = 0;
};

// True when the quoted text that starts at `begin` (behind an anchor or a tag) is never closed:
// yaml-cpp takes the rest of the file for it in silence when the file ends in a newline.
bool IsUnclosed(std::string_view text, std::size_t begin) {
  text.remove_prefix(std::min(begin, text.size()));
  while (!text.empty() && text[0] != '"' && text[0] != '\'') {
    if (text[0] == '|' || text[0] == '>') return false;  // a block, which ends by its indentation
    const bool comment = text[0] == '#';
    const bool property = text[0] == '&' || text[0] == '!';
    if (!comment && !property && std::string_view(" \t\r\n").find(text[0]) == std::string_view::npos) return false;
    const std::size_t end = comment ? text.find('\n') : property ? text.find_first_of(" \t\r\n") : 1;
    text.remove_prefix(std::min(end, text.size()));
  }
  if (text.empty()) return false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[0] == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == text[0]) {
      const bool doubled = text[0] == '\'' && i + 1 < text.size() && text[i + 1] == '\'';
      if (!doubled) return false;
      ++i;
    }
  }
  return true;
}

// What a person can do about the commonest of yaml-cpp's complaints.
std::string Advice(const std::string& complaint) {
  static const std::pair<const char*, const char*> kAdvice[] = {
      {YAML::ErrorMsg::END_OF_MAP, "the map goes wrong here: look for a missing ':' or wrong indentation"},
      {YAML::ErrorMsg::END_OF_MAP_FLOW, "a '{' is not closed, or a ',' is missing"},
      {YAML::ErrorMsg::END_OF_SEQ, "the list goes wrong here: look for a missing '- ' or wrong indentation"},
      {YAML::ErrorMsg::END_OF_SEQ_FLOW, "a '[' is not closed, or a ',' is missing"},
      {YAML::ErrorMsg::MAP_VALUE, "a ':' where no key can be; put quotes around text that holds ': '"},
      {YAML::ErrorMsg::EOF_IN_SCALAR, "a quote is not closed"},
      {YAML::ErrorMsg::UNKNOWN_TOKEN, "text cannot start with this character; put it in quotes"},
      {YAML::ErrorMsg::UNKNOWN_ANCHOR, "this alias names no anchor above it"},
  };
  for (const auto& [theirs, ours] : kAdvice) {
    if (complaint == theirs) return ours;
  }
  return complaint;
}

// yaml-cpp blames the ':' behind a tab in the indentation; a person must be told of the tab.
bool IsIndentedWithTab(std::string_view text, int line) {
  for (; line > 0; --line) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  return text.substr(0, text.find_first_not_of(" \t")).find('\t') != std::string_view::npos;
}

// Takes one key out of a map.
void Erase(Node& map, std::string_view key) {
  for (std::size_t i = 0; i < map.entries.size(); ++i) {
    if (map.entries[i].first != key) continue;
    map.entries.erase(map.entries.begin() + static_cast<std::ptrdiff_t>(i));
    map.key_locations.erase(map.key_locations.begin() + static_cast<std::ptrdiff_t>(i));
    return;
  }
}

// `chain` holds the files that lead here, to find cycles; `asked_at` is the place of `extends`.
Node ParseFileInChain(const std::string& path, std::vector<std::string>& chain, const Location& asked_at) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const std::string identity = fs::weakly_canonical(path, ignored).string();
  if (std::find(chain.begin(), chain.end(), identity) != chain.end()) {
    Fail(asked_at, "`extends` goes in a circle: '" + path + "' leads back to itself.");
  }
  if (chain.size() > kMostExtends) Fail(asked_at, "more than " + std::to_string(kMostExtends) + " files extend one another.");
  chain.push_back(identity);
  std::string text;
  try {
    text = ReadFile(path, kMostBytes);
  } catch (const DataError& error) {
    Fail(asked_at, error.what());
  }
  Node own = ParseYaml(text, path);
  const Node* extends = own.Find("extends");
  if (!extends) return own;
  const Location place = extends->location;
  if (extends->kind != Node::Kind::kScalar || extends->text.empty()) Fail(place, "'extends' must be the path of one file.");
  const std::string base = (fs::path(path).parent_path() / extends->text).string();
  Erase(own, "extends");
  Node inherited = ParseFileInChain(base, chain, place);
  // At the top it is a title and chooses no part.
  if (own.Find("name") && inherited.Find("name")) *inherited.Find("name") = *own.Find("name");
  return MergeYaml(std::move(inherited), std::move(own));
}

}  // namespace

Node ParseYaml(std::string_view text, const std::string& file_name) {
  if (text.size() > kMostBytes) Fail({file_name, 0, 0}, "longer than " + std::to_string(kMostBytes) + " bytes, the most that is read here.");
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  CheckCharacters(text, file_name);
  Builder builder(file_name);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    const bool tab = !error.mark.is_null() && IsIndentedWithTab(text, error.mark.line);
    const std::string advice = tab ? "there is a tab in this line's indentation; use spaces" : Advice(error.msg);
    builder.problems().Add(builder.Place(error.mark), "not YAML: " + advice + ".");
  }
  const YAML::Mark& quote = builder.last_quoted();
  if (!quote.is_null() && IsUnclosed(text, static_cast<std::size_t>(quote.pos))) {
    builder.problems().Add(builder.Place(quote), "not YAML: this quote is not closed.");
  }
  builder.problems().ThrowIfAny();
  if (builder.root().location.file.empty()) builder.root().location = {file_name, 1, 1};
  return std::move(builder.root());
}

Node ParseYamlFile(const std::string& path) {
  std::vector<std::string> chain;
  return ParseFileInChain(path, chain, {});
}

}  // namespace cogent
