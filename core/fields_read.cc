// The reader: fills fields from a YAML map and says what is wrong with it.
#include <algorithm>

#include "core/config.h"
#include "core/fields.h"
#include "core/scalar.h"

namespace cogent {
namespace {

std::string Joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

// What a person sees in the file: "the number 3", "text 'many'", "a list".
std::string Found(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull: return "empty";
    case Node::Kind::kList: return "a list";
    case Node::Kind::kMap: return "a map";
    case Node::Kind::kScalar: break;
  }
  if (node.quoted) return "text in quotes, " + Quoted(node.text);
  if (ParseReal(node.text).state != Parsed<double>::State::kNotANumber) return "the number " + Shortened(node.text, 60);
  if (ParseBool(node.text)) return node.text;
  return "text " + Quoted(node.text);
}

class Reader : public FieldVisitor {
 public:
  // `what` names the whole, `section` the path inside it ("" at its top).
  Reader(const Node& node, std::string what, std::string section, Problems& problems)
      : node_(node), what_(std::move(what)), section_(std::move(section)), problems_(problems) {
    if (node_.kind == Node::Kind::kMap || node_.kind == Node::Kind::kNull) return;
    const std::string who = section_.empty() ? what_ : "'" + section_ + "'" + Of();
    Wrong(node_, who + " must be a map of settings (key: value), but is " + Found(node_) + ".");
  }

  bool readable() const { return readable_; }

  // Every key must have been asked for by a field.
  void ReportUnknownKeys() {
    for (std::size_t i = 0; i < node_.entries.size(); ++i) {
      const std::string& key = node_.entries[i].first;
      if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
      std::string text = "unknown key " + Quoted(key) + " in ";
      text += section_.empty() ? what_ : "section '" + section_ + "'" + Of();
      if (known_.empty()) {
        text += ", which has no settings.";
      } else {
        const auto near = Nearest(key, known_);
        text += near ? ". Did you mean '" + *near + "'?" : ".";
        text += " Known: " + Joined(known_) + ".";
      }
      problems_.Add(i < node_.key_locations.size() ? node_.key_locations[i] : node_.location, text);
    }
  }

 protected:
  void Bool(const char* name, bool& value, const char*) override {
    const Node* node = Take(name);
    if (!node) return;
    const auto parsed = node->kind == Node::Kind::kScalar && !node->quoted ? ParseBool(node->text) : std::nullopt;
    if (!parsed) return WrongType(*node, name, "true or false");
    value = *parsed;
  }

  void Integer(const char* name, std::int64_t& value, const char*, Between range) override {
    if (const Node* node = Take(name)) ReadInteger(*node, name, value, range);
  }

  void Unsigned(const char* name, std::uint64_t& value, const char*) override {
    const Node* node = Take(name);
    if (!node) return;
    using State = Parsed<std::uint64_t>::State;
    const auto parsed = IsPlainScalar(*node) ? ParseUnsigned(node->text) : Parsed<std::uint64_t>{};
    if (parsed.state == State::kTooLarge) return OutOfRange(*node, name, "from 0 to 18446744073709551615");
    if (!parsed.ok()) return WrongType(*node, name, "a whole number");
    value = parsed.value;
  }

  void Real(const char* name, double& value, const char*, Between range) override {
    if (const Node* node = Take(name)) ReadReal(*node, name, value, range);
  }

  void Text(const char* name, std::string& value, const char*, const OneOf* allowed) override {
    const Node* node = Take(name);
    if (!node) return;
    if (node->kind != Node::Kind::kScalar) {
      return WrongType(*node, name, allowed ? "one of: " + Joined(allowed->words) : "text");
    }
    if (allowed && std::find(allowed->words.begin(), allowed->words.end(), node->text) == allowed->words.end()) {
      const auto near = Nearest(node->text, allowed->words);
      return Wrong(*node, Subject(name) + " cannot be " + Quoted(node->text) + "." +
                              (near ? " Did you mean '" + *near + "'?" : "") + " Allowed: " + Joined(allowed->words) + ".");
    }
    value = node->text;
  }

  void Range(const char* name, IntRange& value, const char*, Between range) override {
    const Node* node = Take(name);
    if (!node) return;
    IntRange read;
    if (node->kind == Node::Kind::kScalar) {
      if (!ReadInteger(*node, name, read.low, range)) return;
      read.high = read.low;
    } else if (node->kind == Node::Kind::kList && node->items.size() == 2) {
      const bool low = ReadInteger(node->items[0], name, read.low, range);
      const bool high = ReadInteger(node->items[1], name, read.high, range);
      if (!low || !high) return;
    } else {
      const std::string size = node->kind == Node::Kind::kList ? " of " + std::to_string(node->items.size()) : "";
      return Wrong(*node, Subject(name) + " must be a range, like [2, 4] or 3, but is " + Found(*node) + size + ".");
    }
    if (read.low > read.high) {
      return Wrong(*node, Subject(name) + " goes from " + std::to_string(read.low) + " down to " +
                              std::to_string(read.high) + "; write the smaller number first.");
    }
    value = read;
  }

  void Texts(const char* name, std::vector<std::string>& value, const char*) override {
    std::vector<std::string> read;
    const bool taken = EachItem(name, "a list of texts, like [a, b]", [&](const Node& item, const std::string& item_name) {
      if (item.kind != Node::Kind::kScalar) return WrongType(item, item_name, "text");
      read.push_back(item.text);
    });
    if (taken) value = std::move(read);
  }

  void Doubles(const char* name, std::vector<double>& value, const char*, Between range) override {
    std::vector<double> read;
    const bool taken = EachItem(name, "a list of numbers, like [0.5, 1]", [&](const Node& item, const std::string& item_name) {
      ReadReal(item, item_name, read.emplace_back(), range);
    });
    if (taken) value = std::move(read);
  }

  void OneChoice(const char* name, Choice& value, const char*) override {
    if (const Node* node = Take(name)) ReadChoice(*node, name, value);
  }

  void Choices(const char* name, std::vector<Choice>& value, const char*) override {
    std::vector<Choice> read;
    const bool taken = EachItem(name, "a list of names or maps, like [a, {name: b}]", [&](const Node& item, const std::string& item_name) {
      ReadChoice(item, item_name, read.emplace_back());
    });
    if (taken) value = std::move(read);
  }

  void Raw(const char* name, Node& value, const char*) override {
    if (const Node* node = Take(name)) value = *node;
  }

  void Nested(const char* name, const char*, const Section& section) override {
    const Node* node = Take(name);
    // An absent section has its defaults, and stands where the one around it does.
    ReadSection(node ? *node : Node::Map(node_.location), name, section);
  }

  void Optional(const char* name, const char*, const Maybe& maybe, const Section& section) override {
    const Node* node = Take(name);
    if (node && node->kind == Node::Kind::kNull) return maybe.drop();
    if (!node && !maybe.present) return;
    if (!maybe.present) maybe.make();
    ReadSection(node ? *node : Node::Map(node_.location), name, section);
  }

 private:
  static bool IsPlainScalar(const Node& node) { return node.kind == Node::Kind::kScalar && !node.quoted; }

  const Node* Take(const char* name) {
    known_.push_back(name);
    return node_.Find(name);
  }
  std::string Path(const std::string& name) const { return section_.empty() ? name : section_ + "." + name; }
  std::string Of() const { return what_ == "the file" ? "" : " of " + what_; }
  std::string Subject(const std::string& name) const {
    return "'" + Path(name) + "'" + (what_ == "the file" ? "" : " in " + what_);
  }
  void Wrong(const Node& node, const std::string& text) {
    readable_ = false;
    problems_.Add(node.location, text);
  }
  void WrongType(const Node& node, const std::string& name, const std::string& wanted) {
    Wrong(node, Subject(name) + " must be " + wanted + ", but is " + Found(node) + ".");
  }
  void OutOfRange(const Node& node, const std::string& name, const std::string& range) {
    Wrong(node, Subject(name) + " must be " + range + ", but is " + Shortened(node.text, 60) + ".");
  }

  bool ReadInteger(const Node& node, const std::string& name, std::int64_t& value, Between range) {
    using State = Parsed<std::int64_t>::State;
    const auto parsed = IsPlainScalar(node) ? ParseInteger(node.text) : Parsed<std::int64_t>{};
    // long double holds every 64-bit number and every double, so that the comparison is exact.
    const auto exact = static_cast<long double>(parsed.value);
    if (parsed.ok() && exact >= range.low && exact <= range.high) {
      value = parsed.value;
      return true;
    }
    if (parsed.ok() || parsed.state == State::kTooLarge) {
      OutOfRange(node, name, RangeOfIntegers(range, RangeForm::kSentence));
    } else {
      WrongType(node, name, "a whole number");
    }
    return false;
  }

  void ReadReal(const Node& node, const std::string& name, double& value, Between range) {
    using State = Parsed<double>::State;
    const auto parsed = IsPlainScalar(node) ? ParseReal(node.text) : Parsed<double>{};
    if (parsed.state == State::kNotANumber) return WrongType(node, name, "a number");
    if (!parsed.ok()) return Wrong(node, Subject(name) + " is " + Shortened(node.text, 60) + ", beyond what a 64-bit float holds.");
    // Written so that NaN, which compares with nothing, is outside.
    if (!(parsed.value >= range.low && parsed.value <= range.high)) {
      const std::string allowed = RangeOfReals(range, RangeForm::kSentence);
      return OutOfRange(node, name, allowed.empty() ? "a number" : allowed);
    }
    value = parsed.value;
  }

  // Calls `read` with each item and a name for it; false when there is no such list.
  template <typename Read>
  bool EachItem(const char* name, const char* wanted, Read read) {
    const Node* node = Take(name);
    if (!node) return false;
    if (node->kind != Node::Kind::kList) {
      WrongType(*node, name, wanted);
      return false;
    }
    for (std::size_t i = 0; i < node->items.size(); ++i) read(node->items[i], std::string(name) + "." + std::to_string(i));
    return true;
  }

  // A map without a name keeps the default's, with the default's settings under its own.
  void ReadChoice(const Node& node, const std::string& name, Choice& value) {
    if (node.kind == Node::Kind::kScalar) {
      value = {node.text, Node::Map(node.location), node.location};
      return;
    }
    const Node* chosen = node.Find("name");
    if (node.kind != Node::Kind::kMap || (chosen && chosen->kind != Node::Kind::kScalar)) {
      return WrongType(chosen ? *chosen : node, chosen ? name + ".name" : name, "a name, or a map with `name: ...`");
    }
    if (!chosen && value.name.empty()) return Wrong(node, Subject(name) + " does not say which; add `name: ...`.");
    Node settings = chosen ? Node::Map() : std::move(value.settings);
    settings.location = node.location;
    settings.key_locations.resize(settings.entries.size());
    for (std::size_t i = 0; i < node.entries.size(); ++i) {
      const auto& [key, setting] = node.entries[i];
      if (key == "name") continue;
      settings.Set(key, setting);
      for (std::size_t k = 0; k < settings.entries.size(); ++k) {
        if (settings.entries[k].first == key) settings.key_locations[k] = node.key_locations[i];
      }
    }
    value = {chosen ? chosen->text : value.name, std::move(settings), chosen ? chosen->location : node.location};
  }

  void ReadSection(const Node& node, const char* name, const Section& section) {
    Reader inner(node, what_, Path(name), problems_);
    section.visit(inner);
    inner.ReportUnknownKeys();
    if (inner.readable()) section.validate(problems_, node);
    readable_ = readable_ && inner.readable();
  }

  const Node& node_;
  std::string what_;
  std::string section_;
  Problems& problems_;
  std::vector<std::string> known_;
  bool readable_ = true;
};

}  // namespace

bool ReadFields(const Node& node, const std::string& what, const std::function<void(FieldVisitor&)>& visit, Problems& problems) {
  Reader reader(node, what, "", problems);
  visit(reader);
  reader.ReportUnknownKeys();
  return reader.readable();
}

}  // namespace cogent
